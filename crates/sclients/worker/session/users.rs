//! Who is where in which session, and with which values.

use super::program::{FeedPlay, Program, SessionPlay, StepPlay, Then};
use dispatch::Instant;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;
use wire::OrderKind;

/// What sets these draws apart from the others of a worker.
const SEED: u64 = 0x5e55_1015;

/// A user's name while their session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserId(NonZeroU32);

/// One user. Their memory is used again.
#[derive(Debug, Default)]
pub struct User {
    /// The session.
    pub session: u16,
    /// The request that is under way or comes next, by its number among all.
    pub request: u16,
    /// When that is due, once it is known.
    pub due: Instant,
    /// Nothing but a pause is left of the session: it is over when that is.
    pub lingers: bool,
    /// How often each loop that is open is still to be repeated.
    loops: Vec<u32>,
    /// Rows, in the order of the session's feeds.
    pub rows: Vec<u32>,
    /// Values of variables.
    pub values: Vec<Vec<u8>>,
}

/// All users of a worker.
#[derive(Debug)]
pub struct Users {
    /// Each by the number of their name: the first is nobody.
    users: Vec<User>,
    free: Vec<UserId>,
    rows: Vec<Rows>,
    random: Xoshiro256PlusPlus,
}

/// Which row of a feed is next.
#[derive(Debug)]
enum Rows {
    Sequential {
        next: u32,
        count: u32,
    },
    Random {
        count: u32,
    },
    /// Those that nobody has, the one that nobody had for longest first: so all are walked.
    Unique(VecDeque<u32>),
}

impl Users {
    /// Nobody yet.
    pub fn new(program: &Program, seed: u64) -> Self {
        let rows = |feed: &FeedPlay| {
            let count = feed.rows() as u32;
            match feed.order {
                OrderKind::Sequential => Rows::Sequential { next: 0, count },
                OrderKind::Random => Rows::Random { count },
                OrderKind::Unique => Rows::Unique((0..count).collect()),
            }
        };
        Self {
            users: vec![User::default()],
            free: Vec::new(),
            rows: program.feeds.iter().map(rows).collect(),
            random: Xoshiro256PlusPlus::seed_from_u64(seed ^ SEED),
        }
    }

    /// Another user begins a session, drawn by weight, before its first request.
    #[inline(never)]
    pub fn begin(&mut self, program: &mut Program) -> UserId {
        let session = match program.sessions.len() {
            1 => 0,
            _ => draw(&program.sessions, self.random.next_u64() % program.weights),
        };
        let id = self.free.pop().unwrap_or_else(|| {
            let number = u32::try_from(self.users.len()).expect("users are on places");
            self.users.push(User::default());
            UserId(NonZeroU32::new(number).expect("nobody is the first"))
        });
        let play = &mut program.sessions[usize::from(session)];
        play.counts.begun += 1;
        let user = &mut self.users[index(id)];
        (user.session, user.lingers) = (session, false);
        if play.remembers {
            user.loops.clear();
            user.rows.clear();
            for feed in &play.feeds {
                user.rows.push(self.rows[usize::from(*feed)].take(&mut self.random));
            }
            user.values.resize_with(play.variables.into(), Vec::new);
            user.values.iter_mut().for_each(Vec::clear);
        }
        let first = user.goes(play.begin, &program.steps, &mut self.random, Instant::default());
        assert!(first.is_some(), "a session has a request");
        id
    }

    /// The session is over; its rows may be another's.
    #[inline]
    pub fn release(&mut self, id: UserId, program: &Program) {
        let user = &self.users[index(id)];
        let play = &program.sessions[usize::from(user.session)];
        if play.remembers {
            give_back(&mut self.rows, &play.feeds, &user.rows);
        }
        self.free.push(id);
    }

    /// How many are in a session.
    pub const fn present(&self) -> u64 {
        (self.users.len() - 1 - self.free.len()) as u64
    }

