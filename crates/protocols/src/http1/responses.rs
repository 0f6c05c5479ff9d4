//! The answers that a server sends: encoded once, shared by every connection, of any size in constant memory.

/// Most body bytes that lie behind their head in one piece; also the size of the filler.
const FILLER_BYTES: usize = 64 << 10;

/// The byte that bodies are made of.
const FILLER: u8 = b'x';

/// Which answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// 200 to HTTP/1.1.
    Ok,
    /// 200 to HTTP/1.0 that asked to keep the connection.
    OkKeepAlive,
    /// 200, and the connection ends.
    OkClose,
    /// The three above without the body, to HEAD.
    HeadOk,
    /// See [`Kind::HeadOk`].
    HeadOkKeepAlive,
    /// See [`Kind::HeadOk`].
    HeadOkClose,
    /// 100, before the body that waits for it.
    Continue,
    /// 400, like all below: sent by the machine itself, and the connection ends.
    BadRequest,
    /// 431.
    TooLarge,
    /// 501.
    NotImplemented,
    /// 505.
    Version,
}

impl Kind {
    /// The 200 for a request.
    pub(super) fn ok(persistent: bool, old: bool, head_only: bool) -> Self {
        match (persistent, old, head_only) {
            (false, _, false) => Self::OkClose,
            (false, _, true) => Self::HeadOkClose,
            (true, true, false) => Self::OkKeepAlive,
            (true, true, true) => Self::HeadOkKeepAlive,
            (true, false, false) => Self::Ok,
            (true, false, true) => Self::HeadOk,
        }
    }

    /// Whether it is a refusal, which goes out without [`respond`](crate::ServerMachine::respond).
    pub(super) fn is_refusal(self) -> bool {
        self as u8 > Self::Continue as u8
    }

    /// Whether the connection ends behind it.
    pub(super) fn closes(self) -> bool {
        self.is_refusal() || matches!(self, Self::OkClose | Self::HeadOkClose)
    }
}

/// Every answer of a server with one body size.
///
/// Memory: at most about 260 KiB, whatever the body size.
#[derive(Debug)]
pub struct Responses {
    templates: [Template; 11],
    filler: Box<[u8]>,
}

/// One answer: its beginning in one piece, and how much there is with the filler that follows.
#[derive(Debug)]
struct Template {
    start: Box<[u8]>,
    total_bytes: u64,
}

impl Responses {
    /// Answers whose body is `body_bytes` of filler.
    pub fn new(body_bytes: u64) -> Self {
        let ok = |connection, filled| Template::ok(body_bytes, connection, filled);
        Self {
            templates: [
                ok("", true),
                ok("Connection: keep-alive\r\n", true),
                ok("Connection: close\r\n", true),
                ok("", false),
                ok("Connection: keep-alive\r\n", false),
                ok("Connection: close\r\n", false),
                Template::bare("HTTP/1.1 100 Continue\r\n\r\n".to_owned()),
                Template::refusal("400 Bad Request"),
                Template::refusal("431 Request Header Fields Too Large"),
                Template::refusal("501 Not Implemented"),
                Template::refusal("505 HTTP Version Not Supported"),
            ],
            filler: vec![FILLER; FILLER_BYTES].into_boxed_slice(),
        }
    }

    /// What follows the first `sent` bytes of an answer, in one piece of any length; empty behind its end.
    #[inline]
    pub(super) fn piece(&self, kind: Kind, sent: u64) -> &[u8] {
        let template = &self.templates[kind as usize];
        match usize::try_from(sent).ok().and_then(|sent| template.start.get(sent..)) {
            Some(piece) if !piece.is_empty() => piece,
            _ => &self.filler[..template.filler_left(sent)],
        }
    }
}

impl Template {
    fn ok(body_bytes: u64, connection: &str, filled: bool) -> Self {
        let head = format!(
            "HTTP/1.1 200 OK\r\nServer: sclients\r\nContent-Type: text/plain\r\nContent-Length: {body_bytes}\r\n{connection}\r\n"
        );
        let mut template = Self::bare(head);
        if filled {
            template.fill(body_bytes);
        }
        template
    }

    fn refusal(status: &str) -> Self {
        Self::bare(format!(
            "HTTP/1.1 {status}\r\nServer: sclients\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        ))
    }

    fn bare(head: String) -> Self {
        Self { total_bytes: head.len() as u64, start: head.into_bytes().into_boxed_slice() }
    }

    fn fill(&mut self, body_bytes: u64) {
        let close_by = body_bytes.min(FILLER_BYTES as u64) as usize;
        let mut start = self.start.to_vec();
        start.resize(start.len() + close_by, FILLER);
        self.start = start.into_boxed_slice();
        self.total_bytes = self.total_bytes.saturating_add(body_bytes);
    }

    /// How much filler the next piece has behind the first `sent` bytes.
    fn filler_left(&self, sent: u64) -> usize {
        let left = self.total_bytes.saturating_sub(sent);
        left.min(FILLER_BYTES as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(responses: &Responses, kind: Kind) -> Vec<u8> {
        let mut out = Vec::new();
        while let piece @ [_, ..] = responses.piece(kind, out.len() as u64) {
            out.extend_from_slice(piece);
        }
        out
    }

    #[test]
    fn a_small_answer_is_one_piece() {
        let responses = Responses::new(5);
        let piece = responses.piece(Kind::Ok, 0);
        assert!(
            piece.starts_with(b"HTTP/1.1 200 OK\r\n")
                && piece.ends_with(b"Content-Length: 5\r\n\r\nxxxxx")
        );
        assert!(responses.piece(Kind::Ok, piece.len() as u64).is_empty());
    }

    #[test]
    fn bodies_have_the_announced_size() {
        for body_bytes in [0, 1, 65_535, 65_536, 65_537, 200_000] {
            let responses = Responses::new(body_bytes);
            let head = whole(&responses, Kind::HeadOk);
            let all = whole(&responses, Kind::Ok);
            assert!(all.starts_with(&head) && head.ends_with(b"\r\n\r\n"));
            assert_eq!((all.len() - head.len()) as u64, body_bytes);
        }
    }

    #[test]
    fn kinds_find_their_template() {
        let responses = Responses::new(3);
        for (kind, begins, says) in [
            (Kind::OkKeepAlive, "HTTP/1.1 200", "keep-alive\r\n\r\nxxx"),
            (Kind::OkClose, "HTTP/1.1 200", "close\r\n\r\nxxx"),
            (Kind::HeadOkKeepAlive, "HTTP/1.1 200", "keep-alive\r\n\r\n"),
            (Kind::HeadOkClose, "HTTP/1.1 200", "close\r\n\r\n"),
            (Kind::Continue, "HTTP/1.1 100", "\r\n\r\n"),
            (Kind::BadRequest, "HTTP/1.1 400", "close\r\n\r\n"),
            (Kind::TooLarge, "HTTP/1.1 431", "close\r\n\r\n"),
            (Kind::NotImplemented, "HTTP/1.1 501", "close\r\n\r\n"),
            (Kind::Version, "HTTP/1.1 505", "close\r\n\r\n"),
        ] {
            let text = String::from_utf8(whole(&responses, kind)).unwrap();
            assert!(text.starts_with(begins) && text.ends_with(says), "{kind:?}: {text}");
        }
    }

    #[test]
    fn refusals_close() {
        assert!(Kind::BadRequest.is_refusal() && Kind::Version.closes() && Kind::OkClose.closes());
        assert!(!Kind::Continue.is_refusal() && !Kind::Ok.closes() && !Kind::OkClose.is_refusal());
    }
}
