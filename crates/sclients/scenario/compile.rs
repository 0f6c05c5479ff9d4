//! Sessions → the flat programs that workers play: names become numbers, texts without holes become bytes.

use super::check::Check;
use super::extract::{Excerpt, Extract, Found};
use super::feed::Order;
use super::located::Mistake;
use super::played::Program;
use super::session::{Body, Header, Request, Session, Step};
use super::table::nearest;
use super::template::{Part, Template, Unit};
use crate::config::quoted::quoted;
use protocols::http1;
use std::time::Duration;
use wire::{
    CheckCode, ExcerptCode, FeedShare, FoundCode, OrderKind, PlaceKind, RequestCode, Segment,
    SessionShare, SessionsShare, StepCode, ValueCode,
};

/// What requests have in common, whatever a session says.
#[derive(Clone, Copy, Debug)]
pub struct Manners<'a> {
    /// The value of `Host`.
    pub authority: &'a str,
    /// Headers of every request; a step's own of the same name come in their place.
    pub headers: &'a [(String, String)],
    /// Statuses that are expected where a step names none.
    pub statuses: &'a [(u16, u16)],
}

impl<'a> Manners<'a> {
    /// No headers, any expected status.
    pub const fn plain(authority: &'a str, headers: &'a [(String, String)]) -> Self {
        Self { authority, headers, statuses: &[(100, 599)] }
    }
}

/// Which worker a part is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Its slot among those of all phases.
    pub slot: u32,
    /// The workers of all phases.
    pub workers: u32,
    /// Of each feed: its number among the workers who draw from it, and how many they are; none where it does
    /// not.
    pub drawers: Vec<Option<(u32, u32)>>,
}

/// The part of the worker in `seat`.
pub(super) fn share(
    program: &Program,
    weights: &[u32],
    manners: &Manners<'_>,
    seat: &Seat,
) -> Result<SessionsShare, Mistake> {
    let feed = |(feed, drawers): (&super::Feed, &Option<(u32, u32)>)| {
        let rows = drawers.map(|(number, count)| feed.part(number, count));
        let (text, ends) = rows.unwrap_or_default();
        let order = match feed.order {
            Order::Sequential => OrderKind::Sequential,
            Order::Random => OrderKind::Random,
            Order::Unique => OrderKind::Unique,
        };
        FeedShare { order, columns: feed.columns.len() as u16, text, ends }
    };
    let session = |(session, weight): (&Session, &u32)| {
        Names::new(program).session(session, *weight, manners)
    };
    Ok(SessionsShare {
        feeds: program.feeds.iter().zip(&seat.drawers).map(feed).collect(),
        sessions: program.sessions.iter().zip(weights).map(session).collect::<Result<_, _>>()?,
        slot: seat.slot,
        workers: seat.workers,
    })
}

/// The numbers of the names of one session.
struct Names<'a> {
    program: &'a Program,
    variables: Vec<&'a str>,
    feeds: Vec<u16>,
}

impl<'a> Names<'a> {
    const fn new(program: &'a Program) -> Self {
        Self { program, variables: Vec::new(), feeds: Vec::new() }
    }

    fn session(
        mut self,
        session: &'a Session,
        weight: u32,
        manners: &Manners<'_>,
    ) -> Result<SessionShare, Mistake> {
        let mut code = Vec::new();
        for step in &session.steps {
            self.step(step, manners, &mut code)?;
        }
        let variables = self.variables.len() as u16;
        Ok(SessionShare { weight, variables, feeds: self.feeds, code })
    }

    fn step(
        &mut self,
        step: &'a Step,
        manners: &Manners<'_>,
        code: &mut Vec<StepCode>,
    ) -> Result<(), Mistake> {
        match step {
            Step::Request(request) => {
                code.push(StepCode::Request(Box::new(self.request(request, manners)?)));
            }
            Step::Think(from, to) => code.push(StepCode::Pause(nanos(*from), nanos(*to))),
            Step::Loop(times, steps) => {
                code.push(StepCode::Repeat(*times));
                steps.iter().try_for_each(|step| self.step(step, manners, code))?;
                code.push(StepCode::Again);
            }
        }
        Ok(())
    }

