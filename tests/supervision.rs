//! Workers that die are followed by others, and what was lost between them is stated.

mod driver;

use driver::refusals::{Refusal, When};
use driver::{
    INVALID, Report, Running, Server, followed, limit_descriptors, sclients, send, shell,
    wait_until,
};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

/// The records of a slot, first generation first.
fn generations(report: &Report, slot: u64) -> Vec<&Value> {
    let of_slot = |worker: &&Value| worker["slot"] == slot;
    let found: Vec<&Value> = report.list("workers").iter().filter(of_slot).collect();
    let numbers: Vec<u64> = found.iter().map(|w| w["generation"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..found.len() as u64).collect::<Vec<_>>());
    found
}

/// Waits for a line of progress that tells of so many live connections.
fn await_live(run: &mut Running, live: u32) {
    run.await_line(&format!("measurement  {live} live"));
}

/// Whether a slot's first generation was lost and its second one stayed, and how long the gap was.
#[track_caller]
fn assert_replaced(report: &Report, slot: u64, exit: &str) -> u64 {
    let workers = generations(report, slot);
    assert_eq!(workers.len(), 2, "{workers:#?}");
    assert_eq!(workers[0]["exit"], exit);
    let loss = &workers[0]["loss"];
    let (gap, after) = (loss["gap_ms"].as_u64().unwrap(), loss["replaced_after_ms"].as_u64());
    assert!(after.unwrap() >= 1_000 && gap >= after.unwrap(), "{loss}");
    assert!(loss["unknown_ms"].as_u64().unwrap() <= 1_000, "{loss}");
    assert_eq!(workers[1]["loss"], Value::Null);
    assert!(workers[1]["cpu_seconds"].as_f64().unwrap() > 0.0);
    gap
}

/// Nothing that the target saw is missing but what the dead did after their last reports.
#[track_caller]
fn assert_target_saw_at_least(report: &Report) {
    let (sent, seen) = (report.count("requests.sent"), report.count("target.requests_seen"));
    assert!(seen >= sent, "{seen} of {sent}");
    let opened = report.count("connections.established");
    assert!(report.count("target.connections_seen") >= opened);
}

#[test]
fn a_killed_worker_is_replaced_in_its_slot_and_the_report_is_exact() {
    let mut run = followed("--procs 4 --conns 50 --duration 4s").spawn();
    run.await_measurement();
    send(run.child("sclients: worker 1"), Signal::SIGKILL);
    let killed = Instant::now();
    let line = run.await_line("worker 1 ");
    assert!(line.ends_with("died: SIGKILL; another takes its place"), "{line}");
    assert!(killed.elapsed() < Duration::from_millis(500), "{:?}", killed.elapsed());
    await_live(&mut run, 150);
    await_live(&mut run, 200);
    let report = run.wait().expect(INVALID).json();
    report.assert_ledger();
    assert_target_saw_at_least(&report);
    let gap = assert_replaced(&report, 1, "SIGKILL");
    report.assert_reason(&format!("made no load for {gap} ms"));
    assert_eq!(report.count("connections.planned"), 200);
    assert_eq!(report.count("connections.peak_live"), 200);
    assert_eq!(report.count("connections.lost"), 50);
    assert_eq!(report.count("connections.live"), 200);
    assert_eq!(report.count("connections.established"), 250);
    assert_eq!(report.sum("connections.failed"), 0);
    assert_eq!(report.text("verdict.state"), "invalid");
}

#[test]
fn every_tick_of_a_schedule_is_accounted_for_whoever_died() {
    for arrivals in ["constant", "jitter", "poisson"] {
        let words = "--procs 3 --conns 20 --rate 3001 --warmup 500ms --duration 3s --arrivals";
        let mut run = followed(words).arg(arrivals).spawn();
        run.await_measurement();
        send(run.child("sclients: worker 2"), Signal::SIGABRT);
        let report = run.wait().expect(INVALID).json();
        report.assert_ledger();
        assert_target_saw_at_least(&report);
        let gap = assert_replaced(&report, 2, "SIGABRT");
        if arrivals != "poisson" {
            assert_eq!(report.count("requests.planned"), report.count("requests.due"));
        }
        let lost = report.count("requests.not_sent.worker_lost") as f64;
        let unknown = report.count("requests.unknown_ms");
        let expected = (gap + unknown) as f64;
        assert!((lost - expected).abs() < 100.0, "{arrivals}: {lost} ticks of {expected} ms");
    }
}

