//! The cases, as data: what a hostile server does, and what an honest client calls it.
//!
//! Numbers are those of the project's catalogue of hostile servers; each case names where the fact was found.
//! `reused` is the class where the connection had answered before.

use std::rc::Rc;

use super::script::{Step, drip, drip_endlessly, endless, longest, pause, send};

/// What sets a case off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A connection.
    Accept,
    /// A whole request.
    Request,
    /// The head of a request, its body unread.
    Head,
}

/// How the case listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listening {
    /// As a server does.
    Accepting,
    /// With a queue of one that nobody empties.
    Full,
    /// Not at all.
    Refusing,
}

/// One way to misbehave.
#[derive(Debug)]
pub struct Case {
    /// Its number in the catalogue; 0 is a case that the catalogue does not have.
    pub number: u8,
    /// Its name.
    pub name: &'static str,
    /// What the server does, in a few words.
    pub about: &'static str,
    /// The class of what comes of it, on a fresh connection: `ok`, `ok` with a flag, or a failure.
    pub class: &'static str,
    /// The same on a connection that had answered before.
    pub reused: &'static str,
    /// What has to be asked for that this class comes of it, and what comes of it else; empty where nothing.
    pub when: &'static str,
    /// What sets it off.
    pub trigger: Trigger,
    /// How it listens.
    pub listening: Listening,
    /// Where the fact was found.
    pub source: &'static str,
    variants: fn() -> Vec<Vec<Step>>,
}

/// Cases are told apart by name.
impl PartialEq for Case {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Case {}

impl Case {
    /// The case called `name`.
    pub fn named(name: &str) -> Option<&'static Self> {
        CASES.iter().find(|case| case.name == name)
    }

    /// How many forms it has, which take turns.
    pub fn variants(&self) -> usize {
        (self.variants)().len()
    }

    /// Bytes of its longest stream.
    pub fn longest(&self) -> usize {
        longest((self.variants)().iter().flatten())
    }

    pub(super) fn scripts(&self) -> Vec<Rc<[Step]>> {
        (self.variants)().into_iter().map(Rc::from).collect()
    }

    const fn new(
        number: u8,
        name: &'static str,
        class: &'static str,
        source: &'static str,
    ) -> Self {
        Self {
            number,
            name,
            about: "",
            class,
            reused: class,
            when: "",
            trigger: Trigger::Request,
            listening: Listening::Accepting,
            source,
            variants: Vec::new,
        }
    }

    const fn does(self, about: &'static str, variants: fn() -> Vec<Vec<Step>>) -> Self {
        Self { about, variants, ..self }
    }

    const fn reused(self, reused: &'static str) -> Self {
        Self { reused, ..self }
    }

    const fn when(self, when: &'static str) -> Self {
        Self { when, ..self }
    }

    const fn on(self, trigger: Trigger) -> Self {
        Self { trigger, ..self }
    }

