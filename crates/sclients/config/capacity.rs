//! `CapacityOptions` → [`Capacity`]: what is searched and how, and the run that each trial is made of.

use super::cli::{CapacityOptions, Model, RunOptions};
use super::error::ConfigError;
use super::{Config, check};
use crate::curve::Series;
use crate::limits::Slo;
use crate::profile::Profile;
use clap::ValueEnum;
use std::time::Duration;

/// The lowest loads that are tried where no range is given.
const LOWEST_RATE: u64 = 100;
const LOWEST_CONNS: u64 = 1;
/// The longest drain of a trial where it is not given: what is not answered by then has failed it anyway.
const DRAIN: Duration = Duration::from_secs(1);
/// And the longest wait for all connections.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// The fewest steps that the law is fitted to.
const STEPS_MIN: u32 = stats::usl::LOADS_MIN as u32;
/// The most connections of a worker.
const CONNS_MAX: u64 = super::cli::CONNS_MAX;

/// What a search raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Over {
    /// Requests per second of an open loop.
    Rate,
    /// Connections of each worker, of a closed loop or a hold.
    Conns,
}

impl Over {
    /// The name on the command line and in reports; stable.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Conns => "conns",
        }
    }
}

/// What is asked of a target's capacity.
#[derive(Clone, Debug, PartialEq)]
pub struct Capacity {
    /// The highest load within an objective.
    pub search: Option<Search>,
    /// How it scales: a closed loop at these connections per worker.
    pub scale: Option<(Series, Config)>,
    /// Runs of each step.
    pub repeats: u32,
    /// The length of a trial.
    pub trial: Duration,
    /// The longest wait between trials.
    pub cooldown: Duration,
    /// How many targets for so many requests per second.
    pub for_load: Option<u64>,
}

/// A search for the highest load.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// What has to hold.
    pub slo: Slo,
    /// What is raised.
    pub over: Over,
    /// From where to where, if that is given.
    pub range: Option<(u64, u64)>,
    /// How close bounds come, as a share.
    pub width: f64,
    /// The time at one load that decides.
    pub sum: Duration,
    /// The length of the run that confirms.
    pub confirm: Duration,
    /// What of the capacity is safe, as a share.
    pub safe: f64,
    /// A trial at the highest load of the range, or the first that is tried.
    pub config: Config,
}

/// What `options` ask for.
///
/// # Errors
/// Options that contradict each other.
pub fn checked(options: CapacityOptions) -> Result<Capacity, ConfigError> {
    check_run(&options.run)?;
    if options.slo.is_empty() && options.scale.is_none() {
        return Err(ConfigError::Words(
            "capacity needs an objective; add --slo 'p99 < 50ms, failed < 0.1%', or --scale N1..N2/STEPS".into(),
        ));
    }
    if options.for_load.is_some() && options.over == Over::Conns && options.scale.is_none() {
        return Err(ConfigError::Words(
            "--for-load is requests per second, which --over conns does not find; search --over rate, or add --scale".into(),
        ));
    }
    if options.trial > options.trial_sum {
        return Err(ConfigError::Words(
            "--trial is longer than --trial-sum; let that be as long at least".into(),
        ));
    }
    let slo = Slo(options.slo.iter().flat_map(|slo| slo.0.clone()).collect());
    let search = if slo.0.is_empty() { None } else { Some(search(slo, &options)?) };
    let scale = match options.scale {
        Some(series) => Some((series, scaled(series, &options)?)),
        None => None,
    };
    let CapacityOptions { repeats, trial, cooldown, for_load, .. } = options;
    Ok(Capacity { search, scale, repeats, trial, cooldown, for_load })
}

/// What a search decides is not for its runs to say.
fn check_run(run: &RunOptions) -> Result<(), ConfigError> {
    let given = [
        ("--rate", run.load.rate.is_some()),
        ("--attempt-rate", run.load.attempt_rate.is_some()),
        ("--curve", run.load.curve.is_some()),
        ("--duration", run.load.duration.is_some()),
        ("--requests", run.load.requests.is_some()),
        ("--limit", !run.output.limit.is_empty()),
        ("--hlog", run.output.hlog.is_some()),
        ("--junit", run.output.junit.is_some()),
        ("--resume", run.output.resume.is_some()),
    ];
    let conflict = |option| Err(ConfigError::Conflict { option, with: "capacity" });
    check::first(&given).map_or(Ok(()), conflict)
}

fn search(slo: Slo, options: &CapacityOptions) -> Result<Search, ConfigError> {
    let mut run = trial_of(options);
    let over = options.over;
    let top = |lowest| options.range.map_or(lowest, |(_, to)| to);
    match over {
        Over::Rate => {
            if run.load.load.is_some_and(|model| model != Model::Open) {
                let (option, with) = ("--load", "--over rate");
                return Err(ConfigError::Instead { option, with, instead: "--over conns" });
            }
            run.load.rate = Some(Profile::even(top(LOWEST_RATE)));
        }
        Over::Conns => {
            if run.load.load.is_some_and(|model| !matches!(model, Model::Closed | Model::Hold)) {
                let (option, with) = ("--load", "--over conns");
                return Err(ConfigError::Instead { option, with, instead: "--over rate" });
            }
            if run.load.conns.is_some() {
                let (option, with) = ("--conns", "--over conns");
                return Err(ConfigError::Instead { option, with, instead: "--range FROM..TO" });
            }
            run.load.conns = Some(conns(top(LOWEST_CONNS))?);
        }
    }
    let CapacityOptions { range, width, trial_sum: sum, confirm, safe, .. } = *options;
    Ok(Search { slo, over, range, width, sum, confirm, safe, config: check::run(run)? })
}

