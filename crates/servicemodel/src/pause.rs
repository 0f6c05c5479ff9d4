//! What has to wait while a model pauses.
//!
//! The poller tells a change once. What it tells during a pause is noted by name, once each and in
//! order, and given a turn afterwards: with all that has arrived by then, as after any long absence.

use crate::model::Model;
use crate::service::Context;
use dispatch::DispatchId;

/// Those who wait; at most one entry for each target.
#[derive(Debug, Default)]
pub(crate) struct PutOff {
    order: Vec<DispatchId>,
    /// By slot: whether it is among them. Nothing ends in a pause, so a slot keeps its target.
    noted: Vec<bool>,
}

impl PutOff {
    /// Puts off the target `id`.
    pub(crate) fn note(&mut self, id: DispatchId) {
        if id.slot() >= self.noted.len() {
            self.noted.resize(id.slot() + 1, false);
        }
        if !std::mem::replace(&mut self.noted[id.slot()], true) {
            self.order.push(id);
        }
    }
}

/// Gives a turn, in the coming dispatch, to all that was put off while the model paused, in the
/// order in which it was. To be called when [`Model::paused`] says no again.
pub fn catch_up<L: Model>(context: &mut Context<L>) {
    let mut waiting = std::mem::take(&mut context.world.put_off);
    for id in waiting.order.drain(..) {
        waiting.noted[id.slot()] = false;
        context.call_again(id);
    }
    context.world.put_off = waiting;
}
