//! Phases of a scenario: who begins when, and that each number is what the target saw.

mod driver;

use driver::{Done, INVALID, Report, sclients, send};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A scenario of these lines, and the words that run it.
fn scenario(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.toml");
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn run(text: &str, more: &str) -> Done {
    let (_folder, path) = scenario(text);
    sclients("run").arg(&path).words(&format!("--format json {more}")).run()
}

fn phase<'a>(report: &'a Report, name: &str) -> &'a Value {
    let phases = report.list("scenario.phases");
    phases.iter().find(|phase| phase["name"] == name).expect(name)
}

fn seconds(phase: &Value, key: &str) -> f64 {
    phase[key].as_f64().unwrap_or_else(|| panic!("{key} of {phase}"))
}

const CHAIN: &str = r#"
[[phase]]
name = "idle"
load = "hold"
conns = 50
duration = "3s"
[[phase]]
name = "calm"
rate = 200
conns = 10
duration = "1s"
[[phase]]
name = "late"
with = "calm"
start = "500ms"
rate = 100
conns = 5
duration = "1s"
[[phase]]
name = "busy"
after = "calm"
start = "200ms"
procs = 2
think = "5ms"
conns = 10
duration = "1s"
"#;

#[test]
fn phases_begin_when_they_say_and_add_up_to_the_run() {
    let report = run(CHAIN, "").expect_or_late(0).json();
    report.assert_ledger();
    report.assert_equals_target();
    let sum = |path: &str| -> u64 {
        let phases = report.list("scenario.phases").iter();
        phases.map(|phase| phase.pointer(path).unwrap().as_u64().unwrap()).sum()
    };
    for key in ["due", "sent", "completed"] {
        assert_eq!(report.count(&format!("requests.{key}")), sum(&format!("/requests/{key}")));
    }
    let (calm, late, busy) =
        (phase(&report, "calm"), phase(&report, "late"), phase(&report, "busy"));
    assert_eq!(
        (calm["requests"]["due"].as_u64(), late["requests"]["due"].as_u64()),
        (Some(200), Some(100))
    );
    assert_eq!(busy["plan"]["procs"], 2);
    assert!(busy["requests"]["completed"].as_u64().unwrap() > 500);
    let from = seconds(calm, "load_after_seconds");
    for (phase, after) in [(late, 0.5), (busy, 1.2)] {
        let off = seconds(phase, "begun_after_seconds") - from - after;
        assert!((0.0..0.5).contains(&off), "{off} s late: {phase}");
    }
    assert_eq!(report.count("connections.planned"), 85);
    assert_eq!(phase(&report, "idle")["connections"]["live"], 50);
}

#[test]
fn a_limit_of_a_phase_is_judged_by_that_phase() {
    let text = format!("{CHAIN}limits = [\"requests.due > 0\", \"requests.failed.reset > 5\"]\n");
    let report = run(&text, "").expect_or_late(4).json();
    let limits = report.list("limits");
    assert_eq!(limits[0]["limit"], "busy: requests.due > 0");
    assert_eq!((&limits[0]["state"], &limits[1]["state"]), (&"held".into(), &"broken".into()));
    let stops = text.replace("\"requests.due > 0\"", "{ check = 'p50 < 1us', abort = true }");
    let stops = stops
        .replace("\"requests.failed.reset > 5\"", "'p50 > 0'")
        .replace("duration = \"1s\"\nlimits", "duration = \"60s\"\nlimits");
    let report = run(&stops, "").expect_or_late(4).json();
    assert_eq!(report.text("stopped"), "limit");
    report.assert_told("verdict.notes", "limit busy: p50 < 1us");
    assert!(seconds(phase(&report, "busy"), "seconds") < 10.0);
}

/// Two phases that each play a session of their own, of which one answers what nobody expects.
const SESSIONS: &str = r#"
conns = 2
requests = 20
[[session]]
name = "ok"
[[session.step]]
request = "GET /ok"
[[session]]
name = "bad"
[[session.step]]
name = "A"
request = "GET /bad"
expect = { status = "404" }
[[phase]]
name = "good"
sessions = ["ok"]
limits = ["sessions.ok.completed >= 10", "sessions.ok.steps.0.unexpected_status == 0"]
[[phase]]
name = "worse"
sessions = ["bad"]
limits = ["sessions.bad.steps.A.unexpected_status == 0"]
[[limit]]
check = "sessions.bad.steps.A.unexpected_status == 20"
[[limit]]
check = "scenario.phases.good.sessions.ok.steps.0.requests == 20"
"#;

