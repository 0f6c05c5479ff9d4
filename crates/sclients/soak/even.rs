//! When the load of a run is the same by plan: what changes because it was meant to does not drift.

use crate::summary::Summary;
use std::ops::Range;

/// When loads change, in nanoseconds from the common start.
#[derive(Debug, Default)]
struct Changes {
    /// At once.
    at: Vec<u64>,
    /// All the time.
    during: Vec<Range<u64>>,
}

/// The longest part of `measured` in which no phase begins or ends and no rate changes, in nanoseconds from the
/// common start; empty where there is none, and none where it is all of it, give or take `window`.
pub(super) fn longest(summary: &Summary, measured: &Range<u64>, window: u64) -> Option<Range<u64>> {
    let changes = Changes::of(summary);
    let inside = measured.start + window..measured.end.saturating_sub(window);
    let ends = changes.during.iter().flat_map(|ramp| [ramp.start, ramp.end]);
    let mut cuts: Vec<u64> = changes.at.iter().copied().chain(ends).collect();
    cuts.retain(|cut| inside.contains(cut));
    let meet =
        |one: &Range<u64>, other: &Range<u64>| one.start < other.end && other.start < one.end;
    if cuts.is_empty() && !changes.during.iter().any(|ramp| meet(ramp, &inside)) {
        return None;
    }
    cuts.extend([measured.start, measured.end]);
    cuts.sort_unstable();
    let parts = cuts.windows(2).map(|ends| ends[0]..ends[1]);
    let even = parts.filter(|part| !changes.during.iter().any(|ramp| meet(ramp, part)));
    Some(even.max_by_key(|part| part.end - part.start).unwrap_or(measured.start..measured.start))
}

impl Changes {
    fn of(summary: &Summary) -> Self {
        let mut changes = Self::default();
        if summary.plan.crews.is_empty() {
            changes.add_rates(summary, u64::MAX);
            return changes;
        }
        for (_, phase) in summary.phases() {
            let last = phase.fold.workers().map(|part| part.ended.as_nanos()).max();
            let planned = phase.loaded().zip(phase.plan.load_length());
            let planned = planned.map(|(load, length)| load + length.as_nanos() as u64);
            let end = planned.into_iter().chain(last).min().unwrap_or(0);
            let warm = phase.loaded().map(|load| load + phase.plan.config.warmup.as_nanos() as u64);
            let own = [phase.begun(), phase.loaded(), warm, Some(end)];
            changes.at.extend(own.into_iter().flatten().map(|at| from_start(&phase, at)));
            changes.add_rates(&phase, end);
        }
        changes
    }

    /// Adds what a schedule changes before `end`.
    fn add_rates(&mut self, load: &Summary, end: u64) {
        let (Some((rate, _)), Some(mut at)) = (load.plan.config.load.schedule(), load.loaded())
        else {
            return;
        };
        let mut before = None;
        for segment in rate.segments() {
            if at >= end {
                return;
            }
            let until = (at + segment.nanos).min(end);
            if before.is_some_and(|before| before != segment.from) {
                self.at.push(from_start(load, at));
            }
            if segment.from != segment.to {
                self.during.push(from_start(load, at)..from_start(load, until));
            }
            (at, before) = (until, Some(segment.to));
        }
    }
}

fn from_start(summary: &Summary, nanos: u64) -> u64 {
    nanos.saturating_sub(summary.course.clock.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Begins, Config, Load};
    use crate::fold::{Fold, Who};
    use crate::plan::samples::{config, crews_on_ample_host, plan_on_ample_host};
    use crate::profile::{Profile, Rate, Segment};
    use crate::summary::Course;
    use dispatch::Instant;
    use stats::{Interval, Phase};
    use std::time::Duration;

    const S: u64 = 1_000_000_000;
    /// The common start.
    const START: u64 = 5 * S;

    /// A load of these rates, each with its seconds.
    fn open(rates: &[(u64, u64, u64)], seconds: u64) -> Config {
        let segment = |(from, to, seconds): &(u64, u64, u64)| Segment {
            from: Rate::per_second(*from),
            to: Rate::per_second(*to),
            nanos: seconds * S,
        };
        let mut open = config(1, 1).lasting(Duration::from_secs(seconds));
        open.load = Load::Open {
            rate: Profile::new(rates.iter().map(segment).collect()).unwrap(),
            arrivals: Default::default(),
            on_busy: crate::config::OnBusy::Queue,
        };
        open
    }

    fn alone(rates: &[(u64, u64, u64)]) -> Summary {
        let course = Course {
            clock: (START, Some(START + S)),
            crews: vec![(Some(START), Some(START + S))],
            ..Course::default()
        };
        let plan = plan_on_ample_host(open(rates, 100), None);
        Summary { plan, fold: Fold::default(), course }
    }

    fn seconds(summary: &Summary) -> Option<Range<u64>> {
        let even = longest(summary, &(S..101 * S), S)?;
        Some(even.start / S..even.end / S)
    }

    #[test]
    fn what_ramps_or_steps_is_even_between() {
        for (rates, even) in [
            (&[(9, 9, 0)][..], None),
            (&[(9, 9, 30), (9, 9, 40)], None),
            (&[(1, 9, 30)], Some(31..101)),
            (&[(1, 9, 300)], Some(1..1)),
            (&[(1, 1, 30), (2, 2, 40), (3, 3, 30)], Some(31..71)),
            (&[(1, 1, 30), (1, 2, 30), (2, 2, 40)], Some(61..101)),
        ] {
            assert_eq!(seconds(&alone(rates)), even, "{rates:?}");
        }
    }

    #[test]
    fn phases_change_the_load_when_they_begin_and_end() {
        let phases = vec![
            ("idle", config(1, 1).lasting(Duration::from_secs(100)), Begins::At(Duration::ZERO)),
            ("busy", open(&[(9, 9, 0)], 60), Begins::At(Duration::from_secs(10))),
        ];
        let plan = crews_on_ample_host(phases);
        let mut fold = Fold::of(plan.roster());
        for (slot, ended) in [(0, 101), (1, 73)] {
            let interval = Interval::new(0, Phase::Measurement);
            let ended = Instant::from_nanos(START + ended * S);
            fold.take(Who::Worker(slot, 0), &interval, ended).unwrap();
        }
        let at = |seconds: u64| Some(START + seconds * S);
        let course = Course {
            clock: (START, at(1)),
            crews: vec![(at(0), at(1)), (at(11), at(12))],
            ..Course::default()
        };
        let summary = Summary { plan, fold, course };
        assert_eq!(seconds(&summary), Some(12..72));
    }
}
