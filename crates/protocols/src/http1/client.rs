//! The client's side of HTTP/1: one request, its interim answers, its answer; again while the connection lasts.
//!
//! ```text
//!           start            1xx ┌──┐          head with a body
//! Idle ────────────▶ Head ◀──────┘  └─▶ Head ────────────────▶ Body
//!  ▲                  │ ▲ 1xx that announces bytes ┌──────┐      │
//!  │                  │ └────────────────────────▶ │ Skip │      │ last byte
//!  │                  │ no body                    └──────┘      │
//!  └── Completed, reusable ◀────────────────────────────────────┘
//!      Completed, not reusable · Failed ─▶ Finished
//! ```

use std::rc::Rc;

use super::body::{Body, Room, take_counted};
use super::head::{AnswerHead, HEAD_BYTES_MAX, read_answer};
use super::kept::{Kept, Seen};
use super::request::Request;
use super::scan::Scan;
use crate::{Answer, ClientEvent, ClientMachine, Failure, Machine, Received};

/// Most interim answers to one request, inclusive, as in CPython and Ruby.
const INTERIMS_MAX: u8 = 100;

/// What a further answer begins with, and extra data hardly does.
const ANSWER_BEGINS: &[u8; 5] = b"HTTP/";

/// A client machine that sends the same [`Request`] in each exchange, until it is given another.
#[derive(Debug)]
pub struct Client {
    request: Rc<Request>,
    /// Bytes of it that were taken; no request has 4 GiB.
    sent: u32,
    /// What of the last request is still to be sent, though it was answered.
    owed: u32,
    /// How much data the answer's body may still have.
    room: Room,
    phase: Phase,
    status: u16,
    interims: u8,
    /// What the answer's head said about the connection.
    persistent: bool,
    /// Whether bytes were skipped behind an interim answer; then this exchange is the last.
    skipped: bool,
    /// Whether anything of this exchange was taken that a strict client refuses.
    forgiven: bool,
    /// How long the head is of an answer that lies in the input that completed it; else 0.
    lies: u32,
    /// What of one that came in pieces is kept.
    kept: Option<Box<Kept>>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// No exchange is open.
    Idle,
    Head(Scan),
    /// Behind an interim answer that announced `left` bytes, which no interim answer may have.
    Skip {
        left: u64,
        begun: bool,
    },
    Body(Body),
    /// The connection is of no more use.
    Finished,
}

impl Client {
    /// A machine without an open exchange on a fresh connection.
    pub fn new(request: Rc<Request>) -> Self {
        Self {
            request,
            sent: 0,
            owed: 0,
            room: Room::UNBOUNDED,
            phase: Phase::Idle,
            status: 0,
            interims: 0,
            persistent: false,
            skipped: false,
            forgiven: false,
            lies: 0,
            kept: None,
        }
    }

    /// Sends `request` too from the next exchange on; returns the one before.
    ///
    /// # Panics
    /// When the connection is not between exchanges, or the rest of an answered request is still to be sent.
    #[inline]
    pub fn replace_request(&mut self, request: &Rc<Request>) -> Rc<Request> {
        self.assert_between();
        std::mem::replace(&mut self.request, Rc::clone(request))
    }

    /// What it sends.
    pub fn request(&self) -> &Rc<Request> {
        &self.request
    }

    /// What it sends, to be written anew; none where others send it too.
    ///
    /// # Panics
    /// As [`Self::replace_request`].
    pub fn own_request(&mut self) -> Option<&mut Request> {
        self.assert_between();
        Rc::get_mut(&mut self.request)
    }

    /// It can be given another request.
    fn assert_between(&self) {
        assert!(matches!(self.phase, Phase::Idle), "a request is changed between exchanges");
        assert!(self.owed == 0, "a request is changed once it has left");
    }

    /// The answer that was just completed; `input` is that of its event, of which the last `surplus` bytes are not its
    /// own. None where it came in pieces and its request has them forgotten.
    #[inline]
    pub fn seen<'a>(&'a self, input: &'a [u8], surplus: u32) -> Option<Seen<'a>> {
        if self.lies > 0 {
            let kept_max = self.request.manner().kept_max;
            let whole = &input[..input.len() - surplus as usize];
            return Some(Seen::lying(self.status, whole, self.lies as usize, kept_max as usize));
        }
        self.kept.as_deref().map(Kept::seen)
    }

    /// Nothing of the answer is looked at any more. Its memory is given back, where it is much or the connection
    /// is `idle` now.
    #[inline]
    pub fn forget_answer(&mut self, idle: bool) {
        if self.kept.as_ref().is_some_and(|kept| idle || kept.is_much()) {
            self.kept = None;
        }
    }

