//! Requests, good and bad, pipelined, held back, and half closed.

use std::rc::Rc;

use protocols::http1::{Responses, Server};
use protocols::{Machine, Received, ServerEvent, ServerMachine};

use crate::driver::{Feeder, cuts, drain, served};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

fn server(body_bytes: u64) -> Server {
    Server::new(Rc::new(Responses::new(body_bytes)))
}

fn ok(connection: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nServer: sclients\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n{connection}\r\n{body}"
    )
}

fn refusal(status: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nServer: sclients\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
}

/// The same events and the same bytes however the stream is cut.
fn check(stream: &str, expected: &[ServerEvent], answers: &str) {
    for pieces in cuts(stream.as_bytes()) {
        let (events, sent) = served(&mut server(3), &pieces, false);
        assert_eq!(events, expected, "{pieces:?}");
        assert_eq!(String::from_utf8(sent).unwrap(), answers, "{pieces:?}");
    }
}

fn accepts(request: &str, answer: &str) {
    check(request, &[ServerEvent::Requested], answer);
}

fn refuses(request: &str, status: &str) {
    check(request, &[ServerEvent::BadRequest], &refusal(status));
}

#[test]
fn requests_with_and_without_a_body() {
    for request in [
        GET,
        "GET http://h/a?b HTTP/1.1\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "M-SEARCH * HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
        "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nSum: 1\r\n\r\n",
    ] {
        accepts(request, &ok("", "xxx"));
    }
}

#[test]
fn head_gets_the_head_alone() {
    accepts("HEAD / HTTP/1.1\r\n\r\n", &ok("", ""));
    accepts(
        "HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        &ok("Connection: keep-alive\r\n", ""),
    );
    accepts("HEAD / HTTP/1.0\r\n\r\n", &ok("Connection: close\r\n", ""));
}

#[test]
fn the_connection_lasts_as_asked() {
    for (line, fields, connection) in [
        ("HTTP/1.1", "Connection: close\r\n", "Connection: close\r\n"),
        ("HTTP/1.0", "", "Connection: close\r\n"),
        ("HTTP/1.0", "Connection: Keep-Alive\r\n", "Connection: keep-alive\r\n"),
        ("HTTP/1.1", "Connection: keep-alive\r\n", ""),
    ] {
        accepts(&format!("GET / {line}\r\n{fields}\r\n"), &ok(connection, "xxx"));
    }
}

#[test]
fn nothing_is_taken_behind_an_answer_that_closes() {
    let mut server = server(3);
    let stream = format!("GET / HTTP/1.0\r\n\r\n{GET}");
    let (events, sent) = served(&mut server, &[stream.as_bytes()], false);
    assert_eq!(events, [ServerEvent::Requested]);
    assert_eq!(sent, ok("Connection: close\r\n", "xxx").as_bytes());
    assert!(server.finished() && server.carry_limit() == 0);
    assert_eq!(server.receive(GET.as_bytes()), Received { consumed: 0, event: None });
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let stream =
        format!("{GET}HEAD / HTTP/1.1\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx{GET}");
    let answers = [ok("", "xxx"), ok("", ""), ok("", "xxx"), ok("", "xxx")].concat();
    check(&stream, &[ServerEvent::Requested; 4], &answers);
}

