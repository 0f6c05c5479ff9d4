//! The model of a worker: the stages of its run, its connections, and who acts next.
//!
//! ```text
//! Waiting ──Start──▶ Opening ──all settled──▶ Opened ──Load──▶ Loaded ──stop──▶ (drain) ──▶ Over
//!    └──────────────────┴───────────Stop────────┴───────────────────────────────────────────▶┘
//! ```
//!
//! A worker that joins a run under way takes the same steps; only the phases are those of the run from
//! the first, and its load begins with the ticks that are left.
//!
//! What becomes of a request is in `requests.rs`, the schedules that ignore the server in `open.rs`
//! and `overload.rs`.

use super::Machines;
use super::account::{Account, Exchange};
use super::ceiling::Ceiling;
use super::classify;
use super::departures::Departures;
use super::open::{self, Open};
use super::overload::{self, Attempts};
use super::pacer::Pacer;
use super::places::{Opening, Places};
use super::schedule::Schedule;
use super::sessions::Sessions;
use super::storms::{self, Storms};
use crate::child::{self, Child, Recorder, Role, StrainGauge, usage};
use crate::profile::{Arrivals, Profile};
use dispatch::Instant;
use protocols::{Client, ClientEvent, ClientMachine};
use servicemodel::{Connection, Context, End, Model, connect, connections, with_connection};
use stats::{ArrivalChecks, Counter, Gauges, Latency, Outcome, Phase, Strain};
use std::ops::ControlFlow;
use std::time::Duration;
use tcpsocket::SocketError;
use wire::{Command, Final, LoadShare, Report, WorkerShare};

/// Connection attempts begun in one turn; then what is ready is dispatched first.
const OPENS_PER_TURN: usize = 32;

/// A worker is heard of at least so often, whatever its intervals.
const BEAT: Duration = Duration::from_secs(1);

/// A worker stops spinning when it waited for its processor for one part in so many of an interval.
const SPIN_WAIT_PARTS: u64 = 50;

/// What the model notes of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The request under way, or the last one.
    pub(super) exchange: Exchange,
    /// How the place was opened.
    pub(super) opening: Opening,
    /// An answer came on this connection.
    pub(super) answered: bool,
    /// Open loop: it waits for something to be due.
    pub(super) resting: bool,
    /// The rest of a request that was answered early is still to be sent.
    pub(super) owing: bool,
}

impl Place {
    /// A place whose attempt begins at `begun`.
    const fn new(begun: Instant, opening: Opening) -> Self {
        let exchange = Exchange::none(begun);
        Self { exchange, opening, answered: false, resting: false, owing: false }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// For the start instant.
    Waiting,
    Opening,
    /// For the other workers.
    Opened,
    Loaded,
    /// The last report is on its way; nothing is counted any more.
    Over,
}

/// One worker's load.
pub struct Load {
    pub(super) child: Child,
    pub(super) account: Account,
    strain: StrainGauge,
    /// It spins, and nobody else wanted its processor so far.
    spins: bool,
    pub(super) share: WorkerShare,
    machines: Machines,
    pub(super) places: Places,
    pub(super) schedule: Schedule,
    pub(super) stage: Stage,
    phase: Phase,
    start: Instant,
    /// When its own load began; that of the run may have begun before.
    pub(super) loaded: Instant,
    next_beat: Instant,
    drain: Duration,
    pub(super) ceiling: Option<Ceiling>,
    /// When requests or attempts are due, where a schedule decides it.
    due: Option<(Profile, Arrivals)>,
    pub(super) requests_left: u64,
    /// Deadlines move as an answer comes.
    minds_silence: bool,
    /// Whether that schedule was kept.
    departures: Option<Departures>,
    pub(super) open: Option<Open>,
    pub(super) attempts: Option<Attempts>,
    pub(super) storms: Option<Storms>,
    /// What users do, where they do more than one request.
    pub(super) sessions: Option<Sessions>,
    /// Connections that still send the rest of a request that was answered.
    pub(super) owing: u64,
    first_connect: Instant,
    last_established: Instant,
    cost: Cost,
}

/// What opening cost: resident bytes before and after it, and processor time.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    before_bytes: u64,
    open_bytes: u64,
    connections: u64,
    open_cpu_micros: u64,
}

