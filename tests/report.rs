//! A run that was kept tells the same afterwards, and one that was cut short tells what there was.

mod driver;

use driver::{
    BINARY, Done, INVALID, Sclients, Server, await_gone, await_unwritten, followed, sclients, send,
};
use nix::sys::signal::Signal;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A folder that is not there yet.
fn folder() -> (TempDir, PathBuf) {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("run");
    (parent, folder)
}

fn kept(words: &str, folder: &Path) -> Sclients {
    sclients("--format json").words(words).arg("--out").arg(folder)
}

fn report(folder: &Path, words: &str) -> Done {
    sclients("report --format json").words(words).arg(folder).run()
}

#[test]
fn a_finished_run_reports_byte_for_byte_what_it_said() {
    let closed = driver::closed_port();
    let hostile = Server::start("--hostile bad-version,mute-close");
    for words in [
        "--procs 3 --conns 40 --duration 2500ms --warmup 200ms".to_owned(),
        "--procs 2 --conns 20 --rate 3k --arrivals poisson --duration 2500ms".to_owned(),
        "--load hold --conns 200 --heartbeat 100ms --duration 1500ms".to_owned(),
        "--procs 2 --attempt-rate 1k --attempt-timeout 200ms --duration 1500ms".to_owned(),
        "--conns 5 --requests 100 -H Cookie:secret".to_owned(),
        format!("--conns 20 --duration 1500ms {}", hostile.url()),
        format!("--conns 5 http://127.0.0.1:{closed}/"),
    ] {
        let (_parent, folder) = folder();
        let live = kept(&words, &folder).run();
        let again = report(&folder, "");
        assert_eq!(live.stdout, again.stdout, "{words}");
        assert_eq!(live.code(), again.code(), "{words}");
        assert_eq!(fs::read_to_string(folder.join("summary.json")).unwrap(), live.stdout);
    }
}

#[test]
fn the_text_and_the_log_are_those_of_the_run() {
    let (_parent, folder) = folder();
    let [live, again] = ["live.hlog", "again.hlog"].map(|name| folder.with_file_name(name));
    let words = "--format text --rate 1k --duration 2s";
    let run = sclients(words).arg("--out").arg(&folder).arg("--hlog").arg(&live).run();
    let told = sclients("report").arg(&folder).arg("--hlog").arg(&again).run();
    assert_eq!((run.stdout.clone(), run.code()), (told.stdout.clone(), told.code()));
    assert_eq!(fs::read_to_string(live).unwrap(), fs::read_to_string(again).unwrap());
}

#[test]
fn what_is_kept_is_for_its_owner_alone_and_holds_no_secret() {
    let (_parent, folder) = folder();
    let words = "--conns 2 --requests 10 -H Authorization:Bearer-4711 -H X-Plain:plain";
    kept(words, &folder).run().expect(0);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for (name, expected) in [("", 0o700), ("journal", 0o700), ("lock", 0o600)] {
        assert_eq!(mode(&folder.join(name)), expected, "{name:?}");
    }
    // It may have been there before.
    let (_other, open) = self::folder();
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
    kept("--conns 2 --requests 10", &open).run().expect(0);
    assert_eq!(mode(&open), 0o700);
    let segment = folder.join("journal/00000001");
    assert_eq!((mode(&segment), mode(&folder.join("summary.json"))), (0o600, 0o600));
    let mut plans = Vec::new();
    let kept = sclients::journal::Folder::new(&folder);
    sclients::journal::read(&kept, false, |_, entry| {
        if let wire::Entry::Begun(begun) = entry {
            plans.push(String::from_utf8(begun.plan).unwrap());
        }
    })
    .unwrap();
    assert_eq!(plans.len(), 2, "once more, since nothing can be read without it");
    assert!(plans.iter().all(|plan| plan.contains("plain") && !plan.contains("4711")));
}

