//! One connection: a socket, a machine, and the model's values beside them.

use crate::model::Model;
use crate::service::Context;
use crate::slow::Slow;
use dispatch::{DispatchContext, DispatchId, Event, HandlerResult, Instant, Registered};
use protocols::Machine;
use std::fmt;
use tcpsocket::{Read, SocketError, SourceId, Stream, StreamHandler, Written};

/// Writes in one turn; then others get theirs.
const WRITES_PER_TURN: usize = 16;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was never established: the attempt failed so, or was given up (`TimedOut`).
    NotConnected(SocketError),
    /// We closed it.
    ByUs,
    /// The peer closed it, or was first to say that it will send no more.
    ByPeer,
    /// It broke.
    Broken(SocketError),
}

/// How to leave a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// FIN after what was sent.
    Close,
    /// RST: drop what was not delivered, leave nothing in TIME_WAIT.
    Reset,
}

/// One connection. What is idle owns no buffer.
pub struct Connection<L: Model> {
    /// The protocol's machine.
    pub machine: L::Machine,
    /// The model's own values.
    pub place: L::Place,
    /// When to call [`Model::expired`]; [`Instant::FAR_FUTURE`] is never. May be moved freely.
    pub deadline: Instant,
    /// Whether bytes were read since the model last cleared this.
    pub heard: bool,
    id: Option<DispatchId>,
    wake: Instant,
    wake_noted: bool,
    /// What the wheel holds for this connection, as far as known.
    armed: Instant,
    /// Input that the machine has not consumed.
    kept: Vec<u8>,
    source: Option<SourceId>,
    /// The rates of one that is limited, from its first byte on.
    slow: Option<Box<Slow>>,
    limited: bool,
    leaving: Option<Leaving>,
    finishing: bool,
    established: bool,
    read_closed: bool,
    /// The socket, or what is kept, may hold input that no event will announce again.
    undrained: bool,
}

/// Why the connection is about to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    Asked(Ending),
    Broken(SocketError),
}

impl<L: Model> Connection<L> {
    pub(crate) fn new(
        machine: L::Machine,
        place: L::Place,
        source: Option<SourceId>,
        limited: bool,
    ) -> Self {
        Self {
            machine,
            place,
            deadline: Instant::FAR_FUTURE,
            heard: false,
            id: None,
            wake: Instant::FAR_FUTURE,
            wake_noted: true,
            armed: Instant::FAR_FUTURE,
            kept: Vec::new(),
            source,
            slow: None,
            limited,
            leaving: None,
            finishing: false,
            established: false,
            read_closed: false,
            undrained: false,
        }
    }

    /// The name in the context, from [`Model::connected`] on.
    pub const fn id(&self) -> Option<DispatchId> {
        self.id
    }

    /// Asks for [`Model::woken`] at `instant`, exactly (by timerfd); the last wish counts.
    pub fn wake_at(&mut self, instant: Instant) {
        self.wake = instant;
        self.wake_noted = instant == Instant::FAR_FUTURE;
    }

    /// Ends the connection when the model returns.
    pub fn close(&mut self, ending: Ending) {
        self.leaving.get_or_insert(Leaving::Asked(ending));
    }

    /// Half close when the model returns: the peer learns that no more will be sent. Reading goes on.
    pub fn finish_sending(&mut self) {
        self.finishing = true;
    }

    /// Whether the connection was established.
    pub const fn established(&self) -> bool {
        self.established
    }

    /// Whether the peer is known to send no more.
    pub const fn read_closed(&self) -> bool {
        self.read_closed
    }

    /// Whether this connection is about to end.
    pub const fn leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// Keeps what a turn without the event could not know.
    pub(crate) fn put_off(&mut self, event: Event) {
        self.read_closed |= event.read_closed;
    }

    /// Says that `wake` has come: a rate allows more, or the model asked for it, unless it asked for
    /// another instant since.
    pub(crate) fn wake(
        &mut self,
        stream: &mut Stream,
        context: &mut Context<L>,
        wake: Instant,
        now: Instant,
    ) {
        let resumed = self.slow.is_some() && self.resume(stream, context, wake);
        let woken = self.wake == wake && self.leaving.is_none();
        if woken {
            self.wake = Instant::FAR_FUTURE;
            context.world.model.woken(self, wake, now);
        }
        if resumed || woken {
            self.act(stream, context);
        }
    }

    /// Reads on where the rate made reading wait until `wake`. Returns whether reading or writing
    /// did; writing goes on as the turn ends.
    fn resume(&mut self, stream: &mut Stream, context: &mut Context<L>, wake: Instant) -> bool {
        let Some(slow) = &mut self.slow else { return false };
        let (reads, writes) = slow.woken(wake);
        if reads {
            // No event tells of what was left in the socket.
            self.undrained = false;
            self.take_in(stream, context, Event { called_again: true, ..Event::default() });
        }
        reads || writes
    }

