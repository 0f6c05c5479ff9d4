//! Who follows a worker that died: nobody, another generation of its slot, or the end of the run.
//!
//! ```text
//! dead ─▶ answer ─┬─ replace ─▶ (pause) ─▶ spawn ─▶ Ready ─▶ Start ─▶ its connections opened ─▶ Load
//!                 ├─ fail, a crash loop, restarts over their limit ─▶ the run ends with its report
//!                 └─ continue, too late, nothing left to ask ─▶ the others go on
//! ```
//!
//! A successor has the slot's connections, source ports, rate and processor. What was due in its slot
//! meanwhile is counted as lost ([`super::ticks`]), so that it takes the ticks that are left.

use super::children::{Child, Children, tell_one, watch_pipes};
use super::conductor::{StoppedFor, stop_for};
use super::slot::{Input, State};
use super::spawn::Role;
use super::ticks;
use super::{Context, World};
use crate::config::{OnWorkerDeath, RestartLimit};
use crate::plan::Plan;
use crate::shares;
use dispatch::Instant;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use wire::{Command, JoinShare};

/// From a death to the next start in its slot. TIME_WAIT gives a source port away after a second
/// (tcp_tw_reuse), and nothing that dies at once is started more often.
const PAUSE: Duration = Duration::from_secs(1);
/// A worker that died this soon after it was ready, or before, has not lived.
pub(super) const INFANCY: Duration = Duration::from_secs(5);
/// So many of one slot in a row are a crash loop.
pub(super) const CRASHES: u32 = 3;
/// A start that the system refused is tried again after 1, 2, 4 … seconds.
const BACK_OFF_MAX: Duration = Duration::from_secs(32);
/// So many successors are started in one turn of the loop: each takes it a millisecond or two.
const STARTS_MAX: usize = 8;
/// A successor learns of its load this long before.
const LOAD_AHEAD: Duration = Duration::from_millis(5);

/// A death, as far as it matters to who follows.
#[derive(Clone, Copy, Debug)]
struct Obituary {
    slot: u32,
    died: Instant,
    ready: Option<Instant>,
    /// The last instant from which a successor could do something.
    last: Instant,
}

/// What follows a death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Nobody.
    Leave,
    /// A successor is started then.
    At(Instant),
    /// The run ends.
    End(StoppedFor),
}

/// The rule by which workers are followed.
#[derive(Debug)]
pub struct Succession {
    policy: OnWorkerDeath,
    limit: RestartLimit,
    restarts: VecDeque<Instant>,
    /// By slot: deaths in a row that came too soon.
    infants: BTreeMap<u32, u32>,
    refusals: u32,
}

impl Succession {
    pub fn new(policy: OnWorkerDeath, limit: RestartLimit) -> Self {
        Self { policy, limit, restarts: VecDeque::new(), infants: BTreeMap::new(), refusals: 0 }
    }

    /// Whether the dead are followed at all.
    pub(super) fn follows(&self) -> bool {
        self.policy == OnWorkerDeath::Replace
    }

    fn answer(&mut self, death: Obituary) -> Answer {
        match self.policy {
            OnWorkerDeath::Continue => return Answer::Leave,
            OnWorkerDeath::Fail => return Answer::End(StoppedFor::WorkerDeath(death.slot)),
            OnWorkerDeath::Replace => {}
        }
        let infants = self.infants.entry(death.slot).or_default();
        let lived = death.ready.is_some_and(|ready| death.died.since(ready) > INFANCY);
        *infants = if lived { 0 } else { *infants + 1 };
        if *infants >= CRASHES {
            return Answer::End(StoppedFor::CrashLoop(death.slot));
        }
        let due = death.died + PAUSE;
        if due > death.last {
            return Answer::Leave;
        }
        let within = self.limit.within;
        self.restarts.retain(|at| death.died.since(*at) < within);
        if self.restarts.len() >= self.limit.count as usize {
            return Answer::End(StoppedFor::Restarts(self.limit));
        }
        self.restarts.push_back(death.died);
        Answer::At(due)
    }

    /// When to try again what the system refused.
    fn next_try(&mut self) -> Duration {
        let pause = Duration::from_secs(1 << self.refusals.min(5));
        self.refusals += 1;
        pause.min(BACK_OFF_MAX)
    }
}

/// What is to be done about a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Mourn,
    Succeed,
    Start,
    Load,
}

/// What is to be done about `child` at `now`, while a run opens its connections or is `loaded`.
/// The phase of its crew may be still to begin.
fn deed(child: &Child, begun: bool, loaded: bool, now: Instant) -> Option<Deed> {
    match child.state {
        State::Dead if !child.mourned => Some(Deed::Mourn),
        State::Dead if child.successor_due.is_some_and(|due| due <= now) => Some(Deed::Succeed),
        State::Ready if begun => Some(Deed::Start),
        State::Running if loaded && child.opened.is_some() && child.loaded.is_none() => {
            Some(Deed::Load)
        }
        _ => None,
    }
}

