//! Counters, histograms and outcome classes: record, merge, subtract.
//!
//! This room never prints and does no I/O. Start at [`Interval`], which is what one worker reports
//! at a time, and at [`ledger`], the identities that hold at every snapshot; [`poisson`] judges
//! when requests left, [`Drift`] and [`Steady`] how a long run went.

#![forbid(unsafe_code)]

mod arrival_checks;
pub mod compare;
mod counters;
mod drift;
mod gaps;
mod histogram;
pub mod hlog;
mod interval;
pub mod ledger;
pub mod mlrsearch;
mod mser5;
mod normal;
mod outcome;
mod pace;
pub mod poisson;
mod quantile;
#[cfg(test)]
mod rough;
mod samples;
mod sectioning;
mod sessions;
mod shelf;
mod steady;
mod strain;
mod student;
mod tally;
mod times;
mod trend;
mod untrusted;
pub mod usl;
mod windows;

pub use arrival_checks::ArrivalChecks;
pub use counters::{COUNT_MAX, Counter, Counters, STATUS_FIRST, STATUS_LAST};
pub use drift::{BLOCKS_MIN, Drift, Point, Step, significant};
pub use gaps::Gaps;
pub use histogram::{BadHistogram, HIGHEST_NANOS, Histogram};
pub use interval::{Gauges, Interval, Latency, Phase};
pub use mser5::{Cut, mser5};
pub use outcome::{Fault, NotSent, Outcome};
pub use pace::{Level, Pace};
pub use quantile::{Ranks, min_samples, min_samples_one_sided, rank, ranks, zero_failures_upper95};
pub use samples::{SAMPLES_MAX, Samples, Told};
pub use sectioning::{Estimate, Interval95, SECTIONS, Sections};
pub use sessions::{CHECKS_MAX, SESSIONS_MAX, STEPS_MAX, SessionCounts, StepCounts};
pub use steady::{Flow, Of, Steady, after};
pub use strain::{Signal, Strain, Strains, Worst};
pub use tally::Tally;
pub use times::Times;
pub use trend::{Trend, median};
pub use untrusted::{UNTRUSTED_BYTES_MAX, Untrusted};
pub use windows::{Addend, WINDOWS_MAX, Window, Windows};
