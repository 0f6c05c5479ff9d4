//! A whole head, read once.
//!
//! 1. A head that comes in one piece goes straight through `httparse`, and a count of carriage returns makes up for
//!    what `httparse` forgives (lines that end in a bare LF, blank lines in front).
//! 2. Whatever that pass does not accept (more is to come, or it is broken) goes through `Scan`, which remembers how far
//!    it came, looks at each byte once and names the failure; when it finds the end, step 1 reads the fields.

use std::mem::MaybeUninit;

use httparse::{Header, Status};

use super::framing::Framing;
use super::scan::{LINES_MAX, Scan};
use crate::Failure;

/// Most bytes of one head with its blank line, inclusive.
pub(super) const HEAD_BYTES_MAX: usize = 64 << 10;

/// What the head of an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AnswerHead {
    /// Its length, blank line included.
    pub(super) bytes: usize,
    /// 100 to 599.
    pub(super) status: u16,
    /// Length, coding, persistence.
    pub(super) framing: Framing,
    /// Whether a strict reading would have refused it.
    pub(super) forgiven: bool,
}

/// What the head of a request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestHead {
    /// Its length, blank line included.
    pub(super) bytes: usize,
    /// Whether the version is HTTP/1.0.
    pub(super) old: bool,
    /// Whether the method is HEAD.
    pub(super) head_only: bool,
    /// Length, coding, persistence.
    pub(super) framing: Framing,
}

/// Reads the head of an answer at the start of `input`; none while it is not whole.
#[inline]
pub(super) fn read_answer(scan: &mut Scan, input: &[u8]) -> Result<Option<AnswerHead>, Failure> {
    read(scan, input, parse_answer)
}

/// Reads the head of a request at the start of `input`; none while it is not whole.
#[inline]
pub(super) fn read_request(scan: &mut Scan, input: &[u8]) -> Result<Option<RequestHead>, Failure> {
    read(scan, input, parse_request)
}

/// A head that is whole and strict, or why its fields are refused; none when [`Scan`] has to say.
type Parsed<H> = Option<Result<H, Failure>>;

#[inline]
fn read<H>(
    scan: &mut Scan,
    input: &[u8],
    parse: impl Fn(&[u8], bool) -> Parsed<H>,
) -> Result<Option<H>, Failure> {
    let input = &input[..input.len().min(HEAD_BYTES_MAX)];
    if scan.at() == 0
        && let Some(head) = parse(input, scan.is_lenient())
    {
        return head.map(Some);
    }
    if !scan_on(scan, input)? {
        return Ok(None);
    }
    parse(&input[..scan.at()], scan.is_lenient()).unwrap_or(Err(Failure::Header)).map(Some)
}

#[cold]
fn scan_on(scan: &mut Scan, input: &[u8]) -> Result<bool, Failure> {
    let fed = scan.feed(&input[scan.at().min(input.len())..], HEAD_BYTES_MAX);
    fed.map_err(|failure| match failure {
        Failure::Header if spoils_length(input, scan.at()) => Failure::Length,
        _ => failure,
    })
}

/// Whether the bad byte at `at` is part of the value of a `Content-Length`. A bare LF is a bad end of line instead.
fn spoils_length(input: &[u8], at: usize) -> bool {
    let (before, bad) = (&input[..at], input.get(at));
    let line = before.rsplit(|&byte| byte == b'\n').next().unwrap_or(before);
    let name = line.split(|&byte| byte == b':').next().unwrap_or(line);
    name.len() < line.len() && name.eq_ignore_ascii_case(b"Content-Length") && bad != Some(&b'\n')
}

