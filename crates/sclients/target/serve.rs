//! The model of a target: when each answer goes out.

use super::Machines;
use super::leak::Leak;
use super::service::{Service, moved};
use super::stalls::{Stalls, Stop};
use crate::child::{self, Child, Recorder, Role, usage};
use dispatch::{DispatchId, Instant};
use protocols::hostile::{Hostility, Wish};
use protocols::{Server, ServerEvent, ServerMachine};
use servicemodel::{Connection, Context, End, Ending, Model};
use servicemodel::{catch_up, connections, with_connection};
use stats::{Counter, Gaps, Gauges, Outcome, Phase};
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;
use tcpsocket::SocketError;
use wire::{Command, Final, GapsRecord, Report, TargetShare};

/// Answers released in one turn; then what is ready is dispatched first.
const ANSWERS_PER_TURN: usize = 1024;

/// A target that was told to stop waits until nothing was read for so long: what the workers sent
/// before their last report is in its sockets then, and counted.
const QUIET: Duration = Duration::from_millis(50);
/// It waits no longer than this, whatever still comes.
const QUIET_LONGEST: Duration = Duration::from_secs(5);

/// One target process.
pub struct Serve {
    child: Child,
    recorder: Recorder,
    machines: Machines,
    delay: Duration,
    /// Length of an echo message; 0 where it is not known, or the protocol tells requests apart.
    message_bytes: u64,
    service: Option<Service>,
    stalls: Stalls,
    leak: Option<Leak>,
    /// How the requests came.
    arrivals: Gaps,
    /// What hostile connections share, and how many cases they had played at the last report.
    hostility: Option<(Rc<Hostility>, u64)>,
    /// Answers that are not due yet; due instants only grow.
    later: VecDeque<(Instant, DispatchId)>,
    last_read: Instant,
    stopping: Option<Instant>,
    over: bool,
}

impl Serve {
    /// The target of one share.
    pub fn new(share: TargetShare, machines: Machines, hostility: Option<Rc<Hostility>>) -> Self {
        let service = (share.service_nanos > 0).then(|| {
            let mean = Duration::from_nanos(share.service_nanos);
            Service::new(mean, share.service_exponential, share.seed)
        });
        let mut recorder = Recorder::new(Duration::from_nanos(share.interval_nanos));
        let now = Instant::now();
        recorder.start(now, now);
        Self {
            child: Child::default(),
            recorder,
            machines,
            delay: Duration::from_nanos(share.delay_nanos),
            message_bytes: share.message_bytes,
            service,
            stalls: Stalls::new(&share.stalls),
            leak: Leak::new(share.leak_bytes_per_min, now),
            arrivals: Gaps::default(),
            hostility: hostility.map(|hostility| (hostility, 0)),
            later: VecDeque::new(),
            last_read: Instant::default(),
            stopping: None,
            over: false,
        }
    }

    /// Requests were read whole at `at`. What a worker calls sent is seen here, so both ledgers read
    /// alike.
    fn seen(&mut self, requests: u64, at: Instant) {
        self.arrivals.note(at.as_nanos(), requests);
        if requests > 0 {
            self.stalls.begin(at);
        }
        self.recorder.counters.count_many(Counter::RequestsDue, requests);
        self.recorder.counters.count_many(Counter::RequestsSent, requests);
    }

    /// Echo has no requests but messages, whose length the plan knows: count the whole ones.
    fn count_messages(&mut self, received: &mut u64, bytes: u64, at: Instant) {
        *received += bytes;
        let whole = *received / self.message_bytes;
        *received %= self.message_bytes;
        self.seen(whole, at);
        self.recorder.counters.count_many(Counter::RequestsCompleted, whole);
    }

    /// A whole request came at `at`: its answer goes out now, or when it is due.
    fn answer(&mut self, connection: &mut Connection<Self>, at: Instant) {
        let served = self.service.as_mut().map_or(at, |service| service.served(at));
        let due = served + self.delay;
        match connection.id() {
            Some(id) if due > at => self.later.push_back((due, id)),
            _ => connection.machine.respond(),
        }
    }

