//! What is tested for drift, and how much of it is too much: one entry per series.

use super::even::longest;
use crate::levels::{What, Whose};
use crate::summary::Summary;
use stats::{Addend, Flow, Latency, Level, Pace, Point, Windows};
use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

/// A value of a series is of at least so long.
const WINDOW: Duration = Duration::from_secs(1);
const MIB: f64 = 1_048_576.0;

/// Whose doing a drift would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Our own.
    Generator,
    /// The server's.
    Server,
}

/// What a series is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Microseconds.
    Micros,
    /// Bytes.
    Bytes,
    /// Requests per second.
    PerSecond,
    /// A part of 1.
    Share,
    /// A number of things.
    Count,
    /// Processors.
    Processors,
}

impl Unit {
    /// The name in reports; stable.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Micros => "us",
            Self::Bytes => "bytes",
            Self::PerSecond => "requests_per_s",
            Self::Share => "share",
            Self::Count => "count",
            Self::Processors => "processors",
        }
    }
}

/// By how much a series may change over the run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tolerance {
    /// A share of its median.
    relative: f64,
    /// And at least this.
    absolute: f64,
    /// A share of the p99 of the latency, where that is more: what is less does not show in it.
    of_latency: f64,
}

/// Latency and throughput.
const PERCENT_5: Tolerance = Tolerance { relative: 0.05, absolute: 0.0, of_latency: 0.0 };

impl Tolerance {
    const fn of(relative: f64, absolute: f64) -> Self {
        Self { relative, absolute, of_latency: 0.0 }
    }

    pub(super) fn threshold(&self, median: f64, latency_p99: Option<f64>) -> f64 {
        let own = (self.relative * median.abs()).max(self.absolute);
        own.max(self.of_latency * latency_p99.unwrap_or(0.0))
    }
}

/// A series.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its name in JSON; stable.
    pub key: String,
    /// Its name for people.
    pub name: String,
    /// Whose it is.
    pub side: Side,
    /// What it is of.
    pub unit: Unit,
    /// What it must not reach, where that is known.
    pub limit: Option<f64>,
    /// Its values, by window.
    pub points: Vec<Point>,
    /// Whether its values in the warm-up are unlike the rest.
    pub(super) warms_up: bool,
    pub(super) tolerance: Tolerance,
}