/// What one turn takes upon itself of what is to be done.
#[derive(Debug, Default)]
struct Turn {
    starts: usize,
}

impl Turn {
    /// Whether `deed` is done in this turn, or waits for the next one.
    fn takes(&mut self, deed: Deed) -> bool {
        let start = usize::from(deed == Deed::Succeed);
        let takes = self.starts + start <= STARTS_MAX;
        self.starts += if takes { start } else { 0 };
        takes
    }
}

/// One turn: answers the deaths that came, starts who is due, and lets successors begin.
pub(super) fn turn(context: &mut Context, now: Instant) {
    let (mut turn, mut plan) = (Turn::default(), None);
    for index in 0..context.world.children.all().len() {
        let World { children, conductor, .. } = &context.world;
        let child = &children.all()[index];
        let crew = conductor.crews.of_slot(child.slot);
        let (begun, loaded) =
            (conductor.crews.has_begun(crew), conductor.crews.load_of(crew).is_some());
        let deed = deed(child, begun, loaded, now);
        let worker = child.role == Role::Worker;
        let Some(deed) = deed.filter(|deed| worker && turn.takes(*deed)) else { continue };
        // One copy does for all that die at once.
        plan = plan.or_else(|| conductor.plan().cloned());
        let Some(plan) = &plan else { return };
        match deed {
            Deed::Mourn => mourn(context, plan, index, now),
            Deed::Succeed => succeed(context, plan, index, now),
            Deed::Start => {
                let run_nanos = conductor.start().as_nanos();
                let command = Command::Start { at_nanos: now.as_nanos(), run_nanos };
                tell_one(context, index, &command);
            }
            Deed::Load => load(context, plan, index, now),
        }
    }
}

/// Tells of the targets that died: nobody follows them.
pub(super) fn mourn_targets(world: &mut World) {
    let World { children, printer, .. } = world;
    let dead = |child: &&mut Child| {
        child.role == Role::Target && child.state == State::Dead && !child.mourned
    };
    for target in children.all_mut().iter_mut().filter(dead) {
        target.mourned = true;
        printer.note(format!("{}; nobody takes its place", target.obituary()));
    }
}

/// Nobody follows any more: the run is told to end.
pub(super) fn give_up(children: &mut Children) {
    children.all_mut().iter_mut().for_each(|child| child.successor_due = None);
}

fn mourn(context: &mut Context, plan: &Plan, index: usize, now: Instant) {
    let World { children, conductor, fold, printer, .. } = &mut context.world;
    let child = &mut children.all_mut()[index];
    child.mourned = true;
    fold.bury(child.who());
    let (slot, died) = (child.slot, child.died.unwrap_or(now));
    let ready = child.ready;
    let obituary = child.obituary();
    let crew = conductor.crews.of_slot(slot);
    if conductor.is_over(crew, now) {
        return printer.note(format!("{obituary}; its load was over"));
    }
    let last = conductor.last_succession(crew);
    let answer = conductor.succession.answer(Obituary { slot, died, ready, last });
    let used_up = |all| ticks::gone(&context.world, plan, slot) >= all;
    let answer = match answer {
        Answer::At(_) if plan.requests_of(slot).is_some_and(used_up) => Answer::Leave,
        answer => answer,
    };
    let follows = match answer {
        Answer::Leave => "the others go on",
        Answer::At(_) => "another takes its place",
        Answer::End(_) => "the run ends",
    };
    context.world.printer.note(format!("{obituary}; {follows}"));
    match answer {
        Answer::At(due) => {
            context.world.children.all_mut()[index].successor_due = Some(due);
        }
        Answer::End(why) => stop_for(context, now, why),
        Answer::Leave => {}
    }
}

/// Starts the successor of a dead worker, or finds out when to try again.
fn succeed(context: &mut Context, plan: &Plan, index: usize, now: Instant) {
    let World { children, conductor, .. } = &mut context.world;
    let dead = &children.all()[index];
    let (slot, generation) = (dead.slot, dead.generation + 1);
    let crew = conductor.crews.of_slot(slot);
    let joins = JoinShare { load_nanos: conductor.crews.load_of(crew).map(Instant::as_nanos) };
    let share = shares::of_successor(plan, slot, generation, joins);
    let spawned = children.spawn(Role::Worker, (slot, generation), &Command::Work(Box::new(share)));
    let spawned = spawned.and_then(|()| {
        let dead = &mut context.world.children.all_mut()[index];
        dead.state = dead.state.after(Input::Succeeded);
        dead.succeeded = Some(now);
        dead.successor_due = None;
        watch_pipes(context)
    });
    let World { children, conductor, printer, .. } = &mut context.world;
    match spawned {
        Ok(()) => conductor.succession.refusals = 0,
        Err(error) => {
            let pause = conductor.succession.next_try();
            let due = Some(now + pause).filter(|due| *due <= conductor.last_succession(crew));
            children.all_mut()[index].successor_due = due;
            let seconds = pause.as_secs();
            printer.note(format!(
                "worker {slot} cannot be started again: {error} (limits: ulimit -u and -n, pids.max); next try in {seconds} s"
            ));
        }
    }
}

