//! What the users of a worker do: sessions, one user on one place at a time.
//!
//! ```text
//! share ─▶ Program (bytes, patterns, counts) ─┬─ Users: who is where in which session, with which values
//!                                             ├─ render: a request with its values put in
//!                                             ├─ judge: what is expected of an answer, what is taken out
//!                                             └─ score: what was counted
//! ```
//!
//! Nothing here knows a connection; `sessions.rs` of the worker joins it with one.

mod judge;
mod program;
mod render;
#[cfg(test)]
mod samples;
mod score;
mod users;

pub use judge::judge;
pub use program::{Program, ProgramError, RequestPlay, Then};
pub use render::{BadValue, Values, render};
pub use score::Worth;
pub use users::{User, UserId, Users};
