//! What becomes of a request, and who acts next on a connection.

use super::account::Wait;
use super::ceiling::Ceiling;
use super::classify;
use super::load::{Load, Place, Stage};
use dispatch::Instant;
use protocols::{Answer, ClientMachine, Failure};
use servicemodel::{Connection, Ending};
use stats::{Counter, NotSent, Outcome};
use std::time::Duration;
use wire::LoadShare;

impl Load {
    /// Whether another request may begin at `now`.
    fn may_begin(&self, now: Instant) -> bool {
        let end = self.ceiling.as_ref().map_or(Instant::FAR_FUTURE, Ceiling::end);
        let before_end = now < self.schedule.stop().min(end);
        self.requests_left > 0 && before_end && self.stage == Stage::Loaded
    }

    /// The first turn of connection `index` of `count` when load begins.
    pub(super) fn first(&mut self, connection: &mut Connection<Self>, index: u64, count: u64) {
        let load = self.loaded;
        let spread = match self.share.load {
            LoadShare::Open { .. } => return self.rest(connection, load),
            LoadShare::Closed { stagger_nanos, .. } => Some(stagger_nanos),
            LoadShare::Hold { heartbeat_nanos, .. } => heartbeat_nanos,
            LoadShare::Overload { .. } => None,
        };
        let Some(spread) = spread else { return };
        let offset = u128::from(spread) * u128::from(index) / u128::from(count.max(1));
        let mut due = load + Duration::from_nanos(offset as u64);
        // A heartbeat takes its tick of the ceiling when it leaves.
        let closed = matches!(self.share.load, LoadShare::Closed { .. });
        if let Some(ceiling) = self.ceiling.as_mut().filter(|_| closed) {
            due = ceiling.take(due);
        }
        connection.wake_at(due);
    }

    /// The first turn of a connection that was established at `now`, under load.
    pub(super) fn first_of_late(&mut self, connection: &mut Connection<Self>, now: Instant) {
        if let LoadShare::Hold { .. } = self.share.load {
            self.heartbeat(connection, now, now);
        } else {
            self.free(connection, now);
        }
    }

    /// The connection is free since `at`: what does it do next? A session that is not over goes on.
    fn free(&mut self, connection: &mut Connection<Self>, at: Instant) {
        let user = connection.place.opening.user;
        let due = user.and_then(|user| self.goes_on(&mut connection.place, user, at));
        if let Some(due) = due {
            return self.next_at(connection, at, due);
        }
        match self.share.load {
            LoadShare::Closed { think_nanos, .. } => self.next(connection, at, think_nanos),
            LoadShare::Open { .. } => self.serve_or_rest(connection, at),
            LoadShare::Overload { .. } if !self.may_begin(at) => connection.close(self.ending()),
            LoadShare::Overload { .. } => self.next(connection, at, 0),
            LoadShare::Hold { .. } => {}
        }
    }

    /// Sends the next request of the connection, free since `free`, after `think_nanos`.
    fn next(&mut self, connection: &mut Connection<Self>, free: Instant, think_nanos: u64) {
        let due = free.max(self.loaded) + Duration::from_nanos(think_nanos);
        self.next_at(connection, free, due);
    }

    /// The same at `due`, or at once if that is over.
    fn next_at(&mut self, connection: &mut Connection<Self>, free: Instant, due: Instant) {
        if !self.may_begin(free) {
            return;
        }
        let mut due = due.max(free);
        // Whoever lingers asks for nothing.
        let asks = self.ceiling.is_some() && !self.lingers(&connection.place);
        if let Some(ceiling) = self.ceiling.as_mut().filter(|_| asks) {
            due = ceiling.take(due);
        }
        if due == free {
            self.ask(connection, due);
        } else {
            connection.wake_at(due);
        }
    }

