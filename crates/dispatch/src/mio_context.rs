//! The context over epoll, by way of mio.

use crate::clock::Instant;
use crate::context::{DispatchContext, ErrorInHandler, HandlerFailure, PollFlags};
use crate::slots::Slots;
use crate::sys;
use crate::target::{DispatchId, DispatchTarget, Event, Filter, HandlerResult, Registered};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use nix::sys::epoll::{Epoll, EpollEvent};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

/// Events fetched from the kernel by one dispatch; what is ready beyond them waits for the next.
const EVENTS_PER_DISPATCH: usize = 1024;

/// A dispatcher over epoll that owns its targets (of type `T`) and a world (of type `W`) that
/// their handlers share.
///
/// One per thread; make it in the process that uses it, since a poller that is shared over fork
/// delivers the child's events to the parent. Nothing is allocated per event.
#[derive(Debug)]
pub struct MioContext<T, W> {
    poll: Poll,
    /// A second name of `poll`'s epoll instance, for flags that mio does not know.
    epoll: Epoll,
    /// Taken out while a batch is handed out.
    events: Option<Events>,
    slots: Slots<T>,
    /// Targets that asked to be called again; and the same list emptied, kept for its memory.
    again: Vec<DispatchId>,
    again_spare: Vec<DispatchId>,
    now: Instant,
    /// What the handlers share.
    pub world: W,
}

impl<T, W> MioContext<T, W>
where
    T: DispatchTarget<Self>,
{
    /// An empty context around `world`.
    ///
    /// # Errors
    /// No descriptors (`EMFILE`, `ENFILE`) or memory for the poller.
    pub fn new(world: W) -> io::Result<Self> {
        let poll = Poll::new()?;
        let epoll = Epoll(sys::epoll_descriptor(&poll).try_clone_to_owned()?);
        Ok(Self {
            poll,
            epoll,
            events: Some(Events::with_capacity(EVENTS_PER_DISPATCH)),
            slots: Slots::new(),
            again: Vec::new(),
            again_spare: Vec::new(),
            now: Instant::now(),
            world,
        })
    }

    /// Makes room for `targets` in all, so that the table never moves while it fills.
    pub fn reserve(&mut self, targets: usize) {
        self.slots.reserve(targets);
    }

    /// The instant of this iteration: read when the wait ended. For decisions; a measurement reads
    /// the clock itself.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Targets that live here.
    pub const fn len(&self) -> usize {
        self.slots.occupied()
    }

    /// Whether no target lives here.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes a target in, names it and watches what its registration's filter says.
    ///
    /// # Errors
    /// The kernel's refusal to watch; the target is dropped then, unclosed.
    pub fn insert(&mut self, mut target: T) -> io::Result<DispatchId> {
        let id = self.slots.claim();
        let filter = target.current_dispatch_filter();
        target.registration_mut().id = Some(id);
        target.registration_mut().polled = false;
        if let Err(error) = self.watch(&mut target, filter) {
            self.slots.free(id);
            return Err(error);
        }
        if self.slots.put_back(id, target).is_err() {
            unreachable!("nothing ran between claim and put_back");
        }
        Ok(id)
    }

    /// The target `id`, unless it is gone or its handler is running.
    pub fn target_mut(&mut self, id: DispatchId) -> Option<&mut T> {
        self.slots.target_mut(id)
    }

    /// All targets that are at home, by slot.
    pub fn targets(&self) -> impl Iterator<Item = &T> {
        self.slots.targets()
    }

    /// The id of the target in `slot`, if one lives there.
    pub fn id_at(&self, slot: usize) -> Option<DispatchId> {
        self.slots.id_at(slot)
    }

    /// The ids of all targets, by slot; a copy, so that the context can be used meanwhile.
    pub fn ids(&self) -> Vec<DispatchId> {
        self.slots.ids().collect()
    }

    /// Runs `turn` on the target `id` as an event would: it is out of the table meanwhile and may
    /// use the whole context. Does nothing if the target is gone or its handler is running.
    ///
    /// # Errors
    /// What `turn` returns; the target is closed then.
    pub fn with_target(
        &mut self,
        id: DispatchId,
        turn: impl FnOnce(&mut T, &mut Self) -> HandlerResult,
    ) -> HandlerResult {
        let Some(mut target) = self.slots.take(id) else {
            return Ok(());
        };
        let result = turn(&mut target, self);
        if let Err(mut target) = self.slots.put_back(id, target) {
            target.close(self);
        } else if result.is_err() {
            self.socket_closed(id);
        }
        result
    }

    /// Gives the target `id` another turn in the next dispatch, which will not wait: for a target
    /// that stops before it has drained its descriptor so that others get their turn.
    pub fn call_again(&mut self, id: DispatchId) {
        self.again.push(id);
    }

    /// Whether a target asked to be called again, so that the next dispatch will not wait. The
    /// context's descriptor does not tell: a foreign loop asks here before it waits for that.
    pub const fn turn_is_due(&self) -> bool {
        !self.again.is_empty()
    }

    fn watch(&mut self, target: &mut dyn Registered, filter: Filter) -> io::Result<()> {
        let id = target.dispatch_id().expect("the target is in this context");
        let descriptor = target.descriptor().as_raw_fd();
        let polled = target.registration().polled;
        match interest(filter) {
            Some(interest) => self.register(descriptor, id, interest, polled)?,
            None if polled => self.poll.registry().deregister(&mut SourceFd(&descriptor))?,
            None => {}
        }
        let registration = target.registration_mut();
        registration.filter = filter;
        registration.polled = filter != Filter::NONE;
        Ok(())
    }

    fn register(
        &self,
        descriptor: RawFd,
        id: DispatchId,
        interest: Interest,
        polled: bool,
    ) -> io::Result<()> {
        let registry = self.poll.registry();
        let mut source = SourceFd(&descriptor);
        if polled {
            registry.reregister(&mut source, token(id), interest)
        } else {
            registry.register(&mut source, token(id), interest)
        }
    }

    /// Hands `event` to the target `id`. A stale event, for a target that is gone though its slot
    /// may be someone else's by now, finds nobody; one for a target whose filter was emptied since
    /// the batch was fetched is dropped. Returns whether it was delivered.
    fn deliver(
        &mut self,
        id: DispatchId,
        event: Event,
        error_in_handler: &mut Option<&mut ErrorInHandler<'_>>,
    ) -> bool {
        let mut delivered = false;
        let result = self.with_target(id, |target, context| {
            if !target.registration().polled && !event.called_again {
                return Ok(());
            }
            delivered = true;
            target.dispatch_event(context, event)
        });
        if let (Err(error), Some(policy)) = (result, error_in_handler.as_mut()) {
            policy(HandlerFailure { id, error });
        }
        delivered
    }
}

