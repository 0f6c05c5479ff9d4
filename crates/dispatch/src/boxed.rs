//! Targets of any type side by side, for programs where one virtual call per event is nothing.

use crate::mio_context::MioContext;
use crate::target::{DispatchTarget, Event, HandlerResult, Registered, Registration};
use std::os::fd::BorrowedFd;

/// A context whose targets are boxed: each may be of another type.
pub type BoxedContext<W> = MioContext<Boxed<W>, W>;

/// A boxed target of a [`BoxedContext`].
pub struct Boxed<W>(Box<dyn DispatchTarget<BoxedContext<W>>>);

impl<W> Boxed<W> {
    /// Boxes any target.
    pub fn new(target: impl DispatchTarget<BoxedContext<W>> + 'static) -> Self {
        Self(Box::new(target))
    }
}

impl<W> Registered for Boxed<W> {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.descriptor()
    }

    fn registration(&self) -> &Registration {
        self.0.registration()
    }

    fn registration_mut(&mut self) -> &mut Registration {
        self.0.registration_mut()
    }
}

impl<W> DispatchTarget<BoxedContext<W>> for Boxed<W> {
    fn dispatch_event(&mut self, context: &mut BoxedContext<W>, event: Event) -> HandlerResult {
        self.0.dispatch_event(context, event)
    }

    fn close(&mut self, context: &mut BoxedContext<W>) {
        self.0.close(context);
    }
}

/// A target made of a source (a timer, a pipe, a socket) and the function that handles its events.
#[derive(Debug)]
pub struct Handler<S, F> {
    /// What is watched.
    pub source: S,
    function: F,
}

impl<S: Registered, F> Handler<S, F> {
    /// A target of any context.
    pub const fn new<C>(source: S, function: F) -> Self
    where
        F: FnMut(&mut S, &mut C, Event) -> HandlerResult,
    {
        Self { source, function }
    }
}

impl<S: Registered + 'static, F: 'static> Handler<S, F> {
    /// A target of a [`BoxedContext`].
    pub fn boxed<W>(source: S, function: F) -> Boxed<W>
    where
        F: FnMut(&mut S, &mut BoxedContext<W>, Event) -> HandlerResult,
    {
        Boxed::new(Self { source, function })
    }
}

impl<S: Registered, F> Registered for Handler<S, F> {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.source.descriptor()
    }

    fn registration(&self) -> &Registration {
        self.source.registration()
    }

    fn registration_mut(&mut self) -> &mut Registration {
        self.source.registration_mut()
    }
}

impl<C, S, F> DispatchTarget<C> for Handler<S, F>
where
    C: ?Sized,
    S: Registered,
    F: FnMut(&mut S, &mut C, Event) -> HandlerResult,
{
    fn dispatch_event(&mut self, context: &mut C, event: Event) -> HandlerResult {
        (self.function)(&mut self.source, context, event)
    }
}
