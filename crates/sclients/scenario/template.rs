//! Texts with holes: `/items/{{id}}?page={{random 1 9}}`.
//!
//! ```text
//! {{token}}       what an earlier step extracted
//! {{users.id}}    a column of the row that this session drew from a feed
//! {{random 1 9}}  a whole number, drawn by seed for each request, bounds inclusive
//! {{counter}}     a number that no other request of the run gets, the same wherever it stands in one
//! {{time}}        seconds since 1970; {{time ms}} milliseconds
//! ```

use super::located::{Mistake, Placed, Span};
use crate::config::quoted::{quoted, shown};
use std::fmt;

/// The most holes of one text.
const HOLES_MAX: usize = 64;
const REMEDY: &str =
    "write {{name}}, {{feed.column}}, {{random 1 9}}, {{counter}}, {{time}} or {{time ms}}";

/// A text with holes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// Texts and holes in order; no text is empty.
    pub parts: Vec<Part>,
    /// Where it stands.
    pub span: Span,
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// As it stands.
    Text(String),
    /// What a step extracted.
    Variable(String),
    /// A column of a feed.
    Column {
        /// The feed.
        feed: String,
        /// Its column.
        column: String,
    },
    /// A number drawn from these to those, inclusive.
    Random(u64, u64),
    /// A number that no other request gets.
    Counter,
    /// The time.
    Time(Unit),
}

/// A unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Millis,
}

impl Template {
    /// Reads `text`.
    ///
    /// # Errors
    /// A hole that is not closed or not known, or too many of them.
    pub fn read(text: &Placed<String>) -> Result<Self, Mistake> {
        let mut parts = Vec::new();
        let mut rest = text.it.as_str();
        while let Some((before, behind)) = rest.split_once("{{") {
            let unclosed = || text.mistake(format!("`{{{{` is not closed by `}}}}`; {REMEDY}"));
            let (hole, after) = behind.split_once("}}").ok_or_else(unclosed)?;
            push_text(&mut parts, before);
            parts.push(Part::read(hole).map_err(|why| text.mistake(why))?);
            rest = after;
        }
        push_text(&mut parts, rest);
        let template = Self { parts, span: text.span.clone() };
        if template.holes().count() > HOLES_MAX {
            return Err(text.mistake(format!("more than {HOLES_MAX} holes in one text; split it")));
        }
        Ok(template)
    }

    /// That this is wrong, in these words.
    pub fn mistake(&self, message: impl Into<String>) -> Mistake {
        Mistake::new(self.span.clone(), message)
    }

    /// Its texts, with nothing in place of the holes.
    pub fn texts(&self) -> String {
        let text = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            _ => String::new(),
        };
        self.parts.iter().map(text).collect()
    }

    /// What is not text.
    pub fn holes(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| !matches!(part, Part::Text(_)))
    }

    /// Its text, where it has no holes.
    pub fn plain(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }
}

/// As it is written.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| part.fmt(f))
    }
}

/// As it is written.
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&shown(text)),
            Self::Variable(name) => write!(f, "{{{{{name}}}}}"),
            Self::Column { feed, column } => write!(f, "{{{{{feed}.{column}}}}}"),
            Self::Random(from, to) => write!(f, "{{{{random {from} {to}}}}}"),
            Self::Counter => f.write_str("{{counter}}"),
            Self::Time(Unit::Seconds) => f.write_str("{{time}}"),
            Self::Time(Unit::Millis) => f.write_str("{{time ms}}"),
        }
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Text(text.into()));
    }
}

impl Part {
    fn read(hole: &str) -> Result<Self, String> {
        let unknown = || format!("{} is not known; {REMEDY}", quoted(&format!("{{{{{hole}}}}}")));
        let words: Vec<&str> = hole.split_whitespace().collect();
        match words.as_slice() {
            ["counter"] => Ok(Self::Counter),
            ["time"] => Ok(Self::Time(Unit::Seconds)),
            ["time", "ms"] => Ok(Self::Time(Unit::Millis)),
            ["random", from, to] => match (from.parse(), to.parse()) {
                (Ok(from), Ok(to)) if from <= to => Ok(Self::Random(from, to)),
                _ => Err(format!(
                    "{} has no two numbers in order; write {{{{random 1 9}}}}",
                    quoted(hole)
                )),
            },
            [word] => match word.split_once('.') {
                Some((feed, column)) if is_name(feed) && !column.is_empty() => {
                    Ok(Self::Column { feed: feed.into(), column: column.into() })
                }
                None if is_name(word) => Ok(Self::Variable((*word).into())),
                _ => Err(unknown()),
            },
            _ => Err(unknown()),
        }
    }
}

/// What a name has to be.
pub const NAME: &str =
    "begin with a letter or _, write letters, digits, - and _, and not counter, time or random";

/// Whether `word` can name a variable or a feed.
pub fn is_name(word: &str) -> bool {
    let mut letters = word.chars();
    let begins = letters.next().is_some_and(|letter| letter.is_ascii_alphabetic() || letter == '_');
    let goes_on = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    let taken = matches!(word, "counter" | "time" | "random");
    begins && letters.all(goes_on) && !taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Vec<Part>, String> {
        let template = Template::read(&Placed::new(text.into(), 0..1));
        template.map(|template| template.parts).map_err(|mistake| mistake.message)
    }

    #[test]
    fn texts_and_holes_in_order() {
        let parts =
            read("/a/{{id}}?u={{users.name}}&p={{ random 1 9 }}{{counter}}{{time ms}}").unwrap();
        let text = |text: &str| Part::Text(text.into());
        let column = Part::Column { feed: "users".into(), column: "name".into() };
        let all = [
            text("/a/"),
            Part::Variable("id".into()),
            text("?u="),
            column,
            text("&p="),
            Part::Random(1, 9),
            Part::Counter,
            Part::Time(Unit::Millis),
        ];
        assert_eq!(parts, all);
        let again = Template { parts: parts.clone(), span: 0..1 }.to_string();
        assert_eq!(again, "/a/{{id}}?u={{users.name}}&p={{random 1 9}}{{counter}}{{time ms}}");
        assert_eq!(read("plain { } }}").unwrap(), [text("plain { } }}")]);
        assert!(read("").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_hole_is_named_with_its_remedy() {
        for (text, said) in [
            ("{{id", "`{{` is not closed by `}}`; write {{name}}"),
            ("{{}}", "`{{}}` is not known; write {{name}}"),
            ("{{1a}}", "`{{1a}}` is not known"),
            ("{{a b}}", "`{{a b}}` is not known"),
            ("{{random 9 1}}", "`random 9 1` has no two numbers in order"),
            ("{{random x 1}}", "`random x 1` has no two numbers in order"),
            ("{{time us}}", "`{{time us}}` is not known"),
        ] {
            let why = read(text).unwrap_err();
            assert!(why.starts_with(said) && !why.contains('\n'), "{why}");
        }
        assert!(read(&"{{counter}}".repeat(65)).unwrap_err().starts_with("more than 64 holes"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[{}a. 1]{0,40}") {
            let _ = read(&text);
        }
    }
}
