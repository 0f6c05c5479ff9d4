//! Sockets as dispatch targets: each joined with the handler that acts on it.

use crate::acceptor::Acceptor;
use crate::error::SocketError;
use crate::stream::Stream;
use dispatch::{DispatchState, DispatchTarget, Event, HandlerResult, Registered, Registration};
use std::os::fd::BorrowedFd;

/// Connections accepted in one turn; then others get theirs.
const ACCEPTS_PER_TURN: usize = 256;

/// What a program does about its stream.
pub trait StreamHandler<C: ?Sized> {
    /// The connection is established. What is readable at once follows as [`StreamHandler::readable`].
    ///
    /// # Errors
    /// Ends the connection and is told to the loop's error policy; so for all methods.
    fn connected(&mut self, stream: &mut Stream, context: &mut C) -> HandlerResult;

    /// The attempt failed; the handler takes its target out of the context.
    ///
    /// # Errors
    /// As above.
    fn connect_failed(
        &mut self,
        stream: &mut Stream,
        context: &mut C,
        error: SocketError,
    ) -> HandlerResult;

    /// There is something to read: bytes, the end, or an error. A read shorter than its buffer has
    /// drained the bytes, but where `event.read_closed` says so the end is still behind them.
    ///
    /// # Errors
    /// As above.
    fn readable(&mut self, stream: &mut Stream, context: &mut C, event: Event) -> HandlerResult;

    /// There is room to write.
    ///
    /// # Errors
    /// As above.
    fn writable(&mut self, stream: &mut Stream, context: &mut C) -> HandlerResult;
}

/// A stream and its handler.
#[derive(Debug)]
pub struct StreamTarget<H> {
    /// The socket.
    pub stream: Stream,
    /// What acts on it.
    pub handler: H,
}

impl<H> StreamTarget<H> {
    /// Joins the two.
    pub const fn new(stream: Stream, handler: H) -> Self {
        Self { stream, handler }
    }

    fn connecting<C: ?Sized>(&mut self, context: &mut C, event: Event) -> HandlerResult
    where
        H: StreamHandler<C>,
    {
        match self.stream.finish_connect() {
            Ok(false) => Ok(()),
            Ok(true) => {
                self.handler.connected(&mut self.stream, context)?;
                if event.readable && self.stream.dispatch_state() == DispatchState::Connected {
                    self.handler.readable(&mut self.stream, context, event)?;
                }
                Ok(())
            }
            Err(error) => self.handler.connect_failed(&mut self.stream, context, error),
        }
    }
}

impl<H> Registered for StreamTarget<H> {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.stream.descriptor()
    }

    fn registration(&self) -> &Registration {
        self.stream.registration()
    }

    fn registration_mut(&mut self) -> &mut Registration {
        self.stream.registration_mut()
    }
}

impl<C: ?Sized, H: StreamHandler<C>> DispatchTarget<C> for StreamTarget<H> {
    fn dispatch_event(&mut self, context: &mut C, event: Event) -> HandlerResult {
        if self.stream.dispatch_state() == DispatchState::Connecting {
            return self.connecting(context, event);
        }
        if event.writable {
            self.handler.writable(&mut self.stream, context)?;
        }
        let to_read = event.readable || event.error || event.read_closed || event.called_again;
        if to_read && self.stream.dispatch_state() != DispatchState::Closed {
            self.handler.readable(&mut self.stream, context, event)?;
        }
        Ok(())
    }
}

/// What a program does about its listener.
pub trait AcceptHandler<C: ?Sized> {
    /// A connection was accepted. A handler that can do nothing with it for want of something may stop
    /// polling `acceptor`, as in [`AcceptHandler::exhausted`]; then no more are accepted in this turn.
    ///
    /// # Errors
    /// Closes the listener and is told to the loop's error policy; so for both methods.
    fn accepted(
        &mut self,
        stream: Stream,
        acceptor: &mut Acceptor,
        context: &mut C,
    ) -> HandlerResult;

    /// The host has nothing left to accept with. The listener goes on saying readable, so stop
    /// polling it ([`dispatch::DispatchContext::set_dispatch_filter`]) and come back by timer.
    ///
    /// # Errors
    /// As above.
    fn exhausted(
        &mut self,
        acceptor: &mut Acceptor,
        context: &mut C,
        error: SocketError,
    ) -> HandlerResult;

    /// The turn is over but more connections may wait: ask to be called again.
    fn more(&mut self, acceptor: &Acceptor, context: &mut C);
}

/// A listener and its handler.
#[derive(Debug)]
pub struct AcceptTarget<H> {
    /// The socket.
    pub acceptor: Acceptor,
    /// What acts on it.
    pub handler: H,
}

impl<H> AcceptTarget<H> {
    /// Joins the two.
    pub const fn new(acceptor: Acceptor, handler: H) -> Self {
        Self { acceptor, handler }
    }
}

impl<H> Registered for AcceptTarget<H> {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.acceptor.descriptor()
    }

    fn registration(&self) -> &Registration {
        self.acceptor.registration()
    }

    fn registration_mut(&mut self) -> &mut Registration {
        self.acceptor.registration_mut()
    }
}

impl<C: ?Sized, H: AcceptHandler<C>> DispatchTarget<C> for AcceptTarget<H> {
    fn dispatch_event(&mut self, context: &mut C, _event: Event) -> HandlerResult {
        for _ in 0..ACCEPTS_PER_TURN {
            match self.acceptor.accept() {
                Ok(Some(stream)) => {
                    self.handler.accepted(stream, &mut self.acceptor, context)?;
                    if !self.acceptor.current_dispatch_filter().readable {
                        return Ok(());
                    }
                }
                Ok(None) => return Ok(()),
                Err(error) => return self.handler.exhausted(&mut self.acceptor, context, error),
            }
        }
        self.handler.more(&self.acceptor, context);
        Ok(())
    }
}
