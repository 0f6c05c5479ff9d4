//! Counters: plain `u64`, only growing, indexed by the enums of this room.

use crate::outcome::{NotSent, Outcome, named};

/// The lowest status that is counted by itself.
pub const STATUS_FIRST: u16 = 100;
/// The largest count of another process that is believed: sums of 2^16 of them cannot overflow.
pub const COUNT_MAX: u64 = (1 << 48) - 1;
/// The highest status that is counted by itself.
pub const STATUS_LAST: u16 = 599;

const STATUSES: usize = (STATUS_LAST - STATUS_FIRST) as usize + 1;

named! {
    /// What is counted once per event, without a class.
    Counter {
        /// Connection attempts begun.
        ConnectionsAttempted = "attempted",
        /// Attempts that succeeded; at a target, connections accepted.
        ConnectionsEstablished = "established",
        /// Connections that we closed.
        ConnectionsClosedByUs = "closed.by_us",
        /// Connections that the other end closed or reset.
        ConnectionsClosedByPeer = "closed.by_server",
        /// Attempts that opened a connection again in its place.
        ConnectionsReopened = "reopened",
        /// Connections that a storm closed; among those that we closed.
        ConnectionsStormed = "stormed",
        /// Storms that closed any, of each worker.
        Storms = "storms",
        /// Overload: attempts that were due and not begun, since their worker was lost.
        AttemptsLost = "attempts_lost",
        /// Source pairs found in use and passed over.
        PortsSkipped = "ports_skipped",
        /// Requests whose instant had come.
        RequestsDue = "due",
        /// Requests begun; at a target, requests seen whole.
        RequestsSent = "sent",
        /// Requests answered, whatever the status; at a target, answers sent whole.
        RequestsCompleted = "completed",
        /// Answers with a status that was not expected.
        RequestsUnexpected = "unexpected_status",
        /// Answers with an expected status that failed another check, or in which nothing was found to extract.
        ChecksFailed = "checks_failed",
        /// Sessions: requests that were due by an answer or a pause, and not by the schedule.
        RequestsFurther = "further",
        /// Values among the latencies from due that are lower bounds: the request timed out, or was
        /// not over at the end.
        CensoredFromDue = "censored_from_due",
        /// The same of those that were sent.
        CensoredFromSend = "censored_from_send",
        /// Interim answers.
        Interims = "interim",
        /// Answers that were whole before their request was sent.
        EarlyAnswers = "early_response",
        /// Bytes that are no answer, behind an answer, behind an interim one or on an idle connection: occasions.
        ExtraData = "extra_data",
        /// Answers that nobody asked for: behind another, or on an idle connection.
        Unsolicited = "unsolicited",
        /// Answers that were taken and that the standard forbids.
        Forgiven = "forgiven",
        /// Uploads answered early whose rest was to be sent and was not.
        UploadsCut = "upload_cut",
        /// At a target: cases of hostility that were played.
        Hostile = "hostile",
        /// Bytes read.
        BytesRead = "bytes_read",
        /// Bytes written.
        BytesWritten = "bytes_written",
    }
}

/// All counters of one worker or target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters {
    /// By [`Counter`].
    pub plain: [u64; Counter::COUNT],
    /// Failed connection attempts, by [`Outcome`].
    pub connections_failed: [u64; Outcome::COUNT],
    /// Failed requests, by [`Outcome`].
    pub requests_failed: [u64; Outcome::COUNT],
    /// Requests never sent, by [`NotSent`].
    pub not_sent: [u64; NotSent::COUNT],
    /// Answers by status, from [`STATUS_FIRST`].
    statuses: Box<[u64; STATUSES]>,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            plain: [0; Counter::COUNT],
            connections_failed: [0; Outcome::COUNT],
            requests_failed: [0; Outcome::COUNT],
            not_sent: [0; NotSent::COUNT],
            statuses: Box::new([0; STATUSES]),
        }
    }
}

impl Counters {
    /// Counts one.
    pub fn count(&mut self, counter: Counter) {
        self.plain[counter as usize] += 1;
    }

