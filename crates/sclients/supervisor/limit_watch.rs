//! Ends a run whose limits say so: they are looked at once a second, on what was reported so far.

use super::conductor::{StoppedFor, stop_for};
use super::{Context, World};
use crate::limits::{Watch, of_run};
use crate::plan::Plan;
use crate::report::{self, Focus};
use crate::summary::Summary;
use dispatch::Instant;
use serde_json::Value;
use std::time::Duration;

/// Between two looks.
const SECOND: Duration = Duration::from_secs(1);

/// What is looked at, and when next; nothing where no limit ends a run.
#[derive(Debug, Default)]
pub(super) struct LimitWatch {
    watch: Watch,
    next: Option<Instant>,
    /// What is run, for each look (what it sends is left out), and what is looked at.
    look: Option<(Plan, Focus)>,
}

impl LimitWatch {
    pub(super) fn new(plan: &Plan) -> Self {
        let mut watched = Self { watch: of_run::watch(plan), ..Self::default() };
        if !watched.watch.is_empty() {
            let mut plan = plan.clone();
            plan.config.body = vec![];
            watched.look = Some((plan, watched.watch.focus()));
        }
        watched
    }

    /// Whether a second of load is over. Looks are half a second behind the workers, so that each second's
    /// reports are there.
    fn is_due(&mut self, load: Instant, now: Instant) -> bool {
        let next = *self.next.get_or_insert(load + SECOND + SECOND / 2);
        if now >= next {
            self.next = Some(now + SECOND);
        }
        now >= next
    }
}

/// A look, where one is due.
pub(super) fn turn(context: &mut Context, now: Instant) {
    let World { conductor, .. } = &mut context.world;
    let Some(load) = conductor.load() else { return };
    let watched = !conductor.limits.watch.is_empty() && !conductor.is_ending(now);
    if !watched || !conductor.limits.is_due(load, now) {
        return;
    }
    let Some(object) = figures(&mut context.world) else { return };
    if let Some(index) = context.world.conductor.limits.watch.look(&object, now.since(load)) {
        stop_for(context, now, StoppedFor::Limit(index));
    }
}

/// Of what was reported so far, the figures that are looked at. Plan and fold are lent to the summary: copies
/// of them would be large.
fn figures(world: &mut World) -> Option<Value> {
    let (plan, focus) = world.conductor.limits.look.take()?;
    let course = world.course(world.conductor.begun);
    let summary = Summary { plan, fold: std::mem::take(&mut world.fold), course };
    let object = report::figures_of(&summary, &focus);
    (world.conductor.limits.look, world.fold) = (Some((summary.plan, focus)), summary.fold);
    Some(object)
}
