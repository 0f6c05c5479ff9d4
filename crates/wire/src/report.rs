//! What a child tells the supervisor.

use crate::codec::WireError;
use crate::frame::Message;
use crate::sessions::SessionRecord;
use bincode::{Decode, Encode};
use stats::{
    ArrivalChecks, COUNT_MAX, Counters, Gaps, Gauges, Histogram, Interval, Latency, Outcome, Phase,
    SAMPLES_MAX, Samples, Strain, Untrusted,
};
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
    /// From a target, before its last words: how the requests came.
    Gaps(GapsRecord),
    /// The child lives, though it has nothing to tell yet.
    Alive,
    /// The first line of the panic that ends it.
    Panicked(String),
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
    /// Intervals that were merged into the one before, since the supervisor did not read.
    pub reports_merged: u64,
    /// From measurement's first instant to its last, in nanoseconds; 0 if it never began.
    pub measured_nanos: u64,
    /// Response, scheduling lag, wait for a connection and service, summed over the requests due in
    /// measurement, in nanoseconds.
    pub times: [u128; 4],
    /// What samples of its departures said, under a schedule.
    pub departures: [u64; ArrivalChecks::FIELDS],
}

/// [`Gaps`] as they travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GapsRecord {
    count: u64,
    span_nanos: u64,
    gaps_squared: u128,
    most_in_1ms: u64,
}

impl GapsRecord {
    /// The sums of `arrivals`.
    pub const fn new(arrivals: &Gaps) -> Self {
        let Gaps { count, span_nanos, gaps_squared, most_in_1ms, .. } = *arrivals;
        Self { count, span_nanos, gaps_squared, most_in_1ms }
    }

    /// The arrivals, once their sums can be those of any.
    ///
    /// # Errors
    /// A forged record: an absurd count, or gaps whose squares are more than the square of their sum.
    pub fn arrivals(&self) -> Result<Gaps, WireError> {
        let Self { count, span_nanos, gaps_squared, most_in_1ms } = *self;
        let span_squared = u128::from(span_nanos) * u128::from(span_nanos);
        let gapless = count < 2 && span_nanos > 0;
        if bounded(count)? < most_in_1ms || gaps_squared > span_squared || gapless {
            return Err(WireError::Body("arrivals that cannot have been"));
        }
        Ok(Gaps::of(count, span_nanos, gaps_squared, most_in_1ms))
    }
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
    gauges: [u64; 5],
    histograms: Vec<HistogramRecord>,
    samples: SamplesRecord,
    /// Boxed, so that the other reports need not be as large.
    strain: Box<[u64; Strain::FIELDS]>,
    sessions: Vec<SessionRecord>,
}

/// A sample of what a server sent, as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct SampleRecord {
    outcome: u8,
    raw: Vec<u8>,
    cut: bool,
    count: u64,
}

impl SampleRecord {
    fn new((outcome, sample, count): (Outcome, &Untrusted, u64)) -> Self {
        Self { outcome: outcome as u8, raw: sample.raw().to_vec(), cut: sample.is_cut(), count }
    }

    fn add_to(&self, samples: &mut Samples) -> Result<(), WireError> {
        let sample = Untrusted::from_raw(&self.raw, self.cut);
        let sample = sample.ok_or(WireError::Body("a sample longer than any that is kept"))?;
        samples.add(outcome(self.outcome)?, sample, bounded(self.count)?);
        Ok(())
    }
}

/// [`Samples`] as they travel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct SamplesRecord {
    kept: Vec<SampleRecord>,
    /// Class and count of what is not among them.
    others: Vec<(u8, u64)>,
}

impl SamplesRecord {
    /// Flattens `samples`.
    pub fn new(samples: &Samples) -> Self {
        Self {
            kept: samples.kept().map(SampleRecord::new).collect(),
            others: samples.others().map(|(outcome, count)| (outcome as u8, count)).collect(),
        }
    }

