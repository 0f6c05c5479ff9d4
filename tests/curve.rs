//! `--curve`: a series of overloads, each a run of its own, printed and saved.

mod driver;

use driver::{Report, sclients, wait_until};
use nix::sys::signal::Signal;
use std::fs;
use std::path::Path;
use std::time::Duration;

const USAGE: i32 = 2;

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
    // Steps that other tests made late are invalid, and their counts are true.
    let code = if done.code() == 5 { 5 } else { 0 };
    let report = done.expect(code).json();
    let points = report.list("points");
    let of = |point: usize, key: &str| points[point][key].as_f64().unwrap();
    for (point, planned) in [200.0, 600.0, 1000.0].into_iter().enumerate() {
        assert_eq!(of(point, "planned_per_s"), planned);
        assert!((of(point, "offered_per_s") - planned).abs() < planned * 0.02, "{:#}", report.0);
    }
    assert!((of(0, "goodput_per_s") - 200.0).abs() < 20.0, "{:#}", report.0);
    assert!(of(2, "goodput_per_s") < 600.0, "{:#}", report.0);
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
}

#[test]
fn where_nothing_can_be_saved_nothing_begins() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let refused = sclients(&format!("{SERIES} 100..1000/10 --out")).arg(file.path()).run();
    let refused = refused.expect(USAGE);
    assert_eq!(refused.stderr.len(), 1);
    assert!(refused.stderr[0].starts_with("sclients: --out "), "{:?}", refused.stderr);
}
