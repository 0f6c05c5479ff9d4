//! Limits: what a run has to show, whether it did, and the exit code that says so.

mod driver;

use driver::{Done, Report, Sclients, Server, sclients};
use sclients::config::{Invocation, invocation};
use sclients::limits::{Expression, Figures};
use sclients::plan::planned;
use serde_json::Value;
use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const USAGE: i32 = 2;
const BROKEN: i32 = 4;

/// A short closed loop in JSON with these limits.
fn limited(limits: &[&str]) -> Sclients {
    let run = sclients("--conns 5 --duration 500ms --format json");
    limits.iter().fold(run, |run, limit| run.arg("--limit").arg(*limit))
}

/// The limits of a report: as typed, and what became of each.
fn states(report: &Report) -> Vec<(&str, &str)> {
    let told = report.list("limits").iter();
    told.map(|limit| (limit["limit"].as_str().unwrap(), limit["state"].as_str().unwrap())).collect()
}

#[test]
fn limits_that_hold_are_told_and_change_nothing() {
    let limits = ["p50 < 5s, failed < 0.1%", "connections.peak_live == 5"];
    let report = limited(&limits).run().expect(0).json();
    report.assert_sound();
    let held = [("p50 < 5s", "held"), ("failed < 0.1%", "held"), (limits[1], "held")];
    assert_eq!(states(&report), held);
    let figures = ["latency_us.from_due.p50", "requests.failed_share", "connections.peak_live"];
    for (limit, figure) in report.list("limits").iter().zip(figures) {
        assert_eq!(limit["figure"], figure);
        assert_eq!(limit["value"].as_f64(), report.at(figure).as_f64());
        assert_eq!((&limit["held"], &limit["why"]), (&Value::Bool(true), &Value::Null));
    }
}

#[test]
fn a_limit_that_is_broken_is_exit_code_4_and_a_row_of_the_text() {
    let report = limited(&["p50 < 1ns", "failed <= 0"]).run().expect(BROKEN).json();
    assert_eq!(states(&report), [("p50 < 1ns", "broken"), ("failed <= 0", "held")]);
    let words = "--conns 5 --duration 500ms --color always";
    let text = sclients(words).arg("--limit").arg("p50 < 1ns, failed <= 0").run().expect(BROKEN);
    let row = |part: &str| text.stdout.lines().find(|line| line.contains(part)).unwrap();
    assert!(
        row("p50 < 1ns").starts_with("limits       \x1b[31;1mbroken     \x1b[0m  p50 < 1ns    ")
    );
    assert!(row("failed <= 0").ends_with("\x1b[32mheld       \x1b[0m  failed <= 0  0%"));
    let (verdict, limits) = (text.stdout.find("\nverdict"), text.stdout.find("\nlimits"));
    assert!(verdict < limits && limits < text.stdout.find("\nconnections"), "{}", text.stdout);
}

#[test]
fn a_limit_that_cannot_be_meant_is_one_line_before_anything_is_opened() {
    for (limit, mistake) in [
        ("p98 < 5ms", "`p98` is no figure of this run; the nearest one is p90"),
        ("fialed_share < 1%", "the nearest one is requests.failed_share"),
        ("max < 5ms", "`max` may be "),
        ("failed < 5ms", "requests.failed_share is a share of 1; write 0.1% or 0.001"),
        ("p99 < 250", "latency_us.from_due.p99 is a time; write 250ms or 2s"),
        ("attempts.offered > 5", "`attempts.offered` is no figure of this run"),
        ("p99", "`p99` compares nothing; write FIGURE OP VALUE"),
        ("p99 < fast", "`fast` is no value; write 20k, 0.1%, 250ms or 64MiB"),
        ("p99 < 5ms; stop", "`stop` is nothing that a limit does; write abort, or abort after 10s"),
    ] {
        for command in ["", "doctor"] {
            let done = sclients(command).arg("--limit").arg(limit).run().expect(USAGE);
            let [line] = &done.stderr[..] else { panic!("{:#?}", done.stderr) };
            assert!(line.starts_with("sclients: --limit "), "{line}");
            assert!(line.contains(mistake), "{line}");
        }
    }
    let server = Server::start("");
    let refused = sclients(&server.url()).arg("--limit").arg("p98 < 5ms").run();
    assert_eq!(refused.expect(USAGE).stdout, "");
    assert_eq!(server.stop().count("target.connections_seen"), 0);
}

