//! `FIGURE OP VALUE`, and a list of such.

use super::bound::Bound;
use super::mistake::LimitError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The longest name of a figure, in bytes; what is called something longer has a place in its list as well.
const NAME_BYTES_MAX: usize = 300;

/// How a figure is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
    /// `==`
    Equal,
    /// `!=`
    Unequal,
}

impl Op {
    /// All of them; none begins one that comes after it.
    const ALL: [Self; 6] =
        [Self::AtMost, Self::AtLeast, Self::Equal, Self::Unequal, Self::Less, Self::More];

    /// As it is written.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
            Self::Equal => "==",
            Self::Unequal => "!=",
        }
    }

    /// Whether `left` is so to `right`.
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::More => left > right,
            Self::AtLeast => left >= right,
            Self::Equal => left == right,
            Self::Unequal => left != right,
        }
    }

    /// Whether all that is at least `left` is so to `right`: true or false of all, or none where some are.
    pub fn holds_from(self, left: f64, right: f64) -> Option<bool> {
        match self {
            Self::More | Self::AtLeast => self.holds(left, right).then_some(true),
            Self::Less | Self::AtMost => (!self.holds(left, right)).then_some(false),
            Self::Equal => (left > right).then_some(false),
            Self::Unequal => (left > right).then_some(true),
        }
    }
}

/// What a figure has to be; what it means is not known yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Expression {
    /// The figure as typed.
    pub name: String,
    /// How it is compared.
    pub op: Op,
    /// With what.
    pub bound: Bound,
}

impl FromStr for Expression {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let no_comparison = || LimitError::NoComparison(text.trim().to_owned());
        let at = find_bare(text, &['<', '>', '=', '!']).ok_or_else(no_comparison)?;
        let (name, rest) = text.split_at(at);
        let op = Op::ALL.into_iter().find(|op| rest.starts_with(op.sign()));
        let op = op.ok_or_else(no_comparison)?;
        let bound = rest[op.sign().len()..].parse()?;
        Ok(Self { name: checked(name.trim())?, op, bound })
    }
}

/// The name of a figure: keys of the summary, parted by dots; those that are no words stand in quotes.
fn checked(name: &str) -> Result<String, LimitError> {
    let quoted = |key: &str| {
        let inside = key.strip_prefix('"').and_then(|key| key.strip_suffix('"'));
        inside.is_some_and(|key| !key.is_empty() && !key.contains(char::is_control))
    };
    let sound = name.len() <= NAME_BYTES_MAX
        && split_bare(name, '.').into_iter().all(|key| is_word(key) || quoted(key));
    if sound { Ok(name.to_owned()) } else { Err(LimitError::Name(name.to_owned())) }
}

/// Whether a key needs no quotes.
pub(super) fn is_word(key: &str) -> bool {
    let of_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    !key.is_empty() && key.chars().all(of_word)
}

/// Where in `text` one of `signs` stands first that is not in quotes.
pub(super) fn find_bare(text: &str, signs: &[char]) -> Option<usize> {
    let mut quoted = false;
    let found = text.char_indices().find(|(_, c)| {
        quoted ^= *c == '"';
        !quoted && signs.contains(c)
    });
    found.map(|(at, _)| at)
}

/// `text`, parted at each `sign` that is not in quotes.
fn split_bare(text: &str, sign: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = find_bare(rest, &[sign]) {
        parts.push(&rest[..at]);
        rest = &rest[at + sign.len_utf8()..];
    }
    parts.push(rest);
    parts
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.name, self.op.sign(), self.bound)
    }
}

impl TryFrom<String> for Expression {
    type Error = LimitError;

    fn try_from(text: String) -> Result<Self, LimitError> {
        text.parse()
    }
}

impl From<Expression> for String {
    fn from(expression: Expression) -> Self {
        expression.to_string()
    }
}

/// A service-level objective: all of these, at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct Slo(pub Vec<Expression>);