/// Room for the fields; uninitialised, so that its size costs nothing.
macro_rules! room {
    () => {
        [const { MaybeUninit::<Header<'_>>::uninit() }; LINES_MAX as usize]
    };
}

#[inline]
fn parse_answer(input: &[u8], lenient: bool) -> Parsed<AnswerHead> {
    let mut room = room!();
    let mut answer = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut answer,
        input,
        &mut room,
    );
    let Ok(Status::Complete(bytes)) = parsed else {
        return None;
    };
    let status = answer.code.filter(|status| (100..600).contains(status))?;
    let bare = !lines_end_in_crlf(&input[..bytes], answer.headers);
    if input[0] != b'H' || (bare && !lenient) {
        return None;
    }
    let framing = Framing::read(answer.version?, answer.headers, lenient);
    Some(framing.map(|framing| {
        let forgiven = bare || framing.forgiven;
        AnswerHead { bytes, status, framing, forgiven }
    }))
}

#[inline]
fn parse_request(input: &[u8], lenient: bool) -> Parsed<RequestHead> {
    let mut room = room!();
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(input, &mut room);
    let Ok(Status::Complete(bytes)) = parsed else {
        return None;
    };
    let begins = !matches!(input[0], b'\r' | b'\n') && request.path?.is_ascii();
    if !begins || !lines_end_in_crlf(&input[..bytes], request.headers) {
        return None;
    }
    let minor = request.version?;
    let head_only = request.method == Some("HEAD");
    let framing = Framing::read(minor, request.headers, lenient);
    Some(framing.map(|framing| RequestHead { bytes, old: minor == 0, head_only, framing }))
}

/// Whether each line of a head that `httparse` accepted ends in CR LF. It takes a CR only in front of an LF, so there are
/// as many as lines (the start line, the fields, the blank line) exactly when no LF stands alone.
#[inline]
fn lines_end_in_crlf(head: &[u8], headers: &[Header<'_>]) -> bool {
    count_of_cr(head) == headers.len() + 2
}

/// Counts in bytes per block, which the compiler turns into vector instructions.
#[inline]
fn count_of_cr(head: &[u8]) -> usize {
    let in_block =
        |block: &[u8]| block.iter().fold(0u8, |count, &byte| count + u8::from(byte == b'\r'));
    head.chunks(128).map(|block| usize::from(in_block(block))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(bytes: &[u8]) -> Result<Option<AnswerHead>, Failure> {
        read_answer(&mut { Scan::ANSWER }, bytes)
    }

    #[test]
    fn an_answer_in_one_piece() {
        let text = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\nrest";
        let head = answer(text).unwrap().unwrap();
        assert_eq!((head.bytes, head.status), (text.len() - 4, 204));
        assert!(!head.framing.persistent);
    }

    #[test]
    fn lone_line_feeds_are_refused_anywhere() {
        for bad in [
            "\nHTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\r\n\n",
            "HTTP/1.1 200 OK\n\n",
        ] {
            let failure = answer(bad.as_bytes()).unwrap_err();
            assert!(
                matches!(failure, Failure::Header | Failure::StatusLine),
                "{bad:?}: {failure:?}"
            );
        }
    }

    #[test]
    fn a_bad_byte_in_the_length_is_a_bad_length() {
        for (line, failure) in [
            ("content-length: \r-6\r\n", Failure::Length),
            ("Content-Length:\x01\r\n", Failure::Length),
            ("Content-Length : 6\r\n", Failure::Header),
            ("X: Content-Length:\x01\r\n", Failure::Header),
        ] {
            let text = format!("HTTP/1.1 200 OK\r\n{line}\r\n");
            assert_eq!(answer(text.as_bytes()), Err(failure), "{line:?}");
        }
    }

    #[test]
    fn bounds_are_inclusive() {
        let head = |lines: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(lines));
        assert!(answer(head(100).as_bytes()).unwrap().is_some());
        assert_eq!(answer(head(101).as_bytes()), Err(Failure::TooLarge));
        let wide =
            |bytes: usize| format!("HTTP/1.1 200 OK\r\nA:{}\r\n\r\n", "x".repeat(bytes - 23));
        assert!(answer(wide(HEAD_BYTES_MAX).as_bytes()).unwrap().is_some());
        assert_eq!(answer(wide(HEAD_BYTES_MAX + 1).as_bytes()), Err(Failure::TooLarge));
    }

    #[test]
    fn carriage_returns_are_counted_over_blocks() {
        for len in [0, 1, 127, 128, 129, 1000] {
            assert_eq!(count_of_cr(&vec![b'\r'; len]), len);
            assert_eq!(count_of_cr(&vec![b'x'; len]), 0);
        }
    }

    #[test]
    fn a_request_in_pieces_is_read_at_its_end() {
        let text = b"HEAD /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
        let mut scan = Scan::REQUEST;
        for end in 1..text.len() {
            assert_eq!(read_request(&mut scan, &text[..end]), Ok(None));
        }
        let head = read_request(&mut scan, text).unwrap().unwrap();
        assert_eq!(head.bytes, text.len());
        assert!(head.old && head.head_only && head.framing.persistent);
    }
}
