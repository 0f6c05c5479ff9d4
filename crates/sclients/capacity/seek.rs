//! The search as a story over trials that somebody else makes: up, between, and once more for long.

use super::trials::CONFIRMS_LONGER;
use super::{JobError, Objective};
use crate::config::{Over, Search};
use crate::profile::Arrivals;
use crate::supervisor::SupervisorError;
use dispatch::Signal;
use stats::mlrsearch::{self, Bounds, Goal, Grid, REPEATS_MAX, Step};
use std::io;
use std::time::Duration;

/// How much of the time at a borne load may be bad.
const EXCEED: f64 = 0.5;
/// Coarser targets before the one that is asked for.
const PRECEDING: u32 = 2;
/// Without a range: from where loads go up, and by how much each time.
const FIRST: [f64; 2] = [100.0, 1.0];
const UP: [f64; 2] = [2.0, 4.0];
/// How far down a search goes below a load that fails, where that is not given.
const DOWN: f64 = 100.0;
/// No process makes so many requests per second, nor holds so many connections.
const MOST: [f64; 2] = [1e8, 1e6];
/// So many loads below what was found may fail to be confirmed.
const STEPS_DOWN: u32 = 10;

/// What a trial is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To find a load that fails.
    Ramp,
    /// To come closer.
    Search,
    /// To confirm what was found.
    Confirm,
    /// To see how throughput scales.
    Scale,
}

impl Purpose {
    /// The name in reports; stable.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ramp => "ramp",
            Self::Search => "search",
            Self::Confirm => "confirm",
            Self::Scale => "scale",
        }
    }
}

/// What a trial says of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It bears the load.
    Good,
    /// It does not.
    Bad,
    /// Nothing: the generator, or its host, was the limit.
    Spoiled,
    /// Nothing: there were too few requests in all the time for it.
    Undecided,
}

impl State {
    /// The name in reports; stable.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Spoiled => "spoiled",
            Self::Undecided => "undecided",
        }
    }
}

/// A trial that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Tried {
    /// Requests per second, or connections per worker.
    pub load: f64,
    /// How long was measured.
    pub seconds: f64,
    /// What it was for.
    pub purpose: Purpose,
    /// What it says.
    pub state: State,
    /// Why it is not good.
    pub why: Vec<String>,
    /// How much of the load did not come through, 0 to 1.
    pub loss_ratio: f64,
    /// Answers as expected per second.
    pub answers_per_s: f64,
    /// From due, in microseconds: p50 and p99.
    pub latency_us: [Option<f64>; 2],
    /// The share of requests that were not answered as expected.
    pub failed_share: Option<f64>,
    /// Nothing can be tried there: this host has no room for it.
    pub refused: bool,
}

/// Why a search ends without an answer.
#[derive(Debug)]
pub enum Halt {
    /// A signal ended a trial.
    Signal(Signal),
    /// A trial was stopped, to spare the target.
    Stopped(String),
    /// A trial could not begin.
    Supervisor(SupervisorError),
}

impl Halt {
    /// What was found cannot be kept.
    pub fn kept(error: io::Error) -> Self {
        Self::Supervisor(SupervisorError::System { what: "--out", error })
    }
}

/// What a search says.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The highest load that was confirmed.
    Found {
        /// It.
        load: f64,
        /// For how long it was borne.
        seconds: f64,
        /// The lowest load that is not borne; none where all that may be tried are.
        upper: Option<f64>,
        /// Between what the search had brought it.
        bounds: Bounds,
    },
    /// Not even the lowest load is borne.
    Fails {
        /// It.
        load: f64,
        /// Why, by the last trial.
        why: Vec<String>,
    },
    /// No trial can be trusted there, so nothing is known of the target's limit.
    GeneratorLimited {
        /// The load.
        load: f64,
        /// Why, by the last trial.
        why: Vec<String>,
    },
    /// The objective cannot be told from what was measured there in the time for it.
    Undecided {
        /// The load.
        load: f64,
        /// Why.
        why: Vec<String>,
    },
    /// Nothing that was found is borne for long.
    Unconfirmed {
        /// The lowest load that was tried for long.
        load: f64,
        /// Why, by the last trial.
        why: Vec<String>,
    },
    /// It was ended before: to spare the target, or because that was gone.
    Stopped {
        /// Why.
        why: String,
    },
}

/// Between what the highest load lies that is borne, by trials so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bracket {
    /// The highest load that was borne, below every one that was not.
    pub lower: Option<f64>,
    /// The lowest load that was not borne.
    pub upper: Option<f64>,
}

