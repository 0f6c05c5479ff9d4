//! The grammar of heads and trailers, one byte at a time.
//!
//! ```text
//! answer:   Protocol ─▶ Minor ─▶ VersionEnd ─▶ Code ─▶ CodeEnd ─▶ Reason ─┐
//! request:  MethodStart ─▶ Method ─▶ TargetStart ─▶ Target ─▶ Protocol … ─┤
//!                                                                         ▼
//! trailers: ────────────────────────────────────▶ LineStart ◀─────────── LineLf
//!                                                  │  └─▶ Name ─▶ Value ──▲
//!                                                  └─▶ LastLf ─▶ Done
//! ```
//!
//! It looks at each byte once, so a head that drips in costs no more than one that comes whole, and it fails at the
//! first byte that breaks the grammar, however the bytes were cut. Names and values are not kept: `head` reads those
//! from the whole head.

use crate::Failure;

/// Most lines of fields in one head or trailer section, inclusive.
pub(super) const LINES_MAX: u8 = 100;

/// How far a head or a trailer section has been looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scan {
    at: u32,
    lines: u8,
    line_ends: LineEnds,
    step: Step,
}

/// How lines have to end, and whether any did otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineEnds {
    /// In CR LF.
    Strict,
    /// In CR LF or in LF alone.
    Lenient,
    /// The same, and some have ended in LF alone.
    Forgiven,
}

impl LineEnds {
    /// Strict or lenient, with nothing forgiven yet.
    pub(super) const fn of(lenient: bool) -> Self {
        if lenient { Self::Lenient } else { Self::Strict }
    }
}

/// What the next byte has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Byte number … of `HTTP/1.`.
    Protocol(Side, u8),
    Minor(Side),
    VersionEnd,
    /// Digit number … of the status code.
    Code(u8),
    CodeEnd,
    Reason,
    MethodStart,
    Method,
    TargetStart,
    Target,
    RequestLineEnd,
    LineLf,
    LineStart,
    Name,
    Value,
    LastLf,
    Done,
}

/// Whose start line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Answer,
    Request,
}

const PROTOCOL: &[u8; 7] = b"HTTP/1.";

impl Scan {
    /// Before the head of an answer.
    pub(super) const ANSWER: Self = Self::from(Step::Protocol(Side::Answer, 0));
    /// Before the head of a request.
    pub(super) const REQUEST: Self = Self::from(Step::MethodStart);
    const fn from(step: Step) -> Self {
        Self { at: 0, lines: 0, line_ends: LineEnds::Strict, step }
    }

    /// Before the head of an answer; a lenient scan takes an LF alone as the end of a line.
    pub(super) const fn answer(lenient: bool) -> Self {
        Self { line_ends: LineEnds::of(lenient), ..Self::ANSWER }
    }

    /// Before the trailers, behind the last chunk's line.
    pub(super) const fn trailers(line_ends: LineEnds) -> Self {
        Self { line_ends, ..Self::from(Step::LineStart) }
    }

    /// Whether it is lenient.
    pub(super) const fn is_lenient(&self) -> bool {
        !matches!(self.line_ends, LineEnds::Strict)
    }

    /// Whether a strict scan would have failed by now.
    pub(super) fn forgave(&self) -> bool {
        self.line_ends == LineEnds::Forgiven
    }

    /// How many bytes were fed so far; after a failure the offset of the byte that broke the grammar.
    pub(super) fn at(&self) -> usize {
        self.at as usize
    }

    /// Takes the next `bytes` as far as the section goes; true when it is complete, behind [`at`](Self::at).
    /// A section of `bytes_max` that has not ended is too large.
    pub(super) fn feed(&mut self, bytes: &[u8], bytes_max: usize) -> Result<bool, Failure> {
        let room = bytes_max.saturating_sub(self.at());
        for &byte in bytes.iter().take(room) {
            self.step(byte)?;
            self.at += 1;
            if self.step == Step::Done {
                return Ok(true);
            }
        }
        if self.at() >= bytes_max {
            return Err(Failure::TooLarge);
        }
        Ok(false)
    }

    fn step(&mut self, byte: u8) -> Result<(), Failure> {
        let next = match self.step.lone_feed(byte) {
            Some(step) if self.is_lenient() => {
                self.line_ends = LineEnds::Forgiven;
                step
            }
            _ => self.step.next(byte)?,
        };
        if self.step == Step::LineStart && next == Step::Name {
            self.lines += 1;
        }
        if self.lines > LINES_MAX {
            return Err(Failure::TooLarge);
        }
        self.step = next;
        Ok(())
    }
}

