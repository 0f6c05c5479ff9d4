//! Servers that break the protocol: the report shows what they sent, and nothing obeys it.

mod driver;

use driver::{Done, Report, sclients};
use serde_json::Value;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// When a server speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manners {
    /// To each request.
    Answers,
    /// As soon as somebody is there.
    Greets,
}

/// A server that says what `says` gives for the number of the occasion, until the process ends.
fn server(manners: Manners, says: impl Fn(u64) -> Vec<u8> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (says, occasions) = (Arc::new(says), Arc::new(AtomicU64::new(0)));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (says, occasions) = (Arc::clone(&says), Arc::clone(&occasions));
            let say = move || says(occasions.fetch_add(1, Ordering::Relaxed));
            thread::spawn(move || speak(stream, manners, say));
        }
    });
    address
}

fn speak(mut stream: TcpStream, manners: Manners, say: impl Fn() -> Vec<u8>) {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut request = [0; 4096];
    if manners == Manners::Greets {
        let _ = stream.write_all(&say());
    }
    // Requests of these runs come in one piece, one at a time.
    while stream.read(&mut request).is_ok_and(|bytes| bytes > 0) {
        if manners == Manners::Answers && stream.write_all(&say()).is_err() {
            return;
        }
    }
}

fn run(words: &str, address: SocketAddr) -> Done {
    sclients(words).arg(format!("http://{address}/")).run()
}

/// Counts of the samples of this class.
fn counts(samples: &[Value], class: &str) -> Vec<u64> {
    let of_class = samples.iter().filter(|sample| sample["class"] == class);
    of_class.map(|sample| sample["count"].as_u64().unwrap()).collect()
}

const HOSTILE: &[u8] = b"SSH-2.0-\x1b]0;owned\x07evil\r\n";
const SHOWN: &str = r"SSH-2.0-\x1b]0;owned\x07evil\r\n";

#[test]
fn what_the_server_sent_is_shown_to_a_person_and_no_terminal_obeys_it() {
    let address = server(Manners::Answers, |_| HOSTILE.to_vec());
    for color in ["never", "always"] {
        let words = format!("--procs 2 --conns 5 --duration 500ms --color {color}");
        let done = run(&words, address).expect(4);
        assert!(done.stdout.contains(&format!(" × {SHOWN}\n")), "{}", done.stdout);
        assert!(done.stdout.contains("server sent  http.version: "), "{}", done.stdout);
        for text in [&done.stdout, &done.stderr.join("\n")] {
            assert!(!text.contains("\x1b]") && !text.contains('\x07'), "{text:?}");
            assert!(color == "always" || !text.contains('\x1b'), "{text:?}");
        }
    }
}

#[test]
fn a_program_reads_what_the_server_sent_with_its_count() {
    let address = server(Manners::Answers, |_| HOSTILE.to_vec());
    let words = "--format json --procs 2 --conns 5 --duration 500ms --interval 100ms";
    let done = run(words, address).expect(4);
    assert!(!done.stdout.contains(['\x1b', '\x07']));
    let report = done.json();
    report.assert_ledger();
    let failed = report.0["requests"]["failed"]["http.version"].as_u64().unwrap();
    assert!(failed >= 10, "{failed}");
    assert_eq!(report.sum("requests.failed"), failed);
    assert_eq!(
        report.at("samples"),
        &serde_json::json!([{ "class": "http.version", "text": SHOWN, "count": failed }])
    );
    assert_eq!(report.at("samples_other"), &serde_json::json!({}));
}

