//! Regular expressions of a scenario, bounded: they run in linear time, and none may be large.

use crate::config::quoted::{quoted, shown};
use regex::bytes::{Regex, RegexBuilder};
use thiserror::Error;

/// The largest compiled expression, and the most that its lazy automaton may keep, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Why a text is no expression.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum PatternError {
    /// It breaks the grammar.
    #[error("{} is not a regular expression ({why}); see docs.rs/regex", quoted(.text))]
    Syntax {
        /// As written.
        text: String,
        /// The parser's own words.
        why: String,
    },
    /// It is too large when compiled.
    #[error("{} is larger than 1 MiB when compiled; write smaller counts", quoted(.0))]
    TooLarge(String),
}

/// The expression that `text` is, over bytes, with Unicode classes.
///
/// # Errors
/// It is none, or too large.
pub fn pattern(text: &str) -> Result<Regex, PatternError> {
    let built = RegexBuilder::new(text)
        .size_limit(PATTERN_BYTES_MAX)
        .dfa_size_limit(PATTERN_BYTES_MAX)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => PatternError::TooLarge(text.into()),
        error => PatternError::Syntax { text: text.into(), why: last_line(&error.to_string()) },
    })
}

/// What the parser says at the end, below its drawing.
fn last_line(error: &str) -> String {
    let line = error.lines().last().unwrap_or_default();
    shown(line.trim_start_matches("error: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_bounded_and_refused_in_one_line() {
        assert!(pattern("id=([0-9]+)").unwrap().is_match(b"\xffid=7"));
        let large = pattern("[a-z\\d]{1000}{1000}").unwrap_err().to_string();
        assert!(large.ends_with("is larger than 1 MiB when compiled; write smaller counts"));
        let broken = pattern("a(b").unwrap_err().to_string();
        assert_eq!(broken, "`a(b` is not a regular expression (unclosed group); see docs.rs/regex");
    }
}
