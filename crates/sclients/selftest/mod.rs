//! `sclients selftest`: whether this host measures right, against an embedded target whose delays and
//! stops are known, and below what difference it cannot tell.
//!
//! Each trial is a run of the program itself, written as a user would; each [`Row`] compares what it
//! measured with what is known. Counts have to be exact; times have tolerances. Start at [`run`].

mod floor;

use crate::config::{self, Format, Invocation};
use crate::exit::ExitCode;
use crate::plan;
use crate::report::selftest as report;
use crate::summary::Summary;
use crate::supervisor::{self, SupervisorError};
use crate::verdict::{State, Verdict};
use dispatch::Signal;
use stats::{Counter, Latency, NotSent, Phase};
use std::io::Write;

/// Wake-ups of the first row.
const WAKES: u64 = 1_000;
/// A time may be off by so many of its tolerances before the host is of no use.
const FAR: f64 = 5.0;

/// What was compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Of what, in words.
    pub name: String,
    /// What is known; none where the row only tells.
    pub expected: Option<f64>,
    /// What was measured.
    pub measured: f64,
    /// Of both.
    pub unit: &'static str,
    /// How far they may be apart; 0 for counts.
    pub tolerance: f64,
}

impl Row {
    /// A count, which is exact or wrong.
    fn count(name: &str, expected: u64, measured: u64) -> Self {
        Self::known(name, expected as f64, measured as f64, "", 0.0)
    }

    fn known(name: &str, expected: f64, measured: f64, unit: &'static str, tolerance: f64) -> Self {
        Self { name: name.into(), expected: Some(expected), measured, unit, tolerance }
    }

    /// Something to know of the host, that no other truth is known of.
    fn told(name: &str, measured: f64, unit: &'static str) -> Self {
        Self { name: name.into(), expected: None, measured, unit, tolerance: 0.0 }
    }

    /// Right, off, or so far off that nothing measured here can be trusted.
    pub fn state(&self) -> State {
        let Some(expected) = self.expected else { return State::Valid };
        let off = (self.measured - expected).abs();
        match self.tolerance {
            tolerance if off <= tolerance => State::Valid,
            tolerance if off <= tolerance * FAR => State::Suspect,
            _ => State::Invalid,
        }
    }
}

/// A run, and what it is compared with.
struct Trial {
    name: &'static str,
    /// As a user would write it.
    words: String,
    rows: fn(&Summary, &Shape) -> Vec<Row>,
}

/// The numbers of a trial that its truth follows from, in seconds.
#[derive(Clone, Copy, Debug)]
struct Shape {
    length: f64,
    stop: f64,
}

