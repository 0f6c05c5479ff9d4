//! Ctrl-C and its kin: drained, a full report, the signal's exit code; the second one ends at once.

mod driver;

use driver::{Report, Server, followed, sclients};
use nix::sys::signal::Signal;
use std::time::Duration;

const INTERRUPTED: i32 = 130;
const TERMINATED: i32 = 143;

/// A run that would go on for an hour.
const LONG: &str = "--procs 2 --conns 50 --duration 1h";

#[track_caller]
fn assert_drained(report: &Report) {
    report.assert_ledger();
    report.assert_equals_target();
    assert!(report.count("requests.completed") > 0);
    assert_eq!(report.count("requests.in_flight"), 0);
    assert_eq!(report.count("requests.lost"), 0);
    assert_eq!(report.count("connections.peak_live"), 100);
    report.assert_sound();
}

#[test]
fn a_signal_ends_the_run_drained_with_a_full_report_and_its_exit_code() {
    let table = [
        (Signal::SIGINT, INTERRUPTED),
        (Signal::SIGTERM, TERMINATED),
        (Signal::SIGHUP, TERMINATED),
    ];
    for (signal, code) in table {
        let mut run = followed(LONG).spawn();
        run.await_measurement();
        run.signal(signal);
        assert_drained(&run.wait().expect(code).json());
    }
}

#[test]
fn ctrl_c_reaches_the_whole_group_and_is_the_supervisors_alone() {
    let mut run = followed(LONG).in_own_group().spawn();
    run.await_measurement();
    run.signal_group(Signal::SIGINT);
    assert_drained(&run.wait().expect(INTERRUPTED).json());
}

#[test]
fn a_hangup_of_the_whole_group_is_the_supervisors_alone() {
    let mut run = followed(LONG).in_own_group().spawn();
    run.await_measurement();
    run.signal_group(Signal::SIGHUP);
    assert_drained(&run.wait().expect(TERMINATED).json());
}

#[test]
fn sigterm_to_the_whole_group_ends_the_run_with_a_full_report() {
    let mut run = followed(LONG).in_own_group().spawn();
    run.await_measurement();
    run.signal_group(Signal::SIGTERM);
    assert_drained(&run.wait().expect(TERMINATED).json());
}

#[test]
fn the_text_for_a_person_is_whole_after_ctrl_c() {
    let mut run = sclients(LONG).words("--progress 100ms --interval 100ms").spawn();
    run.await_measurement();
    run.signal(Signal::SIGINT);
    let done = run.wait().expect(INTERRUPTED);
    assert!(done.stdout.contains("exactly what was sent"), "{}", done.stdout);
}

#[test]
fn after_a_signal_answers_are_awaited_no_longer_than_the_grace() {
    let words = "--conns 20 --duration 1h --timeout 10m --target-delay 10m --grace 1s";
    let mut run = followed(words).spawn();
    run.await_measurement();
    run.signal(Signal::SIGINT);
    let done = run.wait_for(Duration::from_secs(10)).expect(INTERRUPTED);
    assert!(done.waited >= Duration::from_millis(900), "{:?}", done.waited);
    let report = done.json();
    report.assert_ledger();
    report.assert_equals_target();
    assert_eq!(report.count("requests.in_flight"), 20);
    assert_eq!(report.count("requests.censored"), 20);
}

#[test]
fn a_second_signal_ends_at_once() {
    let words = "--conns 20 --duration 1h --timeout 10m --target-delay 10m --grace 30s --drain 30s";
    let mut run = followed(words).spawn();
    run.await_measurement();
    run.signal(Signal::SIGINT);
    run.await_line("drain");
    run.signal(Signal::SIGINT);
    let done = run.wait_for(Duration::from_secs(2)).expect(INTERRUPTED);
    let report = done.json();
    report.assert_ledger();
    assert_eq!(report.count("requests.in_flight"), 20);
}

#[test]
fn a_second_signal_ends_a_planned_drain_too() {
    let words = "--conns 20 --duration 500ms --timeout 10m --drain 10m --target-delay 10m";
    let mut run = followed(words).spawn();
    run.await_line("drain");
    run.signal(Signal::SIGINT);
    run.signal(Signal::SIGTERM);
    run.wait_for(Duration::from_secs(10)).expect(INTERRUPTED).json().assert_ledger();
}

#[test]
fn a_signal_while_connections_open_ends_with_what_there_is() {
    let mut run = followed("--procs 2 --conns 500 --connect-rate 100 --duration 1h").spawn();
    run.await_line("open ");
    run.await_line("open ");
    run.signal(Signal::SIGINT);
    let report = run.wait_for(Duration::from_secs(10)).expect(INTERRUPTED).json();
    report.assert_ledger();
    report.assert_equals_target();
    assert_eq!(report.count("requests.due"), 0);
    assert!((1..1000).contains(&report.count("connections.established")));
}

#[test]
fn a_signal_at_the_very_start_ends_in_order() {
    let run = followed("--procs 2 --conns 50 --duration 1h").spawn();
    let started = driver::wait_until(driver::DEADLINE, || run.processes().len() >= 2);
    assert!(started, "no child");
    run.signal(Signal::SIGINT);
    run.wait_for(Duration::from_secs(10)).expect(INTERRUPTED).json().assert_ledger();
}

#[test]
fn a_held_run_ends_by_a_signal_as_well() {
    let mut run = followed("--conns 1000 --load hold --duration 1h").spawn();
    run.await_measurement();
    run.signal(Signal::SIGTERM);
    let report = run.wait().expect(TERMINATED).json();
    report.assert_ledger();
    report.assert_equals_target();
    assert_eq!(report.count("connections.peak_live"), 1000);
}

#[test]
fn a_target_alone_says_what_it_saw_when_it_is_ended() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let mut serve = sclients("serve --listen 127.0.0.1:0 --procs 2").spawn();
        let line = serve.await_line("listening at ");
        assert!(line.contains("(2 processes)"), "{line}");
        let address = line.split_whitespace().nth(2).unwrap();
        sclients("--conns 5 --requests 1200").arg(format!("http://{address}/")).run().expect(0);
        serve.signal(signal);
        let done = serve.wait().expect(0);
        assert!(done.stdout.starts_with("saw 5 connections and 1,200 requests"), "{}", done.stdout);
    }
}

#[test]
fn a_target_alone_in_a_signalled_group_ends_in_order() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut serve = sclients("serve --listen 127.0.0.1:0").in_own_group().spawn();
        serve.await_line("listening at ");
        serve.signal_group(signal);
        let done = serve.wait().expect(0);
        assert!(!done.stdout.contains("died"), "{signal}: {}", done.stdout);
    }
}

#[test]
fn a_target_alone_ends_while_clients_are_connected() {
    let server = Server::start("");
    let words = format!("--conns 50 --duration 3s {}", server.url());
    let mut run = followed(&words).spawn();
    run.await_measurement();
    let seen = server.stop();
    assert_eq!(seen.count("target.connections_seen"), 50);
    let report = run.wait().json();
    report.assert_ledger();
    let completed = report.count("requests.completed");
    let sent = report.count("requests.sent");
    assert!((completed..=sent).contains(&seen.count("target.requests_seen")));
}