    /// The samples, once each is within its bounds.
    ///
    /// # Errors
    /// A record of another build, or a forged one.
    pub fn samples(&self) -> Result<Samples, WireError> {
        if self.kept.len() > SAMPLES_MAX || self.others.len() > Outcome::COUNT {
            return Err(WireError::Body("more samples than are kept"));
        }
        let mut samples = Samples::default();
        self.kept.iter().try_for_each(|sample| sample.add_to(&mut samples))?;
        for (class, count) in &self.others {
            samples.add_others(outcome(*class)?, bounded(*count)?);
        }
        Ok(samples)
    }
}

/// A histogram as it travels; one without values has no bytes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct HistogramRecord {
    overflow: u64,
    v2: Vec<u8>,
}

impl HistogramRecord {
    /// Flattens `histogram`.
    pub fn new(histogram: &Histogram) -> Self {
        let v2 = if histogram.count() == 0 { Vec::new() } else { histogram.encode() };
        Self { overflow: histogram.overflow(), v2 }
    }

    /// The histogram.
    ///
    /// # Errors
    /// Bytes that are none, or one of other bounds.
    pub fn histogram(&self) -> Result<Histogram, WireError> {
        if self.v2.is_empty() {
            return Ok(Histogram::default());
        }
        Histogram::decode(&self.v2, self.overflow).map_err(|_| WireError::Body("bad histogram"))
    }
}

/// A histogram of each kind.
pub(crate) fn histograms(records: &[HistogramRecord]) -> Result<Vec<Histogram>, WireError> {
    if records.len() != Latency::COUNT {
        return Err(WireError::Body("not the histograms that are kept"));
    }
    records.iter().map(HistogramRecord::histogram).collect()
}

impl IntervalRecord {
    /// Flattens `interval`, which ended at `ended_nanos`.
    pub fn new(interval: &Interval, ended_nanos: u64) -> Self {
        let Counters { plain, connections_failed, requests_failed, not_sent, .. } =
            &interval.counters;
        let Gauges { live, pending, in_flight, unserved, queued } = interval.gauges;
        Self {
            index: interval.index,
            ended_nanos,
            phase: interval.phase as u8,
            plain: plain.to_vec(),
            connections_failed: connections_failed.to_vec(),
            requests_failed: requests_failed.to_vec(),
            not_sent: not_sent.to_vec(),
            statuses: interval.counters.statuses().collect(),
            gauges: [live, pending, in_flight, unserved, queued],
            histograms: interval.histograms.iter().map(HistogramRecord::new).collect(),
            samples: SamplesRecord::new(&interval.samples),
            strain: Box::new(interval.strain.to_array()),
            sessions: SessionRecord::all(&interval.sessions),
        }
    }

    /// The interval, once every array has the size that it should have.
    ///
    /// # Errors
    /// A record of another build, or a forged one.
    pub fn interval(&self) -> Result<Interval, WireError> {
        let phase = Phase::ALL.get(usize::from(self.phase));
        let phase = *phase.ok_or(WireError::Body("no such phase"))?;
        let [live, pending, in_flight, unserved, queued] = row(&self.gauges)?;
        let interval = Interval {
            index: self.index,
            phase,
            counters: self.counters()?,
            histograms: histograms(&self.histograms)?,
            gauges: Gauges { live, pending, in_flight, unserved, queued },
            samples: self.samples.samples()?,
            strain: Strain::from_array(row(&*self.strain)?),
            sessions: SessionRecord::counts_of_all(&self.sessions)?,
        };
        let steps = interval.sessions.iter().flat_map(|session| &session.steps);
        let steps: u64 = steps.map(|step| step.latency.count()).sum();
        bounded(interval.histograms[Latency::FromSend as usize].count() + steps)?;
        Ok(interval)
    }

    fn counters(&self) -> Result<Counters, WireError> {
        let mut counters = Counters::default();
        counters.plain = row(&self.plain)?;
        counters.connections_failed = row(&self.connections_failed)?;
        counters.requests_failed = row(&self.requests_failed)?;
        counters.not_sent = row(&self.not_sent)?;
        if !self.statuses.is_sorted_by(|(one, _), (next, _)| one < next) {
            return Err(WireError::Body("a status that is there twice"));
        }
        for (status, count) in &self.statuses {
            counters.count_statuses(*status, bounded(*count)?);
        }
        Ok(counters)
    }
}

pub(crate) fn bounded(count: u64) -> Result<u64, WireError> {
    if count <= COUNT_MAX { Ok(count) } else { Err(WireError::Body("absurd count")) }
}

