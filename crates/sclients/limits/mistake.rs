//! All that can be wrong with a limit.

use super::Limit;
use crate::config::quoted::quoted;
use crate::scenario::Shown;
use std::fmt;
use thiserror::Error;

/// Why a text is no limit, or none of this run. One line each, with what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LimitError {
    /// Nothing is compared.
    #[error("{} compares nothing; write FIGURE OP VALUE, as p99 < 250ms, with < <= > >= == or !=", quoted(.0))]
    NoComparison(String),
    /// It begins with no path of keys.
    #[error("{} is no figure's name; write one as p99 or requests.failed_share", quoted(.0))]
    Name(String),
    /// It ends with no value.
    #[error("{} is no value; write 20k, 0.1%, 250ms or 64MiB", quoted(.0))]
    Value(String),
    /// What follows the semicolon.
    #[error("{} is nothing that a limit does; write abort, or abort after 10s", quoted(.0))]
    Abort(String),
    /// There is no such figure.
    #[error("{} is no figure of this run; {}", quoted(.name), remedy(.nearest.as_deref()))]
    Unknown {
        /// As typed.
        name: String,
        /// The figure that is most like it.
        nearest: Option<String>,
    },
    /// The run has it, and its phases have it not.
    #[error(
        "{} is told of the run as a whole and not of a phase; write it as a [[limit]]",
        quoted(.0)
    )]
    OfRun(String),
    /// There are several.
    #[error("{} may be {}; write one of them", quoted(.name), candidates(.figures))]
    Ambiguous {
        /// As typed.
        name: String,
        /// All that end so.
        figures: Vec<String>,
    },
    /// A value in a unit that the figure does not have.
    #[error("{}: {figure} is {what}; write {remedy}", quoted(.expression))]
    Unit {
        /// As typed.
        expression: String,
        /// The whole path.
        figure: String,
        /// What the figure is.
        what: &'static str,
        /// A value that fits.
        remedy: &'static str,
    },
}

/// A limit that cannot be meant, shown where it stands.
#[derive(Clone, Debug)]
pub struct Misfit {
    place: Option<Box<Shown>>,
    why: LimitError,
}

impl Misfit {
    /// What is wrong with `limit`.
    pub fn new(limit: &Limit, why: LimitError) -> Self {
        Self { place: limit.place.clone(), why }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{}", place.saying(self.why.to_string())),
            None => write!(f, "--limit {}", self.why),
        }
    }
}

fn remedy(figure: Option<&str>) -> String {
    match figure {
        Some(figure) => format!("the nearest one is {figure}"),
        None => "--format json shows all that there are".to_owned(),
    }
}

/// The first few, and how many more there are.
fn candidates(figures: &[String]) -> String {
    const TOLD: usize = 3;
    match figures.len().saturating_sub(TOLD) {
        0 | 1 => figures.join(" or "),
        more => format!("{} or one of {more} others", figures[..TOLD].join(", ")),
    }
}
