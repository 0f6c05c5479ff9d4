//! The places of a worker: as many connections as the plan wants open, each opened again when it
//! ends.

use super::pacer::Pacer;
use super::session::UserId;
use dispatch::Instant;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// The first pause before a place is tried again; it doubles up to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LONGEST: Duration = Duration::from_secs(1);

/// A place that may be opened now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Opening {
    /// Attempts in a row that brought no answer.
    pub failures: u8,
    /// Whether it held a connection before.
    pub again: bool,
    /// Whether a storm closed that.
    pub storm: bool,
    /// Where it connects: an index into the worker's peers.
    pub peer: u16,
    /// Whose session goes on there.
    pub user: Option<UserId>,
}

/// Which place is opened next, and when.
#[derive(Debug)]
pub struct Places {
    fresh: Vec<u32>,
    waiting: BinaryHeap<Reverse<(Instant, Opening)>>,
    connecting: u32,
    /// Places there are.
    count: u32,
    /// Places that have not held a connection yet, nor failed for good.
    unopened: u32,
    connecting_max: u32,
    pacer: Option<Pacer>,
    random: Xoshiro256PlusPlus,
}

impl Places {
    /// Places that were never open, so many to each peer, of which at most `connecting_max` are tried
    /// at one time.
    pub fn new(fresh: Vec<u32>, connecting_max: u32, seed: u64) -> Self {
        assert!(fresh.len() <= usize::from(u16::MAX), "a peer's index is 16 bits");
        Self {
            waiting: BinaryHeap::with_capacity(fresh.iter().sum::<u32>() as usize),
            connecting: 0,
            count: fresh.iter().sum(),
            unopened: fresh.iter().sum(),
            fresh,
            connecting_max,
            pacer: None,
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
        }
    }

    /// One more place, where there are fewer than `most`; it connects to the peers in turn.
    pub fn grow(&mut self, most: u32) {
        if self.count < most {
            let peer = self.count as usize % self.fresh.len();
            self.fresh[peer] += 1;
            self.count += 1;
            self.unopened += 1;
        }
    }

    /// An attempt that no place asked for.
    pub fn admit(&mut self) {
        self.connecting += 1;
        self.unopened += 1;
    }

    /// Attempts under way.
    pub const fn connecting(&self) -> u32 {
        self.connecting
    }

    /// Holds all attempts to `pacer`'s rate.
    pub fn pace(&mut self, pacer: Pacer) {
        self.pacer = Some(pacer);
    }

    /// The next place to open at `now`, if there is one; it counts as connecting from now on.
    pub fn open_next(&mut self, now: Instant) -> Option<Opening> {
        if self.connecting >= self.connecting_max
            || self.pacer.as_ref().is_some_and(|p| p.due() > now)
        {
            return None;
        }
        let opening = self.take_fresh().or_else(|| self.take_waiting(now))?;
        if let Some(pacer) = &mut self.pacer {
            pacer.take(now);
        }
        self.connecting += 1;
        Some(opening)
    }

    fn take_fresh(&mut self) -> Option<Opening> {
        let peer = self.fresh.iter().position(|places| *places > 0)?;
        self.fresh[peer] -= 1;
        Some(Opening { failures: 0, again: false, storm: false, peer: peer as u16, user: None })
    }

    fn take_waiting(&mut self, now: Instant) -> Option<Opening> {
        let Reverse((due, opening)) = *self.waiting.peek()?;
        if due > now {
            return None;
        }
        self.waiting.pop();
        Some(opening)
    }

    /// When the next place may be opened, as far as time decides it.
    pub fn next_due(&self) -> Instant {
        if self.connecting >= self.connecting_max {
            return Instant::FAR_FUTURE;
        }
        let place = match self.waiting.peek() {
            _ if self.any_fresh() => Instant::from_nanos(0),
            Some(Reverse((due, _))) => *due,
            None => return Instant::FAR_FUTURE,
        };
        self.pacer.as_ref().map_or(place, |pacer| pacer.due().max(place))
    }

    /// The attempt `opening` ended: `for_good` in a connection, or in a failure that is not tried again.
    pub fn settled(&mut self, opening: Opening, for_good: bool) {
        if for_good && !opening.again {
            self.unopened -= 1;
        }
        self.connecting = self.connecting.checked_sub(1).expect("it was counted when it began");
    }

