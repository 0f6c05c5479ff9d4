//! `--curve`: a series of overloads, each a run of its own, printed and saved.

mod driver;

use driver::{Report, sclients, wait_until};
use nix::sys::signal::Signal;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const INTERNAL: i32 = 1;
const USAGE: i32 = 2;
const PREFLIGHT: i32 = 3;

/// A target that answers 500 requests per second, and no more.
const SERIES: &str = "--step 1s --attempt-timeout 200ms --timeout 500ms --drain 0s \
    --target-service 2ms --target-procs 1 --format json --curve";

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn a_series_goes_on_past_what_the_target_can_do() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("curve");
    let words = format!("{SERIES} 200..1000/3 --out");
    let done = sclients(&words).arg(&out).run();
    let report = done.expect_or_late(0).json();
    let points = report.list("points");
    let of = |point: usize, key: &str| points[point][key].as_f64().unwrap();
    for (point, planned) in [200.0, 600.0, 1000.0].into_iter().enumerate() {
        assert_eq!(of(point, "planned_per_s"), planned);
        // None is left out: a schedule that was not kept is invalid, and then fewer may have begun.
        let offered = of(point, "offered_per_s");
        let all = points[point]["verdict"] != "invalid";
        let slack = if all { 1e-9 } else { planned * 0.02 };
        assert!((offered - planned).abs() <= slack, "{:#}", report.0);
    }
    assert!((of(0, "goodput_per_s") - 200.0).abs() < 20.0, "{:#}", report.0);
    assert!(of(2, "goodput_per_s") < 600.0, "{:#}", report.0);
    assert!(of(2, "goodput_per_s") < of(2, "offered_per_s") * 0.6, "{:#}", report.0);
    let best = (0..3).map(|point| of(point, "goodput_per_s")).fold(0.0, f64::max);
    assert_eq!(report.0["peak"]["goodput_per_s"], best);
    assert!(points[2]["response_us"]["lower_bound_from"].is_f64());
    let saved = Report(serde_json::from_str(&read(&out, "curve.json")).unwrap());
    assert_eq!(saved.0, report.0);
    assert!(read(&out, "curve.txt").contains("peak: "));
    let picture = read(&out, "curve.svg");
    assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));

    let again = sclients(&words).arg(&out).run().expect(USAGE);
    assert!(again.stderr[0].contains("there is such a file"), "{:?}", again.stderr);
    assert_eq!(read(&out, "curve.svg"), picture);
}

#[test]
fn what_a_series_showed_is_saved_when_it_is_interrupted() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("curve");
    let mut run = sclients(&format!("{SERIES} 100..1000/10 --out")).arg(&out).spawn();
    run.await_line("step 1 of 10");
    run.signal(Signal::SIGINT);
    let report = run.wait().expect(130).json();
    let points = report.list("points").len();
    assert!((1..10).contains(&points), "{points}");
    assert!(wait_until(Duration::from_secs(1), || out.join("curve.svg").exists()));
    let saved = Report(serde_json::from_str(&read(&out, "curve.json")).unwrap());
    assert_eq!(saved.list("points").len(), points);
    assert!(report.list("points")[..points - 1].iter().all(|point| point["interrupted"] == false));
}

#[test]
fn what_is_begun_in_warm_up_is_in_no_rate() {
    let home = tempfile::tempdir().unwrap();
    let words = "--curve 100..200/2 --warmup 1s --step 1s --drain 0s --target-procs 1 \
        --format json --out";
    let done = sclients(words).arg(home.path().join("curve")).run();
    let report = done.expect_or_late(0).json();
    for point in report.list("points") {
        let of = |key: &str| point[key].as_f64().unwrap();
        let planned = of("planned_per_s");
        for key in ["offered_per_s", "connected_per_s", "goodput_per_s"] {
            assert!((of(key) - planned).abs() < planned * 0.1, "{key}: {:#}", report.0);
        }
    }
}

#[test]
fn a_series_that_cannot_begin_leaves_no_files() {
    let home = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let words =
        format!("--target-listen {} {SERIES} 200..400/2 --out", taken.local_addr().unwrap());
    let refused = sclients(&words).arg(home.path()).run().expect(PREFLIGHT);
    assert!(refused.stderr[0].contains("cannot listen at"), "{:?}", refused.stderr);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn what_a_series_showed_is_told_when_a_later_step_cannot_begin() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("curve");
    let words = format!("{SERIES} 100..1000/10 --progress 100ms --out");
    let mut run = sclients(&words).arg(&out).spawn();
    run.await_line("step 1 of 10");
    run.await_measurement();
    // The step under way has its descriptors and what it showed can be saved; the next has not enough.
    let pid = run.pid().to_string();
    let bound = Command::new("prlimit").args(["--pid", &pid, "--nofile=8:8"]).status();
    assert!(bound.unwrap().success());
    let done = run.wait().expect(INTERNAL);
    let report = done.json();
    let points = report.list("points").len();
    assert!((1..10).contains(&points), "{points}");
    // A child of that step may say after it that its supervisor is gone.
    let why = done.stderr.iter().find(|line| line.contains("(os error 24)"));
    assert!(why.is_some_and(|why| why.starts_with("sclients: ")), "{:?}", done.stderr);
    let saved = Report(serde_json::from_str(&read(&out, "curve.json")).unwrap());
    assert_eq!(saved.list("points").len(), points);
}

#[test]
fn where_nothing_can_be_saved_nothing_begins() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let refused = sclients(&format!("{SERIES} 100..1000/10 --out")).arg(file.path()).run();
    let refused = refused.expect(USAGE);
    assert_eq!(refused.stderr.len(), 1);
    assert!(refused.stderr[0].starts_with("sclients: --out "), "{:?}", refused.stderr);
}
