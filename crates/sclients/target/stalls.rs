//! When the target stops, and when it goes on.
//!
//! ```text
//! no request yet ──begin──▶ running ──a stop begins──▶ stopped ──it ends──▶ running …
//!                                                         └──── cancel ────▶ running to the end
//! ```
//!
//! Stops are planned from the instant at which the first request was read, so that no delay adds up.

use dispatch::Instant;
use std::time::Duration;
use wire::StallShare;

/// The stops of one process, and where it stands in them.
#[derive(Debug)]
pub struct Stalls {
    /// Begin after the first request, and length; soonest first, none without an end but the last.
    planned: Vec<(Duration, Duration)>,
    /// How many of them have begun.
    begun: usize,
    /// When the first request was read.
    origin: Option<Instant>,
    under_way: Option<Stop>,
    /// When the next thing happens.
    edge: Instant,
}

/// One stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// From here on nothing was read, served or sent.
    pub from: Instant,
    /// Up to here.
    pub until: Instant,
}

impl Stalls {
    /// The stops of a share; it has them in order.
    pub fn new(stalls: &[StallShare]) -> Self {
        let planned = |stall: &StallShare| {
            let length = stall.length_nanos.map_or(Duration::MAX, Duration::from_nanos);
            (Duration::from_nanos(stall.after_nanos), length)
        };
        Self {
            planned: stalls.iter().map(planned).collect(),
            begun: 0,
            origin: None,
            under_way: None,
            edge: Instant::FAR_FUTURE,
        }
    }

    /// A request was read at `at`: if it was the first, the plan counts from there.
    #[inline]
    pub fn begin(&mut self, at: Instant) {
        if self.origin.is_none() {
            self.origin = Some(at);
            self.aim();
        }
    }

    /// Moves to `now`, over one edge at most; returns the stop that ended with it.
    #[inline]
    pub fn pass(&mut self, now: Instant) -> Option<Stop> {
        if now < self.edge { None } else { self.step() }
    }

    fn step(&mut self) -> Option<Stop> {
        let ended = self.under_way.take();
        if ended.is_none() {
            self.under_way = self.next();
            self.begun += 1;
        }
        self.aim();
        ended
    }

    /// Plans no more stops and ends one that is under way, at `now`; returns that.
    pub fn cancel(&mut self, now: Instant) -> Option<Stop> {
        self.planned.clear();
        self.edge = Instant::FAR_FUTURE;
        self.under_way.take().map(|stop| Stop { until: now.min(stop.until), ..stop })
    }

    /// Whether the target is stopped.
    #[inline]
    pub const fn stopped(&self) -> bool {
        self.under_way.is_some()
    }

    /// When to call [`Stalls::pass`].
    pub const fn edge(&self) -> Instant {
        self.edge
    }

    fn next(&self) -> Option<Stop> {
        let (after, length) = *self.planned.get(self.begun)?;
        let from = self.origin? + after;
        Some(Stop { from, until: from + length })
    }

    fn aim(&mut self) {
        let begin = || self.next().map_or(Instant::FAR_FUTURE, |stop| stop.from);
        self.edge = self.under_way.map_or_else(begin, |stop| stop.until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    fn stalls(planned: &[(u64, Option<u64>)]) -> Stalls {
        let share = |(after, length): &(u64, Option<u64>)| StallShare {
            after_nanos: after * 1_000_000,
            length_nanos: length.map(|length| length * 1_000_000),
        };
        Stalls::new(&planned.iter().map(share).collect::<Vec<_>>())
    }

    const fn stop(from: u64, until: u64) -> Option<Stop> {
        Some(Stop { from: ms(from), until: ms(until) })
    }

    #[test]
    fn nothing_happens_before_the_first_request() {
        let mut stalls = stalls(&[(0, Some(5))]);
        assert_eq!(stalls.edge(), Instant::FAR_FUTURE);
        assert_eq!(stalls.pass(ms(1_000)), None);
        assert!(!stalls.stopped());
        stalls.begin(ms(2_000));
        assert_eq!(stalls.edge(), ms(2_000));
    }

    #[test]
    fn stops_come_as_planned_however_late_they_are_noticed() {
        let mut stalls = stalls(&[(300, Some(500)), (900, Some(50))]);
        stalls.begin(ms(1_000));
        stalls.begin(ms(1_100));
        for (now, stopped, ended, edge) in [
            (1_299, false, None, ms(1_300)),
            (1_307, true, None, ms(1_800)),
            (1_799, true, None, ms(1_800)),
            (1_811, false, stop(1_300, 1_800), ms(1_900)),
            // Noticed when it should be over: it is begun and ended, each once.
            (1_990, true, None, ms(1_950)),
            (1_990, false, stop(1_900, 1_950), Instant::FAR_FUTURE),
            (9_999, false, None, Instant::FAR_FUTURE),
        ] {
            assert_eq!(stalls.pass(ms(now)), ended, "at {now}");
            assert_eq!((stalls.stopped(), stalls.edge()), (stopped, edge), "at {now}");
        }
    }

    #[test]
    fn stops_that_touch_are_two() {
        let mut stalls = stalls(&[(0, Some(5)), (5, Some(5))]);
        stalls.begin(ms(10));
        assert_eq!(stalls.pass(ms(10)), None);
        assert_eq!(stalls.pass(ms(15)), stop(10, 15));
        assert_eq!(stalls.pass(ms(15)), None);
        assert!(stalls.stopped());
        assert_eq!(stalls.pass(ms(20)), stop(15, 20));
    }

    #[test]
    fn one_without_end_ends_when_it_is_cancelled() {
        let mut stalls = stalls(&[(40, None)]);
        stalls.begin(ms(0));
        assert_eq!(stalls.pass(ms(40)), None);
        assert_eq!(stalls.edge(), Instant::FAR_FUTURE);
        assert_eq!(stalls.pass(ms(999_999)), None);
        assert!(stalls.stopped());
        assert_eq!(stalls.cancel(ms(1_000_000)), stop(40, 1_000_000));
        assert!(!stalls.stopped());
    }

    #[test]
    fn what_is_cancelled_before_it_began_never_begins() {
        let mut stalls = stalls(&[(40, Some(1))]);
        stalls.begin(ms(0));
        assert_eq!(stalls.cancel(ms(39)), None);
        assert_eq!((stalls.pass(ms(40)), stalls.edge()), (None, Instant::FAR_FUTURE));
    }
}