#[test]
fn a_folder_that_cannot_be_used_is_refused_before_anything_is_opened() {
    let (parent, folder) = folder();
    kept("--conns 2 --requests 10", &folder).run().expect(0);
    let refused = |path: &Path, words: &str, part: &str| {
        let done = kept(words, path).run().expect(2);
        assert!(
            done.stderr.concat().contains(part),
            "{part:?} is not in {:?}",
            done.stderr.concat()
        );
        assert!(done.stdout.is_empty());
    };
    let server = Server::start("");
    let words = format!("--conns 2 --requests 10 {}", server.url());
    refused(&folder, &words, "holds a run; name another folder");
    let unlocked = parent.path().join("unlocked");
    kept("--conns 2 --requests 10", &unlocked).run().expect(0);
    fs::remove_file(unlocked.join("lock")).unwrap();
    let done = report(&unlocked, "").expect(2);
    assert!(done.stderr[0].contains("unlocked/lock is missing"), "{:?}", done.stderr);
    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    refused(&file, &words, "name another folder");
    refused(Path::new("/proc/nowhere"), &words, "name another folder");
    let log = parent.path().join("log");
    let done = kept(&words, &folder).arg("--hlog").arg(&log).run().expect(2);
    assert!(!done.stderr.is_empty() && !log.exists());
    assert_eq!(server.stop().count("target.connections_seen"), 0);
    for (path, part) in [(parent.path(), "holds no run"), (&file, "holds no run")] {
        let done = report(path, "").expect(2);
        assert!(done.stderr.concat().contains(part), "{:?}", done.stderr.concat());
    }
}