impl Step {
    /// What follows if an LF alone ends the line of an answer, or of its trailers.
    fn lone_feed(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::CodeEnd | Self::Reason | Self::Value, b'\n') => Some(Self::LineStart),
            (Self::LineStart, b'\n') => Some(Self::Done),
            _ => None,
        }
    }

    fn next(self, byte: u8) -> Result<Self, Failure> {
        match self {
            Self::Protocol(..) | Self::Minor(_) => self.version(byte),
            Self::VersionEnd | Self::Code(_) | Self::CodeEnd | Self::Reason => {
                self.status_line(byte)
            }
            Self::MethodStart
            | Self::Method
            | Self::TargetStart
            | Self::Target
            | Self::RequestLineEnd => self.request_line(byte),
            _ => self.field_line(byte).ok_or(Failure::Header),
        }
    }

    fn version(self, byte: u8) -> Result<Self, Failure> {
        match (self, byte) {
            (Self::Protocol(side, 6), b'.') => Ok(Self::Minor(side)),
            (Self::Protocol(side, index), _) if byte == PROTOCOL[usize::from(index)] => {
                Ok(Self::Protocol(side, index + 1))
            }
            (Self::Protocol(side, index), _) => Err(misspelled(side, index, byte)),
            (Self::Minor(Side::Answer), b'0' | b'1') => Ok(Self::VersionEnd),
            (Self::Minor(Side::Request), b'0' | b'1') => Ok(Self::RequestLineEnd),
            _ => Err(Failure::Version),
        }
    }

    fn status_line(self, byte: u8) -> Result<Self, Failure> {
        match (self, byte) {
            (Self::VersionEnd, b' ') => Ok(Self::Code(0)),
            (Self::VersionEnd, b'0'..=b'9' | b'.') => Err(Failure::Version),
            (Self::Code(0), b'1'..=b'5') => Ok(Self::Code(1)),
            (Self::Code(1), b'0'..=b'9') => Ok(Self::Code(2)),
            (Self::Code(2), b'0'..=b'9') => Ok(Self::CodeEnd),
            (Self::CodeEnd, b' ') => Ok(Self::Reason),
            (Self::CodeEnd | Self::Reason, b'\r') => Ok(Self::LineLf),
            (Self::CodeEnd | Self::Reason, b'\n') => Err(Failure::Header),
            (Self::Reason, _) if is_text(byte) => Ok(Self::Reason),
            (Self::VersionEnd | Self::Reason, _)
            | (Self::Code(0), b' ')
            | (Self::Code(0) | Self::CodeEnd, b'\t') => Err(Failure::StatusLine),
            _ => Err(Failure::StatusCode),
        }
    }

    fn request_line(self, byte: u8) -> Result<Self, Failure> {
        match (self, byte) {
            (Self::MethodStart | Self::Method, _) if is_token(byte) => Ok(Self::Method),
            (Self::Method, b' ') => Ok(Self::TargetStart),
            (Self::TargetStart | Self::Target, b'!'..=b'~') => Ok(Self::Target),
            (Self::Target, b' ') => Ok(Self::Protocol(Side::Request, 0)),
            (Self::RequestLineEnd, b'\r') => Ok(Self::LineLf),
            (Self::RequestLineEnd, b'0'..=b'9' | b'.') => Err(Failure::Version),
            (Self::RequestLineEnd, b'\n') => Err(Failure::Header),
            _ => Err(Failure::StatusLine),
        }
    }

    fn field_line(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::LineLf, b'\n') => Some(Self::LineStart),
            (Self::LineStart, b'\r') => Some(Self::LastLf),
            (Self::LastLf, b'\n') => Some(Self::Done),
            (Self::LineStart | Self::Name, _) if is_token(byte) => Some(Self::Name),
            (Self::Name, b':') => Some(Self::Value),
            (Self::Value, b'\r') => Some(Self::LineLf),
            (Self::Value, _) if is_text(byte) => Some(Self::Value),
            _ => None,
        }
    }
}

/// What it means that `byte` is not byte number `index` of `HTTP/1.`.
///
/// An answer that begins with a printable character where no status line begins is a bare body, that is HTTP/0.9. From
/// the third byte on, or with other bytes, it is a broken status line.
fn misspelled(side: Side, index: u8, byte: u8) -> Failure {
    let bare_body = side == Side::Answer && index < 2 && byte.is_ascii_graphic();
    if index >= 5 || bare_body { Failure::Version } else { Failure::StatusLine }
}

