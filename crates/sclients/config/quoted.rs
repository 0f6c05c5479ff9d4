//! What the user typed, as it stands in a message: on one line, in backticks, of bounded length.

/// The longest text that is shown whole, in characters.
const CHARACTERS_MAX: usize = 120;

/// `text` in backticks, with control characters escaped and the rest of a long text left out.
pub fn quoted(text: &str) -> String {
    format!("`{}`", shown(text))
}

/// The same without backticks, for the remedy that repeats it.
pub fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(CHARACTERS_MAX).flat_map(escaped).collect();
    if text.chars().nth(CHARACTERS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// Whether a character is shown as it is.
pub fn is_plain(character: char) -> bool {
    escaped(character).eq([character])
}

fn escaped(character: char) -> impl Iterator<Item = char> {
    let plain = matches!(character, '\'' | '"' | '\\');
    let escape = (!plain).then(|| character.escape_debug());
    escape.into_iter().flatten().chain(plain.then_some(character))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn texts_stay_on_one_line_and_short() {
        assert_eq!(quoted("10kk"), "`10kk`");
        assert_eq!(quoted("it's \"a\\b\""), "`it's \"a\\b\"`");
        assert_eq!(quoted("a\nb\x1b[31m"), "`a\\nb\\u{1b}[31m`");
        assert_eq!(quoted(&"x".repeat(200)), format!("`{}…`", "x".repeat(120)));
    }
}