fn outcome(index: u8) -> Result<Outcome, WireError> {
    let outcome = Outcome::ALL.get(usize::from(index)).copied();
    outcome.ok_or(WireError::Body("no such class"))
}

fn row<const N: usize>(values: &[u64]) -> Result<[u64; N], WireError> {
    let row: [u64; N] =
        values.try_into().map_err(|_| WireError::Body("not the counters that are kept"))?;
    row.iter().try_for_each(|count| bounded(*count).map(drop))?;
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stats::UNTRUSTED_BYTES_MAX;

    fn sample(number: u32, bytes: usize) -> SampleRecord {
        let mut raw = number.to_le_bytes().to_vec();
        raw.resize(bytes, b'x');
        SampleRecord { outcome: Outcome::HttpVersion as u8, raw, cut: false, count: 1 }
    }

    fn believed(kept: Vec<SampleRecord>, others: Vec<(u8, u64)>) -> bool {
        SamplesRecord { kept, others }.samples().is_ok()
    }

    #[test]
    fn counts_that_could_overflow_a_sum_are_refused() {
        let record = || IntervalRecord::new(&Interval::new(0, Phase::Measurement), 1);
        let statuses = |statuses| IntervalRecord { statuses, ..record() }.interval().is_ok();
        assert!(statuses(vec![(200, COUNT_MAX), (201, COUNT_MAX)]));
        assert!(!statuses(vec![(200, COUNT_MAX); 1 << 17]));
        assert!(!statuses(vec![(201, 1), (200, 1)]));
        let live =
            |live| IntervalRecord { gauges: [live, 0, 0, 0, 0], ..record() }.interval().is_ok();
        assert!(live(COUNT_MAX) && !live(u64::MAX));
        let strain = |nanos| {
            let strain = Box::new([nanos; Strain::FIELDS]);
            IntervalRecord { strain, ..record() }.interval().is_ok()
        };
        assert!(strain(COUNT_MAX) && !strain(COUNT_MAX + 1));
    }

    #[test]
    fn arrivals_that_cannot_have_been_are_refused() {
        let believed = |count, span_nanos, gaps_squared, most_in_1ms| {
            GapsRecord { count, span_nanos, gaps_squared, most_in_1ms }.arrivals().is_ok()
        };
        assert!(believed(0, 0, 0, 0) && believed(1, 0, 0, 1) && believed(9, 0, 0, 9));
        assert!(believed(3, 10, 100, 2) && !believed(3, 10, 101, 2) && !believed(3, 10, 100, 4));
        assert!(!believed(1, 1, 0, 1) && !believed(0, 1, 1, 0));
        assert!(believed(COUNT_MAX, u64::MAX, 1, 1) && !believed(u64::MAX, u64::MAX, 1, 1));
        assert!(!believed(2, 1, u128::MAX, 1));
    }

    #[test]
    fn samples_over_their_bounds_are_refused() {
        let many = |count: u32| (0..count).map(|number| sample(number, 8)).collect::<Vec<_>>();
        let too_many = SAMPLES_MAX as u32 + 1;
        assert!(believed(many(SAMPLES_MAX as u32), Vec::new()));
        assert!(!believed(many(too_many), Vec::new()));
        let long = |bytes| vec![sample(0, bytes)];
        assert!(believed(long(UNTRUSTED_BYTES_MAX), Vec::new()));
        assert!(!believed(long(UNTRUSTED_BYTES_MAX + 1), Vec::new()));
        assert!(!believed(vec![SampleRecord { cut: true, ..sample(0, 8) }], Vec::new()));
        assert!(!believed(vec![SampleRecord { count: u64::MAX, ..sample(0, 8) }], Vec::new()));
        assert!(!believed(vec![SampleRecord { outcome: 255, ..sample(0, 8) }], Vec::new()));
        assert!(believed(Vec::new(), vec![(0, 7)]));
        assert!(!believed(Vec::new(), vec![(255, 7)]));
        assert!(!believed(Vec::new(), vec![(0, u64::MAX)]));
        assert!(!believed(Vec::new(), vec![(0, 7); Outcome::COUNT + 1]));
    }
}
