//! `sclients-bench http-processing` against a small server of std: every request is answered, and
//! the program's counts are the server's.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;

type Seen = Arc<Mutex<BTreeMap<String, u64>>>;

/// A server that answers every request and counts them by method; it ends with the test's process.
fn server() -> (SocketAddr, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Seen::default();
    let counted = Arc::clone(&seen);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let counted = Arc::clone(&counted);
            thread::spawn(move || while answer(stream.as_ref().unwrap(), &counted).is_some() {});
        }
    });
    (address, seen)
}

fn answer(mut stream: &TcpStream, seen: &Seen) -> Option<()> {
    let mut reader = BufReader::with_capacity(1, stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
    let method = line.split(' ').next()?.to_owned();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    reader.read_exact(&mut vec![0; length]).ok()?;
    *seen.lock().unwrap().entry(method).or_default() += 1;
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").ok()
}

fn http_processing(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sclients-bench"));
    command.arg("http-processing").args(words).output().unwrap()
}

#[test]
fn every_get_and_post_is_answered_and_counted_as_the_server_does() {
    let (address, seen) = server();
    let url = format!("http://{address}/");
    let done = http_processing(&["--get", "2", "--post", "3", "--requests", "200", &url]);
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success() && said.contains("status 200: 200"), "{said}");
    let seen = seen.lock().unwrap();
    assert_eq!(seen.values().sum::<u64>(), 200);
    assert!(seen["GET"] > 0 && seen["POST"] > 0);
}

#[test]
fn a_refused_connection_is_a_failure_with_its_reason() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let done = http_processing(&["--get", "1", "--post", "0", &format!("http://{free}/")]);
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(said.contains("failed, connection refused: 1"), "{said}");
    assert_eq!(done.status.code(), Some(1));
}

#[test]
fn a_mistake_is_one_line_and_exit_code_2() {
    let done = http_processing(&["--got", "1", "http://127.0.0.1:1/"]);
    assert_eq!(done.status.code(), Some(2));
    assert_eq!(String::from_utf8(done.stderr).unwrap().lines().count(), 1);
}