    /// Moves to `now` in the plan of stops.
    fn pass_stalls(&mut self, now: Instant) {
        if let Some(stop) = self.stalls.pass(now) {
            self.stood_still(stop);
        }
    }

    /// A stop is over. A delay went on in it, and what came due leaves now; a service did not.
    fn stood_still(&mut self, stop: Stop) {
        let Some(service) = &mut self.service else { return };
        service.stood_still(stop);
        self.later.iter_mut().for_each(|(due, _)| *due = moved(*due, stop));
    }

    /// Told to stop: what has arrived is read first, so a stop of the other kind ends.
    fn wind_up(&mut self, now: Instant) {
        if let Some(stop) = self.stalls.cancel(now) {
            self.stood_still(stop);
        }
        self.stopping = Some(now);
    }

    /// Cases of hostility played since the last report.
    fn count_hostile(&mut self) {
        if let Some((hostility, told)) = &mut self.hostility {
            let played = hostility.begun() - std::mem::replace(told, hostility.begun());
            self.recorder.counters.count_many(Counter::Hostile, played);
        }
    }

    /// When the next answer is to go out.
    fn next_due(&self) -> Instant {
        if self.stalls.stopped() {
            return Instant::FAR_FUTURE;
        }
        self.later.front().map_or(Instant::FAR_FUTURE, |(due, _)| *due)
    }

    /// Whether all that was sent before the stop has been read.
    fn quiet(&self, now: Instant) -> bool {
        self.stopping.is_some_and(|since| {
            now >= self.last_read.max(since) + QUIET || now >= since + QUIET_LONGEST
        })
    }
}

/// Lets the answers go that are due.
fn release(context: &mut Context<Serve>, now: Instant) {
    for _ in 0..ANSWERS_PER_TURN {
        if context.world.model.next_due() > now {
            return;
        }
        let Some((_, id)) = context.world.model.later.pop_front() else { return };
        with_connection(context, id, |_, connection| connection.machine.respond());
    }
}

fn cut(context: &mut Context<Serve>, now: Instant) {
    let live = connections(context).count() as u64;
    let serve = &mut context.world.model;
    serve.count_hostile();
    let gauges = Gauges { live, ..Gauges::default() };
    let interval = serve.recorder.cut(Phase::Measurement, gauges, now);
    child::report_interval(context, interval, now);
}

fn finish(context: &mut Context<Serve>, now: Instant) {
    cut(context, now);
    context.world.model.over = true;
    let words = Final {
        cpu_micros: usage::cpu_micros(),
        rss_peak_bytes: usage::rss_peak_bytes(),
        ..Final::default()
    };
    let arrivals = GapsRecord::new(&context.world.model.arrivals);
    child::report(context, Report::Gaps(arrivals));
    child::report(context, Report::Final(words));
}

impl Model for Serve {
    type Machine = Server;
    /// Bytes of an echo message that is not whole yet.
    type Place = u64;

    fn turn(context: &mut Context<Self>, now: Instant) -> ControlFlow<()> {
        context.world.model.child.flow()?;
        context.world.model.pass_stalls(now);
        context.world.model.leak.iter_mut().for_each(|leak| leak.grow(now));
        if !context.world.model.paused() {
            catch_up(context);
            release(context, now);
        }
        let serve = &mut context.world.model;
        if serve.over {
            return ControlFlow::Continue(());
        }
        if serve.quiet(now) {
            finish(context, now);
        } else if now >= serve.recorder.next_cut() {
            cut(context, now);
        }
        ControlFlow::Continue(())
    }