    fn request(
        &mut self,
        request: &'a Request,
        manners: &Manners<'_>,
    ) -> Result<RequestCode, Mistake> {
        let mut marks = Marks::new(request, manners);
        let path = self.marked(&request.path, PlaceKind::Path, &mut marks)?;
        let mut builder = http1::Request::builder(&request.method, manners.authority, &path)
            .version(env!("CARGO_PKG_VERSION"));
        let own =
            |name: &str| request.headers.iter().any(|own| own.name.eq_ignore_ascii_case(name));
        for (name, value) in manners.headers.iter().filter(|(name, _)| !own(name)) {
            builder = builder.header(name, value);
        }
        for Header { name, value } in &request.headers {
            builder = builder.header(name, &self.marked(value, PlaceKind::Header, &mut marks)?);
        }
        let mut body = Vec::new();
        match &request.body {
            Body::None => {}
            Body::File(file) => builder = builder.body(&self.program.bodies[&file.it]),
            Body::Text(text) => match text.plain() {
                Some(text) => builder = builder.body(text.as_bytes()),
                None => {
                    body = self.body(text)?;
                    builder = builder.announced(&marks.put(Segment::Length));
                }
            },
        }
        let wrong = |error: http1::RequestError| request.path.mistake(error.to_string());
        let built = builder.build().map_err(wrong)?;
        let extracts = request.extracts.iter().map(|extract| self.extract(extract)).collect();
        let statuses = match request.statuses.as_slice() {
            [] => manners.statuses,
            own => own,
        };
        Ok(RequestCode {
            method: request.method.clone(),
            persistent: built.is_persistent(),
            head: marks.segments(built.bytes()),
            body,
            statuses: statuses.to_vec(),
            checks: request.checks.iter().map(check).collect(),
            extracts,
        })
    }

    /// `template` with a mark for each hole; a path that begins with one is that value as it is.
    fn marked(
        &mut self,
        template: &Template,
        place: PlaceKind,
        marks: &mut Marks,
    ) -> Result<String, Mistake> {
        let mut text = String::new();
        for part in &template.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                hole => {
                    let place = match place {
                        PlaceKind::Path if text.is_empty() => PlaceKind::WholePath,
                        place => place,
                    };
                    let value = self.value(hole).map_err(|why| template.mistake(why))?;
                    text.push_str(&marks.put(Segment::Value(value, place)));
                }
            }
        }
        Ok(text)
    }

    fn body(&mut self, template: &Template) -> Result<Vec<Segment>, Mistake> {
        let segment = |part: &Part| {
            Ok(match part {
                Part::Text(text) => Segment::Text(text.clone().into_bytes()),
                hole => {
                    let value = self.value(hole).map_err(|why| template.mistake(why))?;
                    Segment::Value(value, PlaceKind::Body)
                }
            })
        };
        template.parts.iter().map(segment).collect()
    }

    fn value(&mut self, hole: &Part) -> Result<ValueCode, String> {
        Ok(match hole {
            Part::Text(_) => unreachable!("a text is no hole"),
            Part::Variable(name) => self.variable(name)?,
            Part::Column { feed, column } => self.column(feed, column)?,
            Part::Random(from, to) => ValueCode::Random(*from, *to),
            Part::Counter => ValueCode::Counter,
            Part::Time(Unit::Seconds) => ValueCode::Seconds,
            Part::Time(Unit::Millis) => ValueCode::Millis,
        })
    }

    fn variable(&self, name: &str) -> Result<ValueCode, String> {
        let known = self.variables.iter().position(|known| *known == name);
        known.map(|index| ValueCode::Variable(index as u16)).ok_or_else(|| {
            let near =
                nearest(name, &self.variables).map(|near| format!("; the nearest one is `{near}`"));
            format!(
                "variable {} is not extracted before this step{}",
                quoted(name),
                near.unwrap_or_else(|| format!(
                    "; write extract = {{ {name} = {{ … }} }} in an earlier one"
                )),
            )
        })
    }

    fn column(&mut self, name: &str, column: &str) -> Result<ValueCode, String> {
        let feeds: Vec<&str> = self.program.feeds.iter().map(|feed| feed.name.as_str()).collect();
        let index = position(&feeds, name, "feed")?;
        let columns: Vec<&str> =
            self.program.feeds[index].columns.iter().map(String::as_str).collect();
        let column = position(&columns, column, "column")? as u16;
        let drawn = self.feeds.iter().position(|drawn| usize::from(*drawn) == index);
        let drawn = drawn.unwrap_or_else(|| {
            self.feeds.push(index as u16);
            self.feeds.len() - 1
        });
        Ok(ValueCode::Column(drawn as u16, column))
    }

    fn extract(&mut self, extract: &'a Extract) -> (u16, FoundCode) {
        let name = extract.variable.it.as_str();
        let known = self.variables.iter().position(|known| *known == name);
        let variable = known.unwrap_or_else(|| {
            self.variables.push(name);
            self.variables.len() - 1
        });
        let found = match &extract.found {
            Found::Json(pointer) => FoundCode::Json(pointer.clone()),
            Found::Body(part) => FoundCode::Body(excerpt_code(part)),
            Found::Header(name, part) => {
                FoundCode::Header(name.clone(), part.as_ref().map(excerpt_code))
            }
            Found::Cookie(name) => FoundCode::Cookie(name.clone()),
            Found::Status => FoundCode::Status,
        };
        (variable as u16, found)
    }
}

