//! `--curve`: a series of offered rates, each a run of its own, past what the server accepts.
//!
//! Banga and Druschel (1997) showed that what a server does beyond its capacity is seen only where the
//! load goes on: goodput against offered attempts is the picture of it. Start at [`run`]; [`Point::of`]
//! is what a step becomes.

use crate::exit::ExitCode;
use crate::out::Trio;
use crate::plan::Plan;
use crate::profile::Rate;
use crate::report::curve as report;
use crate::summary::Summary;
use crate::supervisor::{self, SupervisorError};
use crate::verdict::{self, State, Verdict};
use dispatch::Signal;
use serde::{Deserialize, Serialize};
use stats::{Counter, Latency, Outcome, Phase};
use std::io;

/// A series that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// How long was measured.
    pub seconds: f64,
    /// Whether a signal ended the step before its time.
    pub interrupted: bool,
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
        let seconds = summary.measured_seconds();
        let per_s = |count: u64| count as f64 / seconds.max(1e-9);
        // Offered is what was due in that time and begun: the first attempt is begun at its first instant,
        // the last may be late. Accepted and answered is what was so in it, not at leisure afterwards.
        let measured = summary.fold.phase(Phase::Measurement);
        let unexpected = measured.of(Counter::RequestsUnexpected);
        let good = measured.of(Counter::RequestsCompleted).saturating_sub(unexpected);
        let (abandoned, failed) = summary.attempts_failed();
        let quantiles = |latency| {
            let histogram = summary.fold.histogram(latency);
            [0.5, 0.99].map(|q| histogram.quantile(q).map(|nanos| nanos as f64 / 1e3))
        };
        let verdict = Verdict::of(summary);
        Self {
            seconds,
            interrupted: summary.course.signal.is_some(),
            planned_per_s: planned.as_f64(),
            offered_per_s: per_s(summary.fold.histogram(Latency::AttemptLag).count()),
            connected_per_s: per_s(measured.of(Counter::ConnectionsEstablished)),
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

/// Puts `points` in the place of what `files` hold.
///
/// # Errors
/// What the system says, with the path.
pub fn save(files: &Trio, plan: &Plan, points: &[Point]) -> io::Result<()> {
    files.replace([
        &report::text(plan, points),
        &report::json(plan, points),
        &report::picture(points),
    ])
}

/// Conducts `steps`, one after the other, and after each hands all `points` so far to `kept` before the
/// next begins. A signal ends the series with its step, and so does a stop for failures: what a target
/// was spared at one rate it is spared at the next. The signal is returned.
///
/// # Errors
/// A step could not begin, or `kept` failed; what was measured until then is in `points`.
pub fn run(
    steps: Vec<(Rate, Plan)>,
    points: &mut Vec<Point>,
    kept: impl Fn(&[Point]) -> io::Result<()>,
) -> Result<Option<Signal>, SupervisorError> {
    for (rate, plan) in steps {
        let summary = supervisor::trial(plan)?;
        if summary.course.signal.is_some() && summary.measured_seconds() == 0.0 {
            return Ok(summary.course.signal);
        }
        points.push(Point::of(&summary, rate));
        let failed = |error| SupervisorError::System { what: "--out", error };
        kept(points).map_err(failed)?;
        if summary.course.signal.is_some() || summary.course.stopped.is_some() {
            return Ok(summary.course.signal);
        }
    }
    Ok(None)
}

/// The code of the whole: a signal's, the worst verdict's, or 4 where no step was answered as expected.
pub fn exit_code(points: &[Point], signal: Option<Signal>) -> ExitCode {
    if let Some(signal) = signal {
        return ExitCode::ended_by(signal);
    }
    if points.iter().any(|point| point.verdict.state == State::Invalid) {
        ExitCode::Invalid
    } else if points.iter().any(|point| point.code == ExitCode::Success) {
        ExitCode::Success
    } else {
        ExitCode::NotAsExpected
    }
}

/// Points for tests.
#[cfg(test)]
pub mod samples {
    use super::*;

    /// A step of ten seconds that offered `per_s` and was answered `goodput_per_s`.
    pub fn point(per_s: f64, goodput_per_s: f64) -> Point {
        let verdict = Verdict { state: State::Valid, reasons: Vec::new(), notes: Vec::new() };
        let answered = goodput_per_s > 0.0;
        Point {
            seconds: 10.0,
            interrupted: false,
            planned_per_s: per_s,
            offered_per_s: per_s,
            connected_per_s: goodput_per_s,
            goodput_per_s,
            abandoned: 0,
            failed: [0; Outcome::COUNT],
            connect_us: [Some(100.0), Some(200.0)],
            response_us: [Some(1_500.0), Some(500_000.0)],
            lower_bound_from: None,
            verdict,
            code: if answered { ExitCode::Success } else { ExitCode::NotAsExpected },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::samples::point;
    use super::*;

    #[test]
    fn the_code_is_the_worst_of_the_steps_but_one_answer_is_enough() {
        let invalid = || {
            let mut point = point(3e3, 1e3);
            point.verdict.state = State::Invalid;
            point.code = ExitCode::Invalid;
            point
        };
        let (good, silent) = (point(1e3, 1e3), point(2e3, 0.0));
        for (points, code) in [
            (vec![good.clone(), silent.clone()], ExitCode::Success),
            (vec![silent.clone(), silent], ExitCode::NotAsExpected),
            (vec![good.clone(), invalid()], ExitCode::Invalid),
        ] {
            assert_eq!(exit_code(&points, None), code);
        }
        assert_eq!(exit_code(&[invalid()], Some(Signal::SIGINT)), ExitCode::Interrupted);
        assert_eq!(exit_code(&[good], Some(Signal::SIGTERM)), ExitCode::Terminated);
    }

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
