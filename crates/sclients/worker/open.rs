//! The open loop: requests are due by a schedule, whether or not a connection is free.
//!
//! ```text
//! tick due ─┬─ a connection is free ──────────────▶ sent
//!           └─ none ─┬─ queue, grow ─▶ backlog ───▶ sent when one is
//!                    └─ drop ────────▶ not sent
//! ```
//!
//! Ticks are never skipped and never made up for by a limiter: what is late leaves at once, and how
//! late it was is recorded. A tick that comes while all connections are busy is picked at its
//! instant all the same, so that the wait for a connection is told from our own lateness.

use super::account::Wait;
use super::load::Load;
use super::pacer::Pacer;
use dispatch::{DispatchId, Instant};
use servicemodel::{Connection, Context, with_connection};
use stats::NotSent;
use std::collections::VecDeque;
use wire::BusyKind;

/// Requests that may wait for a connection; one more is `queue_full`. 16 bytes each.
const BACKLOG_MAX: usize = 1 << 20;

/// Resting connections that get their request in one turn; then what is ready is dispatched first.
const RELEASES_PER_TURN: usize = 64;

/// A request that waits for a connection.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    due: Instant,
    picked: Instant,
}

/// What the open loop keeps.
#[derive(Debug)]
pub struct Open {
    ticks: Pacer,
    on_busy: BusyKind,
    /// Connections without a request, the one that rests longest first. Some may have ended since.
    resting: VecDeque<DispatchId>,
    /// Connections that ended while they rested.
    gone: usize,
    backlog: VecDeque<Waiting>,
}

impl Open {
    /// An open loop of these ticks, without any connection.
    pub fn new(ticks: Pacer, on_busy: BusyKind) -> Self {
        Self { ticks, on_busy, resting: VecDeque::new(), gone: 0, backlog: VecDeque::new() }
    }

    /// Requests that are due and wait for a connection.
    pub fn queued(&self) -> u64 {
        self.backlog.len() as u64
    }

    /// A resting connection has ended.
    pub fn lost_one(&mut self) {
        self.gone += 1;
    }

    /// Whether requests wait though connections are free: for the ceiling.
    fn is_held_back(&self) -> bool {
        !self.backlog.is_empty() && !self.resting.is_empty()
    }

    /// When the next request is due, if that is before `stop`.
    fn next_tick(&self, stop: Instant) -> Option<Instant> {
        Some(self.ticks.due()).filter(|due| *due < stop)
    }
}

impl Load {
    /// When the open loop has something to do of itself.
    pub(super) fn next_release(&self, now: Instant) -> Instant {
        let Some(open) = &self.open else { return Instant::FAR_FUTURE };
        let tick = open.next_tick(self.schedule.stop()).filter(|_| self.requests_left > 0);
        let tick = tick.unwrap_or(Instant::FAR_FUTURE);
        match &self.ceiling {
            Some(ceiling) if now < ceiling.end() && open.is_held_back() => tick.min(ceiling.due()),
            _ => tick,
        }
    }

    /// Whether requests wait, or are due until `now` and not picked.
    pub(super) fn owes(&self, now: Instant) -> bool {
        self.open.as_ref().is_some_and(|open| !open.backlog.is_empty()) || self.tick_is_due(now)
    }

    fn tick_is_due(&self, now: Instant) -> bool {
        let next = self.open.as_ref().and_then(|open| open.next_tick(self.schedule.stop()));
        self.requests_left > 0 && next.is_some_and(|due| due <= now)
    }

    /// Picks the next tick, if it is due.
    fn tick(&mut self, now: Instant) -> Option<Instant> {
        if !self.tick_is_due(now) {
            return None;
        }
        let ticks = &mut self.open.as_mut()?.ticks;
        let due = ticks.due();
        ticks.advance();
        self.requests_left -= 1;
        self.account.due();
        Some(due)
    }

    /// The connection is free since `at`: it takes the request that waits longest, or rests.
    pub(super) fn serve_or_rest(&mut self, connection: &mut Connection<Self>, at: Instant) {
        let Some(open) = &self.open else { return };
        let wait = if open.resting.is_empty() { Wait::UntilFree(at) } else { Wait::Nobody };
        if !open.backlog.is_empty() {
            self.nobody_is_free(at);
        }
        if !self.serve(connection, wait, at) {
            self.rest(connection, at);
        }
    }

