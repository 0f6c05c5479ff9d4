//! Ctrl-C and its kin: drained, a full report, the signal's exit code; the second one ends at once.

mod driver;

use driver::{Report, Server, followed, sclients, send, shell};
use nix::sys::signal::Signal;
use std::time::Duration;

const INTERRUPTED: i32 = 130;
const TERMINATED: i32 = 143;

/// A run that would go on for an hour.
const LONG: &str = "--procs 2 --conns 50 --duration 1h";

#[track_caller]
fn assert_drained(report: &Report) {
    assert_drained_of(report, 100);
}

/// Of a run of so many connections.
#[track_caller]
fn assert_drained_of(report: &Report, connections: u64) {
    report.assert_ledger();
    report.assert_equals_target();
    assert!(report.count("requests.completed") > 0);
    assert_eq!(report.count("requests.in_flight"), 0);
    assert_eq!(report.count("requests.lost"), 0);
    assert_eq!(report.count("connections.peak_live"), connections);
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
fn a_stopped_worker_is_woken_to_end_and_tells_what_it_had() {
    let mut run = followed("--procs 2 --conns 20 --duration 1h").spawn();
    run.await_measurement();
    send(run.child("sclients: worker 1"), Signal::SIGSTOP);
    run.await_line("worker 1 stopped");
    run.signal(Signal::SIGTERM);
    let done = run.wait_for(Duration::from_secs(8)).expect(TERMINATED);
    assert!(done.waited < Duration::from_secs(2), "{:?}", done.waited);
    let report = done.json();
    report.assert_ledger();
    report.assert_equals_target();
    assert!(report.count("workers.1.stopped_ms") > 0);
    assert_eq!(report.count("workers.0.stopped_ms"), 0);
}

/// A process that stops `pid` again whenever it is let go on.
fn keep_stopped(pid: i32) -> std::process::Child {
    let line = format!("while kill -STOP {pid} 2>/dev/null; do sleep 0.001; done");
    std::process::Command::new("sh").args(["-c", &line]).spawn().unwrap()
}

#[test]
fn a_worker_that_stays_stopped_holds_up_the_end_no_longer_than_is_allowed() {
    let words = "--procs 2 --conns 20 --duration 1h --timeout 10m --target-delay 10m --grace 1s";
    let mut run = followed(words).spawn();
    run.await_measurement();
    let mut stopper = keep_stopped(run.child("sclients: worker 1"));
    run.await_line("worker 1 stopped");
    run.signal(Signal::SIGTERM);
    let done = run.wait_for(Duration::from_secs(10)).expect(TERMINATED);
    stopper.wait().unwrap();
    assert!(done.waited < Duration::from_millis(4_200), "grace and 3.2 s: {:?}", done.waited);
    done.json().assert_ledger();
}

#[test]
fn a_second_signal_ends_within_a_second_whatever_is_stopped() {
    let words = "--procs 2 --conns 20 --duration 1h --timeout 10m --target-delay 10m --grace 30s";
    let mut run = followed(words).spawn();
    run.await_measurement();
    let mut stopper = keep_stopped(run.child("sclients: worker 1"));
    run.await_line("worker 1 stopped");
    run.signal(Signal::SIGINT);
    run.await_line("drain");
    run.signal(Signal::SIGINT);
    let done = run.wait_for(Duration::from_secs(5)).expect(INTERRUPTED);
    stopper.wait().unwrap();
    assert!(done.waited < Duration::from_millis(1_200), "{:?}", done.waited);
    done.json().assert_ledger();
}

#[test]
fn a_third_signal_kills_and_still_reports() {
    let words = "--conns 20 --duration 1h --timeout 10m --target-delay 10m --grace 30s";
    let mut run = followed(words).spawn();
    run.await_measurement();
    let mut stopper = keep_stopped(run.child("sclients: worker 0"));
    run.await_line("worker 0 stopped");
    run.signal(Signal::SIGINT);
    run.await_line("drain");
    run.signal(Signal::SIGTERM);
    run.signal(Signal::SIGHUP);
    let done = run.wait_for(Duration::from_secs(5)).expect(INTERRUPTED);
    stopper.wait().unwrap();
    done.json().assert_ledger();
}

#[test]
fn sigusr1_shows_the_report_so_far_and_the_run_goes_on() {
    let mut run = followed("--procs 2 --conns 20 --think 10ms --duration 2s").spawn();
    run.await_measurement();
    // For the supervisor alone: workers and targets do not mind.
    for child in ["sclients: worker 0", "sclients: target 0"] {
        send(run.child(child), Signal::SIGUSR1);
    }
    run.signal(Signal::SIGUSR1);
    run.await_line("so far, ");
    run.await_line("verdict");
    run.await_line("requests");
    run.await_line("seed");
    let report = run.wait().expect(0).json();
    report.assert_ledger();
    report.assert_equals_target();
}

#[test]
fn what_is_not_due_yet_is_not_missing_from_the_report_so_far() {
    let mut run = followed("--conns 20 --rate 200 --duration 3s").spawn();
    run.await_measurement();
    std::thread::sleep(Duration::from_millis(500));
    run.signal(Signal::SIGUSR1);
    run.await_line("so far, ");
    loop {
        let line = run.await_line("");
        assert!(!line.contains("planned starts took place"), "{line}");
        if line.contains("the run goes on: ") {
            break;
        }
    }
    run.wait().expect_or_late(0);
}

#[test]
fn sigusr1_shows_the_report_so_far_of_a_run_that_is_kept_and_what_is_kept_stays_whole() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("run");
    let words = "--procs 2 --conns 50 --duration 4s --out";
    let mut run = followed(words).arg(&folder).spawn();
    run.await_measurement();
    let children = ["sclients: worker 0", "sclients: worker 1", "sclients: target 0"];
    let before = children.map(|child| run.child(child));
    before.iter().for_each(|child| send(*child, Signal::SIGUSR1));
    for _ in 0..3 {
        run.signal(Signal::SIGUSR1);
        run.await_line("so far, ");
        run.await_line("seed");
    }
    // A program reads the same of what is kept: an object that balances, of a run that goes on.
    let report = || sclients("report --format json").arg(&folder).run();
    let so_far = || report().json().count("requests.completed");
    let told = driver::wait_until(Duration::from_secs(3), || so_far() > 0);
    assert!(told, "nothing is kept yet");
    report().json().assert_ledger();
    assert_eq!(children.map(|child| run.child(child)), before, "nobody died of it");
    let done = run.wait().expect(0);
    let last = done.json();
    last.assert_ledger();
    last.assert_equals_target();
    assert_eq!(done.stdout, report().stdout);
}

