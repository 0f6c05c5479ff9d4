//! Targets off loopback: what nobody allowed is refused before a packet leaves, what the
//! authorisation file allows is held to it, and a run that fails is stopped by itself.
//!
//! The addresses are those of documentation (RFC 5737, RFC 3849), each on the loopback device of a
//! network namespace of its own, in which such a test runs once more.

mod driver;

use driver::namespace::{ADDRESSES, active_opens, in_namespace};
use driver::{Server, sclients};
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

const INCOMPLETE: i32 = 5;
const NOT_AUTHORIZED: i32 = 6;

/// A folder with an authorisation file, and the file.
struct File {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

/// The lines that all entries of these tests share.
const COMMON: &str = "connections = 4\nrequests_per_s = 20\nattempts_per_s = 50\n\
    contact = 'ops@example.org'\npurpose = 'capacity of the spring release'\n";

/// A file of entries, of each the lines that differ.
fn file(entries: &[&str]) -> File {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("allow.toml");
    let entry = |own: &&str| format!("[[allow]]\n{own}\n{COMMON}");
    fs::write(&path, entries.iter().map(entry).collect::<String>()).unwrap();
    File { _folder: folder, path }
}

/// Whether somebody has connected.
fn saw_somebody(listener: &TcpListener) -> bool {
    listener.set_nonblocking(true).unwrap();
    listener.accept().is_ok()
}

#[test]
fn what_nobody_allowed_is_refused_before_a_packet_leaves() {
    in_namespace("what_nobody_allowed_is_refused_before_a_packet_leaves", || {
        let listeners = ADDRESSES.map(|host| TcpListener::bind(format!("{host}:0")).unwrap());
        let before = active_opens();
        for (host, listener) in ADDRESSES.iter().zip(&listeners) {
            refuse_all(host, listener.local_addr().unwrap());
        }
        assert_eq!(active_opens(), before);
        for listener in &listeners {
            assert!(!saw_somebody(listener), "{listener:?}");
        }
        // What was looked at would have shown a connection.
        TcpStream::connect(listeners[0].local_addr().unwrap()).unwrap();
        assert_eq!(active_opens(), before + 1);
        assert!(saw_somebody(&listeners[0]));
    });
}

/// Neither without leave, nor by one that is over, nor by one for others.
fn refuse_all(host: &str, at: SocketAddr) {
    let port = at.port();
    let (bits, bare) = (if at.is_ipv4() { 32 } else { 128 }, host.trim_matches(['[', ']']));
    let over = format!("network = '{bare}/{bits}'\nexpires = 2024-02-29");
    let host_over = format!("host = '{host}'\nexpires = 2024-02-29T12:00:00Z");
    let other_port = format!("host = '{host}'\nport = {}\nexpires = 9999-12-31", port ^ 1);
    let others = [
        "network = '192.0.2.2/31'\nexpires = 9999-12-31",
        "network = '198.51.101.0/24'\nexpires = 9999-12-31",
        "network = '203.0.0.0/18'\nexpires = 9999-12-31",
        "network = '2001:db8:1::/48'\nexpires = 9999-12-31",
        "host = 'example.org'\nexpires = 9999-12-31",
    ];
    let table: [(&[&str], &str); 4] = [
        (&[&over], "2024-02-29"),
        (&[&host_over], "2024-02-29T12:00:00Z"),
        (&[&other_port], "--authorized"),
        (&others, "--authorized"),
    ];
    for scheme in ["http", "tcp"] {
        let target = format!("{scheme}://{host}:{port}");
        assert_refused(sclients("--conns 1").arg(&target), bare);
        for (entries, part) in table {
            let file = file(entries);
            let words = || sclients("--conns 1 --authorization").arg(&file.path).arg(&target);
            assert_refused(words(), part);
        }
    }
    let name = format!("--conns 1 --resolve example.net:{port}:{bare} http://example.net:{port}/");
    let file = file(&others);
    assert_refused(sclients(&name).arg("--authorization").arg(&file.path), bare);
}

#[track_caller]
fn assert_refused(command: driver::Sclients, part: &str) {
    let done = command.run().expect(NOT_AUTHORIZED);
    assert_eq!((done.stdout.as_str(), done.stderr.len()), ("", 1), "{:?}", done.stderr);
    assert!(done.stderr[0].contains(part), "{part:?} is not in {:?}", done.stderr);
}

#[test]
fn an_entry_lets_a_run_go_as_it_says_to_the_addresses_that_were_checked() {
    in_namespace("an_entry_lets_a_run_go_as_it_says_to_the_addresses_that_were_checked", || {
        let server = Server::listen("192.0.2.1:0", "");
        let file = file(&[
            "network = '192.0.0.0/16'\nexpires = 2024-02-29",
            "network = '192.0.2.0/24'\nexpires = 9999-12-31",
        ]);
        // No resolver knows the name: a second look-up would find nothing.
        let port = server.port();
        let run = |words: &str| {
            let target = format!(
                "--resolve example.net:{port}:192.0.2.1 http://example.net:{port}/ {words}"
            );
            sclients(&target).arg("--authorization").arg(&file.path).run()
        };
        let report = run("--conns 4 --duration 2s --format json").expect(0).json();
        let (sent, seconds) = (report.count("requests.sent"), report.number("throughput.seconds"));
        let most = 20.0 * (seconds + 0.5);
        assert!(sent > 10 && sent as f64 <= most, "{sent} requests in {seconds} s");
        assert_eq!(report.text("plan.peer"), server.address);
        assert_eq!(report.count("plan.connect_rate"), 50);
        assert_eq!(report.at("stopped"), &Value::Null);
        assert_eq!(
            report.at("plan.authorization"),
            &serde_json::json!({
                "by": "file", "network": "192.0.2.0/24", "port": null, "connections": 4,
                "requests_per_s": 20, "attempts_per_s": 50, "expires": "9999-12-31",
                "contact": "ops@example.org", "purpose": "capacity of the spring release",
            })
        );
        let text = run("--conns 1 --requests 3").expect(0).stdout;
        for part in [
            "\nauthorized   192.0.2.0/24 by --authorization until 9999-12-31: at most 4 connec",
            "20 requests/s, 50 attempts/s\n",
            "contact ops@example.org · purpose capacity of the spring release\n",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let over = run("--procs 2 --conns 3").expect(NOT_AUTHORIZED);
        assert!(over.stderr[0].contains("6 connections (--procs 2 × --conns 3)"));
        let seen = server.stop();
        assert_eq!(seen.count("target.requests_seen"), sent + 3);
    });
}

#[test]
fn a_configuration_names_the_authorisation_file_too() {
    let file = file(&["network = '192.0.2.0/24'\nexpires = 2024-02-29"]);
    let config = file.path.with_file_name("run.toml");
    fs::write(&config, format!("conns = 1\nauthorization = {:?}\n", file.path)).unwrap();
    let target = "http://192.0.2.1:8080/";
    assert_refused(sclients("--config").arg(&config).arg(target), "2024-02-29");
    fs::write(&file.path, "[[allow]]").unwrap();
    let done = sclients("--config").arg(&config).arg(target).run().expect(2);
    assert!(done.stderr[0].contains("--authorization: "), "{:?}", done.stderr);
}

#[test]
fn a_host_that_is_named_again_is_recorded_as_such() {
    in_namespace("a_host_that_is_named_again_is_recorded_as_such", || {
        let server = Server::listen("192.0.2.1:0", "");
        let words = "--authorized 192.0.2.1 --conns 2 --requests 5 --format json";
        let report = sclients(words).arg(server.url()).run().expect(0).json();
        assert_eq!(
            report.at("plan.authorization"),
            &serde_json::json!({
                "by": "option", "host": "192.0.2.1", "port": null, "connections": 10,
                "requests_per_s": 10, "attempts_per_s": 10, "expires": null, "contact": null,
                "purpose": null,
            })
        );
        let text =
            sclients("--authorized 192.0.2.1 --conns 2 --requests 5").arg(server.url()).run();
        let text = text.expect(0).stdout;
        assert!(text.contains("\nauthorized   192.0.2.1 by --authorized: at most 10 co"), "{text}");
    });
}

/// A server that hears each connection out and closes it without an answer, until the process ends.
fn closing_server(listen: &str) -> SocketAddr {
    let listener = TcpListener::bind(listen).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || stream.read(&mut [0; 4096]));
        }
    });
    address
}

