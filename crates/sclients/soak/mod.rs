//! What a long run shows and a short one cannot: where its warm-up ended, whether it was steady then, and
//! what drifts.
//!
//! The generator's own series are tested first: if our memory, our processor time per request or our
//! lateness drifts, what is said of the server's drift cannot be trusted. Nothing is read here; every value
//! is the fold's, so the same is said while the run goes on, at its end and afterwards. Start at
//! [`Soak::of`]; `even` says in which part of the run the load is the same by plan, which alone is looked at,
//! `series` what is tested and how much of it is too much, `words` says it.

mod even;
mod series;
mod words;

pub use series::{Series, Side, Unit};
pub use words::value;

use crate::summary::Summary;
use series::Axis;
use stats::{BLOCKS_MIN, Drift, Steady, after, significant};
use std::ops::Range;

/// How a run went over time.
#[derive(Clone, Debug)]
pub struct Soak {
    /// Length of a window, in seconds: of what one value of a series is.
    pub window_seconds: f64,
    /// From the first window to the last.
    pub windows: u64,
    /// Those in which the load was the same by plan, which alone were tested; none is all.
    pub even: Option<Range<u64>>,
    /// The number of the first window of measurement.
    pub first: u64,
    /// Where it settled.
    pub steady: Steady,
    /// What was tested, the generator's first.
    pub judged: Vec<Judged>,
}

/// A series, and what it came to.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The series.
    pub series: Series,
    /// Its trend; none where it is too short for any.
    pub drift: Option<Drift>,
    /// By how much it may change.
    pub threshold: f64,
    /// Whether it drifts.
    pub drifts: bool,
}

impl Judged {
    /// Whether the series is long enough to tell.
    pub fn is_told(&self) -> bool {
        self.drift.as_ref().is_some_and(|drift| drift.is_told(self.threshold))
    }
}

/// What is said of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing drifts.
    None,
    /// Something of the server does.
    Drifts,
    /// The generator itself does.
    Untrusted,
    /// Nothing is known to drift, and of some series the run is too short to tell.
    TooShort,
}

impl Verdict {
    /// The name in reports; stable.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Drifts => "drifts",
            Self::Untrusted => "untrusted",
            Self::TooShort => "too_short",
        }
    }
}

impl Soak {
    /// What `summary` shows over time.
    pub fn of(summary: &Summary) -> Self {
        let axis = Axis::of(summary);
        let flow = series::flow(summary, &axis);
        let steady = Steady::of(&flow, 1);
        let all = series::all(summary, &axis, &flow);
        let ends = || {
            all.iter()
                .filter_map(|series| Some((series.points.first()?.0, series.points.last()?.0)))
        };
        let first = ends().map(|(first, _)| first).min().unwrap_or(0);
        let end = ends().map(|(_, last)| last + 1).max().unwrap_or(first);
        let all_of_it = if axis.even.is_some() { axis.measured.clone() } else { first..end };
        let (first, windows) = (all_of_it.start, all_of_it.end - all_of_it.start);
        let judged = judge(all, steady.warm_from().unwrap_or(first));
        let (window_seconds, even) = (axis.window_seconds, axis.even);
        Self { window_seconds, windows, even, first, steady, judged }
    }

    /// What is said of the whole.
    pub fn verdict(&self) -> Verdict {
        let drifts = |side| self.drifting().any(|judged| judged.series.side == side);
        if drifts(Side::Generator) {
            Verdict::Untrusted
        } else if drifts(Side::Server) {
            Verdict::Drifts
        } else if self.seen().next().is_none() || self.untold().next().is_some() {
            Verdict::TooShort
        } else {
            Verdict::None
        }
    }

    /// How many series of the server drift; none where that cannot be told.
    pub fn count(&self) -> Option<usize> {
        match self.verdict() {
            Verdict::None | Verdict::Drifts => Some(self.drifting().count()),
            Verdict::Untrusted | Verdict::TooShort => None,
        }
    }

