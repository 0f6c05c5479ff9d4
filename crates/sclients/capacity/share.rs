//! How sure it is whether a share of requests is over its limit: of the requests at one load, so many were
//! slower than an objective allows, or failed.
//!
//! A quantile within a limit is a share that is not above what the quantile leaves: p99 < 50 ms is at most
//! 1 % over 50 ms. With few requests a share says little. It is decided where the order statistics of the
//! quantile enclose it on one side of the limit in 95 % of all cases ([`stats::ranks`]), or where so many
//! requests were made that the point value is as good; else there have to be more requests.

use stats::ranks;

/// Of so many expected over the limit, the number that was seen is believed as it is.
const ENOUGH: f64 = 15.0;

/// Requests over a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// So many.
    pub over: u64,
    /// Of so many.
    pub of: u64,
}

/// What a share says of the most that it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weighed {
    /// It is not above that.
    Within,
    /// It is above.
    Over,
    /// It cannot be told from so few requests.
    Open,
}

impl Share {
    /// Adds what further requests showed.
    pub fn add(&mut self, more: Self) {
        self.over += more.over;
        self.of += more.of;
    }

    /// What it says of `most`, between 0 and 1.
    pub fn weigh(self, most: f64) -> Weighed {
        let below = self.of - self.over;
        let ranks = ranks(self.of, 1.0 - most);
        if ranks.upper.is_some_and(|upper| below >= upper) {
            Weighed::Within
        } else if ranks.lower.is_some_and(|lower| below < lower) {
            Weighed::Over
        } else if self.of as f64 * most >= ENOUGH {
            self.as_seen(most)
        } else {
            Weighed::Open
        }
    }

    /// What it says as it is, however few the requests.
    pub fn as_seen(self, most: f64) -> Weighed {
        if self.seen().is_some_and(|share| share > most) { Weighed::Over } else { Weighed::Within }
    }

    /// The share itself, 0 to 1; none of nothing.
    pub fn seen(self) -> Option<f64> {
        (self.of > 0).then(|| self.over as f64 / self.of as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_decided_where_chance_cannot_have_made_it() {
        use Weighed::{Open, Over, Within};
        for (over, of, most, weighed) in [
            (0, 0, 0.01, Open),
            (0, 367, 0.01, Open),
            (0, 368, 0.01, Within),
            (1, 368, 0.01, Open),
            (9, 368, 0.01, Over),
            (300, 300, 0.01, Over),
            (15, 1_500, 0.01, Within),
            (16, 1_500, 0.01, Over),
            (14, 1_499, 0.01, Open),
            (0, 200, 0.000_01, Open),
            (0, 3_700, 0.001, Within),
            (5, 10, 0.5, Open),
            (10, 10, 0.5, Over),
        ] {
            assert_eq!(Share { over, of }.weigh(most), weighed, "{over} of {of}, {most}");
        }
    }
}
