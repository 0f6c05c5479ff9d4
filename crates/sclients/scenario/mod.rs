//! A scenario: a file that says what is sent, by whom, in which order and when. Pure but for the files
//! that it names; it opens no socket and reads no clock.
//!
//! ```text
//! FILE ─▶ table (keys, kinds, places) ─▶ Scenario ─┬─ options ─▶ config
//!                                                  ├─ sessions ─▶ compile ─▶ wire ─▶ worker
//!                                                  └─ phases, limits ─▶ plan
//! ```
//!
//! Start at [`read`] and [`Scenario`]. Every mistake is a [`Mistake`] with its place; [`Source::show`] draws
//! it.

mod check;
mod compile;
mod extract;
mod feed;
mod file;
mod located;
mod pattern;
mod played;
mod range;
mod schema;
mod session;
mod table;
mod template;

pub use check::Check;
pub use compile::{Manners, Seat};
pub use extract::{Extract, Found};
pub use feed::{Feed, FeedTable, Order, scalar};
pub use file::{Given, LimitTable, PhaseTable, Scenario, ScenarioError, read};
pub use located::{Mistake, Placed, Shown, Source, Span};
pub use pattern::{PatternError, pattern};
pub use played::{Played, PlayedSession, PlayedStep};
pub use schema::schema;
pub use session::{Body, Header, Request, Session, Step};
pub use template::{Part, Template, Unit};