impl Load {
    /// The load of one share; `due` is its schedule, where it has one.
    pub fn new(
        share: WorkerShare,
        machines: Machines,
        due: Option<(Profile, Arrivals)>,
        sessions: Option<Sessions>,
    ) -> Self {
        let duration = share.duration_nanos.map(Duration::from_nanos);
        let fresh = share.peers.iter().map(|peer| peer.places).collect();
        Self {
            child: Child::default(),
            account: Account::new(Recorder::new(Duration::from_nanos(share.interval_nanos))),
            strain: StrainGauge::open(),
            spins: share.spin,
            places: Places::new(fresh, share.connecting_max, share.seed),
            schedule: Schedule::new(Duration::from_nanos(share.warmup_nanos), duration),
            stage: Stage::Waiting,
            phase: Phase::Open,
            start: Instant::FAR_FUTURE,
            loaded: Instant::FAR_FUTURE,
            next_beat: Instant::FAR_FUTURE,
            drain: Duration::from_nanos(share.drain_nanos),
            ceiling: None,
            due,
            requests_left: share.requests.unwrap_or(u64::MAX),
            minds_silence: share.first_byte_nanos.or(share.idle_nanos).is_some(),
            departures: None,
            open: None,
            attempts: None,
            storms: None,
            sessions,
            owing: 0,
            first_connect: Instant::FAR_FUTURE,
            last_established: Instant::default(),
            cost: Cost::default(),
            machines,
            share,
        }
    }

    /// Takes the memory that is there before any connection as the one to compare with.
    pub fn settle(&mut self) {
        self.cost.before_bytes = usage::rss_bytes();
    }

    /// Connections are opened from `start` on, in a run whose intervals are numbered from `common`.
    fn begin_opening(&mut self, start: Instant, common: Instant) {
        if let Some(rate) = self.share.connect_rate {
            self.places.pace(Pacer::even(common, rate, self.share.slot, self.share.workers));
        }
        if let Some(load) = self.load_under_way() {
            self.schedule.load_from(load);
            self.phase = self.schedule.phase(start);
        }
        self.start = start;
        self.account.recorder.start(common, start);
        if self.share.interval_nanos > BEAT.as_nanos() as u64 {
            self.next_beat = start + BEAT;
        }
        self.stage = Stage::Opening;
    }

    /// When the load began that this worker joins.
    fn load_under_way(&self) -> Option<Instant> {
        self.share.joins?.load_nanos.map(Instant::from_nanos)
    }

    /// Load begins at `at`, and with it the first period of the ceiling and the schedule, unless they are
    /// those of a run under way: then `gone` ticks and requests of this slot are accounted for.
    fn begin_load(&mut self, at: Instant, gone: u64) {
        let load = self.load_under_way().unwrap_or(at);
        self.schedule.load_from(load);
        self.loaded = at;
        self.stage = Stage::Loaded;
        self.requests_left = self.requests_left.saturating_sub(gone);
        let stop = self.schedule.stop();
        let WorkerShare { slot, workers, seed, .. } = self.share;
        let ceiling = |rate| Ceiling::new(load, stop, rate, slot, workers);
        self.ceiling = self.share.request_rate_ceiling.map(ceiling);
        self.storms = Some(Storms::new(&self.share.storms, load, at));
        let Some((profile, arrivals)) = self.due.take() else { return };
        self.departures = Some(Departures::new(load, profile.clone(), arrivals));
        let mut ticks = Pacer::new(load, profile, arrivals, slot, workers, seed);
        if load < at {
            ticks = ticks.joined(gone, at);
        }
        match self.share.load {
            LoadShare::Open { on_busy, .. } => self.open = Some(Open::new(ticks, on_busy)),
            LoadShare::Overload { .. } => self.attempts = Some(Attempts::new(ticks)),
            LoadShare::Closed { .. } | LoadShare::Hold { .. } => {}
        }
    }

