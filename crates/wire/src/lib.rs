//! The messages of the pipes, and their frames.
//!
//! The supervisor sends [`Command`]s, a worker or target sends [`Report`]s. The types here are flat
//! and belong to this room alone: counters travel as arrays indexed by the enums of `stats`,
//! histograms as HdrHistogram V2 bytes. What a journal keeps of a run is an [`Entry`], in the same types. Bytes that come in are checked before they are believed:
//! a length before memory is taken for it, every index, every array's size.
//!
//! Nothing here touches a pipe. Start at [`Decoder`].

#![forbid(unsafe_code)]

mod codec;
mod command;
mod entry;
mod frame;
mod levels;
mod report;
mod sessions;

pub use codec::{BODY_BYTES_MAX, WireError};
pub use command::{
    ArrivalsKind, ArrivalsShare, BusyKind, ChopKind, Command, HostileShare, JoinShare, LoadShare,
    PeerShare, ProtocolKind, RateSegment, RateValue, SlowShare, SourceRange, StallShare,
    StormShare, TargetShare, WorkerShare,
};
pub use entry::{BegunRecord, DistributionsRecord, Entry, EntryRecord, WhoRecord};
pub use frame::{Decoder, FRAME_HEADER_BYTES, Message, frame};
pub use levels::{LevelsRecord, SourceRecord};
pub use report::{Final, GapsRecord, HistogramRecord, IntervalRecord, Report, SamplesRecord};
pub use sessions::{
    CheckCode, ExcerptCode, FeedShare, FoundCode, OrderKind, PlaceKind, RequestCode, Segment,
    SessionRecord, SessionShare, SessionsShare, StepCode, ValueCode,
};
