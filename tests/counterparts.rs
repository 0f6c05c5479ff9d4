//! Real programs at the other end: servers that count what we sent, clients that count what we
//! answered. Every number equals theirs. `.ci/run` installs them; one that is missing fails its test.

mod driver;
#[path = "counterparts/programs.rs"]
mod programs;

use driver::{Report, Sclients, Server, sclients};
use nix::sys::signal::Signal;
use programs::{Foreign, Kind, number_after, number_before, run};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

const NGINX: Kind = Kind::nginx(include_str!("counterparts/nginx.conf"));

const HAPROXY: Kind = Kind {
    program: "haproxy",
    package: "haproxy",
    config: include_str!("counterparts/haproxy.cfg"),
    words: "-db -f @CONFIG@",
    end: Signal::SIGUSR1,
};

const LIGHTTPD: Kind = Kind {
    program: "lighttpd",
    package: "lighttpd",
    config: include_str!("counterparts/lighttpd.conf"),
    words: "-D -f @CONFIG@",
    end: Signal::SIGINT,
};

const H2O: Kind = Kind {
    program: "h2o",
    package: "h2o",
    config: include_str!("counterparts/h2o.conf"),
    words: "-c @CONFIG@",
    end: Signal::SIGTERM,
};

const PYTHON: Kind = Kind {
    program: "python3",
    package: "python3",
    config: include_str!("counterparts/server.py"),
    words: "@CONFIG@ @PORT@",
    end: Signal::SIGTERM,
};

const PLACES: u64 = 40;

/// 40 connections in two workers for a second.
fn load() -> Sclients {
    sclients("--procs 2 --conns 20 --duration 1s --format json")
}

/// The report of a run in which all went well.
#[track_caller]
fn report(run: Sclients) -> Report {
    let report = run.run().expect(0).json();
    report.assert_ledger();
    report.assert_sound();
    assert_eq!(report.at("connections.failed"), &json!({}), "{:#}", report.0);
    report
}

/// Each request that was sent was seen by the server and answered by 200, and none other was.
#[track_caller]
fn assert_all_answered(report: &Report, seen: usize) {
    let seen = u64::try_from(seen).unwrap();
    let (completed, sent) = (report.count("requests.completed"), report.count("requests.sent"));
    println!("completed {completed}, seen {seen}, sent {sent}");
    assert_eq!(report.at("requests.failed"), &json!({}), "completed {completed}, seen {seen}");
    assert_eq!((completed, sent), (seen, seen), "completed and sent, both as seen");
    assert_eq!(report.count("requests.in_flight"), 0);
    assert_eq!(report.at("statuses"), &json!({ "200": seen }));
    assert!(seen >= PLACES, "{seen}");
}

/// Sum over the phases.
fn over_phases(report: &Report, name: &str) -> u64 {
    report.list("phases").iter().map(|phase| phase[name].as_u64().unwrap()).sum()
}

/// What nginx tells of a request (see `nginx.conf`).
struct Told {
    method: String,
    connection: u64,
    connection_requests: u64,
    request_length: u64,
    bytes_sent: u64,
}

impl Told {
    fn of(line: &str) -> Self {
        let mut words = line.split_whitespace();
        assert_eq!(words.next(), Some("200"), "{line}");
        let method = words.next().unwrap().to_owned();
        let mut number = || words.next().unwrap().parse().unwrap();
        let (connection, connection_requests) = (number(), number());
        let (request_length, bytes_sent) = (number(), number());
        Self { method, connection, connection_requests, request_length, bytes_sent }
    }
}

/// A run against nginx, which agrees on requests, bytes and connections; what it told.
#[track_caller]
fn against_nginx(path: &str, with: impl FnOnce(Sclients) -> Sclients) -> (Report, Vec<Told>) {
    let nginx = Foreign::start(&NGINX);
    let report = report(with(load()).arg(nginx.url(path)));
    let told: Vec<Told> = nginx.lines("access.log").iter().map(|line| Told::of(line)).collect();
    assert_all_answered(&report, told.len());
    let sum = |of: fn(&Told) -> u64| told.iter().map(of).sum::<u64>();
    assert_eq!(over_phases(&report, "bytes_written"), sum(|one| one.request_length));
    assert_eq!(over_phases(&report, "bytes_read"), sum(|one| one.bytes_sent));
    let used = told.iter().map(|one| one.connection).collect::<HashSet<_>>().len() as u64;
    let established = report.count("connections.established");
    // A connection that was opened again as the run ended has sent nothing.
    assert!((used..=used + PLACES).contains(&established), "{used} used of {established}");
    assert_eq!(report.count("connections.peak_live"), PLACES);
    (report, told)
}

#[track_caller]
fn assert_never_reopened(report: &Report) {
    assert_eq!(report.count("connections.established"), PLACES);
    assert_eq!(report.count("connections.reopened"), 0);
}

