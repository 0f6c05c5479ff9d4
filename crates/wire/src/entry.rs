//! What a journal keeps: the reports of a while, put together. The same flat types as on the pipes.

use crate::codec::{WireError, decode, encode};
use crate::levels::LevelsRecord;
use crate::report::{
    Final, GapsRecord, HistogramRecord, IntervalRecord, SamplesRecord, histograms,
};
use crate::sessions::SessionRecord;
use bincode::{Decode, Encode};
use stats::Histogram;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The first: what was to be done.
    Begun(BegunRecord),
    /// What was reported since the entry before.
    Reported(Box<EntryRecord>),
}

/// What was to be done, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BegunRecord {
    /// The version of the program.
    pub version: String,
    /// The plan, as JSON, without the request's body and without secrets.
    pub plan: Vec<u8>,
    /// The request's body.
    pub body: Vec<u8>,
    /// That of each phase.
    pub bodies: Vec<Vec<u8>>,
}

/// Whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum WhoRecord {
    /// A worker.
    Worker {
        /// Its slot.
        slot: u32,
        /// How often that was filled before.
        generation: u32,
    },
    /// A target process.
    Target {
        /// Its slot.
        slot: u32,
        /// How often that was filled before.
        generation: u32,
    },
}

/// What was reported in a while by all children.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct EntryRecord {
    /// Counters and gauges, in the order in which they came; the distributions are empty.
    pub intervals: Vec<(WhoRecord, IntervalRecord)>,
    /// What is known to be lost with dead workers: counters alone.
    pub lost: Vec<(WhoRecord, IntervalRecord)>,
    /// Those of all workers.
    pub distributions: Vec<DistributionsRecord>,
    /// What servers sent.
    pub samples: SamplesRecord,
    /// What was counted of sessions by all workers of a crew, and which; 0 where there is one.
    pub sessions: Vec<(u32, Vec<SessionRecord>)>,
    /// How requests came at targets.
    pub arrivals: Vec<(WhoRecord, GapsRecord)>,
    /// Last words.
    pub last_words: Vec<(WhoRecord, Final)>,
    /// Now and then, and at its end, what one worker measured since it was last kept: a histogram of
    /// each kind.
    pub own: Vec<(WhoRecord, Vec<HistogramRecord>)>,
    /// Levels that the supervisor read.
    pub levels: LevelsRecord,
    /// The largest number of live connections so far.
    pub peak_live: u64,
    /// The turns of the supervisor's loop so far.
    pub loop_gap: Option<HistogramRecord>,
    /// How the run goes, as JSON.
    pub course: Vec<u8>,
    /// Whether the run is over.
    pub over: bool,
}

/// A histogram of each kind, over all workers of a crew, of what ended in one interval.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DistributionsRecord {
    /// Which crew; 0 where there is one.
    pub crew: u32,
    /// The interval.
    pub index: u64,
    /// A histogram of each kind.
    pub histograms: Vec<HistogramRecord>,
}

impl DistributionsRecord {
    /// The histograms, by kind.
    ///
    /// # Errors
    /// A record of another build, or a forged one.
    pub fn histograms(&self) -> Result<Vec<Histogram>, WireError> {
        histograms(&self.histograms)
    }
}

impl Entry {
    /// The kind of entry, for the envelope; stable.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Begun(_) => 1,
            Self::Reported(_) => 2,
        }
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Self::Begun(record) => encode(record, &mut bytes),
            Self::Reported(record) => encode(record, &mut bytes),
        }
        bytes
    }

    /// The entry of `kind` in `bytes`; none of a kind that this version does not know.
    ///
    /// # Errors
    /// The bytes are not what the kind promises.
    pub fn decode(kind: u8, bytes: &[u8]) -> Result<Option<Self>, WireError> {
        Ok(Some(match kind {
            1 => Self::Begun(decode(bytes)?),
            2 => Self::Reported(decode(bytes)?),
            _ => return Ok(None),
        }))
    }
}
