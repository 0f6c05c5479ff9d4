//! The server's side of echo: what came in one piece goes back when it is let go.

use crate::fifo::Fifo;
use crate::{Machine, Received, ServerEvent, ServerMachine};

/// Most bytes held for one connection, whatever its limit, inclusive.
const HELD_BYTES_MAX: usize = 64 << 10;

/// Most pieces that wait for their answer, inclusive.
const PIECES_MAX: usize = 8;

/// A server machine that sends back what came, in pieces as they came.
///
/// It holds bytes only from their coming until they are sent; an idle connection owns none.
#[derive(Debug)]
pub struct Server {
    /// What came, behind the first `gone` bytes, which are sent.
    held: Vec<u8>,
    gone: usize,
    /// How many bytes may go out and have not gone.
    released: usize,
    /// The lengths of the pieces that wait for their answer, oldest first.
    pieces: Fifo<u32, PIECES_MAX>,
    limit: u32,
    input: Input,
}

/// What the peer may still send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Open,
    /// It ended its sending side while we were full; what the caller kept is still taken.
    Ending,
    Ended,
}

impl Server {
    /// A machine on a fresh connection that holds at most `limit` bytes, from 1 to 64 KiB; other limits become the
    /// nearest of those.
    pub fn new(limit: usize) -> Self {
        Self {
            held: Vec::new(),
            gone: 0,
            released: 0,
            pieces: Fifo::new(0),
            limit: limit.clamp(1, HELD_BYTES_MAX) as u32,
            input: Input::Open,
        }
    }

    /// How many more bytes it takes now.
    fn room(&self) -> usize {
        if self.pieces.is_full() || self.input == Input::Ended {
            return 0;
        }
        self.limit as usize - (self.held.len() - self.gone)
    }

    fn hold(&mut self, piece: &[u8]) {
        self.held.drain(..self.gone);
        self.gone = 0;
        self.held.extend_from_slice(piece);
        self.pieces.push(piece.len() as u32);
    }
}

impl Machine for Server {
    type Event = ServerEvent;

    #[inline]
    fn pending(&self) -> &[u8] {
        &self.held[self.gone..self.gone + self.released]
    }

    #[inline]
    fn transmitted(&mut self, n: usize) {
        assert!(n <= self.released, "transmitted no more than was pending");
        self.gone += n;
        self.released -= n;
        if self.gone == self.held.len() {
            self.held = Vec::new();
            self.gone = 0;
        }
    }

    #[inline]
    fn receive(&mut self, input: &[u8]) -> Received<ServerEvent> {
        let bytes = input.len().min(self.room());
        if bytes == 0 {
            return Received::NOTHING;
        }
        self.hold(&input[..bytes]);
        if self.input == Input::Ending && bytes == input.len() {
            self.input = Input::Ended;
        }
        Received::with(bytes, ServerEvent::Requested)
    }

    /// Bytes in `rest` that were held back are still taken when there is room again.
    fn end_of_input(&mut self, rest: &[u8]) -> Option<ServerEvent> {
        self.input = if rest.is_empty() { Input::Ended } else { Input::Ending };
        None
    }

    #[inline]
    fn finished(&self) -> bool {
        self.input == Input::Ended && self.held.is_empty()
    }

    #[inline]
    fn carry_limit(&self) -> usize {
        self.room()
    }
}

impl ServerMachine for Server {
    #[inline]
    fn respond(&mut self) {
        let piece = self.pieces.pop().expect("one answer to one request");
        self.released += piece as usize;
    }
}