    /// The instant `asked` has come, for which the connection waited.
    pub(super) fn turn_of(
        &mut self,
        connection: &mut Connection<Self>,
        asked: Instant,
        now: Instant,
    ) {
        match self.share.load {
            LoadShare::Hold { .. } => self.heartbeat(connection, asked, now),
            LoadShare::Open { .. } if connection.place.opening.user.is_none() => {
                self.rested(connection, now);
            }
            _ if self.lingers(&connection.place) => self.free(connection, asked),
            _ if self.may_begin(now) => self.ask(connection, asked),
            // Who thinks beyond the end of the run owes it nothing.
            _ if asked >= self.schedule.stop() => {}
            _ if self.requests_left > 0 && self.stage == Stage::Loaded => {
                self.account.due();
                let measured = self.schedule.measures(asked);
                self.account.not_sent(asked, now, NotSent::RunEnded, now, measured);
            }
            _ => {}
        }
    }

    /// Open loop: a place whose session could not begin has rested long enough.
    fn rested(&mut self, connection: &mut Connection<Self>, now: Instant) {
        if self.sessions.is_some() && !connection.place.resting {
            self.serve_or_rest(connection, now);
        }
    }

    /// A heartbeat is due at `due`; the next one follows on the same comb, which the ceiling may push
    /// back.
    fn heartbeat(&mut self, connection: &mut Connection<Self>, due: Instant, now: Instant) {
        let LoadShare::Hold { heartbeat_nanos: Some(every), .. } = self.share.load else { return };
        if !self.may_begin(now) {
            return;
        }
        if connection.place.exchange.in_flight {
            self.account.due();
            let measured = self.schedule.measures(due);
            self.account.not_sent(due, now, NotSent::NoConnection, now, measured);
        } else if let Some(free) = self.held_back(now) {
            return connection.wake_at(free);
        } else {
            self.ask(connection, due);
        }
        connection.wake_at(due + Duration::from_nanos(every));
    }

    /// Until when the ceiling holds back a request that would leave at `now`; none where it may leave,
    /// by the tick that it takes. However often a server makes us reopen, ticks are no more.
    pub(super) fn held_back(&mut self, now: Instant) -> Option<Instant> {
        let ceiling = self.ceiling.as_mut()?;
        if now >= ceiling.end() {
            return Some(Instant::FAR_FUTURE);
        }
        let free = ceiling.due();
        if free <= now {
            ceiling.take(now);
        }
        (free > now).then_some(free)
    }

    /// Sends a request of the connection's own, due at `due`.
    fn ask(&mut self, connection: &mut Connection<Self>, due: Instant) {
        self.requests_left -= 1;
        self.account.due();
        if let LoadShare::Open { .. } = self.share.load {
            self.account.recorder.count(Counter::RequestsFurther);
        }
        self.begin(connection, due, Wait::Nobody);
    }

    /// Sends the request that was due at `due`, after `wait`; returns whether it left.
    pub(super) fn begin(
        &mut self,
        connection: &mut Connection<Self>,
        due: Instant,
        wait: Wait,
    ) -> bool {
        if !self.prepare(connection, due) {
            return false;
        }
        // What is owed goes before this request, which from now on tells what becomes of both.
        self.set_owing(&mut connection.place, false);
        connection.machine.start();
        connection.heard = false;
        let now = Instant::now();
        let measured = self.schedule.measures(due);
        self.account.sent(&mut connection.place.exchange, due, wait, now, measured);
        let first_byte = self.share.first_byte_nanos.unwrap_or(u64::MAX);
        connection.deadline = now + Duration::from_nanos(self.share.timeout_nanos.min(first_byte));
        true
    }

    /// When a request that was sent at `sent` has taken too long.
    fn end_of_request(&self, sent: Instant) -> Instant {
        sent + Duration::from_nanos(self.share.timeout_nanos)
    }

    /// By when more of an answer has to come: never past the request's end, so that a drip saves nothing.
    pub(super) fn answer_deadline(&self, sent: Instant, heard: Instant) -> Instant {
        let end = self.end_of_request(sent);
        let idle = self.share.idle_nanos;
        idle.map_or(end, |nanos| end.min(heard + Duration::from_nanos(nanos)))
    }