/// A server that answers each connection once and then closes it, until the process ends.
fn answering_once(listen: &str) -> SocketAddr {
    let listener = TcpListener::bind(listen).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let asked = stream.read(&mut [0; 4096]).is_ok_and(|bytes| bytes > 0);
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                asked.then(|| stream.write_all(answer))
            });
        }
    });
    address
}

#[test]
fn a_server_that_closes_after_each_answer_gets_no_more_requests_than_allowed() {
    let name = "a_server_that_closes_after_each_answer_gets_no_more_requests_than_allowed";
    in_namespace(name, || {
        let server = answering_once("192.0.2.1:0");
        let file = file(&["host = '192.0.2.1'\nexpires = 9999-12-31"]);
        for load in [
            "--conns 4",
            "--conns 4 --load hold --heartbeat 1s",
            "--procs 2 --conns 2 --load hold --heartbeat 1s",
        ] {
            let words = format!("{load} --duration 3s --format json http://{server}/");
            let command = sclients(&words).arg("--authorization").arg(&file.path);
            let report = command.run().expect(0).json();
            // Each worker may begin in the middle of a tick.
            let (sent, most) = (report.count("requests.sent"), 20 * 3 + 2);
            assert!((10..=most).contains(&sent), "{load}: {sent} requests");
        }
    });
}

