//! Answers that are as they should be.

use std::rc::Rc;

use protocols::http1::{self, Manner, Request};
use protocols::{Answer, ClientEvent, ClientMachine, Failure, Machine};

use crate::driver::{Feeder, answers, ask, asked, cuts, get};

/// An answer with nothing remarkable but its status.
pub fn plain(status: u16, reusable: bool) -> Answer {
    Answer { status, reusable, early: false, surplus: 0, unsolicited: false, forgiven: false }
}

pub fn completed(status: u16, reusable: bool) -> ClientEvent {
    ClientEvent::Completed(plain(status, reusable))
}

/// The same events however the stream is cut.
fn check(request: &Rc<Request>, stream: &str, end: bool, expected: &[ClientEvent]) {
    let asks = expected.iter().filter(|event| matches!(event, ClientEvent::Completed(_))).count();
    for pieces in cuts(stream.as_bytes()) {
        let events = answers(request, asks.max(1), &pieces, end);
        assert_eq!(events, expected, "{pieces:?}");
    }
}

#[test]
fn answers_by_length() {
    for (stream, reusable) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", true),
        ("HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", true),
        ("HTTP/1.1 200\r\nContent-Length: 1\r\nConnection: Close\r\n\r\nx", false),
        ("HTTP/1.1 200 \r\nContent-Length: 1\r\nConnection: foo , close\r\n\r\nx", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\nx", true),
        ("HTTP/1.1 200 OK\r\nContent-Length-X: 0\r\nContent-Length: 3\r\n\r\nxyz", true),
    ] {
        check(&get(), stream, false, &[completed(200, reusable)]);
    }
}

#[test]
fn chunked_answers_with_extensions_and_trailers() {
    for body in [
        "0\r\n\r\n",
        "5\r\nhello\r\n0\r\n\r\n",
        "5;a=b;c=\"d;\\\"e\"\r\nhello\r\nA\r\n0123456789\r\n00\r\nX-Sum: 1\r\nEtag: \"a\"\r\n\r\n",
    ] {
        let stream = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        check(&get(), &stream, false, &[completed(200, true)]);
    }
}

#[test]
fn answers_that_end_with_the_connection() {
    for stream in [
        "HTTP/1.1 200 OK\r\n\r\nsome bytes",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        check(&get(), stream, false, &[]);
        check(&get(), stream, true, &[completed(200, false)]);
    }
}

#[test]
fn interim_answers_come_before_the_answer() {
    let stream = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
                  HTTP/1.1 104\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let interim = [100, 103, 104].map(ClientEvent::Interim);
    check(&get(), stream, false, &[&interim[..], &[completed(200, true)]].concat());
}

#[test]
fn interim_answers_are_counted_by_exchange() {
    let interim = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(60);
    let stream = interim + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let events = answers(&get(), 2, &[stream.as_bytes(), stream.as_bytes()], false);
    assert_eq!(
        (events[60], events[121], events.len()),
        (completed(200, true), completed(200, true), 122)
    );
}

#[test]
fn answers_without_a_body_by_status() {
    for status in [204, 304] {
        let stream = format!("HTTP/1.1 {status} X\r\nContent-Length: 100\r\n\r\n");
        check(&get(), &stream, false, &[completed(status, true)]);
        let stream = format!("HTTP/1.1 {status} X\r\n\r\n");
        check(&get(), &stream, false, &[completed(status, true)]);
    }
}

#[test]
fn answers_to_head_have_no_body() {
    let head = Rc::new(Request::builder("HEAD", "h", "/").build().unwrap());
    for fields in ["", "Content-Length: 100\r\n", "Transfer-Encoding: chunked\r\n"] {
        let stream = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        check(&head, &stream, false, &[completed(200, true)]);
    }
}

#[test]
fn one_answer_after_another() {
    let stream = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let mut client = asked(&get());
    for _ in 0..3 {
        let received = client.receive(stream.as_bytes());
        assert_eq!((received.consumed, received.event), (stream.len(), Some(completed(200, true))));
        assert!(!client.busy() && !client.finished() && client.pending().is_empty());
        ask(&mut client);
    }
}

