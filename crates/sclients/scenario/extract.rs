//! What a step takes out of an answer: `extract = { token = { json = "/token" } }`.

use super::located::{Mistake, Placed};
use super::pattern::pattern;
use super::table::{Node, Table, text, token};
use super::template::{NAME, is_name};
use crate::config::quoted::{quoted, shown};

const KEYS: [&str; 6] = ["json", "between", "regex", "header", "cookie", "status"];
const REMEDY: &str = "write one of { json = \"/a/0\" }, { between = [\"a\", \"b\"] }, { regex = \"n=(.)\" }, { header = \"location\" }, { header = \"location\", regex = \"id=(.)\" }, { cookie = \"sid\" }, { status = true }";

/// A value that is taken out of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extract {
    /// The variable that gets it.
    pub variable: Placed<String>,
    /// Where it is found.
    pub found: Found,
}

impl Extract {
    /// Whether it looks for something in the body.
    pub const fn is_of_body(&self) -> bool {
        matches!(self.found, Found::Json(_) | Found::Body(_))
    }

    /// Variable and place, in words.
    pub fn name(&self) -> String {
        let place = match &self.found {
            Found::Json(pointer) => format!("json {}", shown(pointer)),
            Found::Body(part) => part.name(),
            Found::Header(name, None) => format!("header {name}"),
            Found::Header(name, Some(part)) => format!("header {name} {}", part.name()),
            Found::Cookie(name) => format!("cookie {name}"),
            Found::Status => "status".into(),
        };
        format!("{} by {place}", self.variable.it)
    }
}

/// Where a value is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// By a JSON pointer (RFC 6901) in the body.
    Json(String),
    /// A part of the body.
    Body(Excerpt),
    /// The first header of this name, or the first in which the part is, and that.
    Header(String, Option<Excerpt>),
    /// The cookie of this name that the answer sets, without its attributes.
    Cookie(String),
    /// The status.
    Status,
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Excerpt {
    /// Behind the first of one text and before the next of the other.
    Between(String, String),
    /// The first group of the first match, or the match.
    Regex(String),
}

impl Excerpt {
    fn name(&self) -> String {
        match self {
            Self::Between(before, behind) => {
                format!("between {} {}", quoted(before), quoted(behind))
            }
            Self::Regex(text) => format!("regex {}", shown(text)),
        }
    }
}

/// What is taken out.
///
/// # Errors
/// A key or value that is not known.
pub fn read(node: Node<'_>) -> Result<Vec<Extract>, Mistake> {
    let one = |(name, node): (Placed<&str>, Node<'_>)| {
        let variable = Placed::new(name.it.to_owned(), name.span);
        if !is_name(&variable.it) {
            let message = format!("{} cannot name a variable; {NAME}", quoted(&variable.it));
            return Err(variable.mistake(message));
        }
        Ok(Extract { found: found(node)?, variable })
    };
    Table::of(node, "extract")?.entries().map(one).collect()
}

fn found(node: Node<'_>) -> Result<Found, Mistake> {
    let table = Table::of(node, "what is extracted")?;
    table.only("what is extracted", &KEYS)?;
    let mut entries: Vec<_> = table.entries().collect();
    entries.sort_by_key(|(key, _)| key.it != "header");
    match entries.as_slice() {
        [(key, value)] => match key.it {
            "json" => json(text(value, key.it)?),
            "header" => Ok(Found::Header(named(value, key.it)?, None)),
            "cookie" => Ok(Found::Cookie(named(value, key.it)?)),
            "status" if table.flag("status")? => Ok(Found::Status),
            "status" => {
                Err(Mistake::new(value.span(), "status is true or left out; write status = true"))
            }
            _ => Ok(Found::Body(excerpt(&table, key.it, value)?)),
        },
        [(header, name), (key, value)]
            if header.it == "header" && matches!(key.it, "between" | "regex") =>
        {
            let name = named(name, header.it)?;
            Ok(Found::Header(name, Some(excerpt(&table, key.it, value)?)))
        }
        _ => Err(Mistake::new(table.span.clone(), format!("one place is needed; {REMEDY}"))),
    }
}

fn excerpt(table: &Table<'_>, key: &str, value: Node<'_>) -> Result<Excerpt, Mistake> {
    if key == "between" {
        return between(table, value);
    }
    let expression = text(value, key)?;
    pattern(&expression.it).map_err(|error| expression.mistake(error.to_string()))?;
    Ok(Excerpt::Regex(expression.it))
}

/// The name of a header or cookie, which are tokens both.
fn named(value: Node<'_>, key: &str) -> Result<String, Mistake> {
    let name = text(value, key)?;
    token(key, &Placed::new(name.it.as_str(), name.span.clone()))?;
    Ok(name.it)
}

fn json(pointer: Placed<String>) -> Result<Found, Mistake> {
    if !pointer.it.is_empty() && !pointer.it.starts_with('/') {
        let message = format!(
            "{} is not a JSON pointer; write /{}",
            quoted(&pointer.it),
            quoted(&pointer.it).trim_matches('`').replace('.', "/")
        );
        return Err(pointer.mistake(message));
    }
    Ok(Found::Json(pointer.it))
}

fn between(table: &Table<'_>, value: Node<'_>) -> Result<Excerpt, Mistake> {
    let remedy = "between is two texts; write between = [\"id=\", \"&\"]";
    let texts: Vec<Placed<String>> = table
        .list("between", remedy)?
        .into_iter()
        .map(|node| text(node, "between"))
        .collect::<Result<_, _>>()?;
    match texts.as_slice() {
        [before, behind] if !before.it.is_empty() && !behind.it.is_empty() => {
            Ok(Excerpt::Between(before.it.clone(), behind.it.clone()))
        }
        _ => Err(Mistake::new(value.span(), remedy)),
    }
}