#[test]
fn a_run_that_goes_on_is_reported_so_far_and_nobody_else_writes_there() {
    let (_parent, folder) = folder();
    let mut run = followed("--conns 20 --rate 500 --duration 4s").arg("--out").arg(&folder).spawn();
    run.await_measurement();
    let begun = Instant::now();
    while report(&folder, "").json().count("requests.completed") < 600 {
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
    let so_far = report(&folder, "").expect_or_late(0).json();
    so_far.assert_told("verdict.notes", "the run goes on: this is what was reported in its first");
    assert!(so_far.count("requests.planned") == 2_000 && so_far.number("throughput.seconds") > 0.5);
    assert_eq!(so_far.count("connections.live"), 20);
    so_far.assert_ledger();
    assert_measured_so_far(&so_far, 500.0);
    let other = kept("--conns 2 --requests 10", &folder).run().expect(2);
    let writer = format!("is being written by process {}", run.pid());
    assert!(other.stderr.concat().contains(&writer), "{}", other.stderr.concat());
    let done = run.wait();
    assert_eq!(done.stdout, report(&folder, "").stdout);
}

/// Nobody said yet for how long it measured and what it used: the one is as long as what was reported, the
/// other is not known.
#[track_caller]
fn assert_measured_so_far(told: &driver::Report, rate: f64) {
    let seconds = told.number("phases.2.seconds");
    assert_eq!(told.number("throughput.seconds"), seconds);
    let found = told.number("throughput.requests_per_s");
    assert!((found - rate).abs() < rate / 4.0, "{found}/s over {seconds} s");
    for key in ["cpu_us_per_request", "cpu_seconds"] {
        assert!(told.at("generator")[key].is_null(), "{:#}", told.at("generator"));
    }
}

/// What the target had seen when the run's supervisor was killed, and what the journal has.
#[test]
fn a_killed_supervisor_costs_a_second_at_most() {
    let server = Server::start("");
    for after in [1200, 1900, 2600] {
        let (_parent, folder) = folder();
        let words = format!("--procs 2 --conns 20 --rate 1k --duration 30s {}", server.url());
        let run = followed(&words).arg("--out").arg(&folder).spawn();
        let begun = Instant::now();
        let mut run = run;
        run.await_measurement();
        let loading = Instant::now();
        std::thread::sleep(Duration::from_millis(after));
        run.signal(Signal::SIGKILL);
        let killed = loading.elapsed().as_secs_f64();
        await_end(&run, &folder);
        let told = report(&folder, "").expect(INVALID).json();
        told.assert_invalid("the supervisor died: nothing is known of what came after");
        told.assert_ledger();
        assert_eq!(told.count("connections.lost"), 40);
        assert_measured_so_far(&told, 1000.0);
        let text = sclients("report").arg(&folder).run().expect(INVALID).stdout;
        assert!(!text.contains("of CPU per request"), "{text}");
        let sent = told.count("requests.sent") as f64;
        assert!(sent >= (killed - 1.3) * 1000.0, "{sent} of {killed} s, begun {begun:?}");
        assert!(sent <= (killed + 1.0) * 1000.0, "{sent} of {killed} s");
    }
}

#[test]
fn a_torn_tail_is_cut_kept_and_told_each_time_and_damage_is_refused() {
    let (_parent, folder) = folder();
    kept("--conns 20 --rate 500 --duration 3s", &folder).run();
    let segment = folder.join("journal/00000001");
    let bytes = fs::read(&segment).unwrap();
    fs::write(&segment, &bytes[..bytes.len() - 9]).unwrap();
    let told = report(&folder, "").expect(INVALID).json();
    told.assert_invalid("is torn");
    told.assert_invalid("the end of the run is not in its journal");
    told.assert_ledger();
    assert!(segment.with_extension("broken").exists());
    assert_eq!(report(&folder, "").expect(INVALID).json().0, told.0);
    let mut bent = bytes.clone();
    let middle = bytes.len() / 3;
    bent[middle] ^= 4;
    fs::write(&segment, &bent).unwrap();
    let refused = report(&folder, "").expect(2);
    assert!(refused.stderr.concat().contains("--salvage"), "{}", refused.stderr.concat());
    let salvaged = report(&folder, "--salvage").expect(INVALID).json();
    salvaged.assert_invalid("records are missing at byte");
    assert_eq!(fs::read(&segment).unwrap(), bent, "nothing is changed");
}

#[test]
fn what_stands_behind_the_end_of_a_finished_run_is_told_each_time_and_takes_nothing_from_it() {
    let (_parent, folder) = folder();
    let live = kept("--conns 5 --requests 100", &folder).run().expect(0).json();
    let segment = folder.join("journal/00000001");
    fs::OpenOptions::new().append(true).open(&segment).unwrap().write_all(&[7; 120]).unwrap();
    let told = report(&folder, "").expect(0).json();
    told.assert_reason("the tail of segment 00000001 is torn: 120 bytes from byte ");
    assert_eq!(told.text("verdict.state"), "suspect");
    assert_eq!(told.at("requests"), live.at("requests"));
    assert_eq!(report(&folder, "").expect(0).json().0, told.0);
}

#[test]
fn a_tail_that_was_torn_is_told_by_who_resumes() {
    let (_parent, folder) = folder();
    killed("--conns 10 --rate 500 --duration 3s", &folder, Duration::from_millis(1500));
    let segment = folder.join("journal/00000001");
    fs::OpenOptions::new().append(true).open(&segment).unwrap().write_all(&[7; 44]).unwrap();
    let done = resume(&folder).run().expect(INVALID);
    let torn = "the tail of segment 00000001 is torn: 44 bytes from byte ";
    assert!(done.stderr[0].contains(torn), "{:?}", done.stderr);
    done.json().assert_reason(torn);
    assert_eq!(report(&folder, "").stdout, done.stdout);
}

/// A file size limit stands for a full disk: the write is short, then fails.
#[test]
fn a_full_disk_stops_no_load_and_is_told() {
    let (_parent, folder) = folder();
    let line = format!(
        "ulimit -f 8; exec {BINARY} --format json --conns 20 --rate 500 --duration 4s --interval 100ms --out {}",
        folder.display()
    );
    let done = driver::shell(&line).run();
    let told = done.json();
    assert_eq!(done.code(), INVALID, "{}", done.stderr.concat());
    assert!(
        done.stderr.concat().contains("the journal cannot be written"),
        "{}",
        done.stderr.concat()
    );
    assert!(done.stderr.concat().contains("not complete"), "{}", done.stderr.concat());
    assert_eq!(told.count("requests.sent"), 2000);
    told.assert_reason("the journal's disk took nothing at the end");
    let kept = report(&folder, "").expect(INVALID).json();
    assert!(kept.count("requests.sent") < 2000);
    kept.assert_invalid("the end of the run is not in its journal: nothing is known");
    kept.assert_ledger();
    let left: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_str().unwrap().ends_with(".next")), "{left:?}");
}

#[test]
fn a_second_signal_waits_for_no_disk_that_is_full() {
    let (_parent, folder) = folder();
    let words =
        "--format json --progress 100ms --interval 100ms --conns 20 --rate 500 --duration 1h";
    let line = format!("ulimit -f 8; exec {BINARY} {words} --out {}", folder.display());
    let mut run = driver::shell(&line).spawn();
    run.await_line("the journal cannot be written");
    run.signal(Signal::SIGINT);
    run.signal(Signal::SIGTERM);
    let done = run.wait_for(Duration::from_secs(10)).expect(130);
    assert!(done.waited < Duration::from_millis(1_500), "{:?}", done.waited);
    assert!(done.stderr.concat().contains("its disk was not waited for"), "{:?}", done.stderr);
    done.json().assert_reason("the journal's disk took nothing at the end");
}

