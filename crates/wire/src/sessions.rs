//! Sessions as they travel: down as programs, up as counts.

use crate::codec::WireError;
use crate::report::{HistogramRecord, bounded};
use bincode::{Decode, Encode};
use stats::{CHECKS_MAX, SESSIONS_MAX, STEPS_MAX, SessionCounts, StepCounts};

/// The sessions of one worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct SessionsShare {
    /// Where rows come from.
    pub feeds: Vec<FeedShare>,
    /// The sessions of the run, in order; those that this worker does not play have the weight 0.
    pub sessions: Vec<SessionShare>,
    /// The slot among those of all phases: its counter counts from there.
    pub slot: u32,
    /// The workers of all phases: its counter counts by so many, so that no two give the same number.
    pub workers: u32,
}

/// One worker's rows of a feed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct FeedShare {
    /// Which row comes next.
    pub order: OrderKind,
    /// Values of a row.
    pub columns: u16,
    /// All values, one behind the other, row by row.
    pub text: Vec<u8>,
    /// Where each value ends in it.
    pub ends: Vec<u32>,
}

/// Which row comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum OrderKind {
    /// The next one, and after the last the first.
    Sequential,
    /// One drawn by seed.
    Random,
    /// One that no other session has at that time.
    Unique,
}

/// What one user does.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct SessionShare {
    /// How often it is drawn, beside the others; 0 is never.
    pub weight: u32,
    /// Variables that it has.
    pub variables: u16,
    /// Feeds of which it draws a row.
    pub feeds: Vec<u16>,
    /// What is done, in order.
    pub code: Vec<StepCode>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum StepCode {
    /// A request. The n-th of a session is counted as its n-th step.
    Request(Box<RequestCode>),
    /// A pause drawn evenly between the two, in nanoseconds, inclusive.
    Pause(u64, u64),
    /// What is up to the matching [`StepCode::Again`] so many times.
    Repeat(u32),
    /// Back behind the matching [`StepCode::Repeat`], unless that was often enough.
    Again,
}

/// A request and what is made of its answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct RequestCode {
    /// The method.
    pub method: String,
    /// Whether the connection may last behind it.
    pub persistent: bool,
    /// The head up to its blank line.
    pub head: Vec<Segment>,
    /// The body.
    pub body: Vec<Segment>,
    /// Statuses that are expected, inclusive ranges.
    pub statuses: Vec<(u16, u16)>,
    /// What else is expected.
    pub checks: Vec<CheckCode>,
    /// Variables that get a value of the answer.
    pub extracts: Vec<(u16, FoundCode)>,
}

/// A piece of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Segment {
    /// As it is.
    Text(Vec<u8>),
    /// A value, put in as its place needs it.
    Value(ValueCode, PlaceKind),
    /// The length of the body.
    Length,
}

/// A value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum ValueCode {
    /// Of a variable.
    Variable(u16),
    /// Of a row: which of the session's feeds, and which column.
    Column(u16, u16),
    /// Drawn between the two, inclusive.
    Random(u64, u64),
    /// A number that no other request gets.
    Counter,
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Millis,
}

/// Where a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum PlaceKind {
    /// Within a path or query: percent-encoded.
    Path,
    /// At a path's beginning: as it is, if it is one.
    WholePath,
    /// In a header: as it is, if it is one line.
    Header,
    /// In a body: as it is.
    Body,
}

/// Something that is expected of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum CheckCode {
    /// A header of this name holds this text, letters' case aside.
    Header(String, String),
    /// The body holds this.
    Contains(Vec<u8>),
    /// The body matches this expression.
    Matches(String),
    /// The body has so many bytes, inclusive.
    Bytes(u64, u64),
    /// It was whole so long after its request was sent, in nanoseconds.
    Within(u64),
}

/// Where a value is found in an answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum FoundCode {
    /// By a JSON pointer.
    Json(String),
    /// A part of the body.
    Body(ExcerptCode),
    /// The first header of this name, or the first in which the part is, and that.
    Header(String, Option<ExcerptCode>),
    /// The cookie of this name that the answer sets.
    Cookie(String),
    /// The status.
    Status,
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum ExcerptCode {
    /// Behind the first of one text and before the next of the other.
    Between(Vec<u8>, Vec<u8>),
    /// The first group of the first match, or the match.
    Regex(String),
}

