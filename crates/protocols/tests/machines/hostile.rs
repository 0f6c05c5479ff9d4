//! Servers that break the protocol, numbered as in the catalogue of hostile servers (`faults.md`, section 5): the class
//! is the same whole, in two pieces at every place, and byte by byte.

use std::rc::Rc;

use protocols::http1::Request;
use protocols::{Answer, ClientEvent, Failure, Machine};

use crate::client::{completed, plain};
use crate::driver::{Feeder, answers, asked, cuts, get};

const OK: &str = "HTTP/1.1 200 OK\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// Whatever came before, `stream` ends in `failure`, with or without the end of input behind it.
fn fails(case: u32, stream: &str, failure: Failure) {
    for end in [false, true] {
        fails_at(case, stream, end, failure);
    }
}

/// `stream` and the end of input behind it end in `failure`.
fn fails_at_end(case: u32, stream: &str, failure: Failure) {
    fails_at(case, stream, true, failure);
}

fn fails_at(case: u32, stream: &str, end: bool, failure: Failure) {
    for pieces in cuts(stream.as_bytes()) {
        let events = answers(&get(), 1, &pieces, end);
        let (last, before) = events.split_last().expect("something happens");
        assert_eq!(*last, ClientEvent::Failed(failure), "case {case}: {pieces:?}");
        let interim =
            |event: &ClientEvent| matches!(event, ClientEvent::Interim(_) | ClientEvent::Extra(_));
        assert!(before.iter().all(interim), "case {case}: {events:?}");
    }
}

fn succeeds(case: u32, stream: &str, end: bool, reusable: bool) {
    for pieces in cuts(stream.as_bytes()) {
        let events = answers(&get(), 1, &pieces, end);
        assert_eq!(events.last(), Some(&completed(200, reusable)), "case {case}: {pieces:?}");
    }
}

fn head_fails(case: u32, fields: &str, failure: Failure) {
    fails(case, &format!("{OK}{fields}\r\n"), failure);
}

fn body_fails(case: u32, body: &str, failure: Failure) {
    fails(case, &format!("{CHUNKED}{body}"), failure);
}

#[test]
fn ends_and_cuts() {
    fails_at_end(4, "", Failure::ClosedBeforeResponse);
    fails_at_end(10, &format!("{OK}Content-Length: 100\r\n\r\n0123456789"), Failure::Truncated);
    fails_at_end(12, "H", Failure::Truncated);
    fails_at_end(12, &format!("{OK}Content-Length: 1"), Failure::Truncated);
    fails_at_end(12, &format!("{OK}Content-Length: 1\r\n\r"), Failure::Truncated);
    succeeds(9, EMPTY, true, true);
    succeeds(13, &format!("{OK}\r\nbytes"), true, false);
}

#[test]
fn start_lines() {
    fails(16, "\0\0\0garbage and text\0", Failure::StatusLine);
    fails(16, "\u{1}\u{2}", Failure::StatusLine);
    fails(16, "HTP/1.1 200 OK\r\n\r\n", Failure::StatusLine);
    fails(17, "<html>only a body</html>\r\n", Failure::Version);
    fails(17, "-foo-", Failure::Version);
    for version in
        ["1.2", "5.6", "01.1", "11.1", "1.01", "2", "x", &format!("1.{}", "1".repeat(100))]
    {
        fails(18, &format!("HTTP/{version} 200 OK\r\n\r\n"), Failure::Version);
    }
    for code in ["2", "-200", &"2".repeat(100), "99", "1000", "abc", "600", "099", "20x"] {
        fails(19, &format!("HTTP/1.1 {code} OK\r\n\r\n"), Failure::StatusCode);
    }
    for line in ["HTTP/1.1 200", "HTTP/1.1 200  OK", "HTTP/1.1 200 na\u{ef}ve", "HTTP/1.1 200 "] {
        succeeds(20, &format!("{line}\r\nContent-Length: 0\r\n\r\n"), false, true);
    }
    fails(21, "HTTP/1.1  200 OK\r\n\r\n", Failure::StatusLine);
    fails(21, "HTTP/1.1\t200 OK\r\n\r\n", Failure::StatusLine);
}

