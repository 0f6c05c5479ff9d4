//! Chunked bodies: our decoder against a second one, which works on whole lines and is as slow as it is plain.

use protocols::http1::Request;
use protocols::{ClientEvent, Failure};

use crate::feed::{Asking, Story, in_any_reads, surplus_is_told};

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Longer bodies are cut: from 16 KiB on there are bounds, which the units of `protocols` test.
const BODY_BYTES_MAX: usize = 8 << 10;
/// Most lines of trailers.
const TRAILERS_MAX: usize = 100;
/// Most digits of a size.
const DIGITS_MAX: usize = 16;

/// What a body comes to.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It ends behind so many bytes.
    Complete(usize),
    /// It is broken.
    Failed(Failure),
    /// More is needed.
    Incomplete,
}

const BROKEN: Verdict = Verdict::Failed(Failure::Chunk);

/// `data` comes behind a head that announces chunks.
///
/// Laws: the same events in any reads, and the same end, or failure, as the plain decoder finds.
///
/// # Panics
/// Where a law is broken.
pub fn chunked_body(data: &[u8]) {
    let data = &data[..data.len().min(BODY_BYTES_MAX)];
    let request = Request::builder("GET", "h", "/").build();
    let asking = Asking::once(request.expect("the request is well formed"));
    let stream = [HEAD, data].concat();
    let story = in_any_reads(&asking, &stream);
    surplus_is_told(&asking, &stream, &story);
    assert_eq!(ours(&story), Plain { data, at: 0 }.body());
}

/// What the client's first event says of the body.
fn ours(story: &Story) -> Verdict {
    match story.told.first() {
        None => Verdict::Incomplete,
        Some((ClientEvent::Completed(_), Some(at))) => Verdict::Complete(at - HEAD.len()),
        Some((ClientEvent::Failed(failure), _)) => Verdict::Failed(*failure),
        Some(other) => panic!("{other:?} is nothing that a body does"),
    }
}

/// The plain decoder: `data[at..]` is still to be read. Its steps end early with the verdict.
struct Plain<'a> {
    data: &'a [u8],
    at: usize,
}

/// A line, or what there is of it.
struct Line {
    /// Without its CR LF, or the CR that may become one.
    text: Vec<u8>,
    /// Whether a CR ends it.
    ended: bool,
    /// Whether an LF is behind that.
    whole: bool,
}

impl Plain<'_> {
    fn body(mut self) -> Verdict {
        loop {
            match self.chunk() {
                Ok(0) => return self.trailers(),
                Ok(_) => {}
                Err(verdict) => return verdict,
            }
        }
    }

    /// One chunk with its line and its end; its size.
    fn chunk(&mut self) -> Result<u64, Verdict> {
        let line = self.line().ok_or(BROKEN)?;
        let digits = line.text.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (digits, extension) = line.text.split_at(digits);
        let nothing_yet = line.text.is_empty() && !line.ended;
        let sized = nothing_yet || (1..=DIGITS_MAX).contains(&digits.len());
        if !sized || !is_extension(extension, line.ended) {
            return Err(BROKEN);
        }
        if !line.whole {
            return Err(Verdict::Incomplete);
        }
        let digits = String::from_utf8_lossy(digits).into_owned();
        let size = u64::from_str_radix(&digits, 16).expect("16 hexadecimal digits are a number");
        if size > 0 {
            self.skip(size)?;
        }
        Ok(size)
    }

    /// So many bytes and CR LF.
    fn skip(&mut self, size: u64) -> Result<(), Verdict> {
        let rest = &self.data[self.at..];
        let fits = usize::try_from(size).ok().filter(|size| *size < rest.len());
        let end = fits.ok_or(Verdict::Incomplete)?;
        match &rest[end..] {
            [b'\r', b'\n', ..] => {
                self.at += end + 2;
                Ok(())
            }
            [b'\r'] => Err(Verdict::Incomplete),
            _ => Err(BROKEN),
        }
    }

    /// The lines behind the last chunk.
    fn trailers(mut self) -> Verdict {
        for lines in 0.. {
            let first = self.data.get(self.at).copied();
            if lines == TRAILERS_MAX && first.is_some_and(is_token) {
                return Verdict::Failed(Failure::TooLarge);
            }
            match self.line().filter(is_field) {
                None => return Verdict::Failed(Failure::Header),
                Some(Line { whole: false, .. }) => return Verdict::Incomplete,
                Some(line) if line.text.is_empty() => return Verdict::Complete(self.at),
                Some(_) => {}
            }
        }
        unreachable!("data has an end")
    }

    /// The next line; none if it ends in LF alone.
    fn line(&mut self) -> Option<Line> {
        let rest = &self.data[self.at..];
        let feed = rest.iter().position(|byte| *byte == b'\n');
        let line = &rest[..feed.unwrap_or(rest.len())];
        let text = line.strip_suffix(b"\r");
        if feed.is_some() && text.is_none() {
            return None;
        }
        self.at += line.len() + usize::from(feed.is_some());
        let ended = text.is_some();
        Some(Line { text: text.unwrap_or(line).to_vec(), ended, whole: feed.is_some() })
    }
}

/// Nothing, or printable text behind a `;` with its quotes closed where the line ends.
fn is_extension(text: &[u8], ended: bool) -> bool {
    let begins = matches!(text.first(), None | Some(b';'));
    begins && text.iter().copied().all(is_text) && !(ended && leaves_a_quote_open(text))
}

/// Whether a quoted string has begun in `text` and not ended.
fn leaves_a_quote_open(text: &[u8]) -> bool {
    let mut bytes = text.iter();
    let mut open = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => open = !open,
            b'\\' if open => drop(bytes.next()),
            _ => {}
        }
    }
    open
}

/// `name: value`, or nothing; where the line has not ended, the beginning of it.
fn is_field(line: &Line) -> bool {
    let mut parts = line.text.splitn(2, |byte| *byte == b':');
    let name = parts.next().unwrap_or_default();
    let value = parts.next();
    let named = name.iter().copied().all(is_token) && (!name.is_empty() || value.is_none());
    let valued = match value {
        Some(value) => value.iter().copied().all(is_text),
        None => name.is_empty() || !line.ended,
    };
    named && valued
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !br#""(),/:;<=>?@[\]{}"#.contains(&byte)
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}
