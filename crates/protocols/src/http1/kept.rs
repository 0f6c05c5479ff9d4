//! An answer for whoever looks into it: where it lies in the input, or kept while it comes in pieces.

/// Memory that stays with a connection from one answer in pieces to the next, where its request follows at once.
const STAYS_BYTES_MAX: usize = 4 << 10;

/// Head and body of one answer that comes in pieces, up to a bound.
///
/// An answer that came at once, as most do, is not copied: it is seen in the input that completed it.
#[derive(Debug, Default)]
pub(super) struct Kept {
    status: u16,
    head: Vec<u8>,
    body: Vec<u8>,
    body_bytes: u64,
    bytes_max: usize,
}

/// An answer that is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The status.
    pub status: u16,
    head: &'a [u8],
    /// The body as far as it was kept, content codings as they are.
    pub body: &'a [u8],
    /// Bytes of the whole body, kept or not.
    pub body_bytes: u64,
}

impl Kept {
    /// The answer's head is there; of its body, which comes in pieces, at most `bytes_max` bytes are kept,
    /// inclusive.
    pub(super) fn begin(&mut self, status: u16, head: &[u8], bytes_max: usize) {
        (self.status, self.body_bytes, self.bytes_max) = (status, 0, bytes_max);
        self.head.clear();
        self.head.extend_from_slice(head);
        self.body.clear();
    }

    /// More of its body is there, without the framing of chunks.
    pub(super) fn add(&mut self, data: &[u8]) {
        let room = self.bytes_max - self.body.len();
        self.body.extend_from_slice(&data[..data.len().min(room)]);
        self.body_bytes += data.len() as u64;
    }

    /// Whether its memory is too much to stay with a connection.
    pub(super) const fn is_much(&self) -> bool {
        self.head.capacity() + self.body.capacity() > STAYS_BYTES_MAX
    }

    /// The answer, whole or not.
    pub(super) fn seen(&self) -> Seen<'_> {
        let Self { status, body_bytes, .. } = *self;
        Seen { status, head: &self.head, body: &self.body, body_bytes }
    }
}

impl<'a> Seen<'a> {
    /// The answer that is `whole`, a head of so many bytes and a body, of which at most `kept_max` bytes are seen,
    /// inclusive.
    #[inline]
    pub(super) fn lying(status: u16, whole: &'a [u8], head_bytes: usize, kept_max: usize) -> Self {
        let (head, body) = whole.split_at(head_bytes);
        Self {
            status,
            head,
            body: &body[..body.len().min(kept_max)],
            body_bytes: body.len() as u64,
        }
    }

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
        let mut kept = Kept::default();
        kept.begin(404, b"before", 1);
        kept.add(b"it");
        kept.begin(200, b"HTTP/1.1 200 OK\r\n\r\n", 5);
        for data in [&b"abc"[..], b"def", b"g"] {
            kept.add(data);
        }
        let seen = kept.seen();
        assert_eq!((seen.status, seen.body, seen.body_bytes), (200, &b"abcde"[..], 7));
        assert_eq!(seen.headers("a").count(), 0);
    }

    #[test]
    fn much_memory_does_not_stay() {
        let mut kept = Kept::default();
        kept.begin(200, b"HTTP/1.1 200 OK\r\n\r\n", 1 << 20);
        kept.add(&[b'x'; 1_000]);
        assert!(!kept.is_much());
        kept.add(&[b'x'; 4 << 10]);
        assert!(kept.is_much());
    }

    #[test]
    fn an_answer_that_came_at_once_is_seen_where_it_lies() {
        let whole = b"HTTP/1.1 200 OK\r\na: b\r\n\r\nabcdefg";
        let seen = Seen::lying(200, whole, 25, 5);
        assert_eq!((seen.status, seen.body, seen.body_bytes), (200, &b"abcde"[..], 7));
        assert_eq!(seen.headers("A").collect::<Vec<_>>(), [b"b"]);
    }

    #[test]
    fn headers_are_found_by_name() {
        let head = b"HTTP/1.1 200 a: b\r\nA:  1 \r\nSet-Cookie: x=1\r\na:\r\n\r\n";
        let seen = Seen::lying(200, head, head.len(), 0);
        let values = |name| seen.headers(name).collect::<Vec<_>>();
        assert_eq!(values("a"), [&b"1"[..], b""]);
        assert_eq!(values("set-cookie"), [b"x=1"]);
        assert!(values("b").is_empty() && values("HTTP/1.1 200 a").is_empty());
    }
}
