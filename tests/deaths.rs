//! Whatever dies or stalls: the others go on, what was lost is stated, nothing stays behind.

mod driver;

use driver::{INVALID, Report, Server, await_gone, followed, sclients, send, stall};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn a_worker_killed_mid_run_is_named_and_the_others_go_on() {
    let mut run = followed("--procs 3 --conns 50 --duration 2s --on-worker-death continue").spawn();
    run.await_measurement();
    send(run.child("sclients: worker 1"), Signal::SIGKILL);
    let report = run.wait().expect(INVALID).json();
    report.assert_ledger();
    report.assert_invalid("worker 1 ");
    report.assert_invalid("SIGKILL");
    assert_eq!(report.count("connections.planned"), 150);
    assert_eq!(report.count("connections.lost"), 50);
    assert_eq!(report.count("connections.live"), 100);
    assert!(report.count("requests.lost") <= 50);
    assert!(report.count("requests.unknown_ms") <= 5_000);
    assert_eq!(report.number("phases.2.seconds"), 2.0);
    let exits: Vec<&Value> = report.list("workers").iter().map(|worker| &worker["exit"]).collect();
    assert!(exits[1].as_str().unwrap().contains("SIGKILL"), "{exits:?}");
    assert!(report.at("workers.1.died_after_seconds").is_number());
    for slot in [0, 2] {
        assert_eq!(report.at(&format!("workers.{slot}.died_after_seconds")), &Value::Null);
        assert!(report.number(&format!("workers.{slot}.cpu_seconds")) > 0.0);
    }
    let seen = report.count("target.requests_seen");
    assert!(seen >= report.count("requests.sent"), "its last interval was seen by nobody else");
}

#[test]
fn the_text_for_a_person_says_who_was_lost() {
    let words =
        "--format text --procs 2 --conns 50 --duration 1s --load hold --on-worker-death continue";
    let mut run = followed(words).spawn();
    run.await_measurement();
    send(run.child("sclients: worker 0"), Signal::SIGKILL);
    let done = run.wait().expect(INVALID);
    for part in ["invalid", "worker 0 ", "SIGKILL", "50 connections and 0 requests with their"] {
        assert!(done.stdout.contains(part), "no {part:?} in\n{}", done.stdout);
    }
}

#[test]
fn a_worker_killed_while_connections_open_does_not_hold_up_the_rest() {
    let words =
        "--procs 2 --conns 100 --connect-rate 100 --duration 500ms --on-worker-death continue";
    let mut run = followed(words).spawn();
    run.await_line("open ");
    run.await_line("open ");
    send(run.child("sclients: worker 1"), Signal::SIGKILL);
    let report = run.wait_for(Duration::from_secs(20)).expect(INVALID).json();
    report.assert_ledger();
    report.assert_invalid("worker 1 ");
    assert_eq!(report.count("connections.live"), 100);
    assert!(report.count("requests.completed") > 0);
}

#[test]
fn when_all_workers_are_killed_the_run_ends_by_itself() {
    let mut run = followed("--procs 2 --conns 50 --duration 1h --on-worker-death continue").spawn();
    run.await_measurement();
    for name in ["sclients: worker 0", "sclients: worker 1"] {
        send(run.child(name), Signal::SIGKILL);
    }
    let report = run.wait_for(Duration::from_secs(10)).expect(INVALID).json();
    report.assert_ledger();
    assert_eq!(report.count("connections.lost"), 100);
    report.assert_invalid("worker 0 ");
    report.assert_invalid("worker 1 ");
    // Nobody is left who says for how long it measured.
    assert!(report.number("phases.2.seconds") > 0.0);
    assert!(report.number("throughput.requests_per_s") > 0.0);
}

#[test]
fn a_killed_supervisor_leaves_no_process_after_a_second() {
    let mut run = followed("--procs 2 --conns 1000 --load hold --duration 1h").spawn();
    run.await_measurement();
    assert_eq!(run.processes().len(), 4, "supervisor, workers and target: {:?}", run.processes());
    let tag = run.tag().to_owned();
    run.signal(Signal::SIGKILL);
    await_gone(&tag, Duration::from_secs(1));
}