#[test]
fn a_phase_tells_of_its_own_sessions_and_limits_are_judged_by_them() {
    let (folder, path) = scenario(SESSIONS);
    let kept = folder.path().join("kept");
    let words = "--format json --limit requests.completed==40 --out";
    let done = sclients("run").arg(&path).words(words).arg(&kept).run().expect(4);
    let report = done.json();
    let told = |limit: &Value| {
        let of = |key: &str| limit[key].as_str().unwrap().to_owned();
        (of("limit"), of("state"))
    };
    let told: Vec<_> = report.list("limits").iter().map(told).collect();
    let told: Vec<_> = told.iter().map(|(limit, state)| (limit.as_str(), state.as_str())).collect();
    let expected = [
        ("sessions.bad.steps.A.unexpected_status == 20", "held"),
        ("scenario.phases.good.sessions.ok.steps.0.requests == 20", "held"),
        ("requests.completed == 40", "held"),
        ("good: sessions.ok.completed >= 10", "held"),
        ("good: sessions.ok.steps.0.unexpected_status == 0", "held"),
        ("worse: sessions.bad.steps.A.unexpected_status == 0", "broken"),
    ];
    assert_eq!(told, expected);
    let sessions = &phase(&report, "worse")["sessions"];
    assert_eq!(sessions.as_array().unwrap().len(), 1, "{sessions}");
    assert_eq!(sessions[0]["steps"][0]["completed"], 20);
    let again = sclients("report --format json").arg(&kept).run().expect(4);
    assert_eq!(again.stdout, done.stdout);
}

#[test]
fn a_worker_of_a_phase_is_followed_before_and_under_its_load() {
    let (_folder, path) = scenario(CHAIN);
    let words = "--format json --progress 100ms --interval 100ms";
    let mut run = sclients("run").arg(&path).words(words).spawn();
    run.await_measurement();
    // Slots: idle 0, calm 1, late 2, busy 3 and 4.
    send(run.child("sclients: worker 4"), Signal::SIGKILL);
    send(run.child("sclients: worker 1"), Signal::SIGKILL);
    let report = run.wait().expect(INVALID).json();
    report.assert_ledger();
    let calm = phase(&report, "calm");
    assert_eq!(calm["requests"]["due"], 200, "every tick is accounted for");
    let reasons = calm["verdict"]["reasons"].to_string();
    assert!(calm["verdict"]["state"] == "invalid" && reasons.contains("worker 1 "), "{reasons}");
    assert_eq!(phase(&report, "late")["requests"]["not_sent"], serde_json::json!({}));
    let busy = phase(&report, "busy");
    assert!(busy["connections"]["live"].as_u64().unwrap() >= 10, "{busy}");
}

#[test]
fn a_run_of_phases_that_was_kept_is_told_again() {
    let (folder, path) = scenario(CHAIN);
    let kept = folder.path().join("kept");
    let report = |format: &str| {
        let done = sclients("report").arg(&kept).words(format).run();
        (done.code(), done.stdout)
    };
    let said = sclients("run").arg(&path).words("--format json --out").arg(&kept).run();
    assert_eq!(report("--format json"), (said.code(), said.stdout.clone()));
    assert!(report("--color never").1.contains("busy"));
}

#[test]
fn a_phase_may_wait_for_one_that_is_written_behind_it() {
    let phase = |name: &str, more: &str| {
        format!("[[phase]]\nname = '{name}'\nconns = 2\nduration = '300ms'\n{more}\n")
    };
    let text = phase("last", "after = 'middle'")
        + &phase("middle", "after = 'first'")
        + &phase("first", "");
    let (_folder, path) = scenario(&text);
    let report = sclients("run").arg(&path).words("--format json").run().expect_or_late(0).json();
    report.assert_ledger();
    let phases = report.at("scenario.phases").as_array().unwrap();
    let told: Vec<_> = phases.iter().map(|phase| [&phase["name"], &phase["begins"]]).collect();
    let wanted = [["first", "with the run"], ["middle", "after first"], ["last", "after middle"]];
    assert_eq!(told, wanted);
    assert!(phases.iter().all(|phase| phase["requests"]["completed"].as_u64() > Some(0)));
}

