//! `--curve`: a series of offered rates, each a run of its own, past what the server accepts.
//!
//! Banga and Druschel (1997) showed that what a server does beyond its capacity is seen only where the
//! load goes on: goodput against offered attempts is the picture of it. Start at [`run`]; [`Point::of`]
//! is what a step becomes.

use crate::config::Format;
use crate::exit::ExitCode;
use crate::out::{OutError, OutFile};
use crate::plan::Plan;
use crate::profile::Rate;
use crate::report::curve as report;
use crate::summary::Summary;
use crate::supervisor::{self, SupervisorError};
use crate::verdict::{self, State, Verdict};
use dispatch::Signal;
use stats::{Counter, Latency, Outcome, Phase};
use std::io::Write;
use std::path::Path;

/// A series that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Series {
    /// The first rate, in attempts per second.
    pub from: u64,
    /// The last.
    pub to: u64,
    /// How many, both ends included; at least 2.
    pub steps: u32,
}

impl Series {
    /// The rates, in order and exact.
    pub fn rates(&self) -> impl Iterator<Item = Rate> + '_ {
        let last = u64::from(self.steps) - 1;
        (0..=last).map(move |step| {
            let num = self.from * (last - step) + self.to * step;
            Rate::new(num, last).expect("a series has two steps at least")
        })
    }
}

/// What one step showed.
#[derive(Clone, Debug)]
pub struct Point {
    /// Attempts per second that were planned.
    pub planned_per_s: f64,
    /// Attempts per second that were begun.
    pub offered_per_s: f64,
    /// Of them, those that were accepted.
    pub connected_per_s: f64,
    /// Answers as expected per second.
    pub goodput_per_s: f64,
    /// Attempts that nobody accepted in their time.
    pub abandoned: u64,
    /// Attempts that failed otherwise, by class.
    pub failed: [u64; Outcome::COUNT],
    /// From connect() to established, in microseconds: p50 and p99.
    pub connect_us: [Option<f64>; 2],
    /// From established to the answer, in microseconds: p50 and p99.
    pub response_us: [Option<f64>; 2],
    /// The quantile from which on responses are lower bounds.
    pub lower_bound_from: Option<f64>,
    /// The verdict on the step.
    pub verdict: Verdict,
    code: ExitCode,
}

impl Point {
    /// What the run that was planned at `planned` attempts per second showed.
    pub fn of(summary: &Summary, planned: Rate) -> Self {
        let counters = summary.counters();
        let seconds = summary.measured_seconds().max(1e-9);
        let per_s = |count: u64| count as f64 / seconds;
        // What was answered in that time, not what was asked in it and answered at leisure.
        let measured = summary.fold.phase(Phase::Measurement);
        let unexpected = measured.of(Counter::RequestsUnexpected);
        let good = measured.of(Counter::RequestsCompleted).saturating_sub(unexpected);
        let mut failed = counters.connections_failed;
        let abandoned = std::mem::take(&mut failed[Outcome::ConnectTimeout as usize]);
        let quantiles = |latency| {
            let histogram = summary.fold.histogram(latency);
            [0.5, 0.99].map(|q| histogram.quantile(q).map(|nanos| nanos as f64 / 1e3))
        };
        let verdict = Verdict::of(summary);
        Self {
            planned_per_s: planned.as_f64(),
            offered_per_s: per_s(counters.of(Counter::ConnectionsAttempted)),
            connected_per_s: per_s(counters.of(Counter::ConnectionsEstablished)),
            goodput_per_s: per_s(good),
            abandoned,
            failed,
            connect_us: quantiles(Latency::Connect),
            response_us: quantiles(Latency::FromDue),
            lower_bound_from: summary.lower_bound_from(Latency::FromDue),
            code: verdict::exit_code(summary, &verdict),
            verdict,
        }
    }
}

/// The files of a series.
#[derive(Debug)]
pub struct Files {
    text: OutFile,
    json: OutFile,
    picture: OutFile,
}

impl Files {
    /// Makes them in `folder`, and the folder where there is none.
    ///
    /// # Errors
    /// One of them is there already, or cannot be made.
    pub fn create(folder: &Path) -> Result<Self, OutError> {
        OutFile::folder("--out", folder)?;
        let file = |name| OutFile::create("--out", &folder.join(name));
        Ok(Self {
            text: file("curve.txt")?,
            json: file("curve.json")?,
            picture: file("curve.svg")?,
        })
    }

    fn save(&self, plan: &Plan, points: &[Point]) -> std::io::Result<()> {
        self.text.replace(&report::text(plan, points))?;
        self.json.replace(&report::json(plan, points))?;
        self.picture.replace(&report::picture(points))
    }
}

/// Conducts `steps`, one after the other; what each showed is saved before the next begins, and all of
/// it is printed at the end. A signal ends the series with its step.
///
/// # Errors
/// A step could not begin, or a file not be written.
pub fn run(steps: Vec<(Rate, Plan)>, files: &Files) -> Result<ExitCode, SupervisorError> {
    let whole = steps.first().expect("a series has steps").1.clone();
    let count = steps.len();
    let mut points = Vec::new();
    let mut signal = None;
    for (rate, plan) in steps {
        let summary = supervisor::trial(plan)?;
        let point = Point::of(&summary, rate);
        let line = report::line(points.len() + 1, count, &point);
        let _ = writeln!(std::io::stderr(), "{line}");
        points.push(point);
        let system = |error| SupervisorError::System { what: "--out", error };
        files.save(&whole, &points).map_err(system)?;
        signal = summary.signal;
        if signal.is_some() {
            break;
        }
    }
    let told = match whole.config.format {
        Format::Text => report::text(&whole, &points),
        Format::Json => report::json(&whole, &points),
    };
    match supervisor::write_result(&told) {
        Err(_) => Ok(ExitCode::Internal),
        Ok(()) => Ok(exit_code(&points, signal)),
    }
}

/// The code of the whole: a signal's, the worst verdict's, or 4 where no step was answered as expected.
fn exit_code(points: &[Point], signal: Option<Signal>) -> ExitCode {
    match signal {
        Some(Signal::SIGINT) => return ExitCode::Interrupted,
        Some(_) => return ExitCode::Terminated,
        None => {}
    }
    if points.iter().any(|point| point.verdict.state == State::Invalid) {
        ExitCode::Invalid
    } else if points.iter().any(|point| point.code == ExitCode::Success) {
        ExitCode::Success
    } else {
        ExitCode::NotAsExpected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_of_a_series_are_even_and_have_both_ends() {
        let rates = |from, to, steps| {
            let series = Series { from, to, steps };
            series.rates().map(Rate::as_f64).collect::<Vec<_>>()
        };
        assert_eq!(rates(1_000, 5_000, 5), [1e3, 2e3, 3e3, 4e3, 5e3]);
        assert_eq!(rates(5_000, 1_000, 3), [5e3, 3e3, 1e3]);
        assert_eq!(rates(1, 2, 3), [1.0, 1.5, 2.0]);
    }
}