    /// The user of this name, and what draws for them.
    #[inline]
    pub fn drawing(&mut self, id: UserId) -> (&mut User, &mut Xoshiro256PlusPlus) {
        (&mut self.users[index(id)], &mut self.random)
    }

    /// The user of this name.
    #[inline]
    pub fn of(&self, id: UserId) -> &User {
        &self.users[index(id)]
    }

    /// The same, to go on.
    #[inline]
    pub fn of_mut(&mut self, id: UserId) -> &mut User {
        &mut self.users[index(id)]
    }
}

impl User {
    /// Goes on with `then`, one of `steps`, behind the request that ended at `end`; returns when the next one
    /// is due, or until when the user lingers; none where the session was played to its end.
    #[inline]
    pub fn goes(
        &mut self,
        then: Then,
        steps: &[StepPlay],
        random: &mut Xoshiro256PlusPlus,
        end: Instant,
    ) -> Option<Instant> {
        match then {
            Then::Request(request) => {
                (self.request, self.due) = (request, end);
                Some(end)
            }
            Then::End => None,
            Then::Walk(at) => self.walk(at as usize, steps, random, end),
        }
    }

    /// Through pauses and loops, from the step at `at` on, to the next request, or to the end.
    #[inline(never)]
    fn walk(
        &mut self,
        mut at: usize,
        steps: &[StepPlay],
        random: &mut Xoshiro256PlusPlus,
        end: Instant,
    ) -> Option<Instant> {
        let mut pause = 0_u64;
        loop {
            let step = steps[at];
            at += 1;
            match step {
                StepPlay::End if pause == 0 => return None,
                StepPlay::End => {
                    self.lingers = true;
                    break;
                }
                StepPlay::Request(request) => {
                    self.request = request;
                    break;
                }
                StepPlay::Pause(from, to) => {
                    pause = pause.saturating_add(between(from, to, random.next_u64()));
                }
                StepPlay::Repeat(times) => self.loops.push(times),
                StepPlay::Again(begin) => {
                    let left = self.loops.last_mut().expect("a loop was opened before it ends");
                    *left = left.saturating_sub(1);
                    match *left {
                        0 => drop(self.loops.pop()),
                        _ => at = begin as usize + 1,
                    }
                }
            }
        }
        self.due = end + Duration::from_nanos(pause);
        Some(self.due)
    }
}

const fn index(id: UserId) -> usize {
    id.0.get() as usize
}

#[inline(never)]
fn give_back(all: &mut [Rows], feeds: &[u16], rows: &[u32]) {
    for (feed, row) in feeds.iter().zip(rows) {
        if let Rows::Unique(free) = &mut all[usize::from(*feed)] {
            free.push_back(*row);
        }
    }
}

/// The session on which `point` of all weights falls.
fn draw(sessions: &[SessionPlay], mut point: u64) -> u16 {
    for (number, session) in sessions.iter().enumerate() {
        match point.checked_sub(session.weight.into()) {
            Some(rest) => point = rest,
            None => return number as u16,
        }
    }
    unreachable!("a point is below the sum of the weights")
}

/// The number from one to the other, inclusive, that `drawn` falls on: by a product, without the bias of
/// a remainder.
pub fn between(from: u64, to: u64, drawn: u64) -> u64 {
    let width = u128::from(to - from) + 1;
    from + ((u128::from(drawn) * width) >> 64) as u64
}

