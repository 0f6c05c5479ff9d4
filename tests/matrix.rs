//! The matrix: every case of hostility, cut in every way, on fresh and on used connections. Always the
//! same class, and counts that equal what the target saw.
//!
//! Some hundred runs of the program, four at a time; all that went wrong is told at the end.

mod driver;

use driver::{Done, Report, sclients};
use protocols::hostile::{CASES, Case, Listening, Trigger};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Runs at one time.
const AT_ONCE: usize = 4;

/// Connections where the number does not matter.
const CONNS: u64 = 8;

/// More than the buffers of both ends hold, so that an answer can overtake it.
const UPLOAD_BYTES: usize = 32 << 20;

/// The ways to cut, as the program's option names them.
const CHOPS: [&str; 5] = ["whole", "bytes", "7", "split", "gaps"];

/// A think time that is longer than anything surplus takes to arrive: what comes after the next request
/// has left cannot be told from its answer.
const LONG_THINK: &str = "--think 300ms";

/// One run.
#[derive(Clone, Copy)]
struct Cell {
    case: &'static Case,
    chop: &'static str,
    reused: bool,
}

#[test]
fn every_case_has_its_class_however_it_is_cut() {
    let cells = cells();
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let begun = std::time::Instant::now();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| play(*cell))) {
                        let said = panic.downcast_ref::<String>().cloned().unwrap_or_default();
                        let Cell { case, chop, reused } = cell;
                        let name = format!("{} cut {chop}, reused: {reused}", case.name);
                        wrong.lock().unwrap().push(format!("{name}: {said}"));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    println!("matrix: {} runs in {:.0?}, {} wrong", cells.len(), begun.elapsed(), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every combination that can be.
fn cells() -> Vec<Cell> {
    let plays = |case: &&Case| case.listening == Listening::Accepting;
    let mut cells = Vec::new();
    for case in CASES.iter().filter(plays) {
        for chop in CHOPS {
            // What happens at accept finds no connection that was used before.
            let sides = if case.trigger == Trigger::Accept { &[false][..] } else { &[false, true] };
            cells.extend(sides.iter().map(|reused| Cell { case, chop, reused: *reused }));
        }
    }
    cells
}

fn play(cell: Cell) {
    let done = command(cell);
    let report = done.json();
    report.assert_ledger();
    assert_counts(&report);
    let class = if cell.reused { cell.case.reused } else { cell.case.class };
    judge(cell, class, &report);
    if report.count("requests.completed") == 0 {
        let fell_short = report.text("verdict.state") == "invalid";
        assert_eq!(done.code(), if fell_short { 5 } else { 4 }, "nothing succeeded");
    }
}

fn command(cell: Cell) -> Done {
    let Cell { case, chop, reused } = cell;
    let exchanges = exchanges(case, chop);
    let by_time = case.trigger == Trigger::Accept && !leaves_more(case);
    let conns = if reused && !leaves_more(case) { exchanges.min(64) } else { exchanges };
    let requests = match leaves_more(case) {
        // Each place asks on a connection that behaves, a think time after the one that did not: so no
        // surplus is under way when the run ends.
        true => (2 + u64::from(reused)) * exchanges,
        false if reused => 2 * exchanges + conns,
        false => exchanges,
    };
    let mut words = format!(
        "--format json --conns {conns} --target-hostile {} --target-chop {chop} --target-after {}",
        case.name,
        u8::from(reused),
    );
    words += &if by_time { " --duration 900ms".into() } else { format!(" --requests {requests}") };
    words += " --open-timeout 2s ";
    words += match case.name {
        "mute" => "--timeout 400ms",
        // Its first requests are uploads of 32 MiB that it does read.
        "deaf" => "--timeout 1500ms",
        "drip-forever" => "--timeout 600ms --idle-timeout 300ms",
        "stall" => "--timeout 20s --idle-timeout 300ms",
        "endless-body" => "--timeout 900ms",
        _ => "--timeout 20s",
    };
    words += " ";
    if leaves_more(case) {
        words += &format!("{LONG_THINK} --target-hostile-conns {exchanges}");
    }
    let run = sclients(&words);
    if case.trigger != Trigger::Head {
        return run.run();
    }
    let mut upload = tempfile::NamedTempFile::new().unwrap();
    upload.write_all(&vec![b'x'; UPLOAD_BYTES]).unwrap();
    run.arg("-d").arg(format!("@{}", upload.path().display())).run()
}

fn leaves_more(case: &Case) -> bool {
    ["extra_data", "unsolicited"].iter().any(|flag| case.class.contains(flag))
}

/// How many hostile exchanges it takes: one for each split point of each variant.
fn exchanges(case: &'static Case, chop: &str) -> u64 {
    let heavy = ["endless-body", "tiny-chunks", "header-bomb"].contains(&case.name);
    match chop {
        _ if case.name == "endless-body" => 2,
        "split" => splits(case),
        _ if heavy => 2,
        _ => CONNS.max(case.variants() as u64),
    }
}

fn splits(case: &'static Case) -> u64 {
    let points = |bytes: usize| if bytes <= 2048 { bytes.saturating_sub(1).max(1) } else { 64 };
    case.variants() as u64 * points(case.longest()) as u64
}

fn assert_counts(report: &Report) {
    let of = |path: &str| report.count(path);
    let (completed, seen, sent) =
        (of("requests.completed"), of("target.requests_seen"), of("requests.sent"));
    assert!(completed <= seen && seen <= sent, "completed {completed} seen {seen} sent {sent}");
    let failed = report.at("requests.failed");
    let class = |name: &str| failed.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
    let unread = class("reset") + class("stale_keepalive") + class("closed_before_response");
    assert!(sent - seen <= unread, "sent {sent} seen {seen} failed {failed}");
    for worker in report.list("workers") {
        assert!(worker["died_after_seconds"].is_null(), "a worker died: {worker}");
    }
}

fn judge(cell: Cell, class: &str, report: &Report) {
    let hostile = report.count("target.hostile");
    let wanted = exchanges(cell.case, cell.chop);
    if cell.case.trigger != Trigger::Accept {
        assert!(hostile >= wanted, "played {hostile} of {wanted}");
    }
    let sent = report.count("requests.sent");
    let failed = report.at("requests.failed").as_object().unwrap().clone();
    let only = |name: &str| failed.keys().all(|class| class == name);
    let told = |counter: &str| assert_eq!(report.count(&format!("requests.{counter}")), hostile);
    match class {
        "connect.reset" => {
            let early = report.at("connections.failed").as_object().unwrap();
            assert!(early.keys().all(|class| class == "connect.reset"), "{early:?}");
            assert!(failed.keys().all(|class| class == "reset"), "{failed:?}");
            assert_eq!(report.count("requests.completed"), 0);
        }
        "unsolicited" => {
            told("unsolicited");
            assert!(failed.is_empty() && hostile == wanted, "{failed:?}, {hostile} of {wanted}");
            assert_eq!(report.count("requests.completed"), sent);
        }
        // The reset that the close becomes may overtake what has not left in one piece.
        _ if cell.case.name == "early-close" && cell.chop != "whole" => {
            assert!(only("reset"), "{failed:?}");
            let early = report.count("requests.early_response");
            assert_eq!(early + report.sum("requests.failed"), hostile);
        }
        "ok then stale_keepalive" => assert!(only("stale_keepalive"), "{failed:?}"),
        _ if class.starts_with("ok") => {
            assert!(failed.is_empty(), "{failed:?}");
            assert_eq!(report.count("requests.completed"), sent);
            if cell.case.name == "early-answer" {
                // Where the worker had to wait for its processor the kernel may have taken an upload before it.
                let early = report.count("requests.early_response");
                assert!((1..=hostile).contains(&early), "{early} of {hostile}");
            } else {
                class.strip_prefix("ok + ").map(told);
            }
        }
        _ => {
            assert!(only(class), "{failed:?}");
            assert_eq!(report.sum("requests.failed"), hostile);
            assert_eq!(report.count("requests.completed"), sent - hostile);
        }
    }
}

/// Resident memory at its highest, with so many connections that all meet `case` at one time.
fn peak_bytes(case: &str, conns: u64) -> u64 {
    let words = format!(
        "--format json --conns {conns} --requests {conns} --timeout 1s --target-hostile {case} \
         --target-chop gaps"
    );
    sclients(&words).run().json().count("workers.0.rss_peak_bytes")
}

#[test]
fn an_offending_connection_costs_no_more_than_64_kib() {
    const CONNS: u64 = 256;
    let plain = peak_bytes("glued", CONNS);
    let heavy = [
        "endless-line",
        "endless-headers",
        "header-bomb",
        "extension-flood",
        "trailer-flood",
        "interim-flood",
        "endless-body",
    ];
    for case in heavy {
        let extra = peak_bytes(case, CONNS).saturating_sub(plain);
        assert!(extra <= CONNS * (64 << 10), "{case}: {} bytes each", extra / CONNS);
    }
}

/// The long one is `scripts/hostile`.
#[test]
fn mixed_hostility_leaves_the_ledger_exact() {
    let plays = CASES.iter().filter(|case| case.listening == Listening::Accepting);
    let names: Vec<&str> = plays.map(|case| case.name).collect();
    let words = "--format json --conns 300 --duration 4s --timeout 1s --idle-timeout 300ms \
                 --target-chop 7 --target-hostile";
    let report = sclients(words).arg(names.join(",")).run().json();
    report.assert_ledger();
    assert_counts(&report);
    assert!(report.at("requests.failed").as_object().unwrap().len() > 10, "most classes occur");
}

#[test]
fn where_nobody_listens_the_run_ends_by_itself() {
    let done = sclients("--conns 4 --target-hostile refused").run().expect(4);
    assert!(done.stderr.join("\n").contains("connect.refused"), "{:?}", done.stderr);
}

#[test]
fn a_full_queue_is_a_connect_timeout() {
    let words = "--format json --conns 8 --target-hostile full-queue --connect-timeout 300ms \
                 --open-timeout 1s --timeout 300ms --duration 500ms";
    let report = sclients(words).run().expect(5).json();
    report.assert_ledger();
    let failed = report.at("connections.failed").as_object().unwrap();
    assert!(failed.keys().eq(["connect.timeout"]), "{failed:?}");
    assert_eq!(report.count("requests.completed"), 0);
}

#[test]
fn lenient_takes_what_strict_refuses_and_the_report_names_it() {
    for case in ["bare-lf", "same-length-twice"] {
        let words = format!("--format json --conns 4 --requests 8 --target-hostile {case}");
        let report = sclients(&words).words("--lenient").run().expect(0).json();
        assert_eq!(report.count("requests.completed"), 8, "{case}");
        assert_eq!(report.at("plan.lenient"), &serde_json::Value::Bool(true));
        assert_eq!(report.count("requests.forgiven"), 8, "{case}");
    }
    let words = "--format json --conns 4 --requests 4 --lenient --target-hostile two-lengths";
    let report = sclients(words).run().expect(4).json();
    assert_eq!(report.at("requests.failed")["http.length"], 4);
}

#[test]
fn an_upload_that_was_answered_early_may_be_finished() {
    let mut upload = tempfile::NamedTempFile::new().unwrap();
    upload.write_all(&vec![b'x'; UPLOAD_BYTES]).unwrap();
    let words = "--format json --conns 2 --requests 20 --target-hostile early-answer \
                 --early-answer finish --expect-status 413";
    let data = format!("@{}", upload.path().display());
    let report = sclients(words).arg("-d").arg(data).run().expect(0).json();
    report.assert_ledger();
    // Where the worker had to wait for its processor the kernel may have taken an upload before the answer.
    assert!((1..=20).contains(&report.count("requests.early_response")), "{:#}", report.0);
    assert_eq!(report.count("connections.established"), 2, "they were used again");
    assert_eq!(report.count("target.requests_seen"), 20);
}

#[test]
fn each_timer_has_its_class() {
    for (case, timers, class) in [
        ("mute", "--first-byte-timeout 200ms --timeout 20s", "timeout.first_byte"),
        ("stall", "--idle-timeout 200ms --timeout 20s", "timeout.idle"),
        ("stall", "--first-byte-timeout 200ms --timeout 600ms", "timeout.total"),
        ("drip-forever", "--idle-timeout 400ms --timeout 800ms", "timeout.total"),
        ("drip-forever", "--idle-timeout 10ms --timeout 20s", "timeout.idle"),
    ] {
        let words =
            format!("--format json --conns 4 --requests 4 --target-hostile {case} {timers}");
        let report = sclients(&words).run().expect(4).json();
        assert_eq!(report.at("requests.failed")[class], 4, "{case} {timers}: {:#}", report.0);
        assert_eq!(report.count("requests.faults.target"), 4);
    }
}

#[test]
fn a_redirect_is_an_answer() {
    let words = "--format json --conns 2 --requests 6 --target-hostile redirect";
    let report = sclients(words).run().expect(0).json();
    assert_eq!(report.at("statuses")["302"], 6);
    assert_eq!(report.count("target.requests_seen"), 6);
}

#[test]
fn a_body_over_the_limit_is_its_own_class() {
    for words in ["--target-hostile endless-body", "--target-body-bytes 2001"] {
        let words = format!("--format json --conns 2 --requests 2 --max-body 2000 {words}");
        let report = sclients(&words).run().expect(4).json();
        assert_eq!(report.count("requests.failed.body_limit"), 2);
    }
    let words = "--format json --conns 2 --requests 2 --max-body 2000 --target-body-bytes 2000";
    assert_eq!(sclients(words).run().expect(0).json().count("requests.completed"), 2);
}

#[test]
fn cases_are_drawn_per_connection_by_the_seed() {
    let words =
        "--format json --conns 60 --requests 60 --seed 7 --target-hostile garbage,two-lengths";
    let failed = |report: Report| report.at("requests.failed").clone();
    let one = failed(sclients(words).run().expect(4).json());
    assert!(one["http.status_line"].as_u64() > Some(10), "{one}");
    assert!(one["http.length"].as_u64() > Some(10), "{one}");
    let first = "--target-hostile mute-close --target-hostile-conns 1 --conns 10 --requests 100";
    let report = sclients("--format json").words(first).run().expect(0).json();
    assert_eq!(report.count("target.hostile"), 1);
}

#[test]
fn serve_gives_each_case_a_port() {
    let mut serve =
        sclients("serve --listen 127.0.0.1:0 --case-per-port --hostile garbage,refused").spawn();
    let garbage = serve.await_line("garbage");
    let refused = serve.await_line("refused");
    let address =
        |line: &str| line.split_whitespace().nth(2).unwrap().trim_end_matches(':').to_owned();
    let url = format!("http://{}/", address(&garbage));
    let report = sclients("--format json --conns 1 --requests 3").arg(url).run().expect(4).json();
    assert_eq!(report.at("requests.failed")["http.status_line"], 3);
    sclients("--conns 1 --requests 1")
        .arg(format!("http://{}/", address(&refused)))
        .run()
        .expect(4);
}

#[test]
fn hostility_has_its_rules() {
    for (words, said) in [
        ("serve --hostile mutes", "`mutes` is no case"),
        ("serve --hostile garbage --listen 0.0.0.0:0", "loopback"),
        ("serve --chop bytes", "--hostile"),
        ("serve --hostile refused,garbage", "--case-per-port"),
        ("serve --hostile garbage --protocol echo", "echo"),
        ("--target-chop half --target-hostile garbage", "`half` is no way to cut"),
        ("--target-hostile garbage http://127.0.0.1:1/", "a TARGET"),
        ("--target-hostile list", "list"),
    ] {
        let done = sclients(words).run().expect(2);
        assert_eq!(done.stderr.len(), 1, "{words}: {:?}", done.stderr);
        assert!(done.stderr[0].contains(said), "{words}: {:?}", done.stderr);
    }
    let list = sclients("serve --hostile list").run().expect(0).stdout;
    assert_eq!(list.lines().count(), CASES.len());
}
