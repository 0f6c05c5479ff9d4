//! When each phase of a run begins, and its load: the clocks of the crews. A run without phases has one.
//!
//! ```text
//! due ─▶ begun: Start to its workers ─▶ all of them opened ─▶ load: Load to them ─▶ its length is over
//! ```
//!
//! Phases that begin with the run wait for each other, so that all load begins at one instant. Whoever
//! comes later waits for nobody.

use super::children::{Children, Times, tell_one};
use super::slot::State;
use super::spawn::Role;
use super::{Context, World};
use crate::config::Begins;
use crate::plan::{Plan, Roster};
use dispatch::Instant;
use std::time::Duration;
use wire::Command;

/// Workers learn of the begin of load this long before.
pub(super) const LOAD_AHEAD: Duration = Duration::from_millis(20);

/// One crew in time.
#[derive(Clone, Copy, Debug)]
struct Clock {
    begins: Begins,
    warmup: Duration,
    /// Of measurement, where it is known.
    length: Option<Duration>,
    begun: Option<Instant>,
    load: Option<Instant>,
    /// When all its workers had ended.
    ended: Option<Instant>,
}

impl Clock {
    /// When its load ends or ended, as far as that is known. Workers that died early have no part in it: what
    /// was due to them is lost.
    fn end(&self) -> Instant {
        let planned = self.load.zip(self.length).map(|(load, length)| load + self.warmup + length);
        planned.or(self.ended.filter(|_| self.length.is_none())).unwrap_or(Instant::FAR_FUTURE)
    }
}

/// The crews of a run in time.
#[derive(Clone, Debug, Default)]
pub(super) struct Crews {
    roster: Roster,
    clocks: Vec<Clock>,
}

impl Crews {
    pub(super) fn of(plan: &Plan) -> Self {
        let clock = |crew: usize| {
            let config = plan.load_of(crew);
            Clock {
                begins: plan.crews.get(crew).map_or(Begins::At(Duration::ZERO), |crew| crew.begins),
                warmup: config.warmup,
                length: config.duration,
                begun: None,
                load: None,
                ended: None,
            }
        };
        let roster = plan.roster();
        Self { clocks: (0..roster.count()).map(clock).collect(), roster }
    }

    pub(super) fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The crew of a worker's slot.
    pub(super) fn of_slot(&self, slot: u32) -> usize {
        self.roster.crew_of(slot)
    }

    /// The crews that begin with the run, and open their connections together.
    fn first(&self) -> impl Iterator<Item = usize> + '_ {
        let at_once = |crew: &usize| self.clocks[*crew].begins == Begins::At(Duration::ZERO);
        (0..self.clocks.len()).filter(at_once)
    }

    /// When the first load of the run began.
    pub(super) fn load(&self) -> Option<Instant> {
        self.clocks.iter().filter_map(|clock| clock.load).min()
    }

    /// When the load of a crew began.
    pub(super) fn load_of(&self, crew: usize) -> Option<Instant> {
        self.clocks.get(crew)?.load
    }

    /// When the load of a crew ends or ended, as far as that is known.
    pub(super) fn end_of(&self, crew: usize) -> Instant {
        self.clocks.get(crew).map_or(Instant::FAR_FUTURE, Clock::end)
    }

    /// When the last load ends, as far as that is known.
    pub(super) fn end(&self) -> Instant {
        self.clocks.iter().map(Clock::end).max().unwrap_or(Instant::FAR_FUTURE)
    }

    /// When the first measurement of a crew begins, as far as it is known.
    pub(super) fn measured_from(&self) -> Option<Instant> {
        let from = |clock: &Clock| Some(clock.load? + clock.warmup);
        self.clocks.iter().filter_map(from).min()
    }

    /// Whether a crew measures, or one has.
    pub(super) fn measures(&self, now: Instant) -> bool {
        self.measured_from().is_some_and(|from| now >= from)
    }

    /// Whether a crew was told to begin.
    pub(super) fn has_begun(&self, crew: usize) -> bool {
        self.clocks.get(crew).is_some_and(|clock| clock.begun.is_some())
    }

    /// The instants of each crew in a run that started at `start`, `until` being its end at the latest.
    pub(super) fn times(&self, start: Instant, until: Instant) -> Vec<Times> {
        let times = |clock: &Clock| Times {
            start: clock.begun.unwrap_or(start).max(start),
            load: clock.load.unwrap_or(Instant::FAR_FUTURE),
            end: clock.end().min(until),
        };
        self.clocks.iter().map(times).collect()
    }

    /// How each stands, in nanoseconds: when it began, and its load; none where it did not.
    pub(super) fn kept(&self) -> Vec<(Option<u64>, Option<u64>)> {
        let nanos = |at: Option<Instant>| at.map(Instant::as_nanos);
        self.clocks.iter().map(|clock| (nanos(clock.begun), nanos(clock.load))).collect()
    }

    /// Takes over how each stood; `moved` is what became of an instant of then.
    pub(super) fn take_over(
        &mut self,
        kept: &[(Option<u64>, Option<u64>)],
        moved: impl Fn(u64) -> Option<Instant>,
    ) {
        for (clock, (begun, load)) in self.clocks.iter_mut().zip(kept) {
            clock.begun = begun.and_then(&moved);
            clock.load = load.and_then(&moved);
        }
    }

    /// Those that begin with the run have begun at `start`, if nobody knows when.
    pub(super) fn begin_with(&mut self, start: Instant) {
        let first: Vec<usize> = self.first().collect();
        first.into_iter().for_each(|crew| {
            self.clocks[crew].begun.get_or_insert(start);
        });
    }

    /// When a crew is due to begin; none where that is not known yet.
    fn due(&self, crew: usize) -> Option<Instant> {
        match self.clocks[crew].begins {
            Begins::At(pause) => self.load().map(|load| load + pause),
            Begins::After(before, pause) => {
                let before = self.clocks[before];
                let end = before.end().min(before.ended.unwrap_or(Instant::FAR_FUTURE));
                (end < Instant::FAR_FUTURE).then(|| end + pause)
            }
        }
    }

    fn workers<'a>(
        &'a self,
        children: &'a Children,
        crew: usize,
    ) -> impl Iterator<Item = (usize, &'a super::children::Child)> + 'a {
        let of_crew = move |(_, child): &(usize, &super::children::Child)| {
            child.role == Role::Worker && self.of_slot(child.slot) == crew
        };
        children.all().iter().enumerate().filter(of_crew)
    }

    /// Whether every worker of a crew that lives has opened its connections.
    fn is_open(&self, children: &Children, crew: usize) -> bool {
        self.workers(children, crew).all(|(_, child)| child.opened.is_some() || child.is_settled())
    }
}

