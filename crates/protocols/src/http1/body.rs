//! Bodies: bytes that are counted and dropped as they come, by length, by chunks, or until the connection ends.
//!
//! ```text
//! Chunked:  Size ─▶ [Extension ⇄ Quoted ⇄ Escaped] ─▶ SizeLf ─▶ Data ─▶ DataCr ─▶ DataLf ─▶ Size
//!                                                       └─ size 0 ─▶ Trailers
//! ```
//!
//! Every byte is consumed at once, size lines and trailers too, so a body never makes its caller keep anything. A
//! lenient body takes an LF alone as the end of a chunk's line, of its data, and of a trailer.

use super::scan::{LineEnds, Scan, is_text};
use crate::Failure;

/// Most bytes of chunk extensions in one body, inclusive, as in hyper.
const EXTENSION_BYTES_MAX: u16 = 16 << 10;
/// Most bytes of one trailer section with its blank line, inclusive, as in hyper.
const TRAILER_BYTES_MAX: usize = 16 << 10;
/// Most digits of a chunk size: as many as 64 bits have.
const SIZE_DIGITS_MAX: u8 = 16;

/// What of a body is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// This many bytes.
    Counted(u64),
    /// Chunks.
    Chunked(Chunks),
    /// The lines behind the last chunk.
    Trailers(Scan),
    /// Whatever comes before the connection ends.
    UntilClose,
}

/// Where in the chunked coding (RFC 9112, 7.1) we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunks {
    /// The size read so far; then the data bytes still to come.
    left: u64,
    extension_bytes: u16,
    digits: u8,
    line_ends: LineEnds,
    step: Step,
}

/// How many bytes of data a body may still have: what is announced is taken from it, chunk framing is not, so the
/// limit depends on the data alone. Framing cannot grow without bound beside it: each chunk but the last has a byte of
/// data at least, and extensions are bounded by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room(u32);

impl Room {
    /// For any number of bytes.
    pub(super) const UNBOUNDED: Self = Self(u32::MAX);

    /// For `max` bytes; `u32::MAX` is any number.
    pub(super) const fn of(max: u32) -> Self {
        Self(max)
    }

    /// Takes room for `bytes` more.
    #[inline]
    pub(super) fn take(&mut self, bytes: u64) -> Result<(), Failure> {
        if *self != Self::UNBOUNDED {
            let left = u64::from(self.0).checked_sub(bytes).ok_or(Failure::BodyLimit)?;
            self.0 = left as u32;
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Size,
    Extension,
    Quoted,
    Escaped,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// Behind the line of the last chunk.
    Last,
}

/// How far a body came with some input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// Bytes of the input that belong to the body.
    pub(super) bytes: usize,
    /// Whether the body ends behind them.
    pub(super) complete: bool,
}

impl Body {
    /// Takes what of `input` belongs to the body. Data that was not announced before takes of `room`; what a
    /// counted body announces, its caller takes when it begins.
    #[inline]
    pub(super) fn take(&mut self, input: &[u8], room: &mut Room) -> Result<Taken, Failure> {
        self.take_for(input, room, &mut |_| {})
    }

    /// As [`take`](Self::take), and gives `keep` the data without its framing, in order.
    #[inline]
    pub(super) fn take_for(
        &mut self,
        input: &[u8],
        room: &mut Room,
        keep: &mut impl FnMut(&[u8]),
    ) -> Result<Taken, Failure> {
        match self {
            Self::Counted(left) => {
                let taken = take_counted(left, input);
                keep(&input[..taken.bytes]);
                Ok(taken)
            }
            Self::Chunked(_) | Self::Trailers(_) => self.take_coded(input, room, keep),
            Self::UntilClose => {
                room.take(input.len() as u64)?;
                keep(input);
                Ok(Taken { bytes: input.len(), complete: false })
            }
        }
    }

    /// Whether a strict body would have failed by now.
    pub(super) fn forgave(&self) -> bool {
        match self {
            Self::Chunked(chunks) => chunks.line_ends == LineEnds::Forgiven,
            Self::Trailers(scan) => scan.forgave(),
            Self::Counted(_) | Self::UntilClose => false,
        }
    }

    fn take_coded(
        &mut self,
        input: &[u8],
        room: &mut Room,
        keep: &mut impl FnMut(&[u8]),
    ) -> Result<Taken, Failure> {
        let mut bytes = 0;
        if let Self::Chunked(chunks) = self {
            bytes = chunks.feed(input, room, keep)?;
            if chunks.step == Step::Last {
                *self = Self::Trailers(Scan::trailers(chunks.line_ends));
            }
        }
        if let Self::Trailers(scan) = self {
            let before = scan.at();
            let complete = scan.feed(&input[bytes..], TRAILER_BYTES_MAX)?;
            bytes += scan.at() - before;
            return Ok(Taken { bytes, complete });
        }
        Ok(Taken { bytes, complete: false })
    }
}

/// Takes what of `input` belongs to a body of `left` bytes.
pub(super) fn take_counted(left: &mut u64, input: &[u8]) -> Taken {
    let bytes = at_most(*left, input.len());
    *left -= bytes as u64;
    Taken { bytes, complete: *left == 0 }
}

/// The smaller of the two; fits because `len` does.
fn at_most(left: u64, len: usize) -> usize {
    left.min(len as u64) as usize
}

impl Chunks {
    /// Before the first chunk.
    pub(super) const fn new(line_ends: LineEnds) -> Self {
        Self { left: 0, extension_bytes: 0, digits: 0, line_ends, step: Step::Size }
    }