    #[inline]
    fn head(&mut self, mut scan: Scan, input: &[u8]) -> Received<ClientEvent> {
        let read = read_answer(&mut scan, input);
        self.phase = Phase::Head(scan);
        match read {
            Ok(None) => Received::NOTHING,
            Ok(Some(head)) => {
                self.forgiven |= head.forgiven;
                match head.status {
                    ..200 => self.interim(&head),
                    _ => self.answer(&head, input),
                }
            }
            Err(failure) => self.fail(failure),
        }
    }

    fn interim(&mut self, head: &AnswerHead) -> Received<ClientEvent> {
        if head.status == 101 {
            return self.fail(Failure::Upgrade);
        }
        if self.interims == INTERIMS_MAX {
            return self.fail(Failure::InterimLimit);
        }
        self.interims += 1;
        self.phase = match head.framing.length {
            Some(left @ 1..) => Phase::Skip { left, begun: false },
            _ => Phase::Head(self.scan()),
        };
        Received::with(head.bytes, ClientEvent::Interim(head.status))
    }

    #[inline]
    fn answer(&mut self, head: &AnswerHead, input: &[u8]) -> Received<ClientEvent> {
        self.status = head.status;
        self.persistent = head.framing.persistent;
        let body = if self.request.is_head() || matches!(head.status, 204 | 304) {
            Body::Counted(0)
        } else {
            head.framing.answer_body(self.request.manner().lenient)
        };
        if let Body::Counted(length) = body {
            if let Err(failure) = self.room.take(length) {
                return self.fail(failure);
            }
            if length <= (input.len() - head.bytes) as u64 {
                self.lies = u32::try_from(head.bytes).expect("a head is bounded");
                return self.complete(head.bytes + length as usize, input);
            }
        }
        self.lies = 0;
        match self.request.manner().kept_max {
            0 => self.kept = None,
            max => {
                let kept = self.kept.get_or_insert_default();
                kept.begin(head.status, &input[..head.bytes], max as usize);
            }
        }
        self.body(body, head.bytes, input)
    }

    /// Goes on with `body` at `input[from..]`.
    #[inline]
    fn body(&mut self, mut body: Body, from: usize, input: &[u8]) -> Received<ClientEvent> {
        let (rest, room) = (&input[from..], &mut self.room);
        let taken = match &mut self.kept {
            None => body.take(rest, room),
            Some(kept) => body.take_for(rest, room, &mut |data| kept.add(data)),
        };
        let taken = match taken {
            Err(failure) => return self.fail(failure),
            Ok(taken) => taken,
        };
        if taken.complete {
            self.forgiven |= body.forgave();
            return self.complete(from + taken.bytes, input);
        }
        self.phase = Phase::Body(body);
        Received::quietly(from + taken.bytes)
    }

    fn scan(&self) -> Scan {
        Scan::answer(self.request.manner().lenient)
    }

    /// Drops what an interim answer announced, unless a status line comes in its place.
    fn skip(&mut self, left: u64, begun: bool, input: &[u8]) -> Received<ClientEvent> {
        if !begun && begins_answer(input) {
            if input.len() < ANSWER_BEGINS.len() {
                return Received::NOTHING;
            }
            return self.head(self.scan(), input);
        }
        // The first byte is told alone, so that the event is the same however the bytes are cut.
        let told = std::mem::replace(&mut self.skipped, true);
        let input = if told { input } else { &input[..1] };
        let mut rest = left;
        let bytes = take_counted(&mut rest, input).bytes;
        self.phase = match rest {
            0 => Phase::Head(self.scan()),
            left => Phase::Skip { left, begun: true },
        };
        let extra = ClientEvent::Extra(u32::try_from(left).unwrap_or(u32::MAX));
        Received { consumed: bytes, event: (!told).then_some(extra) }
    }

    /// The answer ends behind the first `consumed` bytes of `input`.
    #[inline]
    fn complete(&mut self, consumed: usize, input: &[u8]) -> Received<ClientEvent> {
        let rest = &input[consumed..];
        let unsent = self.request.bytes().len() - self.sent as usize;
        let early = unsent > 0;
        let last = self.skipped || !rest.is_empty();
        let kept_up = !early || self.request.manner().finish_early;
        let answer = Answer {
            status: self.status,
            reusable: self.persistent && self.request.is_persistent() && kept_up && !last,
            early,
            surplus: u32::try_from(rest.len()).unwrap_or(u32::MAX),
            unsolicited: !rest.is_empty() && begins_answer(rest),
            forgiven: self.forgiven,
        };
        self.phase = if answer.reusable { Phase::Idle } else { Phase::Finished };
        self.owed = if answer.reusable { u32::try_from(unsent).unwrap_or(u32::MAX) } else { 0 };
        Received::with(consumed, ClientEvent::Completed(answer))
    }

