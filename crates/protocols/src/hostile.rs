//! A server that breaks the protocol on purpose: the cases, and the machine that plays them.
//!
//! Owns: what a hostile server sends and in which pieces, as data in `cases`. Never: waiting, closing, resetting, which
//! the machine wishes for ([`Wish`]) and its caller does.

mod cases;
mod script;
mod server;

pub use cases::{CASES, Case, Listening, Trigger};
pub use script::{Chop, Step};
pub use server::{Hostility, Manner, Server, Wish};
