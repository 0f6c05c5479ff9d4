//! `sclients selftest` tells in one table whether this host measures right.

mod driver;

use driver::sclients;

const INVALID: i32 = 5;

#[test]
fn the_self_test_compares_what_is_known() {
    let done = sclients("selftest --quick --format json").run();
    let code = done.code();
    // Beside other tests this host may well say that it cannot be trusted.
    let report = done.expect(if code == INVALID { INVALID } else { 0 }).json();
    assert_eq!(report.text("verdict.state") == "invalid", code == INVALID, "{:#}", report.0);
    assert!(report.number("floor_us") > 0.0);
    let rows = report.list("rows");
    let of = |trial: &str| rows.iter().filter(|row| row["trial"] == trial).count();
    let trials = [
        ("wake-up", 2),
        ("1,000/s", 5),
        ("10,000/s", 5),
        ("5 ms delay", 1),
        ("20 ms delay", 1),
        ("stall", 7),
        ("stall at the end", 3),
        ("closed loop", 1),
    ];
    for (trial, count) in trials {
        assert_eq!(of(trial), count, "{trial}: {:#}", report.0);
    }
    // Whatever the times, counts are exact.
    let exact = rows.iter().filter(|row| row["tolerance"] == 0.0 && row["expected"].is_f64());
    assert!(exact.clone().count() >= 6);
    for row in exact {
        assert_eq!(row["state"], "ok", "{row:#}");
    }
}

#[test]
fn an_interrupted_self_test_ends_at_once() {
    let mut run = sclients("selftest --quick").spawn();
    run.await_line("stall: sclients");
    run.signal(nix::sys::signal::Signal::SIGINT);
    run.wait().expect(130);
}