    /// What drifts, the generator's first.
    pub fn drifting(&self) -> impl Iterator<Item = &Judged> {
        self.judged.iter().filter(|judged| judged.drifts)
    }

    /// Of what the run is too short to tell.
    pub fn untold(&self) -> impl Iterator<Item = &Judged> {
        self.seen().filter(|judged| !judged.is_told())
    }

    /// Those of which there are values.
    pub fn seen(&self) -> impl Iterator<Item = &Judged> {
        self.judged.iter().filter(|judged| !judged.series.points.is_empty())
    }

    /// Whether the run was long enough for anything to be said.
    pub fn is_long_enough(&self) -> bool {
        self.windows >= BLOCKS_MIN as u64
    }

    /// What was tested: when it begins and how long it is, in seconds.
    pub fn tested(&self) -> (f64, f64) {
        let even = self.even.clone().unwrap_or(self.first..self.first + self.windows);
        (self.seconds_to(even.start), (even.end - even.start) as f64 * self.window_seconds)
    }

    /// From the begin of measurement to window `window`, in seconds.
    pub fn seconds_to(&self, window: u64) -> f64 {
        window.saturating_sub(self.first) as f64 * self.window_seconds
    }

    /// How much longer windows are than an hour is: what is per window times this is per hour.
    pub fn per_hour(&self) -> f64 {
        3600.0 / self.window_seconds
    }
}

