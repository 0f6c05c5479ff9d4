//! Which limit ends a run: one that has not held for longer than it allows.
//!
//! Pure: it is told a summary so far once in a while, and owns no clock.

use super::check::{Check, State};
use super::of_run::object_of;
use crate::report::Focus;
use serde_json::Value;
use std::time::Duration;

/// The limits of a run that may end it.
#[derive(Clone, Debug, Default)]
pub struct Watch(Vec<Watched>);

/// A limit that may end the run.
#[derive(Clone, Debug)]
pub struct Watched {
    index: u32,
    /// The place of the phase that it is of; none is the run.
    phase: Option<usize>,
    check: Check,
    delay: Duration,
    /// When it was seen not to hold, and at each look since.
    broken_since: Option<Duration>,
}

impl Watched {
    /// Limit number `index`, of the run or of a phase, which may be broken for so long.
    pub const fn new(index: u32, phase: Option<usize>, check: Check, delay: Duration) -> Self {
        Self { index, phase, check, delay, broken_since: None }
    }
}

impl Watch {
    /// Watches these limits.
    pub fn new(limits: impl IntoIterator<Item = Watched>) -> Self {
        Self(limits.into_iter().collect())
    }

    /// Whether there is nothing to look at.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a look needs of a summary.
    pub fn focus(&self) -> Focus {
        let path = |watched: &Watched| {
            let phase =
                watched.phase.map(|phase| ["scenario".into(), "phases".into(), phase.to_string()]);
            phase.into_iter().flatten().chain(watched.check.figure.keys.iter().cloned()).collect()
        };
        Focus::of(self.0.iter().map(path))
    }

    /// A look at `summary`, what was measured until `now`; the index of the first limit that was broken at
    /// each look for as long as it may be. A figure that cannot be told yet breaks nothing.
    pub fn look(&mut self, summary: &Value, now: Duration) -> Option<u32> {
        let mut ended = None;
        for watched in &mut self.0 {
            let object = watched.phase.map_or(summary, |phase| object_of(summary, phase));
            if watched.check.judge(object).state != State::Broken {
                watched.broken_since = None;
                continue;
            }
            let since = *watched.broken_since.get_or_insert(now);
            if now.saturating_sub(since) >= watched.delay {
                ended = ended.or(Some(watched.index));
            }
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::super::Figures;
    use super::*;
    use serde_json::json;

    /// The look, from 1, at which one of `limits` ended a run in which `values` were seen a second apart.
    fn ended(limits: &[(&str, u64)], values: &[Option<u64>]) -> Option<(usize, u32)> {
        let figures = Figures::of(&json!({ "a": 0, "b_share": 0.5 }));
        let check = |(index, (text, delay)): (usize, &(&str, u64))| {
            let check = figures.check(&text.parse().unwrap()).unwrap();
            Watched::new(index as u32, None, check, Duration::from_secs(*delay))
        };
        let mut watch = Watch::new(limits.iter().enumerate().map(check));
        let mut seconds = values.iter().zip(1..);
        seconds.find_map(|(value, second)| {
            let index =
                watch.look(&json!({ "a": value, "b_share": null }), Duration::from_secs(second))?;
            Some((second as usize, index))
        })
    }

    #[test]
    fn a_limit_ends_a_run_once_it_was_broken_for_its_delay() {
        const BAD: Option<u64> = Some(9);
        const GOOD: Option<u64> = Some(1);
        for (delay, values, expected) in [
            (0, vec![GOOD, BAD], Some(2)),
            (0, vec![GOOD, GOOD], None),
            (2, vec![BAD, BAD], None),
            (2, vec![BAD, BAD, BAD], Some(3)),
            (2, vec![BAD, BAD, GOOD, BAD, BAD], None),
            (2, vec![BAD, BAD, GOOD, BAD, BAD, BAD], Some(6)),
            (0, vec![None, None], None),
            (1, vec![BAD, None, BAD], None),
        ] {
            let told = ended(&[("a < 5", delay)], &values);
            assert_eq!(told.map(|(second, _)| second), expected, "{delay} {values:?}");
        }
    }

    #[test]
    fn the_first_limit_that_is_broken_for_too_long_is_named() {
        assert_eq!(
            ended(&[("b_share < 5%", 0), ("a < 9", 1), ("a < 5", 0)], &[Some(6)]),
            Some((1, 2))
        );
        assert_eq!(ended(&[("a < 9", 0), ("a < 5", 0)], &[Some(9)]), Some((1, 0)));
        assert!(Watch::default().is_empty());
    }
}
