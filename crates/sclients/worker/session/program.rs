//! A share of sessions, made ready to be played.

use super::score::StepScore;
use crate::scenario::{PatternError, pattern};
use memchr::memmem::Finder;
use protocols::http1::{Manner, Request};
use regex::bytes::Regex;
use stats::SessionCounts;
use std::rc::Rc;
use wire::{
    CheckCode, ExcerptCode, FeedShare, FoundCode, OrderKind, PlaceKind, RequestCode, Segment,
    SessionShare, SessionsShare, StepCode, ValueCode,
};

/// Why a share cannot be played; a supervisor of the same build never sends such.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// An expression.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A number that is out of its bounds.
    #[error("a program that cannot be")]
    Broken,
}

/// The most bytes of an answer's body that are looked at.
const KEPT_BYTES_MAX: u32 = 1 << 20;

/// All sessions of a worker, and beside each part what was counted of it since the last cut.
#[derive(Debug)]
pub struct Program {
    /// In order.
    pub sessions: Vec<SessionPlay>,
    /// The steps of all sessions, one behind the other.
    pub steps: Vec<StepPlay>,
    /// The requests of all sessions, likewise.
    pub requests: Vec<RequestPlay>,
    /// Where rows come from.
    pub feeds: Vec<FeedPlay>,
    /// The sum of all weights.
    pub weights: u64,
}

/// One session.
#[derive(Debug)]
pub struct SessionPlay {
    /// How often it is drawn.
    pub weight: u32,
    /// Its variables.
    pub variables: u16,
    /// Its feeds.
    pub feeds: Vec<u16>,
    /// What is done first.
    pub begin: Then,
    /// How many requests it has.
    pub requests: usize,
    /// Whether its user has anything in mind: values, rows, loops.
    pub remembers: bool,
    /// Counts, but for those of its requests.
    pub counts: SessionCounts,
}

/// One step.
#[derive(Clone, Copy, Debug)]
pub enum StepPlay {
    /// The request of this number among those of all sessions.
    Request(u16),
    /// A pause between the two, in nanoseconds.
    Pause(u64, u64),
    /// What follows, so many times.
    Repeat(u32),
    /// Back behind the repeat at this place among all.
    Again(u32),
    /// The session is over.
    End,
}

/// What comes next, as far as that is known before it is played.
#[derive(Clone, Copy, Debug)]
pub enum Then {
    /// At once the request of this number among those of all sessions.
    Request(u16),
    /// Nothing: the session is over.
    End,
    /// What the steps say, from this one among those of all sessions on.
    Walk(u32),
}

/// One request.
#[derive(Debug)]
pub struct RequestPlay {
    /// The request itself, where it has no holes; else one of its kind.
    pub request: Rc<Request>,
    /// Whether it has holes.
    pub has_holes: bool,
    /// Whether one of them is a counter.
    pub has_counter: bool,
    /// Its head and body, where it has holes.
    pub head: Template,
    /// See `head`.
    pub body: Template,
    /// Expected statuses.
    pub statuses: Vec<(u16, u16)>,
    /// Checks.
    pub checks: Vec<CheckPlay>,
    /// Variables and where their values are found.
    pub extracts: Vec<(u16, FoundPlay)>,
    /// Whether anything is expected of it but a status.
    pub judged: bool,
    /// What comes behind it.
    pub then: Then,
    /// Counts.
    pub score: StepScore,
}

impl RequestPlay {
    /// Whether an answer of this status is expected.
    pub fn expects(&self, status: u16) -> bool {
        self.statuses.iter().any(|(first, last)| (*first..=*last).contains(&status))
    }
}

/// A text with holes, and in them what was put there last: most of it stays from request to request.
#[derive(Debug, Default)]
pub struct Template {
    /// All of the text.
    pub text: Vec<u8>,
    /// The holes in it, in order.
    pub holes: Vec<Hole>,
}

/// A place in a text where something else is put each time.
#[derive(Clone, Copy, Debug)]
pub struct Hole {
    /// What is put there.
    pub filling: Filling,
    /// Where it begins, and how long it is now.
    at: usize,
    bytes: usize,
}

