//! An answer for whoever looks into it: where it lies in the input, or kept while it comes in pieces.

/// Head and body of one answer, up to a bound. Its memory is used again.
///
/// An answer that came at once, as most do, is not copied: it lies in the input that completed it.
#[derive(Debug, Default)]
pub struct Kept {
    status: u16,
    /// How long its head is, of an answer that lies in the input.
    lies: Option<usize>,
    head: Vec<u8>,
    body: Vec<u8>,
    body_bytes: u64,
    bytes_max: usize,
}

/// An answer that is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The status; 0 while there is no head.
    pub status: u16,
    head: &'a [u8],
    /// The body as far as it was kept, content codings as they are.
    pub body: &'a [u8],
    /// Bytes of the whole body, kept or not.
    pub body_bytes: u64,
}

impl Kept {
    /// Keeps at most `bytes_max` bytes of a body, inclusive.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, ..Self::default() }
    }

    /// The answer is there, at the front of the input: a head of so many bytes, and a body of so many.
    #[inline]
    pub(super) fn note(&mut self, status: u16, head_bytes: usize, body_bytes: u64) {
        (self.status, self.lies, self.body_bytes) = (status, Some(head_bytes), body_bytes);
    }

    /// The answer's head is there; its body comes in pieces.
    pub(super) fn begin(&mut self, status: u16, head: &[u8]) {
        self.clear();
        self.status = status;
        self.head.extend_from_slice(head);
    }

    /// More of its body is there, without the framing of chunks.
    pub(super) fn add(&mut self, data: &[u8]) {
        let room = self.bytes_max - self.body.len();
        self.body.extend_from_slice(&data[..data.len().min(room)]);
        self.body_bytes += data.len() as u64;
    }

    /// Forgets the answer; its memory stays.
    pub fn clear(&mut self) {
        (self.status, self.lies, self.body_bytes) = (0, None, 0);
        self.head.clear();
        self.body.clear();
    }

    /// The answer, whole or not; `input` is that of the event which ended it.
    ///
    /// # Panics
    /// Where `input` is a shorter one.
    #[inline]
    pub fn seen<'a>(&'a self, input: &'a [u8]) -> Seen<'a> {
        let (head, body) = match self.lies {
            None => (&self.head[..], &self.body[..]),
            Some(head_bytes) => {
                let (head, rest) = input.split_at(head_bytes);
                (head, &rest[..(self.body_bytes as usize).min(self.bytes_max)])
            }
        };
        Seen { status: self.status, head, body, body_bytes: self.body_bytes }
    }
}

impl<'a> Seen<'a> {
    /// The values of the headers of this name, letters' case aside, in order, without blanks around them.
    pub fn headers(self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let lines = self.head.split(|byte| *byte == b'\n').skip(1);
        lines.filter_map(move |line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let named = line[..colon].eq_ignore_ascii_case(name.as_bytes());
            named.then(|| line[colon + 1..].trim_ascii())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_kept_up_to_its_bound_and_counted_whole() {
        let mut kept = Kept::new(5);
        kept.begin(200, b"HTTP/1.1 200 OK\r\n\r\n");
        for data in [&b"abc"[..], b"def", b"g"] {
            kept.add(data);
        }
        let seen = kept.seen(b"");
        assert_eq!((seen.status, seen.body, seen.body_bytes), (200, &b"abcde"[..], 7));
        kept.begin(404, b"");
        let seen = kept.seen(b"");
        assert_eq!((seen.status, seen.body, seen.body_bytes), (404, &b""[..], 0));
    }

    #[test]
    fn an_answer_that_came_at_once_is_seen_where_it_lies() {
        let mut kept = Kept::new(5);
        kept.begin(404, b"before");
        let input = b"HTTP/1.1 200 OK\r\na: b\r\n\r\nabcdefgHTTP";
        kept.note(200, 25, 7);
        let seen = kept.seen(input);
        assert_eq!((seen.status, seen.body, seen.body_bytes), (200, &b"abcde"[..], 7));
        assert_eq!(seen.headers("A").collect::<Vec<_>>(), [b"b"]);
    }

    #[test]
    fn headers_are_found_by_name() {
        let mut kept = Kept::new(0);
        kept.begin(200, b"HTTP/1.1 200 a: b\r\nA:  1 \r\nSet-Cookie: x=1\r\na:\r\n\r\n");
        let values = |name| kept.seen(b"").headers(name).collect::<Vec<_>>();
        assert_eq!(values("a"), [&b"1"[..], b""]);
        assert_eq!(values("set-cookie"), [b"x=1"]);
        assert!(values("b").is_empty() && values("HTTP/1.1 200 a").is_empty());
    }
}
