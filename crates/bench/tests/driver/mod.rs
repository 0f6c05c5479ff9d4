//! What the tests of the programs share: the built binary, and a small server of std.

#![allow(dead_code)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;

/// Requests by method.
pub type Seen = Arc<Mutex<BTreeMap<String, u64>>>;

/// What the server does after an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It waits for the next request.
    GoesOn,
    /// It says so and closes.
    Closes,
}

/// A server that answers every request and counts them by method; it ends with the test's process.
pub fn server(then: Then) -> (SocketAddr, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Seen::default();
    let counted = Arc::clone(&seen);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let counted = Arc::clone(&counted);
            thread::spawn(move || {
                let stream = stream.unwrap();
                while answer(&stream, &counted, then).is_some() && then == Then::GoesOn {}
            });
        }
    });
    (address, seen)
}

fn answer(mut stream: &TcpStream, seen: &Seen, then: Then) -> Option<()> {
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
    let connection = if then == Then::Closes { "Connection: close\r\n" } else { "" };
    let answer = format!("HTTP/1.1 200 OK\r\n{connection}Content-Length: 2\r\n\r\nok");
    stream.write_all(answer.as_bytes()).ok()
}

/// An address where nobody listens.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The binary with these words.
pub fn command(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sclients-bench"));
    command.args(words);
    command
}

/// Runs it to its end.
pub fn run(words: &[&str]) -> Output {
    command(words).output().unwrap()
}

/// What it printed.
pub fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What it complained of.
pub fn complaint(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The first number that stands between `before` and the blank or end of line after it.
pub fn number_after(text: &str, before: &str) -> u64 {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no `{before}` in {text}"));
    rest.split_whitespace().next().unwrap().parse().unwrap()
}
