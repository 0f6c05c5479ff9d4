//! An answer that is kept while it comes, for whoever looks into it.

/// Head and body of one answer, up to a bound. Its memory is used again.
#[derive(Debug, Default)]
pub struct Kept {
    status: u16,
    head: Vec<u8>,
    body: Vec<u8>,
    body_bytes: u64,
    bytes_max: usize,
}

impl Kept {
    /// Keeps at most `bytes_max` bytes of a body, inclusive.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, ..Self::default() }
    }

    /// The answer's head is there.
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
        self.status = 0;
        self.head.clear();
        self.body.clear();
        self.body_bytes = 0;
    }

    /// The status; 0 while there is no head.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The body as far as it was kept, content codings as they are.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Bytes of the whole body, kept or not.
    pub const fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// The values of the headers of this name, letters' case aside, in order, without blanks around them.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &[u8]> {
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
        assert_eq!((kept.status(), kept.body(), kept.body_bytes()), (200, &b"abcde"[..], 7));
        kept.begin(404, b"");
        assert_eq!((kept.status(), kept.body(), kept.body_bytes()), (404, &b""[..], 0));
    }

    #[test]
    fn headers_are_found_by_name() {
        let mut kept = Kept::new(0);
        kept.begin(200, b"HTTP/1.1 200 a: b\r\nA:  1 \r\nSet-Cookie: x=1\r\na:\r\n\r\n");
        let values = |name| kept.headers(name).collect::<Vec<_>>();
        assert_eq!(values("a"), [&b"1"[..], b""]);
        assert_eq!(values("set-cookie"), [b"x=1"]);
        assert!(values("b").is_empty() && values("HTTP/1.1 200 a").is_empty());
    }
}