impl<T, W> DispatchContext for MioContext<T, W>
where
    T: DispatchTarget<Self>,
{
    /// One dispatch:
    ///
    /// 1. Take the list of targets that asked to be called again; do not wait if there are any.
    /// 2. Wait. Whole milliseconds, rounded up (epoll_wait(2)); a finer deadline is a
    ///    [`crate::Timer`]'s.
    /// 3. Read the iteration's instant.
    /// 4. Hand out the events, up to a fixed number, each to the target that it was meant for.
    /// 5. Give those of step 1 their turn.
    fn dispatch_once(
        &mut self,
        timeout: Option<Duration>,
        mut error_in_handler: Option<&mut ErrorInHandler<'_>>,
    ) -> io::Result<usize> {
        let spare = std::mem::take(&mut self.again_spare);
        let mut again = std::mem::replace(&mut self.again, spare);
        let mut events = self.events.take().expect("dispatch_once is not called by a handler");
        let wait = if again.is_empty() { timeout } else { Some(Duration::ZERO) };
        let polled = poll_once(&mut self.poll, &mut events, wait);
        self.now = Instant::now();
        let mut delivered = 0;
        if polled.is_ok() {
            for event in &events {
                let id = id_of(event.token());
                delivered += usize::from(self.deliver(id, read(event), &mut error_in_handler));
            }
        }
        self.events = Some(events);
        for id in again.drain(..) {
            let event = Event { called_again: true, ..Event::default() };
            delivered += usize::from(self.deliver(id, event, &mut error_in_handler));
        }
        self.again_spare = again;
        polled.map(|()| delivered)
    }

    fn set_dispatch_filter(
        &mut self,
        target: &mut dyn Registered,
        readable: bool,
        writable: bool,
        exceptional: bool,
    ) -> io::Result<()> {
        self.watch(target, Filter { readable, writable, exceptional })
    }

    fn set_poll_dispatch_filter(
        &mut self,
        target: &mut dyn Registered,
        flags: PollFlags,
    ) -> io::Result<()> {
        let id = target.dispatch_id().expect("the target is in this context");
        let mut event = EpollEvent::new(flags, token(id).0 as u64);
        if target.registration().polled {
            self.epoll.modify(target.descriptor(), &mut event)?;
        } else {
            self.epoll.add(target.descriptor(), event)?;
        }
        let registration = target.registration_mut();
        registration.polled = true;
        registration.filter = Filter {
            readable: flags.contains(PollFlags::EPOLLIN),
            writable: flags.contains(PollFlags::EPOLLOUT),
            exceptional: flags.contains(PollFlags::EPOLLPRI),
        };
        Ok(())
    }

    fn socket_closed(&mut self, id: DispatchId) {
        if let Some(Some(mut target)) = self.slots.free(id) {
            target.close(self);
        }
    }
}

/// The descriptor of the poller, to nest this context in another loop: it is readable when a
/// dispatch would not wait, except for a turn that a target asked for itself
/// ([`MioContext::turn_is_due`]).
impl<T, W> AsFd for MioContext<T, W> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

/// One wait; a signal that interrupts it ends it with nothing.
fn poll_once(poll: &mut Poll, events: &mut Events, wait: Option<Duration>) -> io::Result<()> {
    match poll.poll(events, wait) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            events.clear();
            Ok(())
        }
        other => other,
    }
}

fn read(event: &mio::event::Event) -> Event {
    Event {
        readable: event.is_readable(),
        writable: event.is_writable(),
        exceptional: event.is_priority(),
        error: event.is_error(),
        read_closed: event.is_read_closed(),
        called_again: false,
    }
}

fn interest(filter: Filter) -> Option<Interest> {
    let readable = filter.readable.then_some(Interest::READABLE);
    let writable = filter.writable.then_some(Interest::WRITABLE);
    let exceptional = filter.exceptional.then_some(Interest::PRIORITY);
    [readable, writable, exceptional].into_iter().flatten().reduce(Interest::add)
}

const fn token(id: DispatchId) -> Token {
    Token((id.generation as usize) << 32 | id.slot as usize)
}

const fn id_of(token: Token) -> DispatchId {
    DispatchId { slot: token.0 as u32, generation: (token.0 >> 32) as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_keeps_slot_and_generation() {
        for id in [
            DispatchId { slot: 0, generation: 0 },
            DispatchId { slot: 7, generation: u32::MAX },
            DispatchId { slot: u32::MAX, generation: 1 },
        ] {
            assert_eq!(id_of(token(id)), id);
        }
    }

    #[test]
    fn an_empty_filter_is_no_interest() {
        assert_eq!(interest(Filter::NONE), None);
        assert_eq!(interest(Filter::STREAM), Some(Interest::READABLE | Interest::WRITABLE));
    }
}