    fn may_open(&self, now: Instant) -> bool {
        now < self.schedule.stop() && self.requests_left > 0 && self.stage != Stage::Over
    }

    fn wants_reopening(&self, now: Instant) -> bool {
        let kept = match self.share.load {
            LoadShare::Closed { .. } | LoadShare::Open { .. } => true,
            LoadShare::Hold { reopen, .. } => reopen,
            LoadShare::Overload { .. } => false,
        };
        kept && self.may_open(now)
    }

    /// Whether nothing is owed and nobody waits: no request is under way or due, and under load no
    /// attempt either, which the server may have accepted before we know.
    fn is_idle(&self, now: Instant) -> bool {
        let attempting = self.stage == Stage::Loaded && self.places.connecting() > 0;
        self.account.in_flight() == 0 && !attempting && !self.owes(now) && !self.owes_attempt(now)
    }

    /// Whether this stage is over: what [`advance`] acts on.
    fn is_over(&self, now: Instant) -> bool {
        if self.schedule.phase(now) == Phase::Drain {
            let drained = self.is_drained(now) || now >= self.schedule.stop() + self.drain;
            return drained && self.stage != Stage::Over;
        }
        match self.stage {
            Stage::Opening => self.places.all_settled() || now >= self.open_deadline(),
            Stage::Loaded => self.requests_left == 0 && self.is_idle(now),
            Stage::Waiting | Stage::Opened | Stage::Over => false,
        }
    }

    /// Whether nothing is to be waited for any more, not even the rest of an upload.
    fn is_drained(&self, now: Instant) -> bool {
        self.is_idle(now) && self.owing == 0
    }

    /// When this worker has something to do again of itself.
    fn next_deed(&self, now: Instant) -> Instant {
        if self.is_over(now) {
            return now;
        }
        let stage = match self.stage {
            Stage::Opening => self.open_deadline().min(self.schedule.stop()),
            Stage::Waiting | Stage::Opened => Instant::FAR_FUTURE,
            Stage::Loaded => self.schedule.next_change(now),
            Stage::Over => return Instant::FAR_FUTURE,
        };
        let drain = match self.schedule.phase(now) {
            Phase::Drain => self.schedule.stop() + self.drain,
            _ => self.places.next_due().min(self.next_storm()),
        };
        let schedules = self.next_release(now).min(self.next_attempt());
        let own = self.account.recorder.next_cut().min(self.next_pulse()).min(self.next_beat);
        stage.min(drain).min(schedules).min(own)
    }

    fn next_storm(&self) -> Instant {
        self.storms.as_ref().map_or(Instant::FAR_FUTURE, Storms::next)
    }

    /// A loaded worker turns now and then for its own sake: a stop of it shows no other way.
    fn next_pulse(&self) -> Instant {
        if self.stage == Stage::Loaded { self.strain.next_turn() } else { Instant::FAR_FUTURE }
    }

    fn open_deadline(&self) -> Instant {
        self.start + Duration::from_nanos(self.share.open_timeout_nanos)
    }

    fn last_words(&self, now: Instant) -> Final {
        let end = if self.share.requests.is_some() { self.account.last_end() } else { now };
        let times = self.account.times();
        Final {
            cpu_micros: usage::cpu_micros(),
            cpu_open_micros: self.cost.open_cpu_micros,
            rss_peak_bytes: usage::rss_peak_bytes(),
            rss_before_bytes: self.cost.before_bytes,
            rss_open_bytes: self.cost.open_bytes,
            connections_open: self.cost.connections,
            reports_merged: self.child.outbox.merged(),
            measured_nanos: self.schedule.measured(end.min(self.schedule.stop())).as_nanos() as u64,
            times: [times.response, times.sched_lag, times.blocked, times.service],
            departures: self
                .departures
                .as_ref()
                .map_or_else(ArrivalChecks::default, Departures::checks)
                .to_array(),
        }
    }