/// Case 56: the first answer's last byte and the next answer's first are in different pieces, one request each.
#[test]
fn answers_split_at_the_boundary_are_two() {
    let stream: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let (front, back) = stream.split_at(stream.len() - 1);
    let pieces = [front, back, stream];
    assert_eq!(answers(&get(), 2, &pieces, false), [completed(200, true); 2]);
}

#[test]
fn own_connection_close_ends_the_connection() {
    let request = Request::builder("GET", "h", "/").header("Connection", "close");
    let request = Rc::new(request.build().unwrap());
    check(
        &request,
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        false,
        &[completed(200, false)],
    );
}

#[test]
fn an_idle_end_is_no_event() {
    let mut client = http1::Client::new(get());
    assert!(client.pending().is_empty() && !client.finished());
    assert_eq!(client.end_of_input(b""), None);
    assert!(client.finished() && client.carry_limit() == 0);
}

#[test]
fn pending_shrinks_as_it_is_transmitted() {
    let request = get();
    let mut client = http1::Client::new(request.clone());
    client.start();
    for sent in 0..request.bytes().len() {
        assert_eq!(client.pending(), &request.bytes()[sent..]);
        client.transmitted(1);
    }
    assert!(client.pending().is_empty() && client.busy());
}

/// Cases 51 and 52: the answer is whole while the upload is not.
#[test]
fn an_early_answer_ends_the_connection() {
    let request = Request::builder("POST", "h", "/").body(&[b'x'; 1000]);
    let mut client = http1::Client::new(Rc::new(request.build().unwrap()));
    client.start();
    client.transmitted(500);
    let received = client.receive(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
    let answer = Answer { early: true, ..plain(413, false) };
    assert_eq!(received.event, Some(ClientEvent::Completed(answer)));
    assert!(client.finished() && client.pending().is_empty() && !client.busy());
}

/// The rest of an upload goes out, and the next request behind it.
#[test]
fn an_upload_that_was_answered_early_may_be_finished() {
    let manner = Manner { finish_early: true, ..Manner::STRICT };
    let request = Request::builder("POST", "h", "/").body(&[b'x'; 1000]).manner(manner);
    let request = Rc::new(request.build().unwrap());
    let mut client = http1::Client::new(request.clone());
    client.start();
    client.transmitted(500);
    let answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";
    let early = ClientEvent::Completed(Answer { early: true, ..plain(413, true) });
    assert_eq!(client.receive(answer).event, Some(early));
    assert_eq!(client.pending(), &request.bytes()[500..]);
    client.transmitted(100);
    client.start();
    assert_eq!(client.pending(), &request.bytes()[600..], "what is owed goes first");
    client.transmitted(client.pending().len());
    assert_eq!(client.pending(), request.bytes());
    ask_rest(&mut client);
    assert_eq!(client.receive(answer).event, Some(completed(413, true)));
}

#[test]
fn what_breaks_behind_the_limit_of_a_body_changes_nothing() {
    let manner = Manner { body_max: 5, ..Manner::STRICT };
    let request = Rc::new(Request::builder("GET", "h", "/").manner(manner).build().unwrap());
    let stream = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello!\r\nx";
    for pieces in cuts(stream) {
        let events = answers(&request, 1, &pieces, false);
        assert_eq!(events, [ClientEvent::Failed(Failure::BodyLimit)], "{pieces:?}");
    }
}

#[test]
fn nothing_is_owed_on_a_connection_that_failed() {
    let manner = Manner { finish_early: true, ..Manner::STRICT };
    let request = Request::builder("POST", "h", "/").body(b"hello").manner(manner).build();
    let request = Rc::new(request.unwrap());
    for end in [false, true] {
        let mut client = http1::Client::new(request.clone());
        client.start();
        client.transmitted(9);
        client.receive(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
        assert!(!client.pending().is_empty() && !client.finished());
        if end {
            assert_eq!(client.end_of_input(b""), None);
        } else {
            let unasked = ClientEvent::Failed(Failure::ExtraData);
            assert_eq!(client.receive(b"more").event, Some(unasked));
        }
        assert!(client.finished() && client.pending().is_empty());
    }
}

#[test]
fn a_body_over_the_limit_fails_at_once() {
    let manner = Manner { body_max: 5, ..Manner::STRICT };
    let request = Request::builder("GET", "h", "/").manner(manner);
    let request = Rc::new(request.build().unwrap());
    let over = [ClientEvent::Failed(Failure::BodyLimit)];
    check(
        &request,
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        false,
        &[completed(200, true)],
    );
    check(&request, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", false, &over);
    check(&request, "HTTP/1.1 200 OK\r\n\r\nhello!", false, &over);
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    check(&request, &format!("{chunked}0\r\n\r\n"), false, &[completed(200, true)]);
    let good = format!("{chunked}3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nA: b\r\n\r\n");
    check(&request, &good, false, &[completed(200, true)]);
    check(&request, &format!("{chunked}3\r\nhel\r\n3\r\n"), false, &over);
}

#[test]
fn a_lenient_client_takes_what_a_strict_one_refuses_and_tells() {
    let manner = Manner { lenient: true, ..Manner::STRICT };
    let request = Rc::new(Request::builder("GET", "h", "/").manner(manner).build().unwrap());
    for stream in [
        "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        "HTTP/1.1 200\nContent-Length: 2\r\n\nok",
        "HTTP/1.1 103 Early Hints\n\nHTTP/1.1 200 OK\r\nContent-Length: 2\nA: b\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\nA: b\n\n",
    ] {
        let forgiven = ClientEvent::Completed(Answer { forgiven: true, ..plain(200, true) });
        for pieces in cuts(stream.as_bytes()) {
            let events = answers(&request, 1, &pieces, false);
            assert_eq!(events.last(), Some(&forgiven), "{pieces:?}");
            let strict = answers(&get(), 1, &pieces, false);
            assert!(matches!(strict[..], [ClientEvent::Failed(_)]), "{pieces:?}: {strict:?}");
        }
    }
    // What is forgiven is told of its own answer, and what is in order is not forgiven.
    let good = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\no\n\r\n0\r\n\r\n";
    check(&request, good, false, &[completed(200, true)]);
    let bare: &[u8] = b"HTTP/1.1 200 OK\nContent-Length: 0\n\n";
    let forgiven = ClientEvent::Completed(Answer { forgiven: true, ..plain(200, true) });
    let events = answers(&request, 2, &[bare, good.as_bytes()], false);
    assert_eq!(events, [forgiven, completed(200, true)]);
    for stream in [
        "HTTP/1.1 200 OK\rContent-Length: 2\r\rok",
        "HTTP/1.1 200 OK\n Content-Length: 2\n\nok",
        "HTTP/1.1 200 OK\r\nA: b\0\n\n",
    ] {
        check(&request, stream, false, &[ClientEvent::Failed(Failure::Header)]);
    }
}

#[test]
fn an_interim_answer_may_come_before_the_body_left() {
    let request = Request::builder("POST", "h", "/").body(&[b'x'; 1000]);
    let mut client = http1::Client::new(Rc::new(request.build().unwrap()));
    client.start();
    client.transmitted(100);
    let received = client.receive(b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(received.event, Some(ClientEvent::Interim(100)));
    ask_rest(&mut client);
    let received = client.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(received.event, Some(completed(200, true)));
}

fn ask_rest(client: &mut http1::Client) {
    client.transmitted(client.pending().len());
}

#[test]
fn bytes_before_the_request_left_are_unsolicited() {
    let mut client = http1::Client::new(get());
    client.start();
    let received = client.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(received.event, Some(ClientEvent::Failed(Failure::Unsolicited)));
    assert!(client.finished());
}

#[test]
fn a_finished_machine_is_silent() {
    let mut client = http1::Client::new(get());
    let mut events = Vec::new();
    let mut feeder = Feeder::default();
    for _ in 0..3 {
        feeder.feed(&mut client, b"HTTP/1.1 200 OK\r\n\r\n", |_, event, _| events.push(event));
    }
    events.extend(client.end_of_input(&feeder.carry));
    assert_eq!(events, [ClientEvent::Failed(Failure::Unsolicited)]);
}

#[test]
#[should_panic(expected = "one exchange at a time")]
fn a_second_start_is_our_mistake() {
    asked(&get()).start();
}

#[test]
#[should_panic(expected = "no more than was pending")]
fn transmitting_too_much_is_our_mistake() {
    http1::Client::new(get()).transmitted(1);
}

/// A request of which answers in pieces are kept, so many bytes of each body.
fn kept(method: &str, kept_max: u32) -> Rc<Request> {
    let manner = Manner { kept_max, ..Manner::STRICT };
    Rc::new(Request::builder(method, "h", "/").manner(manner).build().unwrap())
}

/// A client that keeps its answers and sends another request in its second exchange: what was kept is the same however
/// the stream is cut, and so is what happened.
#[test]
fn kept_answers_are_the_same_however_they_are_cut() {
    let first = "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nX-Id: 7\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nX-Id: 8\r\n\r\n";
    let second = "HTTP/1.1 404 No\r\nContent-Length: 6\r\n\r\nnobody";
    let stream = format!("{first}{second}");
    let other = kept("POST", 4);
    for pieces in cuts(stream.as_bytes()) {
        // Where a piece holds both, the second is an answer that nobody has asked for yet.
        let mut fed = 0;
        let parted = pieces.iter().any(|piece| {
            fed += piece.len();
            fed == first.len()
        });
        if !parted {
            continue;
        }
        let (mut client, mut feeder) = (http1::Client::new(kept("GET", 4)), Feeder::default());
        ask(&mut client);
        let mut told = Vec::new();
        for piece in pieces {
            feeder.feed(&mut client, piece, |client, event, input| {
                let ClientEvent::Completed(answer) = event else { return };
                let seen = client.seen(input, answer.surplus).unwrap();
                let id = seen.headers("x-id").next().map(<[u8]>::to_vec);
                told.push((answer.status, seen.status, seen.body.to_vec(), seen.body_bytes, id));
                if told.len() == 1 {
                    client.forget_answer(false);
                    assert!(client.replace_request(&other).bytes().starts_with(b"GET / "));
                    client.start();
                    assert!(client.pending().starts_with(b"POST / "));
                    client.transmitted(client.pending().len());
                }
            });
        }
        let id = Some(b"7".to_vec());
        assert_eq!(
            told,
            [(200, 200, b"abcd".to_vec(), 5, id), (404, 404, b"nobo".to_vec(), 6, None)]
        );
    }
}

#[test]
fn what_is_behind_an_answer_is_not_seen_with_it() {
    let mut client = asked(&kept("GET", 100));
    let input = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200";
    let Some(ClientEvent::Completed(answer)) = client.receive(input).event else { panic!() };
    let seen = client.seen(input, answer.surplus).unwrap();
    assert_eq!((answer.surplus, seen.body, seen.body_bytes), (12, &b"ok"[..], 2));
}

#[test]
fn an_idle_connection_keeps_no_answer() {
    let stream = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let mut client = asked(&kept("GET", 100));
    client.receive(stream);
    client.forget_answer(false);
    assert!(client.seen(b"", 0).is_some(), "its memory is there for the next");
    client.forget_answer(true);
    assert!(client.seen(b"", 0).is_none());
}

#[test]
fn what_is_kept_of_a_body_is_its_data_however_it_is_cut() {
    for (stream, end) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n4;x\r\nello\r\n0\r\n\r\n",
            false,
        ),
        ("HTTP/1.1 200 OK\r\n\r\nhello", true),
    ] {
        for pieces in cuts(stream.as_bytes()) {
            let (mut client, mut feeder) =
                (http1::Client::new(kept("GET", 100)), Feeder::default());
            ask(&mut client);
            let (mut completed, mut last) = (0, Vec::new());
            for piece in pieces {
                feeder.feed(&mut client, piece, |_, _, input| {
                    (completed, last) = (completed + 1, input.to_vec());
                });
            }
            completed += usize::from(end && client.end_of_input(&feeder.carry).is_some());
            let seen = client.seen(&last, 0).unwrap();
            assert_eq!((completed, seen.body, seen.body_bytes), (1, &b"hello"[..], 5));
        }
    }
}
