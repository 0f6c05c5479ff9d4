//! Requests alone: where each ends, and nothing about answers.

use super::body::Body;
use super::head::{HEAD_BYTES_MAX, read_request};
use super::scan::Scan;
use crate::{Failure, Received, ServerEvent};

/// Tells one request from the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestReader {
    phase: Phase,
    /// A request is told as soon as its head is there.
    early: bool,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Head(Scan),
    Body(Body),
}

impl RequestReader {
    /// Reads from a connection's first byte; `early` tells a request before its body has come.
    pub(crate) const fn new(early: bool) -> Self {
        Self { phase: Phase::Head(Scan::REQUEST), early }
    }

    /// As [`Machine::receive`](crate::Machine::receive). After a bad request nothing more is to be given to it.
    pub(crate) fn receive(&mut self, input: &[u8]) -> Received<ServerEvent> {
        let read = match self.phase {
            _ if input.is_empty() => return Received::NOTHING,
            Phase::Head(scan) => self.head(scan, input),
            Phase::Body(body) => self.body(body, 0, input, false),
        };
        read.unwrap_or(Received::with(0, ServerEvent::BadRequest))
    }

    /// How many bytes it may leave unconsumed.
    pub(crate) const fn carry_limit(&self) -> usize {
        HEAD_BYTES_MAX
    }

    fn head(&mut self, mut scan: Scan, input: &[u8]) -> Result<Received<ServerEvent>, Failure> {
        let Some(head) = read_request(&mut scan, input)? else {
            self.phase = Phase::Head(scan);
            return Ok(Received::NOTHING);
        };
        self.body(head.framing.request_body(), head.bytes, input, self.early)
    }

    /// Goes on with `body` at `input[from..]`; `begins` tells the request now.
    fn body(
        &mut self,
        mut body: Body,
        from: usize,
        input: &[u8],
        begins: bool,
    ) -> Result<Received<ServerEvent>, Failure> {
        let taken = body.take(&input[from..])?;
        let consumed = from + taken.bytes;
        self.phase = if taken.complete { Phase::Head(Scan::REQUEST) } else { Phase::Body(body) };
        let told = begins || (taken.complete && !self.early);
        let event = told.then_some(ServerEvent::Requested);
        Ok(Received { consumed, event })
    }
}
