//! Overload (S-Clients): attempts are begun by a schedule, whatever the server accepts.
//!
//! ```text
//! tick due ─▶ connecting ─┬─▶ established ─▶ its requests ─▶ closed
//!                         ├─▶ refused, reset
//!                         └─▶ abandoned when the attempt's time is over
//! ```
//!
//! Banga and Druschel, "Measuring the Capacity of a Web Server" (1997): a client that waits for the
//! kernel's SYN back-off offers no more than the server accepts. One that gives each attempt a time
//! and begins the next by the clock offers what it is told to.

use super::load::{Load, attempt};
use super::pacer::Pacer;
use super::places::Opening;
use dispatch::Instant;
use servicemodel::Context;
use stats::Latency;
use std::time::Duration;

/// Attempts begun in one turn; then what is ready is dispatched first.
const ATTEMPTS_PER_TURN: usize = 32;

/// Attempts that are due and not begun this long after the end are not begun any more.
const LATE_MAX: Duration = Duration::from_secs(1);

/// The schedule of attempts.
#[derive(Debug)]
pub struct Attempts {
    ticks: Pacer,
    begun: u64,
}

impl Attempts {
    /// Attempts at these ticks.
    pub const fn new(ticks: Pacer) -> Self {
        Self { ticks, begun: 0 }
    }
}

impl Load {
    /// When the next attempt is to begin.
    pub(super) fn next_attempt(&self) -> Instant {
        let stop = self.schedule.stop();
        let due = self.attempts.as_ref().map(|attempts| attempts.ticks.due());
        due.filter(|due| *due < stop).unwrap_or(Instant::FAR_FUTURE)
    }

    /// Whether an attempt is owed at `now`.
    pub(super) fn owes_attempt(&self, now: Instant) -> bool {
        self.next_attempt() <= now && now < self.schedule.stop() + LATE_MAX
    }
}

/// Begins the attempts that are due.
pub fn begin_attempts(context: &mut Context<Load>, now: Instant) {
    for _ in 0..ATTEMPTS_PER_TURN {
        let load = &mut context.world.model;
        if !load.owes_attempt(now) {
            return;
        }
        let peers = load.share.peers.len() as u64;
        let attempts = load.attempts.as_mut().expect("an attempt is owed");
        let due = attempts.ticks.due();
        attempts.ticks.advance();
        let peer = (attempts.begun % peers) as u16;
        attempts.begun += 1;
        load.places.admit();
        let begun =
            attempt(context, Opening { failures: 0, again: false, storm: false, peer, user: None });
        let load = &mut context.world.model;
        load.departed(due, Some(begun));
        if load.schedule.measures(due) {
            load.account.recorder.record(Latency::AttemptLag, begun.nanos_since(due));
        }
    }
}
