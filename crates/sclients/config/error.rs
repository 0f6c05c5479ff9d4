//! All that can be wrong with what the user typed.

use super::authorization::AuthorizationError;
use super::file::FileError;
use super::quoted::quoted;
use super::regular::ReadError;
use crate::scenario::ScenarioError;
use std::time::Duration;
use thiserror::Error;

/// Why there is nothing to do. All but [`ConfigError::Display`] are one line for standard error and
/// exit code 2.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// No mistake: the help or the version that was asked for, for standard output and exit code 0.
    #[error("{0}")]
    Display(String),
    /// A word that no option, or not this option, takes.
    #[error("{0}")]
    Words(String),
    /// A scenario that is none; its message has the place in a drawing of its own.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// What the options of a scenario mean together, at no place of its own.
    #[error("{path}: {message}")]
    Together {
        /// The file, as typed.
        path: String,
        /// What is wrong.
        message: String,
    },
    /// A storm that nobody would see.
    #[error(
        "--reconnect at {} comes when load has ended, after {}; write an earlier instant",
        humantime::format_duration(*.after),
        humantime::format_duration(*.end)
    )]
    LateStorm {
        /// From the begin of load to the storm.
        after: Duration,
        /// And to its end.
        end: Duration,
    },
    /// More storms than a worker is told of.
    #[error("--reconnect names {count} storms; name at most {max}, or repeat one with 50%@10s/30s")]
    TooManyStorms {
        /// How many it names.
        count: usize,
        /// How many it may.
        max: usize,
    },
    /// Options that contradict each other.
    #[error("{option} cannot be used with {with}; leave one of them out")]
    Conflict {
        /// One of them.
        option: &'static str,
        /// The other.
        with: &'static str,
    },
    /// An option in whose place there is another beside the one given.
    #[error("{option} cannot be used with {with}; use {instead}")]
    Instead {
        /// The option.
        option: &'static str,
        /// The one given.
        with: &'static str,
        /// What to use.
        instead: &'static str,
    },
    /// An option without the one that gives it a meaning.
    #[error("{option} works only with {needs}; add that or leave {option} out")]
    Needs {
        /// The option.
        option: &'static str,
        /// What it needs.
        needs: &'static str,
    },
    /// A rate by which some workers would do nothing for seconds.
    #[error("{option} {rate} is below one per second for each of {procs} workers; lower --procs")]
    RateBelow {
        /// `--rate` or `--attempt-rate`.
        option: &'static str,
        /// As given.
        rate: String,
        /// Workers.
        procs: u32,
    },
    /// A rate that no process could keep.
    #[error(
        "{option} {rate} is over 1,000,000 per second for each of {procs} workers; use --procs {procs_needed} or lower it"
    )]
    RateAbove {
        /// `--rate` or `--attempt-rate`.
        option: &'static str,
        /// As given.
        rate: String,
        /// Workers.
        procs: u32,
        /// Workers that would do.
        procs_needed: u64,
    },
    /// `--max-conns` under `--conns`.
    #[error("--max-conns {most} is below --conns {conns}; raise it to that at least")]
    GrowBelow {
        /// As given.
        most: u32,
        /// Connections to begin with.
        conns: u32,
    },
    /// A stall that begins before another is over.
    #[error(
        "{option}: the stall at {} begins before the one at {} is over; part them",
        humantime::format_duration(*.second),
        humantime::format_duration(*.first)
    )]
    Overlap {
        /// The option.
        option: &'static str,
        /// When the earlier one begins.
        first: Duration,
        /// When the later one begins.
        second: Duration,
    },
    /// A request body over its bound.
    #[error("--data holds {bytes} bytes; give at most {bytes_max}")]
    Body {
        /// What was given.
        bytes: u64,
        /// The bound, inclusive.
        bytes_max: u64,
    },
    /// The file of a `--data @file`.
    #[error("--data: {0}")]
    Data(ReadError),
    /// All `--source` options together hold too many addresses.
    #[error("--source holds {count} addresses in total; give at most {max}")]
    Sources {
        /// What was given.
        count: usize,
        /// The bound, inclusive.
        max: usize,
    },
    /// Cases that need a port of their own.
    #[error("case {0} decides how its port listens; serve it alone, or with --case-per-port")]
    Loner(&'static str),
    /// The file of `--config`.
    #[error("--config: {0}")]
    File(#[from] FileError),
    /// The file of `--authorization`.
    #[error("--authorization: {0}")]
    Authorization(#[from] AuthorizationError),
    /// TARGET's host.
    #[error(
        "host {} has no address; check the name or give --resolve HOST:PORT:ADDR",
        quoted(.0)
    )]
    NoAddress(String),
}