fn excerpt_code(part: &Excerpt) -> ExcerptCode {
    match part {
        Excerpt::Between(before, behind) => {
            ExcerptCode::Between(before.clone().into_bytes(), behind.clone().into_bytes())
        }
        Excerpt::Regex(text) => ExcerptCode::Regex(text.clone()),
    }
}

fn position(known: &[&str], name: &str, what: &str) -> Result<usize, String> {
    known.iter().position(|known| *known == name).ok_or_else(|| {
        let remedy = match nearest(name, known) {
            Some(near) => format!("the nearest one is `{near}`"),
            None if known.is_empty() => "write a [[feed]]".into(),
            None => format!("there is {}", known.join(", ")),
        };
        format!("{what} {} is not there; {remedy}", quoted(name))
    })
}

fn check(check: &Check) -> CheckCode {
    match check {
        Check::Header { name, holds } => {
            CheckCode::Header(name.clone(), holds.to_ascii_lowercase())
        }
        Check::Contains(text) => CheckCode::Contains(text.clone().into_bytes()),
        Check::Matches(text) => CheckCode::Matches(text.clone()),
        Check::Bytes(from, to) => CheckCode::Bytes(*from, *to),
        Check::Within(time) => CheckCode::Within(nanos(*time)),
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Marks that stand for holes while a head is encoded: a word that is nowhere else in it, and a number.
struct Marks {
    word: String,
    holes: Vec<Segment>,
}

impl Marks {
    fn new(request: &Request, manners: &Manners<'_>) -> Self {
        let values = request.headers.iter().flat_map(|header| &header.value.parts);
        let own = request.path.parts.iter().chain(values).filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            _ => None,
        });
        let given = manners.headers.iter().map(|(_, value)| value.as_str());
        let texts: String = own.chain(given).collect();
        let word =
            (0..).map(|number: u64| format!("~hole{number}~")).find(|word| !texts.contains(word));
        Self { word: word.expect("some number is not there"), holes: Vec::new() }
    }

    fn put(&mut self, hole: Segment) -> String {
        self.holes.push(hole);
        format!("{}{};", self.word, self.holes.len() - 1)
    }

    /// `bytes` with holes where their marks stand.
    fn segments(&self, mut bytes: &[u8]) -> Vec<Segment> {
        let mut segments = Vec::new();
        while let Some(at) = find(bytes, self.word.as_bytes()) {
            segments.push(Segment::Text(bytes[..at].to_vec()));
            let mark = &bytes[at + self.word.len()..];
            let end = find(mark, b";").expect("a mark was written whole");
            let number =
                std::str::from_utf8(&mark[..end]).ok().and_then(|n| n.parse::<usize>().ok());
            segments.push(self.holes[number.expect("a mark has a number")].clone());
            bytes = &mark[end + 1..];
        }
        segments.push(Segment::Text(bytes.to_vec()));
        segments.retain(|segment| *segment != Segment::Text(Vec::new()));
        segments
    }
}

fn find(bytes: &[u8], word: &[u8]) -> Option<usize> {
    bytes.windows(word.len()).position(|window| window == word)
}