#[test]
fn attempts_that_nobody_began_are_accounted_for() {
    let words = "--procs 2 --attempt-rate 1000 --duration 3s --allow-lost 1s";
    let mut run = followed(words).spawn();
    run.await_measurement();
    send(run.child("sclients: worker 0"), Signal::SIGKILL);
    let done = run.wait();
    // A host that is busy with other tests may send late, which makes a schedule invalid.
    let report = if done.code() == INVALID { done.expect(INVALID) } else { done.expect(0) }.json();
    report.assert_ledger();
    assert_replaced(&report, 0, "SIGKILL");
    let lost = report.count("attempts.not_begun.worker_lost");
    assert!((500..1_000).contains(&lost), "{lost}");
    assert_eq!(report.count("attempts.offered") + lost, report.count("attempts.planned"));
}

#[test]
fn attempts_that_were_pending_with_a_dead_worker_stay_so() {
    let server = Server::start("--hostile full-queue");
    let words = "--procs 2 --attempt-rate 200 --attempt-timeout 1s --duration 3s";
    let mut run = followed(words).arg(server.url()).spawn();
    run.await_measurement();
    thread::sleep(Duration::from_millis(300));
    send(run.child("sclients: worker 0"), Signal::SIGKILL);
    let report = run.wait().expect(INVALID).json();
    report.assert_ledger();
    assert_replaced(&report, 0, "SIGKILL");
    let lost = report.count("attempts.pending_lost");
    assert!(lost > 5, "{lost}");
    assert_eq!(report.count("attempts.pending"), lost);
    server.kill();
}

#[test]
fn a_number_of_requests_is_neither_exceeded_nor_begun_again() {
    let mut run = followed("--procs 2 --conns 20 --requests 6000 --think 10ms").spawn();
    run.await_measurement();
    send(run.child("sclients: worker 0"), Signal::SIGKILL);
    let report = run.wait().expect(INVALID).json();
    report.assert_ledger();
    assert_replaced(&report, 0, "SIGKILL");
    assert_eq!(report.count("requests.due"), 6_000);
}

#[test]
fn held_connections_are_opened_again() {
    let mut run = followed("--procs 2 --conns 300 --load hold --duration 3s").spawn();
    run.await_measurement();
    send(run.child("sclients: worker 1"), Signal::SIGKILL);
    let report = run.wait().expect(INVALID).json();
    report.assert_ledger();
    assert_replaced(&report, 1, "SIGKILL");
    assert_eq!(report.count("connections.live"), 600);
    assert_eq!(report.sum("connections.failed"), 0);
}

#[test]
fn without_a_successor_the_ticks_to_the_end_are_lost() {
    let words = "--procs 2 --conns 20 --rate 1000 --duration 2s --on-worker-death continue";
    let mut run = followed(words).spawn();
    run.await_measurement();
    send(run.child("sclients: worker 1"), Signal::SIGKILL);
    let report = run.wait().expect(INVALID).json();
    report.assert_ledger();
    assert_eq!(report.count("requests.due"), 2_000);
    assert!(report.count("requests.not_sent.worker_lost") > 500);
    assert_eq!(generations(&report, 1).len(), 1);
    report.assert_reason("to the end");
}

#[test]
fn a_death_can_be_made_the_end_of_the_run() {
    let words = "--procs 2 --conns 20 --duration 1h --on-worker-death fail";
    let mut run = followed(words).spawn();
    run.await_measurement();
    send(run.child("sclients: worker 1"), Signal::SIGKILL);
    let report = run.wait_for(Duration::from_secs(10)).expect(INVALID).json();
    report.assert_ledger();
    assert_eq!(report.text("stopped"), "worker_death");
    report.assert_reason("stopped, since worker 1 died");
}

