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
    BadValue, Program, ProgramError, RequestPlay, Then, User, UserId, Users, Values, Worth, judge,
    render,
};
use dispatch::Instant;
use protocols::http1::{self, Manner, Request};
use protocols::{Answer, Client};
use servicemodel::Connection;
use stats::{Counter, NotSent, SessionCounts, StepCounts};
use std::rc::Rc;
use std::time::Duration;
use wire::WorkerShare;

/// Requests whose buffers are kept for use again.
const SPARES_MAX: usize = 4_096;

/// How long a place rests whose request could not be sent: a feed may have no good row at all.
const REST: Duration = Duration::from_millis(100);

/// The sessions of a worker.
#[derive(Debug)]
pub struct Sessions {
    program: Program,
    users: Users,
    /// The number that the next request with a counter gets, and how far to the one behind it.
    counter: u64,
    stride: u64,
    /// Sessions that were begun and are not over, up to the last cut; and those of them that were left.
    unfinished: u64,
    left: u64,
    /// Requests with holes that nobody sends now.
    spare_requests: Vec<Rc<Request>>,
    scratch: Vec<u8>,
}

impl Sessions {
    /// The sessions of `share`, if it has some.
    ///
    /// # Errors
    /// What no supervisor of this build sends.
    pub fn of(share: &mut WorkerShare) -> Result<Option<Self>, ProgramError> {
        let Some(sessions) = share.sessions.take() else { return Ok(None) };
        let WorkerShare { lenient, body_max, .. } = *share;
        let manner = Manner { lenient, body_max, ..Manner::STRICT };
        let (slot, stride) = (sessions.slot, sessions.workers.into());
        let program = Program::new(*sessions, manner)?;
        Ok(Some(Self {
            users: Users::new(&program, share.seed),
            // Generations of a slot count apart.
            counter: u64::from(share.generation) << 40 | u64::from(slot),
            stride,
            unfinished: 0,
            left: 0,
            program,
            spare_requests: Vec::new(),
            scratch: Vec::new(),
        }))
    }

    /// What was counted since the last cut.
    ///
    /// # Panics
    /// A session is neither over nor anybody's: counts that do not balance are our mistake.
    pub fn cut(&mut self) -> Vec<SessionCounts> {
        let counts = self.program.cut();
        let begun: u64 = counts.iter().map(|session| session.begun).sum();
        let ended: u64 = counts.iter().map(SessionCounts::ended).sum();
        self.unfinished = self.unfinished + begun - ended;
        assert_eq!(self.unfinished, self.users.present() + self.left, "sessions");
        counts
    }

    /// What is counted of the session that `user` plays.
    fn session_of(&mut self, user: UserId) -> &mut SessionCounts {
        let session = self.users.of(user).session;
        &mut self.program.sessions[usize::from(session)].counts
    }

    /// What is counted of the request that `user` plays.
    fn step_of(&mut self, user: UserId) -> &mut StepCounts {
        let request = self.users.of(user).request;
        &mut self.program.requests[usize::from(request)].score.counts
    }

    /// Gives `machine` the next request of `user`.
    ///
    /// # Errors
    /// A value would break it.
    #[inline]
    fn prepare(&mut self, machine: &mut http1::Client, user: UserId) -> Result<(), BadValue> {
        let request = self.users.of(user).request;
        let play = &mut self.program.requests[usize::from(request)];
        if play.has_holes {
            return self.write(machine, user);
        }
        play.score.counts.requests += 1;
        if !Rc::ptr_eq(machine.request(), &play.request) {
            let last = machine.replace_request(&play.request);
            if Rc::strong_count(&last) == 1 {
                self.set_aside(last);
            }
        }
        Ok(())
    }

    /// The same where it has holes.
    #[inline(never)]
    fn write(&mut self, machine: &mut http1::Client, user: UserId) -> Result<(), BadValue> {
        let (user, random) = self.users.drawing(user);
        let Program { sessions, requests, feeds, .. } = &mut self.program;
        let play = &mut requests[usize::from(user.request)];
        if machine.own_request().is_none() {
            let spare = self.spare_requests.pop();
            machine.replace_request(&spare.unwrap_or_else(blank));
        }
        let own = machine.own_request().expect("a spare request is nobody's");
        let mut values = Values { sessions, feeds, random, counter: self.counter };
        if play.has_counter {
            self.counter = self.counter.wrapping_add(self.stride);
        }
        render(play, user, &mut values, own.refill(&play.request), &mut self.scratch)?;
        play.score.counts.requests += 1;
        Ok(())
    }

    /// Keeps a request that a machine had to itself.
    #[cold]
    fn set_aside(&mut self, request: Rc<Request>) {
        if self.spare_requests.len() < SPARES_MAX {
            self.spare_requests.push(request);
        }
    }