/// What `tried` show: a load is borne where at most [`EXCEED`] of its time was bad.
pub fn bracket(tried: &[Tried]) -> Bracket {
    let mut loads: Vec<(f64, f64, f64)> = Vec::new();
    for trial in tried.iter().filter(|trial| trial.purpose != Purpose::Scale) {
        let (good, bad) = match trial.state {
            State::Good => (trial.seconds, 0.0),
            State::Bad => (0.0, trial.seconds),
            State::Spoiled | State::Undecided => continue,
        };
        match loads.iter_mut().find(|(load, ..)| *load == trial.load) {
            Some(of) => (of.1, of.2) = (of.1 + good, of.2 + bad),
            None => loads.push((trial.load, good, bad)),
        }
    }
    loads.sort_by(|one, next| one.0.total_cmp(&next.0));
    let is_borne = |&&(_, good, bad): &&(f64, f64, f64)| bad <= EXCEED * (good + bad);
    let borne = loads.iter().take_while(is_borne).last();
    let upper = loads.iter().find(|of| !is_borne(of));
    Bracket { lower: borne.map(|of| of.0), upper: upper.map(|of| of.0) }
}

/// How to make a trial.
pub type Try<'a> = &'a mut dyn FnMut(f64, f64, Purpose) -> Result<Tried, Halt>;

/// A search that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Seek {
    /// What is raised.
    pub over: Over,
    /// From where to where, if that is given.
    pub range: Option<(f64, f64)>,
    /// How close bounds come.
    pub width: f64,
    /// The length of a trial, in seconds.
    pub trial: f64,
    /// The time at one load that decides.
    pub sum: f64,
    /// The length of the run that confirms.
    pub confirm: f64,
    /// So many requests has a trial at least.
    pub samples: f64,
    /// And so many the run that confirms.
    pub confirming: f64,
}

/// Where a ramp ended.
enum Ramped {
    /// At a load that failed twice.
    Failed(f64),
    /// At an answer.
    Answered(Answer),
}

impl Seek {
    /// The search `of` trials of this length.
    pub fn of(of: &Search, trial: Duration, objective: &Objective) -> Self {
        Self {
            over: of.over,
            range: of.range.map(|(from, to)| (from as f64, to as f64)),
            width: of.width,
            trial: trial.as_secs_f64(),
            sum: of.sum.as_secs_f64(),
            confirm: of.confirm.as_secs_f64(),
            samples: requests(of, objective.samples),
            confirming: requests(of, objective.confirming),
        }
    }

    /// That a trial at the lowest load that is known has the requests it needs.
    ///
    /// # Errors
    /// It would take longer than what decides a load.
    pub fn decidable(&self) -> Result<(), JobError> {
        let load = self.range.map_or(FIRST[0], |(from, _)| from);
        let (samples, sum) = (self.samples, self.sum);
        let seconds = samples / load;
        if seconds > sum {
            return Err(JobError::Undecidable { samples, load, seconds, sum });
        }
        let (samples, longest) = (self.confirming, self.confirm * CONFIRMS_LONGER);
        let seconds = samples / load;
        if seconds > longest {
            return Err(JobError::Unconfirmable { samples, load, seconds, longest });
        }
        Ok(())
    }

    /// Conducts the search.
    ///
    /// # Errors
    /// It was ended.
    pub fn conduct(&self, trial: Try<'_>) -> Result<Answer, Halt> {
        let (lowest, highest) = match self.range {
            Some(range) => range,
            None => match self.ramped(trial)? {
                Ramped::Failed(load) => (self.lowest(load), load),
                Ramped::Answered(answer) => return Ok(answer),
            },
        };
        let grid = match self.over {
            Over::Rate => Grid::ratios(lowest, highest, &[self.width]),
            Over::Conns => Grid::whole(lowest as u32, highest as u32),
        };
        // One load is no range: it failed.
        let Some(grid) = grid else {
            return Ok(Answer::Fails { load: lowest, why: vec![] });
        };
        self.searched(grid, trial)
    }

    /// From where to search below `load`, which failed: not where no trial can tell.
    fn lowest(&self, load: f64) -> f64 {
        (load / DOWN).max(1.0).max((self.samples / self.sum).ceil()).min(load)
    }

    /// How long a trial at `load` is: where its quantiles need more requests, longer.
    fn seconds(&self, load: f64, wanted: f64) -> f64 {
        wanted.max(self.samples / load)
    }