#[test]
fn a_loss_that_is_allowed_leaves_the_counts_suspect() {
    for (allowed, code, state) in [("1s", 0, "suspect"), ("1us", INVALID, "invalid")] {
        let words = "--procs 2 --conns 20 --think 10ms --duration 3s --allow-lost";
        let mut run = followed(words).arg(allowed).spawn();
        run.await_measurement();
        send(run.child("sclients: worker 1"), Signal::SIGKILL);
        let report = run.wait().expect(code).json();
        report.assert_ledger();
        assert_eq!(report.text("verdict.state"), state);
        report.assert_reason("worker 1 ");
    }
}

/// Kills whoever has this slot as soon as its measurement is reported, so many times.
fn kill_again_and_again(run: &mut Running, name: &str, times: u32) {
    for _ in 0..times {
        let mut found = None;
        assert!(wait_until(Duration::from_secs(10), || {
            found = run.find_child(name);
            found.is_some()
        }));
        thread::sleep(Duration::from_millis(200));
        send(found.unwrap(), Signal::SIGKILL);
        run.await_line("died: SIGKILL");
    }
}

#[test]
fn a_crash_loop_ends_the_run_with_its_report() {
    let mut run = followed("--procs 2 --conns 20 --duration 1h").spawn();
    run.await_measurement();
    kill_again_and_again(&mut run, "sclients: worker 1", 3);
    let report = run.wait_for(Duration::from_secs(15)).expect(INVALID).json();
    report.assert_ledger();
    assert_eq!(report.text("stopped"), "crash_loop");
    let workers = generations(&report, 1);
    assert_eq!(workers.len(), 3);
    let starts: Vec<f64> =
        workers.iter().map(|worker| worker["died_after_seconds"].as_f64().unwrap()).collect();
    assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= 1.0), "{starts:?}");
}

#[test]
fn restarts_over_their_limit_end_the_run_with_its_report() {
    let words = "--procs 2 --conns 20 --duration 1h --restart-limit 1/60s";
    let mut run = followed(words).spawn();
    run.await_measurement();
    for name in ["sclients: worker 0", "sclients: worker 1"] {
        send(run.child(name), Signal::SIGKILL);
    }
    let report = run.wait_for(Duration::from_secs(15)).expect(INVALID).json();
    report.assert_ledger();
    assert_eq!(report.text("stopped"), "restart_limit");
    report.assert_reason("more than 1 times in 1m (--restart-limit)");
}

#[test]
fn a_worker_killed_before_the_run_began_is_the_end_of_it() {
    let run = followed("--procs 60 --conns 2 --duration 1h").spawn();
    let mut found = None;
    assert!(wait_until(driver::DEADLINE, || {
        found = run.find_child("sclients: worker 0");
        found.is_some()
    }));
    send(found.unwrap(), Signal::SIGKILL);
    let done = run.wait_for(Duration::from_secs(20)).expect(INVALID);
    let line = done.stderr.last().unwrap();
    assert!(line.starts_with("sclients: worker 0 (process "), "{line}");
    assert!(line.ends_with(" died: SIGKILL before the run began"), "{line}");
}

#[test]
fn a_worker_that_cannot_begin_is_the_end_of_the_start_with_its_reason() {
    let done = followed("--procs 2 --conns 2 --cpus 0,1023").run().expect(3);
    let line = done.stderr.last().unwrap();
    assert!(line.starts_with("sclients: worker 1: processor 1023 cannot be had"), "{line}");
}

