//! The model of a worker: which connection acts next, under a closed loop or a hold.
//!
//! ```text
//! Waiting ──Start──▶ Opening ──all settled──▶ Opened ──Load──▶ Loaded ──stop──▶ (drain) ──▶ Over
//!    └──────────────────┴───────────Stop────────┴───────────────────────────────────────────▶┘
//! ```

use super::Machines;
use super::classify;
use super::pacer::Pacer;
use super::places::{Opening, Places};
use super::schedule::Schedule;
use crate::child::{self, Child, Recorder, Role, StrainGauge, usage};
use dispatch::Instant;
use protocols::{Answer, Client, ClientEvent, ClientMachine, Failure};
use servicemodel::{
    Connection, Context, End, Ending, Model, connect, connections, with_connection,
};
use stats::{Counter, Gauges, Latency, NotSent, Outcome, Phase};
use std::ops::ControlFlow;
use std::time::Duration;
use tcpsocket::SocketError;
use wire::{Command, Final, LoadKind, Report, WorkerShare};

/// Connection attempts begun in one turn; then what is ready is dispatched first.
const OPENS_PER_TURN: usize = 32;

/// What the model notes of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// When its attempt began; then when its request was, or will be, due.
    due: Instant,
    /// When the request's first byte was handed to the kernel.
    sent: Instant,
    /// How the place was opened.
    opening: Opening,
    /// A request is under way.
    in_flight: bool,
    /// That request was due in measurement.
    measured: bool,
    /// An answer came on this connection.
    answered: bool,
}

