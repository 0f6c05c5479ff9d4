//! Connections joined from a socket and a protocol machine, at either end of the wire; and the
//! trait by which a model decides who acts next.
//!
//! This room moves bytes between sockets and machines, keeps deadlines and wake-ups, and asks the
//! [`Model`] at every turn what the connection does now: produce, wait, sleep, close. Connections
//! that it opens are as slow as [`Slowness`] says. It never counts and never prints.
//!
//! Start at [`Model`], then [`connect`] and [`listen`], the entry points, and [`run`], which hands
//! the model its context ([`Model::first_dispatch`]) and iterates.
//!
//! ```text
//! connect ─▶ connecting ──▶ open ◀──▶ exchange (machine) ──▶ ended ─▶ Model::ended
//!                │           ▲              │                  ▲
//!                │         listen           └── deadline ──────┤
//!                └────────────── failed ───────────────────────┘
//! ```

#![forbid(unsafe_code)]

mod connection;
mod listener;
mod model;
mod pause;
mod service;
mod slow;
mod target;
mod wheel;

pub use connection::{Connection, End, Ending};
pub use listener::listen;
pub use model::Model;
pub use pause::catch_up;
pub use service::{Attempt, Context, Service, connect, connections, context, run, with_connection};
pub use slow::Slowness;
pub use target::Target;
pub use wheel::Wheel;
