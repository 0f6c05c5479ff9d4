//! The context over epoll, against the kernel: filters, closing, stale events, failing handlers,
//! turns that were asked for, nesting.

use dispatch::{
    Boxed, BoxedContext, DispatchContext, DispatchId, DispatchState, DispatchTarget,
    ErrorInHandler, Event, Filter, HandlerFailure, HandlerResult, Instant, PollFlags, Registered,
    Registration,
};
use nix::poll::{PollFd, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// By when anything that is to happen has happened. What is written to a socketpair is ready when
/// the write returns, so what must not happen is asked for without waiting.
const PATIENCE: Option<Duration> = Some(Duration::from_secs(10));
const NO_WAIT: Option<Duration> = Some(Duration::ZERO);

/// What happened, and who is who.
#[derive(Default)]
struct World {
    events: Vec<(&'static str, Event)>,
    closed: Vec<&'static str>,
    ids: HashMap<&'static str, DispatchId>,
    /// A target that a handler inserts when its time has come.
    spare: Option<Boxed<World>>,
}

impl World {
    /// Names of the targets that heard something since the last call, in order.
    fn heard(&mut self) -> Vec<&'static str> {
        self.events.drain(..).map(|(name, _)| name).collect()
    }
}

type Context = BoxedContext<World>;
type Act = Box<dyn FnMut(&mut Probe, &mut Context, Event) -> HandlerResult>;

/// A target that writes down what it hears and is told, then acts.
struct Probe {
    name: &'static str,
    descriptor: OwnedFd,
    registration: Registration,
    act: Option<Act>,
}

impl Registered for Probe {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    fn registration(&self) -> &Registration {
        &self.registration
    }

    fn registration_mut(&mut self) -> &mut Registration {
        &mut self.registration
    }
}

impl DispatchTarget<Context> for Probe {
    fn dispatch_event(&mut self, context: &mut Context, event: Event) -> HandlerResult {
        context.world.events.push((self.name, event));
        let mut act = self.act.take().expect("one event at a time");
        let result = act(self, context, event);
        self.act = Some(act);
        result
    }

    fn close(&mut self, context: &mut Context) {
        context.world.closed.push(self.name);
    }
}

fn probe_over(name: &'static str, descriptor: OwnedFd, filter: Filter, act: Act) -> Boxed<World> {
    let registration = Registration::new(filter, DispatchState::Connected);
    Boxed::new(Probe { name, descriptor, registration, act: Some(act) })
}

/// A probe and the peer that it listens to.
fn probe(
    name: &'static str,
    act: impl FnMut(&mut Probe, &mut Context, Event) -> HandlerResult + 'static,
) -> (Boxed<World>, UnixStream) {
    let (ours, peer) = UnixStream::pair().unwrap();
    (probe_over(name, ours.into(), Filter::READABLE, Box::new(act)), peer)
}

fn idle(_: &mut Probe, _: &mut Context, _: Event) -> HandlerResult {
    Ok(())
}

fn context() -> Context {
    BoxedContext::new(World::default()).unwrap()
}

fn insert(context: &mut Context, name: &'static str, target: Boxed<World>) -> DispatchId {
    let id = context.insert(target).unwrap();
    context.world.ids.insert(name, id);
    id
}

/// A context with one probe that does nothing.
fn listening() -> (Context, DispatchId, UnixStream) {
    let mut context = context();
    let (target, peer) = probe("a", idle);
    let id = insert(&mut context, "a", target);
    (context, id, peer)
}

fn set_filter(context: &mut Context, id: DispatchId, filter: Filter) {
    let Filter { readable, writable, exceptional } = filter;
    let set = context.with_target(id, |target, context| {
        Ok(context.set_dispatch_filter(target, readable, writable, exceptional)?)
    });
    set.unwrap();
}

fn set_flags(context: &mut Context, id: DispatchId, flags: PollFlags) {
    let set = context
        .with_target(id, |target, context| Ok(context.set_poll_dispatch_filter(target, flags)?));
    set.unwrap();
}

/// Dispatches without waiting; who heard something.
fn dispatched(context: &mut Context) -> Vec<&'static str> {
    let delivered = context.dispatch_once(NO_WAIT, None).unwrap();
    let heard = context.world.heard();
    assert_eq!(delivered, heard.len());
    heard
}

fn nobody() -> Vec<&'static str> {
    Vec::new()
}

