//! The supervisor's end of the journal: what was reported since is cut off once a second and handed
//! over, where there is a journal.

use super::World;
use crate::journal::{Draft, Journal, Told};
use crate::plan::Plan;
use crate::report;
use crate::summary::Summary;
use dispatch::Instant;
use std::time::Duration;

/// Between two entries.
const SECOND: Duration = Duration::from_secs(1);
/// The reports of a second are in so soon after it.
const REPORTED_WITHIN: Duration = Duration::from_millis(100);
/// Between two looks at what each worker measured by itself.
const OWN_EVERY: Duration = Duration::from_secs(300);
/// The journal's end may take so long.
const CLOSE_WITHIN: Duration = Duration::from_secs(20);

/// So many failed syncs are told.
const TROUBLE_MAX: usize = 16;

/// How far the journal is.
#[derive(Debug, Default)]
enum Ending {
    /// It goes on.
    #[default]
    No,
    /// The last entry waits for room.
    Waits(Box<Draft>, String, Instant),
    /// It is being written.
    Closing(Instant),
    /// It is written; or why not.
    Closed(Option<String>),
}

/// The journal, where there is one.
#[derive(Debug)]
pub(super) struct Tape {
    journal: Option<Journal>,
    begun: Instant,
    next_cut: Instant,
    next_own: Instant,
    ending: Ending,
    /// When the disk did not do what it should.
    trouble: Vec<String>,
    /// Since when it takes nothing, and why.
    failing: Option<(Instant, String)>,
    slowest_sync: Duration,
}

impl Tape {
    pub(super) fn new(journal: Option<Journal>, begun: Instant) -> Self {
        let (next_cut, next_own) = (begun + SECOND, begun + OWN_EVERY);
        Self {
            journal,
            begun,
            next_cut,
            next_own,
            ending: Ending::No,
            trouble: Vec::new(),
            failing: None,
            slowest_sync: Duration::ZERO,
        }
    }

    /// The intervals of the workers are counted from `start`: entries come when those of a second are in,
    /// so that one that is lost costs no more than it.
    pub(super) fn align(&mut self, start: Instant, now: Instant) {
        let seconds = now.since(start).as_secs() + 1;
        self.next_cut = start + Duration::from_secs(seconds) + REPORTED_WITHIN;
    }

    /// When its disk did not do what it should, in words.
    pub(super) fn trouble(&self) -> &[String] {
        &self.trouble
    }

    /// Takes over what an earlier supervisor of the run had in words.
    pub(super) fn take_over(&mut self, trouble: Vec<String>) {
        self.trouble = trouble;
    }

    /// Whether nothing more is to be waited for.
    pub(super) fn is_closed(&self) -> bool {
        self.journal.is_none() || matches!(self.ending, Ending::Closed(_))
    }

    /// Why the journal is not complete.
    pub(super) fn incomplete(&self) -> Option<&str> {
        match &self.ending {
            Ending::Closed(Some(why)) => Some(why),
            _ => None,
        }
    }

    /// A report that is told while its disk takes nothing says so: it may be the only one.
    fn own_up(&mut self) {
        if let Some((since, why)) = &self.failing {
            let at = since.since(self.begun).as_secs_f64();
            self.trouble.push(format!(
                "the journal's disk took nothing at the end, since {at:.1} s into the run: {why}"
            ));
        }
    }

    /// It is not waited for any longer.
    pub(super) fn give_up(&mut self) {
        if !self.is_closed() {
            let why = "the journal is not complete: its disk was not waited for";
            self.ending = Ending::Closed(Some(why.to_owned()));
        }
    }

    fn hand_over(&mut self, draft: Draft) {
        if let Some(journal) = &self.journal {
            journal.keeper.write(draft);
        }
    }

    fn hurry(&self) {
        self.journal.iter().for_each(|journal| journal.keeper.hurry());
    }

