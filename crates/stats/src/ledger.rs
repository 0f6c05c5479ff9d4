//! The identities that hold at every snapshot, per worker and in total:
//!
//! ```text
//! due         = sent + not_sent + queued
//! sent        = completed + failed + in_flight (+ lost)
//! attempted   = established + failed + pending (+ attempts lost)
//! established = live + closed by us + closed by the server (+ lost)
//! ```
//!
//! The right-hand gauges are counted by looking at the connections, the counters by noting what
//! happened to them; that both agree is what the check is worth.

use crate::counters::{Counter, Counters};
use crate::interval::Gauges;
use std::fmt;

/// An identity that does not hold: two sums that should be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imbalance {
    /// Which.
    pub identity: &'static str,
    /// Its left side.
    pub left: u64,
    /// Its right side.
    pub right: u64,
}

impl fmt::Display for Imbalance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} is not {}", self.identity, self.left, self.right)
    }
}

impl std::error::Error for Imbalance {}

/// Checks all identities. `state` holds what is live, pending and in flight; what was lost with a
/// worker counts as such.
///
/// # Errors
/// The first identity that does not hold.
pub fn check(counters: &Counters, state: &Gauges) -> Result<(), Imbalance> {
    let of = |counter| counters.of(counter);
    let closed = of(Counter::ConnectionsClosedByUs) + of(Counter::ConnectionsClosedByPeer);
    let answered = of(Counter::RequestsCompleted) + counters.requests_failed();
    let established = of(Counter::ConnectionsEstablished);
    equal(
        "due = sent + not_sent + queued",
        of(Counter::RequestsDue),
        of(Counter::RequestsSent) + counters.not_sent() + state.queued,
    )?;
    equal(
        "sent = completed + failed + in_flight",
        of(Counter::RequestsSent),
        answered + state.in_flight,
    )?;
    equal(
        "attempted = established + failed + pending",
        of(Counter::ConnectionsAttempted),
        established + counters.connections_failed() + state.pending,
    )?;
    equal("established = live + closed", established, state.live + closed)
}

const fn equal(identity: &'static str, left: u64, right: u64) -> Result<(), Imbalance> {
    if left == right { Ok(()) } else { Err(Imbalance { identity, left, right }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{NotSent, Outcome};

    fn balanced() -> (Counters, Gauges) {
        let mut counters = Counters::default();
        counters.count_many(Counter::ConnectionsAttempted, 10);
        counters.count_many(Counter::ConnectionsEstablished, 7);
        counters.connections_failed[Outcome::ConnectRefused as usize] = 2;
        counters.count_many(Counter::ConnectionsClosedByUs, 1);
        counters.count_many(Counter::ConnectionsClosedByPeer, 2);
        counters.count_many(Counter::RequestsDue, 12);
        counters.not_sent[NotSent::RunEnded as usize] = 1;
        counters.count_many(Counter::RequestsSent, 8);
        counters.count_many(Counter::RequestsCompleted, 5);
        counters.requests_failed[Outcome::Reset as usize] = 1;
        (counters, Gauges { live: 4, pending: 1, in_flight: 2, unserved: 0, queued: 3 })
    }

    #[test]
    fn a_balanced_ledger_passes() {
        let (counters, gauges) = balanced();
        assert_eq!(check(&counters, &gauges), Ok(()));
    }

    #[test]
    fn one_more_of_anything_is_noticed() {
        use Counter::*;
        for counter in [
            ConnectionsAttempted,
            ConnectionsEstablished,
            ConnectionsClosedByUs,
            ConnectionsClosedByPeer,
            RequestsDue,
            RequestsSent,
            RequestsCompleted,
        ] {
            let (mut counters, gauges) = balanced();
            counters.count(counter);
            assert!(check(&counters, &gauges).is_err(), "{}", counter.name());
        }
        let (counters, mut gauges) = balanced();
        gauges.in_flight += 1;
        assert!(check(&counters, &gauges).is_err());
        let (counters, mut gauges) = balanced();
        gauges.queued += 1;
        assert!(check(&counters, &gauges).is_err());
    }
}
