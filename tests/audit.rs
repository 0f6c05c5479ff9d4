//! The run judges itself: what starves or stops a worker is named, a target's stall is the target's.

mod driver;

use driver::{Server, followed, stall};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A process that spins on one processor until it is dropped.
struct Hog(Child);

impl Hog {
    fn on(cpu: usize) -> Self {
        let spin = Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let hog = Self(spin);
        let mut set = CpuSet::new();
        set.set(cpu).unwrap();
        sched_setaffinity(Pid::from_raw(hog.0.id().try_into().unwrap()), &set).unwrap();
        hog
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn first_processor() -> usize {
    let ours = sched_getaffinity(Pid::from_raw(0)).unwrap();
    (0..CpuSet::count()).find(|cpu| ours.is_set(*cpu).unwrap()).unwrap()
}

#[test]
fn a_worker_that_shares_its_processor_waits_for_it_and_says_so() {
    let cpu = first_processor();
    let _hogs = [Hog::on(cpu), Hog::on(cpu)];
    let words = format!("--procs 1 --conns 50 --cpus {cpu} --duration 3s");
    let report = followed(&words).run().expect(0).json();
    report.assert_ledger();
    assert_eq!(report.text("verdict.state"), "suspect");
    report.assert_told("verdict.reasons", "generator-limited: worker 0 waited ");
    assert!(report.number("generator.strain.runqueue_share") > 0.1);
    assert!(report.number("workers.0.runqueue_share") > 0.1);
}

#[test]
fn a_worker_that_was_stopped_says_so() {
    let mut run = followed("--procs 1 --conns 5 --duration 3s").spawn();
    run.await_measurement();
    let worker = run.child("sclients: worker 0");
    stall(worker, Duration::from_millis(600));
    let report = run.wait().expect(0).json();
    report.assert_ledger();
    assert_eq!(report.text("verdict.state"), "suspect");
    report.assert_told("verdict.reasons", "generator-limited: worker 0 stood still for ");
    assert!(report.number("generator.strain.longest_stop_ms") >= 500.0);
}

/// With thought between its requests the worker sleeps when it is stopped.
#[test]
fn a_worker_that_was_stopped_in_its_sleep_says_so() {
    let mut run = followed("--procs 1 --conns 5 --think 300ms --duration 3s").spawn();
    run.await_measurement();
    let worker = run.child("sclients: worker 0");
    stall(worker, Duration::from_millis(600));
    let report = run.wait().expect(0).json();
    report.assert_told("verdict.reasons", "stood still for ");
}

#[test]
fn a_stall_of_the_target_is_blamed_on_the_target() {
    let mut run = followed("--procs 1 --conns 5 --think 20ms --duration 4s").spawn();
    run.await_measurement();
    let target = run.child("sclients: target 0");
    stall(target, Duration::from_millis(1500));
    let report = run.wait().expect(0).json();
    report.assert_ledger();
    assert_ne!(report.text("verdict.state"), "invalid");
    report.assert_told("verdict.notes", "the target stalled");
}

/// Of a schedule the same is the end of its claim: what was due did not leave.
#[test]
fn a_schedule_whose_worker_was_stopped_is_invalid() {
    let mut run = followed("--procs 1 --conns 5 --rate 1k --duration 3s").spawn();
    run.await_measurement();
    let worker = run.child("sclients: worker 0");
    stall(worker, Duration::from_millis(600));
    let report = run.wait().expect(5).json();
    report.assert_ledger();
    assert_eq!(report.text("verdict.state"), "invalid");
    report.assert_told("verdict.reasons", "worker 0 stood still for ");
    report.assert_told("verdict.reasons", " late or more ");
    assert_eq!(report.count("requests.completed"), 3000);
}

#[test]
fn a_schedule_beside_a_busy_process_is_invalid() {
    let cpu = first_processor();
    let _hogs = [Hog::on(cpu), Hog::on(cpu)];
    let words = format!("--procs 1 --conns 50 --rate 10k --cpus {cpu} --duration 3s");
    let report = followed(&words).run().expect(5).json();
    report.assert_ledger();
    report.assert_told("verdict.reasons", "worker 0 waited ");
}

/// A stall of the target makes requests wait for connections; they were picked in time all the same.
#[test]
fn a_schedule_is_kept_while_the_target_stalls() {
    let mut run = followed("--procs 1 --conns 5 --rate 500 --duration 4s").spawn();
    run.await_measurement();
    let target = run.child("sclients: target 0");
    stall(target, Duration::from_millis(1500));
    let done = run.wait();
    let code = done.code();
    let report = done.expect(code).json();
    report.assert_ledger();
    report.assert_told("verdict.notes", "the target stalled");
    assert_eq!(report.count("requests.completed"), 2000);
    let (blocked, lag) =
        (report.number("latency_us.blocked.p99"), report.number("latency_us.sched_lag.p99"));
    assert!(blocked > 1_000_000.0 && lag < 200_000.0, "blocked {blocked}, lag {lag}");
}

/// Attempts that this host refused were not offered.
#[test]
fn a_schedule_that_this_host_cannot_open_is_invalid() {
    let server = Server::start("--delay 20s");
    let words = "--format json --attempt-rate 500 --attempt-timeout 200ms --duration 2s --drain 0s";
    let line = format!("ulimit -n 300; exec {} {words} {}", driver::BINARY, server.url());
    let report = driver::shell(&line).run().expect(5).json();
    report.assert_ledger();
    let refused = report.at("attempts.failed")["local.fd_limit"].as_u64().unwrap();
    assert!(refused > 100, "{refused}");
    report.assert_told("verdict.reasons", "planned starts took place");
    report.assert_told("verdict.reasons", "local.fd_limit");
}

#[test]
fn a_hold_claims_no_times() {
    let server = Server::start("");
    let mut run =
        followed("--procs 1 --conns 5 --load hold --duration 2s").arg(server.url()).spawn();
    run.await_measurement();
    let worker = run.child("sclients: worker 0");
    stall(worker, Duration::from_millis(600));
    let report = run.wait().expect(0).json();
    assert_eq!(report.text("verdict.state"), "valid");
    report.assert_told("verdict.notes", "worker 0 stood still for ");
    assert!(report.at("host.tcp").is_object());
    server.stop();
}
