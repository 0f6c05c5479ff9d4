//! Sessions: what one user does, step by step.

use super::check::{self, Check};
use super::extract::{self, Extract};
use super::located::{Mistake, Placed};
use super::range::range;
use super::table::{Node, Table, text};
use super::template::{Part, Template};
use crate::config::list;
use crate::config::quantity::pause;
use crate::config::quoted::{is_plain, quoted};
use protocols::http1;
use std::collections::HashSet;
use std::time::Duration;

/// The most requests of all sessions together; each has counters and a histogram in every report.
pub const REQUESTS_MAX: usize = 128;
/// The most repeats of a loop, and how deep loops stand in each other.
const LOOP_MAX: u64 = 1_000_000;
const LOOPS_DEEP_MAX: usize = 4;
/// The largest weight.
const WEIGHT_MAX: u64 = 1_000_000;
/// The most checks of one request.
const CHECKS_MAX: usize = 16;

const KEYS: [&str; 3] = ["name", "weight", "step"];
const KINDS: [&str; 4] = ["request", "think", "pause", "loop"];
const OF_REQUEST: [&str; 7] =
    ["name", "request", "headers", "body", "body-file", "expect", "extract"];

/// What one user does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its name.
    pub name: Placed<String>,
    /// How often it is drawn, beside the weights of the others.
    pub weight: u32,
    /// What is done, in order; at least one request.
    pub steps: Vec<Step>,
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A request and what is made of its answer.
    Request(Box<Request>),
    /// A pause, drawn evenly between the two, inclusive.
    Think(Duration, Duration),
    /// Steps so many times.
    Loop(u32, Vec<Self>),
}

/// A request and what is made of its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its name: given, or method and path as written; no other of its session has it.
    pub name: Placed<String>,
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: Template,
    /// Headers, in order.
    pub headers: Vec<Header>,
    /// What is sent.
    pub body: Body,
    /// Statuses that are expected, inclusive ranges; empty leaves it to the run's.
    pub statuses: Vec<(u16, u16)>,
    /// What else is expected.
    pub checks: Vec<Check>,
    /// What is taken out of the answer.
    pub extracts: Vec<Extract>,
}

/// A header of a request; an empty value removes one that would be there of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Template,
}

/// A request's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// None.
    None,
    /// A text, maybe with holes.
    Text(Template),
    /// The bytes of a file as they are.
    File(Placed<String>),
}

impl Session {
    /// Reads one `[[session]]`.
    ///
    /// # Errors
    /// The first mistake.
    pub(super) fn read(node: Node<'_>) -> Result<Self, Mistake> {
        let table = Table::of(node, "a session")?;
        table.only("a session", &KEYS)?;
        let name = table.needs_text("a session", "name", "browse")?;
        let weight = table.count("weight", 1, WEIGHT_MAX)?.unwrap_or(1) as u32;
        let mut steps = steps(&table, "step", 0)?;
        if !steps.iter().any(Step::has_request) {
            return Err(name.mistake(
                "this session makes no request; write [[session.step]] request = \"GET /\"",
            ));
        }
        name_requests(&mut steps)?;
        if steps.first().is_some_and(Step::begins_with_pause) {
            return Err(name.mistake(
                "this session begins with a pause; begin with a request and pause behind it",
            ));
        }
        Ok(Self { name, weight, steps })
    }

    /// The requests, in the order in which they are written.
    pub fn requests(&self) -> Vec<&Request> {
        let mut found = Vec::new();
        self.steps.iter().for_each(|step| step.collect(&mut found));
        found
    }

    /// Whether it draws a row of feed `name`.
    pub fn draws_from(&self, name: &str) -> bool {
        self.requests().iter().any(|request| request.draws_from(name))
    }
}

impl Request {
    /// Whether its name is given, and not its line.
    fn is_named(&self) -> bool {
        self.name.span != self.path.span
    }

    /// Whether a value of feed `name` stands in it.
    fn draws_from(&self, name: &str) -> bool {
        let body = match &self.body {
            Body::Text(text) => Some(text),
            Body::None | Body::File(_) => None,
        };
        let texts = self.headers.iter().map(|header| &header.value).chain([&self.path]).chain(body);
        let drawn = |part: &Part| matches!(part, Part::Column { feed, .. } if feed == name);
        texts.flat_map(|text| &text.parts).any(drawn)
    }
}