/// The windows that all series are put into: those of the widest, and at least [`WINDOW`] long.
#[derive(Clone, Debug)]
pub(super) struct Axis<'a> {
    /// In intervals.
    width: u64,
    /// The latency that is judged, and how late requests or attempts left.
    latencies: [(Latency, Cow<'a, Windows>); 2],
    pub(super) window_seconds: f64,
    /// All of measurement.
    pub(super) measured: Range<u64>,
    /// Those in which the load is the same by plan; none is all.
    pub(super) even: Option<Range<u64>>,
}

impl<'a> Axis<'a> {
    pub(super) fn of(summary: &'a Summary) -> Self {
        let (fold, interval) = (&summary.fold, summary.plan.config.interval);
        let least = WINDOW.as_nanos().div_ceil(interval.as_nanos().max(1)) as u64;
        let latencies = [latency(summary), summary.send_lag()].map(|of| (of, fold.windows(of)));
        let widths = latencies.each_ref().map(|(_, windows)| windows.width());
        let levels = fold.levels().iter().map(|(_, windows)| windows.width());
        let width =
            levels.chain(widths).chain([fold.paces().width(), least.next_power_of_two()]).max();
        let width = width.expect("there is the least");
        let mut firsts = fold.paces().iter().map(|window| window.first / width);
        let first = firsts.next();
        let last = firsts.last().or(first);
        let measured = first.zip(last).map_or(0..0, |(first, last)| first..last + 1);
        let nanos = width * interval.as_nanos() as u64;
        let whole = measured.start * nanos..measured.end * nanos;
        let even = longest(summary, &whole, nanos);
        // Of a window that is half in it nobody knows which half.
        let even = even.map(|even| even.start.div_ceil(nanos)..even.end / nanos);
        let even = even.map(|even| even.start..even.end.max(even.start));
        Self { width, latencies, window_seconds: nanos as f64 / 1e9, measured, even }
    }

    fn points<V: Addend>(
        &self,
        windows: &Windows<V>,
        of: impl Fn(&V) -> Option<f64>,
    ) -> Vec<Point> {
        let wide = windows.in_windows_of(self.width);
        let numbered = wide.iter().map(|window| (window.first / self.width, window.value));
        let even = |number: &u64| self.even.as_ref().is_none_or(|even| even.contains(number));
        let looked_at = numbered.filter(|(number, _)| even(number));
        looked_at.filter_map(|(number, value)| Some((number, of(&value)?))).collect()
    }

    /// A quantile of a latency, in microseconds.
    ///
    /// # Panics
    /// If `latency` is neither of those that are looked at.
    fn quantiles(&self, latency: Latency, quantile: f64) -> Vec<Point> {
        let micros = |nanos: u64| nanos as f64 / 1e3;
        let kept = self.latencies.iter().find(|(kept, _)| *kept == latency);
        let (_, windows) = kept.expect("it is looked at");
        self.points(windows, |of| of.quantile(quantile).map(micros))
    }

    fn paces(&self, summary: &Summary, of: fn(&Pace) -> Option<f64>) -> Vec<Point> {
        self.points(summary.fold.paces(), of)
    }

    fn levels(&self, summary: &Summary, whose: Whose, what: What) -> Vec<Point> {
        let windows = summary.fold.levels().of((whose, what));
        windows.map_or_else(Vec::new, |windows| self.points(windows, Level::mean))
    }
}

/// The latency that is judged: where a schedule says when requests are due, from then.
fn latency(summary: &Summary) -> Latency {
    match summary.plan.config.load.schedule() {
        Some(_) => Latency::FromDue,
        None => Latency::FromSend,
    }
}

/// What a steady state is looked for in.
pub(super) fn flow(summary: &Summary, axis: &Axis<'_>) -> Flow {
    let latency = latency(summary);
    let due = axis.paces(summary, |pace| Some(pace.due as f64));
    let begun: f64 = due.iter().map(|(_, due)| due).sum();
    Flow {
        p50: axis.quantiles(latency, 0.5),
        p99: axis.quantiles(latency, 0.99),
        throughput: throughput(summary, axis),
        backlog: axis.levels(summary, Whose::Run, What::Backlog),
        begun_per_window: begun / due.len().max(1) as f64,
    }
}

/// Answers per second of all workers: as many times those of one as there are, which does not mind windows
/// that begin or end with measurement; in a run with phases they come and go.
fn throughput(summary: &Summary, axis: &Axis<'_>) -> Vec<Point> {
    if summary.plan.crews.is_empty() {
        let procs = f64::from(summary.plan.config.procs);
        let each = axis.paces(summary, Pace::completed_per_s);
        return each.into_iter().map(|(window, each)| (window, each * procs)).collect();
    }
    let seconds = axis.window_seconds;
    let completed = axis.paces(summary, |pace| Some(pace.completed as f64));
    completed.into_iter().map(|(window, completed)| (window, completed / seconds)).collect()
}

/// All series that a run may have, the generator's first; some have no values.
pub(super) fn all(summary: &Summary, axis: &Axis<'_>, flow: &Flow) -> Vec<Series> {
    let mut all = generator(summary, axis);
    all.extend(seen(summary, axis, flow));
    if summary.plan.targets > 0 {
        all.extend(processes(summary, axis, Whose::Target, "target", "target"));
    }
    for (place, pid) in (0..).zip(&summary.plan.config.watch_pids) {
        let (key, name) = (format!("watched_{place}"), format!("process {pid}"));
        all.extend(processes(summary, axis, Whose::Watched(place), &key, &name));
    }
    all
}

fn series(key: &str, name: &str, unit: Unit, points: Vec<Point>, tolerance: Tolerance) -> Series {
    Series {
        key: key.to_owned(),
        name: name.to_owned(),
        side: Side::Server,
        unit,
        limit: None,
        points,
        warms_up: false,
        tolerance,
    }
}

/// Our own. That our lateness grows matters where it shows in what we measure.
fn generator(summary: &Summary, axis: &Axis<'_>) -> Vec<Series> {
    let workers = axis.levels(summary, Whose::Workers, What::Rss);
    let cpu = |pace: &Pace| pace.cpu_nanos_per_request().map(|nanos| nanos / 1e3);
    let lag = axis.quantiles(summary.send_lag(), 0.99);
    let shown = Tolerance { of_latency: 0.05, ..PERCENT_5 };
    let all = [
        series("workers_rss", "workers' rss", Unit::Bytes, workers, Tolerance::of(0.01, MIB)),
        series(
            "cpu_per_request",
            "our cpu per request",
            Unit::Micros,
            axis.paces(summary, cpu),
            Tolerance::of(0.1, 0.0),
        ),
        series("send_lag_p99", "send lag p99", Unit::Micros, lag, shown),
    ];
    all.into_iter().map(|series| Series { side: Side::Generator, ..series }).collect()
}

/// What shows in the answers.
fn seen(summary: &Summary, axis: &Axis<'_>, flow: &Flow) -> Vec<Series> {
    let warms_up = true;
    let failed = axis.paces(summary, Pace::failed_share);
    let live = axis.levels(summary, Whose::Run, What::Live);
    let answered = flow.throughput.iter().any(|(_, answers)| *answers > 0.0);
    let throughput = if answered { flow.throughput.clone() } else { Vec::new() };
    vec![
        Series {
            warms_up,
            ..series("latency_p50", "latency p50", Unit::Micros, flow.p50.clone(), PERCENT_5)
        },
        Series {
            warms_up,
            ..series("latency_p99", "latency p99", Unit::Micros, flow.p99.clone(), PERCENT_5)
        },
        Series {
            warms_up,
            ..series("throughput", "throughput", Unit::PerSecond, throughput, PERCENT_5)
        },
        series("error_share", "error share", Unit::Share, failed, Tolerance::of(0.0, 0.001)),
        series("live_connections", "live connections", Unit::Count, live, Tolerance::of(0.01, 1.0)),
    ]
}

/// What processes use.
fn processes(
    summary: &Summary,
    axis: &Axis<'_>,
    whose: Whose,
    key: &str,
    name: &str,
) -> Vec<Series> {
    let of = |what| axis.levels(summary, whose, what);
    let limit = |what| summary.fold.levels().limit_of((whose, what)).map(|limit| limit as f64);
    let key = |what: &str| format!("{key}_{what}");
    let name = |what: &str| format!("{name} {what}");
    let cpu = of(What::Cpu).into_iter().map(|(window, micros)| (window, micros / 1e6)).collect();
    vec![
        Series {
            limit: limit(What::Rss),
            ..series(
                &key("rss"),
                &name("rss"),
                Unit::Bytes,
                of(What::Rss),
                Tolerance::of(0.01, MIB),
            )
        },
        Series {
            limit: limit(What::Descriptors),
            ..series(
                &key("descriptors"),
                &name("descriptors"),
                Unit::Count,
                of(What::Descriptors),
                Tolerance::of(0.0, 8.0),
            )
        },
        series(&key("cpu"), &name("cpu"), Unit::Processors, cpu, Tolerance::of(0.05, 0.01)),
    ]
}
