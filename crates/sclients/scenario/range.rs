//! Two values with `..` between them, or one for both.

use crate::config::quoted::quoted;

/// Reads `text`, each value as `read` takes it; `example` is a range.
///
/// # Errors
/// A value that is none, or the greater one first.
pub fn range<T: PartialOrd + Clone>(
    text: &str,
    example: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<(T, T), String> {
    let Some((from, to)) = text.split_once("..") else {
        return read(text).map(|value| (value.clone(), value));
    };
    if from.is_empty() || to.is_empty() {
        return Err(format!("{} has one end; write both, as {example}", quoted(text)));
    }
    match (read(from)?, read(to)?) {
        (from, to) if from <= to => Ok((from, to)),
        _ => Err(format!("{} goes down; write the smaller one first", quoted(text))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_there_and_in_order() {
        let read = |text: &str| {
            let number = |text: &str| text.parse::<u8>().map_err(|_| format!("{text}?"));
            range(text, "1..3", number)
        };
        for (text, values) in [
            ("7", Ok((7, 7))),
            ("1..3", Ok((1, 3))),
            ("3..3", Ok((3, 3))),
            ("3..1", Err("`3..1` goes down; write the smaller one first")),
            ("1..", Err("`1..` has one end; write both, as 1..3")),
            ("..1", Err("`..1` has one end; write both, as 1..3")),
            ("1..x", Err("x?")),
            ("", Err("?")),
        ] {
            assert_eq!(read(text), values.map_err(String::from), "{text}");
        }
    }
}