/// What is put into a request.
#[derive(Clone, Copy, Debug)]
pub enum Filling {
    /// A number that no other request gets.
    Counter,
    /// A number between the two, inclusive.
    Random(u64, u64),
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Millis,
    /// The length of the body.
    Length,
    /// A text, as its place needs it.
    Text(Text, PlaceKind),
}

/// A text that is put into a request.
#[derive(Clone, Copy, Debug)]
pub enum Text {
    /// The value of a variable.
    Variable(u16),
    /// That of a row, by the session's feed and the column.
    Column(u16, u16),
}

/// One check.
#[derive(Debug)]
pub enum CheckPlay {
    /// See [`CheckCode::Header`].
    Header(String, Vec<u8>),
    /// The body holds this.
    Contains(Box<Finder<'static>>),
    /// The expression finds something in the body.
    Matches(Regex),
    /// See [`CheckCode::Bytes`].
    Bytes(u64, u64),
    /// See [`CheckCode::Within`].
    Within(u64),
}

/// Where a value is found.
#[derive(Debug)]
pub enum FoundPlay {
    /// By a JSON pointer.
    Json(String),
    /// A part of the body.
    Body(ExcerptPlay),
    /// The first header of this name, or the first in which the part is, and that.
    Header(String, Option<ExcerptPlay>),
    /// The cookie of this name that the answer sets.
    Cookie(String),
    /// The status.
    Status,
}

/// A part of a text.
#[derive(Debug)]
pub enum ExcerptPlay {
    /// Behind the first of one text and before the next of the other.
    Between(Box<[Finder<'static>; 2]>),
    /// By the first group of an expression, or all of it.
    Regex(Regex),
}

/// One worker's rows.
#[derive(Debug)]
pub struct FeedPlay {
    /// Which row comes next.
    pub order: OrderKind,
    columns: usize,
    text: Vec<u8>,
    ends: Vec<u32>,
}

impl Program {
    /// The program of `share`; answers are taken in `manner`.
    ///
    /// # Errors
    /// What no supervisor of this build sends.
    pub fn new(share: SessionsShare, manner: Manner) -> Result<Self, ProgramError> {
        let feeds: Vec<FeedPlay> =
            share.feeds.into_iter().map(FeedPlay::of).collect::<Result<_, _>>()?;
        let (mut steps, mut requests) = (Vec::new(), Vec::new());
        let session = |session| SessionPlay::of(session, manner, &mut steps, &mut requests);
        let sessions: Vec<SessionPlay> =
            share.sessions.into_iter().map(session).collect::<Result<_, _>>()?;
        let weights = sessions.iter().map(|session| u64::from(session.weight)).sum();
        let known = |session: &SessionPlay| {
            let rows = session.feeds.iter().map(|feed| feeds.get(usize::from(*feed)));
            let rows = rows.map(|feed| feed.map(FeedPlay::rows));
            rows.into_iter().all(|rows| rows.is_some_and(|rows| rows > 0 || session.weight == 0))
        };
        let known = sessions.iter().all(known);
        if weights == 0 || !known || requests.len() > usize::from(u16::MAX) {
            Err(ProgramError::Broken)
        } else {
            Ok(Self { sessions, steps, requests, feeds, weights })
        }
    }
}

impl SessionPlay {
    /// That of `share`; its steps and requests go behind those there are.
    fn of(
        share: SessionShare,
        manner: Manner,
        steps: &mut Vec<StepPlay>,
        played: &mut Vec<RequestPlay>,
    ) -> Result<Self, ProgramError> {
        let (begin, first, mut open) = (steps.len(), played.len(), Vec::new());
        for code in share.code {
            let at = steps.len() as u32;
            steps.push(match code {
                StepCode::Request(code) => {
                    played.push(RequestPlay::of(*code, manner)?);
                    StepPlay::Request(played.len() as u16 - 1)
                }
                StepCode::Pause(from, to) => StepPlay::Pause(from, to.max(from)),
                StepCode::Repeat(times) => {
                    open.push((at, played.len()));
                    StepPlay::Repeat(times)
                }
                StepCode::Again => {
                    let (begin, before) = open.pop().ok_or(ProgramError::Broken)?;
                    if before == played.len() {
                        return Err(ProgramError::Broken);
                    }
                    StepPlay::Again(begin)
                }
            });
        }
        let requests = played.len() - first;
        if requests == 0 || !open.is_empty() || u32::try_from(steps.len()).is_err() {
            return Err(ProgramError::Broken);
        }
        let repeats = |step: &StepPlay| matches!(step, StepPlay::Repeat(_));
        let loops = steps[begin..].iter().any(repeats);
        steps.push(StepPlay::End);
        for (at, step) in steps.iter().enumerate().skip(begin) {
            if let StepPlay::Request(request) = step {
                played[usize::from(*request)].then = Then::of(steps, at + 1);
            }
        }
        let SessionShare { weight, variables, feeds, .. } = share;
        let remembers = variables > 0 || !feeds.is_empty() || loops;
        let counts = SessionCounts::default();
        let begin = Then::of(steps, begin);
        Ok(Self { weight, variables, feeds, begin, requests, remembers, counts })
    }
}

impl Then {
    /// From the step at `at` on.
    fn of(steps: &[StepPlay], at: usize) -> Self {
        match steps[at] {
            StepPlay::Request(request) => Self::Request(request),
            StepPlay::End => Self::End,
            _ => Self::Walk(at as u32),
        }
    }
}

impl RequestPlay {
    fn of(code: RequestCode, manner: Manner) -> Result<Self, ProgramError> {
        let RequestCode { method, persistent, head, body, statuses, checks, extracts } = code;
        let (bytes, has_holes) = match head.as_slice() {
            [Segment::Text(text)] if body.is_empty() => (text.clone(), false),
            _ => (Vec::new(), true),
        };
        let counter = |piece: &Segment| matches!(piece, Segment::Value(ValueCode::Counter, _));
        let has_counter = head.iter().chain(&body).any(counter);
        let checks: Vec<CheckPlay> =
            checks.into_iter().map(CheckPlay::of).collect::<Result<_, _>>()?;
        let extract = |(variable, code)| Ok((variable, FoundPlay::of(code)?));
        let extracts: Vec<_> =
            extracts.into_iter().map(extract).collect::<Result<_, ProgramError>>()?;
        let looks = |check: &CheckPlay| !matches!(check, CheckPlay::Within(_));
        let looked_at = checks.iter().any(looks) || !extracts.is_empty();
        let manner = Manner { kept_max: if looked_at { KEPT_BYTES_MAX } else { 0 }, ..manner };
        Ok(Self {
            request: Rc::new(Request::encoded(bytes, &method, persistent, manner)),
            has_holes,
            has_counter,
            head: if has_holes { Template::of(&head) } else { Template::default() },
            body: Template::of(&body),
            statuses,
            judged: !checks.is_empty() || !extracts.is_empty(),
            then: Then::End,
            score: StepScore::new(checks.len()),
            checks,
            extracts,
        })
    }
}

impl Template {
    fn of(segments: &[Segment]) -> Self {
        let mut template = Self::default();
        for segment in segments {
            let filling = match segment {
                Segment::Text(text) => {
                    template.text.extend_from_slice(text);
                    continue;
                }
                Segment::Length => Filling::Length,
                Segment::Value(value, place) => Filling::of(*value, *place),
            };
            template.holes.push(Hole { filling, at: template.text.len(), bytes: 0 });
        }
        template
    }
}

impl Hole {
    /// Puts `value` into this hole of `text`; `behind` are those behind it.
    #[inline]
    pub fn put(&mut self, text: &mut Vec<u8>, value: &[u8], behind: &mut [Self]) {
        if value.len() == self.bytes {
            text[self.at..][..value.len()].copy_from_slice(value);
        } else {
            self.refit(text, value, behind);
        }
    }

    /// The same where it is longer or shorter than what is there: all behind it moves.
    #[inline(never)]
    fn refit(&mut self, text: &mut Vec<u8>, value: &[u8], behind: &mut [Self]) {
        text.splice(self.at..self.at + self.bytes, value.iter().copied());
        behind.iter_mut().for_each(|hole| hole.at = hole.at + value.len() - self.bytes);
        self.bytes = value.len();
    }
}

impl Filling {
    const fn of(value: ValueCode, place: PlaceKind) -> Self {
        match value {
            ValueCode::Counter => Self::Counter,
            ValueCode::Random(from, to) => Self::Random(from, to),
            ValueCode::Seconds => Self::Seconds,
            ValueCode::Millis => Self::Millis,
            ValueCode::Variable(variable) => Self::Text(Text::Variable(variable), place),
            ValueCode::Column(feed, column) => Self::Text(Text::Column(feed, column), place),
        }
    }
}

impl CheckPlay {
    fn of(code: CheckCode) -> Result<Self, ProgramError> {
        Ok(match code {
            CheckCode::Header(name, holds) => Self::Header(name, holds.into_bytes()),
            CheckCode::Contains(text) => Self::Contains(Box::new(Finder::new(&text).into_owned())),
            CheckCode::Matches(text) => Self::Matches(pattern(&text)?),
            CheckCode::Bytes(from, to) => Self::Bytes(from, to),
            CheckCode::Within(nanos) => Self::Within(nanos),
        })
    }
}

impl FoundPlay {
    fn of(code: FoundCode) -> Result<Self, ProgramError> {
        Ok(match code {
            FoundCode::Json(pointer) => Self::Json(pointer),
            FoundCode::Body(part) => Self::Body(ExcerptPlay::of(part)?),
            FoundCode::Header(name, part) => {
                Self::Header(name, part.map(ExcerptPlay::of).transpose()?)
            }
            FoundCode::Cookie(name) => Self::Cookie(name),
            FoundCode::Status => Self::Status,
        })
    }
}

impl ExcerptPlay {
    fn of(code: ExcerptCode) -> Result<Self, ProgramError> {
        Ok(match code {
            ExcerptCode::Between(before, behind) => {
                let finder = |text: &[u8]| Finder::new(text).into_owned();
                Self::Between(Box::new([finder(&before), finder(&behind)]))
            }
            ExcerptCode::Regex(text) => Self::Regex(pattern(&text)?),
        })
    }
}

impl FeedPlay {
    fn of(share: FeedShare) -> Result<Self, ProgramError> {
        let FeedShare { order, columns, text, ends } = share;
        let columns = usize::from(columns);
        let sorted = ends.is_sorted() && ends.last().is_none_or(|end| *end as usize <= text.len());
        let whole = columns > 0 && ends.len() % columns == 0;
        if sorted && whole {
            Ok(Self { order, columns, text, ends })
        } else {
            Err(ProgramError::Broken)
        }
    }

    /// How many rows there are; at least one where a session that is played draws from it.
    pub fn rows(&self) -> usize {
        self.ends.len() / self.columns
    }

    /// A value of a row.
    pub fn value(&self, row: u32, column: u16) -> &[u8] {
        let at = row as usize * self.columns + usize::from(column);
        let begin = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[begin as usize..self.ends[at] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{asks, feed, program};
    use super::*;

    #[test]
    fn what_could_hang_or_go_out_of_bounds_is_refused() {
        use StepCode::{Again, Repeat};
        assert!(program(&[Repeat(2), asks(), Again], vec![feed(OrderKind::Random, 1)]).is_ok());
        for steps in [&[][..], &[Repeat(2), Again, asks()], &[asks(), Again], &[Repeat(2), asks()]]
        {
            assert!(program(steps, Vec::new()).is_err(), "{steps:?}");
        }
        for broken in [
            feed(OrderKind::Random, 0),
            FeedShare { columns: 0, ..feed(OrderKind::Random, 2) },
            FeedShare { ends: vec![1, 9], ..feed(OrderKind::Random, 2) },
            FeedShare { ends: vec![2, 1], ..feed(OrderKind::Random, 2) },
            FeedShare { columns: 3, ..feed(OrderKind::Random, 2) },
        ] {
            assert!(program(&[asks()], vec![broken]).is_err());
        }
    }
}