#[test]
fn header_lines() {
    fails(22, "HTTP/1.1 200 OK\rContent-Length: 0\r\r", Failure::Header);
    fails(22, "HTTP/1.1 200 OK\nContent-Length: 0\n\n", Failure::Header);
    head_fails(22, "Content-Length: 0\nA: b\r\n", Failure::Header);
    head_fails(23, "A: b\0c\r\n", Failure::Header);
    head_fails(23, "A: b\u{1}c\r\n", Failure::Header);
    body_fails(23, "0\r\nA: b\0c\r\n\r\n", Failure::Header);
    head_fails(24, "Content-Length : 0\r\n", Failure::Header);
    head_fails(24, "Content Length: 0\r\n", Failure::Header);
    head_fails(24, " Content-Length: 0\r\n", Failure::Header);
    head_fails(25, "A: b\r\n c\r\n", Failure::Header);
    succeeds(29, &format!("{OK}Content-Length-X: 7\r\nContent-Length: 0\r\n\r\n"), false, true);
}

#[test]
fn heads_without_end() {
    fails(26, &format!("{OK}{}", "A: b\r\n".repeat(101)), Failure::TooLarge);
    fails(
        26,
        &format!("{OK}{}", format!("A: {}\r\n", "b".repeat(2000)).repeat(40)),
        Failure::TooLarge,
    );
    fails(27, &format!("{OK}A: {}", "b".repeat(70_000)), Failure::TooLarge);
    fails(28, &format!("{OK}{}", "A:\r\n".repeat(100_000)), Failure::TooLarge);
}

#[test]
fn lengths() {
    for value in ["-6", "\r-6"] {
        head_fails(30, &format!("Content-Length: {value}\r\n"), Failure::Length);
    }
    for value in ["+8", "6 crap", "0x10", "5,6", "ten", ""] {
        head_fails(31, &format!("Content-Length: {value}\r\n"), Failure::Length);
    }
    for value in ["18446744073709551616", "36893488147419103232", &format!("1{}", "0".repeat(40))] {
        head_fails(32, &format!("Content-Length: {value}\r\n"), Failure::Length);
    }
    head_fails(33, "Content-Length: 8\r\nContent-Length: 8\r\n", Failure::Length);
    head_fails(33, "Content-Length: 8, 8\r\n", Failure::Length);
    head_fails(34, "Content-Length: 8\r\nContent-Length: 9\r\n", Failure::Length);
    head_fails(35, "Content-Length: 10\r\nTransfer-Encoding: chunked\r\n", Failure::Length);
}

#[test]
fn codings() {
    let many = ["gzip"; 9].join(", ");
    for coding in ["yolo", "chunked, identity", "chunkedchunked", "gzip, chunked", &many] {
        head_fails(36, &format!("Transfer-Encoding: {coding}\r\n"), Failure::Encoding);
    }
    head_fails(
        36,
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        Failure::Encoding,
    );
    fails(37, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Failure::Encoding);
}

#[test]
fn chunks() {
    for size in ["%", "g1", "-1", "", "5 ", " 5", "5\t", "0x5"] {
        body_fails(38, &format!("{size}\r\n"), Failure::Chunk);
    }
    body_fails(39, "FFFFFFFFFFFFFFFFF\r\n", Failure::Chunk);
    body_fails(40, "5\r\nhello0\r\n\r\n", Failure::Chunk);
    body_fails(40, "5\r\nhello\n0\r\n\r\n", Failure::Chunk);
    body_fails(40, "5\nhello\r\n", Failure::Chunk);
    body_fails(41, &"1;x=yyyyyyyy\r\nz\r\n".repeat(1639), Failure::TooLarge);
    body_fails(41, &format!("1;{}", "x".repeat(17_000)), Failure::TooLarge);
    body_fails(41, "1;x=\"y\r\nz\r\n", Failure::Chunk);
    body_fails(42, &format!("0\r\n{}", "A: b\r\n".repeat(10_000)), Failure::TooLarge);
    body_fails(42, &format!("0\r\nA: {}\r\n\r\n", "b".repeat(20 << 10)), Failure::TooLarge);
    fails_at_end(43, &format!("{CHUNKED}5\r\nhello\r\n"), Failure::Truncated);
    fails_at_end(43, &format!("{CHUNKED}5\r\nhello\r\n0\r\n"), Failure::Truncated);
    succeeds(44, &format!("{CHUNKED}{}0\r\n\r\n", "1\r\nx\r\n".repeat(10_000)), false, true);
}