    /// The request under way was answered at `at`; what is behind the answer in `input`, nobody asked
    /// for.
    pub(super) fn completed(
        &mut self,
        connection: &mut Connection<Self>,
        answer: Answer,
        input: &[u8],
        at: Instant,
    ) {
        self.account.completed(&mut connection.place.exchange, at);
        if answer.early {
            self.account.recorder.count(Counter::EarlyAnswers);
            self.set_owing(&mut connection.place, answer.reusable);
        }
        if answer.forgiven {
            self.account.recorder.count(Counter::Forgiven);
        }
        if answer.surplus > 0 {
            let end = input.len().saturating_sub(answer.surplus as usize);
            self.unasked(answer.unsolicited, &input[end..]);
        }
        self.account.recorder.counters.count_status(answer.status);
        let further = match &mut self.sessions {
            Some(_) => self.played(connection, &answer, input, at),
            None => {
                self.account.served(&connection.place.exchange, at);
                let unexpected = !self.expects(answer.status);
                let counters = &mut self.account.recorder.counters;
                counters.count_many(Counter::RequestsUnexpected, unexpected.into());
                None
            }
        };
        connection.place.answered = true;
        connection.place.opening.failures = 0;
        connection.deadline = Instant::FAR_FUTURE;
        if !answer.reusable || connection.read_closed() {
            connection.close(Ending::Close);
        } else if self.is_used_up(connection) {
            connection.close(self.ending());
        } else if let Some(due) = further {
            self.next_at(connection, at, due);
        } else {
            self.free(connection, at);
        }
    }

    /// Whether the connection has had all the requests that one is to have.
    fn is_used_up(&self, connection: &Connection<Self>) -> bool {
        let most = self.share.requests_per_connection;
        most.is_some_and(|most| connection.place.exchange.number >= most)
    }

    /// How to leave a connection that has done its work.
    pub(super) const fn ending(&self) -> Ending {
        if self.share.reset_close { Ending::Reset } else { Ending::Close }
    }

    /// `sent` is what no request asked for: another answer, or not even that.
    #[cold]
    pub(super) fn unasked(&mut self, answer: bool, sent: &[u8]) {
        let (counter, outcome) = match answer {
            true => (Counter::Unsolicited, Outcome::Unsolicited),
            false => (Counter::ExtraData, Outcome::ExtraData),
        };
        self.account.recorder.count(counter);
        self.account.recorder.sample(outcome, sent);
    }

    /// Whether the rest of a request that was answered is still to be sent.
    pub(super) fn set_owing(&mut self, place: &mut Place, owing: bool) {
        self.owing -= u64::from(std::mem::replace(&mut place.owing, owing));
        self.owing += u64::from(owing);
    }

    /// The machine gave the connection up at `input`, with or without a request under way.
    pub(super) fn gave_up(
        &mut self,
        connection: &mut Connection<Self>,
        failure: Failure,
        input: &[u8],
        at: Instant,
    ) {
        match failure {
            Failure::Unsolicited | Failure::ExtraData if !connection.place.exchange.in_flight => {
                self.unasked(failure == Failure::Unsolicited, input);
            }
            _ => {
                let outcome = classify::of_exchange(failure, connection.place.answered);
                self.account.recorder.sample(outcome, input);
                self.broke(&mut connection.place);
                self.account.failed(&mut connection.place.exchange, outcome, at);
            }
        }
        connection.close(Ending::Close);
    }

    fn expects(&self, status: u16) -> bool {
        let expected = &self.share.expected_statuses;
        status == 0 || expected.iter().any(|(first, last)| (*first..=*last).contains(&status))
    }

    /// The attempt or request under way has had all its time at `now`.
    pub(super) fn took_too_long(&mut self, connection: &mut Connection<Self>, now: Instant) {
        if connection.place.exchange.in_flight {
            let end = self.end_of_request(connection.place.exchange.sent);
            let outcome = match connection.heard {
                false => Outcome::TimeoutFirstByte,
                true if now < end => Outcome::TimeoutIdle,
                true => Outcome::TimeoutTotal,
            };
            self.broke(&mut connection.place);
            self.account.timed_out(&mut connection.place.exchange, outcome, end.min(now));
        }
        connection.close(Ending::Close);
    }
}
