//! What a goal asks of a load, by and by: a chain of targets, coarse and short ones first; and whether
//! what was measured at a load reaches them.

use super::grid::{Grid, Known};
use super::{Goal, Trial};
use std::collections::BTreeMap;

/// One step on the way to a goal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Target {
    /// More loss than this makes a trial bad.
    pub loss_ratio: f64,
    /// So much of the time may be bad.
    pub exceed_ratio: f64,
    /// How close the bounds have to come, in numbers of the grid.
    pub width: i64,
    /// How long a trial has to be to count in full, in seconds.
    pub trial_seconds: f64,
    /// How many seconds decide.
    pub sum_seconds: f64,
}

/// The targets of `goal`, the coarsest first, the last one being the goal itself.
pub(super) fn chain(goal: &Goal, grid: &Grid) -> Vec<Target> {
    let mut target = Target {
        loss_ratio: goal.loss_ratio,
        exceed_ratio: goal.exceed_ratio,
        width: grid.width(goal.relative_width),
        trial_seconds: goal.final_trial_seconds,
        sum_seconds: goal.sum_seconds,
    };
    let mut targets = vec![target];
    let ratio = goal.initial_trial_seconds / goal.sum_seconds;
    for step in 1..=goal.preceding {
        target.width *= 2;
        target.sum_seconds = if step == goal.preceding {
            goal.initial_trial_seconds
        } else {
            goal.sum_seconds * ratio.powf(1.0 / f64::from(goal.preceding)).powi(step as i32)
        };
        target.trial_seconds = goal.final_trial_seconds.min(target.sum_seconds);
        targets.push(target);
    }
    targets.reverse();
    targets
}

/// Seconds measured at one load, as one target sees them.
#[derive(Clone, Debug, Default, PartialEq)]
struct Tally {
    good_long: f64,
    bad_long: f64,
    good_short: f64,
    bad_short: f64,
    /// Loss ratio and seconds of each long trial.
    losses: Vec<(f64, f64)>,
}

/// What is known of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Lower,
    Upper,
    Undecided,
}

impl Tally {
    fn add(&mut self, trial: &Trial, target: &Target) {
        let long = trial.seconds >= target.trial_seconds;
        let bad = trial.bad.unwrap_or(trial.loss_ratio > target.loss_ratio);
        *match (long, bad) {
            (true, true) => &mut self.bad_long,
            (true, false) => &mut self.good_long,
            (false, true) => &mut self.bad_short,
            (false, false) => &mut self.good_short,
        } += trial.seconds;
        if long {
            self.losses.push((trial.loss_ratio, trial.seconds));
            self.losses.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
    }

    /// Whether what is left to be measured can still change the answer.
    fn class(&self, target: &Target) -> Class {
        let exceed = target.exceed_ratio;
        let balanced = self.good_short * exceed / (1.0 - exceed);
        let excess = self.bad_long + (self.bad_short - balanced).max(0.0);
        let seconds = (self.good_long + excess).max(target.sum_seconds);
        let optimistic = excess <= exceed * seconds;
        let pessimistic = seconds - self.good_long <= exceed * seconds;
        match (optimistic, pessimistic) {
            (true, true) => Class::Lower,
            (false, false) => Class::Upper,
            _ => Class::Undecided,
        }
    }

    /// The loss ratio of the worst time that still counts.
    fn loss_ratio(&self, target: &Target) -> f64 {
        let seconds = target.sum_seconds.max(self.good_long + self.bad_long);
        let mut remaining = seconds * (1.0 - target.exceed_ratio);
        let mut found = None;
        for &(ratio, seconds) in &self.losses {
            if found.is_some() && remaining <= 0.0 {
                return found.unwrap_or(ratio);
            }
            found = Some(ratio);
            remaining -= seconds;
        }
        if remaining > 0.0 { 1.0 } else { found.unwrap_or(1.0) }
    }
}

/// All trials so far, by load.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// Of all goals.
    pub targets: Vec<Target>,
    loads: BTreeMap<i64, Vec<Tally>>,
}

impl Record {
    pub fn new(targets: Vec<Target>) -> Self {
        Self { targets, loads: BTreeMap::new() }
    }

    pub fn add(&mut self, number: i64, trial: &Trial) {
        let empty = || vec![Tally::default(); self.targets.len()];
        let tallies = self.loads.entry(number).or_insert_with(empty);
        tallies.iter_mut().zip(&self.targets).for_each(|(tally, target)| tally.add(trial, target));
    }

    /// The lowest upper bound, and the highest lower bound below it.
    pub fn known(&self, target: usize) -> Known {
        let mut known = Known::default();
        for (&number, tallies) in &self.loads {
            match tallies[target].class(&self.targets[target]) {
                Class::Undecided => {}
                Class::Lower => known.low = Some(number),
                Class::Upper => {
                    known.high = Some(number);
                    break;
                }
            }
        }
        known
    }

    /// The loss ratio at a load that was tried.
    pub fn loss_ratio(&self, number: i64, target: usize) -> f64 {
        self.loads.get(&number).map_or(1.0, |of| of[target].loss_ratio(&self.targets[target]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(exceed_ratio: f64, sum_seconds: f64) -> Target {
        Target { loss_ratio: 0.0, exceed_ratio, width: 1, trial_seconds: 1.0, sum_seconds }
    }

    fn class(target: &Target, trials: &[(f64, bool)]) -> Class {
        let mut tally = Tally::default();
        for &(seconds, bad) in trials {
            tally.add(&Trial { seconds, loss_ratio: 0.0, bad: Some(bad) }, target);
        }
        tally.class(target)
    }

    #[test]
    fn a_load_is_decided_once_the_rest_cannot_change_it() {
        let half = target(0.5, 21.0);
        for (good, bad, expected) in [
            (10, 0, Class::Undecided),
            (11, 0, Class::Lower),
            (0, 10, Class::Undecided),
            (0, 11, Class::Upper),
            (11, 10, Class::Lower),
            (10, 11, Class::Upper),
        ] {
            let trials = [vec![(1.0, false); good], vec![(1.0, true); bad]].concat();
            assert_eq!(class(&half, &trials), expected, "{good} good, {bad} bad");
        }
        let none = target(0.0, 30.0);
        assert_eq!(class(&none, &[(29.0, false)]), Class::Undecided);
        assert_eq!(class(&none, &[(30.0, false)]), Class::Lower);
        assert_eq!(class(&none, &[(30.0, false), (1.0, true)]), Class::Upper);
    }

    #[test]
    fn short_good_time_only_takes_short_bad_time_away() {
        let half = target(0.5, 3.0);
        assert_eq!(class(&half, &[(0.5, false); 20]), Class::Undecided);
        assert_eq!(class(&half, &[(0.5, true); 4]), Class::Upper);
        let both = [[(0.5, true); 4], [(0.5, false); 4]].concat();
        assert_eq!(class(&half, &both), Class::Undecided);
    }

    #[test]
    fn a_bad_load_hides_good_ones_above_it() {
        let mut record = Record::new(vec![target(0.5, 1.0)]);
        for (number, bad) in [(1, false), (3, true), (5, false), (7, true)] {
            record.add(number, &Trial { seconds: 1.0, loss_ratio: 0.0, bad: Some(bad) });
        }
        assert_eq!(record.known(0), Known { low: Some(1), high: Some(3) });
    }
}