#[test]
fn a_server_that_invents_strings_is_capped_and_every_answer_is_counted() {
    let address = server(Manners::Answers, |number| match number % 5 {
        0 => b"HTTP/1.1 999 always the same\r\n\r\n".to_vec(),
        _ => format!("invented {number}\r\n").into_bytes(),
    });
    let words = "--format json --procs 2 --conns 200 --duration 2s --interval 100ms";
    let report = run(words, address).expect(4).json();
    report.assert_ledger();
    let samples = report.list("samples");
    for (class, kinds) in [("http.version", 3), ("http.status_code", 1)] {
        let failed = report.0["requests"]["failed"][class].as_u64().unwrap();
        let shown = counts(samples, class);
        assert_eq!(shown.len(), kinds, "{samples:#?}");
        let other = report.at("samples_other").get(class);
        let other_count = other.map_or(0, |other| other["count"].as_u64().unwrap());
        assert_eq!(shown.iter().sum::<u64>() + other_count, failed, "{class}");
    }
    let other = &report.at("samples_other")["http.version"];
    assert_eq!(other["capped"], true);
    let distinct = other["distinct"].as_u64().unwrap();
    assert!((8..=253).contains(&distinct), "{distinct}");
}

#[test]
fn an_answer_that_nobody_asked_for_is_shown() {
    let address = server(Manners::Greets, |_| b"HTTP/1.1 408 Too Slow\r\n\r\n".to_vec());
    let words = "--format json --conns 5 --load hold --no-reopen --duration 500ms";
    let report = run(words, address).json();
    report.assert_ledger();
    assert_eq!(report.text("samples.0.class"), "unsolicited");
    assert_eq!(report.text("samples.0.text"), r"HTTP/1.1 408 Too Slow\r\n\r\n");
    assert_eq!(report.count("samples.0.count"), 5);
}

/// How many samples of this class there were, shown or not.
fn sampled(report: &Report, class: &str) -> u64 {
    let other = report.at("samples_other").get(class);
    let other = other.map_or(0, |other| other["count"].as_u64().unwrap());
    counts(report.list("samples"), class).iter().sum::<u64>() + other
}

const EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn what_comes_behind_an_answer_is_shown_as_often_as_it_is_counted() {
    let interim = "HTTP/1.1 103 Early Hints\r\nContent-Length: 7\r\n\r\n";
    for (class, answer, shown) in [
        ("unsolicited", format!("{EMPTY}HTTP/1.1 500 No\r\n\r\n"), r"HTTP/1.1 500 No\r\n\r\n"),
        ("extra_data", format!("{EMPTY}\x1bmore"), r"\x1bmore"),
        ("extra_data", format!("{interim}surplus{EMPTY}"), "surplus"),
    ] {
        let address = server(Manners::Answers, move |_| answer.clone().into_bytes());
        let report = run("--format json --conns 5 --requests 50", address).expect(0).json();
        report.assert_ledger();
        assert_eq!(report.count(&format!("requests.{class}")), 50);
        let samples = serde_json::json!([{ "class": class, "text": shown, "count": 50 }]);
        assert_eq!(report.at("samples"), &samples);
        let text = run("--conns 5 --requests 50", address).expect(0).stdout;
        assert!(text.contains(&format!("server sent  {class}: 50 × {shown}\n")), "{text}");
    }
    let inventive = server(Manners::Answers, |number| {
        format!("{EMPTY}{}invented {number}", if number % 2 == 0 { "" } else { EMPTY }).into_bytes()
    });
    let report = run("--format json --conns 9 --requests 200", inventive).expect(0).json();
    for class in ["unsolicited", "extra_data"] {
        assert_eq!(report.count(&format!("requests.{class}")), 100);
        assert_eq!(sampled(&report, class), 100, "{class}");
    }
}

#[test]
fn the_limit_of_a_body_is_of_its_data_and_over_it_is_nobodys_fault() {
    let body = format!("{CHUNKED}64;why=not\r\n{}\r\n0\r\nTrailer: t\r\n\r\n", "x".repeat(100));
    let address = server(Manners::Answers, move |_| body.clone().into_bytes());
    let run = |max: u32, code| {
        let words = format!("--format json --conns 2 --requests 8 --max-body {max}");
        run(&words, address).expect(code).json()
    };
    assert_eq!(run(100, 0).count("requests.completed"), 8);
    let over = run(99, 4);
    assert_eq!(over.count("requests.failed.body_limit"), 8);
    let faults = serde_json::json!({ "target": 0, "network": 0, "tester": 0, "asked": 8 });
    assert_eq!(over.at("requests.faults"), &faults);
    assert_eq!(over.text("verdict.state"), "valid");
}