    /// What was due at `due` by the schedule left at `at`; none where it waited for the target, or never
    /// left.
    pub(super) fn departed(&mut self, due: Instant, at: Option<Instant>) {
        match (self.departures.as_mut().filter(|_| self.schedule.measures(due)), at) {
            (Some(departures), Some(at)) => departures.note(at),
            (Some(departures), None) => departures.miss(),
            (None, _) => {}
        }
    }

    fn not_established(&mut self, opening: Opening, error: SocketError, now: Instant) {
        let outcome = classify::of_attempt(error);
        self.account.recorder.counters.connections_failed[outcome as usize] += 1;
        let again = self.wants_reopening(now);
        self.places.settled(opening, !again);
        if again {
            self.places.reopen_later(now, opening);
        } else {
            self.leave(opening.user);
        }
    }
}

/// Opens the places that are due.
fn open_places(context: &mut Context<Load>, now: Instant) {
    for _ in 0..OPENS_PER_TURN {
        let load = &mut context.world.model;
        if !load.may_open(now) {
            return;
        }
        let Some(opening) = load.places.open_next(now) else { return };
        attempt(context, opening);
    }
}

/// Begins a connection attempt; returns when.
pub(super) fn attempt(context: &mut Context<Load>, opening: Opening) -> Instant {
    let begun = Instant::now();
    let load = &mut context.world.model;
    load.account.recorder.count(Counter::ConnectionsAttempted);
    load.first_connect = load.first_connect.min(begun);
    let place = Place::new(begun, opening);
    let machine = (load.machines)();
    let peer = load.share.peers[usize::from(opening.peer)].address;
    let deadline = begun + Duration::from_nanos(load.share.connect_timeout_nanos);
    let attempt = connect(context, peer, machine, place, deadline);
    let load = &mut context.world.model;
    let skipped = u64::from(attempt.skipped);
    load.account.recorder.counters.count_many(Counter::PortsSkipped, skipped);
    if let Err(error) = attempt.connection {
        load.not_established(opening, error, begun);
    }
    begun
}

/// Where intervals are long, says now and then that this process lives. Nothing is queued where the
/// supervisor does not read: what it reads then is as good.
fn beat(context: &mut Context<Load>, now: Instant) {
    let load = &mut context.world.model;
    if now < load.next_beat || load.stage == Stage::Over {
        return;
    }
    load.next_beat = now + BEAT;
    if load.child.outbox.pending().is_empty() {
        child::report(context, Report::Alive);
    }
}

/// Ends the interval if it is over, or its phase is.
fn cut_interval(context: &mut Context<Load>, now: Instant) {
    let load = &context.world.model;
    let phase = load.schedule.phase(now);
    let due = now >= load.account.recorder.next_cut();
    if load.stage != Stage::Over && (phase != load.phase || due) {
        cut(context, now);
        context.world.model.phase = phase;
    }
}

fn cut(context: &mut Context<Load>, now: Instant) {
    let gauges = gauges(context);
    let load = &mut context.world.model;
    let mut interval = load.account.recorder.cut(load.phase, gauges, now);
    interval.strain = load.strain.cut(now);
    if let Some(sessions) = &mut load.sessions {
        interval.sessions = sessions.cut();
    }
    load.spins &= !is_shared(&interval.strain);
    if let Some(departures) = &mut load.departures {
        departures.cut();
    }
    child::report_interval(context, interval, now);
}

/// Whether others wanted the processor: the kernel favours who sleeps, and makes who spins wait for
/// milliseconds (EEVDF).
const fn is_shared(strain: &Strain) -> bool {
    strain.wait * SPIN_WAIT_PARTS > strain.wall
}

/// The state, counted by looking at every connection: the ledger is checked against it.
fn gauges(context: &Context<Load>) -> Gauges {
    let open = context.world.model.open.as_ref();
    let mut gauges = Gauges { queued: open.map_or(0, Open::queued), ..Gauges::default() };
    for connection in connections(context) {
        if connection.established() {
            gauges.live += 1;
            gauges.unserved += u64::from(!connection.place.answered);
            gauges.in_flight += u64::from(connection.machine.busy());
        } else {
            gauges.pending += 1;
        }
    }
    gauges
}