// Filters.

#[test]
fn setting_a_filter_re_arms_also_where_it_is_the_same() {
    let (mut context, id, mut peer) = listening();
    peer.write_all(b"x").unwrap();
    assert_eq!(dispatched(&mut context), ["a"]);
    assert_eq!(dispatched(&mut context), nobody(), "nothing was set since");
    for _ in 0..3 {
        set_filter(&mut context, id, Filter::READABLE);
        assert_eq!(dispatched(&mut context), ["a"]);
    }
    assert_eq!(dispatched(&mut context), nobody());
}

#[test]
fn a_handler_that_sets_its_own_filter_is_called_in_the_next_dispatch() {
    let mut context = context();
    let mut turns = 3;
    let (target, mut peer) = probe("a", move |probe, context, _| {
        turns -= 1;
        if turns > 0 {
            context.set_dispatch_filter(probe, true, false, false)?;
        }
        Ok(())
    });
    insert(&mut context, "a", target);
    peer.write_all(b"x").unwrap();
    for _ in 0..3 {
        assert_eq!(dispatched(&mut context), ["a"]);
    }
    assert_eq!(dispatched(&mut context), nobody());
}

#[test]
fn between_changes_delivery_is_by_edge() {
    let (mut context, _, mut peer) = listening();
    for _ in 0..3 {
        peer.write_all(b"x").unwrap();
        assert_eq!(dispatched(&mut context), ["a"], "new bytes are a new edge");
        assert_eq!(dispatched(&mut context), nobody(), "unread bytes are none");
    }
}

#[test]
fn a_filter_says_which_kind_of_readiness_is_heard() {
    let (mut context, id, mut peer) = listening();
    assert_eq!(dispatched(&mut context), nobody(), "it is writable, but that was not asked for");
    set_filter(&mut context, id, Filter::STREAM);
    context.dispatch_once(NO_WAIT, None).unwrap();
    let (_, event) = context.world.events.pop().unwrap();
    assert_eq!(event, Event { writable: true, ..Event::default() });
    peer.write_all(b"x").unwrap();
    context.dispatch_once(NO_WAIT, None).unwrap();
    let (_, event) = context.world.events.pop().unwrap();
    assert_eq!(event, Event { readable: true, writable: true, ..Event::default() });
    set_filter(&mut context, id, Filter::WRITABLE);
    context.dispatch_once(NO_WAIT, None).unwrap();
    let (_, event) = context.world.events.pop().unwrap();
    assert_eq!(event, Event { writable: true, ..Event::default() });
}

#[test]
fn the_current_filter_is_what_was_set_last() {
    let (mut context, id, _peer) = listening();
    for filter in [Filter::STREAM, Filter::NONE, Filter::NONE, Filter::WRITABLE] {
        set_filter(&mut context, id, filter);
        assert_eq!(context.target_mut(id).unwrap().current_dispatch_filter(), filter);
    }
    set_flags(&mut context, id, PollFlags::EPOLLIN | PollFlags::EPOLLONESHOT);
    assert_eq!(context.target_mut(id).unwrap().current_dispatch_filter(), Filter::READABLE);
}

#[test]
fn an_empty_filter_hears_nothing_and_set_again_hears_what_waited() {
    let (mut context, id, mut peer) = listening();
    set_filter(&mut context, id, Filter::NONE);
    peer.write_all(b"x").unwrap();
    assert_eq!(dispatched(&mut context), nobody());
    drop(peer);
    assert_eq!(dispatched(&mut context), nobody(), "not even of the peer's end");
    assert_eq!(context.len(), 1, "it keeps its slot");
    set_filter(&mut context, id, Filter::READABLE);
    context.dispatch_once(NO_WAIT, None).unwrap();
    let (_, event) = context.world.events[0];
    assert!(event.readable && event.read_closed);
}

#[test]
fn a_target_inserted_with_an_empty_filter_hears_nothing_until_one_is_set() {
    let mut context = context();
    let (ours, mut peer) = UnixStream::pair().unwrap();
    let target = probe_over("a", ours.into(), Filter::NONE, Box::new(idle));
    let id = insert(&mut context, "a", target);
    peer.write_all(b"x").unwrap();
    assert_eq!(dispatched(&mut context), nobody());
    set_flags(&mut context, id, PollFlags::EPOLLIN);
    assert_eq!(dispatched(&mut context), ["a"]);
}

