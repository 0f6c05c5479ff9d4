//! The server's side of HTTP/1: requests in, pipelined or not, and their answers out in the same order.
//!
//! ```text
//! input ─▶ Head ─▶ Body ─▶ Requested ─▶ answers (at most 16) ─▶ respond() ─▶ pending
//!           ▲        │         │               ▲
//!           └────────┴─────────┘               └── BadRequest: a refusal, no respond()
//! Closed: behind an answer that closes, a refusal, or the end of input
//! ```
//!
//! With 16 answers waiting it consumes nothing until the oldest is sent, which holds back a client that pipelines more.

use std::rc::Rc;

use super::body::{Body, Room};
use super::head::{HEAD_BYTES_MAX, RequestHead, read_request};
use super::responses::{Kind, Responses};
use super::scan::Scan;
use crate::fifo::Fifo;
use crate::{Failure, Machine, Received, ServerEvent, ServerMachine};

/// Most requests that wait for the end of their answers, inclusive.
const ANSWERS_MAX: usize = 16;

/// A server machine that answers every request out of [`Responses`].
#[derive(Debug)]
pub struct Server {
    responses: Rc<Responses>,
    /// What is to be answered, oldest first. A refusal is always the last.
    answers: Fifo<Kind, ANSWERS_MAX>,
    /// How many bytes of the oldest output are gone.
    sent: u64,
    phase: Phase,
    /// The answer to the request whose body is being received.
    kind: Kind,
    /// How many answers may go out and have not gone.
    released: u8,
    interim: Interim,
    /// Whether the peer ended its sending side.
    ended: bool,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Head(Scan),
    Body(Body),
    /// Takes no more input.
    Closed,
}

/// The `100 Continue` of the request whose body is being received; it goes out behind all answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interim {
    None,
    Due,
    /// Part of it is gone, so the rest has to follow.
    Begun,
}

impl Server {
    /// A machine on a fresh connection.
    pub fn new(responses: Rc<Responses>) -> Self {
        Self {
            responses,
            answers: Fifo::new(Kind::Ok),
            sent: 0,
            phase: Phase::Head(Scan::REQUEST),
            kind: Kind::Ok,
            released: 0,
            interim: Interim::None,
            ended: false,
        }
    }

    #[inline]
    fn head(&mut self, mut scan: Scan, input: &[u8]) -> Received<ServerEvent> {
        let blank = if scan == Scan::REQUEST { blank_lines(input) } else { 0 };
        if matches!(&input[blank..], b"" | b"\r") {
            return Received::quietly(blank);
        }
        let read = read_request(&mut scan, &input[blank..]);
        self.phase = Phase::Head(scan);
        match read {
            Ok(None) => Received::quietly(blank),
            Ok(Some(head)) => self.request(&head, blank, input),
            Err(failure) => self.refuse(failure),
        }
    }

    #[inline]
    fn request(&mut self, head: &RequestHead, blank: usize, input: &[u8]) -> Received<ServerEvent> {
        let framing = &head.framing;
        self.kind = Kind::ok(framing.persistent, head.old, head.head_only);
        if framing.expects_continue {
            self.interim = Interim::Due;
        }
        self.body(framing.request_body(), blank + head.bytes, input)
    }

    /// Goes on with `body` at `input[from..]`.
    #[inline]
    fn body(&mut self, mut body: Body, from: usize, input: &[u8]) -> Received<ServerEvent> {
        match body.take(&input[from..], &mut { Room::UNBOUNDED }) {
            Err(failure) => self.refuse(failure),
            Ok(taken) if taken.complete => self.requested(from + taken.bytes),
            Ok(taken) => {
                self.phase = Phase::Body(body);
                Received::quietly(from + taken.bytes)
            }
        }
    }

    #[inline]
    fn requested(&mut self, consumed: usize) -> Received<ServerEvent> {
        self.queue(self.kind);
        Received::with(consumed, ServerEvent::Requested)
    }

    #[cold]
    fn refuse(&mut self, failure: Failure) -> Received<ServerEvent> {
        self.queue(match failure {
            Failure::TooLarge => Kind::TooLarge,
            Failure::Encoding => Kind::NotImplemented,
            Failure::Version => Kind::Version,
            _ => Kind::BadRequest,
        });
        Received::with(0, ServerEvent::BadRequest)
    }