#[test]
fn a_limit_may_end_the_run_which_drains_and_reports() {
    let run = sclients("--conns 5 --duration 30s --interval 100ms --format json");
    let done = run.arg("--limit").arg("failed <= 0, p50 < 1ns; abort").run().expect(BROKEN);
    let report = done.json();
    report.assert_ledger();
    report.assert_equals_target();
    report.assert_sound();
    assert_eq!(report.text("stopped"), "limit");
    assert!(report.number("phases.2.seconds") < 20.0, "{:#}", report.0);
    assert_eq!(states(&report), [("failed <= 0", "held"), ("p50 < 1ns", "broken")]);
    assert_eq!(report.text("limits.1.why"), "it was broken, which ended the run");
    report.assert_told("verdict.notes", "limit p50 < 1ns: it was broken, which ended the run");
}

#[test]
fn a_rate_is_known_while_the_run_goes_on() {
    let run = sclients("--conns 5 --duration 30s --interval 100ms --format json --think 10ms");
    let limit = "requests_per_s > 1, requests_per_s > 1M; abort";
    let report = run.arg("--limit").arg(limit).run().expect(BROKEN).json();
    assert_eq!(report.text("stopped"), "limit");
    let state = |limit: &Value| limit["state"].as_str().unwrap().to_owned();
    assert_eq!(report.list("limits").iter().map(state).collect::<Vec<_>>(), ["held", "broken"]);
    assert!(report.at("limits.0.why").is_null() && !report.at("limits.1.why").is_null());
}

#[test]
fn what_is_known_from_below_is_not_said_to_be_below_anything() {
    let words = "--conns 5 --duration 800ms --timeout 200ms --format json --target-stall 200ms:end";
    let max = "latency_us.from_due.max";
    let limits = format!("{max} < 10s, {max} > 1ms, {max} < 1ms, p9999 < 10s");
    let report = sclients(words).arg("--limit").arg(&limits).run().expect(BROKEN).json();
    assert!(report.count("latency_us.from_due.censored") > 0);
    let told: Vec<&str> = states(&report).into_iter().map(|(_, state)| state).collect();
    assert_eq!(told[..3], ["cannot tell", "held", "broken"], "{:#}", report.0);
    assert_eq!(report.at("limits.0.at_least"), &Value::Bool(true));
    assert!(report.text("limits.0.why").contains("known from below only"));
}

#[test]
fn a_figure_without_a_value_does_not_hold() {
    let words = "--load hold --conns 5 --duration 300ms --format json";
    let report = sclients(words).arg("--limit").arg("p99 < 10s").run().expect(BROKEN).json();
    assert_eq!(states(&report), [("p99 < 10s", "cannot tell")]);
    assert!(report.at("limits.0.value").is_null());
    assert!(report.text("limits.0.why").starts_with("the figure has no value"));
}

/// What `report` says of the run in `folder`.
fn report(folder: &Path, words: &str) -> Done {
    sclients("report").words(words).arg(folder).run()
}

#[test]
fn a_kept_run_tells_its_limits_again_with_the_same_exit_code() {
    let parent = TempDir::new().unwrap();
    let [folder, live, again] =
        ["run", "live.xml", "again.xml"].map(|name| parent.path().join(name));
    let run = limited(&["p50 < 1ns, failed < 0.1%; abort after 1m"]);
    let done = run.arg("--out").arg(&folder).arg("--junit").arg(&live).run().expect(BROKEN);
    let told = report(&folder, "--format json").expect(BROKEN);
    assert_eq!(told.stdout, done.stdout);
    let text = sclients("report --junit").arg(&again).arg(&folder).run().expect(BROKEN);
    assert!(text.stdout.contains("\nlimits       broken       p50 < 1ns      "), "{}", text.stdout);
    let [live, again] = [live, again].map(|path| fs::read_to_string(path).unwrap());
    assert_eq!(live, again);
}