#[test]
fn whatever_signal_ends_a_worker_is_named() {
    let words = "--procs 3 --conns 5 --think 10ms --duration 2500ms";
    let mut run = followed(words).spawn();
    run.await_measurement();
    let of = |slot| run.child(&format!("sclients: worker {slot}"));
    let workers = [of(0), of(1), of(2)];
    send(workers[0], Signal::SIGABRT);
    send(workers[1], Signal::SIGBUS);
    // The first one goes to a handler that looks for an overflow of the stack, and finds none.
    for _ in 0..2 {
        send(workers[2], Signal::SIGSEGV);
        thread::sleep(Duration::from_millis(50));
    }
    let segfault = fs::metadata(format!("/proc/{}", workers[1])).is_ok();
    if segfault {
        send(workers[1], Signal::SIGBUS);
    }
    let report = run.wait().expect(INVALID).json();
    report.assert_ledger();
    for (slot, exit) in [(0, "SIGABRT"), (1, "SIGBUS"), (2, "SIGSEGV")] {
        assert_replaced(&report, slot, exit);
    }
}

/// The writing end of a worker's pipe, `--report` or `--control`.
fn pipe(worker: i32, which: &str) -> fs::File {
    let words = fs::read_to_string(format!("/proc/{worker}/cmdline")).unwrap();
    let number = words.split('\0').skip_while(|word| *word != which).nth(1).unwrap();
    let path = format!("/proc/{worker}/fd/{number}");
    fs::OpenOptions::new().write(true).open(path).unwrap()
}

#[test]
fn a_worker_that_sends_garbage_is_ended_and_followed() {
    let mut run = followed("--procs 2 --conns 20 --think 10ms --duration 3s").spawn();
    run.await_measurement();
    pipe(run.child("sclients: worker 1"), "--report").write_all(&[0xff; 64]).unwrap();
    let report = run.wait().expect(INVALID).json();
    report.assert_ledger();
    assert_replaced(&report, 1, "SIGKILL");
    report.assert_reason("worker 1 sent what cannot be read");
}

/// Load that began already means nothing; a supervisor gone mad might say it again and again.
#[test]
fn a_storm_of_commands_stops_no_load() {
    let mut run = followed("--procs 2 --conns 20 --think 10ms --duration 2s").spawn();
    run.await_measurement();
    let mut control = pipe(run.child("sclients: worker 1"), "--control");
    let mut bytes = Vec::new();
    for sequence in 3..50_000 {
        wire::frame(&wire::Command::Load { at_nanos: 1, gone: 7 }, sequence, &mut bytes);
    }
    control.write_all(&bytes).unwrap();
    let report = run.wait().expect(0).json();
    report.assert_ledger();
    report.assert_equals_target();
    assert!(report.count("requests.completed") > 100);
}

#[test]
fn a_worker_that_panics_is_followed_and_its_first_line_is_told() {
    let command = followed("--procs 2 --conns 20 --think 10ms --duration 3s").without_backtrace();
    let mut run = command.spawn();
    run.await_measurement();
    // Commands 0 to 2 were its share, Start and Load; a second share breaks an invariant.
    let share = wire::TargetShare {
        slot: 0,
        seed: 0,
        listen: ([127, 0, 0, 1], 1).into(),
        protocol: wire::ProtocolKind::Http,
        body_bytes: 0,
        message_bytes: 0,
        delay_nanos: 0,
        hostile: None,
        service_nanos: 0,
        service_exponential: false,
        stalls: Vec::new(),
        leak_bytes_per_min: 0,
        connections: 0,
        interval_nanos: 0,
        cpu: None,
    };
    let mut bytes = Vec::new();
    wire::frame(&wire::Command::Serve(share), 3, &mut bytes);
    pipe(run.child("sclients: worker 1"), "--control").write_all(&bytes).unwrap();
    let done = run.wait();
    assert_eq!(done.code(), INVALID);
    let report = done.json();
    report.assert_ledger();
    assert_replaced(&report, 1, "exit 101");
    let why = "panic: a share comes once, and first";
    assert_eq!(generations(&report, 1)[0]["loss"]["why"], why);
    report.assert_reason(why);
}