#[test]
fn what_phases_cannot_mean_is_shown_where_it_stands() {
    let one = "[[phase]]\nname = 'a'\nduration = '1s'\n";
    for (text, place, part) in [
        (format!("{one}after = 'b'"), ":4:9", "`b` is not there"),
        (format!("{one}after = 'a'"), ":4:9", "phase `a` waits for itself: `a` after `a`"),
        (
            format!("{one}after = 'b'\n[[phase]]\nname = 'b'\nwith = 'a'"),
            ":4:9",
            "phase `a` waits for itself: `a` after `b` with `a`",
        ),
        (format!("{one}reconnect = '50%'"), ":4:13", "write SHARE@AT as in 50%@10s"),
        (format!("{one}reconnect = '50%@1s'"), ":4:13", "comes when load has ended, after 1s"),
        (
            format!("{one}reconnect = '{}'", ["1%@10ms"; 1_001].join(",")),
            ":4:13",
            "names 1001 storms; name at most 1000",
        ),
        (format!("{one}seed = 3"), ":4:1", "seed holds for the whole run"),
        (format!("{one}target-delay = '1s'"), ":4:1", "target-delay holds for the whole run"),
        (format!("{one}limit = 'p99 < 5ms'"), ":4:1", "a phase has limits = ["),
        (format!("curve = '1..5/2'\n{one}"), ":1:1", "phases cannot be used with curve"),
        (
            format!(
                "[[session]]\nname = 'x'\n[[session.step]]\nrequest = 'GET /'\n[[session]]\nname = 'y'\n\
                 [[session.step]]\nrequest = 'GET /'\n{one}sessions = ['x']"
            ),
            ":6:8",
            "session `y` is played by no phase; name it in the sessions of one, or leave it out",
        ),
        (format!("{one}rate = 0"), ":4:8", "would send nothing"),
        (format!("{one}{one}"), ":5:8", "there is a phase `a` already"),
        ("[[phase]]\nname = 'drain'".to_owned(), ":2:8", "part of every run"),
        (format!("{one}limits = ['p98 < 1s']"), ":4:11", "`p98` is no figure of this run"),
        (format!("{one}limits = ['p99 < 5']"), ":4:11", "is a time; write 250ms or 2s"),
        (
            format!("{one}limits = ['failed < 1%', 'drift.throughput.p < 1']"),
            ":4:26",
            "`drift.throughput.p` is told of the run as a whole and not of a phase",
        ),
        (format!("{one}[[limit]]\ncheck = 'p97 < 1s'"), ":5:9", "`p97` is no figure"),
        (format!("{one}[[limit]]\ncheck = 'p99 < 1s; stop'"), ":5:9", "nothing that a limit does"),
        (format!("load = 'hold'\n{one}rate = 5"), ":5:8", "--rate works only with"),
        (format!("{one}load = 'hold'\nthink = '1s'"), ":5:9", "--think works only with"),
    ] {
        let (_folder, path) = scenario(&text);
        for words in ["run", "check"] {
            let done = sclients(words).arg(&path).run().expect(2);
            let said = done.stderr.join("\n");
            assert!(said.contains(place) && said.contains(part), "{words} {text}: {said}");
        }
    }
}

#[test]
fn a_scenario_has_no_other_file_beside_it() {
    let (_folder, path) = scenario(CHAIN);
    for words in ["run", "check"] {
        let done = sclients(words).arg(&path).words("--config none.toml").run().expect(2);
        assert!(done.stderr[0].contains("--config cannot be used with a scenario"), "{words}");
    }
}

#[test]
fn what_was_typed_is_shown_at_the_phase_that_it_does_not_go_with() {
    let (_folder, path) = scenario(CHAIN);
    let done = sclients("run").arg(&path).words("--rate 200").run().expect(2);
    let said = done.stderr.join("\n");
    assert!(
        said.contains("s.toml:4:8: phase `idle`: --rate works only with --load open"),
        "{said}"
    );
    assert!(!said.contains("--config"), "{said}");
}

