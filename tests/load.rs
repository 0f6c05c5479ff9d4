//! The load models that go by a schedule: what is offered does not depend on what the server does.

mod driver;

use driver::namespace::{active_opens, in_namespace};
use driver::{INVALID, Report, Server, closed_port, sclients, send};
use nix::sys::signal::Signal;

/// What the audit says of a worker that others left no time: on a busy host a schedule is invalid by it,
/// and its counts are true all the same.
const LATE: [&str; 3] = [" late or more ", " for a processor ", " stood still for "];

/// The whole of a run in JSON, which ended so.
#[track_caller]
fn report(code: i32, words: &str) -> Report {
    let done = sclients("--format json").words(words).run();
    let ended = done.code();
    let report = done.expect_or_late(code).json();
    if ended == INVALID {
        let is_late = |text: &str| LATE.iter().any(|late| text.contains(late));
        let told = report.list("verdict.reasons").iter().map(|text| text.as_str().unwrap());
        assert!(told.clone().any(is_late), "{:#}", report.0);
    }
    report.assert_ledger();
    report
}

#[test]
fn an_open_loop_sends_exactly_what_was_planned() {
    let report = report(0, "--procs 3 --conns 20 --rate 1k --duration 1500ms");
    report.assert_equals_target();
    for path in ["requests.planned", "requests.due", "requests.sent", "requests.completed"] {
        assert_eq!(report.count(path), 1500, "{path}");
    }
    assert_eq!(report.count("latency_us.from_due.count"), 1500);
    assert_eq!(report.text("plan.load"), "open");
    assert!(report.at("requests.nanos.balance").as_bool().unwrap());
}

#[test]
fn ramps_and_steps_are_integrated_exactly() {
    for (rate, planned) in [("0..2k/1s", 1000), ("200,1k,400/500ms", 800), ("1k..0/2s", 1000)] {
        let report = report(0, &format!("--conns 50 --rate {rate}"));
        assert_eq!(report.count("requests.planned"), planned, "{rate}");
        assert_eq!(report.count("requests.sent"), planned, "{rate}");
        report.assert_equals_target();
    }
}

#[test]
fn a_schedule_is_checked_by_what_left() {
    for (arrivals, varies) in [("constant", 0.0..0.8), ("jitter", 0.2..1.2), ("poisson", 0.7..1.6)]
    {
        let words = format!("--conns 50 --rate 1k --arrivals {arrivals} --duration 1500ms");
        let report = report(0, &words);
        assert_eq!(report.text("generator.departures.law"), arrivals);
        // Others on this host may have made a worker so late that nothing passes.
        assert!(report.count("generator.departures.samples") >= 1, "{:#}", report.0);
        let late = report.number("generator.send_lag_us.p99") > 500.0;
        let cv = report.number("generator.departures.gap_cv");
        assert!(late || varies.contains(&cv), "{arrivals}: {cv}");
    }
    let overload = report(0, "--attempt-rate 700 --attempt-timeout 1s --duration 1500ms");
    assert!(overload.count("generator.departures.samples") >= 1, "{:#}", overload.0);
}

#[test]
fn what_waits_for_the_target_is_no_sample_of_our_schedule() {
    let report = report(0, "--conns 1 --rate 2k --target-delay 10ms --duration 1s --drain 0s");
    assert_eq!(report.count("generator.departures.samples"), 0);
    assert!(report.at("generator.departures.gap_cv").is_null());
}

#[test]
fn a_number_of_requests_ends_an_open_loop() {
    let report = report(0, "--procs 2 --conns 10 --rate 2k --requests 501");
    assert_eq!(report.count("requests.due"), 501);
    report.assert_equals_target();
}

#[test]
fn poisson_arrivals_are_drawn_by_the_seed() {
    let sent = |seed: u32| {
        let words = format!("--conns 50 --rate 1k --arrivals poisson --duration 1s --seed {seed}");
        let report = report(0, &words);
        report.assert_equals_target();
        report.count("requests.due")
    };
    let one = sent(7);
    assert_eq!(sent(7), one);
    // Four standard deviations of 1,000.
    assert!((870..=1130).contains(&one), "{one}");
}

#[test]
fn what_waits_for_a_connection_is_blocked_and_not_lost() {
    // Ten connections of 100 ms each carry 100/s of the 300/s that are due.
    let words = "--conns 10 --rate 300 --duration 1s --target-delay 100ms --drain 20s";
    let report = report(0, words);
    report.assert_equals_target();
    assert_eq!(report.count("requests.completed"), 300);
    assert!(report.number("latency_us.blocked.max") > 500_000.0);
    assert!(report.number("latency_us.from_due.max") > report.number("latency_us.from_send.max"));
}

