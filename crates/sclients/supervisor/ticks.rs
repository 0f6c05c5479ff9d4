//! The ticks that nobody took: due in a slot whose worker was dead.
//!
//! A schedule is known to everybody, so what a slot should have had by an instant is a number. What its
//! generations have reported is another; the difference is lost, be it that the dead one did not take it
//! or that it did and could not say so. Where gaps are drawn nobody knows what would have been drawn, and
//! the even comb stands in for it.

use super::World;
use super::children::Child;
use super::slot::State;
use super::spawn::Role;
use crate::config::Load;
use crate::fold::{Fold, Who};
use crate::plan::{Part, Plan};
use crate::profile::Arrivals;
use dispatch::Instant;
use stats::{Counter, Counters, NotSent, Phase};

/// Requests or attempts of `slot` that are accounted for.
pub(super) fn gone(world: &World, plan: &Plan, slot: u32) -> u64 {
    let mut counters = Counters::default();
    world.fold.slot(slot).for_each(|part| counters.merge(&part.counters));
    match plan.part_of(slot).config.load {
        Load::Overload { .. } => {
            counters.of(Counter::ConnectionsAttempted) + counters.of(Counter::AttemptsLost)
        }
        _ => counters.of(Counter::RequestsDue) - counters.of(Counter::RequestsFurther),
    }
}

/// Counts what was due in `slot` before `until` and was not taken by the generations before; how many of
/// its requests or attempts are accounted for then.
pub(super) fn settle(world: &mut World, plan: &Plan, slot: u32, until: Instant) -> u64 {
    let mut gone = gone(world, plan, slot);
    let dead = generations(world, slot).filter(|child| is_dead(child)).last().map(Child::who);
    let dead = dead.or_else(|| world.children.buried_in(slot));
    let Part { crew, config, index } = plan.part_of(slot);
    let (Some(load), Some(dead)) = (world.conductor.crews.load_of(crew), dead) else { return gone };
    let Some((rate, arrivals)) = config.load.schedule() else { return gone };
    let due_by = |at: Instant| rate.count_of(index, config.procs, at.nanos_since(load));
    let mut counted = match arrivals {
        Arrivals::Poisson => due_by(taken_until(world, slot).max(load)),
        Arrivals::Constant | Arrivals::Jitter => gone,
    };
    let mut left = plan.requests_of(slot).map_or(u64::MAX, |all| all.saturating_sub(gone));
    let measured = (load + config.warmup).min(until);
    for (phase, end) in [(Phase::WarmUp, measured), (Phase::Measurement, until)] {
        let lost = due_by(end).saturating_sub(counted).min(left);
        (counted, gone, left) = (counted + lost, gone + lost, left - lost);
        lose(&mut world.fold, dead, phase, lost, &config.load);
    }
    gone
}

/// Counts what was due in slots that ended without a worker.
pub(super) fn settle_all(world: &mut World, plan: &Plan, now: Instant) {
    for slot in 0..plan.config.procs {
        let end = world.conductor.end_of_load(plan.part_of(slot).crew).min(now);
        let at_work = generations(world, slot).filter(|child| child.loaded.is_some()).last();
        let any_dead = generations(world, slot).any(is_dead);
        if (any_dead || world.children.buried_in(slot).is_some()) && at_work.is_none_or(is_dead) {
            settle(world, plan, slot, end);
        }
    }
}

fn generations(world: &World, slot: u32) -> impl Iterator<Item = &Child> {
    world.children.of(Role::Worker).filter(move |child| child.slot == slot)
}

fn is_dead(child: &Child) -> bool {
    matches!(child.state, State::Dead | State::Replaced)
}

/// The last report of the generation that took ticks last.
fn taken_until(world: &World, slot: u32) -> Instant {
    let last = generations(world, slot).filter(|child| child.loaded.is_some()).last();
    let last = last.map(Child::who).or_else(|| world.children.buried_in(slot));
    let part = last.and_then(|who| world.fold.part(who));
    part.map_or(Instant::default(), |part| part.ended)
}

fn lose(fold: &mut Fold, who: Who, phase: Phase, ticks: u64, load: &Load) {
    if ticks == 0 {
        return;
    }
    let mut counters = Counters::default();
    match load {
        Load::Overload { .. } => counters.count_many(Counter::AttemptsLost, ticks),
        _ => {
            counters.count_many(Counter::RequestsDue, ticks);
            counters.not_sent[NotSent::WorkerLost as usize] = ticks;
        }
    }
    fold.take_lost(who, phase, &counters);
}
