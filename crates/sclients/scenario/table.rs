//! Tables of a file, read key by key: what is unknown, missing or of another kind is a [`Mistake`].

use super::located::{Mistake, Placed, Span};
use crate::config::quoted::quoted;
use crate::likeness::distance;
use protocols::http1;
use std::fmt::Display;
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

/// The deepest nesting of tables and arrays, inclusive.
const DEPTH_MAX: usize = 32;

/// A value of the file.
pub type Node<'a> = &'a Spanned<DeValue<'a>>;

/// A table of the file.
#[derive(Clone, Debug)]
pub struct Table<'a> {
    entries: &'a DeTable<'a>,
    /// Where it stands.
    pub span: Span,
}

impl<'a> Table<'a> {
    /// The whole file.
    ///
    /// # Errors
    /// It is nested too deeply.
    pub fn root(root: &'a Spanned<DeTable<'a>>) -> Result<Self, Mistake> {
        root.get_ref().iter().try_for_each(|(_, value)| check_depth(value, 1))?;
        Ok(Self { entries: root.get_ref(), span: root.span() })
    }

    /// `node`, which has to be a table; `what` says of what.
    ///
    /// # Errors
    /// It is something else.
    pub fn of(node: Node<'a>, what: &str) -> Result<Self, Mistake> {
        match node.get_ref() {
            DeValue::Table(entries) => Ok(Self { entries, span: node.span() }),
            other => Err(kind(node, other, &format!("{what} is a table; write {{ … }}"))),
        }
    }

    /// That only keys of `known` are there.
    ///
    /// # Errors
    /// The first other key, with the nearest known one.
    pub fn only(&self, what: &str, known: &[&str]) -> Result<(), Mistake> {
        let unknown = |key: &&Placed<&str>| !known.contains(&key.it);
        match self.keys().collect::<Vec<_>>().iter().find(unknown) {
            Some(key) => Err(key.mistake(unknown_key(what, key.it, known))),
            None => Ok(()),
        }
    }

    /// The keys, in the order of the file.
    pub fn keys(&self) -> impl Iterator<Item = Placed<&'a str>> + use<'a> {
        self.entries().map(|(key, _)| key)
    }