#[test]
fn a_run_that_a_limit_ended_is_reported_as_such_afterwards() {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("run");
    let run =
        sclients("--conns 5 --duration 30s --interval 100ms --format json --out").arg(&folder);
    let done = run.arg("--limit").arg("p50 < 1ns; abort").run().expect(BROKEN);
    assert_eq!(report(&folder, "--format json").expect(BROKEN).stdout, done.stdout);
}

#[test]
fn a_file_gives_limits_and_the_command_line_wins() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("run.toml");
    fs::write(
        &path,
        "conns = 5\nduration = '300ms'\nlimit = ['p50 < 1ns', 'failed < 1%, p50 < 5s']\n",
    )
    .unwrap();
    let run = || sclients("--format json --config").arg(&path);
    let report = run().run().expect(BROKEN).json();
    let told = [("p50 < 1ns", "broken"), ("failed < 1%", "held"), ("p50 < 5s", "held")];
    assert_eq!(states(&report), told);
    let report = run().arg("--limit").arg("failed < 1%").run().expect(0).json();
    assert_eq!(states(&report), [("failed < 1%", "held")]);
}

/// Reads JUnit as other programs do; prints cases and those that failed.
const READER: &str = "
import sys, xml.etree.ElementTree as tree
suite = tree.parse(sys.argv[1]).getroot()
assert suite.tag == 'testsuite', suite.tag
cases = suite.findall('testcase')
failed = [case for case in cases if case.find('failure') is not None]
assert int(suite.get('tests')) == len(cases) and int(suite.get('failures')) == len(failed)
print('|'.join(case.get('name') for case in cases))
print('|'.join(case.get('name') for case in failed))
print(suite.find(\"properties/property[@name='requests.completed']\").get('value'))
print(''.join(cases[-1].findtext('system-out', '').split('\\n')[:1]))
";

/// What [`READER`] finds in the file at `path`; none where this host has no python3.
fn read_by_another(path: &Path) -> Option<Vec<String>> {
    let read = Command::new("python3").args(["-c", READER]).arg(path).output().ok()?;
    let said = String::from_utf8(read.stdout).unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    Some(said.lines().map(str::to_owned).collect())
}

#[test]
fn junit_has_a_case_for_each_limit_and_other_programs_read_it() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("limits.xml");
    let run = limited(&["p50 < 1ns, failed < 0.1%", "requests.completed >= 1"]);
    let report = run.arg("--junit").arg(&path).run().expect(BROKEN).json();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite "), "{text}");
    let Some(read) = read_by_another(&path) else { return };
    let cases = "p50 < 1ns|failed < 0.1%|requests.completed >= 1|verdict|answered as expected";
    assert_eq!(read[..2], [cases, "p50 < 1ns"]);
    assert_eq!(read[2], report.count("requests.completed").to_string());
    let over = limited(&[]).arg("--junit").arg(&path).run().expect(USAGE);
    assert!(over.stderr[0].contains("--junit") && over.stderr[0].contains("there is such a file"));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_run_that_could_not_begin_is_an_error_in_junit() {
    let folder = TempDir::new().unwrap();
    let [path, log] = ["no.xml", "no.hlog"].map(|name| folder.path().join(name));
    let closed = driver::closed_port();
    let nobody = format!("--conns 2 http://127.0.0.1:{closed}/");
    let run = sclients(&nobody).arg("--junit").arg(&path).arg("--hlog").arg(&log);
    run.run().expect(BROKEN);
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.contains(" errors=\"1\" ") && text.contains("nothing accepts connections at"),
        "{text}"
    );
    assert!(!log.exists());
}

#[test]
fn what_servers_sent_is_no_markup_in_junit() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("hostile.xml");
    let server = Server::start("--hostile bad-version");
    let words = format!("--conns 2 --duration 500ms {}", server.url());
    let done = sclients(&words).arg("--junit").arg(&path).run();
    assert_eq!(done.code(), BROKEN, "{:?}", done.stderr);
    let Some(read) = read_by_another(&path) else { return };
    assert_eq!(read[1], "answered as expected");
    assert!(read[3].starts_with("http.version: ") && read[3].contains(" × "), "{read:?}");
}