/// Begins what begins with the run, at `start`.
pub(super) fn start(context: &mut Context, start: Instant) {
    let first: Vec<usize> = context.world.conductor.crews.first().collect();
    first.into_iter().for_each(|crew| begin(context, crew, start));
}

fn begin(context: &mut Context, crew: usize, at: Instant) {
    let World { children, conductor, .. } = &mut context.world;
    conductor.crews.clocks[crew].begun = Some(at);
    let ready = conductor.crews.workers(children, crew);
    let ready: Vec<usize> =
        ready.filter(|(_, child)| child.state == State::Ready).map(|(index, _)| index).collect();
    let command =
        Command::Start { at_nanos: at.as_nanos(), run_nanos: conductor.start().as_nanos() };
    ready.into_iter().for_each(|index| tell_one(context, index, &command));
}

/// Lets the first loads begin, if all those connections are open. Returns whether it did.
pub(super) fn first_loads(context: &mut Context, now: Instant) -> bool {
    let World { children, conductor, .. } = &context.world;
    let first: Vec<usize> = conductor.crews.first().collect();
    if !first.iter().all(|crew| conductor.crews.is_open(children, *crew)) {
        return false;
    }
    let at = now + LOAD_AHEAD;
    first.into_iter().for_each(|crew| load(context, crew, at));
    true
}

fn load(context: &mut Context, crew: usize, at: Instant) {
    let World { children, conductor, .. } = &mut context.world;
    conductor.crews.clocks[crew].load = Some(at);
    let workers: Vec<usize> =
        conductor.crews.workers(children, crew).map(|(index, _)| index).collect();
    let command = Command::Load { at_nanos: at.as_nanos(), gone: 0 };
    workers.into_iter().for_each(|index| tell_one(context, index, &command));
}

/// One turn under load: begins who is due, and the load of those whose connections are open.
pub(super) fn turn(context: &mut Context, now: Instant) {
    for crew in 0..context.world.conductor.crews.clocks.len() {
        let World { children, conductor, .. } = &mut context.world;
        let crews = &conductor.crews;
        let Clock { begun, load: loaded, ended, .. } = crews.clocks[crew];
        let settled =
            ended.is_some() || crews.workers(children, crew).all(|(_, child)| child.is_settled());
        if begun.is_none() && crews.due(crew).is_some_and(|due| due <= now) {
            begin(context, crew, now);
        } else if begun.is_some() && loaded.is_none() && crews.is_open(children, crew) && !settled {
            load(context, crew, now + LOAD_AHEAD);
        } else if settled && ended.is_none() {
            conductor.crews.clocks[crew].ended = Some(now);
        }
    }
}