/// The successor's connections are there: its load begins, with what is left of its slot's.
fn load(context: &mut Context, plan: &Plan, index: usize, now: Instant) {
    let slot = context.world.children.all()[index].slot;
    let at = now + LOAD_AHEAD;
    let conductor = &context.world.conductor;
    let until = conductor.end_of_load(conductor.crews.of_slot(slot)).min(at);
    let gone = ticks::settle(&mut context.world, plan, slot, until);
    tell_one(context, index, &Command::Load { at_nanos: at.as_nanos(), gone });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    fn succession(policy: OnWorkerDeath, count: u32) -> Succession {
        Succession::new(policy, RestartLimit { count, within: Duration::from_secs(60) })
    }

    /// Slot 3, ready and dead at these seconds, in a run that lasts long.
    fn death(ready: u64, died: u64) -> Obituary {
        Obituary { slot: 3, died: s(died), ready: Some(s(ready)), last: s(10_000) }
    }

    #[test]
    fn each_policy_has_its_answer() {
        for (policy, answer) in [
            (OnWorkerDeath::Continue, Answer::Leave),
            (OnWorkerDeath::Fail, Answer::End(StoppedFor::WorkerDeath(3))),
            (OnWorkerDeath::Replace, Answer::At(s(101))),
        ] {
            assert_eq!(succession(policy, 9).answer(death(10, 100)), answer);
        }
    }

    #[test]
    fn three_short_lives_of_one_slot_in_a_row_are_a_crash_loop() {
        let loops = Answer::End(StoppedFor::CrashLoop(3));
        let mut of_one = succession(OnWorkerDeath::Replace, 9);
        assert_eq!(of_one.answer(death(10, 15)), Answer::At(s(16)));
        assert_eq!(of_one.answer(death(20, 22)), Answer::At(s(23)));
        assert_eq!(of_one.answer(Obituary { ready: None, ..death(0, 30) }), loops);
        let mut lived = succession(OnWorkerDeath::Replace, 9);
        for (ready, died) in [(10, 11), (20, 21), (30, 36), (40, 41), (50, 51)] {
            assert_eq!(lived.answer(death(ready, died)), Answer::At(s(died + 1)));
        }
        assert_eq!(lived.answer(death(60, 61)), loops);
        let mut of_many = succession(OnWorkerDeath::Replace, 9);
        for slot in 0..9 {
            let answer = of_many.answer(Obituary { slot, ..death(10, 11) });
            assert_eq!(answer, Answer::At(s(12)));
        }
    }

    #[test]
    fn restarts_are_limited_in_any_span_of_the_limits_length() {
        let mut limited = succession(OnWorkerDeath::Replace, 2);
        let over = Answer::End(StoppedFor::Restarts(limited.limit));
        assert_eq!(limited.answer(death(0, 100)), Answer::At(s(101)));
        assert_eq!(limited.answer(death(0, 130)), Answer::At(s(131)));
        assert_eq!(limited.answer(death(0, 161)), Answer::At(s(162)));
        assert_eq!(limited.answer(death(0, 162)), over);
    }

    #[test]
    fn nobody_follows_who_could_do_nothing_any_more() {
        let mut late = succession(OnWorkerDeath::Replace, 9);
        assert_eq!(late.answer(Obituary { last: s(100), ..death(0, 99) }), Answer::At(s(100)));
        assert_eq!(late.answer(Obituary { last: s(99), ..death(0, 99) }), Answer::Leave);
    }

    #[test]
    fn a_turn_starts_so_many_and_leaves_the_others_to_the_next_ones() {
        let mut left = vec![Deed::Succeed; 100];
        let mut turns = 0;
        while !left.is_empty() {
            let (before, mut turn) = (left.len(), Turn::default());
            left.retain(|deed| !turn.takes(*deed));
            assert_eq!(before - left.len(), STARTS_MAX.min(before));
            // Deaths are told, and who is ready begins, however many are started.
            assert!(
                [Deed::Mourn, Deed::Start, Deed::Load].map(|deed| turn.takes(deed)) == [true; 3]
            );
            turns += 1;
        }
        assert_eq!(turns, 100_usize.div_ceil(STARTS_MAX));
    }

    #[test]
    fn what_the_system_refuses_is_tried_less_and_less_often() {
        let mut refused = succession(OnWorkerDeath::Replace, 9);
        let pauses: Vec<u64> = (0..7).map(|_| refused.next_try().as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 32]);
    }
}
