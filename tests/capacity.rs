//! `sclients capacity`: searches against targets whose limits are known. The figures are ignored tests, since
//! they take minutes and a host of their own; what is told and refused is looked at in short ones.

mod driver;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "counterparts/programs.rs"]
mod programs;

use driver::{BINARY, Done, Report, Server, limit_descriptors, shell};
use programs::{Foreign, Kind};
use std::fs;
use std::path::Path;
use std::time::Duration;

const USAGE: i32 = 2;
const NOT_BORNE: i32 = 4;
const UNSURE: i32 = 5;

/// A search takes as long as its trials.
const LONG: Duration = Duration::from_secs(300);

/// 1,000 requests/s in one process, and 503 for more.
const LIMITED: Kind = Kind::nginx(include_str!("capacity/nginx.conf"));

/// `capacity` with an objective, its files in `out`.
fn capacity(out: &Path, slo: &str, words: &str) -> Done {
    let line = format!(
        "exec {BINARY} capacity --format json --slo '{slo}' --out {} {words}",
        out.display()
    );
    shell(&line).spawn().wait_for(LONG)
}

fn answer(done: &Done) -> Report {
    let report = done.json();
    Report(report.0["answer"].clone())
}

/// Whether the host was too busy for a search, which says so: never a capacity.
fn was_busy(done: &Done) -> bool {
    done.code() == UNSURE && answer(done).text("state") == "generator-limited"
}

/// Every trial that says something of the target, and the confirmation of what was found.
fn assert_confirmed(report: &Report) {
    let found = report.number("answer.capacity");
    let confirms = |trial: &&serde_json::Value| {
        trial["purpose"] == "confirm" && trial["state"] == "good" && trial["load"] == found
    };
    assert!(report.list("trials").iter().any(|trial| confirms(&trial)), "{:#}", report.0);
}

#[test]
fn what_cannot_be_searched_is_refused_on_one_line() {
    let home = tempfile::tempdir().unwrap();
    for (slo, words, mistake) in [
        ("p98 < 50ms", "", "--slo `p98` is no figure of this run; the nearest one is p90"),
        ("p99 < 50", "", "--slo"),
        ("p99", "", "--slo"),
        ("p99 < 50ms", "--range 5..5", "does not go up; write the lower load first"),
        ("p99 < 50ms", "--range 500..5", "does not go up; write the lower load first"),
        (
            "p9999 < 50ms",
            "",
            "36887 requests in a trial, which take 368.9 s at 100/s; give --trial-sum 369s",
        ),
        ("p99 < 50ms", "--range 1..9", "368 requests in a trial, which take 368.0 s at 1/s"),
        ("p99 < 50ms", "--rate 1k", "--rate cannot be used with capacity"),
        ("p99 < 50ms", "--scale 1..4/4", "the law is fitted to 6 different numbers at least"),
    ] {
        let done = capacity(&home.path().join("no"), slo, words).expect(USAGE);
        assert_eq!(done.stderr.len(), 1, "{:?}", done.stderr);
        assert!(done.stderr[0].contains(mistake), "{slo} {words}: {:?}", done.stderr);
    }
    assert!(!home.path().join("no").exists());
}

#[test]
fn a_target_that_fails_at_the_lowest_load_is_told_and_so_are_all_trials() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("capacity");
    // It answers after 50 ms, whatever the load.
    let words = "--over conns --range 1..3 --trial 300ms --trial-sum 300ms --confirm 300ms \
        --target-delay 50ms";
    let done = capacity(&out, "p50 < 5ms", words);
    let report = done.json();
    if was_busy(&done) {
        return;
    }
    assert_eq!(done.code(), NOT_BORNE, "{:?}", done.stderr);
    assert_eq!(report.text("answer.state"), "fails");
    assert_eq!(report.number("answer.load"), 1.0);
    assert!(report.list("answer.why")[0].as_str().unwrap().contains("p50 < 5ms is broken"));
    assert!(!report.list("trials").is_empty());
    let saved = fs::read_to_string(out.join("capacity.json")).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&saved).unwrap(), report.0);
    assert!(fs::read_to_string(out.join("capacity.txt")).unwrap().contains("is not borne"));
    let picture = fs::read_to_string(out.join("capacity.svg")).unwrap();
    assert!(picture.starts_with("<svg ") && picture.contains("objective"), "{picture}");
}