#[test]
fn every_scenario_in_configs_with_phases_or_limits_runs() {
    let all = [
        ("ramp-to-failure.toml", "--rate 100"),
        ("reconnect-storm.toml", "--conns 10 --reconnect 50%@200ms"),
        ("soak.toml", "--conns 10"),
        ("spike.toml", "--conns 10"),
    ];
    let judged = |path: &Path| {
        let text = fs::read_to_string(path).unwrap();
        ["[[phase]]", "[[limit]]"].iter().any(|table| text.contains(table))
    };
    let files = fs::read_dir(driver::root().join("configs")).unwrap();
    let files = files.map(|file| file.unwrap().path()).filter(|path| judged(path));
    let mut names: Vec<_> = files.map(|path| path.file_name().unwrap().to_owned()).collect();
    names.sort();
    assert_eq!(names, all.map(|(name, _)| name), "each of them is run here");
    for (name, words) in all {
        let path = driver::root().join("configs").join(name);
        let words = format!("{words} --duration 500ms --format json");
        let done = sclients("run").arg(&path).words(&words).run();
        let report = done.json();
        report.assert_ledger();
        report.assert_equals_target();
        // Short runs break limits on how many connections there are, and have too few answers for a p99.
        let limits = report.at("limits").as_array().unwrap();
        assert!(!limits.is_empty(), "{name}");
        let held = limits.iter().all(|limit| limit["held"] == true);
        done.expect_or_late(if held { 0 } else { 4 });
    }
}

#[test]
fn a_storm_closes_its_share_and_tells_how_long_it_took_to_recover() {
    let (folder, path) = scenario(
        "[[phase]]\nname = 'calm'\nload = 'hold'\nprocs = 2\nconns = 50\nduration = '4s'\n\
         reconnect = '20%@500ms, 100%@2s'\n\
         [[phase]]\nname = 'busy'\nconns = 30\nthink = '5ms'\nduration = '4s'\nreconnect = '50%@1s/1500ms'\n",
    );
    let kept = folder.path().join("kept");
    let done =
        sclients("run").arg(&path).words("--format json --out").arg(&kept).run().expect_or_late(0);
    let report = done.json();
    report.assert_ledger();
    let of = |name: &str, key: &str| phase(&report, name)["storms"][key].clone();
    for (name, struck, closed) in [("calm", 4, 120), ("busy", 2, 30)] {
        assert_eq!(
            (of(name, "struck"), of(name, "closed")),
            (struck.into(), closed.into()),
            "{name}"
        );
        assert_eq!(of(name, "recovered"), of(name, "struck"), "{name}");
        let connections = &phase(&report, name)["connections"];
        assert_eq!(connections["reopened"], closed, "{name}");
        assert_eq!(connections["live"], connections["planned"], "{name}");
        // A pause of its own for each, of up to 100 ms.
        let most = of(name, "recovery_us")["max"].as_f64().unwrap();
        assert!((1_000.0..1_000_000.0).contains(&most), "{name}: {most}");
    }
    assert_eq!(of("busy", "asked"), serde_json::json!(["50%@1s/1s 500ms"]));
    let cut = report.count("storms.requests_cut");
    assert_eq!(cut, report.0["requests"]["failed"]["storm"].as_u64().unwrap_or(0));
    assert_eq!(report.count("target.connections_seen"), 130 + 150);
    let again = sclients("report").arg(&kept).words("--format json").run();
    assert_eq!((again.code(), again.stdout), (0, done.stdout));
    let text = sclients("report").arg(&kept).words("--color never").run().stdout;
    assert!(text.contains("6 in all workers together · 150 connections closed"), "{text}");
}

#[test]
fn who_asks_when_a_storm_comes_is_cut_and_asks_again() {
    // Each answer takes longer than there is between its request and the storm.
    let words = "--conns 40 --target-delay 400ms --duration 2s --reconnect 50%@1s --format json";
    let report = sclients(words)
        .arg("--limit")
        .arg("storms.recovery_us.max < 1s")
        .run()
        .expect_or_late(0)
        .json();
    report.assert_ledger();
    assert_eq!(report.count("requests.failed.storm"), 20);
    assert_eq!(report.count("storms.requests_cut"), 20);
    assert_eq!(report.count("connections.closed.by_us"), 20);
}

#[test]
fn a_storm_that_comes_too_late_is_not_waited_for() {
    // Due a microsecond before load ends: the worker wakes when it has ended, and 2 s of drain are left.
    let words = "--conns 20 --procs 1 --target-delay 3s --duration 1s --drain 4s \
                 --reconnect 50%@999999us --format json";
    let report = sclients(words).run().expect_or_late(0).json();
    report.assert_ledger();
    assert!(report.count("storms.struck") <= 1);
    let cpu = report.number("workers.0.cpu_seconds");
    assert!(cpu < 0.5, "it did not wait: {cpu} s of processor time");
}
