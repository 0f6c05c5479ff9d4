//! What the connections of one loop share, and the turn that the loop takes between waits.

use crate::connection::Connection;
use crate::listener::Listener;
use crate::model::Model;
use crate::pause::PutOff;
use crate::slow::Slowness;
use crate::target::Target;
use crate::wheel::Wheel;
use dispatch::{Callback, DispatchId, DispatchVars, Instant, MioContext, Timer, iterate};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;
use tcpsocket::{Buffers, SocketError, SourceId, Sources, Stream, StreamTarget};

/// The context of a service: targets of all kinds around one model.
pub type Context<L> = MioContext<Target<L>, Service<L>>;

/// Source pairs found in use and passed over in one attempt; then the attempt fails.
const SKIPS_PER_ATTEMPT: u32 = 64;

/// Connections woken in one turn; then what is ready is dispatched first.
const WAKES_PER_TURN: usize = 4096;

/// What the connections of one loop share.
pub struct Service<L: Model> {
    /// Who decides.
    pub model: L,
    /// Source pairs to connect from; none leaves the choice to the kernel.
    pub sources: Option<Sources>,
    /// How slow the connections are that are opened from now on.
    pub slowness: Slowness,
    pub(crate) buffers: Buffers,
    pub(crate) wheel: Wheel,
    pub(crate) put_off: PutOff,
    wakes: BinaryHeap<Reverse<(Instant, DispatchId)>>,
    fired: Vec<u32>,
    timer: Option<DispatchId>,
}

impl<L: Model> Service<L> {
    fn new(model: L, sources: Option<Sources>) -> Self {
        Self {
            model,
            sources,
            slowness: Slowness::default(),
            buffers: Buffers::default(),
            wheel: Wheel::new(Instant::now()),
            put_off: PutOff::default(),
            wakes: BinaryHeap::new(),
            fired: Vec::new(),
            timer: None,
        }
    }

    /// Notes that the target `id` wants to be woken at `instant`.
    pub(crate) fn note_wake(&mut self, instant: Instant, id: DispatchId) {
        self.wakes.push(Reverse((instant, id)));
    }

    /// Takes back what an ended connection had on loan.
    pub(crate) fn retire(&mut self, kept: &mut Vec<u8>, source: Option<SourceId>) {
        self.buffers.give_back(kept);
        if let (Some(sources), Some(source)) = (&mut self.sources, source) {
            sources.give_back(source);
        }
    }

    fn next_wake(&mut self, now: Instant) -> Option<(Instant, DispatchId)> {
        let Reverse((instant, _)) = self.wakes.peek()?;
        if *instant > now {
            return None;
        }
        self.wakes.pop().map(|Reverse(wake)| wake)
    }

    fn earliest(&self) -> Instant {
        let wake = self.wakes.peek().map_or(Instant::FAR_FUTURE, |Reverse((instant, _))| *instant);
        wake.min(self.wheel.next())
    }
}

impl<L: Model + fmt::Debug> fmt::Debug for Service<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("model", &self.model).finish_non_exhaustive()
    }
}

/// A context around `model`, with room for `connections` and their deadlines.
///
/// # Errors
/// No descriptors or memory for the poller and the timer.
pub fn context<L: Model>(
    model: L,
    sources: Option<Sources>,
    connections: usize,
) -> io::Result<Context<L>> {
    let mut context = MioContext::new(Service::new(model, sources))?;
    context.reserve(connections + 8);
    context.world.wheel.reserve(connections + 8);
    context.world.timer = Some(context.insert(Target::Timer(Timer::new()?))?);
    Ok(context)
}

/// A connection attempt as far as it is known at once.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// Source pairs that were found in use and passed over.
    pub skipped: u32,
    /// The connection; or why there is none (then [`Model::ended`] is not called).
    pub connection: Result<DispatchId, SocketError>,
}

/// Begins to connect to `peer`, from the next free source pair. [`Model::connected`] or
/// [`Model::ended`] follows; [`Model::expired`] if it takes past `deadline`.
pub fn connect<L: Model>(
    context: &mut Context<L>,
    peer: SocketAddr,
    machine: L::Machine,
    place: L::Place,
    deadline: Instant,
) -> Attempt {
    let slowness = context.world.slowness;
    let limited = slowness.is_limited();
    let (skipped, stream) =
        connect_from_next(&mut context.world.sources, peer, slowness.receive_buffer_bytes);
    let connection = stream.and_then(|(stream, source)| {
        let mut connection = Connection::new(machine, place, source, limited);
        connection.deadline = deadline;
        let inserted = context.insert(Target::Connection(StreamTarget::new(stream, connection)));
        let id = inserted.inspect_err(|_| context.world.retire(&mut Vec::new(), source))?;
        arm(context, id);
        Ok(id)
    });
    Attempt { skipped, connection }
}

type Connecting = (Stream, Option<SourceId>);