#[test]
fn the_torn_frame_of_a_dying_worker_is_no_report_and_no_fault() {
    let mut run = followed("--procs 2 --conns 20 --think 10ms --duration 3s").spawn();
    run.await_measurement();
    let worker = run.child("sclients: worker 1");
    send(worker, Signal::SIGSTOP);
    run.await_line("worker 1 stopped");
    let mut bytes = Vec::new();
    wire::frame(&wire::Report::Alive, 0, &mut bytes);
    pipe(worker, "--report").write_all(&bytes[..5]).unwrap();
    send(worker, Signal::SIGKILL);
    let report = run.wait().expect(INVALID).json();
    report.assert_ledger();
    assert_replaced(&report, 1, "SIGKILL");
    let reasons = report.list("verdict.reasons");
    assert!(!reasons.iter().any(|reason| reason.as_str().unwrap().contains("sent what")));
}

#[test]
fn a_child_whose_supervisor_is_gone_does_not_begin() {
    // Process 1 is nobody's supervisor, as one that died before its child could ask to be told.
    let words = "__child --role worker --slot 0 --supervisor 1 --control 3 --report 4";
    let done = sclients(words).run().expect(1);
    assert_eq!(done.stderr, ["sclients: the supervisor (process 1) is gone"]);
}

#[test]
fn a_worker_out_of_descriptors_lives_and_says_so() {
    let words = "--conns 20 --requests-per-connection 5 --think 10ms --duration 2s";
    let mut run = followed(words).spawn();
    run.await_measurement();
    let worker = run.child("sclients: worker 0");
    let held = descriptors(worker).len() as u64 + 3;
    limit_descriptors(worker, held - 10);
    run.await_line(" failed");
    thread::sleep(Duration::from_millis(500));
    limit_descriptors(worker, 10_000);
    let report = run.wait().expect(0).json();
    report.assert_ledger();
    report.assert_equals_target();
    assert_eq!(report.text("verdict.state"), "suspect");
    assert!(report.0["connections"]["failed"]["local.fd_limit"].as_u64() > Some(0));
    assert_eq!(report.count("connections.live"), 20);
}

#[test]
fn a_whole_run_that_is_stopped_for_a_while_loses_nothing() {
    let mut run = followed("--procs 2 --conns 20 --think 10ms --duration 3s").spawn();
    run.await_measurement();
    let all: Vec<i32> = run.processes().iter().map(|process| process.pid).collect();
    all.iter().for_each(|pid| send(*pid, Signal::SIGSTOP));
    thread::sleep(Duration::from_secs(1));
    all.iter().rev().for_each(|pid| send(*pid, Signal::SIGCONT));
    let report = run.wait().expect(0).json();
    report.assert_ledger();
    report.assert_equals_target();
}

/// Holds a process as a debugger does: unlike a stop by a signal nobody is told, so it seems to hang.
/// False where that is not allowed.
fn hold(pid: i32) -> bool {
    use nix::libc;
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: both requests take no memory of this process.
    let results = unsafe {
        [
            libc::ptrace(libc::PTRACE_SEIZE, pid, none, none),
            libc::ptrace(libc::PTRACE_INTERRUPT, pid, none, none),
        ]
    };
    results == [0, 0]
}

#[test]
fn a_worker_that_hangs_is_ended_and_followed() {
    let mut run = followed("--procs 2 --conns 20 --think 10ms --duration 15s").spawn();
    run.await_measurement();
    let worker = run.child("sclients: worker 1");
    if !hold(worker) {
        eprintln!("skipped: no process may be traced here");
        return;
    }
    let held = Instant::now();
    run.await_line("worker 1 hangs: silent for 10 s");
    assert!((9.0..14.0).contains(&held.elapsed().as_secs_f64()), "{:?}", held.elapsed());
    // Whoever holds it is told of its end first: of the hold itself, then of that.
    let pid = nix::unistd::Pid::from_raw(worker);
    while !matches!(
        nix::sys::wait::waitpid(pid, Some(nix::sys::wait::WaitPidFlag::__WALL)).unwrap(),
        nix::sys::wait::WaitStatus::Signaled(..)
    ) {}
    assert!((11.0..17.0).contains(&held.elapsed().as_secs_f64()), "{:?}", held.elapsed());
    let report = run.wait().expect(INVALID).json();
    report.assert_ledger();
    let workers = generations(&report, 1);
    assert_eq!(workers.len(), 2);
    assert_eq!(workers[0]["loss"]["why"], "silent for too long");
    assert!(workers[0]["loss"]["unknown_ms"].as_u64().unwrap() >= 10_000);
}