#[test]
fn a_target_whose_filter_another_handler_emptied_in_the_same_batch_hears_nothing() {
    let mut context = context();
    let mut peers = Vec::new();
    for (name, other) in [("a", "b"), ("b", "a")] {
        let (target, mut peer) = probe(name, move |_, context, _| {
            set_filter(context, context.world.ids[other], Filter::NONE);
            Ok(())
        });
        insert(&mut context, name, target);
        peer.write_all(b"x").unwrap();
        peers.push(peer);
    }
    let first = dispatched(&mut context);
    assert_eq!(first.len(), 1, "the first one silenced the other: {first:?}");
    assert_eq!(dispatched(&mut context), nobody());
    let silent = if first == ["a"] { "b" } else { "a" };
    let id = context.world.ids[silent];
    set_filter(&mut context, id, Filter::READABLE);
    assert_eq!(dispatched(&mut context), [silent], "what waited is heard");
}

#[test]
fn oneshot_delivers_once_until_it_is_set_again() {
    let (mut context, id, mut peer) = listening();
    let flags = PollFlags::EPOLLIN | PollFlags::EPOLLONESHOT;
    set_flags(&mut context, id, flags);
    peer.write_all(b"x").unwrap();
    assert_eq!(dispatched(&mut context), ["a"]);
    peer.write_all(b"y").unwrap();
    assert_eq!(dispatched(&mut context), nobody());
    set_flags(&mut context, id, flags);
    assert_eq!(dispatched(&mut context), ["a"]);
    set_filter(&mut context, id, Filter::READABLE);
    assert_eq!(dispatched(&mut context), ["a"], "the plain filter takes over again");
}

#[test]
fn flags_without_edge_are_delivered_by_level_until_drained() {
    let (mut context, id, mut peer) = listening();
    set_flags(&mut context, id, PollFlags::EPOLLIN);
    peer.write_all(b"x").unwrap();
    for _ in 0..3 {
        assert_eq!(dispatched(&mut context), ["a"]);
    }
    let drained = context.with_target(id, |target, _| {
        Ok(nix::unistd::read(target.descriptor(), &mut [0; 8]).map(drop)?)
    });
    drained.unwrap();
    assert_eq!(dispatched(&mut context), nobody());
}

#[test]
fn out_of_band_data_is_exceptional() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, _) = listener.accept().unwrap();
    let mut context = context();
    let filter = Filter { exceptional: true, ..Filter::NONE };
    let target = probe_over("a", ours.into(), filter, Box::new(idle));
    insert(&mut context, "a", target);
    assert_eq!(dispatched(&mut context), nobody());
    send(peer.as_raw_fd(), b"!", MsgFlags::MSG_OOB).unwrap();
    assert_eq!(context.dispatch_once(PATIENCE, None).unwrap(), 1);
    assert!(context.world.events[0].1.exceptional);
}

#[test]
fn what_the_kernel_cannot_watch_is_refused_and_leaves_no_trace() {
    let mut context = context();
    let file = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
    let target = probe_over("file", file.into(), Filter::READABLE, Box::new(idle));
    let error = context.insert(target).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
    assert!(context.is_empty());
    let (target, mut peer) = probe("a", idle);
    assert_eq!(insert(&mut context, "a", target).slot(), 0, "the slot is free again");
    peer.write_all(b"x").unwrap();
    assert_eq!(dispatched(&mut context), ["a"]);
}

// Closing.

#[test]
fn a_target_that_closes_itself_is_closed_once_when_its_handler_returns() {
    let mut context = context();
    let (target, mut peer) = probe("a", |probe, context, _| {
        context.socket_closed(probe.dispatch_id().unwrap());
        assert!(context.world.closed.is_empty(), "not while its handler runs");
        assert!(context.is_empty(), "but its slot is free");
        Ok(())
    });
    insert(&mut context, "a", target);
    peer.write_all(b"x").unwrap();
    assert_eq!(dispatched(&mut context), ["a"]);
    assert_eq!(context.world.closed, ["a"]);
    assert_eq!(peer.read(&mut [0; 8]).unwrap_or(0), 0, "the descriptor is closed");
    assert_eq!(dispatched(&mut context), nobody());
}