    /// Takes bytes up to the end of `input` or of the last chunk's line; returns how many.
    fn feed(
        &mut self,
        input: &[u8],
        room: &mut Room,
        keep: &mut impl FnMut(&[u8]),
    ) -> Result<usize, Failure> {
        let mut at = 0;
        while at < input.len() && self.step != Step::Last {
            if self.step == Step::Data {
                let bytes = self.skip_data(input.len() - at);
                keep(&input[at..at + bytes]);
                at += bytes;
            } else {
                self.step = self.next(input[at])?;
                at += 1;
                if self.step == Step::Data {
                    room.take(self.left)?;
                }
            }
        }
        Ok(at)
    }

    fn skip_data(&mut self, available: usize) -> usize {
        let bytes = at_most(self.left, available);
        self.left -= bytes as u64;
        if self.left == 0 {
            self.step = Step::DataCr;
        }
        bytes
    }

    fn next(&mut self, byte: u8) -> Result<Step, Failure> {
        if byte == b'\n' && self.is_lenient() {
            self.forgive();
        }
        match (self.step, byte) {
            (Step::Size, _) => self.size(byte),
            (Step::SizeLf, b'\n') if self.left == 0 => Ok(Step::Last),
            (Step::SizeLf, b'\n') => Ok(Step::Data),
            (Step::DataCr, b'\r') => Ok(Step::DataLf),
            (Step::DataLf, b'\n') => {
                self.digits = 0;
                Ok(Step::Size)
            }
            (Step::Extension | Step::Quoted | Step::Escaped, _) => self.extension(byte),
            _ => Err(Failure::Chunk),
        }
    }

    fn is_lenient(&self) -> bool {
        self.line_ends != LineEnds::Strict
    }

    /// An LF has come: where a CR would have to be in front of it, goes on as if it had been.
    fn forgive(&mut self) {
        self.step = match self.step {
            Step::Size if self.digits > 0 => Step::SizeLf,
            Step::Extension => Step::SizeLf,
            Step::DataCr => Step::DataLf,
            _ => return,
        };
        self.line_ends = LineEnds::Forgiven;
    }

    fn size(&mut self, byte: u8) -> Result<Step, Failure> {
        if let Some(digit) = char::from(byte).to_digit(16) {
            return self.digit(digit);
        }
        match byte {
            b'\r' if self.digits > 0 => Ok(Step::SizeLf),
            b';' if self.digits > 0 => self.extension(byte),
            _ => Err(Failure::Chunk),
        }
    }

    fn digit(&mut self, digit: u32) -> Result<Step, Failure> {
        self.digits += 1;
        if self.digits > SIZE_DIGITS_MAX {
            return Err(Failure::Chunk);
        }
        self.left = self.left << 4 | u64::from(digit);
        Ok(Step::Size)
    }

    fn extension(&mut self, byte: u8) -> Result<Step, Failure> {
        if byte == b'\r' && self.step == Step::Extension {
            return Ok(Step::SizeLf);
        }
        if !is_text(byte) {
            return Err(Failure::Chunk);
        }
        self.extension_bytes += 1;
        if self.extension_bytes > EXTENSION_BYTES_MAX {
            return Err(Failure::TooLarge);
        }
        Ok(self.step.quoting(byte))
    }
}

impl Step {
    /// Where in an extension the next byte is, quoted strings told apart.
    fn quoting(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Quoted, b'\\') => Self::Escaped,
            (Self::Quoted, b'"') => Self::Extension,
            (Self::Quoted | Self::Escaped, _) => Self::Quoted,
            (_, b'"') => Self::Quoted,
            _ => Self::Extension,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(bytes: &[u8]) -> Result<Taken, Failure> {
        of_manner(LineEnds::Strict, bytes).0
    }

    fn of_manner(line_ends: LineEnds, bytes: &[u8]) -> (Result<Taken, Failure>, bool) {
        let mut body = Body::Chunked(Chunks::new(line_ends));
        let taken = body.take(bytes, &mut { Room::UNBOUNDED });
        (taken, body.forgave())
    }

    fn whole(bytes: &[u8]) -> bool {
        take(bytes) == Ok(Taken { bytes: bytes.len(), complete: true })
    }