/// [`SessionCounts`] as they travel.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SessionRecord {
    begun: u64,
    completed: u64,
    broken: u64,
    extract_failed: u64,
    steps: Vec<StepRecord>,
}

/// [`StepCounts`] as they travel.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct StepRecord {
    counts: [u64; 6],
    checks_failed: Vec<u64>,
    latency: HistogramRecord,
}

impl StepRecord {
    fn new(step: &StepCounts) -> Self {
        Self {
            counts: [
                step.requests,
                step.completed,
                step.unexpected,
                step.failed,
                step.bad_value,
                step.extract_failed,
            ],
            checks_failed: step.checks_failed.clone(),
            latency: HistogramRecord::new(&step.latency),
        }
    }

    fn counts(&self) -> Result<StepCounts, WireError> {
        if self.checks_failed.len() > CHECKS_MAX {
            return Err(WireError::Body("more checks than a request has"));
        }
        let all = self.counts.iter().chain(&self.checks_failed);
        all.copied().try_for_each(|count| bounded(count).map(drop))?;
        let [requests, completed, unexpected, failed, bad_value, extract_failed] = self.counts;
        Ok(StepCounts {
            requests,
            completed,
            unexpected,
            failed,
            bad_value,
            extract_failed,
            checks_failed: self.checks_failed.clone(),
            latency: self.latency.histogram()?,
        })
    }
}

impl SessionRecord {
    /// Flattens `sessions`.
    pub fn all(sessions: &[SessionCounts]) -> Vec<Self> {
        let flat = |session: &SessionCounts| Self {
            begun: session.begun,
            completed: session.completed,
            broken: session.broken,
            extract_failed: session.extract_failed,
            steps: session.steps.iter().map(StepRecord::new).collect(),
        };
        sessions.iter().map(flat).collect()
    }

    /// The counts, once each is within its bounds.
    ///
    /// # Errors
    /// A record of another build, or a forged one.
    pub fn counts_of_all(records: &[Self]) -> Result<Vec<SessionCounts>, WireError> {
        if records.len() > SESSIONS_MAX {
            return Err(WireError::Body("more sessions than a run has"));
        }
        records.iter().map(Self::counts).collect()
    }

    fn counts(&self) -> Result<SessionCounts, WireError> {
        if self.steps.len() > STEPS_MAX {
            return Err(WireError::Body("more steps than a session has"));
        }
        Ok(SessionCounts {
            begun: bounded(self.begun)?,
            completed: bounded(self.completed)?,
            broken: bounded(self.broken)?,
            extract_failed: bounded(self.extract_failed)?,
            steps: self.steps.iter().map(StepRecord::counts).collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stats::COUNT_MAX;

    fn record() -> SessionRecord {
        let step = StepCounts { checks_failed: vec![1, 2], requests: 3, ..StepCounts::default() };
        let session = SessionCounts { begun: 5, steps: vec![step], ..SessionCounts::default() };
        SessionRecord::all(&[session]).remove(0)
    }

    #[test]
    fn counts_over_their_bounds_are_refused() {
        let believed = |records: &[SessionRecord]| SessionRecord::counts_of_all(records).is_ok();
        assert!(believed(&[record()]));
        assert!(!believed(&vec![record(); SESSIONS_MAX + 1]));
        assert!(!believed(&[SessionRecord { begun: COUNT_MAX + 1, ..record() }]));
        let step = record().steps.remove(0);
        let steps =
            |step: StepRecord, count| SessionRecord { steps: vec![step; count], ..record() };
        assert!(believed(&[steps(step.clone(), STEPS_MAX)]));
        assert!(!believed(&[steps(step.clone(), STEPS_MAX + 1)]));
        let checks = |checks_failed| StepRecord { checks_failed, ..step.clone() };
        assert!(!believed(&[steps(checks(vec![0; CHECKS_MAX + 1]), 1)]));
        assert!(!believed(&[steps(checks(vec![u64::MAX]), 1)]));
    }
}
