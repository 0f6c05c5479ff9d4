//! What the fields of a head say about the message: its length, its coding, and whether the connection lasts.
//!
//! RFC 9112, sections 6 and 9.3, without what it lets a recipient forgive.

use httparse::Header;

use super::body::{Body, Chunks};
use super::scan::LineEnds;
use crate::Failure;

/// The fields that frame a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Framing {
    /// The one `Content-Length`, in bytes.
    pub(super) length: Option<u64>,
    /// Whether the body is chunked.
    pub(super) chunked: bool,
    /// Whether the connection may carry another message after this one.
    pub(super) persistent: bool,
    /// Whether `Expect: 100-continue` was sent, in HTTP/1.1.
    pub(super) expects_continue: bool,
    /// Whether a strict reading would have refused it.
    pub(super) forgiven: bool,
}

/// The fields as they are met.
#[derive(Default)]
struct Fields {
    lenient: bool,
    forgiven: bool,
    length: Option<u64>,
    coding: Coding,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
}

#[derive(Default, PartialEq)]
enum Coding {
    #[default]
    Identity,
    Chunked,
    Other,
}

impl Framing {
    /// Reads the fields of a head of version HTTP/1.`minor`; a lenient reading takes the same length twice.
    pub(super) fn read(minor: u8, headers: &[Header<'_>], lenient: bool) -> Result<Self, Failure> {
        let mut fields = Fields { lenient, ..Fields::default() };
        for header in headers {
            fields.take(header)?;
        }
        fields.judge(minor)
    }

    /// The body of a request: without a length there is none.
    pub(super) fn request_body(&self) -> Body {
        self.body(LineEnds::Strict)
    }

    fn body(&self, line_ends: LineEnds) -> Body {
        match (self.chunked, self.length) {
            (true, _) => Body::Chunked(Chunks::new(line_ends)),
            (false, length) => Body::Counted(length.unwrap_or(0)),
        }
    }

    /// The body of an answer that may have one: without a length it ends with the connection.
    pub(super) fn answer_body(&self, lenient: bool) -> Body {
        match (self.chunked, self.length) {
            (false, None) => Body::UntilClose,
            _ => self.body(LineEnds::of(lenient)),
        }
    }
}

impl Fields {
    #[inline]
    fn take(&mut self, header: &Header<'_>) -> Result<(), Failure> {
        // By length first: nearly every field is told apart without comparing a letter.
        match header.name.len() {
            6 if is(header, "Expect") => self.take_expect(header.value),
            10 if is(header, "Connection") => self.take_connection(header.value),
            14 if is(header, "Content-Length") => return self.take_length(header.value),
            17 if is(header, "Transfer-Encoding") => self.take_coding(header.value),
            _ => {}
        }
        Ok(())
    }

    fn take_expect(&mut self, value: &[u8]) {
        self.expects_continue |= value.eq_ignore_ascii_case(b"100-continue");
    }

