//! What cannot be meant, does not fit or is not allowed: one clear line, the right exit code, no
//! partial run.

mod driver;

use driver::{Sclients, closed_port, sclients};
use std::path::Path;

const USAGE: i32 = 2;
const REFUSED: i32 = 3;
const UNREACHABLE: i32 = 4;
const NOT_AUTHORIZED: i32 = 6;

/// Runs `command`: it ends with `code` and one line that holds each of `parts`.
#[track_caller]
fn assert_refused(command: Sclients, code: i32, parts: &[&str]) {
    let done = command.run().expect(code);
    assert_eq!(done.stdout, "");
    assert_eq!(done.stderr.len(), 1, "{:#?}", done.stderr);
    let line = &done.stderr[0];
    assert!(line.starts_with("sclients: "), "{line}");
    for part in parts {
        assert!(line.contains(part), "{part:?} is not in {line:?}");
    }
}

#[test]
fn what_cannot_be_meant_is_one_line_that_names_the_value() {
    let table: [(&str, &[&str]); 32] = [
        ("--frobnicate", &["--frobnicate", "--help"]),
        ("--con 5", &["--con", "--conns"]),
        ("-Z", &["-Z"]),
        ("127.0.0.1:80", &["TARGET", "http://"]),
        ("http://", &["TARGET"]),
        ("http://127.0.0.1:99999/", &["99999"]),
        ("http://127.0.0.1:x/", &["TARGET"]),
        ("http://[::1/", &["TARGET"]),
        ("ftp://127.0.0.1/", &["ftp"]),
        ("tcp://127.0.0.1", &["TARGET"]),
        ("https://127.0.0.1/", &["https"]),
        ("wss://127.0.0.1/", &["wss"]),
        ("--procs 0", &["--procs", "0"]),
        ("--conns 0", &["--conns", "0"]),
        ("--conns -5", &["-5"]),
        ("--conns 10kk", &["10kk"]),
        ("--conns 99999999999999999999999", &["--conns"]),
        ("--procs 1000000", &["--procs"]),
        ("--duration 0s", &["--duration"]),
        ("--duration 10", &["--duration", "10"]),
        ("--duration 9999999999y", &["--duration"]),
        ("--requests 0", &["--requests"]),
        ("--connect-rate 0", &["--connect-rate"]),
        ("--load frantic", &["frantic", "closed"]),
        ("--load overload", &["overload"]),
        ("--format xml", &["xml", "json"]),
        ("--source 300.1.1.1", &["300.1.1.1"]),
        ("--heartbeat 1s", &["--heartbeat", "hold"]),
        ("--watch-pid 0", &["--watch-pid", "0"]),
        ("--watch-pid 4194304", &["--watch-pid 4194304", "no such process"]),
        ("--target-leak 1MB", &["--target-leak", "1MB/min"]),
        ("--target-leak 0/min", &["--target-leak", "1 to"]),
    ];
    for (words, parts) in table {
        assert_refused(sclients(words), USAGE, parts);
    }
}

#[test]
fn a_stall_that_cannot_be_meant_is_one_line() {
    let table: [(&str, &[&str]); 9] = [
        ("--target-stall 2s", &["--target-stall", "2s", "AT:FOR"]),
        ("--target-stall :", &["--target-stall", "not a duration"]),
        ("--target-stall=-1s:2s", &["-1s"]),
        ("--target-stall -1s:2s", &["-1"]),
        ("--target-stall 1s:0s", &["too short"]),
        ("--target-stall 1s:1s http://127.0.0.1:9/", &["--target-stall", "TARGET"]),
        ("serve --stall 1s:2s,2s:1s", &["--stall", "1s", "2s", "over"]),
        ("serve --stall 1s:end --stall 9s:1s", &["--stall", "over"]),
        ("serve --stall 1s:1s --hostile mute", &["--stall", "--hostile"]),
    ];
    for (words, parts) in table {
        assert_refused(sclients(words), USAGE, parts);
    }
}

#[test]
fn a_value_with_control_bytes_stays_one_line() {
    assert_refused(sclients("").arg("http://a\nb\x1b[31m/"), USAGE, &["TARGET"]);
    assert_refused(sclients("--conns").arg("1\r\n2"), USAGE, &["--conns"]);
    assert_refused(sclients("-H").arg("A: b\r\nC: d"), USAGE, &["--header"]);
}

