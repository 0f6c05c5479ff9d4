//! Sessions whose feeds were read and whose names are known: what is compiled, and what reports call it.

use super::compile::{self, Manners, Seat};
use super::feed::{Feed, Order};
use super::file::{Scenario, ScenarioError};
use super::located::Mistake;
use super::session::{Body, Session};
use super::{FeedTable, feed};
use crate::config::quoted::quoted;
use crate::config::regular;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;
use wire::SessionsShare;

/// The largest body from a file.
const BODY_BYTES_MAX: u64 = 8 << 20;

/// The sessions of a run. What is kept of them are their names.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Played {
    /// The sessions, in order.
    pub sessions: Vec<PlayedSession>,
    /// A checksum of what they do, feeds and bodies included: two runs that differ in it made different loads.
    #[serde(default)]
    pub checksum: u32,
    /// What they do; not kept, since it may hold secrets.
    #[serde(skip)]
    program: Option<Arc<Program>>,
}

impl PartialEq for Played {
    fn eq(&self, other: &Self) -> bool {
        self.sessions == other.sessions
    }
}

impl Eq for Played {}

/// What is known of a session by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlayedSession {
    /// Its name.
    pub name: String,
    /// How often it is drawn, beside the weights of the others; 0 is never.
    pub weight: u32,
    /// Its requests, in order.
    pub steps: Vec<PlayedStep>,
}

/// What is known of a request by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlayedStep {
    /// Its name.
    pub name: String,
    /// What is expected of its answers beside the status.
    pub checks: Vec<String>,
    /// What is taken out of them.
    pub extracts: Vec<String>,
}

fn checksum(of: &SessionsShare) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    of.hash(&mut hasher);
    hasher.finalize()
}

/// What sessions do, all names known.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) feeds: Vec<Feed>,
    pub(super) sessions: Vec<Session>,
    /// Bodies from files, by the name of the file.
    pub(super) bodies: BTreeMap<String, Vec<u8>>,
    feed_tables: Vec<FeedTable>,
}

impl Played {
    /// The sessions of `scenario`, their feeds and bodies read; none where it has none.
    ///
    /// # Errors
    /// A file cannot be read, or the first mistake.
    pub fn of(scenario: &Scenario) -> Result<Option<Self>, ScenarioError> {
        let shown = |mistake| ScenarioError::shown(&scenario.source, mistake);
        if scenario.sessions.is_empty() {
            let unused = scenario.feeds.first();
            return unused.map_or(Ok(None), |feed| {
                Err(shown(
                    feed.name.mistake("no session takes rows of this feed; write a [[session]]"),
                ))
            });
        }
        let program = Program::of(scenario).map_err(shown)?;
        let sessions = program.sessions.iter().map(PlayedSession::of).collect();
        let mut played = Self { sessions, checksum: 0, program: Some(Arc::new(program)) };
        // Once here, so that no worker meets a mistake.
        let alone = Seat { slot: 0, workers: 1, drawers: vec![Some((0, 1)); scenario.feeds.len()] };
        let all = played.compiled(&Manners::plain("localhost", &[]), &alone).map_err(shown)?;
        played.checksum = checksum(&all);
        Ok(Some(played))
    }

    /// The same sessions, of which only these are played; all where none is named.
    pub fn only(mut self, names: &[&str]) -> Self {
        for session in &mut self.sessions {
            if !names.is_empty() && !names.contains(&session.name.as_str()) {
                session.weight = 0;
            }
        }
        self
    }

    /// These sessions, of which only names are known, as `of` has them; none where those are others by all
    /// that is known. Which are played stays as it is.
    pub fn revived(&self, of: &Self) -> Option<Self> {
        let known = |played: &Self| -> Vec<_> {
            let sessions = played.sessions.iter();
            sessions.map(|session| (session.name.clone(), session.steps.clone())).collect()
        };
        let same = known(self) == known(of);
        same.then(|| Self { sessions: self.sessions.clone(), ..of.clone() })
    }

