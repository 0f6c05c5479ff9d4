//! How alike two words are: what a misspelt one was meant to be.

/// How many letters have to be put in, left out or changed to make one word the other: Levenshtein (1966).
pub fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.chars().collect();
    let mut row: Vec<usize> = (0..=one.len()).collect();
    for (line, letter) in other.chars().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], line + 1);
        for (at, own) in one.iter().enumerate() {
            let changed = corner + usize::from(*own != letter);
            corner = row[at + 1];
            row[at + 1] = changed.min(corner + 1).min(row[at] + 1);
        }
    }
    row[one.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_counted_by_letters() {
        for (one, other, apart) in [
            ("", "", 0),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("p98", "p99", 1),
            ("a", "a", 0),
        ] {
            assert_eq!((distance(one, other), distance(other, one)), (apart, apart));
        }
    }
}