#[test]
fn interim_answers() {
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    succeeds(47, &format!("{}{EMPTY}", early.repeat(100)), false, true);
    fails(48, &early.repeat(101), Failure::InterimLimit);
    fails_at_end(49, early, Failure::Truncated);
    fails(50, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", Failure::Upgrade);
}

/// One answer and more bytes, to one request, all at once; then cut at the boundary, where nobody can know yet.
fn leaves_over(case: u32, request: &Rc<Request>, answer: &str, more: &str, unsolicited: bool) {
    let whole = format!("{answer}{more}");
    let events = answers(request, 1, &[whole.as_bytes()], false);
    let [ClientEvent::Completed(said)] = events[..] else {
        panic!("case {case}: {events:?}");
    };
    assert_eq!(
        (said.surplus as usize, said.unsolicited, said.reusable),
        (more.len(), unsolicited, false),
        "case {case}"
    );
    let late = answers(request, 1, &[answer.as_bytes(), more.as_bytes()], false);
    let failure = if unsolicited { Failure::Unsolicited } else { Failure::ExtraData };
    let [ClientEvent::Completed(said), ClientEvent::Failed(why)] = late[..] else {
        panic!("case {case}: {late:?}");
    };
    assert_eq!(why, failure, "case {case}");
    assert!(said.reusable && said.surplus == 0, "case {case}");
}

#[test]
fn more_than_was_announced() {
    let head = Rc::new(Request::builder("HEAD", "h", "/").build().unwrap());
    let announced = format!("{OK}Content-Length: 5\r\n\r\n");
    leaves_over(45, &head, &announced, "hello", false);
    for status in [204, 304] {
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 5\r\n\r\n");
        leaves_over(45, &get(), &answer, "hello", false);
    }
    leaves_over(46, &get(), &format!("{OK}Content-Length: 2\r\n\r\nok"), "12345678", false);
    leaves_over(46, &get(), &format!("{CHUNKED}0\r\n\r\n"), "\r\n", false);
    leaves_over(54, &get(), EMPTY, EMPTY, true);
    leaves_over(54, &get(), EMPTY, "H", true);
}

/// Case 45, the part about 1xx: what an interim answer announced is dropped and spoils the connection, unless the next
/// answer comes in its place.
#[test]
fn interim_answers_with_a_body() {
    let interim = "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n";
    for body in ["Hello", "HTxxx"] {
        for pieces in cuts(format!("{interim}{body}{EMPTY}").as_bytes()) {
            let events = answers(&get(), 1, &pieces, false);
            let expected =
                [ClientEvent::Interim(103), ClientEvent::Extra(5), completed(200, false)];
            assert_eq!(events, expected, "{pieces:?}");
        }
    }
    let interim_of_6 = "HTTP/1.1 103\r\nContent-Length: 6\r\n\r\n";
    for pieces in cuts(format!("{interim_of_6}xHTTP/{EMPTY}").as_bytes()) {
        let events = answers(&get(), 1, &pieces, false);
        assert_eq!(events.last(), Some(&completed(200, false)), "{pieces:?}");
    }
    succeeds(45, &format!("{interim}{EMPTY}"), false, true);
    fails_at_end(49, &format!("{interim}Hel"), Failure::Truncated);
}

/// Case 53: the connection is idle.
#[test]
fn an_answer_without_a_request() {
    let mut client = asked(&get());
    let mut events = Vec::new();
    let mut feeder = Feeder::default();
    for _ in 0..3 {
        feeder.feed(&mut client, EMPTY.as_bytes(), |_, event, _| events.push(event));
    }
    assert_eq!(events, [completed(200, true), ClientEvent::Failed(Failure::Unsolicited)]);
    assert!(client.finished() && client.carry_limit() == 0);
}

/// Case 55: three requests one after another, and four answers; the fourth is nobody's.
#[test]
fn a_surplus_answer_is_never_credited() {
    let glued = format!("{EMPTY}{EMPTY}");
    let pieces = [EMPTY.as_bytes(), EMPTY.as_bytes(), glued.as_bytes()];
    let events = answers(&get(), 4, &pieces, false);
    let surplus = EMPTY.len() as u32;
    let last = Answer { surplus, unsolicited: true, ..plain(200, false) };
    assert_eq!(events[..2], [completed(200, true); 2]);
    assert_eq!(events[2..], [ClientEvent::Completed(last)]);
}