/// Tests all series together; those that warm up from window `warm` on.
fn judge(all: Vec<Series>, warm: u64) -> Vec<Judged> {
    let drift = |series: &Series| {
        let points = if series.warms_up { after(&series.points, warm) } else { &series.points };
        Drift::of(points, 1)
    };
    let drifts: Vec<Option<Drift>> = all.iter().map(drift).collect();
    let told = |drift: &&Drift| drift.tells;
    let tested: Vec<f64> =
        drifts.iter().flatten().filter(told).map(|drift| drift.trend.p).collect();
    let mut significant = significant(&tested).into_iter();
    let p99 = all.iter().zip(&drifts).find(|(series, _)| series.key == "latency_p99");
    let p99 = p99.and_then(|(_, drift)| Some(drift.as_ref()?.median));
    let judged = all.into_iter().zip(drifts).map(|(series, drift)| {
        let median = drift.as_ref().map_or(0.0, |drift| drift.median);
        let threshold = series.tolerance.threshold(median, p99);
        let tells = drift.as_ref().is_some_and(|drift| drift.tells);
        let significant = tells && significant.next().expect("one for each test");
        let drifts = drift.as_ref().is_some_and(|drift| drift.is_drift(significant, threshold));
        Judged { series, drift, threshold, drifts }
    });
    judged.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::{Fold, Who};
    use crate::levels::{Levels, What, Whose};
    use crate::plan::samples::{config, plan_on_ample_host};
    use crate::summary::Course;
    use dispatch::Instant;
    use stats::{Counter, Interval, Latency, Phase};

    /// As good as random, from 0 to 1.
    fn rough(at: u64) -> f64 {
        let bits = at.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 40) as f64 / (1 << 24) as f64
    }

    /// A worker's second: so many requests, each of so many microseconds.
    fn second(at: u64, requests: u64, micros: f64) -> Interval {
        let mut interval = Interval::new(at, Phase::Measurement);
        for counter in [Counter::RequestsDue, Counter::RequestsSent, Counter::RequestsCompleted] {
            interval.counters.count_many(counter, requests);
        }
        (interval.strain.wall, interval.strain.cpu) = (1_000_000_000, requests * 20_000);
        for request in 0..requests {
            let nanos = micros * 1e3 * (1.0 + rough(at * 1000 + request));
            interval.histograms[Latency::FromSend as usize].record(nanos as u64);
            interval.histograms[Latency::SchedLag as usize].record(20_000);
        }
        interval
    }

    /// A run of so many seconds: its target's and its workers' memory, and its latency, by second.
    fn run(
        seconds: u64,
        target: fn(u64) -> f64,
        workers: fn(u64) -> f64,
        micros: fn(u64) -> f64,
    ) -> Soak {
        let mut fold = Fold::default();
        for at in 0..seconds {
            let _ =
                fold.take(Who::Worker(0, 0), &second(at, 50, micros(at)), Instant::from_nanos(at));
            let mut levels = Levels::default();
            levels.read(at, (Whose::Target, What::Rss), target(at) as u64);
            levels.read(at, (Whose::Workers, What::Rss), workers(at) as u64);
            levels.limit((Whose::Target, What::Rss), 1 << 30);
            fold.take_levels(&levels);
        }
        let plan = plan_on_ample_host(config(1, 2), None);
        Soak::of(&Summary { plan, fold, course: Course::default() })
    }

    const MIB: f64 = 1_048_576.0;

    fn flat(at: u64) -> f64 {
        20.0 * MIB + 4096.0 * (rough(at) * 9.0).floor()
    }

    fn leaks(at: u64) -> f64 {
        flat(at) + MIB * at as f64 / 60.0
    }

    fn even(at: u64) -> f64 {
        100.0 + rough(!at)
    }

    fn named(soak: &Soak) -> Vec<&str> {
        soak.drifting().map(|judged| judged.series.key.as_str()).collect()
    }

    #[test]
    fn a_run_that_goes_nowhere_drifts_nowhere() {
        let soak = run(300, flat, flat, even);
        assert_eq!((soak.verdict(), named(&soak)), (Verdict::None, vec![]), "{}", soak.words());
        assert!(matches!(soak.steady, Steady::From(_)), "{:?}", soak.steady);
        assert!(soak.words().starts_with("none in 300 s"), "{}", soak.words());
    }

    #[test]
    fn a_leak_is_found_with_its_slope_and_the_time_to_the_limit() {
        let soak = run(300, leaks, flat, even);
        assert_eq!((soak.verdict(), named(&soak)), (Verdict::Drifts, vec!["target_rss"]));
        let drift = soak.drifting().next().unwrap().drift.clone().unwrap();
        let per_hour = drift.trend.slope * soak.per_hour();
        assert!((per_hour / (60.0 * MIB) - 1.0).abs() < 0.01, "{per_hour}");
        // 1 GiB is 1,024 minutes at 1 MiB a minute, less the 25 of them that are gone.
        assert_eq!(soak.count(), Some(1));
        let words = soak.words();
        assert!(
            words.contains("target rss +1023 KiB/min") && words.contains("16.7 h to the limit"),
            "{words}"
        );
    }

    #[test]
    fn a_generator_that_drifts_cannot_be_trusted() {
        let soak = run(300, leaks, leaks, even);
        assert_eq!(
            (soak.verdict(), named(&soak)),
            (Verdict::Untrusted, vec!["workers_rss", "target_rss"])
        );
        assert!(soak.words().starts_with("cannot be trusted, since the generator itself drifts"));
    }

    #[test]
    fn latency_that_creeps_up_is_found_and_a_warm_up_is_not() {
        let creeps = run(300, flat, flat, |at| 100.0 + at as f64 / 10.0 + rough(at));
        assert!(named(&creeps).contains(&"latency_p50"), "{:?}", named(&creeps));
        let warms = run(300, flat, flat, |at| if at < 40 { 300.0 } else { 100.0 } + rough(at));
        assert_eq!(named(&warms), [""; 0]);
        assert!(matches!(warms.steady, Steady::From(40..=60)), "{:?}", warms.steady);
    }

    #[test]
    fn a_short_run_is_too_short() {
        let soak = run(10, leaks, flat, even);
        assert_eq!((soak.verdict(), soak.is_long_enough()), (Verdict::TooShort, false));
        assert_eq!(soak.count(), None);
        assert_eq!(soak.steady, Steady::TooShort);
    }
}
