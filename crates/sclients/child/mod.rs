//! What every child process does, worker or target: adopt its pipes, follow its supervisor into
//! the grave, report.
//!
//! A child is started as `__child --role R --slot N …` with two descriptors named by number: the
//! control pipe (commands in) and the report pipe (reports out). The first command is its share.
//! It never forks, never blocks on a pipe, and never outlives its supervisor: the end of the
//! control pipe ends it, and so does PR_SET_PDEATHSIG.

mod control;
mod outbox;
mod panic;
mod recorder;
mod strain;
pub mod usage;

pub use control::{Adopted, ChildError, adopt, exit, first_command};
pub use outbox::Outbox;
pub use panic::run;
pub use recorder::Recorder;
pub use strain::StrainGauge;

use dispatch::{DispatchId, Instant};
use servicemodel::{Context, Model};
use std::io;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use wire::{Command, Report};

/// A model that runs in a child process.
pub trait Role: Model {
    /// What the child has of a child.
    fn child(&mut self) -> &mut Child;

    /// Obeys a command.
    fn obey(context: &mut Context<Self>, command: Command);
}

/// A child's line to its supervisor.
#[derive(Debug, Default)]
pub struct Child {
    /// Reports on their way out.
    pub outbox: Outbox,
    reporting: Option<DispatchId>,
    /// The report pipe once more, for what is to be said when the loop is no more.
    in_need: Option<OwnedFd>,
    leaving: bool,
}

impl Child {
    /// Ends the process at the next turn: released, or an orphan.
    pub fn leave(&mut self) {
        self.leaving = true;
    }

    /// `Break` when the process is to end.
    pub fn flow(&self) -> ControlFlow<()> {
        if self.leaving { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Puts both pipes into the context and hands over what arrived with the share already.
///
/// # Errors
/// The poller's refusal.
pub fn attach<R: Role>(context: &mut Context<R>, adopted: Adopted) -> io::Result<()> {
    context.world.model.child().in_need = Some(adopted.report_pipe()?);
    let [control, reports] = adopted.targets()?;
    let commanding = context.insert(control)?;
    context.call_again(commanding);
    let reporting = context.insert(reports)?;
    context.world.model.child().reporting = Some(reporting);
    Ok(())
}

/// Queues a report and gives the report pipe a turn.
pub fn report<R: Role>(context: &mut Context<R>, report: Report) {
    context.world.model.child().outbox.push(report);
    wake_reporter(context);
}

/// Ends the recorder's interval at `now` and queues its report, merged with any that waits.
pub fn report_interval<R: Role>(context: &mut Context<R>, interval: stats::Interval, now: Instant) {
    context.world.model.child().outbox.push_interval(interval, now);
    wake_reporter(context);
}

fn wake_reporter<R: Role>(context: &mut Context<R>) {
    if let Some(id) = context.world.model.child().reporting {
        context.call_again(id);
    }
}
