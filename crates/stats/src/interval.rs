//! What one worker or target reports at a time.

use crate::counters::Counters;
use crate::histogram::Histogram;
use crate::outcome::named;
use crate::samples::Samples;
use crate::sessions::SessionCounts;
use crate::strain::Strain;

named! {
    /// A part of a run.
    Phase {
        /// Connections are opened; no request leaves.
        Open = "open",
        /// Load, not measured.
        WarmUp = "warm-up",
        /// Load, measured.
        Measurement = "measurement",
        /// No new load; what is in flight may end.
        Drain = "drain",
    }
}

named! {
    /// A distribution that is kept.
    Latency {
        /// From the instant that a request was due to its answer; requests due in measurement. What timed
        /// out or was not over is there with the time it had taken so far, and counted as censored.
        FromDue = "from_due",
        /// From the instant that its first byte was handed to the kernel; the same requests.
        FromSend = "from_send",
        /// From connect() to established; the whole run.
        Connect = "connect",
        /// From due until it left, or until it waited for a connection: our own lateness; requests due
        /// in measurement.
        SchedLag = "sched_lag",
        /// The wait for a free connection; the same requests.
        Blocked = "blocked",
        /// From due to the failure of those that failed otherwise than by a timeout.
        Failed = "failed",
        /// Overload: from the instant that an attempt was due to its connect(); attempts due in
        /// measurement.
        AttemptLag = "attempt_lag",
        /// From a storm, which closed connections, to when the last of them was open again; the whole run, of
        /// each worker.
        Recovery = "recovery",
        /// One turn of the loop, from the end of its wait to the next wait.
        LoopLag = "loop_lag",
    }
}

/// State at the end of an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Connections established and not ended.
    pub live: u64,
    /// Connection attempts under way.
    pub pending: u64,
    /// Requests sent and unanswered.
    pub in_flight: u64,
    /// Live connections that have had no answer yet.
    pub unserved: u64,
    /// Requests that are due and wait for a connection.
    pub queued: u64,
}

impl Gauges {
    /// Adds another slot's.
    pub fn add(&mut self, other: &Self) {
        self.live += other.live;
        self.pending += other.pending;
        self.in_flight += other.in_flight;
        self.unserved += other.unserved;
        self.queued += other.queued;
    }
}

/// What happened within an interval, and the state at its end.
#[derive(Clone, Debug)]
pub struct Interval {
    /// The number of the interval that ended with this report, from the common start instant.
    pub index: u64,
    /// The phase that it lies in: a phase's end ends an interval too.
    pub phase: Phase,
    /// Counted within.
    pub counters: Counters,
    /// Recorded within, by [`Latency`]. What answers to steps of sessions took is not among `FromSend` before
    /// [`Interval::add_up_steps`], which is to be called once.
    pub histograms: Vec<Histogram>,
    /// State at the end.
    pub gauges: Gauges,
    /// What servers sent within, where it broke the protocol.
    pub samples: Samples,
    /// How the worker itself fared; nothing of a target.
    pub strain: Strain,
    /// What was counted of each session; empty where none is played.
    pub sessions: Vec<SessionCounts>,
}

impl Interval {
    /// An empty one.
    pub fn new(index: u64, phase: Phase) -> Self {
        Self {
            index,
            phase,
            counters: Counters::default(),
            histograms: vec![Histogram::default(); Latency::COUNT],
            gauges: Gauges::default(),
            samples: Samples::default(),
            strain: Strain::default(),
            sessions: Vec::new(),
        }
    }

    /// Adds to what answers took what those to steps of sessions took. A worker records and reports that once, with
    /// its step; whoever gets the report adds it up.
    pub fn add_up_steps(&mut self) {
        let from_send = &mut self.histograms[Latency::FromSend as usize];
        for step in self.sessions.iter().flat_map(|session| &session.steps) {
            from_send.merge_sparse(&step.latency);
        }
    }

    /// Takes in `later`, an interval of the same phase that follows this one: a report that could
    /// not be sent and the next one become one report.
    ///
    /// # Panics
    /// If the phases differ.
    pub fn extend(&mut self, later: &Self) {
        assert_eq!(self.phase, later.phase, "intervals of two phases are two reports");
        self.index = later.index;
        self.gauges = later.gauges;
        self.counters.merge(&later.counters);
        for (mine, theirs) in self.histograms.iter_mut().zip(&later.histograms) {
            mine.merge(theirs);
        }
        self.samples.merge(&later.samples);
        self.strain.extend(&later.strain);
        SessionCounts::merge_all(&mut self.sessions, &later.sessions);
    }
}
