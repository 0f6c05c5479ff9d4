//! What a dispatcher can do, whatever poller is under it.

use crate::target::{DispatchId, Registered};
use std::error::Error;
use std::io;
use std::time::Duration;

/// Flags of the poller itself, beyond readable, writable and exceptional (epoll_ctl(2)).
pub use nix::sys::epoll::EpollFlags as PollFlags;

/// A handler's failure, as the error policy is told of it.
#[derive(Debug)]
pub struct HandlerFailure {
    /// The target that failed; it is closed by the time the policy hears of it.
    pub id: DispatchId,
    /// What its handler returned.
    pub error: Box<dyn Error>,
}

/// The policy for failing handlers.
pub type ErrorInHandler<'a> = Box<dyn FnMut(HandlerFailure) + 'a>;

/// A dispatcher: waits for readiness and hands each ready target its event.
pub trait DispatchContext {
    /// Waits once, no longer than `timeout` (`None`: for ever), and hands out what is ready.
    /// Returns the number of events delivered; 0 when the time ran out or a signal interrupted
    /// the wait.
    ///
    /// When a handler returns an `Err` its target is closed, `error_in_handler` is told, and the
    /// dispatch goes on with the next target.
    ///
    /// # Errors
    /// The poller's own failure. No outcome of a socket is ever an error here.
    fn dispatch_once(
        &mut self,
        timeout: Option<Duration>,
        error_in_handler: Option<&mut ErrorInHandler<'_>>,
    ) -> io::Result<usize>;

    /// Says what `target` wants to hear of from now on. Setting a filter re-arms: what is ready
    /// now is delivered by the next dispatch, also where the filter is the one that was set before.
    /// With all three false the target stays in its slot and hears nothing.
    ///
    /// # Errors
    /// The kernel's refusal to watch (`ENOSPC`: max_user_watches, `EPERM`: a regular file).
    ///
    /// # Panics
    /// If `target` is not in this context.
    fn set_dispatch_filter(
        &mut self,
        target: &mut dyn Registered,
        readable: bool,
        writable: bool,
        exceptional: bool,
    ) -> io::Result<()>;

    /// As [`DispatchContext::set_dispatch_filter`], for what the poller knows beyond those three,
    /// such as `EPOLLONESHOT` or `EPOLLEXCLUSIVE`. The flags replace the filter as they stand:
    /// without `EPOLLET` delivery is by level.
    ///
    /// # Errors
    /// The kernel's refusal.
    ///
    /// # Panics
    /// If `target` is not in this context.
    fn set_poll_dispatch_filter(
        &mut self,
        target: &mut dyn Registered,
        flags: PollFlags,
    ) -> io::Result<()>;

    /// Forgets the target `id`: its slot is free, events still under way for it are dropped, and
    /// it is closed and dropped, at once or, where its handler is running, when that returns.
    /// An id that is gone already is ignored.
    fn socket_closed(&mut self, id: DispatchId);
}