    /// The request of `id` that `machine` sent at `exchange.sent` got this answer at `at`; `input` is what was
    /// read last of it.
    #[inline]
    fn answered(
        &mut self,
        machine: &mut http1::Client,
        id: UserId,
        exchange: &Exchange,
        answer: &Answer,
        input: &[u8],
        at: Instant,
    ) -> Played {
        let user = self.users.of_mut(id);
        let play = &mut self.program.requests[usize::from(user.request)];
        let nanos = at.nanos_since(exchange.sent);
        if exchange.measured {
            play.score.latency.record(nanos);
        }
        play.score.counts.completed += 1;
        let unexpected = !play.expects(answer.status);
        if unexpected {
            play.score.counts.unexpected += 1;
        }
        let worth = match play.judged {
            true => look(play, &mut user.values, machine, nanos, input, answer.surplus),
            false => Worth::Fine,
        };
        let next = match play.then {
            Then::Request(request) if worth != Worth::EmptyHanded => {
                (user.request, user.due) = (request, at);
                Some(at)
            }
            then => self.goes(id, then, worth, at),
        };
        Played { unexpected, failed: worth != Worth::Fine, next }
    }

    /// The last answer of `id`, at `at`, was worth this: they do what comes then, if there is anything.
    #[inline(never)]
    fn goes(&mut self, id: UserId, then: Then, worth: Worth, at: Instant) -> Option<Instant> {
        let (user, random) = self.users.drawing(id);
        let next = match worth {
            Worth::EmptyHanded => None,
            Worth::Fine | Worth::Failed => user.goes(then, &self.program.steps, random, at),
        };
        if next.is_none() {
            let session = self.session_of(id);
            match worth {
                Worth::EmptyHanded => session.extract_failed += 1,
                Worth::Fine | Worth::Failed => session.completed += 1,
            }
            self.over(id);
        }
        next
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

/// What the answer that `machine` got, which took `nanos`, is worth; `surplus` bytes of `input` are behind it.
#[inline(never)]
fn look(
    play: &mut RequestPlay,
    values: &mut [Vec<u8>],
    machine: &mut http1::Client,
    nanos: u64,
    input: &[u8],
    surplus: u32,
) -> Worth {
    let verdict = judge(play, machine.seen(input, surplus), nanos, values);
    machine.forget_answer(!matches!(play.then, Then::Request(_)) || verdict.empty_handed);
    play.score.judged(verdict)
}

/// A request to be filled.
fn blank() -> Rc<Request> {
    Rc::new(Request::encoded(Vec::new(), "", true, Manner::STRICT))
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
        let user = *connection
            .place
            .opening
            .user
            .get_or_insert_with(|| sessions.users.begin(&mut sessions.program));
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
        sessions.step_of(user).bad_value += 1;
        sessions.session_of(user).broken += 1;
        sessions.over(user);
        connection.place.opening.user = None;
        let now = Instant::now();
        let measured = self.schedule.measures(due);
        self.account.not_sent(due, now, NotSent::BadValue, now, measured);
        connection.wake_at(now + REST);
    }

    /// The request of the place's user got this answer at `at`: it is judged, and the user goes on, lingers or
    /// leaves. Returns when they go on.
    pub(super) fn played(
        &mut self,
        connection: &mut Connection<Self>,
        answer: &Answer,
        input: &[u8],
        at: Instant,
    ) -> Option<Instant> {
        let sessions = self.sessions.as_mut()?;
        let user = connection.place.opening.user?;
        let (machine, exchange) = (http(&mut connection.machine), &connection.place.exchange);
        let played = sessions.answered(machine, user, exchange, answer, input, at);
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
        let User { lingers, due, .. } = *sessions.users.of(user);
        if now >= due && lingers {
            sessions.session_of(user).completed += 1;
            sessions.over(user);
            place.opening.user = None;
            return None;
        }
        Some(due)
    }

    /// Whether the user at `place` has no request any more, only a pause.
    pub(super) fn lingers(&self, place: &Place) -> bool {
        let sessions = self.sessions.as_ref().zip(place.opening.user);
        sessions.is_some_and(|(sessions, user)| sessions.users.of(user).lingers)
    }

    /// The request under way at `place`, if there is one, has failed, and with it its session.
    pub(super) fn broke(&mut self, place: &mut Place) {
        let Some(sessions) = &mut self.sessions else { return };
        if !place.exchange.in_flight {
            return;
        }
        if let Some(user) = place.opening.user.take() {
            sessions.step_of(user).failed += 1;
            sessions.session_of(user).broken += 1;
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
