//! Slow clients: what is slow is exact all the same, and the report says whose slowness it is.

mod driver;

use driver::{Report, sclients};
use serde_json::{Value, json};
use stats::Phase;

/// What both ends counted, in bytes, is the same.
#[track_caller]
fn assert_bytes_equal(report: &Report) {
    let of_all_phases = |key: &str| {
        let phases = report.list("phases").iter().map(|phase| phase[key].as_u64().unwrap());
        phases.sum::<u64>()
    };
    assert_eq!(report.list("phases").len(), Phase::ALL.len());
    assert_eq!(of_all_phases("bytes_read"), report.count("target.bytes_written"));
    assert_eq!(of_all_phases("bytes_written"), report.count("target.bytes_read"));
}

/// Two connections with two requests each, of which each moves 100 KiB at 100 KiB/s: less the burst
/// of a tenth of a second, that takes 0.9 s.
#[track_caller]
fn assert_a_second_each(report: &Report) {
    report.assert_ledger();
    report.assert_equals_target();
    assert_bytes_equal(report);
    report.assert_valid_but_for_the_host();
    assert_eq!(report.count("requests.completed"), 4);
    assert_eq!(report.count("connections.established"), 2);
    let mean_us = report.number("latency_us.from_due.mean");
    assert!(mean_us >= 800_000.0, "{mean_us} µs");
}

#[test]
fn slow_readers_get_every_byte_in_the_time_that_their_rate_says() {
    let words =
        "--format json --target-body-bytes 100KiB --read-rate 100KiB --requests 4 --conns 2";
    let report = sclients(words).run().expect(0).json();
    assert_a_second_each(&report);
    assert!(report.count("target.bytes_written") > 4 * 100 * 1024);
    assert_eq!(report.count("plan.read_rate_bytes_per_s"), 100 * 1024);
    assert_eq!(report.at("plan.write_rate_bytes_per_s"), &Value::Null);
    assert_eq!(report.at("plan.rcvbuf_bytes"), &Value::Null);
}

#[test]
fn slow_writers_send_every_byte_in_the_time_that_their_rate_says() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("body"), vec![b'x'; 100 * 1024]).unwrap();
    let words = "--format json --write-rate 100KiB --requests 4 --conns 2 -d @body";
    let report = sclients(words).in_folder(folder.path()).run().expect(0).json();
    assert_a_second_each(&report);
    assert!(report.count("target.bytes_read") > 4 * 100 * 1024);
    assert_eq!(report.count("plan.write_rate_bytes_per_s"), 100 * 1024);
}

#[test]
fn held_connections_are_slow_as_well_and_echoes_too() {
    for words in [
        "--load hold --heartbeat 300ms --target-body-bytes 1KiB",
        "--load hold --heartbeat 300ms --target-protocol echo --message-bytes 1KiB",
    ] {
        let slow = "--format json --procs 2 --conns 5 --duration 1s --rcvbuf 4096";
        let rates = "--read-rate 10KiB --write-rate 10KiB";
        let report = sclients(words).words(slow).words(rates).run().expect(0).json();
        report.assert_equals_target();
        assert_bytes_equal(&report);
        assert!(report.count("requests.completed") >= 10, "{:#}", report.0);
        assert_eq!(report.at("requests.failed"), &json!({}));
        assert_eq!(report.count("plan.rcvbuf_bytes"), 4096);
    }
}

#[test]
fn a_request_that_we_read_too_slowly_times_out_and_the_report_says_why() {
    let words = "--read-rate 1 --rcvbuf 4096 --conns 2 --duration 1s --timeout 300ms";
    let report = sclients("--format json").words(words).run().expect(4).json();
    report.assert_ledger();
    let failed = report.sum("requests.failed");
    assert!(failed >= 2, "{:#}", report.0);
    assert_eq!(report.at("requests.failed"), &json!({ "timeout.total": failed }));
    let text = sclients(words).run().expect(4).stdout;
    let note =
        "slow clients: --read-rate 1 B/s, --rcvbuf 4,096 B: latency includes our own slowness";
    assert!(text.contains(note), "{text}");
}