/// The figures that a run of these words has, before it is run.
fn promised<'a>(words: impl IntoIterator<Item = &'a str>) -> Figures {
    let words = ["sclients"].into_iter().chain(words).map(Into::into);
    let Ok(Invocation::Run(config)) = invocation(words) else { panic!("no run") };
    Figures::of(&sclients::report::shape(&planned(*config, None, None)))
}

/// That the figures of a report are those that were promised, all but those without a value.
fn assert_are_those(promised: &Figures, report: &Value, of: &str) {
    let paths: HashSet<&str> = promised.iter().map(|figure| figure.path.as_str()).collect();
    // Of an interval that is not known there are no ends.
    let known = |path: &str| !path.ends_with("_ci");
    for figure in Figures::of(report).iter().filter(|figure| known(&figure.path)) {
        assert!(paths.contains(&figure.path[..]), "{} of {of} is not known", figure.path);
    }
    for figure in promised.iter() {
        // 0 is of every unit.
        let check: Expression = format!("{} >= 0", figure.path).parse().unwrap();
        let judged = promised.check(&check).unwrap().judge(report);
        assert_eq!(judged.figure, figure.path);
        let none = judged.why.is_some_and(|why| why.contains("no value"));
        assert!(judged.value.is_some() || none, "{check} of {of}");
    }
}

#[test]
fn the_figures_of_phases_and_sessions_are_known_before_a_run() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("s.toml");
    let text = "conns = 2\nduration = '300ms'\n[[session]]\nname = 'buy'\n\
        [[session.step]]\nrequest = 'GET /a'\nexpect = { contains = 'x' }\n\
        [[session.step]]\nname = 'b'\nrequest = 'GET /b'\n\
        [[phase]]\nname = 'busy'\nrate = 100\nsessions = ['buy']\n\
        [[phase]]\nname = 'closed'\nwith = 'busy'\nthink = '5ms'\n";
    fs::write(&path, text).unwrap();
    let promised = promised(["run", path.to_str().unwrap()]);
    let report = sclients("run").arg(&path).words("--format json").run().json();
    assert_are_those(&promised, &report.0, "phases");
    for part in ["sessions.buy.steps.0", "scenario.phases.closed.sessions.0.steps.b"] {
        let check = promised.check(&format!("{part}.requests > 0").parse().unwrap()).unwrap();
        assert!(check.judge(&report.0).held(), "{part}");
    }
}

#[test]
fn the_figures_that_are_known_before_a_run_are_those_of_its_summary() {
    for words in [
        "--procs 2 --conns 5 --duration 300ms",
        "--conns 5 --rate 500 --duration 500ms",
        "--attempt-rate 200 --attempt-timeout 200ms --duration 300ms",
        "--load hold --conns 5 --duration 300ms",
    ] {
        let promised = promised(words.split_whitespace());
        let report = sclients("--format json").words(words).run().json();
        assert_are_those(&promised, &report.0, words);
        // Of some figures there is a value in any run of a model.
        let valued = ["connections.attempted", "supervisor.seconds", "workers.0.cpu_seconds"];
        for name in valued.into_iter().chain(["statuses.503", "connections.failed.reset"]) {
            let check = promised.check(&format!("{name} >= 0").parse().unwrap()).unwrap();
            assert!(check.judge(&report.0).held(), "{name} of {words}");
        }
    }
}