#[test]
fn a_word_that_is_not_utf8_is_refused() {
    use std::os::unix::ffi::OsStringExt;
    let word = std::ffi::OsString::from_vec(vec![b'h', 0xff, 0xfe]);
    assert_refused(sclients("").arg(word), USAGE, &["sclients: "]);
}

#[test]
fn a_host_without_address_is_refused() {
    assert_refused(sclients("http://no-such-host.invalid/"), USAGE, &["no-such-host.invalid"]);
}

#[test]
fn a_port_where_nobody_listens_ends_the_run_by_itself() {
    let closed = closed_port();
    let address = format!("127.0.0.1:{closed}");
    let command = sclients(&format!("--conns 5 http://{address}/"));
    assert_refused(command, UNREACHABLE, &[&address, "connect.refused"]);
    let command = sclients(&format!("--procs 2 --conns 5 --load hold tcp://{address}"));
    assert_refused(command, UNREACHABLE, &[&address]);
}

#[test]
fn a_program_is_told_in_json_that_nobody_listens() {
    let closed = closed_port();
    let address = format!("127.0.0.1:{closed}");
    let words = format!("--format json --procs 2 --conns 5 http://{address}/");
    let done = sclients(&words).run().expect(UNREACHABLE);
    assert_eq!(done.stderr.len(), 1, "{:#?}", done.stderr);
    let line = done.stderr[0].strip_prefix("sclients: ").unwrap();
    let report = done.json();
    report.assert_ledger();
    assert_eq!(report.count("schema"), 1);
    assert_eq!(report.text("verdict.state"), "invalid");
    assert_eq!(report.text("verdict.reasons.0"), line);
    assert_eq!(report.text("plan.peer"), address);
    assert!(report.at("connections.failed")["connect.refused"].as_u64() > Some(0));
    assert_eq!(report.count("connections.established"), 0);
}

#[test]
fn a_source_of_another_host_is_refused_before_anything_is_opened() {
    assert_refused(sclients("--source 192.0.2.1 --conns 5"), REFUSED, &["192.0.2.1"]);
}

#[test]
fn more_connections_than_a_process_may_open_are_refused_with_what_fits() {
    let table = ["--conns 30000", "--procs 2 --conns 30k --load hold", "serve --conns 30000"];
    for words in table {
        let parts = ["open files", "30,0", "--procs"];
        let parts = if words.starts_with("serve") { &parts[..1] } else { &parts[..] };
        assert_refused(sclients(words), REFUSED, parts);
    }
}

#[test]
fn an_address_to_listen_at_that_is_taken_or_not_ours_is_refused() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    assert_refused(sclients("serve --listen").arg(&address), REFUSED, &[&address]);
    assert_refused(sclients("--conns 5 --target-listen").arg(&address), REFUSED, &[&address]);
    assert_refused(sclients("serve --listen 192.0.2.1:0"), REFUSED, &["192.0.2.1"]);
}

#[test]
fn another_host_is_not_loaded_unless_it_is_named_again_and_then_mildly() {
    let table: [(&str, &[&str]); 6] = [
        ("--conns 5 http://192.0.2.1/", &["192.0.2.1", "--authorized"]),
        ("--conns 5 tcp://192.0.2.1:7", &["192.0.2.1", "--authorized"]),
        ("--conns 5 --authorized 192.0.2.2 http://192.0.2.1/", &["192.0.2.1", "--authorized"]),
        ("--conns 11 --authorized 192.0.2.1 http://192.0.2.1/", &["11 connections", "10"]),
        (
            "--conns 5 --duration 11s --authorized 192.0.2.1 http://192.0.2.1/",
            &["11s", "10s", "--duration"],
        ),
        ("--conns 5 http://0.0.0.0/", &["0.0.0.0"]),
    ];
    for (words, parts) in table {
        assert_refused(sclients(words), NOT_AUTHORIZED, parts);
        assert_refused(sclients("doctor").words(words), NOT_AUTHORIZED, parts);
    }
}

#[test]
fn a_name_that_resolves_to_another_host_needs_consent_too() {
    let words = "--conns 5 --resolve localhost:80:192.0.2.1 http://localhost/";
    assert_refused(sclients(words), NOT_AUTHORIZED, &["192.0.2.1"]);
}

