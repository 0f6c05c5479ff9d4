//! All that lives in a service's context: one enum, so that a connection costs no box.

use crate::connection::Connection;
use crate::listener::Listener;
use crate::model::Model;
use crate::service::Context;
use dispatch::{DispatchTarget, Event, HandlerResult, Registered, Registration, Timer};
use std::fmt;
use std::os::fd::BorrowedFd;
use tcpsocket::{AcceptTarget, StreamTarget};

/// A target of a [`Context`].
pub enum Target<L: Model> {
    /// A connection, connecting or connected.
    Connection(StreamTarget<Connection<L>>),
    /// A listening socket.
    Listener(AcceptTarget<Listener>),
    /// The loop's own timer; its event only ends the wait.
    Timer(Timer),
    /// Whatever else the program watches: pipes, signals.
    Other(Box<dyn DispatchTarget<Context<L>>>),
}

impl<L: Model> Target<L> {
    fn registered(&self) -> &dyn Registered {
        match self {
            Self::Connection(target) => target,
            Self::Listener(target) => target,
            Self::Timer(timer) => timer,
            Self::Other(target) => &**target,
        }
    }
}

impl<L: Model> Target<L> {
    /// Puts `event` off until the model goes on; false for what does not wait.
    #[cold]
    fn put_off(&mut self, context: &mut Context<L>, event: Event) -> bool {
        match self {
            Self::Connection(target) if target.handler.established() => {
                target.handler.put_off(event);
            }
            Self::Listener(_) => {}
            _ => return false,
        }
        if let Some(id) = self.dispatch_id() {
            context.world.put_off.note(id);
        }
        true
    }
}

impl<L: Model> Registered for Target<L> {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.registered().descriptor()
    }

    fn registration(&self) -> &Registration {
        self.registered().registration()
    }

    fn registration_mut(&mut self) -> &mut Registration {
        match self {
            Self::Connection(target) => target.registration_mut(),
            Self::Listener(target) => target.registration_mut(),
            Self::Timer(timer) => timer.registration_mut(),
            Self::Other(target) => target.registration_mut(),
        }
    }
}

impl<L: Model> DispatchTarget<Context<L>> for Target<L> {
    fn dispatch_event(&mut self, context: &mut Context<L>, event: Event) -> HandlerResult {
        if context.world.model.paused() && self.put_off(context, event) {
            return Ok(());
        }
        match self {
            Self::Connection(target) => target.dispatch_event(context, event),
            Self::Listener(target) => target.dispatch_event(context, event),
            Self::Timer(timer) => Ok(timer.expirations().map(drop)?),
            Self::Other(target) => target.dispatch_event(context, event),
        }
    }

    fn close(&mut self, context: &mut Context<L>) {
        if let Self::Other(target) = self {
            target.close(context);
        }
    }
}

impl<L: Model> fmt::Debug for Target<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection(_) => "Connection",
            Self::Listener(_) => "Listener",
            Self::Timer(_) => "Timer",
            Self::Other(_) => "Other",
        })
    }
}