    /// The wheel's entry fired: the deadline has passed, or it was moved and is armed again.
    pub(crate) fn fire(&mut self, stream: &mut Stream, context: &mut Context<L>, now: Instant) {
        self.armed = Instant::FAR_FUTURE;
        if self.deadline <= now {
            self.deadline = Instant::FAR_FUTURE;
            context.world.model.expired(self, now);
        }
        self.act(stream, context);
    }

    /// Carries out what model and machine have decided: send, end, or wait with deadline and
    /// wake-up noted. Every turn of a connection ends here.
    pub(crate) fn act(&mut self, stream: &mut Stream, context: &mut Context<L>) {
        let sending = self.leaving.is_none() && self.established;
        let cut_short = sending && self.flush(stream, context);
        let nothing_left = self.machine.finished() && self.machine.pending().is_empty();
        if self.leaving.is_some() || nothing_left {
            self.end(stream, context);
            return;
        }
        let Some(id) = stream.dispatch_id() else { return };
        let more_to_read = self.undrained && self.kept.len() < self.machine.carry_limit();
        if cut_short || more_to_read {
            self.come_back(context, id, more_to_read, cut_short);
        }
        if !self.wake_noted {
            self.wake_noted = true;
            context.world.note_wake(self.wake, id);
        }
        if self.deadline < self.armed {
            self.armed = context.world.wheel.arm(id.slot(), self.deadline);
        }
    }

    /// Asks for another turn: at once, or where a rate is limited when that allows more.
    fn come_back(
        &mut self,
        context: &mut Context<L>,
        id: DispatchId,
        to_read: bool,
        to_write: bool,
    ) {
        let at_once = self.slow.as_mut().is_none_or(|slow| {
            slow.may_return(to_read, to_write, |instant| context.world.note_wake(instant, id))
        });
        if at_once {
            self.undrained = false;
            context.call_again(id);
        }
    }

    /// Returns whether there may be more to send that no event will ask for, since the socket took
    /// all that one turn, or the connection's rate, allows.
    fn flush(&mut self, stream: &mut Stream, context: &mut Context<L>) -> bool {
        for _ in 0..WRITES_PER_TURN {
            let pending = self.machine.pending();
            if pending.is_empty() {
                self.flushed(stream, &mut context.world.model);
                return false;
            }
            if self.limited && self.slow.is_none() {
                self.slow = Some(context.world.slowness.of_connection());
            }
            let written = match &mut self.slow {
                None => stream.write(pending),
                Some(slow) => match slow.write(stream, pending) {
                    Some(written) => written,
                    None => return true,
                },
            };
            match written {
                Written::Bytes(bytes) => {
                    self.machine.transmitted(bytes);
                    context.world.model.wrote(bytes);
                }
                Written::Blocked => return false,
                Written::Failed(error) => {
                    self.read_what_is_left(stream, context);
                    self.broken(error);
                    return false;
                }
            }
        }
        true
    }

    fn flushed(&mut self, stream: &mut Stream, model: &mut L) {
        model.flushed(self);
        if std::mem::take(&mut self.finishing)
            && let Err(error) = stream.shut_down()
        {
            self.broken(error);
        }
    }

    /// The peer takes no more, but may have answered before it closed: what has arrived is there to
    /// be read still, at any rate, since nobody is left to feel it.
    #[cold]
    fn read_what_is_left(&mut self, stream: &mut Stream, context: &mut Context<L>) {
        let mut buffer = context.world.buffers.take_read();
        let model = &mut context.world.model;
        let mut filled = self.lay_out_kept(&mut buffer);
        while self.leaving.is_none() && filled < buffer.len() {
            let Read::Bytes(bytes) = stream.read(&mut buffer[filled..]) else { break };
            filled = self.take(model, &mut buffer, filled, bytes);
        }
        context.world.buffers.return_read(buffer);
    }

    fn broken(&mut self, error: SocketError) {
        self.leaving.get_or_insert(Leaving::Broken(error));
    }

    fn end(&mut self, stream: &mut Stream, context: &mut Context<L>) {
        let end = match self.leaving {
            Some(Leaving::Broken(error)) if self.established => End::Broken(error),
            Some(Leaving::Broken(error)) => End::NotConnected(error),
            _ if !self.established => End::NotConnected(SocketError::TimedOut),
            _ if self.read_closed => End::ByPeer,
            _ => End::ByUs,
        };
        if self.leaving == Some(Leaving::Asked(Ending::Reset)) {
            stream.reset_on_close();
        }
        context.world.model.ended(self, end);
        context.world.retire(&mut self.kept, self.source.take());
        let id = stream.dispatch_id();
        stream.mark_closed();
        if let Some(id) = id {
            context.socket_closed(id);
        }
    }

