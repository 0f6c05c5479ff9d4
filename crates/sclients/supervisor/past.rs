//! A run whose supervisor died, as its journal tells it, to be taken up again.
//!
//! The clock of the run stands still from the last entry until then: its start and the begin of its load
//! are moved by as much, so that the schedule goes on where it was, and so are the ends of what was reported.

use crate::fold::{Fold, shifted};
use crate::summary::Course;
use crate::wall;
use dispatch::Instant;
use std::time::Duration;

/// When the run was where it was.
#[derive(Clone, Debug)]
pub struct Past {
    /// Its common start instant, by the clock of then.
    pub start: Instant,
    /// When each of its phases began, and its load.
    pub crews: Vec<(Option<u64>, Option<u64>)>,
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

    /// An instant of then, moved; none where this clock has no such instant.
    pub fn moved(&self, at: Instant, now: Instant) -> Option<Instant> {
        shifted(at, self.shift(now))
    }

    /// How long nobody made load, by the wall clock.
    pub fn gap(&self) -> Duration {
        wall::since_epoch().saturating_sub(self.wall)
    }
}