#[test]
fn a_file_that_allows_nothing_that_can_be_meant_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let entry = "[[allow]]\nhost = 'a'\nconnections = 1\nrequests_per_s = 1\nattempts_per_s = 1\n\
                 expires = 2027-01-31\ncontact = 'a'\npurpose = 'b'\n";
    let wide = entry.replace("host = 'a'", "network = '0.0.0.0/0'");
    let inside = entry.replace("host = 'a'", "network = '10.9.0.77/24'");
    let nobody = entry.replace("contact = 'a'\n", "");
    let large = format!("{entry}# {}", "x".repeat(1 << 20));
    let table: [(&str, &[&str]); 8] = [
        ("[[allow]", &["allow.toml", "line 1"]),
        ("\u{0}", &["allow.toml", "line 1"]),
        ("", &["allow.toml", "there is no entry", "[[allow]]"]),
        ("all = true", &["allow.toml", "`all`", "[[allow]]"]),
        (&wide, &["entry 1", "0.0.0.0/0", "wider than /16", "name the networks"]),
        (&inside, &["entry 1", "`10.9.0.77/24`", "write 10.9.0.0/24 if", "10.9.0.77/32"]),
        (&nobody, &["entry 1", "`contact` is missing"]),
        (&large, &["allow.toml", "1048576"]),
    ];
    let path = folder.path().join("allow.toml");
    for (content, parts) in table {
        std::fs::write(&path, content).unwrap();
        let parts = [&["--authorization: "], parts].concat();
        for words in ["", "doctor", "http://192.0.2.1/"] {
            assert_refused(sclients(words).arg("--authorization").arg(&path), USAGE, &parts);
        }
    }
    let missing = folder.path().join("missing.toml");
    for path in [folder.path(), &missing, Path::new("/dev/zero")] {
        let command = sclients("--authorization").arg(path);
        assert_refused(command, USAGE, &["--authorization: ", path.to_str().unwrap()]);
    }
}

#[test]
fn a_slowness_that_cannot_be_meant_is_one_line_that_names_it() {
    for option in ["--read-rate", "--write-rate", "--rcvbuf"] {
        for value in ["0", "-1", "fast", "1.5", "2GiB", "99999999999999999999999", "10KiB/s"] {
            assert_refused(sclients(option).arg(value), USAGE, &[value]);
        }
    }
    assert_refused(sclients("--rcvbuf 1GiB"), REFUSED, &["--rcvbuf", "rmem_max"]);
}

#[test]
fn slow_clients_on_another_host_need_more_than_its_name() {
    for words in ["--read-rate 100", "--write-rate 1KiB", "--rcvbuf 4096"] {
        let parts = ["slow clients", "192.0.2.1", "--authorization"];
        let words = format!("--conns 1 --authorized 192.0.2.1 {words} http://192.0.2.1/");
        assert_refused(sclients(&words), NOT_AUTHORIZED, &parts);
        assert_refused(sclients("doctor").words(&words), NOT_AUTHORIZED, &parts);
    }
}

#[test]
fn a_file_that_is_no_configuration_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let table = [
        ("broken.toml", "procs = = 2", "broken.toml"),
        ("unknown.toml", "frobs = 2", "frobs"),
        ("resume.toml", "resume = 'run1'", "resume"),
        ("value.toml", "procs = 0", "procs"),
        ("kind.toml", "[procs]\nx = 1", "procs"),
        ("nested.toml", "config = \"other.toml\"", "config"),
        ("bytes.toml", "\u{0}\u{1}", "bytes.toml"),
    ];
    for (name, content, part) in table {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        assert_refused(sclients("--config").arg(path), USAGE, &["--config", part]);
    }
    assert_refused(sclients("--config").arg(folder.path()), USAGE, &["--config"]);
    let missing = folder.path().join("missing.toml");
    assert_refused(sclients("--config").arg(missing), USAGE, &["missing.toml"]);
    assert_refused(sclients("--config /dev/zero"), USAGE, &["--config"]);
}

#[test]
fn a_body_that_cannot_be_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let table = ["@missing", "@.", "@/dev/zero"];
    for word in table {
        let command = sclients("http://127.0.0.1:1/ -d").arg(word).in_folder(folder.path());
        assert_refused(command, USAGE, &["--data"]);
    }
}

#[test]
fn options_without_meaning_together_are_refused() {
    let table = [
        "--target-delay 1s http://127.0.0.1:1/",
        "-X POST tcp://127.0.0.1:1",
        "--message-bytes 5 http://127.0.0.1:1/",
        "--load hold --think 1s",
        "--no-reopen",
    ];
    for words in table {
        assert_refused(sclients(words), USAGE, &["--"]);
    }
}