#[test]
fn a_range_that_is_borne_is_confirmed_and_has_no_bound_above() {
    let home = tempfile::tempdir().unwrap();
    let words = "--over conns --range 1..3 --trial 300ms --trial-sum 300ms --confirm 500ms \
        --target-delay 20ms";
    let done = capacity(&home.path().join("capacity"), "p50 < 5s", words);
    let report = done.json();
    assert_eq!(done.code(), 0, "{:#}", report.0);
    assert_eq!(report.number("answer.capacity"), 3.0);
    assert!(report.at("answer.upper_bound").is_null());
    assert_confirmed(&report);
}

#[test]
fn what_no_trial_can_tell_is_told_so_and_is_no_failure_of_the_target() {
    let home = tempfile::tempdir().unwrap();
    let words = "--over conns --range 1..3 --trial 300ms --trial-sum 600ms --confirm 500ms \
        --target-delay 5ms";
    let done = capacity(&home.path().join("few"), "p9999 < 5s", words);
    let report = done.json();
    assert_eq!(done.code(), UNSURE, "{:#}", report.0);
    if was_busy(&done) {
        return;
    }
    assert_eq!(report.text("answer.state"), "cannot tell");
    let why = report.list("answer.why")[0].as_str().unwrap().to_owned();
    assert!(why.contains("p9999 < 5s cannot be told") && why.contains("36887"), "{why}");
    // Of a hold there is no request.
    let done = capacity(
        &home.path().join("hold"),
        "failed < 0.1%",
        "--over conns --load hold --range 1..3 --trial 300ms --trial-sum 300ms --confirm 300ms",
    );
    assert_eq!(done.code(), UNSURE, "{:#}", done.json().0);
    assert_eq!(answer(&done).text("state"), "cannot tell");
}

#[test]
fn a_trial_goes_on_until_its_quantile_can_be_told() {
    let home = tempfile::tempdir().unwrap();
    // One connection makes 200 requests per second, and a p99 takes 368.
    let words = "--over conns --range 1..2 --trial 300ms --trial-sum 4s --confirm 2s \
        --target-delay 5ms";
    let done = capacity(&home.path().join("capacity"), "p99 < 5s", words);
    let report = done.json();
    if was_busy(&done) {
        return;
    }
    assert_eq!(done.code(), 0, "{:#}", report.0);
    let longer = |trial: &&serde_json::Value| {
        trial["load"] == 1.0 && trial["purpose"] == "search" && trial["state"] == "good"
    };
    let longest =
        report.list("trials").iter().filter(longer).map(|trial| trial["seconds"].as_f64());
    assert!(longest.flatten().all(|seconds| seconds > 1.0), "{:#}", report.0);
}

#[test]
fn refused_answers_are_no_capacity_whatever_the_objective_names() {
    let nginx = Foreign::start(&LIMITED);
    let home = tempfile::tempdir().unwrap();
    let words = format!(
        "--range 3000..4000 --trial 500ms --trial-sum 500ms --confirm 500ms {}",
        nginx.url("/file.txt")
    );
    let done = capacity(&home.path().join("capacity"), "p99 < 5s", &words);
    let report = done.json();
    assert!(done.code() == NOT_BORNE || done.code() == UNSURE, "{:#}", report.0);
    assert!(report.list("trials").iter().all(|trial| trial["state"] != "good"), "{:#}", report.0);
}

#[test]
fn a_target_that_is_gone_ends_a_search_with_what_was_found() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start("--procs 1 --delay 5ms");
    let line = format!(
        "exec {BINARY} capacity --format json --slo 'p50 < 5s' --over conns --range 1..999 --trial 300ms --trial-sum 1s --out {} {}",
        home.path().join("capacity").display(),
        server.url()
    );
    let mut running = shell(&line).spawn();
    running.await_line("trial 2");
    server.kill();
    let done = running.wait_for(LONG);
    let report = done.json();
    assert_eq!(done.code(), UNSURE, "{:#}", report.0);
    assert_eq!(report.text("answer.state"), "cannot tell");
    assert!(!report.list("answer.why").is_empty() && !report.list("trials").is_empty());
}