    fn goal(&self) -> Goal {
        Goal {
            loss_ratio: 0.0,
            exceed_ratio: EXCEED,
            relative_width: self.width,
            initial_trial_seconds: self.trial,
            final_trial_seconds: self.trial,
            sum_seconds: self.sum,
            preceding: PRECEDING,
        }
    }

    /// Goes up until a load fails twice.
    fn ramped(&self, trial: Try<'_>) -> Result<Ramped, Halt> {
        let of = usize::from(self.over == Over::Conns);
        let mut load = FIRST[of];
        loop {
            let seconds = self.seconds(load, self.trial);
            let mut tried = repeated(load, seconds, Purpose::Ramp, trial)?;
            if tried.state == State::Bad {
                tried = repeated(load, seconds, Purpose::Ramp, trial)?;
            }
            match tried.state {
                State::Bad => return Ok(Ramped::Failed(load)),
                State::Spoiled => {
                    let why = tried.why;
                    return Ok(Ramped::Answered(Answer::GeneratorLimited { load, why }));
                }
                State::Undecided => {
                    let why = tried.why;
                    return Ok(Ramped::Answered(Answer::Undecided { load, why }));
                }
                State::Good => {}
            }
            if load >= MOST[of] {
                return Ok(Ramped::Answered(self.confirmed(
                    load,
                    Bounds::default(),
                    load,
                    trial,
                )?));
            }
            load = (load * UP[of]).min(MOST[of]);
        }
    }

    fn searched(&self, grid: Grid, trial: Try<'_>) -> Result<Answer, Halt> {
        let mut search = mlrsearch::Search::new(&[self.goal()], grid)
            .expect("what the goal is made of was checked with the options");
        let (mut why, mut spoiled) = (Vec::new(), Vec::new());
        loop {
            match search.step() {
                Step::Try { load, seconds } => {
                    let tried = trial(load, self.seconds(load, seconds), Purpose::Search)?;
                    match tried.state {
                        State::Good | State::Undecided => {}
                        State::Bad => why.clone_from(&tried.why),
                        State::Spoiled => spoiled.clone_from(&tried.why),
                    }
                    match tried.state {
                        State::Undecided => return Ok(Answer::Undecided { load, why: tried.why }),
                        State::Spoiled if tried.refused => {
                            return Ok(Answer::GeneratorLimited { load, why: spoiled });
                        }
                        State::Spoiled => search.spoiled(),
                        state => search.take(mlrsearch::Trial {
                            seconds: tried.seconds,
                            loss_ratio: tried.loss_ratio,
                            bad: Some(state == State::Bad),
                        }),
                    }
                }
                Step::Found(bounds) => {
                    let bounds = bounds[0];
                    return match bounds.lower {
                        Some(load) => self.confirmed(load, bounds, grid.load(0), trial),
                        None => Ok(Answer::Fails { load: grid.load(0), why }),
                    };
                }
                Step::GeneratorLimited { load } => {
                    return Ok(Answer::GeneratorLimited { load, why: spoiled });
                }
            }
        }
    }

    /// Holds what was found for long, or a step less, or another one less.
    fn confirmed(
        &self,
        found: f64,
        bounds: Bounds,
        lowest: f64,
        trial: Try<'_>,
    ) -> Result<Answer, Halt> {
        let (mut load, mut upper) = (found, bounds.upper);
        let mut why = Vec::new();
        for _ in 0..=STEPS_DOWN {
            let seconds = self.confirm.max(self.confirming / load);
            let tried = repeated(load, seconds, Purpose::Confirm, trial)?;
            match tried.state {
                State::Good => {
                    let seconds = tried.seconds;
                    return Ok(Answer::Found { load, seconds, upper, bounds });
                }
                State::Spoiled => return Ok(Answer::GeneratorLimited { load, why: tried.why }),
                State::Undecided => return Ok(Answer::Undecided { load, why: tried.why }),
                State::Bad => (upper, why) = (Some(load), tried.why),
            }
            let less = match self.over {
                Over::Rate => load * (1.0 - self.width),
                Over::Conns => load - 1.0,
            };
            if less < lowest {
                break;
            }
            load = less;
        }
        Ok(Answer::Unconfirmed { load, why })
    }
}

/// So many requests, and as many more as draws may be short of them; no number of connections says how many
/// requests there are.
fn requests(of: &Search, wanted: f64) -> f64 {
    match (of.over, of.config.load.schedule()) {
        (Over::Conns, _) => 0.0,
        (Over::Rate, Some((_, Arrivals::Poisson))) => wanted + 3.0 * wanted.sqrt(),
        (Over::Rate, _) => wanted,
    }
}