/// A worker that is stopped reads no end of its pipe: that its parent dies is its end (PR_SET_PDEATHSIG).
#[test]
fn a_killed_supervisor_leaves_no_process_be_it_stopped() {
    let mut run = followed("--procs 2 --conns 100 --load hold --duration 1h").spawn();
    run.await_measurement();
    for name in ["sclients: worker 1", "sclients: target 0"] {
        let child = run.child(name);
        send(child, Signal::SIGSTOP);
        let stopped =
            || fs::read_to_string(format!("/proc/{child}/stat")).unwrap().contains(") T ");
        assert!(driver::wait_until(Duration::from_secs(5), stopped), "{name} goes on");
    }
    let tag = run.tag().to_owned();
    run.signal(Signal::SIGKILL);
    await_gone(&tag, Duration::from_secs(1));
}

/// Who is started by one supervisor and finds another parent has lost it before it could ask to die with it.
#[test]
fn a_child_whose_parent_is_another_than_it_was_told_ends_at_once() {
    for role in ["worker", "target"] {
        let words = format!("__child --role {role} --slot 0 --supervisor 1 --control 0 --report 1");
        let done = sclients(&words).run();
        assert!(done.left_behind.is_empty() && done.stdout.is_empty());
        assert_eq!(done.code(), 1, "{:?}", done.stderr);
        assert!(done.stderr[0].contains("supervisor"), "{:?}", done.stderr);
    }
}

#[test]
fn a_worker_that_dies_when_its_load_is_over_is_told_at_once() {
    let words = "--procs 2 --conns 20 --duration 500ms --timeout 1m --drain 1m --target-delay 10m";
    let mut run = followed(words).spawn();
    run.await_line("drain");
    send(run.child("sclients: worker 1"), Signal::SIGKILL);
    let line = run.await_line("worker 1 ");
    assert!(line.ends_with("died: SIGKILL; its load was over"), "{line}");
    run.signal(Signal::SIGINT);
    run.signal(Signal::SIGINT);
    let report = run.wait_for(Duration::from_secs(10)).expect(130).json();
    report.assert_ledger();
    report.assert_invalid("worker 1 ");
}

#[test]
fn a_target_of_ours_that_is_killed_makes_the_run_invalid_and_it_ends_by_itself() {
    let mut run = followed("--procs 2 --conns 50 --duration 2s").spawn();
    run.await_measurement();
    send(run.child("sclients: target 0"), Signal::SIGKILL);
    let line = run.await_line("target 0 ");
    assert!(line.ends_with("died: SIGKILL; nobody takes its place"), "{line}");
    let report = run.wait_for(Duration::from_secs(30)).expect(INVALID).json();
    report.assert_ledger();
    report.assert_invalid("target 0 ");
    report.assert_invalid("SIGKILL");
}

/// Every attempt but the first at each place is a reopening.
#[track_caller]
fn assert_reopening(report: &Report) {
    let (planned, reopened) =
        (report.count("connections.planned"), report.count("connections.reopened"));
    assert_eq!(report.count("connections.established"), planned + reopened);
    assert!(report.count("connections.attempted") > planned);
}