impl FromStr for Slo {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let parts = split_bare(text, ',').into_iter();
        parts.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Slo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, expression) in self.0.iter().enumerate() {
            write!(f, "{}{expression}", if index > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Result<String, String> {
        let read = text.parse::<Expression>();
        read.map(|read| read.to_string()).map_err(|mistake| mistake.to_string())
    }

    #[test]
    fn expressions_are_a_figure_a_comparison_and_a_value() {
        for (text, told) in [
            ("p99 < 250ms", "p99 < 250ms"),
            ("p99<250ms", "p99 < 250ms"),
            ("  latency_us.from_due.p99  <=  1m30s ", "latency_us.from_due.p99 <= 1m30s"),
            ("requests.failed.timeout.first_byte==0", "requests.failed.timeout.first_byte == 0"),
            ("connections.peak_live != 20_000", "connections.peak_live != 20_000"),
            ("statuses.503 > 1k", "statuses.503 > 1k"),
            ("host.tcp.TCPSynRetrans >= 0.5", "host.tcp.TCPSynRetrans >= 0.5"),
            ("drift.throughput.slope_per_hour>-5", "drift.throughput.slope_per_hour > -5"),
            ("steps.\"GET /a.b?c=1,2;d<3\".failed==0", "steps.\"GET /a.b?c=1,2;d<3\".failed == 0"),
        ] {
            assert_eq!(said(text).unwrap(), told);
        }
    }

    #[test]
    fn what_is_no_expression_says_what_is() {
        for (text, mistake) in [
            (
                "",
                "`` compares nothing; write FIGURE OP VALUE, as p99 < 250ms, with < <= > >= == or !=",
            ),
            ("p99", "`p99` compares nothing; "),
            ("p99 = 5ms", "`p99 = 5ms` compares nothing; "),
            ("p99 ! 5ms", "`p99 ! 5ms` compares nothing; "),
            ("p99 =< 5ms", "`p99 =< 5ms` compares nothing; "),
            ("< 5ms", "`` is no figure's name; write one as p99 or requests.failed_share"),
            ("a..b < 5", "`a..b` is no figure's name; "),
            ("p 99 < 5", "`p 99` is no figure's name; "),
            (".p99 < 5", "`.p99` is no figure's name; "),
            ("a.\"b.c < 5", "`a.\"b.c < 5` compares nothing; "),
            ("a.\"\" < 5", "`a.\"\"` is no figure's name; "),
            ("a.b\"c\" < 5", "`a.b\"c\"` is no figure's name; "),
            ("p99 <", "`` is no value; write 20k, 0.1%, 250ms or 64MiB"),
            ("p99 << 5", "`< 5` is no value; "),
            ("p99 < 5 < 6", "`5 < 6` is no value; "),
        ] {
            let refused = said(text).unwrap_err();
            assert!(refused.starts_with(mistake), "{refused}");
        }
        assert!(said(&format!("{} < 5", "x".repeat(301))).is_err());
    }

    #[test]
    fn an_objective_is_a_list_of_which_every_part_counts() {
        let slo: Slo = "p99 < 50ms, failed<0.1%".parse().unwrap();
        assert_eq!((slo.0.len(), slo.to_string().as_str()), (2, "p99 < 50ms, failed < 0.1%"));
        for text in ["", ",", "p99 < 50ms,", "p99 < 1,000"] {
            assert!(text.parse::<Slo>().is_err(), "{text}");
        }
        assert_eq!(slo.to_string().parse::<Slo>().unwrap(), slo);
    }

    #[test]
    fn what_is_known_from_below_decides_only_one_way() {
        use Op::{AtLeast, AtMost, Equal, Less, More, Unequal};
        let (below, at, over) = (1.0, 2.0, 3.0);
        for (op, from_below, from_bound, from_over) in [
            (Less, None, Some(false), Some(false)),
            (AtMost, None, None, Some(false)),
            (More, None, None, Some(true)),
            (AtLeast, None, Some(true), Some(true)),
            (Equal, None, None, Some(false)),
            (Unequal, None, None, Some(true)),
        ] {
            let told = [below, at, over].map(|left| op.holds_from(left, 2.0));
            assert_eq!(told, [from_below, from_bound, from_over], "{op:?}");
        }
    }

    #[test]
    fn comparisons_are_what_their_signs_say() {
        for (op, told) in [
            (Op::Less, [true, false, false]),
            (Op::AtMost, [true, true, false]),
            (Op::More, [false, false, true]),
            (Op::AtLeast, [false, true, true]),
            (Op::Equal, [false, true, false]),
            (Op::Unequal, [true, false, true]),
        ] {
            assert_eq!([1.0, 2.0, 3.0].map(|left| op.holds(left, 2.0)), told, "{op:?}");
        }
    }
}