#[test]
fn what_may_not_wait_is_not_sent() {
    let words = "--conns 10 --rate 300 --duration 1s --target-delay 100ms --on-busy drop";
    let report = report(0, words);
    report.assert_equals_target();
    assert_eq!(report.count("requests.due"), 300);
    let dropped = report.count("requests.not_sent.no_connection");
    assert_eq!(report.count("requests.completed") + dropped, 300);
    assert!(dropped > 100, "{dropped}");
}

#[test]
fn connections_grow_where_none_is_free() {
    let words =
        "--conns 2 --max-conns 60 --rate 300 --duration 1s --target-delay 100ms --on-busy grow";
    let report = report(0, words);
    report.assert_equals_target();
    assert_eq!(report.count("requests.completed"), 300);
    let peak = report.count("connections.peak_live");
    assert!((25..=60).contains(&peak), "{peak}");
}

#[test]
fn what_waits_at_the_end_is_censored_with_its_age() {
    let words = "--conns 10 --rate 200 --duration 2s --drain 0s --target-stall 1s:end";
    let report = report(0, words);
    let completed = report.count("requests.completed");
    let (in_flight, ended) =
        (report.count("requests.in_flight"), report.count("requests.not_sent.run_ended"));
    assert_eq!(report.count("requests.planned"), 400);
    assert_eq!(completed + in_flight + ended, 400);
    assert_eq!(report.count("requests.censored"), in_flight + ended);
    assert_eq!(report.count("latency_us.from_due.censored"), in_flight + ended);
    assert_eq!(report.count("latency_us.from_due.count"), 400);
    assert_eq!(in_flight, 10);
    let from = report.number("latency_us.from_due.lower_bound_from");
    assert!((from - completed as f64 / 400.0).abs() < 1e-9, "{from}");
    assert!(report.at("requests.nanos.balance").as_bool().unwrap());
}

#[test]
fn a_timeout_is_a_lower_bound_of_its_latency() {
    let report = report(4, "--conns 3 --requests 3 --timeout 300ms --target-delay 10s");
    assert_eq!(report.sum("requests.failed"), 3);
    for latency in ["from_due", "from_send"] {
        let at = |key: &str| report.number(&format!("latency_us.{latency}.{key}"));
        assert_eq!((at("count"), at("censored"), at("lower_bound_from")), (3.0, 3.0, 0.0));
        assert!(at("max") >= 299_000.0, "{}", at("max"));
    }
}

#[test]
fn overload_offers_its_attempts_whatever_is_accepted() {
    in_namespace("overload_offers_its_attempts_whatever_is_accepted", || {
        let server = Server::start("");
        let stopped = server.child("sclients: target 0");
        send(stopped, Signal::SIGSTOP);
        let before = active_opens();
        let words =
            "--procs 2 --attempt-rate 8k --attempt-timeout 200ms --duration 2s --timeout 1s";
        let report = report(4, &format!("{words} {}", server.url()));
        let opened = active_opens() - before;
        send(stopped, Signal::SIGCONT);
        assert_eq!(report.count("attempts.planned"), 16_000);
        assert_eq!(report.count("attempts.offered"), 16_000);
        assert_eq!(opened, 16_000);
        let connected = report.count("attempts.connected");
        assert!(connected > 0 && connected < 10_000, "{connected}");
        assert_eq!(connected + report.count("attempts.abandoned"), 16_000);
        assert_eq!(report.count("attempts.pending"), 0);
    });
}

#[test]
fn refused_attempts_are_offered_too() {
    let closed = closed_port();
    let target = format!("http://127.0.0.1:{closed}/");
    let report = report(4, &format!("--attempt-rate 1k --duration 500ms {target}"));
    assert_eq!(report.count("attempts.offered"), 500);
    assert_eq!(report.sum("attempts.failed"), 500);
}

#[test]
fn an_accepted_attempt_makes_its_requests_and_closes() {
    for more in ["", "--reset-close"] {
        let words =
            "--procs 2 --attempt-rate 500 --duration 1s --requests-per-connection 3 --timeout 5s";
        let report = report(0, &format!("{words} {more}"));
        report.assert_equals_target();
        assert_eq!(report.count("attempts.connected"), 500);
        let completed = report.count("requests.completed");
        assert!((1400..=1500).contains(&completed), "{completed}");
        assert_eq!(report.count("connections.closed.by_us"), 500);
    }
}

#[test]
fn connections_are_closed_after_so_many_requests_and_opened_again() {
    for more in ["", "--reset-close", "--rate 5k"] {
        let words = "--conns 20 --requests-per-connection 5 --requests 5000";
        let report = report(0, &format!("{words} {more}"));
        report.assert_equals_target();
        assert_eq!(report.count("requests.completed"), 5000, "{more}");
        assert_eq!(report.sum("connections.failed"), 0, "{more}");
        let established = report.count("connections.established");
        assert!((1000..=1020).contains(&established), "{established} {more}");
    }
}