/// A trial, and once more where the generator spoiled it, up to [`REPEATS_MAX`] times.
pub fn repeated(load: f64, seconds: f64, purpose: Purpose, trial: Try<'_>) -> Result<Tried, Halt> {
    let mut tried = trial(load, seconds, purpose)?;
    for _ in 0..REPEATS_MAX {
        if tried.state != State::Spoiled || tried.refused {
            break;
        }
        tried = trial(load, seconds, purpose)?;
    }
    Ok(tried)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seek(over: Over, range: Option<(f64, f64)>) -> Seek {
        Seek {
            over,
            range,
            width: 0.01,
            trial: 1.0,
            sum: 21.0,
            confirm: 60.0,
            samples: 0.0,
            confirming: 0.0,
        }
    }

    fn tried(load: f64, seconds: f64, purpose: Purpose, state: State, loss_ratio: f64) -> Tried {
        Tried {
            load,
            seconds,
            purpose,
            state,
            why: if state == State::Good { vec![] } else { vec!["why".into()] },
            loss_ratio,
            answers_per_s: load * (1.0 - loss_ratio),
            latency_us: [None; 2],
            failed_share: Some(loss_ratio),
            refused: false,
        }
    }

    /// What a server that bears `capacity` says under a generator that makes `most`.
    fn server(capacity: f64, most: f64) -> impl FnMut(f64, f64, Purpose) -> Result<Tried, Halt> {
        move |load, seconds, purpose| {
            let state = match () {
                () if load > most => State::Spoiled,
                () if load > capacity => State::Bad,
                () => State::Good,
            };
            Ok(tried(load, seconds, purpose, state, 1.0 - capacity.min(load) / load))
        }
    }

    fn found(answer: Answer) -> (f64, Option<f64>) {
        match answer {
            Answer::Found { load, upper, .. } => (load, upper),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_capacity_is_found_with_and_without_a_range_and_was_confirmed() {
        for capacity in [3.0, 99.0, 200.0, 1_000.0, 123_456.0] {
            let mut all = Vec::new();
            let mut server = server(capacity, f64::INFINITY);
            let answer = seek(Over::Rate, None).conduct(&mut |load, seconds, purpose| {
                let tried = server(load, seconds, purpose)?;
                all.push(tried.clone());
                Ok(tried)
            });
            let (load, upper) = found(answer.unwrap());
            assert!(load <= capacity && load > capacity * 0.98, "{capacity}: {load}");
            assert!(upper.unwrap() > capacity);
            let last = all.last().unwrap();
            assert_eq!((last.purpose, last.state), (Purpose::Confirm, State::Good));
            assert_eq!((last.load, last.seconds), (load, 60.0));
        }
        let range = Some((10.0, 5_000.0));
        let answer = seek(Over::Rate, range).conduct(&mut server(200.0, f64::INFINITY)).unwrap();
        let (load, _) = found(answer);
        assert!((196.0..=200.0).contains(&load), "{load}");
    }

    #[test]
    fn connections_are_exact() {
        for capacity in [1.0, 7.0, 64.0, 999.0] {
            let answer = seek(Over::Conns, None).conduct(&mut server(capacity, f64::INFINITY));
            assert_eq!(found(answer.unwrap()), (capacity, Some(capacity + 1.0)));
        }
    }

    #[test]
    fn a_generator_that_cannot_is_the_limit_in_ten_of_ten() {
        for over in [Over::Rate, Over::Conns] {
            for most in [150.0, 300.0, 999.0, 1_234.0, 5_000.0] {
                let mut all = Vec::new();
                let mut server = server(1e7, most);
                let answer = seek(over, None).conduct(&mut |load, seconds, purpose| {
                    let tried = server(load, seconds, purpose)?;
                    all.push(tried.clone());
                    Ok(tried)
                });
                let Answer::GeneratorLimited { load, .. } = answer.unwrap() else {
                    panic!("{:?}", all.last())
                };
                assert!(load > most && bracket(&all).lower.unwrap() <= most);
            }
        }
        let answer = seek(Over::Rate, Some((10.0, 5_000.0))).conduct(&mut server(1e7, 700.0));
        assert!(matches!(answer.unwrap(), Answer::GeneratorLimited { .. }));
    }

    #[test]
    fn what_fails_at_the_lowest_load_is_told() {
        for (over, range) in [
            (Over::Rate, None),
            (Over::Rate, Some((10.0, 100.0))),
            (Over::Conns, None),
            (Over::Conns, Some((5.0, 50.0))),
        ] {
            let answer = seek(over, range).conduct(&mut server(0.5, f64::INFINITY)).unwrap();
            let lowest = range.map_or(1.0, |(from, _)| from);
            assert!(matches!(answer, Answer::Fails { load, .. } if load == lowest), "{answer:?}");
        }
    }

    #[test]
    fn a_load_that_does_not_last_is_stepped_down_from() {
        let confirmed_up_to = |most: f64| {
            let mut server = server(1_000.0, f64::INFINITY);
            let range = Some((10.0, 5_000.0));
            seek(Over::Rate, range).conduct(&mut |load, seconds, purpose| {
                let mut tried = server(load, seconds, purpose)?;
                if purpose == Purpose::Confirm && load > most {
                    tried.state = State::Bad;
                }
                Ok(tried)
            })
        };
        let (load, upper) = found(confirmed_up_to(975.0).unwrap());
        assert!(load <= 975.0 && load > 960.0, "{load}");
        assert!((upper.unwrap() * 0.99 - load).abs() < 1e-6, "{upper:?}");
        assert!(matches!(confirmed_up_to(0.0).unwrap(), Answer::Unconfirmed { .. }));
    }

    #[test]
    fn a_whole_range_that_is_borne_has_no_upper_bound() {
        let range = Some((10.0, 100.0));
        let answer = seek(Over::Rate, range).conduct(&mut server(1e6, f64::INFINITY)).unwrap();
        assert_eq!(found(answer), (100.0, None));
    }

    #[test]
    fn a_hiccup_on_the_way_up_is_not_believed() {
        let mut turn = 0;
        let mut server = server(1_000.0, f64::INFINITY);
        let answer = seek(Over::Rate, None).conduct(&mut |load, seconds, purpose| {
            turn += 1;
            let mut tried = server(load, seconds, purpose)?;
            if turn == 2 || turn == 30 {
                tried.state = State::Bad;
            }
            Ok(tried)
        });
        let (load, _) = found(answer.unwrap());
        assert!((980.0..=1_000.0).contains(&load), "{load}");
    }

    #[test]
    fn what_trials_showed_is_a_bracket_whatever_one_of_them_said() {
        let all = |states: &[(f64, State)]| {
            let all: Vec<Tried> = states
                .iter()
                .map(|&(load, state)| tried(load, 1.0, Purpose::Search, state, 0.0))
                .collect();
            let Bracket { lower, upper } = bracket(&all);
            (lower, upper)
        };
        use State::{Bad, Good, Spoiled};
        assert_eq!(all(&[]), (None, None));
        assert_eq!(all(&[(1.0, Good), (4.0, Spoiled)]), (Some(1.0), None));
        assert_eq!(all(&[(4.0, Bad), (2.0, Good), (3.0, Bad)]), (Some(2.0), Some(3.0)));
        assert_eq!(all(&[(4.0, Bad), (2.0, Bad), (3.0, Good)]), (None, Some(2.0)));
        let hiccup = [(2.0, Bad), (2.0, Good), (2.0, Good), (3.0, Good), (4.0, Bad)];
        assert_eq!(all(&hiccup), (Some(3.0), Some(4.0)));
    }

    #[test]
    fn what_cannot_be_told_ends_a_search_and_is_no_failure_of_the_target() {
        for range in [None, Some((10.0, 100.0))] {
            let answer = seek(Over::Conns, range).conduct(&mut |load, seconds, purpose| {
                Ok(tried(load, seconds, purpose, State::Undecided, 0.0))
            });
            assert!(matches!(answer.unwrap(), Answer::Undecided { .. }));
        }
    }

    #[test]
    fn a_search_does_not_go_down_to_where_no_trial_can_tell() {
        let mut seek = seek(Over::Rate, None);
        seek.samples = 368.0;
        let mut longest: f64 = 0.0;
        let answer = seek.conduct(&mut |load, seconds, purpose| {
            longest = longest.max(seconds);
            Ok(tried(load, seconds, purpose, State::Bad, 1.0))
        });
        assert!(matches!(answer.unwrap(), Answer::Fails { load, .. } if load == 18.0));
        assert!(longest <= 21.0, "{longest}");
    }

    #[test]
    fn trials_are_as_long_as_their_quantiles_need() {
        let mut seek = seek(Over::Rate, Some((10.0, 1_000.0)));
        seek.samples = 299.0;
        let mut server = server(200.0, f64::INFINITY);
        let answer = seek.conduct(&mut |load, seconds, purpose| {
            assert!(seconds * load >= 298.9, "{load} for {seconds} s");
            server(load, seconds, purpose)
        });
        found(answer.unwrap());
    }
}
