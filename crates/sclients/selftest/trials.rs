//! The trials, as a list of values: each a run as a user would write it, and the rows that compare it
//! with what is known. The truth follows from the plan of the run, never from a number said twice.

use super::row::{Check, Row};
use super::truth::{Gate, population};
use crate::config::{self, Invocation};
use crate::plan::{self, Plan};
use crate::summary::Summary;
use stats::{Counter, Latency, Phase};

/// Requests per second of the stops.
const STOPPED_RATE: f64 = 1e3;

/// A time from due or to the answer may be so far from a known stop, as a share of it.
const OF_STOP: f64 = 0.02;

const SHARED: &str = "sends are late: is a core shared with other programs?";

/// A run, and what it is compared with.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Short, in words.
    pub name: &'static str,
    /// As a user would write it, without the program's name.
    pub words: String,
    /// How often; its rows are the middle ones.
    pub repeats: u32,
    /// What it is compared with.
    pub rows: fn(&Summary) -> Vec<Row>,
}

impl Trial {
    /// Its plan, drawn anew each time: no repeat meets what the one before left in TIME_WAIT.
    pub fn plan(&self) -> Plan {
        let words = format!("sclients {}", self.words);
        match config::invocation(words.split(' ').map(Into::into)) {
            Ok(Invocation::Run(config)) => plan::planned(*config, None, None),
            other => panic!("a trial is a run: {other:?}"),
        }
    }
}

/// All of them, in order; short ones if `quick`.
pub fn trials(quick: bool) -> Vec<Trial> {
    let of = |full: &'static str, short: &'static str| if quick { short } else { full };
    let repeats = if quick { 1 } else { 3 };
    let trial = |name, words: String, rows| Trial { name, words, repeats: 1, rows };
    let even = |name, words: &str, rows| Trial { repeats, ..trial(name, words.into(), rows) };
    let late = |delay| {
        let length = of("2s", "500ms");
        format!("--rate 500 --conns 20 --duration {length} --target-delay {delay}")
    };
    let stopped = |words: &str| format!("--rate 1k --conns 10 {words}");
    vec![
        even("1,000/s", "--rate 1k --conns 10 --duration 1s", |run| schedule(run, 0.25)),
        even("10,000/s", "--rate 10k --conns 100 --duration 1s", |run| schedule(run, 0.7)),
        trial("5 ms delay", late("5ms"), delay),
        trial("20 ms delay", late("20ms"), delay),
        trial(
            "stall",
            stopped(of("--duration 8s --target-stall 3s:2s", "--duration 3s --target-stall 1s:1s")),
            stall,
        ),
        trial(
            "stall at the end",
            stopped(of(
                "--duration 4s --drain 0s --target-stall 3s:end",
                "--duration 2s --drain 0s --target-stall 1s:end",
            )),
            stall_at_the_end,
        ),
        // A cycle is a 150th of the run, so that what its edges cut off is within 0.7 %.
        trial(
            "closed loop",
            of(
                "--conns 10 --think 10ms --duration 3s --target-delay 10ms",
                "--conns 10 --think 3ms --duration 1s --target-delay 3ms",
            )
            .into(),
            closed,
        ),
    ]
}

/// Every request of the schedule left and was seen, on time and evenly.
fn schedule(summary: &Summary, gap_cv: f64) -> Vec<Row> {
    let counters = summary.counters();
    let planned = summary.planned_ticks().unwrap_or(0);
    let seen = summary.fold.target_counters().of(Counter::RequestsSent);
    let lag = |q| quantile(summary, Latency::SchedLag, q) * 1e6;
    let less = quantile(summary, Latency::FromDue, 0.5) - quantile(summary, Latency::FromSend, 0.5);
    let gaps = summary.fold.arrivals().find_map(|(_, gaps)| gaps.gap_cv()).unwrap_or(f64::INFINITY);
    let rows = [
        Row::known("send lag, p50", 0.0, lag(0.5), "µs", Check::Over(100.0)),
        Row::known("send lag, p99", 0.0, lag(0.99), "µs", Check::Tail(1e3)),
        Row::known("unevenness at the target, gap_cv", 0.0, gaps, "", Check::Tail(gap_cv)),
        // Either may fall into the next bucket of its distribution.
        Row::known("response less service, p50", 0.0, less * 1e6, "µs", Check::Within(100.0)),
    ];
    let counts = [
        Row::count("requests sent", planned, counters.of(Counter::RequestsSent)),
        Row::count("requests that the target saw", planned, seen),
    ];
    counts.into_iter().chain(rows.map(|row| row.meaning(SHARED))).collect()
}

/// No answer before its delay, and not much after.
fn delay(summary: &Summary) -> Vec<Row> {
    let known = summary.plan.config.embedded.delay.as_secs_f64() * 1e3;
    let measured = quantile(summary, Latency::FromSend, 0.5) * 1e3;
    let row = Row::known("from send, p50", known, measured, "ms", Check::Over(0.5));
    vec![row.meaning(if measured < known {
        "an answer cannot come before its delay is over: a clock is wrong here"
    } else {
        "answers are read late: is a core shared with other programs?"
    })]
}