    /// The part of the worker in `seat`.
    ///
    /// # Errors
    /// A head that HTTP does not allow, since the run's own headers are none.
    ///
    /// # Panics
    /// When only names are known.
    pub fn compiled(&self, manners: &Manners<'_>, seat: &Seat) -> Result<SessionsShare, Mistake> {
        let program = self.program.as_ref().expect("sessions of a kept run are not played again");
        let weights: Vec<u32> = self.sessions.iter().map(|session| session.weight).collect();
        compile::share(program, &weights, manners, seat)
    }

    /// Whether a session that is played draws from feed number `feed`.
    pub fn draws_from(&self, feed: usize) -> bool {
        let Some(program) = &self.program else { return false };
        let name = &program.feeds[feed].name;
        let sessions = self.sessions.iter().zip(&program.sessions);
        sessions.into_iter().any(|(own, session)| own.weight > 0 && session.draws_from(name))
    }

    /// Why a feed has too few rows for these loads together, what each plays, its workers and the connections
    /// of each of them; none where all have enough.
    pub fn too_few_rows(&self, loads: &[(&Self, u32, u32)]) -> Option<Mistake> {
        let program = self.program.as_ref()?;
        let unique = program.feeds.iter().enumerate();
        let mut unique = unique.filter(|(_, feed)| feed.order == Order::Unique);
        unique.find_map(|(index, feed)| {
            let drawers = loads.iter().filter(|(played, ..)| played.draws_from(index));
            let workers: u64 = drawers.clone().map(|(_, workers, _)| u64::from(*workers)).sum();
            let most = drawers.map(|(_, _, connections)| u64::from(*connections)).max()?;
            let needed = workers * most;
            (needed > feed.rows() as u64).then(|| {
                program.feed_tables[index].file.mistake(format!(
                    "feed {} has {} rows, but {workers} workers of {most} connections need {needed} where order = \"unique\"; add rows or lower conns",
                    quoted(&feed.name),
                    feed.rows(),
                ))
            })
        })
    }

    /// What is done, session by session; nothing where only names are known.
    pub fn scripts(&self) -> &[Session] {
        self.program.as_ref().map_or(&[], |program| &program.sessions)
    }

    /// How many bytes the body in `file` has.
    pub fn body_bytes(&self, file: &str) -> usize {
        let body = self.program.as_ref().and_then(|program| program.bodies.get(file));
        body.map_or(0, Vec::len)
    }

    /// The feeds: name, rows, columns.
    pub fn feeds(&self) -> impl Iterator<Item = (&str, usize, &[String])> {
        let feeds = self.program.iter().flat_map(|program| &program.feeds);
        feeds.map(|feed| (feed.name.as_str(), feed.rows(), feed.columns.as_slice()))
    }
}

impl PlayedSession {
    fn of(session: &Session) -> Self {
        let step = |request: &super::Request| PlayedStep {
            name: request.name.it.clone(),
            checks: request.checks.iter().map(super::Check::name).collect(),
            extracts: request.extracts.iter().map(|extract| extract.variable.it.clone()).collect(),
        };
        Self {
            name: session.name.it.clone(),
            weight: session.weight,
            steps: session.requests().into_iter().map(step).collect(),
        }
    }
}

impl Program {
    fn of(scenario: &Scenario) -> Result<Self, Mistake> {
        let feeds = scenario.feeds.iter().map(|table| Feed::read(table, &scenario.folder));
        let mut bodies = BTreeMap::new();
        for request in scenario.sessions.iter().flat_map(Session::requests) {
            if let Body::File(file) = &request.body {
                let path = feed::inside(&scenario.folder, &file.it)
                    .map_err(|why| file.mistake(format!("body-file {why}")))?;
                let bytes = regular::read(&path, BODY_BYTES_MAX)
                    .map_err(|error| file.mistake(format!("body-file: {error}")))?;
                bodies.insert(file.it.clone(), bytes);
            }
        }
        Ok(Self {
            feeds: feeds.collect::<Result<_, _>>()?,
            sessions: scenario.sessions.clone(),
            bodies,
            feed_tables: scenario.feeds.clone(),
        })
    }
}