impl Place {
    /// A place whose attempt begins at `begun`.
    const fn new(begun: Instant, opening: Opening) -> Self {
        Self {
            due: begun,
            sent: begun,
            opening,
            in_flight: false,
            measured: false,
            answered: false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
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
    child: Child,
    recorder: Recorder,
    strain: StrainGauge,
    share: WorkerShare,
    machines: Machines,
    places: Places,
    schedule: Schedule,
    stage: Stage,
    phase: Phase,
    start: Instant,
    drain: Duration,
    ceiling: Option<Pacer>,
    requests_left: u64,
    /// Deadlines move as an answer comes.
    minds_silence: bool,
    in_flight: u64,
    last_answer: Instant,
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
    /// The load of one share.
    pub fn new(share: WorkerShare, machines: Machines) -> Self {
        let duration = share.duration_nanos.map(Duration::from_nanos);
        let fresh = share.peers.iter().map(|peer| peer.places).collect();
        Self {
            child: Child::default(),
            recorder: Recorder::new(Duration::from_nanos(share.interval_nanos)),
            strain: StrainGauge::open(),
            places: Places::new(fresh, share.connecting_max, share.seed),
            schedule: Schedule::new(Duration::from_nanos(share.warmup_nanos), duration),
            stage: Stage::Waiting,
            phase: Phase::Open,
            start: Instant::FAR_FUTURE,
            drain: Duration::from_nanos(share.drain_nanos),
            ceiling: None,
            requests_left: share.requests.unwrap_or(u64::MAX),
            minds_silence: share.first_byte_nanos.or(share.idle_nanos).is_some(),
            in_flight: 0,
            last_answer: Instant::default(),
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

    fn begin_opening(&mut self, start: Instant) {
        let pacer = |rate| Pacer::new(start, rate, self.share.slot, self.share.workers);
        if let Some(rate) = self.share.connect_rate {
            self.places.pace(pacer(rate));
        }
        self.ceiling = self.share.request_rate_ceiling.map(pacer);
        self.start = start;
        self.recorder.start(start);
        self.stage = Stage::Opening;
    }

    /// Whether another request may begin at `now`.
    fn may_begin(&self, now: Instant) -> bool {
        self.requests_left > 0 && now < self.schedule.stop() && self.stage == Stage::Loaded
    }

    /// The connection is free since `free`: what does it do next?
    fn next(&mut self, connection: &mut Connection<Self>, free: Instant) {
        if self.share.load == LoadKind::Hold || !self.may_begin(free) {
            return;
        }
        let mut due = free.max(self.schedule.load()) + Duration::from_nanos(self.share.think_nanos);
        if let Some(ceiling) = &mut self.ceiling {
            due = ceiling.take(due);
        }
        if due == free {
            self.begin(connection, due);
        } else {
            connection.place.due = due;
            connection.wake_at(due);
        }
    }

    /// Sends the request that was due at `due`.
    fn begin(&mut self, connection: &mut Connection<Self>, due: Instant) {
        connection.machine.start();
        connection.heard = false;
        let sent = Instant::now();
        let measured = self.schedule.measures(due);
        let place = &mut connection.place;
        (place.due, place.sent) = (due, sent);
        (place.in_flight, place.measured) = (true, measured);
        let first_byte = self.share.first_byte_nanos.unwrap_or(u64::MAX);
        connection.deadline = sent + Duration::from_nanos(self.share.timeout_nanos.min(first_byte));
        self.requests_left -= 1;
        self.in_flight += 1;
        self.recorder.count(Counter::RequestsDue);
        self.recorder.count(Counter::RequestsSent);
        if measured {
            self.recorder.record(Latency::SchedLag, sent.nanos_since(due));
        }
    }

    /// When a request that was sent at `sent` has taken too long.
    fn end_of_request(&self, sent: Instant) -> Instant {
        sent + Duration::from_nanos(self.share.timeout_nanos)
    }

    /// By when more of an answer has to come: never past the request's end, so that a drip saves nothing.
    fn answer_deadline(&self, sent: Instant, heard: Instant) -> Instant {
        let end = self.end_of_request(sent);
        let idle = self.share.idle_nanos;
        idle.map_or(end, |nanos| end.min(heard + Duration::from_nanos(nanos)))
    }

    /// A request that was due at the connection is not sent.
    fn not_sent(&mut self, why: NotSent) {
        self.recorder.count(Counter::RequestsDue);
        self.recorder.counters.not_sent[why as usize] += 1;
    }

    fn completed(&mut self, connection: &mut Connection<Self>, answer: Answer, at: Instant) {
        self.recorder.count(Counter::RequestsCompleted);
        if answer.early {
            self.recorder.count(Counter::EarlyAnswers);
        }
        if answer.surplus {
            self.count_unasked(answer.unsolicited);
        }
        self.recorder.counters.count_status(answer.status);
        if !self.expects(answer.status) {
            self.recorder.count(Counter::RequestsUnexpected);
        }
        if connection.place.measured {
            self.recorder.count(Counter::RequestsMeasured);
        }
        connection.place.answered = true;
        connection.place.opening.failures = 0;
        self.over(connection, at);
        if !answer.reusable || connection.read_closed() {
            connection.close(Ending::Close);
        } else {
            self.next(connection, at);
        }
    }

    /// Bytes that no request asked for: another answer, or not even that.
    fn count_unasked(&mut self, answer: bool) {
        self.recorder.count(if answer { Counter::Unsolicited } else { Counter::ExtraData });
    }

    /// The request under way has ended at `at`, in an answer or a timeout: its latency counts.
    fn over(&mut self, connection: &mut Connection<Self>, at: Instant) {
        let place = &mut connection.place;
        if place.measured {
            self.recorder.record(Latency::FromDue, at.nanos_since(place.due));
            self.recorder.record(Latency::FromSend, at.nanos_since(place.sent));
        }
        place.in_flight = false;
        connection.deadline = Instant::FAR_FUTURE;
        self.in_flight -= 1;
        self.last_answer = at;
    }

    /// The machine gave the connection up at `input`, with or without a request under way.
    fn gave_up(&mut self, connection: &mut Connection<Self>, failure: Failure, input: &[u8]) {
        let outcome = classify::of_exchange(failure, connection.place.answered);
        self.recorder.sample(outcome, input);
        match failure {
            Failure::Unsolicited | Failure::ExtraData if !connection.place.in_flight => {
                self.count_unasked(failure == Failure::Unsolicited);
            }
            _ => self.failed(&mut connection.place, outcome),
        }
        connection.close(Ending::Close);
    }

    fn failed(&mut self, place: &mut Place, outcome: Outcome) {
        if std::mem::take(&mut place.in_flight) {
            self.in_flight -= 1;
            self.recorder.counters.requests_failed[outcome as usize] += 1;
        }
    }

    fn expects(&self, status: u16) -> bool {
        let expected = &self.share.expected_statuses;
        status == 0 || expected.iter().any(|(first, last)| (*first..=*last).contains(&status))
    }

    /// A heartbeat is due; the next one follows on the same comb, which the ceiling may push back.
    fn heartbeat(&mut self, connection: &mut Connection<Self>, now: Instant) {
        let Some(every) = self.share.heartbeat_nanos else { return };
        let due = connection.place.due;
        if !self.may_begin(now) {
            return;
        }
        if connection.place.in_flight {
            self.not_sent(NotSent::NoConnection);
        } else if let Some(free) = self.held_back(now) {
            connection.place.due = free;
            connection.wake_at(free);
            return;
        } else {
            self.begin(connection, due);
        }
        connection.place.due = due + Duration::from_nanos(every);
        connection.wake_at(due + Duration::from_nanos(every));
    }

    /// Until when the ceiling holds back a heartbeat that would leave at `now`; none where it may leave,
    /// by the tick that it takes. However often a server makes us reopen, ticks are no more.
    fn held_back(&mut self, now: Instant) -> Option<Instant> {
        let ceiling = self.ceiling.as_mut()?;
        let free = ceiling.due();
        if free <= now {
            ceiling.take(now);
        }
        (free > now).then_some(free)
    }

    /// The first request of connection `index` of `count`, somewhere in the stagger or heartbeat. A
    /// heartbeat takes its tick of the ceiling when it leaves.
    fn first(&mut self, connection: &mut Connection<Self>, index: u64, count: u64) {
        let spread = match self.share.load {
            LoadKind::Closed => Some(self.share.stagger_nanos),
            LoadKind::Hold => self.share.heartbeat_nanos,
        };
        let Some(spread) = spread else { return };
        let offset = u128::from(spread) * u128::from(index) / u128::from(count.max(1));
        let mut due = self.schedule.load() + Duration::from_nanos(offset as u64);
        let closed = self.share.load == LoadKind::Closed;
        if let Some(ceiling) = self.ceiling.as_mut().filter(|_| closed) {
            due = ceiling.take(due);
        }
        connection.place.due = due;
        connection.wake_at(due);
    }

    fn may_open(&self, now: Instant) -> bool {
        now < self.schedule.stop() && self.stage != Stage::Over
    }

    fn wants_reopening(&self, now: Instant) -> bool {
        let kept = self.share.load == LoadKind::Closed || self.share.reopen;
        kept && self.may_open(now)
    }

    /// Whether this stage is over: what [`advance`] acts on.
    fn is_over(&self, now: Instant) -> bool {
        let idle = self.in_flight == 0;
        let stage = match self.stage {
            Stage::Opening => self.places.all_settled() || now >= self.open_deadline(),
            Stage::Loaded => self.requests_left == 0 && idle,
            Stage::Over => return false,
            Stage::Waiting | Stage::Opened => false,
        };
        let drained = idle || now >= self.schedule.stop() + self.drain;
        stage || (self.schedule.phase(now) == Phase::Drain && drained)
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
            _ => self.places.next_due(),
        };
        stage.min(drain).min(self.recorder.next_cut()).min(self.next_pulse())
    }

    /// A loaded worker turns now and then for its own sake: a stop of it shows no other way.
    fn next_pulse(&self) -> Instant {
        if self.stage == Stage::Loaded { self.strain.next_turn() } else { Instant::FAR_FUTURE }
    }

    fn open_deadline(&self) -> Instant {
        self.start + Duration::from_nanos(self.share.open_timeout_nanos)
    }

    fn last_words(&self, now: Instant) -> Final {
        let end = if self.share.requests.is_some() { self.last_answer } else { now };
        Final {
            cpu_micros: usage::cpu_micros(),
            cpu_open_micros: self.cost.open_cpu_micros,
            rss_peak_bytes: usage::rss_peak_bytes(),
            rss_before_bytes: self.cost.before_bytes,
            rss_open_bytes: self.cost.open_bytes,
            connections_open: self.cost.connections,
            reports_merged: self.child.outbox.merged(),
            measured_nanos: self.schedule.measured(end.min(self.schedule.stop())).as_nanos() as u64,
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
        load.recorder.count(Counter::ConnectionsAttempted);
        load.first_connect = load.first_connect.min(now);
        let begun = Instant::now();
        let place = Place::new(begun, opening);
        let machine = (load.machines)();
        let peer = load.share.peers[usize::from(opening.peer)].address;
        let deadline = begun + Duration::from_nanos(load.share.connect_timeout_nanos);
        let attempt = connect(context, peer, machine, place, deadline);
        let load = &mut context.world.model;
        load.recorder.counters.count_many(Counter::PortsSkipped, u64::from(attempt.skipped));
        if let Err(error) = attempt.connection {
            load.not_established(place, error, begun);
        }
    }
}

impl Load {
    fn not_established(&mut self, place: Place, error: SocketError, now: Instant) {
        self.recorder.counters.connections_failed[classify::of_attempt(error) as usize] += 1;
        let again = self.wants_reopening(now);
        self.places.settled(place.opening, !again);
        if again {
            self.places.reopen_later(now, place.opening);
        }
    }
}

/// Ends the interval if it is over, or its phase is.
fn cut_interval(context: &mut Context<Load>, now: Instant) {
    let load = &context.world.model;
    let phase = load.schedule.phase(now);
    if load.stage != Stage::Over && (phase != load.phase || now >= load.recorder.next_cut()) {
        cut(context, now);
        context.world.model.phase = phase;
    }
}

fn cut(context: &mut Context<Load>, now: Instant) {
    let gauges = gauges(context);
    let load = &mut context.world.model;
    let mut interval = load.recorder.cut(load.phase, gauges, now);
    interval.strain = load.strain.cut(now);
    child::report_interval(context, interval, now);
}

/// The state, counted by looking at every connection: the ledger is checked against it.
fn gauges(context: &Context<Load>) -> Gauges {
    let mut gauges = Gauges::default();
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
            finish(context, now);
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

/// Reports for the last time. The connections stay as they are until the supervisor has all finals.
fn finish(context: &mut Context<Load>, now: Instant) {
    cut_interval(context, now);
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
        load.recorder.record(Latency::LoopLag, now.nanos_since(woke));
        if load.stage == Stage::Loaded {
            load.strain.turn(woke, now, load.in_flight > 0, load.last_answer);
        }
        cut_interval(context, now);
        open_places(context, now);
        advance(context, now);
        ControlFlow::Continue(())
    }

    fn next_turn(&self, now: Instant) -> Instant {
        if now < self.start.min(self.schedule.stop()) { self.start } else { self.next_deed(now) }
    }

    fn connected(&mut self, connection: &mut Connection<Self>, now: Instant) {
        self.recorder.count(Counter::ConnectionsEstablished);
        if connection.place.opening.again {
            self.recorder.count(Counter::ConnectionsReopened);
        }
        self.recorder.record(Latency::Connect, now.nanos_since(connection.place.due));
        self.places.settled(connection.place.opening, true);
        self.last_established = now;
        if self.stage == Stage::Loaded {
            match self.share.load {
                LoadKind::Closed => self.next(connection, now),
                LoadKind::Hold => {
                    connection.place.due = now;
                    self.heartbeat(connection, now);
                }
            }
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
            ClientEvent::Interim(_) => self.recorder.count(Counter::Interims),
            ClientEvent::Completed(answer) => self.completed(connection, answer, at),
            ClientEvent::Failed(failure) => self.gave_up(connection, failure, input),
        }
    }

    fn woken(&mut self, connection: &mut Connection<Self>, now: Instant) {
        let due = connection.place.due;
        match self.share.load {
            LoadKind::Hold => self.heartbeat(connection, now),
            LoadKind::Closed if self.may_begin(now) => self.begin(connection, due),
            LoadKind::Closed if self.requests_left > 0 && self.stage == Stage::Loaded => {
                self.not_sent(NotSent::RunEnded);
            }
            LoadKind::Closed => {}
        }
    }

    fn expired(&mut self, connection: &mut Connection<Self>, now: Instant) {
        if self.stage == Stage::Over {
            return;
        }
        if connection.place.in_flight {
            let end = self.end_of_request(connection.place.sent);
            let outcome = match connection.heard {
                false => Outcome::TimeoutFirstByte,
                true if now < end => Outcome::TimeoutIdle,
                true => Outcome::TimeoutTotal,
            };
            self.recorder.counters.requests_failed[outcome as usize] += 1;
            self.over(connection, end.min(now));
        }
        connection.close(Ending::Close);
    }

    fn ended(&mut self, connection: &mut Connection<Self>, end: End) {
        if self.stage == Stage::Over {
            return;
        }
        let now = Instant::now();
        let mut place = connection.place;
        let (counter, outcome) = match end {
            End::NotConnected(error) => return self.not_established(place, error, now),
            End::ByUs => (Counter::ConnectionsClosedByUs, Outcome::Reset),
            End::ByPeer => (Counter::ConnectionsClosedByPeer, Outcome::Truncated),
            End::Broken(error) => {
                let stale = place.answered && !connection.heard;
                (Counter::ConnectionsClosedByPeer, classify::of_broken(error, stale))
            }
        };
        self.recorder.count(counter);
        self.failed(&mut place, outcome);
        if !self.wants_reopening(now) {
            return;
        }
        if place.answered {
            self.places.reopen_at_once(now, place.opening);
        } else {
            self.places.reopen_later(now, Opening { again: true, ..place.opening });
        }
    }

    fn read(&mut self, connection: &mut Connection<Self>, bytes: usize, at: Instant) {
        self.recorder.counters.count_many(Counter::BytesRead, bytes as u64);
        if self.minds_silence && connection.place.in_flight {
            connection.deadline = self.answer_deadline(connection.place.sent, at);
        }
    }

    fn wrote(&mut self, bytes: usize) {
        self.recorder.counters.count_many(Counter::BytesWritten, bytes as u64);
    }
}

impl Role for Load {
    fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    fn obey(context: &mut Context<Self>, command: Command) {
        let load = &mut context.world.model;
        match command {
            Command::Start { at_nanos } => load.begin_opening(Instant::from_nanos(at_nanos)),
            Command::Load { at_nanos } => load_from(context, Instant::from_nanos(at_nanos)),
            Command::Stop { drain_nanos } => {
                load.drain = load.drain.min(Duration::from_nanos(drain_nanos));
                load.schedule.stop_at(Instant::now());
            }
            Command::Release => load.child.leave(),
            Command::Work(_) | Command::Serve(_) => {}
        }
    }
}

/// Load begins at `at`: every connection learns when its first request is due.
fn load_from(context: &mut Context<Load>, at: Instant) {
    let load = &mut context.world.model;
    if load.stage != Stage::Opened {
        return;
    }
    load.schedule.load_from(at);
    load.stage = Stage::Loaded;
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