    /// The connection is free from `since` on, which may be the beginning of load.
    pub(super) fn rest(&mut self, connection: &mut Connection<Self>, since: Instant) {
        connection.place.exchange.due = since;
        if let (Some(open), Some(id)) = (&mut self.open, connection.id()) {
            connection.place.resting = true;
            open.resting.push_back(id);
        }
    }

    /// Gives the connection the request that waits longest, or the tick that is due; unless there is
    /// none, or the ceiling holds it back.
    fn serve(&mut self, connection: &mut Connection<Self>, wait: Wait, now: Instant) -> bool {
        if !self.owes(now) || self.held_back(now).is_some() {
            return false;
        }
        let waiting = self.open.as_mut().and_then(|open| open.backlog.pop_front());
        let (due, wait) = match waiting {
            Some(Waiting { due, picked }) => (due, Wait::SincePicked(picked)),
            None => (self.tick(now).expect("a tick is owed where nothing waits"), wait),
        };
        connection.place.resting = false;
        let left = self.begin(connection, due, wait);
        let sent = connection.place.exchange.sent;
        let freely = left && wait.blocked(due, sent) == 0;
        self.departed(due, freely.then_some(sent));
        true
    }

    /// What is due finds no connection free.
    fn nobody_is_free(&mut self, now: Instant) {
        while let Some(due) = self.tick(now) {
            let on_busy = self.open.as_ref().map_or(BusyKind::Drop, |open| open.on_busy);
            match on_busy {
                BusyKind::Drop => self.give_up(due, now, NotSent::NoConnection, now),
                BusyKind::Queue => self.queue(due, now),
                BusyKind::Grow(most) => {
                    self.queue(due, now);
                    self.places.grow(most);
                }
            }
        }
    }

    /// The ceiling lets nothing out at `now`: `id` rests on, and what is due waits for it.
    fn hold_back(&mut self, id: DispatchId, now: Instant) {
        if let Some(open) = &mut self.open {
            open.resting.push_front(id);
        }
        while let Some(due) = self.tick(now) {
            self.queue(due, now);
        }
    }

    fn queue(&mut self, due: Instant, now: Instant) {
        match &mut self.open {
            Some(open) if open.backlog.len() < BACKLOG_MAX => {
                open.backlog.push_back(Waiting { due, picked: now });
            }
            _ => self.give_up(due, now, NotSent::QueueFull, now),
        }
    }

    fn give_up(&mut self, due: Instant, picked: Instant, why: NotSent, now: Instant) {
        self.departed(due, None);
        let measured = self.schedule.measures(due);
        self.account.not_sent(due, picked, why, now, measured);
    }

    /// The run is over: what waits still, and what nobody could pick in time, is never sent.
    pub(super) fn give_up_backlog(&mut self, now: Instant) {
        while let Some(due) = self.tick(now) {
            self.give_up(due, now, NotSent::RunEnded, now);
        }
        let backlog = self.open.as_mut().map(|open| std::mem::take(&mut open.backlog));
        for Waiting { due, picked } in backlog.unwrap_or_default() {
            self.give_up(due, picked, NotSent::RunEnded, now);
        }
    }
}

/// Gives resting connections what is due.
pub fn release(context: &mut Context<Load>, now: Instant) {
    forget_the_gone(context);
    for _ in 0..RELEASES_PER_TURN {
        let load = &mut context.world.model;
        if !load.owes(now) {
            return;
        }
        let resting = load.open.as_mut().and_then(|open| open.resting.pop_front());
        let Some(id) = resting else { return load.nobody_is_free(now) };
        let mut held_back = false;
        with_connection(context, id, |load, connection| {
            let since = connection.place.exchange.due;
            held_back = !load.serve(connection, Wait::UntilFree(since), now);
        });
        if held_back {
            return context.world.model.hold_back(id, now);
        }
    }
}

/// Where most of those that seem to rest have ended, only the others are kept.
fn forget_the_gone(context: &mut Context<Load>) {
    let Some(open) = &mut context.world.model.open else { return };
    if open.gone <= open.resting.len() / 2 {
        return;
    }
    open.gone = 0;
    let mut resting = std::mem::take(&mut open.resting);
    resting.retain(|id| context.target_mut(*id).is_some());
    if let Some(open) = &mut context.world.model.open {
        open.resting = resting;
    }
}