/// Moves to the next stage if this one is over.
fn advance(context: &mut Context<Load>, now: Instant) {
    let load = &mut context.world.model;
    if !load.is_over(now) {
        return;
    }
    match load.stage {
        _ if load.schedule.phase(now) == Phase::Drain => finish(context, now),
        Stage::Opening => opened(context),
        _ => {
            load.schedule.stop_at(now);
            if load.is_drained(now) {
                finish(context, now);
            }
        }
    }
}

fn opened(context: &mut Context<Load>) {
    let live = connections(context).filter(|connection| connection.established()).count();
    let load = &mut context.world.model;
    load.stage = Stage::Opened;
    load.cost.open_bytes = usage::rss_bytes();
    load.cost.connections = live as u64;
    load.cost.open_cpu_micros = usage::cpu_micros();
    let any = load.last_established != Instant::default();
    let report = Report::Opened {
        first_connect_nanos: if any { load.first_connect.as_nanos() } else { 0 },
        last_established_nanos: load.last_established.as_nanos(),
    };
    child::report(context, report);
}

/// Accounts for what is not over and reports for the last time. The connections stay as they are
/// until the supervisor has all finals.
fn finish(context: &mut Context<Load>, now: Instant) {
    let load = &mut context.world.model;
    load.account.recorder.counters.count_many(Counter::UploadsCut, load.owing);
    cut_interval(context, now);
    let unfinished: Vec<Exchange> =
        connections(context).map(|connection| connection.place.exchange).collect();
    let load = &mut context.world.model;
    load.give_up_backlog(now);
    unfinished.iter().for_each(|exchange| load.account.unfinished(exchange, now));
    cut(context, now);
    let load = &mut context.world.model;
    load.stage = Stage::Over;
    let words = load.last_words(now);
    child::report(context, Report::Final(words));
}

impl Model for Load {
    type Machine = Client;
    type Place = Place;

    fn turn(context: &mut Context<Self>, now: Instant) -> ControlFlow<()> {
        context.world.model.child.flow()?;
        let woke = context.now();
        let load = &mut context.world.model;
        if now < load.start.min(load.schedule.stop()) {
            return ControlFlow::Continue(());
        }
        load.account.recorder.record(Latency::LoopLag, now.nanos_since(woke));
        if load.stage == Stage::Loaded {
            load.strain.turn(woke, now, load.account.in_flight() > 0, load.account.last_end());
            storms::strike(context, now);
            open::release(context, now);
            overload::begin_attempts(context, now);
        }
        cut_interval(context, now);
        beat(context, now);
        open_places(context, now);
        advance(context, now);
        ControlFlow::Continue(())
    }

    fn next_turn(&self, now: Instant) -> Instant {
        if now < self.start.min(self.schedule.stop()) { self.start } else { self.next_deed(now) }
    }

    fn spins(&self) -> bool {
        self.spins && self.stage == Stage::Loaded
    }

    fn connected(&mut self, connection: &mut Connection<Self>, now: Instant) {
        self.account.recorder.count(Counter::ConnectionsEstablished);
        if connection.place.opening.again {
            self.account.recorder.count(Counter::ConnectionsReopened);
        }
        let begun = connection.place.exchange.due;
        self.account.recorder.record(Latency::Connect, now.nanos_since(begun));
        self.places.settled(connection.place.opening, true);
        if std::mem::take(&mut connection.place.opening.storm) {
            self.weathered(now);
        }
        self.last_established = now;
        if self.stage == Stage::Loaded {
            self.first_of_late(connection, now);
        }
    }

    fn event(
        &mut self,
        connection: &mut Connection<Self>,
        event: ClientEvent,
        input: &[u8],
        at: Instant,
    ) {
        if self.stage == Stage::Over {
            return;
        }
        match event {
            ClientEvent::Interim(_) => self.account.recorder.count(Counter::Interims),
            ClientEvent::Extra(bytes) => {
                self.unasked(false, &input[..input.len().min(bytes as usize)]);
            }
            ClientEvent::Completed(answer) => self.completed(connection, answer, input, at),
            ClientEvent::Failed(failure) => self.gave_up(connection, failure, input, at),
        }
    }