#[test]
fn a_target_closed_by_another_in_the_same_batch_does_not_get_its_event() {
    let mut context = context();
    let mut peers = Vec::new();
    for (name, other) in [("a", "b"), ("b", "a")] {
        let (target, mut peer) = probe(name, move |_, context, _| {
            context.socket_closed(context.world.ids[other]);
            Ok(())
        });
        insert(&mut context, name, target);
        peer.write_all(b"x").unwrap();
        peers.push(peer);
    }
    let heard = dispatched(&mut context);
    assert_eq!(heard.len(), 1);
    assert_eq!(context.len(), 1);
    assert_eq!(context.world.closed.len(), 1);
    assert_ne!(context.world.closed[0], heard[0]);
}

#[test]
fn closing_an_id_that_is_gone_is_ignored() {
    let (mut context, id, _peer) = listening();
    context.socket_closed(id);
    context.socket_closed(id);
    assert_eq!(context.world.closed, ["a"]);
    let (target, mut peer) = probe("b", idle);
    let successor = insert(&mut context, "b", target);
    assert_eq!(successor.slot(), id.slot());
    context.socket_closed(id);
    peer.write_all(b"x").unwrap();
    assert_eq!(dispatched(&mut context), ["b"], "the slot's new owner is untouched");
    assert!(context.target_mut(id).is_none());
}

/// Whoever of `a` and `b` is first closes the other and puts `c` into its slot.
fn slot_reused_in_the_batch(c: Boxed<World>) -> (Context, Vec<UnixStream>) {
    let mut context = context();
    let mut peers = Vec::new();
    for (name, other) in [("a", "b"), ("b", "a")] {
        let (target, mut peer) = probe(name, move |_, context, _| {
            let Some(spare) = context.world.spare.take() else { return Ok(()) };
            let gone = context.world.ids[other];
            context.socket_closed(gone);
            let id = insert(context, "c", spare);
            assert_eq!(id.slot(), gone.slot());
            assert_ne!(id, gone);
            Ok(())
        });
        insert(&mut context, name, target);
        peer.write_all(b"x").unwrap();
        peers.push(peer);
    }
    context.world.spare = Some(c);
    (context, peers)
}

#[test]
fn a_stale_event_is_never_delivered_to_the_new_owner_of_the_slot() {
    let (target, mut peer) = probe("c", idle);
    let (mut context, _peers) = slot_reused_in_the_batch(target);
    let heard = dispatched(&mut context);
    assert!(heard == ["a"] || heard == ["b"], "{heard:?}");
    assert_eq!(dispatched(&mut context), nobody());
    peer.write_all(b"x").unwrap();
    assert_eq!(dispatched(&mut context), ["c"], "its own event it gets");
}

#[test]
fn the_new_owner_of_the_slot_hears_of_its_own_bytes_in_the_next_dispatch() {
    let (target, mut peer) = probe("c", idle);
    peer.write_all(b"waiting").unwrap();
    let (mut context, _peers) = slot_reused_in_the_batch(target);
    assert_eq!(dispatched(&mut context).len(), 1);
    assert_eq!(dispatched(&mut context), ["c"]);
    assert_eq!(dispatched(&mut context), nobody());
}

#[test]
fn a_target_that_closed_itself_and_was_followed_in_its_slot_does_not_come_back() {
    let mut context = context();
    let (successor, mut peer_of_successor) = probe("c", idle);
    let (target, mut peer) = probe("a", |probe, context, _| {
        let id = probe.dispatch_id().unwrap();
        context.socket_closed(id);
        let spare = context.world.spare.take().unwrap();
        assert_eq!(insert(context, "c", spare).slot(), id.slot());
        Ok(())
    });
    context.world.spare = Some(successor);
    insert(&mut context, "a", target);
    peer.write_all(b"x").unwrap();
    assert_eq!(dispatched(&mut context), ["a"]);
    assert_eq!((context.world.closed.as_slice(), context.len()), (["a"].as_slice(), 1));
    peer_of_successor.write_all(b"x").unwrap();
    assert_eq!(dispatched(&mut context), ["c"]);
}

// Failing handlers.

/// Three ready targets, of which the one named `bad` fails.
fn one_bad_of_three() -> (Context, Vec<UnixStream>) {
    let mut context = context();
    let mut peers = Vec::new();
    for name in ["a", "bad", "c"] {
        let (target, mut peer) = probe(name, move |_, _, _| match name {
            "bad" => Err("it went wrong".into()),
            _ => Ok(()),
        });
        insert(&mut context, name, target);
        peer.write_all(b"x").unwrap();
        peers.push(peer);
    }
    (context, peers)
}

