//! Reports on their way out of a child that never waits for its reader.
//!
//! What was handed to the pipe in part goes out in full. Behind it intervals that follow each other
//! are merged into one: a slow reader costs resolution, never counts.

use dispatch::Instant;
use stats::Interval;
use std::collections::VecDeque;
use wire::{IntervalRecord, Report, frame};

#[derive(Debug)]
enum Item {
    Report(Box<Report>),
    Interval(Box<Interval>, Instant),
}

/// A queue of reports. Bounded by its nature: one interval per phase, and a handful of others.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: VecDeque<Item>,
    bytes: Vec<u8>,
    written: usize,
    sequence: u32,
    merged: u64,
}

impl Outbox {
    /// Queues a report.
    pub fn push(&mut self, report: Report) {
        self.waiting.push_back(Item::Report(Box::new(report)));
    }

    /// Queues an interval that ended at `ended`; merges it into the one before if that waits still.
    pub fn push_interval(&mut self, interval: Interval, ended: Instant) {
        match self.waiting.back_mut() {
            Some(Item::Interval(last, last_ended)) if last.phase == interval.phase => {
                last.extend(&interval);
                *last_ended = ended;
                self.merged += 1;
            }
            _ => self.waiting.push_back(Item::Interval(Box::new(interval), ended)),
        }
    }

    /// The bytes to write next; empty when all is out.
    pub fn pending(&mut self) -> &[u8] {
        if self.written == self.bytes.len() {
            self.bytes.clear();
            self.written = 0;
            self.encode_next();
        }
        &self.bytes[self.written..]
    }

    /// What is left of the frame that the pipe has taken in part; all of one that it has not begun.
    pub fn begun(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// The number of the next frame.
    pub const fn next_sequence(&self) -> u32 {
        self.sequence
    }

    /// The pipe took `bytes` of them.
    pub fn written(&mut self, bytes: usize) {
        self.written += bytes;
        assert!(self.written <= self.bytes.len(), "no more was written than was pending");
    }

    /// Intervals that were merged because the reader was slow.
    pub const fn merged(&self) -> u64 {
        self.merged
    }

    fn encode_next(&mut self) {
        let Some(item) = self.waiting.pop_front() else { return };
        let report = match item {
            Item::Report(report) => *report,
            Item::Interval(interval, ended) => {
                Report::Interval(IntervalRecord::new(&interval, ended.as_nanos()))
            }
        };
        frame(&report, self.sequence, &mut self.bytes);
        self.sequence = self.sequence.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stats::{Counter, Outcome, Phase};
    use wire::Decoder;

    fn interval(index: u64, phase: Phase) -> Interval {
        let mut interval = Interval::new(index, phase);
        interval.counters.count(Counter::RequestsSent);
        interval.samples.record(Outcome::HttpVersion, b"SSH-2.0");
        interval
    }

    /// Moves up to `bytes` from the outbox to the decoder, as a pipe with so much room would.
    fn pump(outbox: &mut Outbox, decoder: &mut Decoder<Report>, bytes: usize) -> usize {
        let pending = outbox.pending();
        let moved = pending.len().min(bytes);
        decoder.push(&pending[..moved]);
        outbox.written(moved);
        moved
    }

    #[test]
    fn intervals_that_wait_become_one_and_nothing_is_lost() {
        let (mut outbox, mut decoder) = (Outbox::default(), Decoder::default());
        outbox.push_interval(interval(0, Phase::Open), Instant::from_nanos(1));
        pump(&mut outbox, &mut decoder, 1);
        for index in 1..5 {
            outbox.push_interval(interval(index, Phase::Open), Instant::from_nanos(index));
        }
        outbox.push_interval(interval(5, Phase::Measurement), Instant::from_nanos(9));
        while pump(&mut outbox, &mut decoder, 7) > 0 {}
        let mut sent = Vec::new();
        while let Some(report) = decoder.next_message().unwrap() {
            let Report::Interval(record) = report else { panic!("{report:?} is no interval") };
            let interval = record.interval().unwrap();
            let sampled: u64 = interval.samples.kept().map(|(_, _, count)| count).sum();
            sent.push(interval.counters.of(Counter::RequestsSent));
            assert_eq!(sampled, interval.counters.of(Counter::RequestsSent));
        }
        assert_eq!(sent, [1, 4, 1]);
        assert_eq!(outbox.merged(), 3);
    }
}
