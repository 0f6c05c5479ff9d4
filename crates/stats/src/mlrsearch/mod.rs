//! The search for the highest load that a server bears: Multiple Loss Ratio Search
//! (draft-ietf-bmwg-mlrsearch; the order of trials is that of the package MLRsearch 1.2.1 of the FD.io
//! project, so that its sequences can be repeated here).
//!
//! Where bisection believes each trial, one hiccup ruins it for good. Here a load is decided when so many
//! seconds were good or bad that the rest cannot change it, coarse and short trials come first, and a load
//! that was called bad is tried again where that would matter. The machine is pure: [`Search::step`] says
//! which load to try next and for how long, or the answer; [`Search::take`] takes what came of it. A trial
//! that the generator itself spoiled is neither good nor bad: it is repeated, at most [`REPEATS_MAX`]
//! times, and then the answer is that the generator is the limit.

mod grid;
mod pursuit;
mod target;

pub use grid::Grid;

use grid::{Known, apart};
use pursuit::{Candidate, Pursuit};
use target::{Record, Target, chain};

/// So often a trial that the generator spoiled is repeated.
pub const REPEATS_MAX: u32 = 3;

/// What is searched for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    /// More loss than this makes a trial bad, where nothing else does; 0 to below 1.
    pub loss_ratio: f64,
    /// So much of the time may be bad at a load that is borne; 0 to below 1.
    pub exceed_ratio: f64,
    /// How close the bounds come to each other, as a share of the upper one; between 0 and 1.
    pub relative_width: f64,
    /// How long the first trials are, in seconds.
    pub initial_trial_seconds: f64,
    /// How long the last trials are.
    pub final_trial_seconds: f64,
    /// How many seconds at one load decide.
    pub sum_seconds: f64,
    /// How many coarser targets come first.
    pub preceding: u32,
}

impl Goal {
    /// Whether each value is within its bounds, and none contradicts another.
    pub fn is_sound(&self) -> bool {
        let share = |x: f64| (0.0..1.0).contains(&x);
        let ordered = self.initial_trial_seconds <= self.final_trial_seconds
            && self.final_trial_seconds <= self.sum_seconds;
        let coarse = self.preceding > 0 || self.initial_trial_seconds >= self.sum_seconds;
        share(self.loss_ratio)
            && share(self.exceed_ratio)
            && share(self.relative_width)
            && self.relative_width > 0.0
            && self.initial_trial_seconds > 0.0
            && self.sum_seconds.is_finite()
            && ordered
            && coarse
    }
}

/// What a trial showed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// How long it was; as long as was asked for, or longer.
    pub seconds: f64,
    /// How much of what was planned failed, 0 to 1.
    pub loss_ratio: f64,
    /// Whether it was bad, where that is not for the loss ratio to say.
    pub bad: Option<bool>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Try this.
    Try {
        /// The load.
        load: f64,
        /// For how long at least.
        seconds: f64,
    },
    /// The answer, by goal.
    Found(Vec<Bounds>),
    /// No trial at this load can be trusted: the generator is the limit.
    GeneratorLimited {
        /// The load.
        load: f64,
    },
}

/// Between what the highest load lies that is borne.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    /// The highest load that is borne, below every one that is not; none where not even the lowest is.
    pub lower: Option<f64>,
    /// The lowest load that is not borne; none where the highest is.
    pub upper: Option<f64>,
    /// What gets through at the lower bound.
    pub throughput: Option<f64>,
}

/// Why there is no search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadSearch {
    /// There is no goal, or one that is not sound.
    Goal,
}

/// How far a search is.
#[derive(Clone, Debug)]
enum Stage {
    /// At the highest load.
    First,
    /// Where the first says that the limit is.
    Second,
    /// On the other side of it.
    Third {
        second: i64,
    },
    /// Each goal says what it wants.
    Main {
        pursuits: Vec<Pursuit>,
        width: i64,
        chosen: Option<Candidate>,
    },
    Limited {
        load: f64,
    },
}

/// A search.
#[derive(Clone, Debug)]
pub struct Search {
    grid: Grid,
    record: Record,
    /// By goal, its targets in the record.
    chains: Vec<Vec<usize>>,
    stage: Stage,
    /// The load to be tried and for how long, until there is an answer.
    asked: Option<(i64, f64)>,
    spoiled: u32,
}

impl Search {
    /// A search of `grid` for all `goals` at once.
    ///
    /// # Errors
    /// No goals, or one that is not sound.
    pub fn new(goals: &[Goal], grid: Grid) -> Result<Self, BadSearch> {
        if goals.is_empty() || !goals.iter().all(Goal::is_sound) {
            return Err(BadSearch::Goal);
        }
        let mut targets = Vec::new();
        let chains = goals.iter().map(|goal| {
            let from = targets.len();
            targets.extend(chain(goal, &grid));
            (from..targets.len()).collect()
        });
        let chains: Vec<Vec<usize>> = chains.collect();
        let mut search = Self {
            grid,
            record: Record::new(targets),
            chains,
            stage: Stage::First,
            asked: None,
            spoiled: 0,
        };
        search.ask(grid.last());
        Ok(search)
    }

