//! What a child tells the supervisor.

use crate::codec::WireError;
use crate::frame::Message;
use bincode::{Decode, Encode};
use stats::{Counters, Gauges, Histogram, Interval, Latency, Phase};
use std::net::SocketAddr;

/// A report.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Report {
    /// Ready to start; a target says where it listens.
    Ready {
        /// A target's address.
        listening: Option<SocketAddr>,
    },
    /// Every place is established or has failed for good.
    Opened {
        /// The first connect, in nanoseconds of `CLOCK_MONOTONIC`; 0 if there was none.
        first_connect_nanos: u64,
        /// The last establishment; 0 if there was none.
        last_established_nanos: u64,
    },
    /// What happened since the last report.
    Interval(IntervalRecord),
    /// The last one: all ended.
    Final(Final),
    /// The child cannot do its part and ends; one line says why.
    Fatal(String),
}

impl Message for Report {
    const KIND: u8 = 2;
    const BYTES_MAX: u32 = 4 * 1024 * 1024;
}

/// A child's last words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Final {
    /// Processor time of the process, user and system, in microseconds.
    pub cpu_micros: u64,
    /// The part of it that went by before load began.
    pub cpu_open_micros: u64,
    /// The largest resident set, in bytes.
    pub rss_peak_bytes: u64,
    /// The resident set before the first connection, in bytes.
    pub rss_before_bytes: u64,
    /// The resident set with all connections open and before any load, in bytes.
    pub rss_open_bytes: u64,
    /// Connections that were open then.
    pub connections_open: u64,
    /// From measurement's first instant to its last, in nanoseconds; 0 if it never began.
    pub measured_nanos: u64,
}

/// [`Interval`] as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct IntervalRecord {
    index: u64,
    /// When the interval ended, in nanoseconds of `CLOCK_MONOTONIC`.
    pub ended_nanos: u64,
    phase: u8,
    plain: Vec<u64>,
    connections_failed: Vec<u64>,
    requests_failed: Vec<u64>,
    not_sent: Vec<u64>,
    statuses: Vec<(u16, u64)>,
    gauges: [u64; 4],
    histograms: Vec<HistogramRecord>,
}

/// A histogram as it travels; one without values has no bytes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct HistogramRecord {
    overflow: u64,
    v2: Vec<u8>,
}

impl HistogramRecord {
    fn new(histogram: &Histogram) -> Self {
        let v2 = if histogram.count() == 0 { Vec::new() } else { histogram.encode() };
        Self { overflow: histogram.overflow(), v2 }
    }

    fn histogram(&self) -> Result<Histogram, WireError> {
        if self.v2.is_empty() {
            return Ok(Histogram::default());
        }
        Histogram::decode(&self.v2, self.overflow).map_err(|_| WireError::Body("bad histogram"))
    }
}

impl IntervalRecord {
    /// Flattens `interval`, which ended at `ended_nanos`.
    pub fn new(interval: &Interval, ended_nanos: u64) -> Self {
        let Counters { plain, connections_failed, requests_failed, not_sent, .. } =
            &interval.counters;
        let Gauges { live, pending, in_flight, unserved } = interval.gauges;
        Self {
            index: interval.index,
            ended_nanos,
            phase: interval.phase as u8,
            plain: plain.to_vec(),
            connections_failed: connections_failed.to_vec(),
            requests_failed: requests_failed.to_vec(),
            not_sent: not_sent.to_vec(),
            statuses: interval.counters.statuses().collect(),
            gauges: [live, pending, in_flight, unserved],
            histograms: interval.histograms.iter().map(HistogramRecord::new).collect(),
        }
    }

    /// The interval, once every array has the size that it should have.
    ///
    /// # Errors
    /// A record of another build, or a forged one.
    pub fn interval(&self) -> Result<Interval, WireError> {
        let phase = Phase::ALL.get(usize::from(self.phase));
        let phase = *phase.ok_or(WireError::Body("no such phase"))?;
        if self.histograms.len() != Latency::COUNT {
            return Err(WireError::Body("not the histograms that are kept"));
        }
        let histograms: Result<Vec<Histogram>, WireError> =
            self.histograms.iter().map(HistogramRecord::histogram).collect();
        let [live, pending, in_flight, unserved] = self.gauges;
        Ok(Interval {
            index: self.index,
            phase,
            counters: self.counters()?,
            histograms: histograms?,
            gauges: Gauges { live, pending, in_flight, unserved },
        })
    }

    fn counters(&self) -> Result<Counters, WireError> {
        let mut counters = Counters::default();
        counters.plain = row(&self.plain)?;
        counters.connections_failed = row(&self.connections_failed)?;
        counters.requests_failed = row(&self.requests_failed)?;
        counters.not_sent = row(&self.not_sent)?;
        for (status, count) in &self.statuses {
            counters.count_statuses(*status, bounded(*count)?);
        }
        Ok(counters)
    }
}

/// The largest count that is believed: sums of 2^16 of them cannot overflow.
const COUNT_MAX: u64 = 1 << 48;

fn bounded(count: u64) -> Result<u64, WireError> {
    if count <= COUNT_MAX { Ok(count) } else { Err(WireError::Body("absurd count")) }
}

fn row<const N: usize>(values: &[u64]) -> Result<[u64; N], WireError> {
    let row: [u64; N] =
        values.try_into().map_err(|_| WireError::Body("not the counters that are kept"))?;
    row.iter().try_for_each(|count| bounded(*count).map(drop))?;
    Ok(row)
}
