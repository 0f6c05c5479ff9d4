//! An entry from what the supervisor has, and back.

use super::writer::Payload;
use crate::fold::Who;
use crate::levels::Levels;
use crate::plan::Plan;
use crate::recent::Recent;
use crate::summary::Course;
use dispatch::Instant;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use stats::{Histogram, Interval};
use std::io::{Read, Write};
use wire::{
    BODY_BYTES_MAX, BegunRecord, DistributionsRecord, Entry, EntryRecord, GapsRecord,
    HistogramRecord, IntervalRecord, SamplesRecord, SessionRecord, WhoRecord, WireError,
};

/// What stands in the place of a header's value that is a secret.
pub const NOT_KEPT: &str = "(not kept)";

/// Headers whose values are secrets.
const SECRETS: [&str; 5] =
    ["authorization", "proxy-authorization", "cookie", "x-api-key", "x-auth-token"];

/// What becomes an entry: how the run goes, and what was reported since the entry before.
#[derive(Debug)]
pub struct Draft {
    /// What was reported.
    pub recent: Recent,
    /// What each of these workers measured so far, by kind.
    pub own: Vec<(Who, Vec<Histogram>)>,
    /// How the run goes.
    pub course: Course,
    /// Whether it is over.
    pub over: bool,
    /// Now.
    pub at: Instant,
}

/// The first entry.
///
/// # Panics
/// Never: a plan has text for keys.
pub fn begun(plan: &Plan) -> Payload {
    let mut kept = plan.clone();
    for (name, value) in kept.loads_mut().flat_map(|load| &mut load.headers) {
        if SECRETS.contains(&name.to_ascii_lowercase().as_str()) {
            NOT_KEPT.clone_into(value);
        }
    }
    let entry = Entry::Begun(BegunRecord {
        version: env!("CARGO_PKG_VERSION").into(),
        plan: serde_json::to_vec(&kept).expect("a plan has text for keys"),
        bodies: kept.crews.into_iter().map(|crew| crew.config.body).collect(),
        body: kept.config.body,
    });
    deflated(&entry, Instant::now())
}

/// The plan of a first entry; none if it is not one that this program could have made.
pub(super) fn plan(record: BegunRecord) -> Option<Plan> {
    let mut plan: Plan = serde_json::from_slice(&record.plan).ok()?;
    plan.config.body = record.body;
    for (crew, body) in plan.crews.iter_mut().zip(record.bodies) {
        crew.config.body = body;
    }
    let sound = !plan.peers.is_empty() && plan.config.procs > 0 && plan.crews_are_sound();
    sound.then_some(plan)
}

/// What is written of `draft`.
///
/// # Panics
/// Never: a course has text for keys.
pub fn payload(draft: &Draft) -> Payload {
    let Draft { recent, own, course, over, at } = draft;
    let records = |histograms: &[Histogram]| histograms.iter().map(HistogramRecord::new).collect();
    let record = EntryRecord {
        intervals: recent
            .intervals
            .iter()
            .map(|(who, interval, ended)| {
                (who_record(*who), IntervalRecord::new(interval, ended.as_nanos()))
            })
            .collect(),
        lost: recent
            .lost
            .iter()
            .map(|(who, phase, counters)| {
                let lost = Interval { counters: counters.clone(), ..Interval::new(0, *phase) };
                (who_record(*who), IntervalRecord::new(&lost, 0))
            })
            .collect(),
        distributions: recent
            .distributions
            .iter()
            .map(|((crew, index), sums)| DistributionsRecord {
                crew: *crew as u32,
                index: *index,
                histograms: records(sums),
            })
            .collect(),
        samples: SamplesRecord::new(&recent.samples),
        sessions: recent
            .sessions
            .iter()
            .map(|(crew, counts)| (*crew as u32, SessionRecord::all(counts)))
            .collect(),
        arrivals: recent
            .arrivals
            .iter()
            .map(|(who, gaps)| (who_record(*who), GapsRecord::new(gaps)))
            .collect(),
        last_words: recent
            .last_words
            .iter()
            .map(|(who, words)| (who_record(*who), *words))
            .collect(),
        own: own.iter().map(|(who, sums)| (who_record(*who), records(sums))).collect(),
        levels: recent.levels.record(),
        peak_live: recent.peak_live,
        loop_gap: Some(HistogramRecord::new(&course.supervisor.loop_gap)),
        course: serde_json::to_vec(course).expect("a course has text for keys"),
        over: *over,
    };
    deflated(&Entry::Reported(Box::new(record)), *at)
}

/// The draft of an entry; when it was made is not in it.
///
/// # Errors
/// The bytes of another build, or forged ones.
pub(super) fn draft(record: &EntryRecord, at: Instant) -> Result<Draft, WireError> {
    let mut recent = Recent { peak_live: record.peak_live, ..Recent::default() };
    for (whose, interval) in &record.intervals {
        let ended = Instant::from_nanos(interval.ended_nanos);
        recent.intervals.push((who(*whose), interval.interval()?, ended));
    }
    for (whose, lost) in &record.lost {
        let Interval { phase, counters, .. } = lost.interval()?;
        recent.lost.push((who(*whose), phase, counters));
    }
    for distributions in &record.distributions {
        let (crew, window) = (distributions.crew as usize, distributions.index);
        recent.distributions.insert((crew, window), distributions.histograms()?);
    }
    recent.samples = record.samples.samples()?;
    for (crew, records) in &record.sessions {
        recent.sessions.insert(*crew as usize, SessionRecord::counts_of_all(records)?);
    }
    for (whose, gaps) in &record.arrivals {
        recent.arrivals.push((who(*whose), gaps.arrivals()?));
    }
    recent.last_words = record.last_words.iter().map(|(whose, w)| (who(*whose), *w)).collect();
    let levels = Levels::of_record(&record.levels);
    recent.levels = levels.ok_or(WireError::Body("levels that nobody reads"))?;
    let mut own = Vec::new();
    for (whose, sums) in &record.own {
        let sums: Result<Vec<Histogram>, WireError> =
            sums.iter().map(HistogramRecord::histogram).collect();
        own.push((who(*whose), sums?));
    }
    let course = serde_json::from_slice(&record.course);
    let mut course: Course = course.map_err(|_| WireError::Body("not the course of a run"))?;
    if let Some(loop_gap) = &record.loop_gap {
        course.supervisor.loop_gap = loop_gap.histogram()?;
    }
    Ok(Draft { recent, own, course, over: record.over, at })
}

fn who_record(who: Who) -> WhoRecord {
    match who {
        Who::Worker(slot, generation) => WhoRecord::Worker { slot, generation },
        Who::Target(slot, generation) => WhoRecord::Target { slot, generation },
    }
}

fn who(record: WhoRecord) -> Who {
    match record {
        WhoRecord::Worker { slot, generation } => Who::Worker(slot, generation),
        WhoRecord::Target { slot, generation } => Who::Target(slot, generation),
    }
}

fn deflated(entry: &Entry, at: Instant) -> Payload {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(&entry.encode()).and_then(|()| encoder.finish());
    Payload {
        kind: entry.kind(),
        monotonic_nanos: at.as_nanos(),
        bytes: written.expect("writing to memory does not fail"),
    }
}

/// The bytes of an entry; none where they are no deflated ones, or more than any entry has.
pub(super) fn inflated(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut inflated = Vec::new();
    let most = BODY_BYTES_MAX as u64 + 1;
    DeflateDecoder::new(bytes).take(most).read_to_end(&mut inflated).ok()?;
    (inflated.len() <= BODY_BYTES_MAX).then_some(inflated)
}
