//! The account of requests: each from the instant that it was due to its one end.
//!
//! ```text
//!        due          picked        sent                        end
//!         ├─ sched_lag ─┼── blocked ──┼───────── service ─────────┤
//!         └───────────────────── response ────────────────────────┘
//! ```
//!
//! `response = sched_lag + blocked + service` holds for each request to the nanosecond, and so for
//! their sums. Lateness while a connection was free is ours, waiting for one is the target's. Pure:
//! every instant is an argument.

use crate::child::Recorder;
use dispatch::Instant;
use stats::{Counter, Latency, NotSent, Outcome, Times};

/// Why a request leaves later than it was due, apart from our own lateness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// A connection was free.
    Nobody,
    /// None was free before this instant.
    UntilFree(Instant),
    /// It was picked at this instant, and none was free.
    SincePicked(Instant),
}

impl Wait {
    /// The part of `sent - due` that was spent waiting for a connection.
    pub const fn blocked(self, due: Instant, sent: Instant) -> u64 {
        let blocked = match self {
            Self::Nobody => 0,
            Self::UntilFree(free) => free.nanos_since(due),
            Self::SincePicked(picked) => sent.nanos_since(picked),
        };
        let late = sent.nanos_since(due);
        if blocked < late { blocked } else { late }
    }
}

/// The last request of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    /// When it was due; before the first, when the attempt began; of one that rests, since when.
    pub due: Instant,
    /// When its first byte was handed to the kernel.
    pub sent: Instant,
    /// Its number on the connection, from 1; 0 before the first.
    pub number: u32,
    /// It is under way.
    pub in_flight: bool,
    /// It was due in measurement.
    pub measured: bool,
}

impl Exchange {
    /// None yet on a connection whose attempt began at `begun`.
    pub const fn none(begun: Instant) -> Self {
        Self { due: begun, sent: begun, number: 0, in_flight: false, measured: false }
    }
}

/// The account of one worker.
#[derive(Debug)]
pub struct Account {
    /// Where it is kept.
    pub recorder: Recorder,
    times: Times,
    in_flight: u64,
    last_end: Instant,
}

impl Account {
    /// An empty account, kept in `recorder`.
    pub fn new(recorder: Recorder) -> Self {
        Self { recorder, times: Times::default(), in_flight: 0, last_end: Instant::default() }
    }

    /// Requests under way.
    pub const fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Sums over all measured requests that have ended.
    pub const fn times(&self) -> Times {
        self.times
    }

    /// When the last request was answered or timed out.
    pub const fn last_end(&self) -> Instant {
        self.last_end
    }

    /// Another request is due.
    pub fn due(&mut self) {
        self.recorder.count(Counter::RequestsDue);
    }

    /// The next request of `exchange`'s connection, which was due at `due`, leaves at `sent` after
    /// `wait`.
    pub fn sent(
        &mut self,
        exchange: &mut Exchange,
        due: Instant,
        wait: Wait,
        sent: Instant,
        measured: bool,
    ) {
        self.recorder.count(Counter::RequestsSent);
        self.in_flight += 1;
        // No request leaves before it is due.
        let sent = sent.max(due);
        if measured {
            self.late(due, sent, wait.blocked(due, sent));
        }
        let number = exchange.number.saturating_add(1);
        *exchange = Exchange { due, sent, number, in_flight: true, measured };
    }

    fn late(&mut self, due: Instant, until: Instant, blocked: u64) {
        let lag = until.nanos_since(due) - blocked;
        self.recorder.record(Latency::SchedLag, lag);
        self.recorder.record(Latency::Blocked, blocked);
        self.times.sched_lag += u128::from(lag);
        self.times.blocked += u128::from(blocked);
    }

    /// It was answered at `at`. What it took since it was sent is recorded by [`Self::served`], or of a
    /// session by its step, whose times are the run's too.
    pub fn completed(&mut self, exchange: &mut Exchange, at: Instant) {
        self.recorder.count(Counter::RequestsCompleted);
        if exchange.measured {
            self.record_from_due(exchange, at);
        }
        self.end(exchange, at);
        self.last_end = at;
    }

    /// It is no step of a session, and was answered at `at`.
    pub fn served(&mut self, exchange: &Exchange, at: Instant) {
        if exchange.measured {
            self.recorder.record(Latency::FromSend, at.nanos_since(exchange.sent));
        }
    }

    /// It had taken too long at `at`: its latency is at least that.
    pub fn timed_out(&mut self, exchange: &mut Exchange, outcome: Outcome, at: Instant) {
        self.recorder.counters.requests_failed[outcome as usize] += 1;
        self.record_bound(exchange, at);
        self.end(exchange, at);
        self.last_end = at;
    }

    /// It failed at `at`, if it was under way.
    pub fn failed(&mut self, exchange: &mut Exchange, outcome: Outcome, at: Instant) {
        if !exchange.in_flight {
            return;
        }
        self.recorder.counters.requests_failed[outcome as usize] += 1;
        if exchange.measured {
            self.recorder.record(Latency::Failed, at.nanos_since(exchange.due));
        }
        self.end(exchange, at);
    }

    /// The run ends at `now` with the request under way: its latency is at least its age.
    pub fn unfinished(&mut self, exchange: &Exchange, now: Instant) {
        if exchange.in_flight && exchange.measured {
            self.record_bound(exchange, now);
            self.add_times(exchange, now);
        }
    }

