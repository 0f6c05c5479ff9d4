//! What the users of a worker do: sessions, one user on one place at a time.
//!
//! ```text
//! share ─▶ Program (bytes, patterns) ─┬─ Users: who is where in which session, with which values
//!                                     ├─ render: a request with its values put in
//!                                     ├─ judge: what is expected of an answer, what is taken out
//!                                     └─ Score: what was counted
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

pub use judge::{Verdict, judge};
pub use program::{Program, ProgramError, RequestPlay};
pub use render::{BadValue, Values, render};
pub use score::Score;
pub use users::{User, UserId, Users};