    /// Reads at most one buffer and feeds the machine.
    fn take_in(&mut self, stream: &mut Stream, context: &mut Context<L>, event: Event) {
        if self.limited && self.slow.is_none() {
            self.slow = Some(context.world.slowness.of_connection());
        }
        let mut buffer = context.world.buffers.take_read();
        let left = self.read_and_feed(stream, &mut context.world.model, &mut buffer, event);
        context.world.buffers.keep(&mut self.kept, &buffer[..left]);
        context.world.buffers.return_read(buffer);
    }

    /// Returns how many bytes, at the buffer's start, the machine has not consumed.
    fn read_and_feed(
        &mut self,
        stream: &mut Stream,
        model: &mut L,
        buffer: &mut [u8],
        event: Event,
    ) -> usize {
        let mut filled = self.lay_out_kept(buffer);
        self.read_closed |= event.read_closed;
        if event.called_again {
            filled = self.feed(model, buffer, filled, Instant::now());
        }
        while self.leaving.is_none() {
            if filled >= self.machine.carry_limit() {
                self.undrained = true;
                return filled;
            }
            let (read, more) = self.read(stream, &mut buffer[filled..]);
            self.undrained |= more;
            match read {
                Read::Bytes(bytes) => {
                    filled = self.take(model, buffer, filled, bytes);
                    if more || self.holds_back(filled) {
                        self.undrained = true;
                        return filled;
                    }
                    if !self.read_closed {
                        return filled;
                    }
                }
                Read::Blocked => return filled,
                Read::End => return self.end_of_input(model, &buffer[..filled]),
                Read::Failed(error) => self.broken(error),
            }
        }
        0
    }

    /// Reads once, as much as the connection's rate allows. Beside it, whether the socket may hold
    /// more.
    #[inline]
    fn read(&mut self, stream: &mut Stream, buffer: &mut [u8]) -> (Read, bool) {
        if let Some(slow) = &mut self.slow {
            return slow.read(stream, buffer);
        }
        let read = stream.read(buffer);
        (read, read == Read::Bytes(buffer.len()))
    }

    /// Puts what the machine has not consumed at the buffer's start; returns how many bytes that is.
    #[inline]
    fn lay_out_kept(&self, buffer: &mut [u8]) -> usize {
        buffer[..self.kept.len()].copy_from_slice(&self.kept);
        self.kept.len()
    }

    /// `bytes` were just read behind the first `filled`; returns how many the machine has left.
    #[inline]
    fn take(&mut self, model: &mut L, buffer: &mut [u8], filled: usize, bytes: usize) -> usize {
        let at = Instant::now();
        self.heard = true;
        model.read(self, bytes, at);
        self.feed(model, buffer, filled + bytes, at)
    }

    /// Whether the machine, being full, left input that it takes once it has sent something.
    fn holds_back(&self, filled: usize) -> bool {
        filled > 0 && filled >= self.machine.carry_limit()
    }

    /// Feeds the first `filled` bytes to the machine and moves what it left to the front.
    fn feed(&mut self, model: &mut L, buffer: &mut [u8], filled: usize, at: Instant) -> usize {
        let mut consumed = 0;
        while consumed < filled && self.leaving.is_none() {
            let input = &buffer[consumed..filled];
            let received = self.machine.receive(input);
            consumed += received.consumed;
            match received.event {
                Some(event) => model.event(self, event, input, at),
                None if received.consumed == 0 => break,
                None => {}
            }
        }
        buffer.copy_within(consumed..filled, 0);
        filled - consumed
    }

    fn end_of_input(&mut self, model: &mut L, rest: &[u8]) -> usize {
        self.read_closed = true;
        if let Some(event) = self.machine.end_of_input(rest) {
            model.event(self, event, &[], Instant::now());
        }
        0
    }
}

impl<L: Model> StreamHandler<Context<L>> for Connection<L> {
    fn connected(&mut self, stream: &mut Stream, context: &mut Context<L>) -> HandlerResult {
        self.established = true;
        self.id = stream.dispatch_id();
        self.deadline = Instant::FAR_FUTURE;
        let now = Instant::now();
        context.world.model.connected(self, now);
        self.act(stream, context);
        Ok(())
    }

    fn connect_failed(
        &mut self,
        stream: &mut Stream,
        context: &mut Context<L>,
        error: SocketError,
    ) -> HandlerResult {
        self.broken(error);
        self.end(stream, context);
        Ok(())
    }

    fn readable(
        &mut self,
        stream: &mut Stream,
        context: &mut Context<L>,
        event: Event,
    ) -> HandlerResult {
        self.take_in(stream, context, event);
        self.act(stream, context);
        Ok(())
    }

    fn writable(&mut self, stream: &mut Stream, context: &mut Context<L>) -> HandlerResult {
        if !self.machine.pending().is_empty() {
            self.act(stream, context);
        }
        Ok(())
    }
}

impl<L: Model> fmt::Debug for Connection<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("established", &self.established).finish_non_exhaustive()
    }
}
