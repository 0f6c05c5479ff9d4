//! When a run off loopback is stopped by itself: most of what ends has failed for too long, so it
//! does harm, or measures nothing.
//!
//! Pure: it is told the fold's counters once a second and owns no clock.

use stats::{Counter, Counters};

/// So many seconds in a row, those left out in which nothing ended.
pub const SECONDS: u32 = 10;

/// The share of failures, second by second.
#[derive(Clone, Copy, Debug, Default)]
pub struct ErrorShare {
    last: Tally,
    bad_seconds: u32,
}

/// What ended so far, and how much of it failed.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    failed: u64,
    ended: u64,
}

impl Tally {
    /// Failed are requests and connection attempts alike. Attempts that an overload run has refused
    /// or abandons are what it asks for: where there are such, they are taken off here.
    fn of(counters: &Counters) -> Self {
        let failed = counters.requests_failed() + counters.connections_failed();
        Self { failed, ended: counters.of(Counter::RequestsCompleted) + failed }
    }
}

impl ErrorShare {
    /// A second is over, and so much was counted since the start of the run. True once more than half
    /// of what ended has failed in each of [`SECONDS`] consecutive seconds; a second in which nothing
    /// ended neither adds nor breaks.
    pub fn second(&mut self, counters: &Counters) -> bool {
        let tally = Tally::of(counters);
        let failed = tally.failed - self.last.failed;
        let ended = tally.ended - self.last.ended;
        self.last = tally;
        if ended > 0 {
            self.bad_seconds = if failed > ended - failed { self.bad_seconds + 1 } else { 0 };
        }
        self.bad_seconds >= SECONDS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stats::Outcome;

    /// Requests completed, requests failed and attempts failed in a second.
    type Second = (u64, u64, u64);

    const BAD: Second = (1, 2, 0);
    const GOOD: Second = (2, 1, 0);
    const NOTHING: Second = (0, 0, 0);

    /// The number of the second that stopped the run, from 1.
    fn stopped(seconds: impl IntoIterator<Item = Second>) -> Option<usize> {
        let (mut share, mut counters) = (ErrorShare::default(), Counters::default());
        let stops = seconds.into_iter().map(|(completed, requests, attempts)| {
            counters.count_many(Counter::RequestsCompleted, completed);
            counters.requests_failed[Outcome::Reset as usize] += requests;
            counters.connections_failed[Outcome::ConnectRefused as usize] += attempts;
            share.second(&counters)
        });
        stops.collect::<Vec<_>>().iter().position(|stop| *stop).map(|index| index + 1)
    }

    fn times(count: usize, second: Second) -> Vec<Second> {
        vec![second; count]
    }

    #[test]
    fn ten_bad_seconds_in_a_row_stop_a_run_and_no_fewer() {
        for (seconds, expected) in [
            (times(30, NOTHING), None),
            (times(30, GOOD), None),
            (times(9, BAD), None),
            (times(10, BAD), Some(10)),
            ([times(5, GOOD), times(10, BAD)].concat(), Some(15)),
            ([times(9, BAD), times(1, GOOD), times(9, BAD)].concat(), None),
            ([times(9, BAD), times(1, GOOD), times(10, BAD)].concat(), Some(20)),
            ([times(9, BAD), times(5, NOTHING), times(1, BAD)].concat(), Some(15)),
            ([times(9, BAD), times(5, NOTHING), times(1, GOOD), times(1, BAD)].concat(), None),
        ] {
            assert_eq!(stopped(seconds.clone()), expected, "{seconds:?}");
        }
    }

    #[test]
    fn a_bad_second_is_one_in_which_more_than_half_failed_by_request_or_attempt() {
        for (second, bad) in [
            ((1, 1, 0), false),
            ((1, 0, 1), false),
            ((2, 1, 1), false),
            ((2, 2, 1), true),
            ((1, 1, 1), true),
            ((0, 1, 0), true),
            ((0, 0, 1), true),
            ((1_000_000, 0, 1_000_001), true),
        ] {
            assert_eq!(stopped(times(10, second)).is_some(), bad, "{second:?}");
        }
    }
}
