//! The whole file: options, feeds, sessions, phases, limits; every key known, every value of its kind.

use super::feed::FeedTable;
use super::located::{Mistake, Placed, Shown, Source, Span};
use super::session::{REQUESTS_MAX, Session};
use super::table::{Node, Table, text, value};
use super::template::{NAME, is_name};
use crate::config::quantity::pause;
use crate::config::quoted::quoted;
use crate::config::regular::{self, ReadError};
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use toml::de::DeTable;

/// The largest file.
const BYTES_MAX: u64 = 1 << 20;
/// The most of each kind of part.
const PARTS_MAX: usize = 64;
/// What is no option of a run.
const PARTS: [&str; 4] = ["feed", "session", "phase", "limit"];
const OF_PHASE: [&str; 6] = ["name", "start", "after", "with", "sessions", "limits"];

/// Why a file is no scenario.
#[derive(Debug, Error)]
pub enum ScenarioError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is not text.
    #[error("{0}: not UTF-8; save it as UTF-8 text")]
    Encoding(String),
    /// Something in it is wrong, and shown.
    #[error("{0}")]
    Mistake(Box<Shown>),
}

impl ScenarioError {
    /// `mistake` in `source`.
    pub fn shown(source: &Source, mistake: Mistake) -> Self {
        Self::Mistake(Box::new(source.show(mistake)))
    }
}

/// A scenario as it is written, each part checked by itself.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its text, to show mistakes in.
    pub source: Source,
    /// Where it is, and where the files are that it names.
    pub folder: PathBuf,
    /// Long options: the defaults of every phase.
    pub options: Vec<Given>,
    /// Where rows come from.
    pub feeds: Vec<FeedTable>,
    /// What users do.
    pub sessions: Vec<Session>,
    /// When who does it; none is one phase of all.
    pub phases: Vec<PhaseTable>,
    /// What must hold for the run.
    pub limits: Vec<LimitTable>,
}

/// A long option, its dashes left out, and its value. Whether it is one is not known here.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// The key.
    pub key: Placed<String>,
    /// The value.
    pub value: Placed<toml::Value>,
}

/// One `[[phase]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct PhaseTable {
    /// Its name, which no other has.
    pub name: Placed<String>,
    /// From the begin of load, or of what it waits for, to its own.
    pub start: Option<Placed<Duration>>,
    /// It begins when this one has ended.
    pub after: Option<Placed<String>>,
    /// It begins when this one begins.
    pub with: Option<Placed<String>>,
    /// The sessions that are played, each known; empty is all.
    pub sessions: Vec<Placed<String>>,
    /// What must hold for it.
    pub limits: Vec<LimitTable>,
    /// Long options that stand before those of the scenario.
    pub options: Vec<Given>,
    /// Where it stands.
    pub span: Span,
}

/// One `[[limit]]`, or one of a phase's `limits`: a text is its check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitTable {
    /// What must hold.
    pub check: Placed<String>,
    /// Whether the run ends when it does not.
    pub abort: bool,
    /// For how long it may fail before that.
    pub delay: Option<Placed<Duration>>,
}

impl LimitTable {
    /// The limit as `--limit` takes it.
    pub fn word(&self) -> String {
        let check = &self.check.it;
        match (self.abort, &self.delay) {
            (false, _) => check.clone(),
            (true, None) => format!("{check}; abort"),
            (true, Some(delay)) => {
                format!("{check}; abort after {}", humantime::format_duration(delay.it))
            }
        }
    }
}

/// Reads the scenario in the file at `path`.
///
/// # Errors
/// It cannot be read, or the first mistake in it.
pub fn read(path: &Path) -> Result<Scenario, ScenarioError> {
    let name = path.display().to_string();
    let bytes = regular::read(path, BYTES_MAX)?;
    let text = String::from_utf8(bytes).map_err(|_| ScenarioError::Encoding(name.clone()))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let source = Source { name, text };
    parse(source.clone(), folder.unwrap_or(Path::new(".")).to_owned())
        .map_err(|mistake| ScenarioError::shown(&source, mistake))
}