    /// Keys and values, in the order of the file.
    pub fn entries(&self) -> impl Iterator<Item = (Placed<&'a str>, Node<'a>)> + use<'a> {
        let mut all: Vec<_> = self.entries.iter().collect();
        all.sort_by_key(|(key, _)| key.span().start);
        all.into_iter().map(|(key, value)| (Placed::new(key.get_ref().as_ref(), key.span()), value))
    }

    /// The value of `key`.
    pub fn find(&self, key: &str) -> Option<Node<'a>> {
        let entry = self.entries.iter().find(|(name, _)| name.get_ref() == key);
        entry.map(|(_, value)| value)
    }

    /// The text of `key`, if it is there.
    ///
    /// # Errors
    /// It is no text.
    pub fn text(&self, key: &str) -> Result<Option<Placed<String>>, Mistake> {
        self.find(key).map(|node| text(node, key)).transpose()
    }

    /// The text of `key`, which has to be there; `example` is one.
    ///
    /// # Errors
    /// It is not there, or no text.
    pub fn needs_text(
        &self,
        what: &str,
        key: &str,
        example: &str,
    ) -> Result<Placed<String>, Mistake> {
        let missing = || {
            let message = format!("{what} needs the key `{key}`; write {key} = \"{example}\"");
            Mistake::new(self.span.clone(), message)
        };
        self.text(key)?.ok_or_else(missing)
    }

    /// The text of `key` as `read` takes it.
    ///
    /// # Errors
    /// It is no text, or `read` does not take it.
    pub fn read<T, E: Display>(
        &self,
        key: &str,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<Placed<T>>, Mistake> {
        let text = self.text(key)?;
        let taken = text.map(|text| match read(&text.it) {
            Ok(it) => Ok(Placed::new(it, text.span)),
            Err(error) => Err(text.mistake(format!("{key} {error}"))),
        });
        taken.transpose()
    }

    /// The same of a key whose value may be a whole number, without quotes.
    ///
    /// # Errors
    /// It is neither, or `read` does not take it.
    pub fn number<T, E: Display>(
        &self,
        key: &str,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<Placed<T>>, Mistake> {
        let Some(node) = self.find(key) else { return Ok(None) };
        let DeValue::Integer(number) = node.get_ref() else { return self.read(key, read) };
        let text = integer(number).map_or_else(|| number.to_string(), |number| number.to_string());
        match read(&text) {
            Ok(it) => Ok(Some(Placed::new(it, node.span()))),
            Err(error) => Err(Mistake::new(node.span(), format!("{key} {error}"))),
        }
    }

    /// The same of a key whose value is a time; a bare number has no unit.
    ///
    /// # Errors
    /// It is none, or `read` does not take it.
    pub fn time<T, E: Display>(
        &self,
        key: &str,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<Placed<T>>, Mistake> {
        match self.find(key).map(|node| (node, node.get_ref())) {
            Some((node, DeValue::Integer(_) | DeValue::Float(_))) => {
                let remedy = format!("{key} is a time with its unit; write {key} = \"1s\"");
                Err(kind(node, node.get_ref(), &remedy))
            }
            _ => self.read(key, read),
        }
    }

    /// The number of `key`, within inclusive bounds.
    ///
    /// # Errors
    /// It is none, or out of bounds.
    pub fn count(&self, key: &str, min: u64, max: u64) -> Result<Option<u64>, Mistake> {
        let Some(node) = self.find(key) else { return Ok(None) };
        let wrong = || {
            let value = shown(node.get_ref());
            let remedy = format!("write a whole number from {min} to {max}");
            Mistake::new(node.span(), format!("{key} {value} is out of range; {remedy}"))
        };
        let DeValue::Integer(number) = node.get_ref() else {
            let remedy = format!("{key} is a whole number; write {key} = {}", min.max(1));
            return Err(kind(node, node.get_ref(), &remedy));
        };
        let number = integer(number).and_then(|number| u64::try_from(number).ok());
        number.filter(|number| (min..=max).contains(number)).map(Some).ok_or_else(wrong)
    }

    /// Whether `key` is there and true.
    ///
    /// # Errors
    /// It is neither true nor false.
    pub fn flag(&self, key: &str) -> Result<bool, Mistake> {
        let Some(node) = self.find(key) else { return Ok(false) };
        match node.get_ref() {
            DeValue::Boolean(flag) => Ok(*flag),
            other => Err(kind(node, other, &format!("{key} is true or false; write {key} = true"))),
        }
    }

    /// The values of the array `key`; none where it is not there.
    ///
    /// # Errors
    /// It is no array.
    pub fn list(&self, key: &str, remedy: &str) -> Result<Vec<Node<'a>>, Mistake> {
        let Some(node) = self.find(key) else { return Ok(Vec::new()) };
        match node.get_ref() {
            DeValue::Array(values) => Ok(values.iter().collect()),
            other => Err(kind(node, other, remedy)),
        }
    }
}

/// The text that `node` has to be, as the value of `key`.
///
/// # Errors
/// It is none.
pub fn text(node: Node<'_>, key: &str) -> Result<Placed<String>, Mistake> {
    match node.get_ref() {
        DeValue::String(text) => Ok(Placed::new(text.clone().into_owned(), node.span())),
        other => Err(kind(node, other, &format!("{key} is a text; write it in quotes"))),
    }
}

/// Whether `name` can be that of a header or a cookie, `what`: a token both (RFC 9110, RFC 6265).
///
/// # Errors
/// It cannot.
pub fn token(what: &str, name: &Placed<&str>) -> Result<(), Mistake> {
    let wrong = |_| {
        let name = quoted(name.it);
        format!("{what} name {name} is not a token; write letters, digits and -")
    };
    http1::check_field(name.it, "").map_err(|error| name.mistake(wrong(error)))
}

/// The value of `node` without its places.
///
/// # Errors
/// A number that needs more than 64 bits.
pub fn value(node: Node<'_>) -> Result<toml::Value, Mistake> {
    let no_number = || Mistake::new(node.span(), "the number needs more than 64 bits; write less");
    Ok(match node.get_ref() {
        DeValue::String(text) => toml::Value::String(text.clone().into_owned()),
        DeValue::Integer(number) => toml::Value::Integer(integer(number).ok_or_else(no_number)?),
        DeValue::Float(number) => {
            toml::Value::Float(number.as_str().replace('_', "").parse().map_err(|_| no_number())?)
        }
        DeValue::Boolean(flag) => toml::Value::Boolean(*flag),
        DeValue::Datetime(time) => toml::Value::Datetime(*time),
        DeValue::Array(values) => {
            toml::Value::Array(values.iter().map(value).collect::<Result<_, _>>()?)
        }
        DeValue::Table(entries) => {
            let entry = |(key, node): (&Spanned<_>, _)| {
                Ok((
                    AsRef::<str>::as_ref(key.get_ref() as &std::borrow::Cow<'_, str>).to_owned(),
                    value(node)?,
                ))
            };
            toml::Value::Table(entries.iter().map(entry).collect::<Result<_, Mistake>>()?)
        }
    })
}

fn integer(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()
}

/// `node` is of another kind than `remedy` says.
fn kind(node: Node<'_>, value: &DeValue<'_>, remedy: &str) -> Mistake {
    let kind = match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    };
    Mistake::new(node.span(), format!("this is {kind}, but {remedy}"))
}

fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::Integer(number) => quoted(&number.to_string()),
        _ => "this".into(),
    }
}