/// The disk is full for a while: nothing is lost, and the report is the same.
#[test]
fn a_disk_that_is_full_for_a_while_loses_nothing() {
    driver::namespace::in_namespace("a_disk_that_is_full_for_a_while_loses_nothing", || {
        let parent = TempDir::new().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=128k", "none"])
            .arg(parent.path())
            .status();
        assert!(mounted.unwrap().success());
        let (filler, folder) = (parent.path().join("filler"), parent.path().join("run"));
        let words = "--conns 20 --rate 500 --duration 6s --interval 200ms";
        let mut run = followed(words).arg("--out").arg(&folder).spawn();
        run.await_measurement();
        let mut full = fs::File::create(&filler).unwrap();
        while full.write(&[7; 4096]).is_ok() {}
        run.await_line("the journal cannot be written");
        fs::remove_file(&filler).unwrap();
        drop(full);
        run.await_line("the journal is written again");
        let done = run.wait();
        assert_eq!(done.json().count("requests.sent"), 3000);
        let kept = report(&folder, "");
        assert_eq!((kept.stdout.clone(), kept.code()), (done.stdout.clone(), done.code()));
    });
}

#[test]
fn kept_runs_leave_no_other_files() {
    let (parent, folder) = folder();
    kept("--conns 2 --requests 10", &folder).run().expect(0);
    let names = |path: &Path| {
        let listed = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = listed.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names(parent.path()), ["run"]);
    assert_eq!(names(&folder), ["journal", "lock", "summary.json"]);
    assert_eq!(names(&folder.join("journal")), ["00000001"]);
}

/// Waits until all of a killed run is gone.
fn await_end(run: &driver::Running, folder: &Path) {
    await_gone(run.tag(), Duration::from_secs(1));
    await_unwritten(folder);
}

/// Starts a run, kills its supervisor `after` the begin of load, and waits for all of it to be gone.
fn killed(words: &str, folder: &Path, after: Duration) {
    let mut run = followed(words).arg("--out").arg(folder).spawn();
    run.await_measurement();
    std::thread::sleep(after);
    run.signal(Signal::SIGKILL);
    await_end(&run, folder);
}

fn resume(folder: &Path) -> Sclients {
    sclients("--format json --resume").arg(folder)
}

#[test]
fn a_resumed_run_goes_on_for_the_time_that_was_left_and_says_what_was_between() {
    for (words, planned) in [
        ("--procs 2 --conns 10 --rate 500 --duration 5s", Some(2500)),
        ("--procs 2 --conns 10 --think 20ms --duration 5s", None),
        ("--procs 2 --conns 50 --load hold --duration 5s", None),
        ("--procs 2 --attempt-rate 500 --attempt-timeout 200ms --duration 5s", None),
    ] {
        let (_parent, folder) = folder();
        killed(words, &folder, Duration::from_millis(2500));
        let done = resume(&folder).run();
        let told = done.expect(INVALID).json();
        told.assert_ledger();
        told.assert_invalid("the supervisor died");
        assert_eq!(told.number("phases.2.seconds"), 5.0, "{words}");
        assert_eq!(told.list("resumed").len(), 1);
        assert!(told.number("resumed.0.after_seconds") <= 4.0);
        if let Some(planned) = planned {
            assert_eq!(told.count("requests.due"), planned);
            let lost = told.count("requests.not_sent.worker_lost");
            assert!(lost > 0 && lost < 1500, "{lost}");
        }
        let again = report(&folder, "");
        assert_eq!((again.code(), again.json().text("verdict.state")), (INVALID, "invalid"));
        assert_eq!(again.stdout, fs::read_to_string(folder.join("summary.json")).unwrap());
    }
}

#[test]
fn a_run_that_died_in_its_drain_measured_all_of_its_time_when_resumed() {
    let (_parent, folder) = folder();
    let words = "--conns 20 --rate 200 --duration 1s --target-delay 30s --drain 30s --timeout 30s";
    let mut run = followed(words).arg("--out").arg(&folder).spawn();
    run.await_line("drain");
    let measured = || report(&folder, "").json().number("phases.2.seconds") == 1.0;
    assert!(driver::wait_until(Duration::from_secs(10), measured), "not told");
    run.signal(Signal::SIGKILL);
    await_end(&run, &folder);
    let told = resume(&folder).run().expect(INVALID).json();
    told.assert_ledger();
    assert_eq!(told.number("phases.2.seconds"), 1.0);
    assert_eq!(told.number("throughput.seconds"), 1.0);
}

