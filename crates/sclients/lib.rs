//! The rooms of the `sclients` program; `main.rs` only joins them.

#![deny(unsafe_code)]

pub mod child;
pub mod config;
pub mod plan;
#[allow(unsafe_code)]
mod sys;
pub mod target;
pub mod worker;