    /// What to do next; the same until a trial is taken.
    pub fn step(&self) -> Step {
        match (&self.stage, self.asked) {
            (Stage::Limited { load }, _) => Step::GeneratorLimited { load: *load },
            (_, Some((number, seconds))) => Step::Try { load: self.grid.load(number), seconds },
            (_, None) => Step::Found(self.bounds()),
        }
    }

    /// Between what each goal's load lies by what is known so far.
    pub fn bounds(&self) -> Vec<Bounds> {
        let of = |chain: &Vec<usize>| {
            let target = chain[chain.len() - 1];
            let known = self.record.known(target);
            let load = |number: Option<i64>| number.map(|number| self.grid.load(number));
            let through =
                |number| self.grid.load(number) * (1.0 - self.record.loss_ratio(number, target));
            let throughput = known.low.map(through);
            Bounds { lower: load(known.low), upper: load(known.high), throughput }
        };
        self.chains.iter().map(of).collect()
    }

    /// Takes what came of the trial that was asked for.
    ///
    /// # Panics
    /// If none was.
    pub fn take(&mut self, trial: Trial) {
        let (number, _) = self.asked.take().expect("a trial was asked for");
        self.spoiled = 0;
        self.record.add(number, &trial);
        match &mut self.stage {
            Stage::First => self.second(number, &trial),
            Stage::Second => self.third(number, &trial),
            &mut Stage::Third { second } => self.main(second, number),
            Stage::Main { pursuits, width, chosen } => {
                let candidate = chosen.take().expect("what was tried was chosen");
                *width = candidate.width();
                let missed = pursuits[candidate.goal()].tried(&candidate, &self.record);
                *width = missed.unwrap_or(*width);
                self.choose();
            }
            Stage::Limited { .. } => unreachable!("nothing is asked for at the limit"),
        }
    }

    /// Takes note that the generator spoiled the trial that was asked for: it is asked for again, or
    /// nothing is any more.
    ///
    /// # Panics
    /// If none was.
    pub fn spoiled(&mut self) {
        let (number, _) = self.asked.expect("a trial was asked for");
        self.spoiled += 1;
        if self.spoiled > REPEATS_MAX {
            self.asked = None;
            self.stage = Stage::Limited { load: self.grid.load(number) };
        }
    }

    /// The targets that come first.
    fn coarsest(&self) -> impl Iterator<Item = &Target> {
        self.chains.iter().map(|chain| &self.record.targets[chain[0]])
    }

    /// How much loss the first trials are to show, as little as a goal asks for.
    fn loss_ratio(&self) -> f64 {
        self.coarsest().map(|target| target.loss_ratio).fold(1.0, f64::min)
    }

    fn first_width(&self) -> i64 {
        self.coarsest().map(|target| target.width).max().expect("there is a goal")
    }

    fn ask(&mut self, number: i64) {
        let seconds = self.coarsest().map(|target| target.trial_seconds).fold(0.0, f64::max);
        self.asked = Some((number, seconds));
    }

    /// The load at which as much as got through would be all.
    fn forwarded(&self, number: i64, trial: &Trial) -> i64 {
        let through = self.grid.load(number) * (1.0 - trial.loss_ratio);
        self.grid.number(through * (1.0 / (1.0 - self.loss_ratio())))
    }

    fn second(&mut self, number: i64, trial: &Trial) {
        let last = self.grid.last();
        let forwarded = self.forwarded(number, trial);
        let known = Known { low: None, high: Some(last) };
        match apart(last, forwarded, self.first_width(), known).filter(|_| forwarded < last) {
            Some(next) => {
                self.stage = Stage::Second;
                self.ask(next);
            }
            None => self.main(number, number),
        }
    }

    fn third(&mut self, number: i64, trial: &Trial) {
        let (last, width) = (self.grid.last(), self.first_width());
        let bad = trial.bad.unwrap_or(trial.loss_ratio > self.loss_ratio());
        let (wanted, known) = if bad {
            (self.forwarded(number, trial), Known { low: None, high: Some(number) })
        } else {
            (number + width, Known { low: Some(number), high: Some(last) })
        };
        match apart(last, wanted, width, known) {
            Some(next) => {
                self.stage = Stage::Third { second: number };
                self.ask(next);
            }
            None => self.main(number, number),
        }
    }

    /// From the two loads of the first trials on.
    fn main(&mut self, one: i64, other: i64) {
        let initial = Known { low: Some(one.min(other)), high: Some(one.max(other)) };
        let pursue = |(goal, chain): (usize, &Vec<usize>)| {
            Pursuit::new(goal, chain.clone(), initial, &self.record, self.grid.last())
        };
        let pursuits = self.chains.iter().enumerate().map(pursue).collect();
        self.stage = Stage::Main { pursuits, width: (one - other).abs(), chosen: None };
        self.choose();
    }

    fn choose(&mut self) {
        let Stage::Main { pursuits, width, chosen } = &mut self.stage else { return };
        let wanted = pursuits.iter_mut().filter_map(|of| of.nominate(&self.record, *width));
        *chosen = wanted.fold(None, |first, candidate| Some(candidate.or(first)));
        self.asked = chosen.map(|candidate| (candidate.number, candidate.seconds));
    }
}
