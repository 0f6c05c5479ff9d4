//! Counters, histograms and outcome classes: record, merge, subtract.
//!
//! This room never prints and does no I/O. Start at [`Interval`], which is what one worker reports
//! at a time, and at [`ledger`], the identities that hold at every snapshot.

#![forbid(unsafe_code)]

mod counters;
mod histogram;
mod interval;
pub mod ledger;
mod outcome;
mod samples;
mod strain;
mod untrusted;

pub use counters::{COUNT_MAX, Counter, Counters, STATUS_FIRST, STATUS_LAST};
pub use histogram::{BadHistogram, HIGHEST_NANOS, Histogram};
pub use interval::{Gauges, Interval, Latency, Phase};
pub use outcome::{Fault, NotSent, Outcome};
pub use samples::{SAMPLES_MAX, Samples, Told};
pub use strain::{Signal, Strain, Strains, Worst};
pub use untrusted::{UNTRUSTED_BYTES_MAX, Untrusted};