/// The scenario that `source` is, from a file in `folder`.
///
/// # Errors
/// The first mistake.
pub(super) fn parse(source: Source, folder: PathBuf) -> Result<Scenario, Mistake> {
    let root = DeTable::parse(&source.text).map_err(|error| of_toml(&error))?;
    let table = Table::root(&root)?;
    let sessions = parts(&table, "session", Session::read, |session| &session.name)?;
    let requests: usize = sessions.iter().map(|session| session.requests().len()).sum();
    if requests > REQUESTS_MAX {
        let message =
            format!("{requests} requests are written, {REQUESTS_MAX} is the most; leave some out");
        return Err(sessions[0].name.mistake(message));
    }
    let phases = parts(&table, "phase", PhaseTable::read, |phase| &phase.name)?;
    for asked in phases.iter().flat_map(|phase: &PhaseTable| &phase.sessions) {
        if !sessions.iter().any(|session| session.name.it == asked.it) {
            return Err(asked.mistake(format!(
                "session {} is not there; write a [[session]] of that name",
                quoted(&asked.it)
            )));
        }
    }
    Ok(Scenario {
        options: options(&table, &PARTS)?,
        feeds: parts(&table, "feed", FeedTable::read, |feed| &feed.name)?,
        limits: limits(&table, "limit")?,
        sessions,
        phases,
        folder,
        source: source.clone(),
    })
}

fn of_toml(error: &toml::de::Error) -> Mistake {
    let message = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
    Mistake::new(error.span().unwrap_or(0..0), format!("{message}; see toml.io for the syntax"))
}

/// The parts under `key`, of which no two have one name.
fn parts<'a, T>(
    table: &Table<'a>,
    key: &str,
    read: impl Fn(Node<'a>) -> Result<T, Mistake>,
    name: impl Fn(&T) -> &Placed<String>,
) -> Result<Vec<T>, Mistake> {
    let nodes = table.list(key, &format!("{key} is an array of tables; write [[{key}]]"))?;
    let mut parts: Vec<T> = Vec::new();
    for node in nodes {
        let part = read(node)?;
        let own = name(&part);
        if !is_name(&own.it) {
            let message = format!("{} is not a name; {NAME}", quoted(&own.it));
            return Err(own.mistake(message));
        }
        if parts.iter().any(|other| name(other).it == own.it) {
            let message =
                format!("there is a {key} {} already; write another name", quoted(&own.it));
            return Err(own.mistake(message));
        }
        if parts.len() == PARTS_MAX {
            return Err(
                own.mistake(format!("there are more than {PARTS_MAX} of {key}; leave some out"))
            );
        }
        parts.push(part);
    }
    Ok(parts)
}

/// What is not among `known`, as options.
fn options(table: &Table<'_>, known: &[&str]) -> Result<Vec<Given>, Mistake> {
    let entries = table.entries().filter(|(key, _)| !known.contains(&key.it));
    let given = |(key, node): (Placed<&str>, Node<'_>)| {
        let value = Placed::new(value(node)?, node.span());
        Ok(Given { key: Placed::new(key.it.to_owned(), key.span), value })
    };
    entries.map(given).collect()
}

impl PhaseTable {
    fn read(node: Node<'_>) -> Result<Self, Mistake> {
        let table = Table::of(node, "a phase")?;
        let (after, with) = (table.text("after")?, table.text("with")?);
        if let (Some(_), Some(with)) = (&after, &with) {
            return Err(
                with.mistake("a phase begins after another or with it; leave one of them out")
            );
        }
        let sessions =
            table.list("sessions", "sessions is an array; write sessions = [\"browse\"]")?;
        Ok(Self {
            name: table.needs_text("a phase", "name", "peak")?,
            start: table.time("start", pause)?,
            after,
            with,
            sessions: sessions
                .into_iter()
                .map(|node| text(node, "sessions"))
                .collect::<Result<_, _>>()?,
            limits: limits(&table, "limits")?,
            options: options(&table, &OF_PHASE)?,
            span: table.span,
        })
    }
}