    #[test]
    fn good_chunks() {
        for good in [
            "0\r\n\r\n",
            "000\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            "A\r\n0123456789\r\n1\r\n\n\r\n0\r\nX: y\r\n\r\n",
            "1;a=b;c\r\nx\r\n0;d=\"\\\";\\\\\"\r\n\r\n",
        ] {
            assert!(whole(good.as_bytes()), "{good:?}");
        }
    }

    #[test]
    fn bad_chunks() {
        for bad in [
            "%",
            "g1",
            "1g",
            "-1",
            "\r\n",
            ";a",
            "5 \r\n",
            "5\n",
            "5\r5",
            "00000000000000001",
            "1\r\nxy",
            "1\r\nx\n",
            "1\r\nx\rx",
            "1;a=\"b\r\n",
            "1;a=\"\\\r\n",
            "1;a\n",
            "1;\0",
        ] {
            assert_eq!(take(bad.as_bytes()), Err(Failure::Chunk), "{bad:?}");
        }
    }

    #[test]
    fn a_lenient_body_takes_lone_line_feeds_and_tells() {
        for (text, forgiven) in [
            ("5\r\nhello\r\n0\r\n\r\n", false),
            ("1\r\n\n\r\n0\r\n\r\n", false),
            ("5\nhello\r\n0\r\n\r\n", true),
            ("5\r\nhello\n0\r\n\r\n", true),
            ("5;a=b\r\nhello\r\n0;c\n\r\n", true),
            ("0\r\nA: b\n\r\n", true),
            ("0\r\n\n", true),
            ("5\nhello\n0\nA: b\n\n", true),
        ] {
            let complete = Ok(Taken { bytes: text.len(), complete: true });
            let seen = of_manner(LineEnds::Lenient, text.as_bytes());
            assert_eq!(seen, (complete, forgiven), "{text:?}");
            assert_eq!(whole(text.as_bytes()), !forgiven, "{text:?}");
        }
        for bad in ["\n", "5\n\nhello0", "1\nxy", "1;a=\"b\n", "1;a=\"\\\n", "5\rx", "5\r\r\n"] {
            let seen = of_manner(LineEnds::Lenient, bad.as_bytes()).0;
            assert_eq!(seen, Err(Failure::Chunk), "{bad:?}");
        }
    }

    #[test]
    fn the_limit_is_of_data_and_fails_where_it_is_announced() {
        let take = |body: &mut Body, text: &str, max| {
            body.take(text.as_bytes(), &mut Room::of(max)).map(|taken| taken.complete)
        };
        let chunked = || Body::Chunked(Chunks::new(LineEnds::Strict));
        let text = "3;extension\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: long enough\r\n\r\n";
        assert_eq!(take(&mut chunked(), text, 5), Ok(true));
        assert_eq!(take(&mut chunked(), text, 4), Err(Failure::BodyLimit));
        assert_eq!(take(&mut chunked(), "3\r\n", 2), Err(Failure::BodyLimit));
        assert_eq!(take(&mut chunked(), "FFFFFFFFFFFFFFFF\r", 2), Ok(false));
        assert_eq!(take(&mut Body::UntilClose, "abc", 3), Ok(false));
        assert_eq!(take(&mut Body::UntilClose, "abcd", 3), Err(Failure::BodyLimit));
    }

    #[test]
    fn the_largest_size_is_counted() {
        let mut body = Body::Chunked(Chunks::new(LineEnds::Strict));
        let taken = body.take(b"FFFFFFFFFFFFFFFF\r\nabc", &mut { Room::UNBOUNDED }).unwrap();
        assert_eq!((taken.bytes, taken.complete), (21, false));
    }

    #[test]
    fn extensions_are_bounded_over_the_body() {
        let flood = |count: usize| "1;234567\r\nx\r\n".repeat(count) + "0\r\n\r\n";
        assert!(whole(flood(2340).as_bytes()));
        assert_eq!(take(flood(2341).as_bytes()), Err(Failure::TooLarge));
    }

    #[test]
    fn trailers_are_bounded() {
        let lines = |count: usize, width: usize| {
            let line = format!("A: {}\r\n", "x".repeat(width));
            format!("0\r\n{}\r\n", line.repeat(count))
        };
        assert!(whole(lines(100, 10).as_bytes()));
        assert_eq!(take(lines(101, 10).as_bytes()), Err(Failure::TooLarge));
        assert!(whole(lines(1, TRAILER_BYTES_MAX - 7).as_bytes()));
        let over = lines(1, TRAILER_BYTES_MAX - 6);
        assert_eq!(take(over.as_bytes()), Err(Failure::TooLarge));
    }

    #[test]
    fn counted_bodies_leave_the_rest() {
        let mut body = Body::Counted(5);
        let mut room = Room::UNBOUNDED;
        assert_eq!(body.take(b"abc", &mut room).map(|taken| taken.complete), Ok(false));
        let rest = body.take(b"defg", &mut room).unwrap();
        assert_eq!((rest.bytes, rest.complete), (2, true));
    }

    #[test]
    fn a_body_is_small() {
        assert!(size_of::<Body>() <= 16, "{}", size_of::<Body>());
    }
}