#[test]
fn lenient_says_how_much_it_forgave() {
    let chunks = |number| match number % 4 {
        0 => format!("{CHUNKED}2\nok\n0\n\n"),
        1 => format!("{CHUNKED}2\r\nok\r\n0\r\nA: b\n\r\n"),
        2 => "HTTP/1.1 200 OK\nContent-Length: 2\n\nok".to_owned(),
        _ => format!("{CHUNKED}2\r\nok\r\n0\r\n\r\n"),
    };
    let address = server(Manners::Answers, move |number| chunks(number).into_bytes());
    let words = "--conns 2 --requests 40 --lenient";
    let report = run(&format!("--format json {words}"), address).expect(0).json();
    assert_eq!((report.count("requests.completed"), report.count("requests.forgiven")), (40, 30));
    let text = run(words, address).expect(0).stdout;
    assert!(text.contains("lenient: 30 answers were taken that the standard forbids\n"), "{text}");
    let strict = run("--format json --conns 2 --requests 40", address).expect(0).json();
    assert_eq!((strict.count("requests.completed"), strict.count("requests.forgiven")), (10, 0));
    assert_eq!(strict.at("requests.failed")["http.chunk"], 10);
    let text = sclients(words).run().expect(0).stdout;
    assert!(text.contains("lenient: nothing had to be forgiven\n"), "{text}");
}

/// More than the buffers of both ends hold.
const UPLOAD_BYTES: usize = 32 << 20;

/// A server that answers an upload at once, waits, and then takes the rest, or never; says how much it took.
fn early_server(reads_on: bool) -> (SocketAddr, mpsc::Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (took, taken) = mpsc::channel();
    thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut room = vec![0; 1 << 16];
        let mut bytes = stream.read(&mut room).unwrap();
        stream.write_all(EMPTY.as_bytes()).unwrap();
        thread::sleep(Duration::from_millis(300));
        if reads_on {
            bytes += io::copy(&mut stream, &mut io::sink()).unwrap() as usize;
        }
        let _ = took.send(bytes);
        // The connection stays open while the run lasts.
        thread::sleep(Duration::from_secs(5));
    });
    (address, taken)
}

#[test]
fn the_end_of_a_run_waits_for_the_rest_of_an_upload_that_was_answered() {
    let mut upload = tempfile::NamedTempFile::new().unwrap();
    upload.write_all(&vec![b'x'; UPLOAD_BYTES]).unwrap();
    let data = format!("@{}", upload.path().display());
    for until in ["--requests 1", "--duration 100ms --think 10s"] {
        let words = format!("--format json --conns 1 --early-answer finish {until} -d");
        let (address, taken) = early_server(true);
        let command = sclients(&words).arg(&data).arg(format!("http://{address}/"));
        let report = command.run().expect(0).json();
        report.assert_ledger();
        assert_eq!(report.count("requests.early_response"), 1);
        assert_eq!(report.count("requests.upload_cut"), 0);
        let taken = taken.recv_timeout(driver::DEADLINE).unwrap();
        assert!(taken > UPLOAD_BYTES, "{taken}, head included");
        assert_eq!(
            report.count("phases.2.bytes_written") + report.count("phases.3.bytes_written"),
            taken as u64
        );
    }
    let (address, _taken) = early_server(false);
    let words = "--format json --conns 1 --early-answer finish --requests 1 --drain 400ms -d";
    let command = sclients(words).arg(&data).arg(format!("http://{address}/"));
    let done = command.run().expect(0);
    done.json().assert_ledger();
    assert_eq!(done.json().count("requests.upload_cut"), 1);
    assert!(done.waited < Duration::from_secs(3), "{:?}", done.waited);
}

#[test]
fn answers_in_order_show_no_samples() {
    let report = sclients("--format json --conns 5 --requests 50").run().expect(0).json();
    assert_eq!(report.at("samples"), &serde_json::json!([]));
    let text = sclients("--conns 5 --requests 50").run().expect(0).stdout;
    assert!(!text.contains("server sent"), "{text}");
}
