//! The dispatch loop: `iterate`, contexts, targets, and the kernel's readable sources.
//!
//! This room asks the kernel what is ready and what time it is, and hands each ready target its
//! event. It never knows a protocol, never counts, never decides who acts next.
//!
//! Start at [`iterate`]: one round is `before_dispatch`, one [`DispatchContext::dispatch_once`],
//! `after_dispatch`. [`MioContext`] is the context over epoll; [`Timer`], [`Signals`] and
//! [`Pipe`] are sources that any program needs beside its sockets. To run inside another loop,
//! watch the context's own descriptor there and call `dispatch_once` with a zero timeout when it
//! is readable (`examples/nested_poll.rs`, `examples/tokio-loop`).
//!
//! # Example
//!
//! ```
//! use dispatch::{BoxedContext, DispatchVars, Handler, Instant, Timer, iterate};
//! use std::time::Duration;
//!
//! let mut context = BoxedContext::new(0_u32)?;
//! let mut timer = Timer::new()?;
//! timer.set(Some(Instant::now() + Duration::from_millis(1)))?;
//! context.insert(Handler::boxed(timer, |timer: &mut Timer, context, _event| {
//!     context.world += timer.expirations()? as u32;
//!     Ok(())
//! }))?;
//! let mut vars = DispatchVars::new(());
//! vars.count = Some(1);
//! iterate(&mut context, &mut vars)?;
//! assert_eq!(context.world, 1);
//! # Ok::<(), std::io::Error>(())
//! ```

#![deny(unsafe_code)]

mod boxed;
mod clock;
mod context;
mod iterate;
mod mio_context;
mod pipe;
mod signals;
mod slots;
#[allow(unsafe_code)]
mod sys;
mod target;
mod timer;

pub use boxed::{Boxed, BoxedContext, Handler};
pub use clock::Instant;
pub use context::{DispatchContext, ErrorInHandler, HandlerFailure, PollFlags};
pub use iterate::{Callback, DispatchVars, iterate};
pub use mio_context::MioContext;
pub use pipe::Pipe;
pub use signals::Signals;
pub use target::{
    DispatchId, DispatchState, DispatchTarget, Event, Filter, HandlerResult, Registered,
    Registration,
};
pub use timer::Timer;

pub use nix::sys::signal::Signal;