/// What the self-test found.
#[derive(Clone, Debug)]
pub struct Findings {
    /// By trial.
    pub rows: Vec<(&'static str, Row)>,
    /// How late this host wakes a sleeper: the median, in microseconds.
    pub floor_us: f64,
    /// The worst of all rows, and why.
    pub verdict: Verdict,
}

/// Runs all trials, short ones if `quick`, and prints the table.
///
/// # Errors
/// A trial could not begin.
pub fn run(quick: bool, format: Format) -> Result<ExitCode, SupervisorError> {
    let system = |error| SupervisorError::System { what: "timer", error };
    let floor = floor::lateness(WAKES).map_err(system)?;
    let micros = |q| floor.quantile(q).unwrap_or(0) as f64 / 1e3;
    let mut rows = vec![
        ("wake-up", Row::told("late, p50", micros(0.5), "µs")),
        ("wake-up", Row::told("late, p99", micros(0.99), "µs")),
    ];
    for (trial, shape) in trials(quick) {
        let _ = writeln!(std::io::stderr(), "{}: sclients {}", trial.name, trial.words);
        let summary = supervisor::trial(planned(&trial.words))?;
        if let Some(signal) = summary.signal {
            return Ok(if signal == Signal::SIGINT {
                ExitCode::Interrupted
            } else {
                ExitCode::Terminated
            });
        }
        rows.extend((trial.rows)(&summary, &shape).into_iter().map(|row| (trial.name, row)));
    }
    let verdict = judged(&rows);
    let findings = Findings { rows, floor_us: micros(0.5), verdict };
    let told = match format {
        Format::Text => report::text(&findings),
        Format::Json => report::json(&findings),
    };
    Ok(match supervisor::write_result(&told) {
        Err(_) => ExitCode::Internal,
        Ok(()) if findings.verdict.state == State::Invalid => ExitCode::Invalid,
        Ok(()) => ExitCode::Success,
    })
}

fn planned(words: &str) -> plan::Plan {
    let words = format!("sclients {words}");
    match config::invocation(words.split(' ').map(Into::into)) {
        Ok(Invocation::Run(config)) => plan::planned(*config, None, None),
        other => panic!("a trial is a run: {other:?}"),
    }
}

fn judged(rows: &[(&'static str, Row)]) -> Verdict {
    let state = rows.iter().map(|(_, row)| row.state()).max().unwrap_or(State::Valid);
    let reasons = rows.iter().filter(|(_, row)| row.state() > State::Valid).map(|(trial, row)| {
        let (expected, measured) =
            (report::value(row.expected, row.unit), report::value(Some(row.measured), row.unit));
        let means = match row.tolerance {
            0.0 => "counts are wrong here: no run on this host can be trusted",
            _ => "times of this size are not to be trusted here: is the host busy?",
        };
        format!("{trial}, {}: {measured} instead of {expected}; {means}", row.name)
    });
    Verdict { state, reasons: reasons.collect(), notes: Vec::new() }
}

fn trials(quick: bool) -> Vec<(Trial, Shape)> {
    let seconds = |full: u32, short: u32| if quick { short } else { full };
    let trial = |name, words, rows, length: u32, stop: u32| {
        let shape = Shape { length: f64::from(length), stop: f64::from(stop) };
        (Trial { name, words, rows }, shape)
    };
    let (even, slow, gate, end) = (seconds(3, 1), seconds(2, 1), seconds(8, 4), seconds(4, 2));
    let stop = seconds(2, 1);
    vec![
        trial("1,000/s", format!("--rate 1k --conns 10 --duration {even}s"), schedule, even, 0),
        trial("10,000/s", format!("--rate 10k --conns 100 --duration {even}s"), schedule, even, 0),
        trial(
            "5 ms delay",
            format!("--rate 500 --conns 20 --duration {slow}s --target-delay 5ms"),
            |summary, _| delay(summary, 5.0),
            slow,
            0,
        ),
        trial(
            "20 ms delay",
            format!("--rate 500 --conns 20 --duration {slow}s --target-delay 20ms"),
            |summary, _| delay(summary, 20.0),
            slow,
            0,
        ),
        trial(
            "stall",
            format!("--rate 1k --conns 10 --duration {gate}s --target-stall 1s:{stop}s"),
            stall,
            gate,
            stop,
        ),
        trial(
            "stall at the end",
            format!(
                "--rate 1k --conns 10 --duration {end}s --drain 0s --target-stall {}s:end",
                end - 1
            ),
            stall_at_the_end,
            end,
            1,
        ),
        trial(
            "closed loop",
            format!("--conns 10 --think 10ms --duration {even}s --target-delay 10ms"),
            closed,
            even,
            0,
        ),
    ]
}

/// Every request of the schedule left and was seen, and on time.
fn schedule(summary: &Summary, _: &Shape) -> Vec<Row> {
    let counters = summary.counters();
    let planned = summary.planned_ticks().expect("a constant rate has a number");
    let seen = summary.fold.target_counters().of(Counter::RequestsSent);
    let lag = |q| quantile(summary, Latency::SchedLag, q) * 1e6;
    let floor =
        quantile(summary, Latency::FromDue, 0.5) - quantile(summary, Latency::FromSend, 0.5);
    vec![
        Row::count("requests sent", planned, counters.of(Counter::RequestsSent)),
        Row::count("requests that the target saw", planned, seen),
        Row::known("send lag, p50", 0.0, lag(0.5), "µs", 100.0),
        Row::known("send lag, p99", 0.0, lag(0.99), "µs", 1_000.0),
        Row::known("response less service, p50", 0.0, floor * 1e6, "µs", 100.0),
    ]
}

fn delay(summary: &Summary, millis: f64) -> Vec<Row> {
    let measured = quantile(summary, Latency::FromSend, 0.5) * 1e3;
    vec![Row::known("from send, p50", millis, measured, "ms", 0.5)]
}

/// A stop of D in a run of T: what is due u into it waits D - u, so quantile p is D - (1 - p)T and the
/// mean D²/2T (measurement 5.1), however few the connections.
fn stall(summary: &Summary, shape: &Shape) -> Vec<Row> {
    let Shape { length, stop } = *shape;
    let from_due = summary.fold.histogram(Latency::FromDue);
    let mut rows: Vec<Row> = [(0.9, "p90"), (0.95, "p95"), (0.99, "p99"), (0.999, "p99.9")]
        .into_iter()
        .map(|(p, name)| {
            let truth = stop - (1.0 - p) * length;
            let measured = quantile(summary, Latency::FromDue, p);
            Row::known(&format!("from due, {name}"), truth, measured, "s", 0.02 * stop)
        })
        .collect();
    let mean = from_due.mean().unwrap_or(0.0) / 1e9;
    rows.push(Row::known("from due, mean", stop * stop / (2.0 * length), mean, "s", 0.02 * stop));
    let naive = quantile(summary, Latency::FromSend, 0.99);
    rows.push(Row::told("what a closed client would report as p99", naive, "s"));
    rows.push(Row::count(
        "requests answered",
        thousands(length),
        summary.counters().of(Counter::RequestsCompleted),
    ));
    rows
}

/// A stop without an end: what was due in it is not forgotten, and counts with its age.
fn stall_at_the_end(summary: &Summary, shape: &Shape) -> Vec<Row> {
    let Shape { length, stop } = *shape;
    let counters = summary.counters();
    let completed = counters.of(Counter::RequestsCompleted);
    let unfinished =
        summary.fold.gauges().in_flight + counters.not_sent[NotSent::RunEnded as usize];
    let p99 = quantile(summary, Latency::FromDue, 0.99);
    vec![
        Row::count("requests accounted for", thousands(length), completed + unfinished),
        Row::known("of them answered", (length - stop) * 1e3, completed as f64, "", 5.0),
        Row::known("from due, p99 at least", stop - 0.01 * length, p99, "s", 0.02),
    ]
}

/// The law of the interactive system: N = X(R + Z).
fn closed(summary: &Summary, _: &Shape) -> Vec<Row> {
    let answers = summary.fold.phase(Phase::Measurement).of(Counter::RequestsCompleted) as f64;
    let x = answers / summary.measured_seconds().max(1e-9);
    let r = summary.fold.histogram(Latency::FromDue).mean().unwrap_or(0.0) / 1e9;
    let z = summary.plan.config.think.as_secs_f64();
    vec![Row::known("connections by N = X(R + Z)", 10.0, x * (r + z), "", 0.2)]
}

/// In seconds; 0 of nothing.
fn quantile(summary: &Summary, latency: Latency, q: f64) -> f64 {
    summary.fold.histogram(latency).quantile(q).unwrap_or(0) as f64 / 1e9
}

fn thousands(seconds: f64) -> u64 {
    (seconds * 1e3).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trial_is_a_run_that_fits() {
        for quick in [false, true] {
            for (trial, shape) in trials(quick) {
                let plan = planned(&trial.words);
                assert_eq!(plan.config.duration.unwrap().as_secs_f64(), shape.length);
                assert!(plan.config.target.is_none(), "{}", trial.words);
            }
        }
    }

    #[test]
    fn counts_are_exact_and_times_have_tolerances() {
        use State::{Invalid, Suspect, Valid};
        let time = |measured| Row::known("", 10.0, measured, "ms", 0.5).state();
        assert_eq!(
            [9.6, 10.5, 11.0, 12.5, 12.6, 1.0].map(time),
            [Valid, Valid, Suspect, Suspect, Invalid, Invalid]
        );
        assert_eq!(Row::count("", 7, 7).state(), Valid);
        assert_eq!(Row::count("", 7, 8).state(), Invalid);
        assert_eq!(Row::told("", 1e9, "µs").state(), Valid);
    }

    #[test]
    fn a_row_that_is_off_is_a_reason_in_words() {
        let rows = [("stall", Row::count("requests answered", 8000, 7990))];
        let verdict = judged(&rows);
        assert_eq!(verdict.state, State::Invalid);
        let reason = "stall, requests answered: 7,990 instead of 8,000; counts are wrong here: no run on this host can be trusted";
        assert_eq!(verdict.reasons, [reason]);
    }
}
