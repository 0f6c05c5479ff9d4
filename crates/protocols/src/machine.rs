//! The law by which a machine is driven, and the events of either side.
//!
//! ```text
//!            ┌── receive(rest) ◀── bytes read ──┐
//!  caller ───┤   until it neither consumes      ├─── socket
//!            │   nor yields an event            │
//!            └── pending() ─── bytes to write ──┘
//!                then transmitted(n)
//! ```

/// One side of one connection.
///
/// Law: after each input call [`receive`](Machine::receive) with what is left of it until it neither consumes nor
/// yields an event; then send [`pending`](Machine::pending). What was not consumed is kept by the caller and presented
/// again in front of the next bytes. After [`transmitted`](Machine::transmitted) emptied `pending`, a caller that keeps
/// unconsumed input calls `receive` again: a machine that was full goes on with it.
pub trait Machine {
    /// What the machine tells its caller.
    type Event;

    /// Bytes to send next, possibly only the first part of what is due (ask again after
    /// [`transmitted`](Machine::transmitted)); empty when nothing is due.
    fn pending(&self) -> &[u8];

    /// The kernel accepted the first `n` bytes of [`pending`](Machine::pending).
    ///
    /// # Panics
    /// When `n` is more than `pending` had.
    fn transmitted(&mut self, n: usize);

    /// Takes from `input`, which is all input not yet consumed: what was left last time, then what is new.
    fn receive(&mut self, input: &[u8]) -> Received<Self::Event>;

    /// The peer ended its sending side; `rest` is the input never consumed. Called once, after `receive` came to rest.
    fn end_of_input(&mut self, rest: &[u8]) -> Option<Self::Event>;

    /// Whether the connection is to be closed once [`pending`](Machine::pending) is empty.
    fn finished(&self) -> bool;

    /// How many unconsumed bytes it is willing to have kept for it: the caller does not read from the socket while it
    /// keeps this many or more. 0 when it wants no input now (full, or finished).
    fn carry_limit(&self) -> usize;
}

/// The client's side: opens exchanges, one at a time.
pub trait ClientMachine: Machine<Event = ClientEvent> {
    /// Begins one exchange.
    ///
    /// # Panics
    /// When an exchange is open, or the machine is [`finished`](Machine::finished).
    fn start(&mut self);

    /// Whether an exchange is open: begun and neither completed nor failed.
    fn busy(&self) -> bool;
}

/// The server's side: answers exchanges in the order in which they came.
pub trait ServerMachine: Machine<Event = ServerEvent> {
    /// Lets the answer to the oldest unanswered request go out. Called exactly once for each
    /// [`ServerEvent::Requested`], in order, possibly much later.
    ///
    /// # Panics
    /// When no request is unanswered.
    fn respond(&mut self);
}

/// What one call of [`Machine::receive`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<E> {
    /// How many bytes of the input are done with, from its start.
    pub consumed: usize,
    /// What happened, if anything.
    pub event: Option<E>,
}

impl<E> Received<E> {
    /// Nothing was consumed and nothing happened: more input, or room, is needed.
    pub(crate) const NOTHING: Self = Self::quietly(0);

    /// `consumed` bytes were taken and nothing happened.
    pub(crate) const fn quietly(consumed: usize) -> Self {
        Self { consumed, event: None }
    }

    /// `event` happened after `consumed` bytes.
    pub(crate) const fn with(consumed: usize, event: E) -> Self {
        Self { consumed, event: Some(event) }
    }
}

/// What a client machine reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// An interim answer (HTTP 1xx other than 101) with this status; the exchange stays open.
    Interim(u16),
    /// Bytes begin that no answer may have, such as a body behind an interim answer, at most so many of the input
    /// (saturating). They are dropped and the exchange stays open, as the last of its connection. Told once in an
    /// exchange, and only the first of them is consumed with it.
    Extra(u32),
    /// The exchange ended with a whole answer.
    Completed(Answer),
    /// The exchange, or without one the connection, failed; the machine is finished.
    Failed(Failure),
}

/// A whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status code, 100 to 599; 0 where the protocol has none.
    pub status: u16,
    /// Whether the connection may carry another exchange. When not, the machine is finished.
    pub reusable: bool,
    /// The answer was whole before our request was fully sent; what remains of the request is dropped, unless the
    /// connection is `reusable`.
    pub early: bool,
    /// How many bytes behind it, to the end of the input that completed it, belong to no answer we asked for; not
    /// `reusable` where there are any.
    pub surplus: u32,
    /// The surplus begins like another answer, so it is one nobody asked for, and not extra data of this one.
    pub unsolicited: bool,
    /// A strict machine would have refused it.
    pub forgiven: bool,
}

/// Why an exchange or a connection failed, over all protocols.
///
/// Resets, timeouts and whatever else the kernel says are not seen here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The start line is not one (`HTTP/` misspelled, wrong blanks, control bytes).
    StatusLine,
    /// A version other than HTTP/1.0 and HTTP/1.1, or text without a status line, which is HTTP/0.9.
    Version,
    /// The status code is not a number from 100 to 599 in three digits.
    StatusCode,
    /// A header or trailer line breaks the grammar: blanks around the name, folding, control bytes, a line that does
    /// not end in CR LF.
    Header,
    /// A bound was passed: 64 KiB or 100 lines of head, 16 KiB or 100 lines of trailers, 16 KiB of chunk extensions.
    TooLarge,
    /// `Content-Length` is no number, is there twice, or is there beside `Transfer-Encoding`.
    Length,
    /// The chunked coding is broken.
    Chunk,
    /// A `Transfer-Encoding` other than `chunked`, or any in HTTP/1.0.
    Encoding,
    /// More than 100 interim answers to one request.
    InterimLimit,
    /// Status 101, which we never ask for.
    Upgrade,
    /// The peer ended inside an answer.
    Truncated,
    /// The peer ended before the first byte of the answer; on a used connection that is a stale keep-alive.
    ClosedBeforeResponse,
    /// An answer came while nothing was asked, or before the first byte of the request had left.
    Unsolicited,
    /// Bytes that are no answer came while nothing was asked.
    ExtraData,
    /// The data of the answer's body, chunk framing left out, is over the limit that was set.
    BodyLimit,
    /// What came back is not what was sent.
    EchoMismatch,
}

/// What a server machine reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerEvent {
    /// A whole request is there; [`ServerMachine::respond`] lets its answer go.
    Requested,
    /// The peer broke the protocol. The machine has queued the refusal itself, takes no `respond` for it, and is
    /// finished once that is sent.
    BadRequest,
}
