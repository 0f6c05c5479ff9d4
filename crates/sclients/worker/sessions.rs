//! Sessions on places: a user keeps their place from request to request, over a connection that is
//! opened again too, and leaves it when the session is over.
//!
//! ```text
//!            ┌───────────────── pause ◀────────────────┐
//! begin ──▶ render ──▶ sent ──▶ answered ──▶ judged ───┤
//!   ▲         │ bad value │ failed                     │ nothing extracted · last step
//!   └─────────┴───────────┴────────── over ◀───────────┘
//! ```

use super::load::{Load, Place};
use super::session::{
    BadValue, Next, Program, ProgramError, RequestPlay, Score, User, UserId, Users, Values,
    Verdict, judge, render,
};
use dispatch::Instant;
use protocols::Client;
use protocols::http1::{self, Kept, Manner, Request};
use servicemodel::Connection;
use stats::{Counter, NotSent};
use std::rc::Rc;
use std::time::Duration;
use wire::WorkerShare;

/// The most bytes of an answer's body that are kept to be looked at.
const KEPT_BYTES_MAX: usize = 1 << 20;

/// Buffers that are kept for use again, of each kind.
const SPARES_MAX: usize = 4_096;

/// How long a place rests whose request could not be sent: a feed may have no good row at all.
const REST: Duration = Duration::from_millis(100);

/// The sessions of a worker.
#[derive(Debug)]
pub struct Sessions {
    program: Program,
    users: Users,
    score: Score,
    counter: u64,
    stride: u64,
    /// Requests with holes that nobody sends now.
    spare_requests: Vec<Rc<Request>>,
    /// Answers that nobody waits for now.
    #[allow(clippy::vec_box, reason = "the machine that gets one holds no more than its address")]
    spare_answers: Vec<Box<Kept>>,
    scratch: Vec<u8>,
}

impl Sessions {
    /// The sessions of `share`, if it has some.
    ///
    /// # Errors
    /// What no supervisor of this build sends.
    pub fn of(share: &mut WorkerShare) -> Result<Option<Self>, ProgramError> {
        let Some(sessions) = share.sessions.take() else { return Ok(None) };
        let manner =
            Manner { lenient: share.lenient, finish_early: false, body_max: share.body_max };
        let (slot, stride) = (sessions.slot, sessions.workers.into());
        let program = Program::new(*sessions, manner)?;
        Ok(Some(Self {
            users: Users::new(&program, share.seed),
            score: Score::new(&program),
            // Generations of a slot count apart.
            counter: u64::from(share.generation) << 40 | u64::from(slot),
            stride,
            program,
            spare_requests: Vec::new(),
            spare_answers: Vec::new(),
            scratch: Vec::new(),
        }))
    }

    /// What was counted since the last cut.
    pub fn cut(&mut self) -> Vec<stats::SessionCounts> {
        self.score.cut()
    }

    /// When the next request of `user` is due.
    pub fn due(&mut self, user: UserId) -> Instant {
        self.users.of(user).due
    }

    /// Another user, with their first request before them.
    fn begin(&mut self) -> UserId {
        let user = self.users.begin(&self.program);
        let session = self.users.of(user).session;
        self.score.session(session).begun += 1;
        user
    }

    /// Gives `machine` the next request of `user`.
    ///
    /// # Errors
    /// A value would break it.
    #[inline]
    fn prepare(&mut self, machine: &mut http1::Client, user: UserId) -> Result<(), BadValue> {
        let request = self.users.of(user).request;
        let play = &self.program.requests[usize::from(request)];
        if play.has_holes {
            self.fill(machine, user, request)?;
        } else if !Rc::ptr_eq(machine.request(), &play.request) {
            let last = machine.replace_request(Rc::clone(&play.request));
            self.set_aside(last);
        }
        if self.program.requests[usize::from(request)].keeps {
            let spare = self.spare_answers.pop();
            machine.keep_answer(spare.unwrap_or_else(|| Box::new(Kept::new(KEPT_BYTES_MAX))));
        }
        self.score.step(request).counts.requests += 1;
        Ok(())
    }

    /// Writes the request of `user` into the one that `machine` has to itself, or a spare one.
    fn fill(
        &mut self,
        machine: &mut http1::Client,
        user: UserId,
        request: u16,
    ) -> Result<(), BadValue> {
        let play = &self.program.requests[usize::from(request)];
        if machine.own_request().is_none() {
            let spare = self.spare_requests.pop();
            machine.replace_request(spare.unwrap_or_else(|| Rc::new(blank(play))));
        }
        let own = machine.own_request().expect("a spare request is nobody's");
        let (user, random) = self.users.drawing(user);
        let mut values = Values {
            program: &self.program,
            random,
            counter: &mut self.counter,
            stride: self.stride,
        };
        let out = own.refill(&play.request);
        render(play, user, &mut values, out, &mut self.scratch)
    }