/// The stop of a run against one, and its begin.
fn gate(summary: &Summary) -> (Gate, f64) {
    let config = &summary.plan.config;
    let run = config.duration.expect("a trial has a duration").as_secs_f64();
    let stop = config.embedded.stalls[0];
    let begin = stop.after.as_secs_f64();
    let length = stop.length.map_or(run - begin, |length| length.as_secs_f64());
    (Gate { run, stop: length }, begin)
}

/// What is due in a stop waits for its end, counted from when it was due.
fn stall(summary: &Summary) -> Vec<Row> {
    let (gate, _) = gate(summary);
    let near = |name: &str, truth: f64, measured| {
        Row::known(name, truth, measured, "s", Check::Within(OF_STOP * truth))
            .meaning("the waits of a stop are not measured whole: is the host busy?")
    };
    let at = |name: &str, p| {
        near(&format!("from due, {name}"), gate.quantile(p), quantile(summary, Latency::FromDue, p))
    };
    let mean = summary.fold.histogram(Latency::FromDue).mean().unwrap_or(0.0) / 1e9;
    let naive = quantile(summary, Latency::FromSend, 0.99);
    let answered = summary.counters().of(Counter::RequestsCompleted);
    vec![
        at("p90", 0.9),
        at("p95", 0.95),
        at("p99", 0.99),
        Row::told("  what others would report as p99", naive, "s"),
        at("p99.9", 0.999),
        near("from due, mean", gate.mean(), mean),
        Row::count("requests answered", summary.planned_ticks().unwrap_or(0), answered),
    ]
}

/// A stop without an end: what was due in it is not forgotten, and counts with its age.
fn stall_at_the_end(summary: &Summary) -> Vec<Row> {
    let (gate, begin) = gate(summary);
    let counters = summary.counters();
    let (answered, censored) = (counters.of(Counter::RequestsCompleted), summary.censored());
    // The stop is counted from the first request, which may have left as late as the latest.
    let latest = summary.fold.histogram(Latency::SchedLag).max().unwrap_or(0) as f64 / 1e9;
    let some = Check::Within(5.0 + latest * STOPPED_RATE);
    let bounded = summary.lower_bound_from(Latency::FromDue).is_some_and(|from| from <= 0.99);
    let p99 = quantile(summary, Latency::FromDue, 0.99);
    let truth = gate.quantile(0.99);
    vec![
        Row::count(
            "requests answered or censored",
            summary.planned_ticks().unwrap_or(0),
            answered + censored,
        ),
        Row::known("answered", begin * STOPPED_RATE, answered as f64, "", some),
        Row::known("censored", gate.stop * STOPPED_RATE, censored as f64, "", some),
        Row::count("of them in the latency", censored, summary.lower_bounds(Latency::FromDue)),
        Row::count("p99 is told as a lower bound", 1, bounded.into()),
        Row {
            at_least: bounded,
            ..Row::known("from due, p99", truth, p99, "s", Check::Within(OF_STOP * truth))
        },
    ]
}

/// As many are served or think as there are connections.
fn closed(summary: &Summary) -> Vec<Row> {
    let config = &summary.plan.config;
    let answers = summary.fold.phase(Phase::Measurement).of(Counter::RequestsCompleted) as f64;
    let throughput = answers / summary.measured_seconds().max(1e-9);
    let response = summary.fold.histogram(Latency::FromDue).mean().unwrap_or(0.0) / 1e9;
    let measured = population(throughput, response, config.think.as_secs_f64());
    let known = f64::from(config.conns);
    let near = Check::Within(0.01 * known);
    vec![Row::known("connections by N = X(R + Z)", known, measured, "", near)]
}

/// In seconds; 0 of nothing.
fn quantile(summary: &Summary, latency: Latency, q: f64) -> f64 {
    summary.fold.histogram(latency).quantile(q).unwrap_or(0) as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// The wake-ups and the starts of runs come on top.
    const LONGEST: [Duration; 2] = [Duration::from_secs(30), Duration::from_secs(10)];

    #[test]
    fn every_trial_is_a_run_against_the_embedded_target_and_all_are_short() {
        for (quick, longest) in [false, true].into_iter().zip(LONGEST) {
            let mut all = Duration::ZERO;
            for trial in trials(quick) {
                let plan = trial.plan();
                assert!(plan.config.target.is_none(), "{}", trial.words);
                all += plan.config.duration.unwrap() * trial.repeats;
            }
            assert!(all <= longest, "{all:?}");
        }
    }

    #[test]
    fn stops_are_of_the_rate_that_their_counts_are_of() {
        for trial in [false, true].into_iter().flat_map(trials) {
            let config = trial.plan().config;
            if !config.embedded.stalls.is_empty() {
                let (rate, _) = config.load.schedule().unwrap();
                assert_eq!(rate.count_before(1_000_000_000) as f64, STOPPED_RATE);
            }
        }
    }
}
