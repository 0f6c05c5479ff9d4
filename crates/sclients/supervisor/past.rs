//! A run whose supervisor died, as its journal tells it, to be taken up again.
//!
//! The clock of the run stands still from the last entry until then: its start and the begin of its load
//! are moved by as much, so that the schedule goes on where it was, and so are the ends of what was reported.

use crate::fold::{Fold, shifted};
use crate::summary::Course;
use dispatch::Instant;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// When the run was where it was.
#[derive(Clone, Copy, Debug)]
pub struct Past {
    /// Its common start instant, by the clock of then.
    pub start: Instant,
    /// When its load began.
    pub load: Option<Instant>,
    /// Its last entry.
    pub at: Instant,
    /// That by the wall clock, from the Unix epoch.
    pub wall: Duration,
}

/// All that is known of it.
#[derive(Debug)]
pub struct PastRun {
    /// When it was where it was.
    pub past: Past,
    /// What was reported.
    pub fold: Fold,
    /// How it went.
    pub course: Course,
}

impl Past {
    /// By how much its clock is moved if it is taken up at `now`, in nanoseconds.
    pub fn shift(&self, now: Instant) -> i128 {
        i128::from(now.as_nanos()) - i128::from(self.at.as_nanos())
    }

    /// Its start and the begin of its load, moved; none where this clock has no such instant.
    pub fn moved_to(&self, now: Instant) -> Option<(Instant, Option<Instant>)> {
        let moved = |at| shifted(at, self.shift(now));
        let load = match self.load {
            Some(load) => Some(moved(load)?),
            None => None,
        };
        Some((moved(self.start)?, load))
    }

    /// How long nobody made load, by the wall clock.
    pub fn gap(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.saturating_sub(self.wall)
    }
}