#[test]
fn malformed_requests_are_refused() {
    for bad in [
        "\0\0",
        "GET / HTTP/1.1\nHost: h\n\n",
        "GET  / HTTP/1.1\r\n\r\n",
        "GET /\r\n",
        "GET /\u{e9} HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nA : b\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx",
    ] {
        refuses(bad, "400 Bad Request");
    }
    refuses("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 HTTP Version Not Supported");
    refuses("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", "501 Not Implemented");
    refuses("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "501 Not Implemented");
    let flood = format!("GET / HTTP/1.1\r\nA: {}", "b".repeat(70_000));
    refuses(&flood, "431 Request Header Fields Too Large");
}

#[test]
fn a_refusal_waits_for_the_answers_before_it() {
    let mut server = server(3);
    let stream = format!("{GET}\0");
    let mut events = Vec::new();
    Feeder::default().feed(&mut server, stream.as_bytes(), |_, event, _| events.push(event));
    assert_eq!(events, [ServerEvent::Requested, ServerEvent::BadRequest]);
    assert!(server.pending().is_empty() && !server.finished());
    server.respond();
    let mut sent = Vec::new();
    drain(&mut server, &mut sent);
    assert_eq!(String::from_utf8(sent).unwrap(), ok("", "xxx") + &refusal("400 Bad Request"));
    assert!(server.finished());
}

#[test]
fn continue_is_sent_before_the_body() {
    let head = "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let (events, sent) = served(&mut server(3), &[head.as_bytes(), b"he", b"llo"], false);
    assert_eq!(events, [ServerEvent::Requested]);
    assert_eq!(String::from_utf8(sent).unwrap(), CONTINUE.to_owned() + &ok("", "xxx"));
}

#[test]
fn continue_is_left_out_when_the_body_is_there() {
    let request = "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello";
    let (_, sent) = served(&mut server(3), &[request.as_bytes()], false);
    assert_eq!(String::from_utf8(sent).unwrap(), ok("", "xxx"));
}

#[test]
fn a_begun_continue_is_finished_before_the_answer() {
    let mut server = server(3);
    let head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(server.receive(head).consumed, head.len());
    server.transmitted(7);
    assert_eq!(server.receive(b"hello").event, Some(ServerEvent::Requested));
    server.respond();
    let mut sent = CONTINUE.as_bytes()[..7].to_vec();
    drain(&mut server, &mut sent);
    assert_eq!(String::from_utf8(sent).unwrap(), CONTINUE.to_owned() + &ok("", "xxx"));
}

#[test]
fn an_end_drops_a_continue_that_has_not_begun() {
    let head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let mut untouched = server(3);
    untouched.receive(head);
    untouched.end_of_input(b"");
    assert!(untouched.finished() && untouched.pending().is_empty());
    let mut begun = server(3);
    begun.receive(head);
    begun.transmitted(1);
    begun.end_of_input(b"");
    assert_eq!((begun.finished(), begun.pending()), (false, &CONTINUE.as_bytes()[1..]));
    begun.transmitted(CONTINUE.len() - 1);
    assert!(begun.finished() && begun.pending().is_empty());
}

#[test]
fn nothing_transmitted_begins_nothing() {
    let mut server = server(3);
    server.receive(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    server.transmitted(0);
    assert_eq!(server.receive(b"hello").event, Some(ServerEvent::Requested));
    assert!(server.pending().is_empty());
}

#[test]
fn continue_waits_for_the_answers_before_it() {
    let mut server = server(3);
    let stream =
        format!("{GET}POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    let mut feeder = Feeder::default();
    feeder.feed(&mut server, stream.as_bytes(), |_, _, _| {});
    assert!(server.pending().is_empty());
    server.respond();
    let mut sent = Vec::new();
    drain(&mut server, &mut sent);
    assert_eq!(String::from_utf8(sent).unwrap(), ok("", "xxx") + CONTINUE);
}

#[test]
fn answers_go_out_only_when_let_go() {
    let mut server = server(3);
    assert_eq!(server.receive(GET.as_bytes()).event, Some(ServerEvent::Requested));
    assert_eq!(server.receive(GET.as_bytes()).event, Some(ServerEvent::Requested));
    assert!(server.pending().is_empty());
    for _ in 0..2 {
        server.respond();
        let mut sent = Vec::new();
        drain(&mut server, &mut sent);
        assert_eq!(sent, ok("", "xxx").as_bytes());
    }
}

#[test]
#[should_panic(expected = "one answer to one request")]
fn responding_twice_is_our_mistake() {
    let mut server = server(3);
    server.receive(GET.as_bytes());
    server.respond();
    server.respond();
}

#[test]
fn the_seventeenth_request_is_held_back() {
    let mut server = server(3);
    let stream = GET.repeat(40);
    let mut feeder = Feeder::default();
    let mut requested = 0;
    feeder.feed(&mut server, stream.as_bytes(), |_, _, _| requested += 1);
    assert_eq!((requested, feeder.carry.len()), (16, 24 * GET.len()));
    assert_eq!(server.carry_limit(), 0);
    let mut sent = Vec::new();
    for answered in 1..=40 {
        server.respond();
        drain(&mut server, &mut sent);
        feeder.feed(&mut server, b"", |_, _, _| requested += 1);
        assert_eq!(requested, (16 + answered).min(40));
    }
    assert_eq!(sent, ok("", "xxx").repeat(40).as_bytes());
}

/// Presents what was kept once, if anything was: a caller without a rest has nothing to present.
fn go_on(feeder: &mut Feeder, server: &mut Server, requested: &mut usize) {
    if !feeder.carry.is_empty() {
        let received = server.receive(&feeder.carry);
        feeder.carry.drain(..received.consumed);
        *requested += usize::from(received.event == Some(ServerEvent::Requested));
    }
}

#[test]
fn a_half_closed_client_gets_its_answers() {
    let mut server = server(3);
    let stream = GET.repeat(20);
    let mut feeder = Feeder::default();
    let mut requested = 0;
    feeder.feed(&mut server, stream.as_bytes(), |_, _, _| requested += 1);
    assert_eq!(server.end_of_input(&feeder.carry), None);
    let mut sent = Vec::new();
    for _ in 0..20 {
        assert!(!server.finished());
        server.respond();
        drain(&mut server, &mut sent);
        go_on(&mut feeder, &mut server, &mut requested);
    }
    assert_eq!((requested, server.finished()), (20, true));
    assert_eq!(sent, ok("", "xxx").repeat(20).as_bytes());
}

#[test]
fn an_end_inside_a_request_closes() {
    for part in ["", "\r", "GET /", "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhel"] {
        let (events, sent) = served(&mut server(3), &[part.as_bytes()], true);
        assert_eq!((events.len(), sent.len()), (0, 0), "{part:?}");
    }
}

#[test]
fn a_rest_that_was_held_back_and_is_no_request_closes() {
    let mut server = server(3);
    let stream = GET.repeat(16) + "GET";
    let mut feeder = Feeder::default();
    feeder.feed(&mut server, stream.as_bytes(), |_, _, _| {});
    server.end_of_input(&feeder.carry);
    let mut sent = Vec::new();
    for _ in 0..16 {
        server.respond();
        drain(&mut server, &mut sent);
        feeder.feed(&mut server, b"", |_, _, _| panic!("no further request"));
    }
    assert!(server.finished());
}

#[test]
fn large_bodies_come_in_pieces_of_constant_size() {
    let body_bytes = 1_000_000;
    let mut server = server(body_bytes);
    server.receive(GET.as_bytes());
    server.respond();
    let mut body = 0;
    while let pending @ [_, ..] = server.pending() {
        assert!(pending.len() <= (64 << 10) + 200);
        body += pending.iter().filter(|&&byte| byte == b'x').count() as u64;
        server.transmitted(pending.len());
    }
    // The head has one more: `text/plain`.
    assert_eq!(body, body_bytes + 1);
}
