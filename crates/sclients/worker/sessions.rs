//! Sessions on places: a user keeps their place from request to request, over a connection that is
//! opened again too, and leaves it when the session is over.
//!
//! ```text
//!            ┌───────────────── pause ◀────────────────┐
//! begin ──▶ render ──▶ sent ──▶ answered ──▶ judged ───┤
//!   ▲         │ bad value │ failed                     │ nothing extracted · last step
//!   └─────────┴───────────┴────────── over ◀───────────┘
//! ```
//!
//! A pause behind the last step belongs to the session: its user lingers at the place, and the session is
//! over when the pause is.

use super::account::Exchange;
use super::load::{Load, Place};
use super::session::{
    BadValue, Program, ProgramError, RequestPlay, Score, User, UserId, Users, Values, Verdict,
    judge, render,
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
    /// The number that the next request with a counter gets, and how far to the one behind it.
    counter: u64,
    stride: u64,
    /// Sessions that were begun and are not over, up to the last cut; and those of them that were left.
    unfinished: u64,
    left: u64,
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
            unfinished: 0,
            left: 0,
            program,
            spare_requests: Vec::new(),
            spare_answers: Vec::new(),
            scratch: Vec::new(),
        }))
    }

    /// What was counted since the last cut.
    ///
    /// # Panics
    /// A session is neither over nor anybody's: counts that do not balance are our mistake.
    pub fn cut(&mut self) -> Vec<stats::SessionCounts> {
        let counts = self.score.cut();
        let begun: u64 = counts.iter().map(|session| session.begun).sum();
        let ended: u64 = counts.iter().map(stats::SessionCounts::ended).sum();
        self.unfinished = self.unfinished + begun - ended;
        assert_eq!(self.unfinished, self.users.present() + self.left, "sessions");
        counts
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
        let (user, random) = self.users.drawing(user);
        let play = &self.program.requests[usize::from(user.request)];
        if play.has_holes {
            if machine.own_request().is_none() {
                let spare = self.spare_requests.pop();
                machine.replace_request(spare.unwrap_or_else(|| Rc::new(blank(play))));
            }
            let own = machine.own_request().expect("a spare request is nobody's");
            let mut values = Values { program: &self.program, random, counter: self.counter };
            if play.counts {
                self.counter = self.counter.wrapping_add(self.stride);
            }
            render(play, user, &mut values, own.refill(&play.request), &mut self.scratch)?;
        } else if !Rc::ptr_eq(machine.request(), &play.request) {
            let last = machine.replace_request(Rc::clone(&play.request));
            set_aside(&mut self.spare_requests, last);
        }
        if play.keeps {
            let spare = self.spare_answers.pop();
            machine.keep_answer(spare.unwrap_or_else(|| Box::new(Kept::new(KEPT_BYTES_MAX))));
        }
        self.score.step(user.request).counts.requests += 1;
        Ok(())
    }

    /// The request of `id` that `machine` sent at `exchange.sent` was answered at `at`; `input` is what was
    /// read last of the answer.
    #[inline]
    fn answered(
        &mut self,
        machine: &mut http1::Client,
        id: UserId,
        exchange: &Exchange,
        status: u16,
        input: &[u8],
        at: Instant,
    ) -> Played {
        let (user, random) = self.users.drawing(id);
        let play = &self.program.requests[usize::from(user.request)];
        let step = self.score.step(user.request);
        let nanos = at.nanos_since(exchange.sent);
        if exchange.measured {
            step.latency.record(nanos);
        }
        let unexpected = !play.expects(status);
        step.counts.completed += 1;
        step.counts.unexpected += u64::from(unexpected);
        let mut verdict = Verdict::default();
        if play.judged {
            let kept = machine.take_answer();
            let seen = kept.as_deref().map(|kept| kept.seen(input));
            verdict = judge(play, seen, nanos, &mut user.values);
            if verdict != Verdict::default() {
                step.judged(verdict);
            }
            if let Some(kept) = kept.filter(|_| self.spare_answers.len() < SPARES_MAX) {
                self.spare_answers.push(kept);
            }
        }
        let session = user.session;
        let next = match verdict.empty_handed {
            true => None,
            false => user.advance(&self.program, random, at),
        };
        if next.is_none() {
            let session = self.score.session(session);
            session.extract_failed += u64::from(verdict.empty_handed);
            session.completed += u64::from(!verdict.empty_handed);
            self.over(id);
        }
        Played { unexpected, failed: verdict != Verdict::default(), next }
    }

    fn lingers(&self, user: UserId) -> bool {
        self.users.lingers(user, &self.program)
    }

    #[inline]
    fn over(&mut self, user: UserId) {
        self.users.release(user, &self.program);
    }
}

/// What became of an answer.
struct Played {
    /// Its status was not expected.
    unexpected: bool,
    /// A check failed, or an extraction.
    failed: bool,
    /// When the user goes on; none where the session is over.
    next: Option<Instant>,
}

/// Keeps a request that a machine had to itself among `spares`.
fn set_aside(spares: &mut Vec<Rc<Request>>, mut request: Rc<Request>) {
    if Rc::get_mut(&mut request).is_some() && spares.len() < SPARES_MAX {
        spares.push(request);
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
    /// goes on, lingers or leaves. Returns when they go on.
    pub(super) fn played(
        &mut self,
        connection: &mut Connection<Self>,
        status: u16,
        input: &[u8],
        at: Instant,
    ) -> Option<Instant> {
        let sessions = self.sessions.as_mut()?;
        let user = connection.place.opening.user?;
        let (machine, exchange) = (http(&mut connection.machine), &connection.place.exchange);
        let played = sessions.answered(machine, user, exchange, status, input, at);
        if played.unexpected {
            self.account.recorder.count(Counter::RequestsUnexpected);
        } else if played.failed {
            self.account.recorder.count(Counter::ChecksFailed);
        }
        if played.next.is_none() {
            connection.place.opening.user = None;
        }
        played.next
    }

    /// When `user`, who is at `place`, goes on; none where they lingered until `now` and leave.
    pub(super) fn goes_on(
        &mut self,
        place: &mut Place,
        user: UserId,
        now: Instant,
    ) -> Option<Instant> {
        let sessions = self.sessions.as_mut()?;
        let User { session, due, .. } = *sessions.users.of(user);
        if now >= due && sessions.lingers(user) {
            sessions.score.session(session).completed += 1;
            sessions.over(user);
            place.opening.user = None;
            return None;
        }
        Some(due)
    }

    /// Whether the user at `place` has no request any more, only a pause.
    pub(super) fn lingers(&self, place: &Place) -> bool {
        let sessions = self.sessions.as_ref().zip(place.opening.user);
        sessions.is_some_and(|(sessions, user)| sessions.lingers(user))
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
            sessions.left += 1;
            sessions.over(user);
        }
    }
}
