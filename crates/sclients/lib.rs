//! The rooms of the `sclients` program; `main.rs` only joins them.
//!
//! ```text
//! argv, file ─▶ config ─▶ plan ──fork──▶ worker ─▶ connections ─▶ stats ─▶ wire ══pipe══▶ supervisor ─▶ fold ─▶ report
//! ```

#![deny(unsafe_code)]

pub mod audit;
pub mod capacity;
pub mod child;
pub mod compare;
pub mod config;
pub mod consent;
pub mod curve;
pub mod doctor;
pub mod exit;
pub mod fold;
pub mod host;
pub mod journal;
pub mod kept;
pub mod levels;
pub mod likeness;
pub mod limits;
pub mod number;
pub mod out;
pub mod plan;
pub mod profile;
pub mod program;
pub mod recent;
pub mod report;
pub mod scenario;
pub mod selftest;
pub mod shares;
pub mod soak;
pub mod summary;
pub mod sums;
pub mod supervisor;
#[allow(unsafe_code)]
mod sys;
pub mod target;
pub mod verdict;
pub mod wall;
pub mod worker;