#[test]
fn nginx_logs_what_was_completed() {
    let (report, _) = against_nginx("/text", |run| run);
    assert_never_reopened(&report);
}

#[test]
fn nginx_logs_what_was_completed_of_a_file() {
    let (report, _) = against_nginx("/file.txt", |run| run);
    assert_never_reopened(&report);
}

#[test]
fn nginx_that_closes_after_five_requests_is_opened_again_and_loses_none() {
    let (report, told) = against_nginx("/five", |run| run);
    assert_eq!(told.iter().map(|one| one.connection_requests).max(), Some(5));
    let (completed, reopened) =
        (report.count("requests.completed"), report.count("connections.reopened"));
    assert!((completed / 5 - PLACES..=completed / 5).contains(&reopened), "{completed} {reopened}");
}

#[test]
fn nginx_receives_the_bodies_of_posts_whole() {
    let body = "b".repeat(2000);
    let (report, told) = against_nginx("/post", |run| run.arg("-d").arg(body));
    assert_never_reopened(&report);
    let length = told[0].request_length;
    assert!(length > 2000, "{length}");
    assert!(told.iter().all(|one| one.method == "POST" && one.request_length == length));
}

#[test]
fn nginx_answers_head_without_a_body() {
    let (report, told) = against_nginx("/file.txt", |run| run.words("-X HEAD"));
    assert_never_reopened(&report);
    assert!(told.iter().all(|one| one.method == "HEAD"));
}

#[test]
fn a_connection_close_header_makes_each_request_a_connection_and_fails_nothing() {
    let (report, told) = against_nginx("/text", |run| run.arg("-H").arg("Connection: close"));
    assert!(told.iter().all(|one| one.connection_requests == 1));
    let (completed, reopened) =
        (report.count("requests.completed"), report.count("connections.reopened"));
    assert!((completed - PLACES..=completed).contains(&reopened), "{completed} {reopened}");
}

/// A figure of haproxy's own about its front.
fn statistic(haproxy: &Foreign, name: &str) -> u64 {
    let mut socket = UnixStream::connect(haproxy.folder().join("stats")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.write_all(b"show stat\n").unwrap();
    let mut table = String::new();
    socket.read_to_string(&mut table).unwrap();
    let row = |start: &str| {
        let line = table.lines().find(|line| line.starts_with(start)).unwrap();
        line.split(',').map(str::to_owned).collect::<Vec<_>>()
    };
    let column = row("# pxname,").iter().position(|title| title == name).unwrap();
    row("front,FRONTEND,")[column].parse().unwrap()
}

#[test]
fn haproxy_and_nginx_behind_it_both_count_what_was_completed() {
    let nginx = Foreign::start(&NGINX);
    let haproxy = Foreign::before(&HAPROXY, nginx.port());
    let report = report(load().arg(haproxy.url("/text")));
    assert_never_reopened(&report);
    // Its `req_tot` counts our look at its port too, which asked nothing.
    assert_eq!(statistic(&haproxy, "hrsp_2xx"), report.count("requests.completed"));
    let is_200 = |line: &&String| line.starts_with("200 ");
    assert_all_answered(&report, haproxy.lines("stdout").iter().filter(is_200).count());
    assert_all_answered(&report, nginx.lines("access.log").len());
}

#[test]
fn lighttpd_that_closes_after_its_default_of_requests_loses_none() {
    let lighttpd = Foreign::start(&LIGHTTPD);
    let report = report(load().arg(lighttpd.url("/file.txt")));
    assert_all_answered(&report, lighttpd.lines("access.log").len());
    assert!(report.count("connections.reopened") > 0);
}

#[test]
fn h2o_logs_what_was_completed() {
    let h2o = Foreign::start(&H2O);
    let report = report(load().arg(h2o.url("/file.txt")));
    assert_all_answered(&report, h2o.lines("access.log").len());
}

/// A run against Python's server, which counted the same.
#[track_caller]
fn against_python(path: &str) -> Report {
    let python = Foreign::start(&PYTHON);
    let run = sclients("--procs 2 --conns 5 --duration 1s --format json").arg(python.url(path));
    let report = report(run);
    let counted = python.lines("stdout").concat().parse().unwrap();
    assert_all_answered(&report, counted);
    report
}

#[test]
fn python_counts_what_was_completed() {
    let report = against_python("/length");
    assert_eq!(report.count("connections.established"), 10);
}

#[test]
fn chunks_with_extensions_and_a_trailer_end_where_they_say() {
    let report = against_python("/chunked");
    assert_eq!(report.count("connections.established"), 10);
}

#[test]
fn an_answer_that_ends_with_its_connection_is_completed() {
    let report = against_python("/until-close");
    let (completed, reopened) =
        (report.count("requests.completed"), report.count("connections.reopened"));
    assert!((completed - 10..=completed).contains(&reopened), "{completed} {reopened}");
}

/// What our own target saw, which found nothing wrong with it.
#[track_caller]
fn seen(server: Server) -> (u64, u64) {
    let report = server.stop();
    assert_eq!(report.count("target.bad_requests"), 0, "{:#}", report.0);
    assert_eq!(report.at("target.accepts_refused"), &json!({}));
    assert_eq!(report.at("died"), &Value::Array(Vec::new()));
    let of = |name| report.count(&format!("target.{name}"));
    println!("seen: {} connections, {} requests", of("connections_seen"), of("requests_seen"));
    (of("connections_seen"), of("requests_seen"))
}

/// What curl tells of its requests: the heads, then status, bytes and new connections of each.
#[track_caller]
fn curl(words: &str, url: &str) -> String {
    let told = "-sS -m 15 -D - -o /dev/null -w told:%{http_code}:%{size_download}:%{num_connects}_";
    run("curl", "curl", &format!("{told} {words} {url}"))
}

#[test]
fn curl_gets_and_heads_over_one_connection() {
    let server = Server::start("--body-bytes 100");
    let (url, out) = (server.url(), "-o /dev/null");
    let said = curl("", &format!("{url} {out} {url}"));
    assert!(said.contains("told:200:100:1_") && said.contains("told:200:100:0_"), "{said}");
    let said = curl("-I", &url);
    assert!(said.contains("Content-Length: 100") && said.contains("told:200:0:1_"), "{said}");
    assert_eq!(seen(server), (2, 3));
}

#[test]
fn curl_posts_two_megabytes_after_100_continue() {
    let server = Server::start("");
    let said = curl("--data-binary @body", &server.url());
    assert!(said.contains("HTTP/1.1 100 Continue"), "{said}");
    assert!(said.contains("told:200:64:1_"), "{said}");
    assert_eq!(seen(server), (1, 1));
}

#[test]
fn curl_posts_two_megabytes_in_chunks() {
    let server = Server::start("");
    let said = curl("-H Transfer-Encoding:chunked --data-binary @body", &server.url());
    assert!(said.contains("told:200:64:1_"), "{said}");
    assert_eq!(seen(server), (1, 1));
}

#[test]
fn curl_speaks_http_1_0_and_finds_the_connection_closed() {
    let server = Server::start("");
    let url = server.url();
    let said = curl("-0", &format!("{url} -o /dev/null {url}"));
    assert_eq!(said.matches("told:200:64:1_").count(), 2, "{said}");
    assert_eq!(seen(server), (2, 2));
}

#[test]
fn pipelined_requests_are_answered_each() {
    let server = Server::start("");
    let mut socket = TcpStream::connect(&server.address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let requests = "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1000);
    socket.write_all(requests.as_bytes()).unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    let mut answers = String::new();
    socket.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), 1000);
    assert_eq!(seen(server), (1, 1000));
}