fn limits(table: &Table<'_>, key: &str) -> Result<Vec<LimitTable>, Mistake> {
    let remedy = "limits are an array; write [[limit]] check = \"p99 < 250ms\"";
    let nodes = match table.find(key) {
        Some(node) if node.get_ref().is_str() => vec![node],
        _ => table.list(key, remedy)?,
    };
    nodes.into_iter().map(LimitTable::read).collect()
}

impl LimitTable {
    fn read(node: Node<'_>) -> Result<Self, Mistake> {
        if let Ok(check) = text(node, "limit") {
            return Ok(Self { check, abort: false, delay: None });
        }
        let table = Table::of(node, "a limit")?;
        table.only("a limit", &["check", "abort", "delay"])?;
        let check = table.needs_text("a limit", "check", "p99 < 250ms")?;
        let (abort, delay) = (table.flag("abort")?, table.time("delay", pause)?);
        if let (false, Some(delay)) = (abort, &delay) {
            return Err(
                delay.mistake("delay works only with abort; write abort = true, or leave it out")
            );
        }
        Ok(Self { check, abort, delay })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Order, Step};
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> Result<Scenario, String> {
        let source = Source { name: "s.toml".into(), text: text.into() };
        parse(source.clone(), ".".into()).map_err(|mistake| source.show(mistake).to_string())
    }

    const WHOLE: &str = r#"
target = "http://127.0.0.1:8080/"
timeout = "5s"
[[feed]]
name = "users"
file = "users.csv"
order = "unique"
[[session]]
name = "browse"
weight = 3
[[session.step]]
name = "list"
request = "GET /items?page={{random 1 9}}"
headers = { X-User = "{{users.id}}" }
expect = { status = "200,204-299", header = { content-type = "json" }, bytes = "1..10KiB", within = "200ms" }
extract = { token = { json = "/token" }, id = { between = ["id=", "&"] }, s = { status = true } }
[[session.step]]
think = "1s..3s"
[[session.step]]
loop = 5
steps = [{ request = "GET /a" }, { pause = "1s" }]
[[phase]]
name = "peak"
after = "calm"
start = "10s"
sessions = ["browse"]
rate = "1k"
limits = ["p99 < 250ms", { check = "failed < 1%", abort = true, delay = "5s" }]
[[limit]]
check = "failed < 0.1%"
"#;

    #[test]
    fn a_whole_file_is_read_part_by_part() {
        let scenario = parsed(WHOLE).unwrap();
        let keys: Vec<_> = scenario.options.iter().map(|given| given.key.it.as_str()).collect();
        assert_eq!(keys, ["target", "timeout"]);
        assert_eq!(scenario.feeds[0].order, Order::Unique);
        let session = &scenario.sessions[0];
        assert_eq!((session.name.it.as_str(), session.weight), ("browse", 3));
        let [Step::Request(list), Step::Think(from, to), Step::Loop(5, steps)] = &session.steps[..]
        else {
            panic!("{session:?}")
        };
        assert_eq!((list.name.it.as_str(), list.method.as_str()), ("list", "GET"));
        assert_eq!(list.statuses, [(200, 200), (204, 299)]);
        let checks: Vec<_> = list.checks.iter().map(|check| check.name()).collect();
        assert_eq!(checks, ["header content-type: json", "bytes 1..10240", "within 200ms"]);
        assert_eq!((list.extracts.len(), steps.len()), (3, 2));
        assert_eq!((from.as_secs(), to.as_secs()), (1, 3));
        let phase = &scenario.phases[0];
        assert_eq!((phase.options.len(), phase.limits.len()), (1, 2));
        assert_eq!(phase.limits[1].word(), "failed < 1%; abort after 5s");
        assert_eq!(scenario.limits[0].check.it, "failed < 0.1%");
    }

