//! A protocol's machine at a stream: what moves bytes between the two, for clients and servers.

use dispatch::Event;
use protocols::Machine;
use tcpsocket::{Buffers, Read, SocketError, Stream, Written};

/// Writes in one turn; then others get theirs.
const WRITES_PER_TURN: usize = 16;

/// A machine and the input that it has not consumed.
pub struct Link<M> {
    /// The protocol's machine.
    pub machine: M,
    kept: Vec<u8>,
    read_closed: bool,
    /// The socket, or what is kept, may hold input that no event will announce again.
    undrained: bool,
}

impl<M: Machine> Link<M> {
    /// A link over a fresh connection.
    pub fn new(machine: M) -> Self {
        Self { machine, kept: Vec::new(), read_closed: false, undrained: false }
    }

    /// Whether nothing will go over the connection any more.
    pub fn over(&self) -> bool {
        self.machine.finished() && self.machine.pending().is_empty()
    }

    /// Whether it needs a turn that no event will announce.
    pub fn turn_is_due(&mut self) -> bool {
        let due = self.undrained && self.kept.len() < self.machine.carry_limit();
        self.undrained &= !due;
        due
    }

    /// Sends what is pending, as far as the socket takes it.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn send(&mut self, stream: &mut Stream) -> Result<(), SocketError> {
        for _ in 0..WRITES_PER_TURN {
            if self.machine.pending().is_empty() {
                return Ok(());
            }
            match stream.write(self.machine.pending()) {
                Written::Bytes(bytes) => self.machine.transmitted(bytes),
                Written::Blocked => return Ok(()),
                Written::Failed(error) => return Err(error),
            }
        }
        self.undrained = true;
        Ok(())
    }

    /// Reads at most one buffer and tells `note` what came of it.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn receive(
        &mut self,
        stream: &mut Stream,
        buffers: &mut Buffers,
        event: Event,
        note: impl FnMut(&mut M, M::Event),
    ) -> Result<(), SocketError> {
        let mut buffer = buffers.take_read();
        let left = self.read_and_feed(stream, &mut buffer, event, note);
        buffers.keep(&mut self.kept, &buffer[..left.unwrap_or(0)]);
        buffers.return_read(buffer);
        left.map(|_| ())
    }

    /// Returns how many bytes, at the buffer's start, the machine has not consumed.
    fn read_and_feed(
        &mut self,
        stream: &mut Stream,
        buffer: &mut [u8],
        event: Event,
        mut note: impl FnMut(&mut M, M::Event),
    ) -> Result<usize, SocketError> {
        let kept = self.kept.len();
        buffer[..kept].copy_from_slice(&self.kept);
        self.read_closed |= event.read_closed;
        let mut filled = self.feed(buffer, kept, &mut note);
        loop {
            if filled >= self.machine.carry_limit() {
                self.undrained = true;
                return Ok(filled);
            }
            let room = buffer.len() - filled;
            match stream.read(&mut buffer[filled..]) {
                Read::Bytes(bytes) => {
                    filled = self.feed(buffer, filled + bytes, &mut note);
                    if bytes == room {
                        self.undrained = true;
                        return Ok(filled);
                    }
                    if !self.read_closed {
                        return Ok(filled);
                    }
                }
                Read::Blocked => return Ok(filled),
                Read::End => {
                    if let Some(event) = self.machine.end_of_input(&buffer[..filled]) {
                        note(&mut self.machine, event);
                    }
                    return Ok(0);
                }
                Read::Failed(error) => return Err(error),
            }
        }
    }

    /// Feeds the first `filled` bytes to the machine and moves what it left to the front.
    fn feed(
        &mut self,
        buffer: &mut [u8],
        filled: usize,
        note: &mut impl FnMut(&mut M, M::Event),
    ) -> usize {
        let mut consumed = 0;
        while consumed < filled {
            let received = self.machine.receive(&buffer[consumed..filled]);
            consumed += received.consumed;
            match received.event {
                Some(event) => note(&mut self.machine, event),
                None if received.consumed == 0 => break,
                None => {}
            }
        }
        buffer.copy_within(consumed..filled, 0);
        filled - consumed
    }
}