#[test]
fn a_failing_target_is_closed_the_policy_is_told_and_the_others_go_on() {
    let (mut context, mut peers) = one_bad_of_three();
    let mut failures = Vec::new();
    let mut policy: ErrorInHandler<'_> = Box::new(|failure: HandlerFailure| {
        failures.push((failure.id, failure.error.to_string()));
    });
    assert_eq!(context.dispatch_once(NO_WAIT, Some(&mut policy)).unwrap(), 3);
    drop(policy);
    assert_eq!(failures, [(context.world.ids["bad"], "it went wrong".to_owned())]);
    assert_eq!(context.world.closed, ["bad"]);
    assert_eq!(context.world.heard().len(), 3);
    for peer in &mut peers {
        // The peer of the one that was closed is gone; EPIPE is its trouble.
        let _ = peer.write_all(b"y");
    }
    let mut heard = dispatched(&mut context);
    heard.sort_unstable();
    assert_eq!(heard, ["a", "c"]);
}

#[test]
fn without_a_policy_the_loop_goes_on_all_the_same() {
    let (mut context, _peers) = one_bad_of_three();
    assert_eq!(dispatched(&mut context).len(), 3);
    assert_eq!(context.world.closed, ["bad"]);
    assert_eq!(context.len(), 2);
}

#[test]
fn a_target_that_closes_itself_and_fails_is_closed_once_and_told() {
    let mut context = context();
    let (target, mut peer) = probe("a", |probe, context, _| {
        context.socket_closed(probe.dispatch_id().unwrap());
        Err("as well".into())
    });
    insert(&mut context, "a", target);
    peer.write_all(b"x").unwrap();
    let mut told = 0;
    let mut policy: ErrorInHandler<'_> = Box::new(|_| told += 1);
    context.dispatch_once(NO_WAIT, Some(&mut policy)).unwrap();
    drop(policy);
    assert_eq!((told, context.world.closed.len()), (1, 1));
}

#[test]
fn a_failure_in_a_turn_given_from_outside_closes_and_is_returned() {
    let (mut context, id, _peer) = listening();
    let error = context.with_target(id, |_, _| Err("no".into())).unwrap_err();
    assert_eq!(error.to_string(), "no");
    assert_eq!(context.world.closed, ["a"]);
    context.with_target(id, |_, _| panic!("it is gone")).unwrap();
}

// Turns and insertions.

#[test]
fn call_again_gives_a_turn_without_waiting() {
    let (mut context, id, _peer) = listening();
    assert!(!context.turn_is_due());
    context.call_again(id);
    assert!(context.turn_is_due());
    let begun = Instant::now();
    assert_eq!(context.dispatch_once(Some(Duration::from_secs(300)), None).unwrap(), 1);
    assert!(Instant::now().since(begun) < Duration::from_secs(150), "it waited");
    let (_, event) = context.world.events[0];
    assert_eq!(event, Event { called_again: true, ..Event::default() });
    assert!(!context.turn_is_due());
    context.world.events.clear();
    assert_eq!(dispatched(&mut context), nobody(), "one wish is one turn");
}

#[test]
fn a_handler_that_asks_to_be_called_again_gets_its_turn_in_the_next_dispatch() {
    let mut context = context();
    let mut turns = 3;
    let (target, mut peer) = probe("a", move |probe, context, event| {
        assert_eq!(event.called_again, turns < 3);
        turns -= 1;
        if turns > 0 {
            context.call_again(probe.dispatch_id().unwrap());
        }
        Ok(())
    });
    insert(&mut context, "a", target);
    let (other, mut peer_of_other) = probe("b", idle);
    insert(&mut context, "b", other);
    peer.write_all(b"x").unwrap();
    assert_eq!(dispatched(&mut context), ["a"]);
    peer_of_other.write_all(b"x").unwrap();
    assert_eq!(dispatched(&mut context), ["b", "a"], "others get theirs meanwhile");
    assert_eq!(dispatched(&mut context), ["a"]);
    assert_eq!(dispatched(&mut context), nobody());
}

#[test]
fn a_turn_for_a_target_that_is_gone_finds_nobody() {
    let (mut context, id, _peer) = listening();
    context.call_again(id);
    context.socket_closed(id);
    let (target, _peer) = probe("b", idle);
    assert_eq!(insert(&mut context, "b", target).slot(), id.slot());
    assert_eq!(dispatched(&mut context), nobody());
}

