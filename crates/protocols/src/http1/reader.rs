//! Requests alone: where each ends, and nothing about answers.

use super::body::{Body, Room};
use super::head::{HEAD_BYTES_MAX, read_request};
use super::scan::Scan;
use crate::{Failure, Received, ServerEvent};

/// Tells one request from the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestReader {
    phase: Phase,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Head(Scan),
    /// The request may have been told already.
    Body {
        body: Body,
        told: bool,
    },
}

impl RequestReader {
    /// Reads from a connection's first byte.
    pub(crate) const fn new() -> Self {
        Self { phase: Phase::Head(Scan::REQUEST) }
    }

    /// As [`Machine::receive`](crate::Machine::receive); `early` tells a request as soon as its head is there. After a
    /// bad request nothing more is to be given to it.
    pub(crate) fn receive(&mut self, input: &[u8], early: bool) -> Received<ServerEvent> {
        let read = match self.phase {
            _ if input.is_empty() => return Received::NOTHING,
            Phase::Head(scan) => self.head(scan, input, early),
            Phase::Body { body, told } => self.body(body, told, 0, input),
        };
        read.unwrap_or(Received::with(0, ServerEvent::BadRequest))
    }

    /// How many bytes it may leave unconsumed.
    pub(crate) const fn carry_limit(&self) -> usize {
        HEAD_BYTES_MAX
    }

    fn head(
        &mut self,
        mut scan: Scan,
        input: &[u8],
        early: bool,
    ) -> Result<Received<ServerEvent>, Failure> {
        let Some(head) = read_request(&mut scan, input)? else {
            self.phase = Phase::Head(scan);
            return Ok(Received::NOTHING);
        };
        let read = self.body(head.framing.request_body(), early, head.bytes, input)?;
        Ok(Received { event: read.event.or(early.then_some(ServerEvent::Requested)), ..read })
    }

    /// Goes on with `body` at `input[from..]`.
    fn body(
        &mut self,
        mut body: Body,
        told: bool,
        from: usize,
        input: &[u8],
    ) -> Result<Received<ServerEvent>, Failure> {
        let taken = body.take(&input[from..], &mut { Room::UNBOUNDED })?;
        self.phase = match taken.complete {
            true => Phase::Head(Scan::REQUEST),
            false => Phase::Body { body, told },
        };
        let event = (taken.complete && !told).then_some(ServerEvent::Requested);
        Ok(Received { consumed: from + taken.bytes, event })
    }
}
