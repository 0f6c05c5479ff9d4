//! What a context hands events to: [`DispatchTarget`], and the few words that both use.

use std::error::Error;
use std::os::fd::BorrowedFd;

/// The name of a registered target: the slot that it lives in, and how often that slot was filled
/// before. An id is never used for two targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DispatchId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl DispatchId {
    /// The number of the slot, dense from 0: an index for tables that run beside the context's.
    pub const fn slot(self) -> usize {
        self.slot as usize
    }

    /// How often the slot was filled before this target moved in.
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

/// What a target is waiting for, as far as the loop is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DispatchState {
    /// Open, nothing under way.
    #[default]
    Idle,
    /// A connection attempt is pending.
    Connecting,
    /// Listening for connections.
    Accepting,
    /// Connected: a stream of bytes.
    Connected,
    /// We said that no more will be sent; the peer may still send.
    Closing,
    /// Closed; no further event arrives.
    Closed,
}

/// Which kinds of readiness a target wants to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Filter {
    /// Bytes, a connection or the end of the stream can be read.
    pub readable: bool,
    /// Bytes can be written, or a connection attempt has ended.
    pub writable: bool,
    /// Out-of-band data (`EPOLLPRI`).
    pub exceptional: bool,
}

impl Filter {
    /// Nothing: the target stays in its slot and hears nothing.
    pub const NONE: Self = Self { readable: false, writable: false, exceptional: false };
    /// Readable only.
    pub const READABLE: Self = Self { readable: true, ..Self::NONE };
    /// Writable only.
    pub const WRITABLE: Self = Self { writable: true, ..Self::NONE };
    /// Readable and writable: what a stream registers once and keeps.
    pub const STREAM: Self = Self { readable: true, writable: true, exceptional: false };
}

/// What the kernel says about a target, once per dispatch and target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Event {
    /// Reading will not block (bytes, a connection, the end, or an error to fetch).
    pub readable: bool,
    /// Writing will not block, or the connection attempt has ended.
    pub writable: bool,
    /// Out-of-band data.
    pub exceptional: bool,
    /// The descriptor has an error to fetch (`EPOLLERR`).
    pub error: bool,
    /// The peer will send no more (`EPOLLRDHUP`, `EPOLLHUP`).
    pub read_closed: bool,
    /// The target asked for this turn itself ([`crate::MioContext::call_again`]).
    pub called_again: bool,
}

/// What a target notes of its registration; the context fills it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Registration {
    pub(crate) id: Option<DispatchId>,
    pub(crate) filter: Filter,
    pub(crate) polled: bool,
    /// What the target is waiting for; kept by the target.
    pub state: DispatchState,
}

impl Registration {
    /// A registration to be: not in any context yet, wanting `filter`, in `state`.
    pub const fn new(filter: Filter, state: DispatchState) -> Self {
        Self { id: None, filter, polled: false, state }
    }
}

/// A descriptor with a registration: all that a context needs in order to watch it.
pub trait Registered {
    /// The descriptor to watch; the same one for as long as the target is registered.
    fn descriptor(&self) -> BorrowedFd<'_>;
    /// The registration.
    fn registration(&self) -> &Registration;
    /// The registration, for the context to fill.
    fn registration_mut(&mut self) -> &mut Registration;

    /// The name in the context; none before it was inserted and after it was closed.
    fn dispatch_id(&self) -> Option<DispatchId> {
        self.registration().id
    }

    /// What the target is waiting for.
    fn dispatch_state(&self) -> DispatchState {
        self.registration().state
    }

    /// What the target wants to hear of.
    fn current_dispatch_filter(&self) -> Filter {
        self.registration().filter
    }
}

/// Implements [`Registered`] for a type that keeps its [`Registration`] in a field `registration` and
/// its descriptor in the field that is named.
#[macro_export]
macro_rules! registered {
    ($type:ty, $descriptor:ident) => {
        impl $crate::Registered for $type {
            fn descriptor(&self) -> ::std::os::fd::BorrowedFd<'_> {
                ::std::os::fd::AsFd::as_fd(&self.$descriptor)
            }

            fn registration(&self) -> &$crate::Registration {
                &self.registration
            }

            fn registration_mut(&mut self) -> &mut $crate::Registration {
                &mut self.registration
            }
        }
    };
}

/// What a handler returns. An `Err` closes the target and is told to `error_in_handler`; the loop
/// and the other targets go on. A panic is never caught: it ends the process.
pub type HandlerResult = Result<(), Box<dyn Error>>;

/// A target of dispatch in a context of type `C`.
///
/// While its handler runs a target is out of the context's table, as a callback is out of
/// [`crate::DispatchVars`] while it runs, so a handler may use the whole context: insert and close
/// targets (itself included), change filters, reach the world.
///
/// Delivery is by edge: after an event the target reads and writes until the kernel says that it
/// would block (a read shorter than its buffer counts as drained, epoll(7)), or asks to be called
/// again.
pub trait DispatchTarget<C: ?Sized>: Registered {
    /// Handles one event.
    fn dispatch_event(&mut self, context: &mut C, event: Event) -> HandlerResult;

    /// Called once when the context closes the target: its handler failed, or another target
    /// closed it. The descriptor itself closes when the target is dropped, right after.
    fn close(&mut self, context: &mut C) {
        let _ = context;
    }
}