#[test]
fn a_run_whose_supervisor_died_before_its_first_entry_is_begun_again() {
    let (_parent, folder) = folder();
    killed("--procs 2 --conns 10 --rate 500 --duration 2s", &folder, Duration::ZERO);
    assert_eq!(report(&folder, "").expect(INVALID).json().count("requests.due"), 0);
    // Its workers have no process number: a signal to nought would be one to the whole group.
    let told = resume(&folder).in_own_group().run().expect(INVALID).json();
    told.assert_ledger();
    assert_eq!((told.count("requests.due"), told.count("connections.live")), (1_000, 20));
    assert_eq!((told.number("phases.2.seconds"), told.list("resumed").len()), (2.0, 1));
}

#[test]
fn who_was_dead_and_not_yet_followed_is_followed_by_the_next_supervisor() {
    for (policy, generations, live) in
        [("replace", [0, 1, 0, 1], 20), ("continue", [0, 1, 0, 0], 10)]
    {
        let (_parent, folder) = folder();
        let words = "--procs 2 --conns 10 --rate 400 --duration 6s --on-worker-death";
        let mut run = followed(words).arg(policy).arg("--out").arg(&folder).spawn();
        run.await_measurement();
        // No more descriptors than it has: whoever dies cannot be followed yet.
        let held = fs::read_dir(format!("/proc/{}/fd", run.pid())).unwrap().count();
        let words = [format!("--pid={}", run.pid()), format!("--nofile={}:", held.div_ceil(2))];
        assert!(Command::new("prlimit").args(words).status().unwrap().success());
        send(run.child("sclients: worker 1"), Signal::SIGKILL);
        std::thread::sleep(Duration::from_millis(2500));
        run.signal(Signal::SIGKILL);
        await_end(&run, &folder);
        let told = resume(&folder).run().expect(INVALID).json();
        told.assert_ledger();
        assert_eq!((told.count("requests.due"), told.count("connections.live")), (2_400, live));
        let number = |key| move |worker: &serde_json::Value| worker[key].as_u64().unwrap();
        let mut workers: Vec<_> = told.list("workers").iter().collect();
        workers.sort_by_key(|worker| (number("slot")(worker), number("generation")(worker)));
        let found: Vec<u64> = workers.into_iter().map(number("generation")).collect();
        assert_eq!(found, generations[..found.len()], "{policy}");
    }
}

#[test]
fn a_run_can_die_and_be_resumed_more_than_once_and_losses_can_be_accepted() {
    let (_parent, folder) = folder();
    let words = "--procs 2 --conns 10 --rate 400 --duration 6s --allow-lost 5s";
    killed(words, &folder, Duration::from_millis(1500));
    let again = resume(&folder).spawn();
    std::thread::sleep(Duration::from_millis(2500));
    again.signal(Signal::SIGKILL);
    await_end(&again, &folder);
    let told = resume(&folder).run().json();
    told.assert_ledger();
    assert_eq!(told.list("resumed").len(), 2);
    assert_eq!((told.count("requests.due"), told.number("phases.2.seconds")), (2400, 6.0));
    let accepted = told
        .list("verdict.reasons")
        .iter()
        .any(|reason| reason.as_str().unwrap().starts_with("the supervisor died"));
    assert!(accepted && told.text("verdict.state") != "valid");
    let generations = told.list("workers").iter().map(|worker| worker["generation"].as_u64());
    assert_eq!(generations.max(), Some(Some(2)));
}

#[test]
fn a_supervisor_that_died_at_once_does_not_shorten_what_was_between() {
    let (_parent, folder) = folder();
    killed("--procs 2 --conns 10 --rate 400 --duration 3s", &folder, Duration::from_millis(1500));
    let dead = Instant::now();
    std::thread::sleep(Duration::from_millis(1000));
    let again = resume(&folder).spawn();
    std::thread::sleep(Duration::from_millis(300));
    again.signal(Signal::SIGKILL);
    await_end(&again, &folder);
    let least = dead.elapsed().as_millis() as u64;
    let told = resume(&folder).run().expect(INVALID).json();
    told.assert_ledger();
    let gaps: Vec<_> = told.list("resumed").iter().map(|one| one["gap_ms"].as_u64()).collect();
    assert!(gaps.len() == 1 && gaps[0] >= Some(least), "{gaps:?} since {least} ms");
    // When in that time the load ended nobody knows.
    let lost = told.list("workers").iter().filter(|worker| worker["generation"] == 0);
    let unknown: Vec<_> = lost.map(|worker| worker["loss"]["unknown_ms"].as_u64()).collect();
    assert!(unknown.iter().all(|unknown| *unknown >= gaps[0]), "{unknown:?} of {gaps:?} ms");
    assert_eq!(told.count("requests.due"), 1_200);
}