#[test]
fn a_worker_killed_while_connections_open_is_replaced_before_load() {
    let words = "--procs 2 --conns 100 --connect-rate 100 --duration 500ms";
    let mut run = followed(words).spawn();
    run.await_line("open ");
    run.await_line("open ");
    send(run.child("sclients: worker 1"), Signal::SIGKILL);
    let report = run.wait_for(Duration::from_secs(20)).expect(INVALID).json();
    report.assert_ledger();
    assert_eq!(report.count("connections.live"), 200);
    assert_eq!(report.count("connections.peak_live"), 200);
    assert_eq!(report.count("connections.pending"), report.count("connections.pending_lost"));
    let workers = generations(&report, 1);
    assert_eq!((workers.len(), workers[0]["loss"]["gap_ms"].as_u64()), (2, Some(0)));
}

#[test]
fn of_a_successor_that_said_nothing_only_its_own_time_is_unknown() {
    for load in ["--think 10ms", "--rate 500"] {
        let mut run = followed(&format!("--procs 2 --conns 20 --duration 6s {load}")).spawn();
        run.await_measurement();
        thread::sleep(Duration::from_millis(1_000));
        let first = run.child("sclients: worker 1");
        send(first, Signal::SIGKILL);
        let mut found = None;
        assert!(wait_until(Duration::from_secs(10), || {
            found = run.find_child("sclients: worker 1").filter(|pid| *pid != first);
            found.is_some()
        }));
        send(found.unwrap(), Signal::SIGKILL);
        let report = run.wait().expect(INVALID).json();
        report.assert_ledger();
        let workers = generations(&report, 1);
        assert_eq!(workers.len(), 3, "{load}");
        let unknown = workers[1]["loss"]["unknown_ms"].as_u64().unwrap();
        assert!(unknown < 1_000, "{load}: {unknown} ms");
    }
}

#[test]
fn fifty_workers_that_die_at_once_are_all_reaped_and_all_replaced() {
    let words = "--procs 50 --conns 2 --think 20ms --duration 6s --restart-limit 100/60s";
    let mut run = followed(words).spawn();
    run.await_measurement();
    let workers: Vec<i32> = (0..50).map(|k| run.child(&format!("sclients: worker {k}"))).collect();
    let held = descriptors(run.pid()).len();
    workers.iter().for_each(|worker| send(*worker, Signal::SIGKILL));
    let reaped = wait_until(Duration::from_secs(1), || {
        workers.iter().all(|pid| fs::metadata(format!("/proc/{pid}")).is_err())
    });
    assert!(reaped, "there are zombies");
    await_live(&mut run, 0);
    await_live(&mut run, 100);
    assert_eq!(descriptors(run.pid()).len(), held, "what belonged to the dead is closed");
    let report = run.wait().expect(INVALID).json();
    report.assert_ledger();
    assert_eq!(report.list("workers").len(), 100);
    assert_eq!(report.count("connections.established"), 200);
    assert_eq!(report.count("connections.live"), 100);
    assert_eq!(report.sum("connections.failed"), 0);
}

/// What the descriptors of a process are, without standard streams.
fn descriptors(pid: i32) -> Vec<String> {
    let folder = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let beyond =
        folder.filter(|entry| !["0", "1", "2"].contains(&&*entry.file_name().to_string_lossy()));
    let link = |entry: fs::DirEntry| fs::read_link(entry.path()).ok();
    beyond.filter_map(link).map(|to| to.to_string_lossy().into_owned()).collect()
}