    #[test]
    fn every_mistake_is_located_and_has_a_remedy() {
        let session = |step: &str| format!("[[session]]\nname = \"a\"\n[[session.step]]\n{step}\n");
        let request = |more: &str| session(&format!("request = \"GET /\"\n{more}"));
        for (text, said) in [
            ("a = \n".into(), "1:5: "),
            ("[[sesion]]\nname = 1".into(), ""),
            (
                "[[session]]\nnme = 'a'".into(),
                "2:1: key `nme` is not known in a session; the nearest one is `name`",
            ),
            (
                "[[session]]\nweight = 2".into(),
                "1:1: a session needs the key `name`; write name = \"browse\"",
            ),
            ("[[session]]\nname = 'a'".into(), "2:8: this session makes no request; write"),
            ("[[session]]\nname = 'a b'".into(), "2:8: this session makes no request"),
            (
                session("loop = 2\nsteps = [{ pause = '1s' }, { request = 'GET /' }]"),
                "2:8: this session begins with a pause",
            ),
            ("session = 3".into(), "1:11: this is a number, but session is an array of tables"),
            (session("weight = 1"), "4:1: key `weight` is not known in a step"),
            (
                session("think = '1s'\npause = '2s'"),
                "5:1: a step is one thing, and this has think already",
            ),
            (session("think = '3s..1s'"), "4:9: think `3s..1s` goes down"),
            (session("think = '3'"), "4:9: think `3` has no unit; write 3s or 3ms"),
            (session("loop = 0\nsteps = []"), "4:8: loop `0` is out of range"),
            (session("loop = 2"), "4:8: this loop makes no request"),
            (
                session("loop = 2.5"),
                "4:8: this is a number, but loop is a whole number; write loop = 1",
            ),
            (
                session("think = 1"),
                "4:9: this is a number, but think is a time with its unit; write think = \"1s\"",
            ),
            (session("think = '1s..'"), "4:9: think `1s..` has one end; write both, as 1s..3s"),
            (session("request = 'GET /a#b'"), "4:11: `GET /a#b` has a fragment"),
            (request("name = ''"), "5:8: `` is not a name; write words that can be shown"),
            (request("name = \"a\\u001bb\""), "5:8: `a\\u{1b}b` is not a name"),
            (
                request("name = 'a'\n[[session.step]]\nrequest = 'GET /'\nname = 'a'"),
                "8:8: there is a step `a` already; write another name",
            ),
            (session("request = 'GET'"), "4:11: `GET` has no path"),
            (session("request = 'GET http://a/'"), "4:11: `GET http://a/` has no path"),
            (session("request = 'G(T /'"), "4:11: `G(T` is not a method"),
            (session("request = 'GET /{{x'"), "4:11: `{{` is not closed"),
            (
                request("expct = {}"),
                "5:1: key `expct` is not known in a request; the nearest one is `expect`",
            ),
            (
                request("expect = { stats = '200' }"),
                "5:12: key `stats` is not known in expect; the nearest one is `status`",
            ),
            (request("expect = { status = '20' }"), "5:21: status `20` is not a status"),
            (request("expect = { matches = '(' }"), "5:22: `(` is not a regular expression"),
            (request("expect = { contains = '' }"), "5:23: an empty text is in every body"),
            (request("expect = { matches = '' }"), "5:22: an empty text is in every body"),
            (
                session("request = 'HEAD /'\nexpect = { contains = 'a' }"),
                "4:11: an answer to HEAD has no body",
            ),
            (request("expect = { bytes = '9..1' }"), "5:20: bytes `9..1` goes down"),
            (request("expect = { bytes = '10..' }"), "5:20: bytes `10..` has one end; write both"),
            (request("expect = { bytes = -1 }"), "5:20: bytes `-1` is not a size"),
            (request("expect = { status = 20 }"), "5:21: status `20` is not a status"),
            (request("expect = { within = 5 }"), "5:21: this is a number, but within is a time"),
            (
                request("expect = { header = { 'b n' = '' } }"),
                "5:23: header name `b n` is not a token",
            ),
            (request("extract = { a = { header = 'b n' } }"), "5:28: header name `b n` is not"),
            (request("extract = { a = { cookie = '' } }"), "5:28: cookie name `` is not a token"),
            (request("extract = { a = {} }"), "5:17: one place is needed"),
            (request("extract = { a = { regex = 'b', json = '' } }"), "5:17: one place is needed"),
            (request("extract = { a = { header = 'b', json = '' } }"), "5:17: one place is"),
            (request("extract = { a = { header = 'b', regex = '(' } }"), "5:41: `(` is not a"),
            (request("extract = { 'a b' = { json = '' } }"), "5:13: `a b` cannot name a variable"),
            (
                request("extract = { a = { json = 'b.c' } }"),
                "5:26: `b.c` is not a JSON pointer; write /b/c",
            ),
            (request("extract = { a = { between = ['x'] } }"), "5:29: between is two texts"),
            (request("body = 'a'\nbody-file = 'b'"), "6:13: a request has one body"),
            (
                "[[feed]]\nname = 'a'\nfile = 'b'\norder = 'uniqe'".into(),
                "4:9: order `uniqe` is not known; the nearest one is `unique`",
            ),
            ("[[phase]]\nname = 'a'\nsessions = ['b']".into(), "3:13: session `b` is not there"),
            (
                "[[phase]]\nname = 'a'\n[[phase]]\nname = 'a'".into(),
                "4:8: there is a phase `a` already",
            ),
            (
                "[[phase]]\nname = 'a'\nafter = 'b'\nwith = 'c'".into(),
                "4:8: a phase begins after another or with it",
            ),
            ("[[limit]]\ncheck = 'a'\ndelay = '5s'".into(), "3:9: delay works only with abort"),
            ("[[limit]]\nabort = 1".into(), "1:1: a limit needs the key `check`"),
            (
                "[[limit]]\ncheck = 'a'\nabort = 1".into(),
                "3:9: this is a number, but abort is true or false",
            ),
        ] {
            let text: String = text;
            match parsed(&text) {
                Err(shown) => {
                    assert!(shown.starts_with(&format!("s.toml:{said}")), "{shown}\n{said}");
                    assert_eq!(shown.lines().count(), 3, "{shown}");
                }
                // Unknown keys at the top are options as far as this room knows.
                Ok(_) => assert!(said.is_empty(), "{text} was taken"),
            }
        }
    }

