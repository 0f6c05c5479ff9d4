//! What a step expects of an answer: `expect = { status = "200", contains = "welcome" }`.

use super::located::{Mistake, Placed};
use super::pattern::pattern;
use super::range::range;
use super::table::{Node, Table, text, token};
use crate::config::list;
use crate::config::quantity::{size, span};
use crate::config::quoted::shown;
use std::time::Duration;

const KEYS: [&str; 6] = ["status", "header", "contains", "matches", "bytes", "within"];

/// Something that is expected of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// A header is there and holds this text, letters' case aside.
    Header {
        /// Its name.
        name: String,
        /// The text; empty is any.
        holds: String,
    },
    /// The body holds this text.
    Contains(String),
    /// The body matches this expression somewhere.
    Matches(String),
    /// The body has so many bytes, inclusive.
    Bytes(u64, u64),
    /// The answer was whole so long after its request was sent.
    Within(Duration),
}

impl Check {
    /// Whether it looks for something in the body.
    pub const fn is_of_body(&self) -> bool {
        matches!(self, Self::Contains(_) | Self::Matches(_))
    }

    /// What it is called in reports.
    pub fn name(&self) -> String {
        match self {
            Self::Header { name, holds } if holds.is_empty() => format!("header {name}"),
            Self::Header { name, holds } => format!("header {name}: {}", shown(holds)),
            Self::Contains(text) => format!("contains {}", shown(text)),
            Self::Matches(text) => format!("matches {}", shown(text)),
            Self::Bytes(from, to) if from == to => format!("bytes {from}"),
            Self::Bytes(from, to) => format!("bytes {from}..{to}"),
            Self::Within(time) => format!("within {}", humantime::format_duration(*time)),
        }
    }
}

/// All that is expected of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Statuses, inclusive ranges; empty where none are named.
    pub statuses: Vec<(u16, u16)>,
    /// All else.
    pub checks: Vec<Check>,
}

/// What is expected.
///
/// # Errors
/// A key or value that is not known.
pub fn read(node: Node<'_>) -> Result<Expected, Mistake> {
    let table = Table::of(node, "expect")?;
    table.only("expect", &KEYS)?;
    let statuses = table
        .number("status", |text| text.split(',').map(str::trim).map(list::statuses).collect())?;
    let mut checks = Vec::new();
    for (key, value) in table.entries() {
        match key.it {
            "header" => headers(value, &mut checks)?,
            "contains" => checks.push(Check::Contains(filled(text(value, key.it)?)?)),
            "matches" => {
                let expression = text(value, key.it)?;
                pattern(&expression.it).map_err(|error| expression.mistake(error.to_string()))?;
                checks.push(Check::Matches(filled(expression)?));
            }
            _ => {}
        }
    }
    let bytes = table.number("bytes", bytes)?.map(|range| Check::Bytes(range.it.0, range.it.1));
    let within = table.time("within", span)?.map(|time| Check::Within(time.it));
    checks.extend(bytes.into_iter().chain(within));
    Ok(Expected { statuses: statuses.map(|statuses| statuses.it).unwrap_or_default(), checks })
}

fn headers(node: Node<'_>, checks: &mut Vec<Check>) -> Result<(), Mistake> {
    for (name, value) in Table::of(node, "header")?.entries() {
        token("header", &name)?;
        let holds = text(value, name.it)?.it;
        checks.push(Check::Header { name: name.it.to_owned(), holds });
    }
    Ok(())
}

fn filled(text: Placed<String>) -> Result<String, Mistake> {
    if text.it.is_empty() {
        Err(text.mistake("an empty text is in every body; write what to look for"))
    } else {
        Ok(text.it)
    }
}

/// Reads `64` or `1..10KiB`.
fn bytes(text: &str) -> Result<(u64, u64), String> {
    range(text, "1..10KiB", |text| size(0, u64::MAX)(text).map_err(|error| error.to_string()))
}