#[test]
fn a_worker_holds_no_descriptor_of_another_be_it_a_successor() {
    let mut run = followed("--procs 3 --conns 5 --think 10ms --duration 4s").spawn();
    run.await_measurement();
    send(run.child("sclients: worker 0"), Signal::SIGKILL);
    await_live(&mut run, 10);
    await_live(&mut run, 15);
    // What these tests were started with is everybody's.
    let mut seen: BTreeSet<String> = descriptors(std::process::id() as i32).into_iter().collect();
    let inherited = seen.clone();
    for slot in 0..3 {
        let all = descriptors(run.child(&format!("sclients: worker {slot}")));
        let of = |kind: &str| -> BTreeSet<String> {
            let of_kind = all.iter().filter(|to| to.starts_with(kind)).cloned();
            of_kind.filter(|to| !inherited.contains(to)).collect()
        };
        let pipes = of("pipe:");
        assert_eq!(pipes.len(), 2, "control and reports: {all:?}");
        assert_eq!(of("socket:").len(), 5, "{all:?}");
        assert!(pipes.is_disjoint(&seen), "{all:?}");
        seen.extend(pipes);
    }
    run.wait().expect(INVALID);
}

#[test]
fn a_child_of_whoever_started_the_program_is_reaped_and_no_worker() {
    let words = "--format json --progress 100ms --interval 100ms --conns 20 --duration 1500ms";
    let killed = "{ sleep 0.5; kill -9 $(exec sh -c 'echo $PPID'); }";
    let line = format!("sleep 0.7 & {killed} & exec {} {words}", driver::BINARY);
    let done = shell(&line).run().expect(0);
    assert!(!done.stderr.iter().any(|line| line.contains("died")), "{:?}", done.stderr);
    let report = done.json();
    report.assert_ledger();
    report.assert_equals_target();
    report.assert_sound();
    assert_eq!(report.list("workers").len(), 1);
}

#[test]
fn a_child_of_whoever_started_the_program_is_sent_no_signal_and_not_waited_for() {
    let words = "--format json --progress 100ms --conns 20 --duration 500ms";
    let sleeper = "env -u SCLIENTS_TEST_RUN sleep 30 >/dev/null 2>&1 & echo stranger $! >&2";
    let mut run = shell(&format!("{sleeper}; exec {} {words}", driver::BINARY)).spawn();
    let stranger = run.await_line("stranger ").split_once(' ').unwrap().1.parse().unwrap();
    let done = run.wait_for(Duration::from_secs(20)).expect(0);
    let lives = driver::processes().iter().any(|process| process.pid == stranger);
    assert!(lives, "process {stranger} is gone");
    send(stranger, Signal::SIGKILL);
    done.json().assert_equals_target();
}

#[test]
fn workers_are_to_be_killed_for_memory_before_their_supervisor() {
    let mut run = followed("--conns 5 --think 10ms --duration 1s").spawn();
    run.await_measurement();
    let score = |pid: i32| -> i32 {
        let text = fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap();
        text.trim().parse().unwrap()
    };
    let (own, workers) = (score(run.pid()), score(run.child("sclients: worker 0")));
    assert!(workers > own || own == 1_000, "{workers} and {own}");
    run.wait().expect(0);
}

#[test]
fn a_fork_that_is_refused_is_named_and_tried_again() {
    let mut run = followed("--procs 2 --conns 20 --think 10ms --duration 8s").spawn();
    run.await_measurement();
    let descriptors = descriptors(run.pid()).len() as u64 + 3;
    limit_descriptors(run.pid(), descriptors);
    send(run.child("sclients: worker 1"), Signal::SIGKILL);
    thread::sleep(Duration::from_millis(1_500));
    limit_descriptors(run.pid(), 10_000);
    let line = run.await_line("cannot be started again");
    assert!(line.contains("worker 1 ") && line.contains("next try in 1 s"), "{line}");
    let report = run.wait().expect(INVALID).json();
    report.assert_ledger();
    assert_eq!(generations(&report, 1).len(), 2);
    assert_eq!(report.count("connections.live"), 40);
}

/// A place for the program where any user may run it.
fn for_everybody() -> (tempfile::TempDir, String) {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("sclients");
    fs::copy(driver::BINARY, &program).unwrap();
    let program = program.to_str().unwrap().to_owned();
    (folder, program)
}

