//! `sclients selftest` tells in one table whether this host measures right.

mod driver;

use driver::{INVALID, sclients};

const USAGE: i32 = 2;
const REFUSED: i32 = 3;

#[test]
fn the_self_test_compares_what_is_known() {
    let done = sclients("selftest --quick --format json").run();
    let code = done.code();
    // Beside other tests this host may well say that it cannot be trusted.
    let report = done.expect_or_late(0).json();
    assert_eq!(report.text("verdict.state") == "invalid", code == INVALID, "{:#}", report.0);
    assert!(report.number("floor_us") > 0.0);
    let rows = report.list("rows");
    let of = |trial: &str| rows.iter().filter(|row| row["trial"] == trial).count();
    let trials = [
        ("wake-up", 3),
        ("1,000/s", 6),
        ("10,000/s", 6),
        ("5 ms delay", 1),
        ("20 ms delay", 1),
        ("stall", 7),
        ("stall at the end", 6),
        ("closed loop", 1),
        ("every trial", 1),
    ];
    for (trial, count) in trials {
        assert_eq!(of(trial), count, "{trial}: {:#}", report.0);
    }
    assert_eq!(rows.len(), trials.iter().map(|(_, count)| count).sum::<usize>());
    for row in rows {
        let number = |key: &str| row[key].as_f64();
        let off = number("expected").map(|expected| number("measured").unwrap() - expected);
        assert_eq!(number("deviation").is_some(), off.is_some(), "{row:#}");
        // The text of a number may lose its last bit.
        let differs = |off: f64| (number("deviation").unwrap() - off).abs() > 1e-6;
        assert!(!off.is_some_and(differs), "{row:#}");
        assert_eq!(row["state"] == "told", off.is_none(), "{row:#}");
    }
    // Whatever the times, counts are exact.
    let exact: Vec<_> = rows.iter().filter(|row| row["tolerance"] == 0.0).collect();
    assert_eq!(exact.len(), 9);
    for row in exact {
        assert_eq!(row["state"], "ok", "{row:#}");
    }
    let bounds: Vec<_> = rows.iter().filter(|row| row["at_least"] == true).collect();
    assert_eq!(bounds.len(), 1);
    assert_eq!(
        (&bounds[0]["trial"], &bounds[0]["name"]),
        (&"stall at the end".into(), &"from due, p99".into())
    );
    // A word for each that is off, and a verdict as bad as the worst.
    let off = rows.iter().filter(|row| row["state"] == "off" || row["state"] == "wrong").count();
    assert_eq!(report.list("verdict.reasons").len(), off, "{:#}", report.0);
    assert_eq!(rows.iter().any(|row| row["state"] == "wrong"), code == INVALID);
    assert_eq!(report.text("verdict.state") == "valid", off == 0);
}

#[test]
fn an_interrupted_self_test_ends_at_once() {
    for part in ["wake-up: ", "stall: sclients"] {
        let mut run = sclients("selftest --quick").spawn();
        run.await_line(part);
        // Into the wake-ups, or the run, that the line announced.
        std::thread::sleep(std::time::Duration::from_millis(100));
        run.signal(nix::sys::signal::Signal::SIGINT);
        assert_eq!(run.wait().expect(130).stdout, "");
    }
}

#[test]
fn a_host_with_too_few_descriptors_is_refused_before_the_first_trial() {
    let line = format!("ulimit -n 60; exec {} selftest --quick", driver::BINARY);
    let done = driver::shell(&line).run().expect(REFUSED);
    assert_eq!(done.stdout, "");
    assert!(done.stderr.iter().all(|line| line.starts_with("sclients: ")), "{:?}", done.stderr);
    assert!(done.stderr.iter().any(|line| line.contains("open files")), "{:?}", done.stderr);
}

#[test]
fn what_cannot_be_meant_is_refused_in_one_line() {
    for (words, named) in [
        ("selftest --quik", "--quick"),
        ("selftest --format xml", "xml"),
        ("selftest --rate 1k", "--rate"),
        ("selftest http://127.0.0.1/", "http://127.0.0.1/"),
    ] {
        let done = sclients(words).run().expect(USAGE);
        assert_eq!(
            (done.stdout.as_str(), done.stderr.len()),
            ("", 1),
            "{words}: {:?}",
            done.stderr
        );
        assert!(done.stderr[0].contains(named), "{words}: {:?}", done.stderr);
    }
}
