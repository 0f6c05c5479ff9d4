//! The client's side of echo: send a message, compare what comes back.
//!
//! ```text
//! Idle ── start ──▶ Open ── the last byte came back ──▶ Idle
//!                     └── difference, surplus, end ──▶ Finished
//! ```

use std::rc::Rc;

use crate::{Answer, ClientEvent, ClientMachine, Failure, Machine, Received};

/// Input is consumed as it comes; this only lets the caller read.
const CARRY_BYTES_MAX: usize = 64 << 10;

/// A client machine that sends the same message in each exchange.
#[derive(Debug)]
pub struct Client {
    message: Rc<[u8]>,
    sent: usize,
    matched: usize,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Open,
    Finished,
}

impl Client {
    /// A machine without an open exchange on a fresh connection.
    ///
    /// # Panics
    /// When `message` is empty: nothing would come back.
    pub fn new(message: Rc<[u8]>) -> Self {
        assert!(!message.is_empty(), "an echoed message has a byte at least");
        Self { message, sent: 0, matched: 0, phase: Phase::Idle }
    }

    /// Compares what came with what was sent and has not come back; no more can come yet.
    #[inline]
    fn compare(&mut self, input: &[u8]) -> Received<ClientEvent> {
        let awaited = &self.message[self.matched..self.sent];
        let bytes = input.len().min(awaited.len());
        if input[..bytes] != awaited[..bytes] {
            return self.fail(Failure::EchoMismatch);
        }
        self.matched += bytes;
        if self.matched == self.message.len() {
            return self.complete(bytes, input.len() - bytes);
        }
        if bytes == 0 {
            return self.fail(Failure::Unsolicited);
        }
        Received::quietly(bytes)
    }

    fn complete(&mut self, consumed: usize, surplus: usize) -> Received<ClientEvent> {
        let reusable = surplus == 0;
        self.phase = if reusable { Phase::Idle } else { Phase::Finished };
        let answer = Answer {
            status: 0,
            reusable,
            early: false,
            surplus: u32::try_from(surplus).unwrap_or(u32::MAX),
            unsolicited: false,
            forgiven: false,
        };
        Received::with(consumed, ClientEvent::Completed(answer))
    }

    #[cold]
    fn fail(&mut self, failure: Failure) -> Received<ClientEvent> {
        self.phase = Phase::Finished;
        Received::with(0, ClientEvent::Failed(failure))
    }
}

impl Machine for Client {
    type Event = ClientEvent;

    #[inline]
    fn pending(&self) -> &[u8] {
        if self.busy() { &self.message[self.sent..] } else { &[] }
    }

    #[inline]
    fn transmitted(&mut self, n: usize) {
        assert!(n <= self.pending().len(), "transmitted no more than was pending");
        self.sent += n;
    }

    #[inline]
    fn receive(&mut self, input: &[u8]) -> Received<ClientEvent> {
        match self.phase {
            _ if input.is_empty() => Received::NOTHING,
            Phase::Finished => Received::NOTHING,
            Phase::Idle => self.fail(Failure::Unsolicited),
            Phase::Open => self.compare(input),
        }
    }

    fn end_of_input(&mut self, _rest: &[u8]) -> Option<ClientEvent> {
        let open = self.busy();
        self.phase = Phase::Finished;
        let failure =
            if self.matched == 0 { Failure::ClosedBeforeResponse } else { Failure::Truncated };
        open.then_some(ClientEvent::Failed(failure))
    }

    #[inline]
    fn finished(&self) -> bool {
        self.phase == Phase::Finished
    }

    #[inline]
    fn carry_limit(&self) -> usize {
        if self.finished() { 0 } else { CARRY_BYTES_MAX }
    }
}

impl ClientMachine for Client {
    #[inline]
    fn start(&mut self) {
        assert!(self.phase == Phase::Idle, "one exchange at a time, on a connection that lasts");
        self.sent = 0;
        self.matched = 0;
        self.phase = Phase::Open;
    }

    #[inline]
    fn busy(&self) -> bool {
        self.phase == Phase::Open
    }
}
