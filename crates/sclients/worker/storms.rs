//! Storms: a share of the connections is closed at once, and each is opened again after a pause of its own.
//!
//! ```text
//! due ──strike──▶ closed, the requests on them cut ──back-off──▶ reopened … the last of them: recovered
//! ```

use super::load::Load;
use dispatch::Instant;
use servicemodel::{Context, with_connection};
use stats::{Counter, Latency};
use std::time::Duration;
use wire::StormShare;

/// All connections, in the parts in which a share is given.
const WHOLE: u64 = 1_000_000;

/// The storms of a worker that are to come, and the one that it recovers from.
#[derive(Debug)]
pub struct Storms {
    rules: Vec<Rule>,
    struck: Instant,
    /// Connections that a storm closed and that are not back.
    missing: u64,
}

#[derive(Debug)]
struct Rule {
    due: Instant,
    every: Option<Duration>,
    millionths: u64,
}

impl Storms {
    /// Those of `shares` that are due at `joined` or later, in a load that began at `load`.
    pub fn new(shares: &[StormShare], load: Instant, joined: Instant) -> Self {
        let rule = |share: &StormShare| Rule {
            due: load + Duration::from_nanos(share.after_nanos),
            every: share.every_nanos.map(Duration::from_nanos),
            millionths: share.millionths.into(),
        };
        let mut storms =
            Self { rules: shares.iter().map(rule).collect(), struck: load, missing: 0 };
        while storms.next() < joined {
            storms.take(storms.next());
        }
        storms
    }

    /// When the next one is due.
    pub fn next(&self) -> Instant {
        self.rules.iter().map(|rule| rule.due).min().unwrap_or(Instant::FAR_FUTURE)
    }

    /// The share, in millionths, that the storm closes which is due at `now`.
    fn take(&mut self, now: Instant) -> Option<u64> {
        let rule =
            self.rules.iter_mut().filter(|rule| rule.due <= now).min_by_key(|rule| rule.due)?;
        rule.due = rule.every.map_or(Instant::FAR_FUTURE, |every| rule.due + every);
        Some(rule.millionths)
    }

    /// A connection that a storm closed is back at `now`. Nanoseconds since the storm where it is the last.
    pub fn back(&mut self, now: Instant) -> Option<u64> {
        self.missing = self.missing.checked_sub(1).expect("it was counted when it was closed");
        (self.missing == 0).then(|| now.nanos_since(self.struck))
    }
}

/// Whether a storm closes connection `number`: so that of any that follow one another it is the share, to one.
const fn closes(millionths: u64, number: u64) -> bool {
    (number + 1) * millionths / WHOLE > number * millionths / WHOLE
}

/// Closes what the storm closes that is due, if one is. What is not back of an earlier one is waited for with
/// it: that one is never recovered from.
pub fn strike(context: &mut Context<Load>, now: Instant) {
    let load = &mut context.world.model;
    if now >= load.schedule.stop() {
        return;
    }
    let Some(millionths) = load.storms.as_mut().and_then(|storms| storms.take(now)) else { return };
    let struck = Instant::now();
    // Workers go on counting where the one before ends.
    let mut number = u64::from(load.share.slot) * u64::from(load.share.connections);
    let mut closed = 0;
    for id in context.ids() {
        with_connection(context, id, |load, connection| {
            if !connection.established() || connection.leaving() {
                return;
            }
            if closes(millionths, number) {
                connection.place.opening.storm = true;
                connection.close(load.ending());
                closed += 1;
            }
            number += 1;
        });
    }
    let load = &mut context.world.model;
    if let (Some(storms), 1..) = (&mut load.storms, closed) {
        (storms.struck, storms.missing) = (struck, storms.missing + closed);
        load.account.recorder.count(Counter::Storms);
        load.account.recorder.counters.count_many(Counter::ConnectionsStormed, closed);
    }
}

impl Load {
    /// A connection that a storm closed is back.
    pub(super) fn weathered(&mut self, now: Instant) {
        if let Some(nanos) = self.storms.as_mut().and_then(|storms| storms.back(now)) {
            self.account.recorder.record(Latency::Recovery, nanos);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LOAD: Instant = Instant::from_nanos(1_000);

    fn share(after_nanos: u64, every_nanos: Option<u64>, millionths: u32) -> StormShare {
        StormShare { after_nanos, every_nanos, millionths }
    }

    #[test]
    fn storms_come_in_the_order_of_their_instants() {
        let shares = [share(50, Some(20), 500_000), share(60, None, WHOLE as u32)];
        let mut storms = Storms::new(&shares, LOAD, LOAD);
        let mut seen = Vec::new();
        for _ in 0..4 {
            let due = storms.next();
            assert_eq!(storms.take(due - Duration::from_nanos(1)), None);
            seen.push((due.nanos_since(LOAD), storms.take(due).unwrap()));
        }
        assert_eq!(seen, [(50, 500_000), (60, WHOLE), (70, 500_000), (90, 500_000)]);
    }

    #[test]
    fn who_joins_has_the_storms_that_are_left() {
        let shares = [share(50, Some(20), 500_000), share(60, None, 1)];
        let storms = Storms::new(&shares, LOAD, LOAD + Duration::from_nanos(71));
        assert_eq!(storms.next().nanos_since(LOAD), 90);
        assert_eq!(Storms::new(&[], LOAD, LOAD).next(), Instant::FAR_FUTURE);
    }

    #[test]
    fn the_last_one_that_is_back_ends_it() {
        let mut storms = Storms::new(&[], LOAD, LOAD);
        (storms.struck, storms.missing) = (LOAD, 2);
        assert_eq!(storms.back(LOAD + Duration::from_nanos(7)), None);
        assert_eq!(storms.back(LOAD + Duration::from_nanos(9)), Some(9));
    }

    proptest! {
        #[test]
        fn of_any_connections_in_a_row_it_is_the_share(
            millionths in 1..=WHOLE, first in 0..1_000_000_u64, count in 0..2_000_u64,
        ) {
            let closed = (first..first + count).filter(|number| closes(millionths, *number)).count();
            let share = count as f64 * millionths as f64 / WHOLE as f64;
            prop_assert!((closed as f64 - share).abs() <= 1.0);
        }
    }
}
