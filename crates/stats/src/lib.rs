//! Counters, histograms and outcome classes: record, merge, subtract.
//!
//! This room never prints and does no I/O. Start at [`Interval`], which is what one worker reports
//! at a time, and at [`ledger`], the identities that hold at every snapshot; [`poisson`] judges
//! when requests left.

#![forbid(unsafe_code)]

mod arrival_checks;
mod counters;
mod gaps;
mod histogram;
pub mod hlog;
mod interval;
pub mod ledger;
mod outcome;
pub mod poisson;
mod quantile;
mod samples;
mod sectioning;
mod strain;
mod tally;
mod times;
mod untrusted;
mod windows;

pub use arrival_checks::ArrivalChecks;
pub use counters::{COUNT_MAX, Counter, Counters, STATUS_FIRST, STATUS_LAST};
pub use gaps::Gaps;
pub use histogram::{BadHistogram, HIGHEST_NANOS, Histogram};
pub use interval::{Gauges, Interval, Latency, Phase};
pub use outcome::{Fault, NotSent, Outcome};
pub use quantile::{Ranks, min_samples, min_samples_one_sided, rank, ranks, zero_failures_upper95};
pub use samples::{SAMPLES_MAX, Samples, Told};
pub use sectioning::{Estimate, Interval95, SECTIONS, Sections};
pub use strain::{Signal, Strain, Strains, Worst};
pub use tally::Tally;
pub use times::Times;
pub use untrusted::{UNTRUSTED_BYTES_MAX, Untrusted};
pub use windows::{WINDOWS_MAX, Window, Windows};