fn connect_from_next(
    sources: &mut Option<Sources>,
    peer: SocketAddr,
    receive_buffer_bytes: Option<usize>,
) -> (u32, Result<Connecting, SocketError>) {
    let connect = |source| Stream::connect_with(peer, source, receive_buffer_bytes);
    let Some(sources) = sources else {
        return (0, connect(None).map(|stream| (stream, None)));
    };
    for skipped in 0..SKIPS_PER_ATTEMPT {
        let Some(source) = sources.take() else {
            return (skipped, Err(SocketError::NoSource));
        };
        match connect(Some(source)) {
            Ok(stream) => return (skipped, Ok((stream, Some(source.id)))),
            Err(error) => {
                sources.give_back(source.id);
                if error != SocketError::SourceTaken {
                    return (skipped, Err(error));
                }
            }
        }
    }
    (SKIPS_PER_ATTEMPT, Err(SocketError::NoSource))
}

fn arm<L: Model>(context: &mut Context<L>, id: DispatchId) {
    let armed = context.with_target(id, |target, context| {
        if let Target::Connection(target) = target {
            target.handler.act(&mut target.stream, context);
        }
        Ok(())
    });
    debug_assert!(armed.is_ok());
}

/// Hands the model its context, then iterates until the model breaks.
///
/// # Errors
/// What [`Model::first_dispatch`] returned, or the poller's failure.
pub fn run<L: Model>(context: &mut Context<L>) -> io::Result<()> {
    L::first_dispatch(context)?;
    let mut vars = DispatchVars::new(());
    vars.before_dispatch = Callback::new(|context: &mut Context<L>, vars| {
        let flow = turn(context);
        vars.timeout = context.world.model.spins().then_some(Duration::ZERO);
        flow
    });
    iterate(context, &mut vars)
}

/// The turn between two waits:
///
/// 1. Give the model its own turn.
/// 2. Unless it paused, fire the deadlines that have passed.
/// 3. Unless it paused, wake the connections that asked for it.
/// 4. Set the timer to whatever comes first.
fn turn<L: Model>(context: &mut Context<L>) -> ControlFlow<()> {
    let now = Instant::now();
    L::turn(context, now)?;
    let mut earliest = context.world.model.next_turn(now);
    if !context.world.model.paused() {
        fire_deadlines(context, now);
        wake_sleepers(context, now);
        earliest = context.world.model.next_turn(now).min(context.world.earliest());
    }
    let timer = context.world.timer.expect("the timer was inserted first");
    if let Some(Target::Timer(timer)) = context.target_mut(timer) {
        let deadline = (earliest != Instant::FAR_FUTURE).then_some(earliest);
        timer.set(deadline).expect("a valid deadline on a valid timer");
    }
    ControlFlow::Continue(())
}

fn fire_deadlines<L: Model>(context: &mut Context<L>, now: Instant) {
    let mut fired = std::mem::take(&mut context.world.fired);
    context.world.wheel.advance(now, &mut fired);
    for slot in fired.drain(..) {
        if let Some(id) = context.id_at(slot as usize) {
            visit(context, id, |connection, stream, context| connection.fire(stream, context, now));
        }
    }
    context.world.fired = fired;
}

fn wake_sleepers<L: Model>(context: &mut Context<L>, now: Instant) {
    for _ in 0..WAKES_PER_TURN {
        let Some((wake, id)) = context.world.next_wake(now) else { return };
        let result = context.with_target(id, |target, context| match target {
            Target::Connection(target) => {
                target.handler.wake(&mut target.stream, context, wake, now);
                Ok(())
            }
            Target::Listener(target) => Listener::resume(&mut target.acceptor, context),
            _ => Ok(()),
        });
        debug_assert!(result.is_ok());
    }
}

/// Gives the connection `id` a turn outside its events; nothing if it is gone.
fn visit<L: Model>(
    context: &mut Context<L>,
    id: DispatchId,
    turn: impl FnOnce(&mut Connection<L>, &mut Stream, &mut Context<L>),
) {
    let visited = context.with_target(id, |target, context| {
        if let Target::Connection(target) = target {
            turn(&mut target.handler, &mut target.stream, context);
        }
        Ok(())
    });
    debug_assert!(visited.is_ok());
}

/// Lets the model act on the connection `id` outside its events: `decide` does what a method of
/// [`Model`] would do. Nothing happens if the connection is gone.
pub fn with_connection<L: Model>(
    context: &mut Context<L>,
    id: DispatchId,
    decide: impl FnOnce(&mut L, &mut Connection<L>),
) {
    visit(context, id, |connection, stream, context| {
        decide(&mut context.world.model, connection);
        connection.act(stream, context);
    });
}

/// All connections of the context, connecting ones included.
pub fn connections<L: Model>(context: &Context<L>) -> impl Iterator<Item = &Connection<L>> {
    context.targets().filter_map(|target| match target {
        Target::Connection(target) => Some(&target.handler),
        _ => None,
    })
}