    fn any_fresh(&self) -> bool {
        self.fresh.iter().any(|places| *places > 0)
    }

    /// The place is to be opened again, at once: its last connection, opened as `last`, had answered.
    pub fn reopen_at_once(&mut self, now: Instant, last: Opening) {
        self.waiting.push(Reverse((now, Opening { failures: 0, again: true, ..last })));
    }

    /// The place is to be opened again after a pause: `last`, as it was opened, brought no answer.
    /// Full jitter, so that places that failed together do not come back together.
    pub fn reopen_later(&mut self, now: Instant, last: Opening) {
        let longest = pause(last.failures);
        let nanos = self.random.next_u64() % (longest.as_nanos() as u64 + 1);
        let next = Opening { failures: last.failures.saturating_add(1), ..last };
        self.waiting.push(Reverse((now + Duration::from_nanos(nanos), next)));
    }

    /// Whether every place has held a connection, or has failed for good. What ended since and is
    /// opened again holds nobody up.
    pub const fn all_settled(&self) -> bool {
        self.unopened == 0
    }
}

/// The longest pause after so many failures.
fn pause(failures: u8) -> Duration {
    PAUSE_FIRST.saturating_mul(1 << failures.min(10)).min(PAUSE_LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_nanos(1_000_000_000);

    fn opening(failures: u8, again: bool) -> Opening {
        Opening { failures, again, storm: false, peer: 7, user: None }
    }

    #[test]
    fn places_are_dealt_to_the_peers_in_order() {
        let mut places = Places::new(vec![2, 0, 1], 10, 1);
        let peers: Vec<u16> =
            std::iter::from_fn(|| places.open_next(NOW)).map(|opening| opening.peer).collect();
        assert_eq!(peers, [0, 0, 2]);
    }

    #[test]
    fn fresh_places_are_opened_up_to_the_bound() {
        let mut places = Places::new(vec![3], 2, 1);
        assert!(places.open_next(NOW).is_some() && places.open_next(NOW).is_some());
        assert_eq!(places.open_next(NOW), None);
        assert_eq!(places.next_due(), Instant::FAR_FUTURE);
        places.settled(opening(0, false), true);
        assert!(places.open_next(NOW).is_some());
        places.settled(opening(0, false), true);
        assert!(!places.all_settled());
        places.settled(opening(0, false), true);
        assert!(places.all_settled());
    }

    #[test]
    fn what_is_tried_again_is_not_settled_and_what_was_open_is() {
        let mut places = Places::new(vec![1], 9, 1);
        let first = places.open_next(NOW).unwrap();
        places.settled(first, false);
        places.reopen_later(NOW, first);
        assert!(!places.all_settled());
        let second = places.open_next(NOW + PAUSE_LONGEST).unwrap();
        places.settled(second, true);
        places.reopen_at_once(NOW, second);
        assert!(places.all_settled());
        let third = places.open_next(NOW).unwrap();
        places.settled(third, true);
        assert!(places.all_settled());
    }

    #[test]
    fn pauses_double_to_a_second() {
        let pauses: Vec<u128> = (0..6).map(|failures| pause(failures).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(pause(255), PAUSE_LONGEST);
    }

    #[test]
    fn a_place_that_failed_comes_back_within_its_pause() {
        let mut places = Places::new(vec![], 10, 7);
        for _ in 0..50 {
            places.reopen_later(NOW, opening(1, false));
        }
        let due = places.next_due();
        assert!(due >= NOW && due <= NOW + Duration::from_millis(200));
        let later = NOW + Duration::from_millis(200);
        assert_eq!(places.open_next(later), Some(opening(2, false)));
    }

    #[test]
    fn a_place_that_had_answered_comes_back_at_once() {
        let mut places = Places::new(vec![], 10, 7);
        places.reopen_at_once(NOW, opening(3, false));
        assert_eq!(places.open_next(NOW), Some(opening(0, true)));
    }

    #[test]
    fn a_rate_holds_for_all_attempts() {
        let mut places = Places::new(vec![5], 10, 7);
        places.pace(Pacer::even(NOW, 100, 0, 1));
        assert!(places.open_next(NOW).is_some());
        assert_eq!(places.open_next(NOW), None);
        assert_eq!(places.next_due(), NOW + Duration::from_millis(10));
    }
}