#[test]
fn numbers_of_connections_are_fitted() {
    let home = tempfile::tempdir().unwrap();
    let words = format!(
        "capacity --format json --scale 1..36/8 --repeats 1 --trial 250ms --trial-sum 250ms \
         --target-service 2ms --think 20ms --target-procs 1 --for-load 5k --out {}",
        home.path().join("scale").display()
    );
    let done = driver::sclients(&words).spawn().wait_for(LONG);
    let report = done.json();
    let points = report.list("scaling.points");
    assert_eq!(points.len(), 8, "{:#}", report.0);
    if done.code() == UNSURE {
        // Too many were spoiled by a busy host; then there is no law.
        assert!(report.at("scaling.fit").is_null());
        return;
    }
    assert_eq!(done.code(), 0);
    // One at a time, 2 ms each: nothing does more than 500/s, and one alone does 45.
    let gamma = report.number("scaling.fit.gamma.value");
    assert!((30.0..70.0).contains(&gamma), "{:#}", report.0["scaling"]);
    assert!(report.number("scaling.targets_for_load.targets") >= 9.0, "{:#}", report.0["scaling"]);
    let picture = fs::read_to_string(home.path().join("scale/capacity.svg")).unwrap();
    assert!(picture.contains(">law<") && picture.contains(">connections<"), "{picture}");
}

/// The rate that this target is told to bear, five times over.
fn assert_within_two_percent(truth: f64, slo: &str, words: &str) {
    for turn in 0..5 {
        let home = tempfile::tempdir().unwrap();
        let done = capacity(&home.path().join("capacity"), slo, words);
        let report = done.json();
        assert_eq!(done.code(), 0, "turn {turn}: {:#}", report.0);
        let found = report.number("answer.capacity");
        eprintln!("turn {turn}: {found} of {truth}");
        assert!((found / truth - 1.0).abs() <= 0.02, "turn {turn}: {found}: {:#}", report.0);
        assert_confirmed(&report);
    }
}

#[test]
#[ignore = "minutes, on a host of its own"]
fn a_server_of_two_hundred_per_second_is_found_five_times() {
    let server = Server::start("--procs 1 --service 5ms");
    let words = format!("--confirm 10s {}", server.url());
    assert_within_two_percent(200.0, "p99 < 50ms, failed < 0.1%", &words);
}

#[test]
#[ignore = "minutes, on a host of its own"]
fn a_limit_of_a_thousand_per_second_is_found_five_times() {
    let nginx = Foreign::start(&LIMITED);
    let words = format!("--confirm 10s {}", nginx.url("/file.txt"));
    assert_within_two_percent(1_000.0, "failed < 0.1%", &words);
}

#[test]
#[ignore = "minutes, on a host of its own"]
fn a_limit_of_descriptors_is_found_exactly_five_times() {
    for turn in 0..5 {
        let server = Server::start("--procs 1 --delay 1ms");
        let target = server.child("sclients: target 0");
        let limit = 72 + turn * 7;
        // Those above the limit take nothing from it.
        let numbers = fs::read_dir(format!("/proc/{target}/fd")).unwrap();
        let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<u64>().ok();
        let taken = numbers.filter_map(|entry| number(entry.unwrap()));
        let most = limit - taken.filter(|number| *number < limit).count() as u64;
        limit_descriptors(target, limit);
        let home = tempfile::tempdir().unwrap();
        let words = format!("--over conns --confirm 2s {}", server.url());
        let done = capacity(&home.path().join("capacity"), "failed < 0.1%", &words);
        let report = done.json();
        assert_eq!(done.code(), 0, "{:#}", report.0);
        eprintln!("turn {turn}: {} of {most}", answer(&done).number("capacity"));
        assert_eq!(report.number("answer.capacity"), most as f64, "{:#}", report.0);
    }
}

#[test]
#[ignore = "minutes, on a host of its own"]
fn a_worker_that_is_starved_is_never_a_servers_capacity() {
    let server = Server::start("--procs 1");
    for turn in 0..10 {
        let home = tempfile::tempdir().unwrap();
        // All of one processor goes to somebody else.
        let line = format!(
            "taskset -c 0 sh -c 'while :; do :; done' & hog=$!; \
             {BINARY} capacity --format json --slo 'p99 < 5ms' --cpus 0 --range 1k..50k \
             --out {} {}; code=$?; kill $hog; exit $code",
            home.path().join("capacity").display(),
            server.url()
        );
        let done = shell(&line).spawn().wait_for(LONG);
        assert_eq!(done.code(), UNSURE, "turn {turn}");
        assert_eq!(answer(&done).text("state"), "generator-limited", "turn {turn}");
    }
}