/// What to say of the key `key`, which is none of `known`.
pub fn unknown_key(what: &str, key: &str, known: &[&str]) -> String {
    let remedy = match nearest(key, known) {
        Some(near) => format!("the nearest one is `{near}`"),
        None => format!("it has {}", known.join(", ")),
    };
    format!("key {} is not known in {what}; {remedy}", quoted(key))
}

/// So many letters of a word are compared.
const WORD_MAX: usize = 64;

/// The word of `known` nearest to `word`, if one is near.
pub fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let begin: String = word.chars().take(WORD_MAX).collect();
    let near = known.iter().map(|name| (distance(&begin, name), *name)).min()?;
    (near.0 <= 1 + word.len().min(24) / 4).then_some(near.1)
}

fn check_depth(node: Node<'_>, depth: usize) -> Result<(), Mistake> {
    if depth > DEPTH_MAX {
        let message = format!("this is nested deeper than {DEPTH_MAX} levels; write it flatter");
        return Err(Mistake::new(node.span(), message));
    }
    match node.get_ref() {
        DeValue::Array(values) => values.iter().try_for_each(|value| check_depth(value, depth + 1)),
        DeValue::Table(entries) => {
            entries.iter().try_for_each(|(_, value)| check_depth(value, depth + 1))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_suggested_where_one_is_near() {
        let known = ["name", "weight", "step"];
        for (word, near) in [("nam", Some("name")), ("wieght", Some("weight")), ("xyzzy", None)] {
            assert_eq!(nearest(word, &known), near, "{word}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn what_is_nested_too_deeply_is_refused() {
        let nested = |depth: usize| format!("a = {}{}", "[".repeat(depth), "]".repeat(depth));
        let fits = |depth| {
            let text = nested(depth);
            DeTable::parse(&text).map(|root| Table::root(&root).is_ok())
        };
        assert_eq!(fits(DEPTH_MAX), Ok(true));
        assert_eq!(fits(DEPTH_MAX + 1), Ok(false));
    }
}