/// A `tchar` of RFC 9110, 5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// What a field value or a reason phrase may hold: `HTAB / SP / VCHAR / obs-text` of RFC 9112.
pub(super) fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 1 << 16;

    fn answer(bytes: &[u8]) -> Result<bool, Failure> {
        Scan { ..Scan::ANSWER }.feed(bytes, MAX)
    }

    fn request(bytes: &[u8]) -> Result<bool, Failure> {
        Scan { ..Scan::REQUEST }.feed(bytes, MAX)
    }

    #[test]
    fn status_lines() {
        for good in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.0 200\r\n\r\n",
            "HTTP/1.1 200 \r\n\r\n",
            "HTTP/1.1 200  OK\r\n\r\n",
            "HTTP/1.1 599 na\u{ef}ve\r\nA:\r\nB: \tc \r\n\r\n",
        ] {
            assert_eq!(answer(good.as_bytes()), Ok(true), "{good:?}");
        }
        for (bad, failure) in [
            ("\0\0garbage", Failure::StatusLine),
            ("HTP/1.1 200", Failure::StatusLine),
            (" HTTP/1.1", Failure::StatusLine),
            ("<html>", Failure::Version),
            ("Hello", Failure::Version),
            ("HTTP/2", Failure::Version),
            ("HTTP/1.2", Failure::Version),
            ("HTTP/01.1", Failure::Version),
            ("HTTP/1.01", Failure::Version),
            ("HTTP/1.1.", Failure::Version),
            ("HTTP/1.1\t200", Failure::StatusLine),
            ("HTTP/1.1  200", Failure::StatusLine),
            ("HTTP/1.1\r\n", Failure::StatusLine),
            ("HTTP/1.1 2 ", Failure::StatusCode),
            ("HTTP/1.1 -", Failure::StatusCode),
            ("HTTP/1.1 6", Failure::StatusCode),
            ("HTTP/1.1 0", Failure::StatusCode),
            ("HTTP/1.1 2000", Failure::StatusCode),
            ("HTTP/1.1 200OK", Failure::StatusCode),
            ("HTTP/1.1 200 O\0", Failure::StatusLine),
            ("HTTP/1.1 200 OK\n", Failure::Header),
            ("HTTP/1.1 200 OK\rA", Failure::Header),
        ] {
            assert_eq!(answer(bad.as_bytes()), Err(failure), "{bad:?}");
        }
    }

    #[test]
    fn request_lines() {
        for good in [
            "GET / HTTP/1.1\r\n\r\n",
            "M-SEARCH * HTTP/1.0\r\nHost: a\r\n\r\n",
            "GET http://a/b?c HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(request(good.as_bytes()), Ok(true), "{good:?}");
        }
        for (bad, failure) in [
            (" GET", Failure::StatusLine),
            ("GET  /", Failure::StatusLine),
            ("GET /a\u{e9}", Failure::StatusLine),
            ("GET /\r\n", Failure::StatusLine),
            ("GET / HTP", Failure::StatusLine),
            ("PRI * HTTP/2", Failure::Version),
            ("GET / HTTP/1.1\n", Failure::Header),
            ("GET / HTTP/1.1 \r\n", Failure::StatusLine),
        ] {
            assert_eq!(request(bad.as_bytes()), Err(failure), "{bad:?}");
        }
    }

    #[test]
    fn field_lines() {
        for bad in [
            "A : b",
            " A: b",
            ": b",
            "A\r\n",
            "A b: c",
            "A: b\n",
            "A: b\r\n c",
            "A: \0",
            "A: \x7f",
            "\n",
            "\r\r",
        ] {
            let scanned = Scan::trailers(LineEnds::Strict).feed(bad.as_bytes(), MAX);
            assert_eq!(scanned, Err(Failure::Header), "{bad:?}");
        }
    }

    #[test]
    fn bounds_are_inclusive() {
        let lines = |count: usize| "A:\r\n".repeat(count) + "\r\n";
        let feed = |text: &str, max| Scan::trailers(LineEnds::Strict).feed(text.as_bytes(), max);
        assert_eq!(feed(&lines(100), MAX), Ok(true));
        assert_eq!(feed(&lines(101), MAX), Err(Failure::TooLarge));
        assert_eq!(feed(&lines(2), 10), Ok(true));
        assert_eq!(feed(&lines(2), 9), Err(Failure::TooLarge));
        assert_eq!(feed("A:\r\nB:\r\n", 8), Err(Failure::TooLarge));
        assert_eq!(feed("A:\r\nB:\r", 8), Ok(false));
    }
}