#[test]
fn a_target_alone_shows_what_it_saw_so_far() {
    let mut serve = sclients("serve --listen 127.0.0.1:0").spawn();
    serve.await_line("listening at ");
    serve.signal(Signal::SIGUSR1);
    serve.await_line("saw 0 connections");
    serve.signal(Signal::SIGINT);
    serve.wait().expect(0);
}

#[test]
fn a_hangup_that_was_ignored_at_the_start_stays_ignored() {
    let words = "--format json --progress 100ms --interval 100ms --conns 20 --duration 2s";
    let mut run = shell(&format!("trap '' HUP; exec {} {words}", driver::BINARY)).spawn();
    run.await_measurement();
    run.signal(Signal::SIGHUP);
    let report = run.wait().expect(0).json();
    report.assert_ledger();
    report.assert_equals_target();
}

/// A terminal that background jobs may not write to stops them (SIGTTOU), but not this one.
#[test]
fn a_job_in_the_background_is_not_stopped_by_its_terminal() {
    let words = "--conns 5 --duration 600ms --progress 100ms --interval 100ms";
    let job = format!("stty tostop; set -m; {} {words} & wait $!; echo ended $?", driver::BINARY);
    let done = shell(&format!("exec script -qec '{job}' /dev/null")).run().expect(0);
    assert!(done.stdout.contains("measurement"), "it is no terminal: {}", done.stdout);
    assert!(done.stdout.contains("ended 0"), "{}", done.stdout);
}

#[test]
fn a_file_that_may_not_grow_is_a_failed_write_and_no_end_by_signal() {
    let words = "--format json --progress 100ms --interval 100ms --conns 20 --duration 1s";
    let out = tempfile::tempdir().unwrap().keep().join("report");
    let line = format!("ulimit -f 1; exec {} {words} >{}", driver::BINARY, out.display());
    let done = shell(&line).run();
    std::fs::remove_dir_all(out.parent().unwrap()).unwrap();
    let done = done.expect(1);
    assert!(done.stderr.iter().any(|line| line.contains("cannot be written")), "{:?}", done.stderr);
}

#[test]
fn a_standard_error_that_takes_nothing_holds_up_no_report() {
    let (_kept, full) = driver::full_pipe();
    let run = followed("--procs 2 --conns 20 --duration 1s").stderr(full).spawn();
    assert_drained_of(&run.wait_for(Duration::from_secs(20)).expect(0).json(), 40);
}

#[test]
fn notes_that_nobody_takes_hold_up_no_signal() {
    let (_kept, full) = driver::full_pipe();
    let words = "--procs 2 --conns 20 --duration 1h --timeout 10m --target-delay 10m --grace 30s";
    let run = followed(words).stderr(full).spawn();
    let begun = || run.find_child("sclients: worker 1").is_some();
    assert!(driver::wait_until(driver::DEADLINE, begun), "no worker");
    // Each is a report of many lines.
    for _ in 0..200 {
        run.signal(Signal::SIGUSR1);
    }
    run.signal(Signal::SIGINT);
    std::thread::sleep(Duration::from_millis(100));
    run.signal(Signal::SIGINT);
    let done = run.wait_for(Duration::from_secs(10)).expect(INTERRUPTED);
    assert!(done.waited < Duration::from_millis(1_500), "{:?}", done.waited);
    done.json().assert_ledger();
}

#[test]
fn a_second_signal_ends_the_wait_for_whoever_reads_the_report() {
    let (_kept, full) = driver::full_pipe();
    let mut run = followed("--conns 20 --duration 500ms").stdout(full).spawn();
    let line = run.await_line("waiting for");
    assert_eq!(
        line,
        "sclients: waiting for whoever reads the report; Ctrl-C twice ends the run without"
    );
    run.signal(Signal::SIGINT);
    run.signal(Signal::SIGTERM);
    let done = run.wait_for(Duration::from_secs(10)).expect(1);
    assert!(done.waited < Duration::from_millis(1_500), "{:?}", done.waited);
    assert!(done.stderr.iter().any(|line| line.contains("nobody takes it")), "{:?}", done.stderr);
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
    // Sooner than the grace: the stop may have come with the share, and is heard all the same.
    run.wait_for(Duration::from_secs(4)).expect(INTERRUPTED).json().assert_ledger();
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