    #[cold]
    fn fail(&mut self, failure: Failure) -> Received<ClientEvent> {
        self.finish();
        Received::with(0, ClientEvent::Failed(failure))
    }

    /// Nothing more goes over the connection, what is owed of an answered request neither.
    fn finish(&mut self) {
        self.phase = Phase::Finished;
        self.owed = 0;
    }

    /// Bytes that no request asked for.
    fn unasked(&mut self, input: &[u8]) -> Received<ClientEvent> {
        self.fail(if begins_answer(input) { Failure::Unsolicited } else { Failure::ExtraData })
    }

    /// What it means that the peer ended inside the exchange, before the answer's body.
    fn cut_short(&self, rest: &[u8]) -> Failure {
        if rest.is_empty() && self.interims == 0 {
            Failure::ClosedBeforeResponse
        } else {
            Failure::Truncated
        }
    }
}

/// Whether `bytes`, as far as they go, are the beginning of an answer.
fn begins_answer(bytes: &[u8]) -> bool {
    let len = bytes.len().min(ANSWER_BEGINS.len());
    bytes[..len] == ANSWER_BEGINS[..len]
}

impl Machine for Client {
    type Event = ClientEvent;

    #[inline]
    fn pending(&self) -> &[u8] {
        let bytes = self.request.bytes();
        match self.owed as usize {
            0 if self.busy() => &bytes[self.sent as usize..],
            owed => &bytes[bytes.len() - owed..],
        }
    }

    #[inline]
    fn transmitted(&mut self, n: usize) {
        assert!(n <= self.pending().len(), "transmitted no more than was pending");
        if self.owed > 0 {
            self.owed -= n as u32;
        } else {
            self.sent = self.sent.checked_add(n as u32).expect("no request has 4 GiB");
        }
    }

    #[inline]
    fn receive(&mut self, input: &[u8]) -> Received<ClientEvent> {
        if input.is_empty() {
            return Received::NOTHING;
        }
        match self.phase {
            Phase::Finished => Received::NOTHING,
            Phase::Idle => self.unasked(input),
            // An answer to what has not begun to leave is the answer to nothing of ours.
            _ if self.sent == 0 => self.unasked(input),
            Phase::Head(scan) => self.head(scan, input),
            Phase::Skip { left, begun } => self.skip(left, begun, input),
            Phase::Body(body) => self.body(body, 0, input),
        }
    }

    fn end_of_input(&mut self, rest: &[u8]) -> Option<ClientEvent> {
        let ended = match self.phase {
            Phase::Idle | Phase::Finished => None,
            Phase::Body(Body::UntilClose) => {
                self.persistent = false;
                self.complete(0, &[]).event
            }
            Phase::Body(_) => self.fail(Failure::Truncated).event,
            Phase::Head(_) | Phase::Skip { .. } => self.fail(self.cut_short(rest)).event,
        };
        self.finish();
        ended
    }

    #[inline]
    fn finished(&self) -> bool {
        matches!(self.phase, Phase::Finished)
    }

    #[inline]
    fn carry_limit(&self) -> usize {
        if self.finished() { 0 } else { HEAD_BYTES_MAX }
    }
}

impl ClientMachine for Client {
    #[inline]
    fn start(&mut self) {
        assert!(
            matches!(self.phase, Phase::Idle),
            "one exchange at a time, on a connection that lasts"
        );
        self.sent = 0;
        self.interims = 0;
        self.room = Room::of(self.request.manner().body_max);
        self.forgiven = false;
        self.phase = Phase::Head(self.scan());
    }

    #[inline]
    fn busy(&self) -> bool {
        !matches!(self.phase, Phase::Idle | Phase::Finished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_costs_little() {
        assert!(size_of::<Client>() <= 64, "{}", size_of::<Client>());
        assert!(size_of::<Received<ClientEvent>>() <= 24);
    }

    #[test]
    fn beginnings_of_answers() {
        for (bytes, begins) in
            [("H", true), ("HTTP/1.1 200", true), ("HTTP/", true), ("He", false), ("x", false)]
        {
            assert_eq!(begins_answer(bytes.as_bytes()), begins, "{bytes:?}");
        }
    }
}