#[test]
fn a_target_of_theirs_that_dies_is_failures_by_class_and_bounded_reopening() {
    let server = Server::start("");
    let words = format!("--conns 50 --think 20ms --duration 3s {}", server.url());
    let mut run = followed(&words).spawn();
    run.await_measurement();
    server.kill();
    let report = run.wait_for(Duration::from_secs(30)).expect(0).json();
    report.assert_ledger();
    assert!(report.count("requests.completed") > 0);
    // One may have been opened again into the accept queue of a server about to die.
    let closed = report.count("connections.closed.by_server");
    assert!((50..=100).contains(&closed), "{closed}");
    assert_eq!(report.count("connections.live"), 0);
    assert_reopening(&report);
    assert!(report.0["connections"]["failed"]["connect.refused"].as_u64().unwrap() > 0);
    let seconds = report.number("supervisor.seconds");
    let attempts = report.count("connections.attempted");
    assert!(attempts as f64 <= 50.0 * (1.0 + 11.0 * seconds), "{attempts} in {seconds} s");
    let cpu = report.number("generator.cpu_seconds");
    assert!(cpu <= seconds / 2.0, "{cpu} s of CPU in {seconds} s");
}

#[test]
fn a_target_of_theirs_that_comes_back_is_loaded_again() {
    let server = Server::start("");
    let address = server.address.clone();
    let words = format!("--conns 50 --think 20ms --duration 4s {}", server.url());
    let mut run = followed(&words).spawn();
    run.await_measurement();
    server.kill();
    let server = Server::listen(&address, "");
    let report = run.wait().expect(0).json();
    report.assert_ledger();
    let seen = server.stop();
    assert_eq!(report.count("connections.live"), 50);
    assert_reopening(&report);
    assert_eq!(seen.count("target.connections_seen"), 50);
    assert!(seen.count("target.requests_seen") > 0);
}

#[test]
fn a_supervisor_that_stalls_loses_no_count() {
    let mut run = followed("--procs 2 --conns 50 --duration 4s").spawn();
    run.await_measurement();
    stall(run.pid(), Duration::from_secs(2));
    let report = run.wait().expect(0).json();
    report.assert_ledger();
    report.assert_equals_target();
    assert_eq!(report.count("requests.completed"), report.count("requests.sent"));
    assert_eq!(report.count("latency_us.from_due.count"), report.count("requests.completed"));
}

#[test]
fn a_supervisor_that_stalls_over_the_end_loses_no_count() {
    let mut run = followed("--procs 2 --conns 50 --duration 1s").spawn();
    run.await_measurement();
    stall(run.pid(), Duration::from_secs(2));
    let report = run.wait().expect(0).json();
    report.assert_ledger();
    report.assert_equals_target();
}

#[test]
fn a_worker_that_stalls_completes_its_run() {
    let mut run = followed("--procs 2 --conns 50 --duration 2s").spawn();
    run.await_measurement();
    let worker = run.child("sclients: worker 1");
    stall(worker, Duration::from_secs(1));
    let report = run.wait().expect(0).json();
    report.assert_ledger();
    report.assert_equals_target();
    assert!(report.number("latency_us.from_due.max") >= 900_000.0, "the stall is in the figures");
}

#[test]
fn a_worker_that_is_stopped_is_shown_as_such_and_was_not_lost() {
    let mut run = followed("--procs 2 --conns 20 --duration 3s").spawn();
    run.await_measurement();
    let worker = run.child("sclients: worker 1");
    send(worker, Signal::SIGSTOP);
    let stopped = Instant::now();
    run.await_line("worker 1 stopped");
    assert!(stopped.elapsed() < Duration::from_millis(500), "{:?}", stopped.elapsed());
    thread::sleep(Duration::from_secs(1));
    send(worker, Signal::SIGCONT);
    let report = run.wait().expect(0).json();
    report.assert_ledger();
    report.assert_equals_target();
    let stopped = report.count("workers.1.stopped_ms");
    assert!((1_000..2_000).contains(&stopped), "{stopped}");
    assert_eq!(report.at("workers.1.loss"), &Value::Null);
}

#[test]
fn a_worker_that_stays_stopped_does_not_hold_up_the_planned_end() {
    let mut run = followed("--procs 2 --conns 20 --duration 2s").spawn();
    run.await_measurement();
    send(run.child("sclients: worker 1"), Signal::SIGSTOP);
    let report = run.wait_for(Duration::from_secs(10)).expect(0).json();
    report.assert_ledger();
    report.assert_equals_target();
}