fn scaled(series: Series, options: &CapacityOptions) -> Result<Config, ConfigError> {
    let apart = series.from.abs_diff(series.to);
    if series.steps < STEPS_MIN || apart + 1 < u64::from(series.steps) {
        return Err(ConfigError::Words(format!(
            "--scale has {} steps over {apart} connections; the law is fitted to {STEPS_MIN} different numbers at least",
            series.steps
        )));
    }
    let mut run = trial_of(options);
    run.load.load = Some(Model::Closed);
    run.load.conns = Some(conns(series.from.max(series.to))?);
    check::run(run)
}

/// A run as long as a trial.
fn trial_of(options: &CapacityOptions) -> RunOptions {
    let mut run = options.run.clone();
    run.load.duration = Some(options.trial);
    run.connect.open_timeout = run.connect.open_timeout.or(Some(OPEN_TIMEOUT));
    run.load.drain = run.load.drain.or(Some(DRAIN.min(run.request.timeout)));
    run
}

fn conns(number: u64) -> Result<u32, ConfigError> {
    let fits = u32::try_from(number).ok().filter(|_| number <= CONNS_MAX);
    let over = || format!("{number} connections are over {CONNS_MAX} per worker; use more --procs");
    fits.ok_or_else(|| ConfigError::Words(over()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Invocation, Load, invocation};

    fn asked(words: &[&str]) -> Result<Capacity, String> {
        let words = ["sclients", "capacity"].iter().chain(words).map(Into::into);
        match invocation(words) {
            Ok(Invocation::Capacity(capacity)) => Ok(*capacity),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    const SLO: [&str; 2] = ["--slo", "p99 < 50ms, failed < 0.1%"];

    #[test]
    fn a_search_is_an_open_loop_or_connections() {
        let capacity = asked(&[SLO[0], SLO[1], "--range", "10..5k", "http://[::1]/"]).unwrap();
        let search = capacity.search.unwrap();
        assert_eq!((search.over, search.range), (Over::Rate, Some((10, 5_000))));
        assert!(matches!(search.config.load, Load::Open { .. }));
        assert_eq!(search.config.duration, Some(Duration::from_secs(1)));
        assert_eq!(search.config.drain, DRAIN);
        assert_eq!(search.slo.to_string(), SLO[1]);
        let twice = asked(&["--slo", "p99 < 50ms", "--slo", "failed < 0.1%"]).unwrap();
        assert_eq!(twice.search.unwrap().slo.to_string(), SLO[1]);
        let conns = asked(&[SLO[0], SLO[1], "--over", "conns", "--range", "1..300"]).unwrap();
        let search = conns.search.unwrap();
        assert_eq!((search.config.load, search.config.conns), (Load::Closed, 300));
        let scale = asked(&["--scale", "1..32/8"]).unwrap();
        assert!(scale.search.is_none());
        assert_eq!(scale.scale.unwrap().1.conns, 32);
    }

    #[test]
    fn what_cannot_be_meant_is_one_line() {
        for (words, mistake) in [
            (vec![], "capacity needs an objective; add --slo"),
            (vec!["--slo", "p99"], "--slo"),
            (vec!["--rate", "1k"], "--rate cannot be used with capacity"),
            (vec!["--limit", "p99 < 1s"], "--limit cannot be used with capacity"),
            (vec!["--range", "5..5"], "--range `5..5` does not go up"),
            (vec!["--range", "9..5"], "--range `9..5` does not go up"),
            (vec!["--range", "10"], "--range `10` is not a range"),
            (vec!["--width", "0%"], "--width `0%` is not a margin"),
            (vec!["--trial", "30s"], "--trial is longer than --trial-sum"),
            (vec!["--load", "hold"], "--load cannot be used with --over rate"),
            (vec!["--over", "conns", "--load", "open"], "--load cannot be used with --over conns"),
            (vec!["--over", "conns", "--conns", "3"], "--conns cannot be used with --over conns"),
            (vec!["--scale", "1..5/5"], "--scale has 5 steps over 4 connections"),
            (vec!["--scale", "1..5/8"], "--scale has 8 steps over 4 connections"),
            (vec!["--for-load", "x"], "--for-load `x` is not a number"),
            (vec!["--for-load", "1k", "--over", "conns"], "--over conns does not find; search"),
        ] {
            let slo = if words.is_empty() || words[0] == "--slo" { vec![] } else { SLO.to_vec() };
            let error = asked(&[slo, words.clone()].concat()).unwrap_err();
            assert!(error.contains(mistake), "{words:?}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
