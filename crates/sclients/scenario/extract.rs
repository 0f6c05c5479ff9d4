//! What a step takes out of an answer: `extract = { token = { json = "/token" } }`.

use super::located::{Mistake, Placed};
use super::pattern::pattern;
use super::table::{Node, Table, text, token};
use super::template::is_name;
use crate::config::quoted::{quoted, shown};

const KEYS: [&str; 6] = ["json", "between", "regex", "header", "cookie", "status"];
const REMEDY: &str = "write one of { json = \"/a/0\" }, { between = [\"a\", \"b\"] }, { regex = \"n=(.)\" }, { header = \"location\" }, { cookie = \"sid\" }, { status = true }";

/// A value that is taken out of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extract {
    /// The variable that gets it.
    pub variable: Placed<String>,
    /// Where it is found.
    pub found: Found,
}

impl Extract {
    /// Variable and place, in words.
    pub fn name(&self) -> String {
        let place = match &self.found {
            Found::Json(pointer) => format!("json {}", shown(pointer)),
            Found::Between(before, behind) => {
                format!("between {} {}", quoted(before), quoted(behind))
            }
            Found::Regex(text) => format!("regex {}", shown(text)),
            Found::Header(name) => format!("header {name}"),
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
    /// In the body, behind the first of one text and before the next of the other.
    Between(String, String),
    /// In the body, as the first group of the first match, or the match.
    Regex(String),
    /// The first header of this name.
    Header(String),
    /// The cookie of this name that the answer sets, without its attributes.
    Cookie(String),
    /// The status.
    Status,
}

/// What is taken out.
///
/// # Errors
/// A key or value that is not known.
pub fn read(node: Node<'_>) -> Result<Vec<Extract>, Mistake> {
    let one = |(name, node): (Placed<&str>, Node<'_>)| {
        let variable = Placed::new(name.it.to_owned(), name.span);
        if !is_name(&variable.it) {
            let message = format!(
                "{} cannot name a variable; write letters, digits, - and _",
                quoted(&variable.it)
            );
            return Err(variable.mistake(message));
        }
        Ok(Extract { found: found(node)?, variable })
    };
    Table::of(node, "extract")?.entries().map(one).collect()
}

fn found(node: Node<'_>) -> Result<Found, Mistake> {
    let table = Table::of(node, "what is extracted")?;
    table.only("what is extracted", &KEYS)?;
    let mut entries = table.entries();
    let (Some((key, value)), None) = (entries.next(), entries.next()) else {
        return Err(Mistake::new(table.span.clone(), format!("one place is needed; {REMEDY}")));
    };
    match key.it {
        "json" => json(text(value, key.it)?),
        "between" => between(&table, value),
        "regex" => {
            let expression = text(value, key.it)?;
            pattern(&expression.it).map_err(|error| expression.mistake(error.to_string()))?;
            Ok(Found::Regex(expression.it))
        }
        "header" => Ok(Found::Header(named(value, key.it)?)),
        "cookie" => Ok(Found::Cookie(named(value, key.it)?)),
        _ if table.flag("status")? => Ok(Found::Status),
        _ => Err(Mistake::new(value.span(), "status is true or left out; write status = true")),
    }
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

fn between(table: &Table<'_>, value: Node<'_>) -> Result<Found, Mistake> {
    let remedy = "between is two texts; write between = [\"id=\", \"&\"]";
    let texts: Vec<Placed<String>> = table
        .list("between", remedy)?
        .into_iter()
        .map(|node| text(node, "between"))
        .collect::<Result<_, _>>()?;
    match texts.as_slice() {
        [before, behind] if !before.it.is_empty() && !behind.it.is_empty() => {
            Ok(Found::Between(before.it.clone(), behind.it.clone()))
        }
        _ => Err(Mistake::new(value.span(), remedy)),
    }
}