#[test]
fn a_failing_turn_that_was_asked_for_is_told_to_the_policy() {
    let mut context = context();
    let (target, _peer) = probe("a", |_, _, _| Err("again".into()));
    let id = insert(&mut context, "a", target);
    context.call_again(id);
    let mut told = Vec::new();
    let mut policy: ErrorInHandler<'_> = Box::new(|failure| told.push(failure.id));
    context.dispatch_once(NO_WAIT, Some(&mut policy)).unwrap();
    drop(policy);
    assert_eq!(told, [id]);
}

#[test]
fn a_target_inserted_by_a_handler_is_heard_from_the_next_dispatch_on() {
    let mut context = context();
    let (inserted, mut peer_of_inserted) = probe("b", idle);
    peer_of_inserted.write_all(b"x").unwrap();
    let (target, mut peer) = probe("a", |_, context, _| {
        let spare = context.world.spare.take().unwrap();
        insert(context, "b", spare);
        Ok(())
    });
    context.world.spare = Some(inserted);
    insert(&mut context, "a", target);
    peer.write_all(b"x").unwrap();
    assert_eq!(dispatched(&mut context), ["a"]);
    assert_eq!(dispatched(&mut context), ["b"]);
    assert_eq!(context.ids().len(), 2);
}

#[test]
fn a_target_whose_handler_runs_is_out_of_the_table() {
    let mut context = context();
    let (target, mut peer) = probe("a", |probe, context, _| {
        let id = probe.dispatch_id().unwrap();
        assert!(context.target_mut(id).is_none());
        assert_eq!(context.targets().count(), 0);
        assert_eq!((context.len(), context.id_at(id.slot())), (1, Some(id)), "the slot is its own");
        context.with_target(id, |_, _| panic!("one turn at a time"))
    });
    insert(&mut context, "a", target);
    peer.write_all(b"x").unwrap();
    assert_eq!(dispatched(&mut context), ["a"]);
    assert_eq!(context.targets().count(), 1);
}

#[test]
fn an_id_is_never_used_twice() {
    let mut context = context();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..100 {
        let (target, _peer) = probe("a", idle);
        let id = insert(&mut context, "a", target);
        assert_eq!(id.slot(), 0);
        assert!(seen.insert(id));
        context.socket_closed(id);
    }
}

// Waiting and nesting.

#[test]
fn a_wait_that_runs_out_delivers_nothing() {
    let (mut context, _, _peer) = listening();
    assert_eq!(context.dispatch_once(Some(Duration::from_millis(2)), None).unwrap(), 0);
}

#[test]
fn now_is_the_instant_at_which_the_wait_ended() {
    let (mut context, _, _peer) = listening();
    let before = Instant::now();
    context.dispatch_once(NO_WAIT, None).unwrap();
    let now = context.now();
    assert!(before <= now && now <= Instant::now());
}

fn is_readable(context: &Context, patience: PollTimeout) -> bool {
    let mut watched = [PollFd::new(context.as_fd(), nix::poll::PollFlags::POLLIN)];
    poll(&mut watched, patience).unwrap();
    watched[0].any().unwrap()
}

#[test]
fn the_contexts_descriptor_is_readable_exactly_when_something_is_to_be_dispatched() {
    let (mut context, _, mut peer) = listening();
    assert!(!is_readable(&context, PollTimeout::ZERO));
    for _ in 0..3 {
        peer.write_all(b"x").unwrap();
        assert!(is_readable(&context, 10_000_u16.into()));
        assert_eq!(dispatched(&mut context), ["a"]);
        assert!(!is_readable(&context, PollTimeout::ZERO));
    }
}

#[test]
fn a_context_can_be_a_target_of_another_context() {
    let (mut inner, _, mut peer) = listening();
    let mut outer = context();
    let descriptor = inner.as_fd().try_clone_to_owned().unwrap();
    insert(&mut outer, "inner", probe_over("inner", descriptor, Filter::READABLE, Box::new(idle)));
    assert_eq!(dispatched(&mut outer), nobody());
    for _ in 0..2 {
        peer.write_all(b"x").unwrap();
        assert_eq!(dispatched(&mut outer), ["inner"]);
        assert_eq!(dispatched(&mut inner), ["a"]);
    }
}