#[test]
fn wrk_counts_what_the_target_saw_but_for_its_last_round() {
    let server = Server::start("");
    let said = run("wrk", "wrk", &format!("-t1 -c16 -d1s {}", server.url()));
    let counted = number_before(&said, " requests in ");
    println!("wrk counted {counted}");
    assert!(!said.contains("Socket errors") && !said.contains("Non-2xx"), "{said}");
    let (connections, requests) = seen(server);
    // It stops with a request in flight on each connection, and has looked once whether we are there.
    assert!((counted..=counted + 16).contains(&requests), "{counted} counted, {requests} seen");
    assert!((16..=17).contains(&connections), "{connections}");
}

/// `ab` with 2,000 requests over 8 connections at a time; the connections that the target saw.
#[track_caller]
fn ab(words: &str) -> u64 {
    let server = Server::start("");
    let said = run("ab", "apache2-utils", &format!("-q -n 2000 -c 8 {words} {}", server.url()));
    assert_eq!(number_after(&said, "Complete requests:"), 2000, "{said}");
    assert_eq!(number_after(&said, "Failed requests:"), 0, "{said}");
    assert!(!said.contains("Non-2xx") && !said.contains("Write errors"), "{said}");
    let (connections, requests) = seen(server);
    assert_eq!(requests, 2000);
    connections
}

#[test]
fn ab_counts_what_the_target_saw() {
    // It opens more connections than it needs as it ends, and asks nothing on them.
    let connections = ab("");
    assert!((2000..=2008).contains(&connections), "{connections}");
}

#[test]
fn ab_with_keep_alive_counts_what_the_target_saw() {
    assert_eq!(ab("-k"), 8);
}

#[test]
fn h2load_counts_what_the_target_saw() {
    let server = Server::start("");
    let words = format!("--h1 -n 2000 -c 8 {}", server.url());
    let said = run("h2load", "nghttp2-client", &words);
    for (phrase, count) in [
        (" succeeded", 2000),
        (" failed", 0),
        (" errored", 0),
        (" timeout", 0),
        (" 2xx", 2000),
        (" 5xx", 0),
    ] {
        assert_eq!(number_before(&said, phrase), count, "{phrase}: {said}");
    }
    assert_eq!(seen(server), (8, 2000));
}