#[test]
fn a_second_holds_no_more_requests_than_its_ceiling() {
    in_namespace("a_second_holds_no_more_requests_than_its_ceiling", || {
        let entry = "[[allow]]\nhost = '192.0.2.1'\nexpires = 9999-12-31\nconnections = 8\n\
            requests_per_s = 100\nattempts_per_s = 500\ncontact = 'a@example.org'\npurpose = 'p'\n";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("allow.toml");
        fs::write(&path, entry).unwrap();
        let server = Server::listen("192.0.2.1:0", "");
        for (words, most) in [
            ("--procs 1 --conns 4 --duration 1s", 100),
            ("--procs 3 --conns 2 --duration 1s", 100),
            ("--procs 2 --conns 2 --duration 507ms", 50),
            ("--procs 2 --conns 4 --duration 1s --load hold --heartbeat 80ms", 100),
            ("--procs 2 --conns 4 --duration 1s --rate 100", 100),
            ("--procs 1 --conns 4 --duration 1s --rate 100 --arrivals poisson", 100),
            ("--procs 2 --duration 1s --attempt-rate 60 --attempt-timeout 50ms", 100),
        ] {
            let command = sclients("--format json").words(words).arg("--authorization").arg(&path);
            let report = command.arg(server.url()).run().json();
            let sent = report.count("requests.sent");
            let least = if words.contains("rate ") { most / 2 } else { most * 8 / 10 };
            assert!((least..=most).contains(&sent), "{words}: {sent}");
        }
    });
}

/// A scenario of these phases, each of 2 s, in the folder of `file`.
fn phases(file: &File, phases: &[&str]) -> PathBuf {
    let path = file.path.with_file_name("phases.toml");
    let phase = |(index, words): (usize, &&str)| {
        format!("[[phase]]\nname = 'p{index}'\nprocs = 1\nduration = '2s'\n{words}\n")
    };
    fs::write(&path, phases.iter().enumerate().map(phase).collect::<String>()).unwrap();
    path
}

#[test]
fn phases_that_load_at_one_time_share_what_is_allowed() {
    in_namespace("phases_that_load_at_one_time_share_what_is_allowed", || {
        let server = Server::listen("192.0.2.1:0", "");
        let file = file(&["host = '192.0.2.1'\nexpires = 9999-12-31"]);
        let run = |asked: &[&str]| {
            let command = sclients("run").arg(phases(&file, asked)).arg(server.url());
            command.words("--format json --authorization").arg(&file.path).run()
        };
        // 20/s are allowed: 10/s for each of two beside each other, all of it for two in a row.
        for (asked, each) in [
            (["conns = 2", "conns = 2"], 20),
            (["conns = 2", "conns = 2\nafter = 'p0'"], 40),
            (["conns = 2", "conns = 2\nrate = 10"], 20),
        ] {
            let report = run(&asked).expect_or_late(0).json();
            report.assert_ledger();
            for phase in report.list("scenario.phases") {
                let sent = phase["requests"]["sent"].as_u64().unwrap();
                assert!((each * 7 / 10..=each).contains(&sent), "{asked:?}: {sent} of {each}");
            }
        }
        for (asked, part) in [
            (
                ["conns = 2", "conns = 2\nrate = 11"],
                "--rate 11 is over the ceiling of 10 requests/s",
            ),
            (["conns = 2", "conns = 3"], "5 connections (of all phases together) are over"),
            (["conns = 1", "rate = 1\nconns = 1\non-busy = 'grow'"], "11 connections (of all"),
        ] {
            let done = run(&asked).expect(NOT_AUTHORIZED);
            assert!(done.stderr[0].contains(part), "{part}: {:?}", done.stderr);
        }
        let path = phases(&file, &["conns = 1", "conns = 1"]);
        let mild = sclients("run").arg(path).arg(server.url()).words("--authorized 192.0.2.1");
        assert_refused(mild, "phases need an entry in an --authorization file");
        server.stop();
    });
}