    fn woken(&mut self, connection: &mut Connection<Self>, asked: Instant, now: Instant) {
        self.turn_of(connection, asked, now);
    }

    fn expired(&mut self, connection: &mut Connection<Self>, now: Instant) {
        if self.stage != Stage::Over {
            self.took_too_long(connection, now);
        }
    }

    fn ended(&mut self, connection: &mut Connection<Self>, end: End) {
        if self.stage == Stage::Over {
            return;
        }
        let now = Instant::now();
        let place = &mut connection.place;
        let (counter, outcome) = match end {
            End::NotConnected(error) => return self.not_established(place.opening, error, now),
            // Also where the peer had closed its half: we did not wait for the rest.
            End::ByUs | End::ByPeer if place.opening.storm => {
                (Counter::ConnectionsClosedByUs, Outcome::Storm)
            }
            End::ByUs => (Counter::ConnectionsClosedByUs, Outcome::Reset),
            End::ByPeer => (Counter::ConnectionsClosedByPeer, Outcome::Truncated),
            End::Broken(error) => {
                let stale = place.answered && !connection.heard;
                (Counter::ConnectionsClosedByPeer, classify::of_broken(error, stale))
            }
        };
        self.account.recorder.count(counter);
        if place.owing {
            self.account.recorder.count(Counter::UploadsCut);
        }
        self.set_owing(&mut connection.place, false);
        self.broke(&mut connection.place);
        let place = &mut connection.place;
        self.account.failed(&mut place.exchange, outcome, now);
        if let (true, Some(open)) = (place.resting, &mut self.open) {
            open.lost_one();
        }
        let place = connection.place;
        if !self.wants_reopening(now) {
            return self.leave(place.opening.user);
        }
        if place.opening.storm {
            // It failed in nothing, whether or not it had answered.
            let opening = Opening { again: true, failures: 0, ..place.opening };
            self.places.reopen_later(now, opening);
        } else if place.answered {
            self.places.reopen_at_once(now, place.opening);
        } else {
            self.places.reopen_later(now, Opening { again: true, ..place.opening });
        }
    }

    fn read(&mut self, connection: &mut Connection<Self>, bytes: usize, at: Instant) {
        self.account.recorder.counters.count_many(Counter::BytesRead, bytes as u64);
        if self.minds_silence && connection.place.exchange.in_flight {
            connection.deadline = self.answer_deadline(connection.place.exchange.sent, at);
        }
    }

    fn flushed(&mut self, connection: &mut Connection<Self>) {
        if connection.place.owing {
            self.set_owing(&mut connection.place, false);
        }
    }

    fn wrote(&mut self, bytes: usize) {
        self.account.recorder.counters.count_many(Counter::BytesWritten, bytes as u64);
    }
}

impl Role for Load {
    fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    fn obey(context: &mut Context<Self>, command: Command) {
        let load = &mut context.world.model;
        match command {
            Command::Start { at_nanos, run_nanos } => {
                load.begin_opening(Instant::from_nanos(at_nanos), Instant::from_nanos(run_nanos));
            }
            Command::Load { at_nanos, gone } => {
                load_from(context, Instant::from_nanos(at_nanos), gone);
            }
            Command::Stop { drain_nanos } => {
                load.drain = load.drain.min(Duration::from_nanos(drain_nanos));
                load.schedule.stop_at(Instant::now());
            }
            Command::Release => load.child.leave(),
            Command::Work(_) | Command::Serve(_) => panic!("a share comes once, and first"),
        }
    }
}

/// Load begins at `at`: every connection learns when its first request is due.
fn load_from(context: &mut Context<Load>, at: Instant, gone: u64) {
    let load = &mut context.world.model;
    if load.stage != Stage::Opened {
        return;
    }
    load.begin_load(at, gone);
    let count = connections(context).filter(|connection| connection.established()).count() as u64;
    let mut index = 0;
    for id in context.ids() {
        with_connection(context, id, |load, connection| {
            if connection.established() {
                load.first(connection, index, count);
                index += 1;
            }
        });
    }
}