    fn heed(&mut self, now: Instant, mut note: impl FnMut(String)) {
        let Some(journal) = &self.journal else { return };
        let at = now.since(self.begun).as_secs_f64();
        for told in journal.keeper.told() {
            match told {
                Told::Failing(why) => {
                    note(format!(
                        "sclients: the journal cannot be written: {why}; the run goes on, and what it measures waits for room"
                    ));
                    self.failing = Some((now, why));
                }
                Told::Writing => {
                    note("sclients: the journal is written again".to_owned());
                    self.failing = None;
                }
                Told::SyncFailed(why) if self.trouble.len() < TROUBLE_MAX => self.trouble.push(format!(
                    "the journal's disk may have lost what was written before {at:.1} s into the run, which was written again: {why}"
                )),
                Told::SlowSync(took) if took > 2 * self.slowest_sync => {
                    self.slowest_sync = took;
                    let seconds = took.as_secs_f64();
                    note(format!("sclients: the journal's disk took {seconds:.1} s to sync"));
                }
                Told::Syncing(under_way) => {
                    let seconds = under_way.as_secs_f64();
                    note(format!(
                        "sclients: the journal's disk is syncing for {seconds:.1} s; the run goes on"
                    ));
                }
                Told::SyncFailed(_) | Told::SlowSync(_) => {}
                Told::Closed(result) => self.ending = Ending::Closed(result.err()),
            }
        }
    }

    fn end(&mut self, now: Instant) {
        let Some(journal) = &self.journal else { return };
        match std::mem::take(&mut self.ending) {
            Ending::Waits(draft, summary, deadline) if journal.keeper.has_room() => {
                journal.keeper.close(*draft, summary);
                self.ending = Ending::Closing(deadline);
            }
            Ending::Waits(.., deadline) | Ending::Closing(deadline) if now > deadline => {
                let why = format!("its disk did not answer for {} s", CLOSE_WITHIN.as_secs());
                self.ending = Ending::Closed(Some(why));
            }
            ending => self.ending = ending,
        }
    }
}

/// Cuts off what a second brought, and heeds what the journal's threads tell.
pub(super) fn turn(world: &mut World, now: Instant) {
    let World { tape, printer, .. } = world;
    tape.heed(now, |line| printer.note(line));
    tape.end(now);
    let full = tape.journal.as_ref().is_some_and(|journal| !journal.keeper.has_room());
    // While nothing is taken, what is reported goes on being added to what there is.
    if !is_due(world, now) || full || !matches!(world.tape.ending, Ending::No) {
        return;
    }
    let tape = &mut world.tape;
    tape.next_cut = tape.next_cut + SECOND;
    while tape.next_cut <= now {
        tape.next_cut = tape.next_cut + SECOND;
    }
    let recent = world.fold.cut();
    let mut own = world.fold.take_own_of_buried();
    if world.tape.journal.is_none() {
        return;
    }
    let aside = now >= world.tape.next_own || !recent.last_words.is_empty();
    if now >= world.tape.next_own {
        world.tape.next_own = now + OWN_EVERY;
    }
    if aside {
        own.extend(world.fold.own());
    }
    let course = world.course(world.tape.begun);
    world.tape.hand_over(Draft { recent, own, course, over: false, at: now });
}

/// Whether the reports of a second are in, or those that are missing are not waited for any longer.
fn is_due(world: &World, now: Instant) -> bool {
    let World { tape, children, fold, .. } = world;
    let second = tape.next_cut - REPORTED_WITHIN;
    now >= tape.next_cut || now >= second && children.have_reported(second, fold)
}

/// The run as it ended: hands its last entry over, and its report.
pub(super) fn close(world: &mut World, plan: &Plan, now: Instant) -> Summary {
    let recent = world.fold.cut();
    world.tape.own_up();
    let summary = world.summary(plan.clone(), world.tape.begun);
    let Tape { journal: Some(_), ending: Ending::No, .. } = &world.tape else { return summary };
    let own = world.fold.own();
    let draft = Draft { recent, own, course: summary.course.clone(), over: true, at: now };
    let (text, deadline) = (report::json(&summary), now + CLOSE_WITHIN);
    world.tape.ending = Ending::Waits(Box::new(draft), text, deadline);
    world.tape.hurry();
    world.tape.end(now);
    summary
}
