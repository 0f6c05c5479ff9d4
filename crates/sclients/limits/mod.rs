//! Limits and objectives: what a figure of the summary has to be, whether there is such a figure, and
//! whether it is.
//!
//! One grammar, of limits and of service-level objectives alike:
//!
//! ```text
//! LIMIT      = EXPRESSION ["; abort" ["after" DURATION]]
//! SLO        = EXPRESSION *("," EXPRESSION)
//! EXPRESSION = FIGURE OP VALUE                     p99 < 250ms
//! FIGURE     = a path of the summary's JSON, an end of one that no other has, p50 … p9999, failed;
//!              what is in a list by its place from 0, or by its name, in quotes where that is no word
//! OP         = < <= > >= == !=
//! VALUE      = 20k | 0.1% | 250ms | 64MiB, each with a minus before it or not
//! ```
//!
//! Pure: an [`Expression`] is text that was read; [`Figures`] are those that a summary of a shape has, and
//! make a [`Check`] of it, or say what is wrong; a check judges any object of that shape. This room makes
//! no number. Start at [`judge`].

mod bound;
mod check;
mod expression;
mod figure;
mod mistake;
pub mod of_run;
mod watch;

pub use bound::{Amount, Bound};
pub use check::{Check, Judged, State};
pub use expression::{Expression, Op, Slo};
pub use figure::{Figure, Figures, Unit};
pub use mistake::{LimitError, Misfit};
pub use watch::Watch;

use crate::config::quantity;
use crate::scenario::Shown;
use humantime::format_duration;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A limit of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// What has to be so.
    pub expression: Expression,
    /// The run is ended where it has not been so for this time, zero at the first look; none lets it go on.
    pub abort: Option<Duration>,
    /// Where it stands in a file, of which nothing is kept; none was typed.
    #[serde(skip)]
    pub place: Option<Box<Shown>>,
}

/// The limits of one text: several expressions with the same end.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits(pub Vec<Limit>);

impl FromStr for Limits {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let (expressions, end) = match expression::find_bare(text, &[';']) {
            Some(at) => (&text[..at], Some(&text[at + 1..])),
            None => (text, None),
        };
        let abort = end.map(abort).transpose()?;
        let Slo(expressions) = expressions.parse()?;
        let limit = |expression| Limit { expression, abort, place: None };
        Ok(Self(expressions.into_iter().map(limit).collect()))
    }
}

/// Reads `abort [after DURATION]`.
fn abort(text: &str) -> Result<Duration, LimitError> {
    let mistake = || LimitError::Abort(text.trim().to_owned());
    let words: Vec<&str> = text.split_whitespace().collect();
    match words[..] {
        ["abort"] => Ok(Duration::ZERO),
        ["abort", "after", ref delay @ ..] => {
            quantity::pause(&delay.concat()).map_err(|_| mistake())
        }
        _ => Err(mistake()),
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.expression)?;
        match self.abort {
            None => Ok(()),
            Some(Duration::ZERO) => f.write_str("; abort"),
            Some(delay) => write!(f, "; abort after {}", format_duration(delay)),
        }
    }
}

/// What becomes of `expressions` by `summary`, any object of the shape that `figures` are of: each in its
/// place. One that means no figure there does not hold.
pub fn judge<'a>(
    expressions: impl IntoIterator<Item = &'a Expression>,
    figures: &Figures,
    summary: &Value,
) -> Vec<Judged> {
    let judged = |expression: &Expression| match figures.check(expression) {
        Ok(check) => check.judge(summary),
        Err(mistake) => Judged::unknown(expression, &mistake),
    };
    expressions.into_iter().map(judged).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limits(text: &str) -> Result<Vec<Limit>, String> {
        text.parse().map(|Limits(limits)| limits).map_err(|mistake: LimitError| mistake.to_string())
    }

    #[test]
    fn a_limit_may_end_the_run_after_a_while() {
        for (text, abort) in [
            ("p99 < 250ms", None),
            ("p99 < 250ms; abort", Some(0)),
            ("p99<250ms;abort", Some(0)),
            ("p99 < 250ms; abort after 0s", Some(0)),
            ("p99 < 250ms ;  abort  after  1m30s ", Some(90)),
        ] {
            let read = limits(text).unwrap();
            assert_eq!(read.len(), 1);
            assert_eq!(read[0].abort, abort.map(Duration::from_secs), "{text}");
            assert_eq!(limits(&read[0].to_string()).unwrap(), read, "{text}");
        }
        let both = limits("p99 < 250ms, failed < 0.1%; abort after 10s").unwrap();
        let told: Vec<String> = both.iter().map(Limit::to_string).collect();
        assert_eq!(told, ["p99 < 250ms; abort after 10s", "failed < 0.1%; abort after 10s"]);
    }

    #[test]
    fn an_end_that_cannot_be_meant_says_what_can() {
        for end in [
            "",
            "stop",
            "abort after",
            "abort after 10",
            "abort 10s",
            "abort; abort",
            "abortafter 1s",
        ] {
            let mistake = limits(&format!("p99 < 250ms;{end}")).unwrap_err();
            assert!(mistake.starts_with(&format!("`{end}` ")), "{mistake}");
            assert!(mistake.ends_with("write abort, or abort after 10s"), "{mistake}");
        }
    }

    #[test]
    fn limits_are_kept_as_they_were_typed() {
        let read = limits("latency_us.connect.p99 <= 1.5ms, failed == 0; abort after 3s").unwrap();
        let kept = serde_json::to_string(&read).unwrap();
        assert!(kept.contains("\"latency_us.connect.p99 <= 1.5ms\""), "{kept}");
        assert_eq!(serde_json::from_str::<Vec<Limit>>(&kept).unwrap(), read);
        assert!(serde_json::from_str::<Limit>("{\"expression\":\"p99\",\"abort\":null}").is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_read_is_told_as_such(text in hostile()) {
            if let Ok(read) = limits(&text) {
                for limit in read {
                    prop_assert_eq!(limits(&limit.to_string()), Ok(vec![limit]));
                }
            }
        }

        #[test]
        fn any_text_at_all_is_read_or_refused_on_one_line(text in ".{0,200}") {
            if let Err(mistake) = limits(&text) {
                prop_assert!(!mistake.contains(['\n', '\r', '\x1b']), "{}", mistake);
            }
        }
    }

    /// Texts that come near to the grammar.
    fn hostile() -> impl Strategy<Value = String> {
        const PIECES: &[&str] = &[
            "p99", "failed", "a.b", ".", " ", "<", "<=", ">", ">=", "==", "!=", "=", "!", ",", ";",
            "abort", " after ", "1", "0", "9", "k", "M", "G", "_", "%", "ms", "s", "y", "MiB",
            "\"", "e9", "-", "é", "\n",
        ];
        let noise = prop::collection::vec(prop::sample::select(PIECES), 0..12);
        let sound = (
            "[a-z][a-z0-9_.]{0,9}",
            prop::sample::select(vec!["<", "<=", ">", "==", "!="]),
            "[0-9]{1,4}(\\.[0-9]{1,3})?",
            prop::sample::select(vec!["", "k", "%", "ms", "s", "MiB"]),
        );
        prop_oneof![
            noise.prop_map(|pieces| pieces.concat()),
            sound.prop_map(|(figure, op, number, unit)| format!("{figure}{op} {number}{unit}")),
        ]
    }
}