impl Step {
    fn has_request(&self) -> bool {
        match self {
            Self::Request(_) => true,
            Self::Think(..) => false,
            Self::Loop(_, steps) => steps.iter().any(Self::has_request),
        }
    }

    fn begins_with_pause(&self) -> bool {
        match self {
            Self::Request(_) => false,
            Self::Think(..) => true,
            Self::Loop(_, steps) => steps.first().is_some_and(Self::begins_with_pause),
        }
    }

    fn collect<'a>(&'a self, found: &mut Vec<&'a Request>) {
        match self {
            Self::Request(request) => found.push(request),
            Self::Think(..) => {}
            Self::Loop(_, steps) => steps.iter().for_each(|step| step.collect(found)),
        }
    }

    fn collect_mut<'a>(&'a mut self, found: &mut Vec<&'a mut Request>) {
        match self {
            Self::Request(request) => found.push(request),
            Self::Think(..) => {}
            Self::Loop(_, steps) => steps.iter_mut().for_each(|step| step.collect_mut(found)),
        }
    }

    fn read(node: Node<'_>, depth: usize) -> Result<Self, Mistake> {
        let table = Table::of(node, "a step")?;
        let kinds: Vec<Placed<&str>> = table.keys().filter(|key| KINDS.contains(&key.it)).collect();
        match kinds.as_slice() {
            [] => {
                let all = [&KINDS[..], &OF_REQUEST].concat();
                table.only("a step", &all)?;
                let remedy =
                    "a step needs one of request, think, pause, loop; write request = \"GET /\"";
                Err(Mistake::new(table.span.clone(), remedy))
            }
            [kind] => Self::of_kind(kind.it, &table, depth),
            [first, second, ..] => {
                let message = format!(
                    "a step is one thing, and this has {} already; begin another [[session.step]]",
                    first.it
                );
                Err(second.mistake(message))
            }
        }
    }

    fn of_kind(kind: &str, table: &Table<'_>, depth: usize) -> Result<Self, Mistake> {
        match kind {
            "request" => Request::read(table).map(|request| Self::Request(Box::new(request))),
            "loop" => repeated(table, depth),
            kind => {
                table.only("a pause", &[kind])?;
                let (from, to) = table.time(kind, thinking)?.expect("the key was found").it;
                Ok(Self::Think(from, to))
            }
        }
    }
}

fn steps(table: &Table<'_>, key: &str, depth: usize) -> Result<Vec<Step>, Mistake> {
    let remedy = "steps are an array; write [[session.step]]";
    table.list(key, remedy)?.into_iter().map(|node| Step::read(node, depth)).collect()
}

fn repeated(table: &Table<'_>, depth: usize) -> Result<Step, Mistake> {
    table.only("a loop", &["loop", "steps"])?;
    let times = table.count("loop", 1, LOOP_MAX)?.expect("the key was found") as u32;
    let place = table.find("loop").map_or(table.span.clone(), |node| node.span());
    if depth == LOOPS_DEEP_MAX {
        let message =
            format!("loops stand at most {LOOPS_DEEP_MAX} deep in each other; write them flatter");
        return Err(Mistake::new(place, message));
    }
    let steps = steps(table, "steps", depth + 1)?;
    // Without one a worker could be in the loop for ever and never wait for an answer.
    if !steps.iter().any(Step::has_request) {
        return Err(Mistake::new(
            place,
            "this loop makes no request; write steps = [{ request = \"GET /\" }]",
        ));
    }
    Ok(Step::Loop(times, steps))
}

/// Reads `1s` or `1s..3s`.
fn thinking(text: &str) -> Result<(Duration, Duration), String> {
    range(text, "1s..3s", |text| pause(text).map_err(|error| error.to_string()))
}