    fn take_connection(&mut self, value: &[u8]) {
        for token in value.split(|&byte| byte == b',') {
            let token = token.trim_ascii();
            self.close |= token.eq_ignore_ascii_case(b"close");
            self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn take_length(&mut self, value: &[u8]) -> Result<(), Failure> {
        let length = match decimal(value) {
            None if self.lenient => {
                self.forgiven = true;
                same_decimals(value)
            }
            length => length,
        };
        match (self.length.replace(length.ok_or(Failure::Length)?), self.length) {
            (None, _) => Ok(()),
            (Some(one), Some(other)) if self.lenient && one == other => {
                self.forgiven = true;
                Ok(())
            }
            _ => Err(Failure::Length),
        }
    }

    fn take_coding(&mut self, value: &[u8]) {
        let alone = self.coding == Coding::Identity && value.eq_ignore_ascii_case(b"chunked");
        self.coding = if alone { Coding::Chunked } else { Coding::Other };
    }

    fn judge(self, minor: u8) -> Result<Framing, Failure> {
        let coded = self.coding != Coding::Identity;
        if coded && self.length.is_some() {
            return Err(Failure::Length);
        }
        if self.coding == Coding::Other || (coded && minor == 0) {
            return Err(Failure::Encoding);
        }
        Ok(Framing {
            length: self.length,
            chunked: coded,
            persistent: !self.close && (minor == 1 || self.keep_alive),
            expects_continue: minor == 1 && self.expects_continue,
            forgiven: self.forgiven,
        })
    }
}

#[inline]
fn is(header: &Header<'_>, name: &str) -> bool {
    header.name.eq_ignore_ascii_case(name)
}

/// The number that a list repeats, as `8, 8` does.
fn same_decimals(value: &[u8]) -> Option<u64> {
    let mut numbers = value.split(|&byte| byte == b',').map(|part| decimal(part.trim_ascii()));
    let first = numbers.next()??;
    numbers.all(|number| number == Some(first)).then_some(first)
}

/// The digits of `value`, and nothing but digits, as a number.
fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0u64, |number, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(minor: u8, fields: &[(&'static str, &'static str)]) -> Result<Framing, Failure> {
        let headers: Vec<_> =
            fields.iter().map(|&(name, value)| Header { name, value: value.as_bytes() }).collect();
        Framing::read(minor, &headers, false)
    }

    #[test]
    fn lengths() {
        for (value, length) in [("0", 0), ("007", 7), ("18446744073709551615", u64::MAX)] {
            let framing = read(1, &[("content-LENGTH", value)]).unwrap();
            assert_eq!(framing.length, Some(length));
        }
        for value in
            ["", "-6", "+8", "6 crap", "0x10", "5,6", "8, 8", "18446744073709551616", "9e9"]
        {
            assert_eq!(read(1, &[("Content-Length", value)]), Err(Failure::Length), "{value:?}");
        }
        assert_eq!(read(1, &[("Content-Length", "8"); 2]), Err(Failure::Length));
        let similar = read(1, &[("Content-Length-X", "0"), ("Content-Lengt", "x")]).unwrap();
        assert_eq!(similar.length, None);
    }

    #[test]
    fn a_lenient_reading_takes_the_same_length_twice() {
        let lenient = |values: &[&'static str]| {
            let header =
                |value: &&'static str| Header { name: "Content-Length", value: value.as_bytes() };
            let headers: Vec<_> = values.iter().map(header).collect();
            Framing::read(1, &headers, true).map(|framing| (framing.length, framing.forgiven))
        };
        for same in [&["8", "8"][..], &["8, 8"], &["8,8 , 8", "8"]] {
            assert_eq!(lenient(same), Ok((Some(8), true)), "{same:?}");
        }
        assert_eq!(lenient(&["8"]), Ok((Some(8), false)));
        for other in [&["8", "9"][..], &["8, 9"], &["8,"], &[", 8"], &["+8, +8"]] {
            assert_eq!(lenient(other), Err(Failure::Length), "{other:?}");
        }
    }

    #[test]
    fn codings() {
        assert!(read(1, &[("Transfer-Encoding", "Chunked")]).unwrap().chunked);
        for value in
            ["yolo", "chunked, identity", "chunkedchunked", "gzip, chunked", "identity", ""]
        {
            assert_eq!(
                read(1, &[("Transfer-Encoding", value)]),
                Err(Failure::Encoding),
                "{value:?}"
            );
        }
        assert_eq!(read(1, &[("Transfer-Encoding", "chunked"); 2]), Err(Failure::Encoding));
        assert_eq!(read(0, &[("Transfer-Encoding", "chunked")]), Err(Failure::Encoding));
        let both = [("Transfer-Encoding", "chunked"), ("Content-Length", "10")];
        assert_eq!(read(1, &both), Err(Failure::Length));
    }

    #[test]
    fn persistence() {
        for (minor, connection, persistent) in [
            (1, "", true),
            (1, "keep-alive", true),
            (1, "Close", false),
            (1, "upgrade , close", false),
            (1, "closed", true),
            (0, "", false),
            (0, "Keep-Alive", true),
            (0, "keep-alive, close", false),
        ] {
            let framing = read(minor, &[("Connection", connection)]).unwrap();
            assert_eq!(framing.persistent, persistent, "1.{minor} {connection:?}");
        }
    }

    #[test]
    fn bodies() {
        let bare = read(1, &[]).unwrap();
        assert_eq!(bare.request_body(), Body::Counted(0));
        assert_eq!(bare.answer_body(false), Body::UntilClose);
        let counted = read(1, &[("Content-Length", "5")]).unwrap();
        assert_eq!(counted.request_body(), Body::Counted(5));
        assert_eq!(counted.answer_body(false), Body::Counted(5));
        let chunked = read(1, &[("Transfer-Encoding", "chunked")]).unwrap();
        assert_eq!(chunked.request_body(), chunked.answer_body(false));
        for (lenient, line_ends) in [(false, LineEnds::Strict), (true, LineEnds::Lenient)] {
            let body = Body::Chunked(Chunks::new(line_ends));
            assert_eq!(chunked.answer_body(lenient), body);
        }
    }

    #[test]
    fn expectation_needs_http_1_1() {
        let expect = [("Expect", "100-Continue")];
        assert!(read(1, &expect).unwrap().expects_continue);
        assert!(!read(0, &expect).unwrap().expects_continue);
    }
}