impl Rows {
    fn take(&mut self, random: &mut Xoshiro256PlusPlus) -> u32 {
        match self {
            Self::Sequential { next, count } => {
                let row = *next;
                *next = (row + 1) % *count;
                row
            }
            Self::Random { count } => between(0, u64::from(*count) - 1, random.next_u64()) as u32,
            Self::Unique(free) => free.pop_front().expect("there is a row for each connection"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{asks, feed, program};
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;
    use wire::StepCode::{Again, Pause, Repeat};

    const END: Instant = Instant::from_nanos(1_000);
    /// What no request is called.
    const LINGERS: u16 = u16::MAX;

    /// The numbers of the requests that a user makes and when each is due behind the one before.
    fn walked(steps: &[wire::StepCode]) -> Vec<(u16, u64)> {
        let mut program = program(steps, Vec::new()).unwrap();
        let mut users = Users::new(&program, 1);
        let id = users.begin(&mut program);
        let mut requests = vec![(users.of(id).request, 0)];
        let (user, random) = users.drawing(id);
        let then = |user: &User| program.requests[usize::from(user.request)].then;
        while let Some(due) = user.goes(then(user), &program.steps, random, END) {
            if user.lingers {
                requests.push((LINGERS, due.nanos_since(END)));
                break;
            }
            requests.push((user.request, due.nanos_since(END)));
        }
        requests
    }

    #[test]
    fn loops_and_pauses_are_played_in_order() {
        let steps = [
            asks(),
            Pause(5, 5),
            Repeat(2),
            asks(),
            Pause(7, 7),
            Repeat(2),
            asks(),
            Again,
            Again,
            asks(),
        ];
        let requests = walked(&steps);
        let numbers: Vec<u16> = requests.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [0, 1, 2, 2, 1, 2, 2, 3]);
        let pauses: Vec<u64> = requests.iter().map(|(_, pause)| *pause).collect();
        assert_eq!(pauses, [0, 5, 7, 0, 0, 7, 0, 0]);
    }

    #[test]
    fn a_pause_behind_the_last_request_is_waited_out() {
        assert_eq!(walked(&[asks(), Pause(5, 5), Pause(2, 2)]), [(0, 0), (LINGERS, 7)]);
        let loops = [Repeat(2), asks(), Pause(3, 3), Again];
        assert_eq!(walked(&loops), [(0, 0), (0, 3), (LINGERS, 3)]);
        assert_eq!(walked(&[asks(), Pause(0, 0)]), [(0, 0)], "no pause is none");
    }

    #[test]
    fn a_seed_repeats_what_is_drawn_and_a_pause_is_within_its_bounds() {
        let steps: Vec<_> =
            std::iter::once(asks()).chain((0..50).flat_map(|_| [Pause(10, 19), asks()])).collect();
        let pauses = walked(&steps);
        assert_eq!(pauses, walked(&steps));
        let drawn: HashSet<u64> = pauses[1..].iter().map(|(_, pause)| *pause).collect();
        assert!(
            drawn.iter().all(|pause| (10..=19).contains(pause)) && drawn.len() > 5,
            "{drawn:?}"
        );
    }

    #[test]
    fn rows_come_in_their_order_and_unique_ones_come_back() {
        let rows = |order| {
            let mut program = program(&[asks()], vec![feed(order, 4)]).unwrap();
            let mut users = Users::new(&program, 1);
            let first: Vec<_> = (0..3).map(|_| users.begin(&mut program)).collect();
            let mut taken: Vec<u32> = first.iter().map(|id| users.of(*id).rows[0]).collect();
            users.release(first[1], &program);
            for _ in 0..3 {
                let next = users.begin(&mut program);
                taken.push(users.of(next).rows[0]);
                users.release(next, &program);
            }
            taken
        };
        assert_eq!(rows(OrderKind::Sequential), [0, 1, 2, 3, 0, 1]);
        assert_eq!(rows(OrderKind::Unique), [0, 1, 2, 3, 1, 3]);
        assert!(rows(OrderKind::Random).iter().all(|row| *row < 4));
    }

    proptest! {
        #[test]
        fn a_number_is_drawn_within_its_bounds(one: u64, other: u64, drawn: u64) {
            let (from, to) = (one.min(other), one.max(other));
            prop_assert!((from..=to).contains(&between(from, to, drawn)));
            prop_assert_eq!((between(from, to, 0), between(from, to, u64::MAX)), (from, to));
        }
    }
}