impl Request {
    fn read(table: &Table<'_>) -> Result<Self, Mistake> {
        table.only("a request", &OF_REQUEST)?;
        let line = table.needs_text("a request", "request", "GET /")?;
        let (method, path) = method_and_path(&line)?;
        let expect = table.find("expect").map(check::read).transpose()?;
        let check::Expected { statuses, checks } = expect.unwrap_or_default();
        let extracts = table.find("extract").map(extract::read).transpose()?.unwrap_or_default();
        if checks.len().max(extracts.len()) > CHECKS_MAX {
            let message =
                format!("more than {CHECKS_MAX} checks or values of one answer; leave some out");
            return Err(line.mistake(message));
        }
        let of_body = checks.iter().any(Check::is_of_body);
        if method == "HEAD" && (of_body || extracts.iter().any(Extract::is_of_body)) {
            let message = "an answer to HEAD has no body to look into; write GET, or look into its head alone";
            return Err(line.mistake(message));
        }
        Ok(Self {
            name: table.text("name")?.unwrap_or(line),
            method,
            path,
            headers: table.find("headers").map(headers).transpose()?.unwrap_or_default(),
            body: body(table)?,
            statuses,
            checks,
            extracts,
        })
    }
}

fn method_and_path(line: &Placed<String>) -> Result<(String, Template), Mistake> {
    let (method, path) = line.it.split_once(' ').unwrap_or((&line.it, ""));
    let method = list::method(method).map_err(|error| line.mistake(error.to_string()))?;
    let path = path.trim();
    if !path.starts_with('/') && !path.starts_with("{{") {
        let message = format!(
            "{} has no path; write GET /items, all requests go to TARGET",
            quoted(&line.it)
        );
        return Err(line.mistake(message));
    }
    let path = Template::read(&Placed::new(path.to_owned(), line.span.clone()))?;
    if path.texts().contains('#') {
        let message = format!(
            "{} has a fragment, which is never sent; leave it out, or write %23",
            quoted(&line.it)
        );
        return Err(line.mistake(message));
    }
    Ok((method, path))
}

fn headers(node: Node<'_>) -> Result<Vec<Header>, Mistake> {
    Table::of(node, "headers")?.entries().map(header).collect()
}

fn header((name, value): (Placed<&str>, Node<'_>)) -> Result<Header, Mistake> {
    let value = Template::read(&text(value, name.it)?)?;
    let counted = name.it.eq_ignore_ascii_case("Content-Length") && !value.parts.is_empty();
    if counted {
        let message = "header `Content-Length` is counted from the body; leave it out";
        return Err(name.mistake(message));
    }
    http1::check_field(name.it, &value.texts()).map_err(|error| {
        let message = error.to_string();
        match error {
            http1::RequestError::FieldValue { .. } => value.mistake(message),
            _ => name.mistake(message),
        }
    })?;
    Ok(Header { name: name.it.to_owned(), value })
}

/// Gives every request a name of its own: one that is not given is its line, which may be there before.
fn name_requests(steps: &mut [Step]) -> Result<(), Mistake> {
    let mut taken: HashSet<String> = HashSet::new();
    let mut requests = Vec::new();
    steps.iter_mut().for_each(|step| step.collect_mut(&mut requests));
    let (given, others): (Vec<_>, Vec<_>) = requests.into_iter().partition(|one| one.is_named());
    for Request { name, .. } in given {
        let shown = quoted(&name.it);
        if name.it.trim().is_empty() || !name.it.chars().all(is_plain) {
            let message = format!("{shown} is not a name; write words that can be shown");
            return Err(name.mistake(message));
        }
        if !taken.insert(name.it.clone()) {
            let message = format!("there is a step {shown} already; write another name");
            return Err(name.mistake(message));
        }
    }
    for Request { name, .. } in others {
        let line = name.it.clone();
        let mut numbers = 2..;
        while !taken.insert(name.it.clone()) {
            name.it = format!("{line} ({})", numbers.next().expect("numbers do not end"));
        }
    }
    Ok(())
}

fn body(table: &Table<'_>) -> Result<Body, Mistake> {
    match (table.text("body")?, table.text("body-file")?) {
        (Some(_), Some(file)) => {
            Err(file.mistake("a request has one body; leave body or body-file out"))
        }
        (Some(text), None) => Template::read(&text).map(Body::Text),
        (None, Some(file)) => Ok(Body::File(file)),
        (None, None) => Ok(Body::None),
    }
}