/// Words that drop the rights of root, to whom no limit on processes applies, for those of a user without
/// any process; none where this host does not allow it.
fn as_user(user: u32, program: &str) -> Option<String> {
    let words = format!("setpriv --reuid={user} --regid={user} --clear-groups");
    let allowed = shell(&format!("{words} {program} --version")).run().code() == 0;
    if !allowed {
        eprintln!("skipped: no other user may be had, or may run {program}");
    }
    allowed.then_some(words)
}

#[test]
fn a_fork_that_is_refused_at_the_start_is_the_end_of_it_with_the_limits_names() {
    use nix::libc;
    // By posix_spawn(3), which takes the older call where the newer one is not there.
    let spawns = [When::Is(0, libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD)];
    let newer = Refusal { call: libc::SYS_clone3, when: &[], errno: nix::errno::Errno::ENOSYS };
    for (errno, said) in [
        (nix::errno::Errno::EAGAIN, "Resource temporarily unavailable"),
        (nix::errno::Errno::ENOMEM, "Cannot allocate memory"),
    ] {
        let refusal = Refusal { call: libc::SYS_clone, when: &spawns, errno };
        let run = sclients("--procs 2 --conns 2 --duration 300ms").refused(&newer);
        let done = run.refused(&refusal).run().expect(3);
        assert_eq!((done.stdout.as_str(), done.stderr.len()), ("", 1), "{:?}", done.stderr);
        let line = &done.stderr[0];
        assert!(line.starts_with("sclients: cannot start a process: "), "{line}");
        assert!(line.contains(said) && line.contains("ulimit -u"), "{line}");
    }
}

#[test]
fn processes_of_the_user_that_leave_too_little_room_end_the_start_and_leave_nothing() {
    let (_folder, program) = for_everybody();
    let Some(user) = as_user(54_321, &program) else { return };
    let limited = format!("{user} prlimit --nproc=28");
    let planned = shell(&format!("{limited} {program} --procs 30 --conns 2")).run().expect(3);
    assert!(planned.stderr[0].contains("(ulimit -u) is 28"), "{:?}", planned.stderr);
    let sleepers = "i=0; while [ $i -lt 20 ]; do env -i sleep 3 >/dev/null 2>&1 & i=$((i+1)); done";
    let words = "--procs 10 --conns 2 --duration 300ms";
    let line = format!("{limited} sh -c '{sleepers}; exec {program} {words}'");
    let done = shell(&line).run().expect(3);
    assert_eq!((done.stdout.as_str(), done.stderr.len()), ("", 1), "{:?}", done.stderr);
    let line = &done.stderr[0];
    assert!(line.starts_with("sclients: cannot start "), "{line}");
    assert!(line.contains("temporarily unavailable") && line.contains("ulimit -u"), "{line}");
}

#[test]
fn a_limit_on_processes_puts_a_successor_off_for_longer_each_time() {
    let (_folder, program) = for_everybody();
    let Some(user) = as_user(54_322, &program) else { return };
    let words = "--format json --progress 100ms --interval 100ms --procs 2 --conns 20 --think 10ms --duration 9s";
    let mut run = shell(&format!("exec {user} prlimit --nproc=1000 {program} {words}")).spawn();
    run.await_measurement();
    // Only the user whose process it is may limit it.
    let limit = |run: &Running, most: u32| {
        let line = format!("{user} prlimit --pid={} --nproc={most}:", run.pid());
        assert_eq!(shell(&line).run().code(), 0);
    };
    limit(&run, 1);
    send(run.child("sclients: worker 1"), Signal::SIGKILL);
    run.await_line("next try in 1 s");
    let line = run.await_line("next try in 2 s");
    assert!(line.contains("worker 1 cannot be started again: Resource temporarily"), "{line}");
    assert!(line.contains("ulimit -u"), "{line}");
    limit(&run, 1_000);
    let report = run.wait().expect(INVALID).json();
    report.assert_ledger();
    assert_eq!(generations(&report, 1).len(), 2);
    assert_eq!(report.count("connections.live"), 40);
}