    #[test]
    fn steps_without_a_name_have_one_of_their_own() {
        let scenario = parsed(
            "[[session]]\nname = 'a'\nstep = [{ request = 'GET /' }, { loop = 2, steps = [{ request = 'GET /' }] },\n\
             { request = 'GET /', name = 'GET / (2)' }, { request = 'GET /b' }]\n",
        );
        let scenario = scenario.unwrap();
        let requests = scenario.sessions[0].requests();
        let names: Vec<_> = requests.iter().map(|request| request.name.it.as_str()).collect();
        assert_eq!(names, ["GET /", "GET / (3)", "GET / (2)", "GET /b"]);
    }

    #[test]
    fn what_is_plain_needs_no_quotes_and_one_limit_no_list() {
        let scenario = parsed(
            "limit = 'p99 < 250ms'\n[[session]]\nname = 'a'\n[[session.step]]\nrequest = 'GET /'\n\
             expect = { status = 200, bytes = 64 }\n[[phase]]\nname = 'p'\nlimits = 'failed < 1%'\n",
        );
        let scenario = scenario.unwrap();
        assert_eq!(scenario.limits[0].check.it, "p99 < 250ms");
        assert_eq!(scenario.phases[0].limits[0].check.it, "failed < 1%");
        let request = scenario.sessions[0].requests()[0];
        assert_eq!(
            (request.statuses.as_slice(), request.checks[0].name()),
            (&[(200, 200)][..], "bytes 64".into())
        );
    }

    proptest! {
        #[test]
        fn a_file_with_any_piece_replaced_is_read_or_refused(
            at in 0..WHOLE.len(), len in 0..40_usize, put in "[\\[\\]{}a-z\"'=.0-9\n ]{0,12}",
        ) {
            let end = (at + len).min(WHOLE.len());
            if let Err(shown) = parsed(&format!("{}{put}{}", &WHOLE[..at], &WHOLE[end..])) {
                prop_assert!(shown.starts_with("s.toml:"), "{}", shown);
            }
        }
    }
}