    /// A request that was due at `due` and picked at `picked` is given up at `now`, and was never sent.
    pub fn not_sent(
        &mut self,
        due: Instant,
        picked: Instant,
        why: NotSent,
        now: Instant,
        measured: bool,
    ) {
        self.recorder.counters.not_sent[why as usize] += 1;
        if !measured {
            return;
        }
        let (picked, now) = (picked.max(due), now.max(picked).max(due));
        self.late(due, now, now.nanos_since(picked));
        self.times.response += u128::from(now.nanos_since(due));
        if why == NotSent::RunEnded {
            self.recorder.count(Counter::CensoredFromDue);
            self.recorder.record(Latency::FromDue, now.nanos_since(due));
        }
    }

    fn record_bound(&mut self, exchange: &Exchange, at: Instant) {
        if exchange.measured {
            self.recorder.count(Counter::CensoredFromDue);
            self.recorder.count(Counter::CensoredFromSend);
            self.record_from_due(exchange, at);
            self.served(exchange, at);
        }
    }

    fn record_from_due(&mut self, exchange: &Exchange, at: Instant) {
        self.recorder.record(Latency::FromDue, at.max(exchange.sent).nanos_since(exchange.due));
    }

    fn end(&mut self, exchange: &mut Exchange, at: Instant) {
        if exchange.measured {
            self.add_times(exchange, at);
        }
        exchange.in_flight = false;
        self.in_flight -= 1;
    }

    fn add_times(&mut self, exchange: &Exchange, at: Instant) {
        let at = at.max(exchange.sent);
        self.times.response += u128::from(at.nanos_since(exchange.due));
        self.times.service += u128::from(at.nanos_since(exchange.sent));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::{Rng, SeedableRng};
    use std::time::Duration;

    const fn us(micros: u64) -> Instant {
        Instant::from_nanos(1_000_000_000 + micros * 1_000)
    }

    fn account() -> Account {
        Account::new(Recorder::new(Duration::from_secs(1)))
    }

    #[test]
    fn lateness_is_ours_where_a_connection_was_free_and_the_targets_where_none_was() {
        let table = [
            (Wait::Nobody, 70, 0),
            (Wait::UntilFree(us(5)), 70, 0),
            (Wait::UntilFree(us(40)), 40, 30),
            (Wait::UntilFree(us(90)), 0, 70),
            (Wait::SincePicked(us(12)), 2, 68),
            (Wait::SincePicked(us(10)), 0, 70),
        ];
        for (wait, lag, blocked) in table {
            let mut account = account();
            account.sent(&mut Exchange::none(us(0)), us(10), wait, us(80), true);
            let times = account.times();
            assert_eq!((times.sched_lag, times.blocked), (lag * 1000, blocked * 1000), "{wait:?}");
        }
    }

    #[test]
    fn a_timeout_and_what_is_unfinished_are_lower_bounds() {
        let mut account = account();
        let mut exchange = Exchange::none(us(0));
        account.sent(&mut exchange, us(0), Wait::Nobody, us(1), true);
        account.timed_out(&mut exchange, Outcome::TimeoutTotal, us(501));
        account.sent(&mut exchange, us(100), Wait::Nobody, us(100), true);
        account.unfinished(&exchange, us(600));
        account.not_sent(us(300), us(310), NotSent::RunEnded, us(600), true);
        let counters = &account.recorder.counters;
        assert_eq!(counters.of(Counter::CensoredFromDue), 3);
        assert_eq!(counters.of(Counter::CensoredFromSend), 2);
        assert_eq!(account.in_flight(), 1);
        assert!(account.times().balance());
    }

    /// What may become of a request, drawn by `random`, from `due` on.
    fn trace(account: &mut Account, random: &mut Xoshiro256PlusPlus, due: Instant) -> Instant {
        let mut draw = |below: u64| random.next_u64() % below;
        let measured = draw(10) > 0;
        let picked = due + Duration::from_nanos(draw(3) * draw(100_000));
        let sent = picked + Duration::from_nanos(draw(2) * draw(5_000_000));
        // The clock of a read may be a little before that of the next send.
        let end = sent + Duration::from_nanos(draw(9_000_000)) - Duration::from_nanos(draw(3) * 40);
        account.due();
        let wait = match draw(3) {
            0 => Wait::Nobody,
            1 => Wait::UntilFree(due + Duration::from_nanos(draw(200_000))),
            _ => Wait::SincePicked(picked),
        };
        match draw(8) {
            0 => {
                let reasons = [NotSent::QueueFull, NotSent::NoConnection, NotSent::RunEnded];
                account.not_sent(due, picked, reasons[draw(3) as usize], end, measured);
            }
            kind => {
                let mut exchange = Exchange::none(due);
                account.sent(&mut exchange, due, wait, sent, measured);
                match kind {
                    1 => account.timed_out(&mut exchange, Outcome::TimeoutIdle, end),
                    2 => account.failed(&mut exchange, Outcome::Reset, end),
                    3 => account.unfinished(&exchange, end),
                    _ => account.completed(&mut exchange, end),
                }
            }
        }
        end
    }

    #[test]
    fn every_request_of_ten_thousand_traces_ends_in_one_bucket_and_the_times_add_up() {
        for seed in 0..10_000 {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
            let mut account = account();
            let mut due = us(0);
            for _ in 0..=random.next_u64() % 8 {
                trace(&mut account, &mut random, due);
                due = due + Duration::from_nanos(random.next_u64() % 1_000_000);
            }
            let counters = &account.recorder.counters;
            let of = |counter| counters.of(counter);
            let sent = of(Counter::RequestsSent);
            assert_eq!(of(Counter::RequestsDue), sent + counters.not_sent(), "seed {seed}");
            let ended = of(Counter::RequestsCompleted) + counters.requests_failed();
            assert_eq!(sent, ended + account.in_flight(), "seed {seed}");
            assert!(account.times().balance(), "seed {seed}: {:?}", account.times());
        }
    }
}