    /// Counts many.
    pub fn count_many(&mut self, counter: Counter, times: u64) {
        self.plain[counter as usize] += times;
    }

    /// What was counted.
    pub const fn of(&self, counter: Counter) -> u64 {
        self.plain[counter as usize]
    }

    /// Counts one answer by its status. One outside 100 to 599 (a protocol that has none) is not:
    /// a server can invent 500 of them and no more.
    pub fn count_status(&mut self, status: u16) {
        self.count_statuses(status, 1);
    }

    /// Counts many answers of one status, as [`Counters::count_status`].
    pub fn count_statuses(&mut self, status: u16, times: u64) {
        let index = usize::from(status.wrapping_sub(STATUS_FIRST));
        if let Some(count) = self.statuses.get_mut(index) {
            *count += times;
        }
    }

    /// The statuses that occurred, ascending.
    pub fn statuses(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        let counts = self.statuses.iter().zip(STATUS_FIRST..);
        counts.filter(|(count, _)| **count > 0).map(|(count, status)| (status, *count))
    }

    /// Failed connection attempts of all classes.
    pub fn connections_failed(&self) -> u64 {
        self.connections_failed.iter().sum()
    }

    /// Failed requests of all classes.
    pub fn requests_failed(&self) -> u64 {
        self.requests_failed.iter().sum()
    }

    /// Requests never sent, for whatever reason.
    pub fn not_sent(&self) -> u64 {
        self.not_sent.iter().sum()
    }

    /// Requests that were due and not answered as expected: `not_sent + failed + unexpected_status +
    /// checks_failed`, which have no request in common.
    pub fn not_as_expected(&self) -> u64 {
        let unexpected = self.of(Counter::RequestsUnexpected) + self.of(Counter::ChecksFailed);
        self.not_sent() + self.requests_failed() + unexpected
    }

    /// Adds what `other` counted.
    pub fn merge(&mut self, other: &Self) {
        self.combine(other, |mine, theirs| *mine += theirs);
    }

    /// Takes off what `earlier`, an older state of the same counters, had counted already.
    ///
    /// # Panics
    /// If `earlier` is ahead: counters only grow.
    pub fn subtract(&mut self, earlier: &Self) {
        self.combine(earlier, |mine, theirs| {
            *mine = mine.checked_sub(theirs).expect("counters only grow");
        });
    }

    fn combine(&mut self, other: &Self, mut operation: impl FnMut(&mut u64, u64)) {
        for (mine, theirs) in self.rows_mut().into_iter().zip(other.rows()) {
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                operation(mine, *theirs);
            }
        }
    }

    fn rows(&self) -> [&[u64]; 5] {
        [
            &self.plain,
            &self.connections_failed,
            &self.requests_failed,
            &self.not_sent,
            &*self.statuses,
        ]
    }

    fn rows_mut(&mut self) -> [&mut [u64]; 5] {
        [
            &mut self.plain,
            &mut self.connections_failed,
            &mut self.requests_failed,
            &mut self.not_sent,
            &mut *self.statuses,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_merged_can_be_subtracted() {
        let mut first = Counters::default();
        first.count(Counter::RequestsSent);
        first.count_status(200);
        let mut second = first.clone();
        second.count_many(Counter::BytesRead, 70);
        second.requests_failed[Outcome::Reset as usize] += 2;
        let mut both = first.clone();
        both.merge(&second);
        assert_eq!(both.statuses().collect::<Vec<_>>(), [(200, 2)]);
        both.subtract(&first);
        assert_eq!(both, second);
        assert_eq!(both.requests_failed(), 2);
    }

    #[test]
    fn a_status_out_of_range_is_not_counted() {
        let mut counters = Counters::default();
        for status in [0, 99, 600, u16::MAX] {
            counters.count_status(status);
        }
        assert_eq!(counters.statuses().count(), 0);
    }

    #[test]
    #[should_panic(expected = "counters only grow")]
    fn a_counter_never_shrinks() {
        let mut ahead = Counters::default();
        ahead.count(Counter::RequestsDue);
        Counters::default().subtract(&ahead);
    }
}