#[test]
fn sessions_are_resumed_with_the_scenario_that_they_were_of() {
    let (parent, folder) = folder();
    let scenario = |name: &str, path: &str| {
        let file = parent.path().join(name);
        let session = format!(
            "conns = 5\nprocs = 2\n[[session]]\nname = 'browse'\n[[session.step]]\n\
             request = 'GET /{path}?n={{{{counter}}}}'\nexpect = {{ bytes = '1..9k' }}\n\
             [[session.step]]\nthink = '10ms'\n[[session.step]]\nrequest = 'GET /'\n\
             [[phase]]\nname = 'first'\nduration = '2s'\n\
             [[phase]]\nname = 'second'\nafter = 'first'\nduration = '2s'\n\
             [[phase]]\nname = 'idle'\nload = 'hold'\nduration = '3s'\n"
        );
        fs::write(&file, session).unwrap();
        file
    };
    let file = scenario("scenario.toml", "items");
    let words = "--format json --progress 100ms --interval 100ms --out";
    let mut run = sclients("run").arg(&file).words(words).arg(&folder).spawn();
    run.await_measurement();
    std::thread::sleep(Duration::from_millis(1300));
    run.signal(Signal::SIGKILL);
    await_end(&run, &folder);
    for (command, part) in [
        (sclients("--resume"), "sclients run FILE --resume DIR"),
        (sclients("run").arg(scenario("other.toml", "things")).arg("--resume"), "are not those"),
    ] {
        let done = command.arg(&folder).run().expect(2);
        assert!(done.stderr.concat().contains(part), "{:?}", done.stderr);
    }
    let done = sclients("run").arg(&file).arg("--resume").arg(&folder).words("--format json").run();
    let told = done.expect(INVALID).json();
    told.assert_ledger();
    assert_eq!(told.list("resumed").len(), 1);
    for phase in told.list("scenario.phases") {
        let plays = phase["name"] != "idle";
        assert_eq!(phase["requests"]["completed"].as_u64() > Some(50), plays, "{phase}");
    }
    let session = &told.list("sessions")[0];
    let of_session = |key: &str| session[key].as_u64().unwrap();
    assert!(of_session("completed") > 100 && of_session("begun") >= of_session("completed"));
    let steps = session["steps"].as_array().unwrap();
    let completed: u64 = steps.iter().map(|step| step["completed"].as_u64().unwrap()).sum();
    assert_eq!(completed, told.count("requests.completed"));
}

#[test]
fn what_cannot_be_resumed_is_refused() {
    let (parent, ended) = folder();
    kept("--conns 2 --requests 10", &ended).run().expect(0);
    let refused = |done: Done, part: &str| {
        let done = done.expect(2);
        assert!(done.stderr.concat().contains(part), "{part:?} is not in {:?}", done.stderr);
    };
    refused(resume(&ended).run(), "came to its end");
    refused(resume(parent.path()).run(), "holds no run");
    let dead = parent.path().join("dead");
    let words = "--conns 2 --rate 100 --duration 3s -H Authorization:Bearer-4711";
    killed(words, &dead, Duration::from_millis(1300));
    refused(resume(&dead).words("--procs 2").run(), "leave --procs out");
    refused(resume(&dead).words("http://127.0.0.1/").run(), "leave TARGET out");
    refused(resume(&dead).run(), "the value of header Authorization was not kept");
    let line = format!("ulimit -f 0; exec {BINARY} -H Authorization:Bearer-4711 --resume");
    let full = driver::shell(&format!("{line} {}", dead.display())).run();
    assert!(!full.stderr.concat().contains("another folder"), "{:?}", full.stderr);
    refused(full, &format!("--resume {}: File too large", dead.display()));
    report(&dead, "").expect(INVALID).json().assert_invalid("the supervisor died");
    let done = resume(&dead).words("-H Authorization:Bearer-4711").run();
    assert_eq!((done.code(), done.json().count("requests.due")), (INVALID, 300));
}
