//! Where in a file something stands, and a mistake that is shown there.

use crate::config::quoted;
use std::fmt;
use std::ops::Range;

/// Bytes of a file, from one to before another.
pub type Span = Range<usize>;

/// The most characters of a line that are shown.
const SHOWN_MAX: usize = 100;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed<T> {
    /// The value.
    pub it: T,
    /// Its place.
    pub span: Span,
}

impl<T> Placed<T> {
    /// `it`, which stands at `span`.
    pub const fn new(it: T, span: Span) -> Self {
        Self { it, span }
    }

    /// That this is wrong, in these words.
    pub fn mistake(&self, message: impl Into<String>) -> Mistake {
        Mistake::new(self.span.clone(), message)
    }
}

/// What is wrong, and where: one line with the value and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where.
    pub span: Span,
    /// What.
    pub message: String,
}

impl Mistake {
    /// `message`, of what stands at `span`.
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into() }
    }
}

/// The text of a file and what messages call it.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file's name, as typed.
    pub name: String,
    /// All of its text.
    pub text: String,
}

impl Source {
    /// `mistake`, as it is shown.
    pub fn show(&self, mistake: Mistake) -> Shown {
        let text = &self.text;
        let start = floor(text, mistake.span.start);
        let begin = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let last = floor(text, mistake.span.end).clamp(start, end);
        let before = text[begin..start].chars().count();
        // A long line is shown from a little before the place on.
        let skipped = before.saturating_sub(SHOWN_MAX / 2);
        let line = &text[begin..end];
        Shown {
            name: self.name.clone(),
            line: text[..begin].bytes().filter(|byte| *byte == b'\n').count() + 1,
            column: before + 1,
            excerpt: line.chars().skip(skipped).take(SHOWN_MAX).map(printable).collect(),
            indent: before - skipped,
            width: text[start..last].chars().count().clamp(1, SHOWN_MAX - (before - skipped)),
            message: mistake.message,
        }
    }
}

/// The place in `text` at or before `at` where a character begins.
fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// What stands for a character on one line of a terminal.
fn printable(character: char) -> char {
    match character {
        '\t' => ' ',
        _ if quoted::is_plain(character) => character,
        _ => '\u{fffd}',
    }
}

/// A mistake as it is shown: `FILE:LINE:COLUMN: what; remedy`, the line, and a caret under the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    name: String,
    line: usize,
    column: usize,
    excerpt: String,
    indent: usize,
    width: usize,
    message: String,
}

impl Shown {
    /// At the same place, that this is wrong.
    #[must_use]
    pub fn saying(&self, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..self.clone() }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, line, column, excerpt, indent, width, message } = self;
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "{name}:{line}:{column}: {message}")?;
        writeln!(f, "  {number} | {excerpt}")?;
        write!(f, "  {margin} | {}{}", " ".repeat(*indent), "^".repeat(*width))
    }
}

impl std::error::Error for Shown {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str, span: Span) -> String {
        let source = Source { name: "a.toml".into(), text: text.into() };
        source.show(Mistake::new(span, "no")).to_string()
    }

    #[test]
    fn a_caret_stands_under_the_place() {
        assert_eq!(shown("a = 1\nbö = 2\n", 12..13), "a.toml:2:6: no\n  2 | bö = 2\n    |      ^");
        assert_eq!(shown("a = [\n1]\n", 4..7), "a.toml:1:5: no\n  1 | a = [\n    |     ^");
        assert_eq!(shown("\tx\u{1b}", 1..2), "a.toml:1:2: no\n  1 |  x\u{fffd}\n    |  ^");
        assert_eq!(shown("", 0..0), "a.toml:1:1: no\n  1 | \n    | ^");
    }

    #[test]
    fn a_long_line_is_shown_around_the_place() {
        let text = format!("{}bad{}", "x".repeat(500), "y".repeat(500));
        let shown = shown(&text, 500..503);
        assert!(shown.lines().all(|line| line.len() < 120), "{shown}");
        assert!(shown.starts_with("a.toml:1:501: no\n") && shown.ends_with("   ^^^"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_place_of_any_text_can_be_shown(text in ".{0,300}", span in 0..400_usize, len in 0..400_usize) {
            prop_assert!(shown(&text, span..span + len).lines().count() >= 3);
        }
    }
}
