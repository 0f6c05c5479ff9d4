//! The rooms of the `sclients` program; `main.rs` only joins them.

pub mod config;
pub mod plan;
