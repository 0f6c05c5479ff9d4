//! The truth of the measurement, against a target whose stops are known: what a schedule owes its
//! requests is measured whether or not a connection was free, and nothing is forgotten.
//!
//! The full lengths of the oracles, and rivals, are in `scripts/bench/accuracy`.

mod driver;

use driver::{Report, root, sclients};
use serde_json::Value;
use std::fs;

/// A run whose counts are exact; other tests may have made its schedule late, which it then says.
#[track_caller]
fn report(words: &str) -> Report {
    let done = sclients("--format json").words(words).run();
    let report = done.expect_or_late(0).json();
    report.assert_ledger();
    assert!(report.at("requests.nanos.balance").as_bool().unwrap(), "{:#}", report.0);
    report
}

fn oracle() -> Value {
    let text = fs::read_to_string(root().join("tests/oracles/co_stall.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// In seconds.
#[track_caller]
fn from_due(report: &Report, key: &str) -> f64 {
    report.number(&format!("latency_us.from_due.{key}")) / 1e6
}

#[track_caller]
fn assert_near(measured: f64, truth: f64, part: f64, what: &str) {
    assert!((measured - truth).abs() <= part, "{what}: {measured} instead of {truth}");
}

/// The oracle at a quarter of its length: 1,000/s for 5 s with a stop of 0.5 s, so that a stop is the
/// same part of the run and every quantile a quarter of the oracle's.
#[test]
fn a_gate_stall_is_measured_from_due_however_few_the_connections() {
    let oracle = &oracle()["cases"]["gate_s0: replies held until stall end, no queueing"];
    for conns in [10, 500] {
        let words = format!("--rate 1k --conns {conns} --duration 5s --target-stall 2s:500ms");
        let report = report(&words);
        assert_eq!(report.count("latency_us.from_due.count"), 5000);
        for (key, name) in [("p99", "p99"), ("p999", "p99.9")] {
            let truth = oracle[name].as_f64().unwrap() / 4.0;
            assert_near(from_due(&report, key), truth, 0.04, &format!("{conns}, {name}"));
        }
        let mean = oracle["mean"].as_f64().unwrap() / 4.0;
        assert_near(from_due(&report, "mean"), mean, 0.01, "mean");
        assert_near(from_due(&report, "max"), 0.5, 0.1, "max");
    }
}

/// With few connections the wait is for one of them; a closed client would not have seen it.
#[test]
fn what_a_stall_keeps_waiting_is_blocked_and_not_service() {
    let report = report("--rate 1k --conns 10 --duration 4s --target-stall 1s:1s");
    let of = |path: &str| report.number(&format!("latency_us.{path}")) / 1e6;
    assert_near(of("from_due.p99"), 0.96, 0.08, "from due");
    assert_near(of("blocked.p99"), 0.96, 0.08, "blocked");
    assert!(of("from_send.p99") < 0.1, "from send {}", of("from_send.p99"));
    let nanos = |part: &str| report.number(&format!("requests.nanos.{part}"));
    let parts = nanos("sched_lag") + nanos("blocked") + nanos("service");
    assert!((parts / nanos("response") - 1.0).abs() < 1e-9);
}

/// One FIFO server of load ρ stretches it: quantile p is D − (1 − p)T(1 − ρ).
#[test]
fn a_queue_behind_a_stall_drains_at_the_servers_pace() {
    let words = "--rate 1k --conns 1500 --duration 4s --target-stall 1s:500ms \
        --target-service 500us --target-procs 1";
    let report = report(words);
    assert_eq!(report.count("requests.completed"), 4000);
    for (key, p) in [("p90", 0.9), ("p99", 0.99)] {
        let truth = 0.5 - (1.0 - p) * 4.0 * 0.5;
        assert_near(from_due(&report, key), truth, 0.06, key);
    }
}

/// A stop without an end: what was due in it is counted with its age.
#[test]
fn a_stall_at_the_end_is_not_hidden() {
    let oracle = oracle();
    let oracle = &oracle["end_of_run"]["lower_bound_percentiles"];
    let report = report("--rate 1k --conns 10 --duration 5s --drain 0s --target-stall 4s:end");
    let completed = report.count("requests.completed");
    let censored = report.count("requests.censored");
    assert_eq!(completed + censored, 5000);
    assert_near(completed as f64, 4000.0, 60.0, "completed");
    assert_eq!(report.count("latency_us.from_due.censored"), censored);
    let share = report.number("latency_us.from_due.lower_bound_from");
    assert_near(share, completed as f64 / 5000.0, 1e-9, "lower bounds from");
    for (key, name) in [("p90", "p90"), ("p99", "p99"), ("p999", "p99.9")] {
        let truth = oracle[name].as_f64().unwrap();
        assert_near(from_due(&report, key), truth, 0.06, name);
    }
}

#[test]
fn workers_share_one_schedule() {
    for procs in [1, 2, 4] {
        let words = format!("--rate 1500 --procs {procs} --conns 20 --duration 1s");
        let report = report(&words);
        report.assert_equals_target();
        assert_eq!(report.count("requests.planned"), 1500);
        assert_eq!(report.count("requests.completed"), 1500);
        assert_eq!(report.list("workers").len(), procs);
    }
}

/// The law of the interactive system.
#[test]
fn a_closed_loop_has_as_many_connections_as_its_rate_and_times_say() {
    let words = "--conns 10 --think 20ms --duration 3s --target-delay 20ms";
    let report = report(words);
    let x = report.number("throughput.requests_per_s");
    let n = x * (from_due(&report, "mean") + 0.02);
    assert_near(n, 10.0, 0.3, "N");
}
