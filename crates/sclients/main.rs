//! The `sclients` program.

fn main() {}