    fn next_turn(&self, now: Instant) -> Instant {
        if self.over {
            return self.next_due();
        }
        let quiet = self.stopping.map_or(Instant::FAR_FUTURE, |_| now + QUIET);
        let leak = self.leak.as_ref().map_or(Instant::FAR_FUTURE, Leak::due);
        let own = self.recorder.next_cut().min(leak).min(self.stalls.edge());
        self.next_due().min(own).min(quiet)
    }

    fn paused(&self) -> bool {
        self.stalls.stopped()
    }

    fn accept(&mut self) -> Option<(Server, u64)> {
        Some(((self.machines)(), 0))
    }

    fn connected(&mut self, _connection: &mut Connection<Self>, _now: Instant) {
        self.recorder.count(Counter::ConnectionsAttempted);
        self.recorder.count(Counter::ConnectionsEstablished);
    }

    fn event(
        &mut self,
        connection: &mut Connection<Self>,
        event: ServerEvent,
        _input: &[u8],
        at: Instant,
    ) {
        match event {
            ServerEvent::Requested => {
                if self.message_bytes == 0 {
                    self.seen(1, at);
                    self.recorder.count(Counter::RequestsCompleted);
                }
                self.answer(connection, at);
            }
            ServerEvent::BadRequest => {
                self.seen(1, at);
                self.recorder.counters.requests_failed[Outcome::HttpStatusLine as usize] += 1;
            }
        }
    }

    fn flushed(&mut self, connection: &mut Connection<Self>) {
        let Server::Hostile(machine) = &mut connection.machine else { return };
        match machine.wish() {
            None => {}
            Some(Wish::Pause(time)) => connection.wake_at(Instant::now() + time),
            Some(Wish::Finish) => {
                machine.go_on();
                connection.finish_sending();
            }
            Some(Wish::Close) => connection.close(Ending::Close),
            Some(Wish::Reset) => connection.close(Ending::Reset),
        }
    }

    fn woken(&mut self, connection: &mut Connection<Self>, _asked: Instant, _now: Instant) {
        if let Server::Hostile(machine) = &mut connection.machine {
            machine.go_on();
        }
    }

    fn expired(&mut self, _connection: &mut Connection<Self>, _now: Instant) {}

    fn ended(&mut self, _connection: &mut Connection<Self>, end: End) {
        self.recorder.count(match end {
            End::ByUs => Counter::ConnectionsClosedByUs,
            _ => Counter::ConnectionsClosedByPeer,
        });
    }

    fn read(&mut self, connection: &mut Connection<Self>, bytes: usize, at: Instant) {
        self.recorder.counters.count_many(Counter::BytesRead, bytes as u64);
        if self.message_bytes > 0 {
            self.count_messages(&mut connection.place, bytes as u64, at);
        }
        self.last_read = at;
        // A turn may be long; a stop does not wait for the next.
        self.pass_stalls(at);
    }

    fn wrote(&mut self, bytes: usize) {
        self.recorder.counters.count_many(Counter::BytesWritten, bytes as u64);
    }

    fn exhausted(&mut self, error: SocketError) {
        let outcome = match error {
            SocketError::FileLimit => Outcome::LocalFileLimit,
            SocketError::FileTable => Outcome::LocalFileTable,
            SocketError::NoBuffers => Outcome::LocalNoBuffers,
            SocketError::NoWatches => Outcome::LocalWatches,
            SocketError::NotPermitted => Outcome::LocalNotPermitted,
            _ => Outcome::LocalOther,
        };
        self.recorder.count(Counter::ConnectionsAttempted);
        self.recorder.counters.connections_failed[outcome as usize] += 1;
    }
}

impl Role for Serve {
    fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    fn obey(context: &mut Context<Self>, command: Command) {
        let serve = &mut context.world.model;
        match command {
            Command::Stop { .. } => serve.wind_up(Instant::now()),
            Command::Release => serve.child.leave(),
            Command::Start { .. } | Command::Load { .. } => {}
            Command::Work(_) | Command::Serve(_) => {}
        }
    }
}