    /// Keeps a request that a machine had to itself.
    fn set_aside(&mut self, mut request: Rc<Request>) {
        if Rc::get_mut(&mut request).is_some() && self.spare_requests.len() < SPARES_MAX {
            self.spare_requests.push(request);
        }
    }

    /// Judges the answer to `request` of `user` that `machine` kept, and which took `nanos`.
    fn judge(
        &mut self,
        machine: &mut http1::Client,
        user: UserId,
        request: u16,
        nanos: u64,
    ) -> Verdict {
        let play = &self.program.requests[usize::from(request)];
        let kept = machine.take_answer();
        let verdict = judge(play, kept.as_deref(), nanos, &mut self.users.of(user).values);
        self.score.step(request).judged(verdict);
        if let Some(kept) = kept.filter(|_| self.spare_answers.len() < SPARES_MAX) {
            self.spare_answers.push(kept);
        }
        verdict
    }

    #[inline]
    fn over(&mut self, user: UserId) {
        self.users.release(user, &self.program);
    }
}

/// A request of the kind of `play`, to be filled.
fn blank(play: &RequestPlay) -> Request {
    let mut request = Request::encoded(Vec::new(), "", true, Manner::STRICT);
    request.refill(&play.request);
    request
}

fn http(machine: &mut Client) -> &mut http1::Client {
    match machine {
        Client::Http1(client) => client,
        Client::Echo(_) => unreachable!("sessions are refused over echo"),
    }
}

impl Load {
    /// The place's next request goes into its machine: that of its user, or the first of another user's.
    /// Returns whether it can be sent; where it cannot, `due` is accounted for and the session is over.
    pub(super) fn prepare(&mut self, connection: &mut Connection<Self>, due: Instant) -> bool {
        let Some(sessions) = &mut self.sessions else { return true };
        let user = *connection.place.opening.user.get_or_insert_with(|| sessions.begin());
        let prepared = sessions.prepare(http(&mut connection.machine), user);
        if prepared.is_err() {
            self.cannot_send(connection, user, due);
        }
        prepared.is_ok()
    }

    /// A value would break the next request of `user`.
    #[cold]
    fn cannot_send(&mut self, connection: &mut Connection<Self>, user: UserId, due: Instant) {
        let Some(sessions) = &mut self.sessions else { return };
        let User { session, request, .. } = *sessions.users.of(user);
        sessions.score.step(request).counts.bad_value += 1;
        sessions.score.session(session).broken += 1;
        sessions.over(user);
        connection.place.opening.user = None;
        let now = Instant::now();
        let measured = self.schedule.measures(due);
        self.account.not_sent(due, now, NotSent::BadValue, now, measured);
        connection.wake_at(now + REST);
    }

    /// The request of the place's user was answered at `at`, with this status: it is judged, and the user
    /// goes on or leaves.
    pub(super) fn played(&mut self, connection: &mut Connection<Self>, status: u16, at: Instant) {
        let Some(sessions) = &mut self.sessions else { return };
        let Some(user) = connection.place.opening.user else { return };
        let User { session, request, .. } = *sessions.users.of(user);
        let play = &sessions.program.requests[usize::from(request)];
        let (expected, judged) = (play.expects(status), play.judged);
        let exchange = &connection.place.exchange;
        let nanos = at.nanos_since(exchange.sent);
        let step = sessions.score.step(request);
        if exchange.measured {
            step.latency.record(nanos);
        }
        step.counts.completed += 1;
        step.counts.unexpected += u64::from(!expected);
        let verdict = match judged {
            true => sessions.judge(http(&mut connection.machine), user, request, nanos),
            false => Verdict::default(),
        };
        if !expected {
            self.account.recorder.count(Counter::RequestsUnexpected);
        } else if verdict != Verdict::default() {
            self.account.recorder.count(Counter::ChecksFailed);
        }
        if verdict.empty_handed {
            sessions.score.session(session).extract_failed += 1;
        } else if sessions.users.advance(user, &sessions.program, at) == Next::Request {
            return;
        } else {
            sessions.score.session(session).completed += 1;
        }
        sessions.over(user);
        connection.place.opening.user = None;
    }

    /// The request under way at `place`, if there is one, has failed, and with it its session.
    pub(super) fn broke(&mut self, place: &mut Place) {
        let Some(sessions) = &mut self.sessions else { return };
        if !place.exchange.in_flight {
            return;
        }
        if let Some(user) = place.opening.user.take() {
            let User { session, request, .. } = *sessions.users.of(user);
            sessions.score.step(request).counts.failed += 1;
            sessions.score.session(session).broken += 1;
            sessions.over(user);
        }
    }

    /// The place of `user` is not opened again: nobody knows how the session would have gone on.
    pub(super) fn leave(&mut self, user: Option<UserId>) {
        if let (Some(sessions), Some(user)) = (&mut self.sessions, user) {
            sessions.over(user);
        }
    }
}