    #[inline]
    fn queue(&mut self, kind: Kind) {
        self.answers.push(kind);
        self.drop_interim();
        self.phase = if kind.closes() { Phase::Closed } else { Phase::Head(Scan::REQUEST) };
    }

    /// Nobody waits for a `100 Continue` that has not begun: the body came, or never will.
    fn drop_interim(&mut self) {
        if self.interim == Interim::Due {
            self.interim = Interim::None;
        }
    }

    /// What goes out now.
    #[inline]
    fn due(&self) -> Option<Kind> {
        match (self.interim, self.answers.front()) {
            (Interim::Begun, _) | (Interim::Due, None) => Some(Kind::Continue),
            (_, Some(kind)) if self.released > 0 || kind.is_refusal() => Some(kind),
            _ => None,
        }
    }

    /// The last byte of `kind` is gone.
    #[inline]
    fn gone(&mut self, kind: Kind) {
        self.sent = 0;
        if kind == Kind::Continue {
            self.interim = Interim::None;
            return;
        }
        self.answers.pop();
        self.released -= u8::from(!kind.is_refusal());
    }

    /// How many answers wait for [`respond`](ServerMachine::respond) or were let go by it.
    fn answerable(&self) -> usize {
        let refused = self.answers.back().is_some_and(Kind::is_refusal);
        self.answers.len() - usize::from(refused)
    }

    fn advance(&mut self, input: &[u8]) -> Received<ServerEvent> {
        match self.phase {
            Phase::Closed => Received::NOTHING,
            _ if input.is_empty() => Received::NOTHING,
            Phase::Head(scan) => self.head(scan, input),
            Phase::Body(body) => self.body(body, 0, input),
        }
    }

    fn close(&mut self) {
        self.drop_interim();
        self.phase = Phase::Closed;
    }
}

/// How many bytes of blank lines stand in front; RFC 9112, 2.2 asks a server to ignore them.
#[inline]
fn blank_lines(input: &[u8]) -> usize {
    input.chunks_exact(2).take_while(|pair| pair == b"\r\n").count() * 2
}

impl Machine for Server {
    type Event = ServerEvent;

    #[inline]
    fn pending(&self) -> &[u8] {
        match self.due() {
            Some(kind) => self.responses.piece(kind, self.sent),
            None => &[],
        }
    }

    #[inline]
    fn transmitted(&mut self, n: usize) {
        assert!(n <= self.pending().len(), "transmitted no more than was pending");
        let Some(kind) = self.due().filter(|_| n > 0) else {
            return;
        };
        self.sent += n as u64;
        if kind == Kind::Continue {
            self.interim = Interim::Begun;
        }
        if self.responses.piece(kind, self.sent).is_empty() {
            self.gone(kind);
        }
    }

    #[inline]
    fn receive(&mut self, input: &[u8]) -> Received<ServerEvent> {
        if self.answers.is_full() {
            return Received::NOTHING;
        }
        let received = self.advance(input);
        if self.ended && (received == Received::NOTHING || received.consumed == input.len()) {
            self.close();
        }
        received
    }

    /// Requests in `rest` that were held back are still taken when there is room again.
    fn end_of_input(&mut self, rest: &[u8]) -> Option<ServerEvent> {
        self.ended = true;
        if rest.is_empty() || !self.answers.is_full() {
            self.close();
        }
        None
    }

    #[inline]
    fn finished(&self) -> bool {
        matches!(self.phase, Phase::Closed)
            && self.answers.is_empty()
            && self.interim == Interim::None
    }

    #[inline]
    fn carry_limit(&self) -> usize {
        if self.answers.is_full() || matches!(self.phase, Phase::Closed) {
            0
        } else {
            HEAD_BYTES_MAX
        }
    }
}

impl ServerMachine for Server {
    #[inline]
    fn respond(&mut self) {
        assert!(usize::from(self.released) < self.answerable(), "one answer to one request");
        self.released += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_costs_little() {
        assert!(size_of::<Server>() <= 80, "{}", size_of::<Server>());
    }

    #[test]
    fn blank_lines_are_whole() {
        for (input, bytes) in
            [("", 0), ("\r", 0), ("\r\n", 2), ("\r\n\r\nGET", 4), ("\n\n", 0), ("G\r\n", 0)]
        {
            assert_eq!(blank_lines(input.as_bytes()), bytes, "{input:?}");
        }
    }
}