#[test]
fn a_run_that_fails_for_ten_seconds_off_loopback_is_stopped_by_itself() {
    let name = "a_run_that_fails_for_ten_seconds_off_loopback_is_stopped_by_itself";
    in_namespace(name, || {
        let server = closing_server("192.0.2.1:0");
        let file = file(&["host = '192.0.2.1'\nexpires = 9999-12-31"]);
        let words = "--conns 2 --duration 50s --interval 20s --format json --authorization";
        let command = sclients(words).arg(&file.path).arg(format!("http://{server}/"));
        let done = command.run().expect(INCOMPLETE);
        let report = done.json();
        assert_eq!(report.text("stopped"), "error_share");
        let reason = report.at("verdict.reasons.0").as_str().unwrap();
        assert!(
            reason.starts_with("stopped, since more than half of what ended failed"),
            "{reason}"
        );
        let (least, most) = (Duration::from_secs(9), Duration::from_secs(25));
        assert!((least..most).contains(&done.waited), "{:?}", done.waited);
        assert!(report.sum("requests.failed") > 10);
        report.assert_ledger();
    });
}

#[test]
fn a_series_ends_with_the_step_that_was_stopped_for_its_failures() {
    let name = "a_series_ends_with_the_step_that_was_stopped_for_its_failures";
    in_namespace(name, || {
        let server = closing_server("192.0.2.1:0");
        let file = file(&["host = '192.0.2.1'\nexpires = 9999-12-31"]);
        let words = "--curve 5..15/3 --step 16s --attempt-timeout 200ms --drain 0s --format json";
        let command = sclients(words).arg("--authorization").arg(&file.path).arg("--out");
        let out = file.path.with_file_name("curve");
        let done = command.arg(&out).arg(format!("http://{server}/")).run().expect(INCOMPLETE);
        let report = done.json();
        let points = report.list("points");
        assert_eq!(points.len(), 1, "{:#}", report.0);
        assert_eq!(points[0]["planned_per_s"], 5.0);
        assert!(points[0]["seconds"].as_f64().unwrap() < 16.0, "{:#}", report.0);
        let reason = report.at("verdict.reasons.0").as_str().unwrap();
        assert!(reason.starts_with("5/s: stopped, since more than half"), "{reason}");
        let saved = fs::read_to_string(out.join("curve.json")).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&saved).unwrap(), report.0);
    });
}

#[test]
fn a_run_that_fails_on_loopback_goes_on() {
    let server = closing_server("127.0.0.1:0");
    let command = sclients("--conns 2 --duration 13s --connect-rate 50 --format json");
    let done = command.arg(format!("http://{server}/")).run();
    let report = done.json();
    assert_eq!(report.at("stopped"), &Value::Null);
    assert_eq!(report.at("plan.authorization"), &Value::Null);
    assert!(report.number("throughput.seconds") > 12.0);
}

#[test]
fn a_file_beside_a_run_on_loopback_changes_nothing() {
    let file = file(&["network = '127.0.0.0/16'\nexpires = 2024-02-29"]);
    let command = sclients("--conns 5 --requests 100 --format json --authorization");
    let report = command.arg(&file.path).run().expect(0).json();
    assert_eq!(report.at("plan.authorization"), &Value::Null);
    assert_eq!(report.at("plan.connect_rate"), &Value::Null);
}

#[test]
fn no_flag_and_no_entry_allows_all() {
    let target = "http://192.0.2.1:8080/";
    for words in ["--authorized *", "--authorized 0.0.0.0/0", "--authorized 192.0.2.0/24"] {
        let done = sclients(words).arg(target).run().expect(2);
        assert!(done.stderr[0].contains("is not a host"), "{:?}", done.stderr);
    }
    for words in ["--authorized 0.0.0.0", "--authorized ::", "--authorized localhost"] {
        sclients("--conns 1").words(words).arg(target).run().expect(NOT_AUTHORIZED);
    }
    for network in ["0.0.0.0/0", "::/0", "128.0.0.0/1", "::ffff:0.0.0.0/96"] {
        let file = file(&[&format!("network = '{network}'\nexpires = 9999-12-31")]);
        let command = sclients("--conns 1 --authorization").arg(&file.path).arg(target);
        let done = command.run().expect(2);
        assert!(done.stderr[0].contains("is wider than /"), "{:?}", done.stderr);
    }
}