    const fn listening(self, listening: Listening) -> Self {
        Self { listening, ..self }
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\n";
const EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const TEN_OF_100: &str = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789";
const EARLY_HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
const ELSEWHERE: &str =
    "HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/elsewhere\r\nContent-Length: 0\r\n\r\n";
const TOO_LARGE: &str = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n";

/// One variant: these steps.
fn one(steps: impl Into<Vec<Step>>) -> Vec<Vec<Step>> {
    vec![steps.into()]
}

/// One variant for each text: it is all that is sent.
fn each<T: AsRef<[u8]>>(texts: impl IntoIterator<Item = T>) -> Vec<Vec<Step>> {
    texts.into_iter().map(|text| vec![send(text)]).collect()
}

/// The same with the end of the connection behind it.
fn each_closed<T: AsRef<[u8]>>(texts: impl IntoIterator<Item = T>) -> Vec<Vec<Step>> {
    texts.into_iter().map(|text| vec![send(text), Step::Close]).collect()
}

/// One variant for each status line.
fn lines<T: AsRef<str>>(lines: impl IntoIterator<Item = T>) -> Vec<Vec<Step>> {
    each(lines.into_iter().map(|line| format!("{}\r\nContent-Length: 0\r\n\r\n", line.as_ref())))
}

/// One variant for each set of header lines, behind a good status line.
fn headers<T: AsRef<str>>(headers: impl IntoIterator<Item = T>) -> Vec<Vec<Step>> {
    each(headers.into_iter().map(|lines| format!("{OK}{}\r\n\r\n", lines.as_ref())))
}

/// One variant for each chunked body.
fn bodies<T: AsRef<str>>(bodies: impl IntoIterator<Item = T>) -> Vec<Vec<Step>> {
    each(bodies.into_iter().map(|body| format!("{CHUNKED}{}", body.as_ref())))
}

/// Every case.
#[rustfmt::skip]
pub static CASES: &[Case] = &[
    // Timing and transport.
    Case::new(1, "refused", "connect.refused", "RFC 9293, 3.5.2")
        .does("nothing listens", Vec::new)
        .listening(Listening::Refusing),
    Case::new(2, "full-queue", "connect.timeout", "listen(2)")
        .does("listens, never accepts, and the queue is full", Vec::new)
        .listening(Listening::Full),
    Case::new(3, "mute", "timeout.first_byte", "curl test server `idle`; Toxiproxy timeout")
        .does("never answers", || one([Step::Mute])),
    Case::new(4, "mute-close", "closed_before_response", "curl 1079")
        .reused("stale_keepalive")
        .does("closes in place of an answer", || one([Step::Close])),
    Case::new(5, "reset-at-accept", "connect.reset", "Toxiproxy reset_peer")
        .on(Trigger::Accept)
        .does("resets each connection at once", || one([Step::Reset])),
    Case::new(6, "drip", "ok", "curl `writedelay`")
        .does("a good answer, a byte every 10 ms", || one([drip(EMPTY, 10)])),
    Case::new(7, "drip-forever", "timeout.total", "Slowloris, mirrored")
        .does("headers without end, a byte every 50 ms", || one([send(OK), drip_endlessly("X: y\r\n", 50)])),
    Case::new(8, "stall", "timeout.idle", "Toxiproxy timeout")
        .when("with --idle-timeout; else timeout.total")
        .does("half the body, then silence", || one([send(TEN_OF_100), Step::Mute])),
    Case::new(9, "half-close", "ok", "shutdown(2)")
        .reused("ok then stale_keepalive")
        .does("a good answer, then a half close; reads on", || one([send(EMPTY), Step::Finish, Step::Mute])),
    Case::new(10, "cut-body", "truncated", "curl 3223; hyper sized_early_eof")
        .does("10 of 100 bytes, then closes", || each_closed([TEN_OF_100])),
    Case::new(11, "reset-body", "reset", "Toxiproxy reset_peer")
        .does("10 of 100 bytes, then resets", || one([send(TEN_OF_100), pause(20), Step::Reset])),
    Case::new(12, "cut-head", "truncated", "hyper incomplete")
        .does("closes inside the head", || each_closed(["H", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\n"])),
    Case::new(13, "close-delimited", "ok", "llhttp; RFC 9112, 6.3")
        .does("no length; the close ends the body", || each_closed([format!("{OK}\r\nuntil the end")])),
    Case::new(13, "close-delimited-reset", "reset", "RFC 9112, 8")
        .does("no length; a reset ends the body", || one([send(format!("{OK}\r\nuntil")), pause(20), Step::Reset])),
    Case::new(14, "claims-keep-alive", "ok then stale_keepalive", "curl 160; nginx proxy_keepalive")
        .does("a good answer, then closes within 5 ms", || (0..6).map(|millis| vec![send(EMPTY), pause(millis), Step::Close]).collect()),
    Case::new(15, "endless-body", "timeout.total", "curl `stream`")
        .does("chunks without end at full speed", || one([send(CHUNKED), endless(format!("4000\r\n{}\r\n", "x".repeat(0x4000)))])),

    // Start line and headers.
    Case::new(16, "garbage", "http.status_line", "llhttp; curl 1144")
        .does("no status line at all", || each(["\0\0\0garbage and text\0", "\u{1}\u{2}", "HTP/1.1 200 OK\r\n\r\n"].map(|text| format!("{text}\r\n")))),
    Case::new(17, "http-0.9", "http.version", "curl 1172; hyper always_rejects_http09")
        .does("a body without a head", || each(["<html>only a body</html>\r\n", "-foo-\r\n", "SSH-2.0-OpenSSH_9.2\r\n"])),
    Case::new(18, "bad-version", "http.version", "curl 129, 1433; llhttp")
        .does("versions that are none", || lines(["1.2", "5.6", "01.1", "11.1", "1.01", "2", "x", &format!("1.{}", "1".repeat(100))].map(|version| format!("HTTP/{version} 200 OK")))),
    Case::new(19, "bad-code", "http.status_code", "curl 1430, 1432; hyper")
        .does("status codes that are none", || lines(["2", "-200", &"2".repeat(100), "99", "1000", "abc", "600", "099", "20x"].map(|code| format!("HTTP/1.1 {code} OK")))),
    Case::new(20, "odd-reason", "ok", "llhttp; RFC 9112, 4")
        .does("no reason, blanks, 8-bit text", || {
            let latin: &[u8] = b"HTTP/1.1 200 na\xefve\r\nContent-Length: 0\r\n\r\n";
            [lines(["HTTP/1.1 200", "HTTP/1.1 200  OK", "HTTP/1.1 200 "]), each([latin])].concat()
        }),
    Case::new(21, "odd-blanks", "http.status_line", "llhttp")
        .does("two blanks or a tab before the code", || lines(["HTTP/1.1  200 OK", "HTTP/1.1\t200 OK"])),
    Case::new(22, "bare-lf", "http.header", "llhttp; http-garden")
        .does("lines that end in LF alone", || each(["HTTP/1.1 200 OK\nContent-Length: 0\n\n".to_owned(), format!("{OK}Content-Length: 0\nA: b\r\n\r\n")])),
    Case::new(22, "bare-cr", "http.header", "llhttp; http-garden")
        .does("lines that end in CR alone", || each(["HTTP/1.1 200 OK\rContent-Length: 0\r\r"])),
    Case::new(23, "control-bytes", "http.header", "curl 262, 2106")
        .does("NUL or control bytes in a value or trailer", || {
            let chunked = "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\0c";
            headers(["A: b\0c\r\nContent-Length: 0", "A: b\u{1}c\r\nContent-Length: 0", chunked])
        }),
    Case::new(24, "blanks-in-names", "http.header", "hyper; llhttp")
        .does("blanks before a colon, in a name, before a name", || headers(["Content-Length : 0", "Content Length: 0", " Content-Length: 0"])),
    Case::new(25, "folded", "http.header", "hyper obs_fold; curl 798; RFC 9112, 5.2")
        .does("a header over two lines", || headers(["A: b\r\n c\r\nContent-Length: 0", "A: b\r\n\tc\r\nContent-Length: 0"])),
    Case::new(26, "endless-headers", "http.too_large", "curl 497")
        .does("short headers without end", || one([send(OK), endless("A: b\r\n".repeat(100))])),
    Case::new(27, "endless-line", "http.too_large", "curl 497")
        .does("one header without end", || one([send(format!("{OK}A: ")), endless("b".repeat(4096))])),
    Case::new(28, "header-bomb", "http.too_large", "golang/go 79936")
        .does("100,000 empty headers", || one([send(format!("{OK}{}\r\n", "A:\r\n".repeat(100_000)))])),
    Case::new(29, "similar-name", "ok", "llhttp")
        .does("Content-Length-X beside Content-Length", || headers(["Content-Length-X: 7\r\nContent-Length: 0"])),

    // Length and chunking.
    Case::new(30, "negative-length", "http.length", "curl 178, 415")
        .does("Content-Length: -6", || headers(["Content-Length: -6", "Content-Length: \r-6"])),
    Case::new(31, "junk-length", "http.length", "hyper; curl 394, 768")
        .does("signs, letters, hex, lists", || headers(["+8", "6 crap", "0x10", "5,6", "ten", ""].map(|value| format!("Content-Length: {value}")))),
    Case::new(32, "overflowing-length", "http.length", "curl 395")
        .does("2^64, 2^65, 10^40", || headers(["18446744073709551616", "36893488147419103232", &format!("1{}", "0".repeat(40))].map(|value| format!("Content-Length: {value}")))),
    Case::new(33, "same-length-twice", "http.length", "curl 767; nginx; llhttp; RFC 9112, 6.3")
        .does("two equal lengths", || each(["Content-Length: 8\r\nContent-Length: 8", "Content-Length: 8, 8"].map(|lines| format!("{OK}{lines}\r\n\r\n01234567")))),
    Case::new(34, "two-lengths", "http.length", "curl 771; hyper; nginx duplicate-length")
        .does("8 and 9", || headers(["Content-Length: 8\r\nContent-Length: 9"])),
    Case::new(35, "length-and-chunked", "http.length", "curl 365; hyper; nginx; llhttp")
        .does("a length beside chunks", || headers(["Content-Length: 10\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 10"])),
    Case::new(36, "unknown-coding", "http.encoding", "curl 418, 1495, 1722, 387; llhttp")
        .does("codings that nobody asked for", || headers(["yolo", "chunked, identity", "chunkedchunked", "gzip, chunked", &["gzip"; 9].join(", "), "chunked\r\nTransfer-Encoding: chunked"].map(|coding| format!("Transfer-Encoding: {coding}")))),
    Case::new(37, "chunked-in-1.0", "http.encoding", "hyper parse_err")
        .does("chunks in HTTP/1.0", || each(["HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"])),
    Case::new(38, "bad-chunk-size", "http.chunk", "curl 36; llhttp")
        .does("chunk sizes that are none", || bodies(["%", "g1", "-1", "", "5 ", " 5", "5\t", "0x5"].map(|size| format!("{size}\r\nhello\r\n0\r\n\r\n")))),
    Case::new(39, "overflowing-chunk", "http.chunk", "curl 1416; hyper")
        .does("a size of 17 digits", || bodies(["FFFFFFFFFFFFFFFFF\r\n"])),
    Case::new(40, "chunk-line-ends", "http.chunk", "llhttp; http-garden")
        .does("no CR LF behind a chunk", || bodies(["5\r\nhello0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\nhello\r\n0\r\n\r\n"])),
    Case::new(41, "extension-flood", "http.too_large", "hyper")
        .does("over 16 KiB of chunk extensions", || bodies([format!("{}0\r\n\r\n", "1;x=yyyyyyyy\r\nz\r\n".repeat(1900)), format!("1;{}", "x".repeat(17_000))])),
    Case::new(41, "extension-quotes", "http.chunk", "llhttp")
        .does("a quote that is never closed", || bodies(["1;x=\"y\r\nz\r\n0\r\n\r\n"])),
    Case::new(42, "trailer-flood", "http.too_large", "hyper; curl")
        .does("10,000 trailers, or 20 KiB of one", || bodies([format!("0\r\n{}\r\n", "A: b\r\n".repeat(10_000)), format!("0\r\nA: {}\r\n\r\n", "b".repeat(20 << 10))])),
    Case::new(43, "no-last-chunk", "truncated", "curl 207; hyper chunked_early_eof")
        .does("closes behind a whole chunk", || each_closed(["5\r\nhello\r\n", "5\r\nhello\r\n0\r\n"].map(|body| format!("{CHUNKED}{body}")))),
    Case::new(44, "tiny-chunks", "ok", "overhead attacks")
        .does("a million chunks of one byte", || bodies([format!("{}0\r\n\r\n", "1\r\nx\r\n".repeat(1_000_000))])),
    Case::new(45, "body-where-none-may-be", "ok + extra_data", "nginx proxy_extra_data; curl 249, 334")
        .does("204 and 304 with a length and bytes", || each(["204 No Content", "304 Not Modified"].map(|status| format!("HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\nhello")))),
    Case::new(45, "interim-body", "ok + extra_data", "RFC 9112, 6.3")
        .does("103 with a length and bytes, then 200", || each([format!("HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nhello{EMPTY}")])),
    Case::new(46, "more-than-announced", "ok + extra_data", "nginx proxy_extra_data")
        .does("length 2, and 10 bytes", || each([format!("{OK}Content-Length: 2\r\n\r\n0123456789"), format!("{CHUNKED}0\r\n\r\n01234567")])),

    // Sequence.
    Case::new(47, "interim", "ok", "curl 1115; hyper; llhttp")
        .does("100, 103, 104, then 200", || each([format!("HTTP/1.1 100 Continue\r\n\r\n{EARLY_HINTS}HTTP/1.1 104 X\r\n\r\n{EMPTY}")])),
    Case::new(48, "interim-flood", "http.interim_limit", "golang/go 65035; ruby/net-http 319")
        .does("103 without end", || one([endless(EARLY_HINTS)])),
    Case::new(49, "only-interim", "truncated", "nginx early_hints")
        .does("103, then closes", || each_closed([EARLY_HINTS])),
    Case::new(50, "unasked-upgrade", "http.upgrade", "curl 1704; llhttp")
        .does("101 to a plain request", || each(["HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"])),
    Case::new(51, "early-answer", "ok + early_response", "curl 1533; nginx noclose")
        .when("with -d of more than buffers hold; else ok")
        .on(Trigger::Head)
        .does("413 before the body has come; reads on after 100 ms", || one([send(TOO_LARGE), pause(100)])),
    Case::new(52, "early-close", "ok + early_response", "RFC 9112, 9.6")
        .when("with -d of more than buffers hold; else ok then stale_keepalive")
        .on(Trigger::Head)
        .does("413 before the body has come; closes with the rest unread", || one([send(TOO_LARGE), Step::Close])),
    Case::new(53, "unasked-answer", "unsolicited", "hyper new_unexpected_message")
        .on(Trigger::Accept)
        .does("an answer to no request", || each([EMPTY])),
    Case::new(54, "two-answers", "ok + unsolicited", "desync attacks")
        .does("two answers to one request", || each([format!("{EMPTY}{EMPTY}"), format!("{EMPTY}HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n")])),
    Case::new(55, "late-second-answer", "ok + unsolicited", "haproxy desync; llhttp pipelining")
        .when("with --think over 5ms; else it passes for the next answer")
        .does("a second answer 5 ms after the first", || one([send(EMPTY), pause(5), send(EMPTY)])),
    Case::new(56, "glued", "ok", "llhttp pipelining")
        .does("good answers, cut and glued at any byte", || each([format!("{OK}Content-Length: 5\r\n\r\nhello")])),

    // Answers that ask for more, which they do not get.
    Case::new(57, "redirect", "ok", "curl 498; RFC 9110, 15.4")
        .does("302 to another host: an answer, never followed", || each([ELSEWHERE])),
    Case::new(60, "unasked-coding", "ok", "curl 1496")
        .does("a gzip body that nobody asked for: bytes, never decoded", || {
            let head = format!("{OK}Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n");
            each([[head.as_bytes(), b"\x1f\x8b\x08\xff"].concat()])
        }),
    Case::new(0, "deaf", "timeout.first_byte", "tcp(7): a window that stays shut")
        .on(Trigger::Head)
        .does("reads no further than the head of an upload", || one([Step::Mute])),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_number_has_a_case_and_every_name_is_its_own() {
        let numbers: BTreeSet<u8> = CASES.iter().map(|case| case.number).collect();
        assert!((1..=56).all(|number| numbers.contains(&number)));
        let names: BTreeSet<&str> = CASES.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), CASES.len());
    }

    #[test]
    fn what_listens_has_a_script_and_says_what_it_does() {
        for case in CASES {
            let plays = case.listening == Listening::Accepting;
            assert_eq!(case.scripts().is_empty(), !plays, "{}", case.name);
            assert!(!case.about.is_empty() && !case.source.is_empty(), "{}", case.name);
        }
    }
}
