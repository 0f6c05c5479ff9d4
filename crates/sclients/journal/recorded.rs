//! A run from its journal, by the same fold as the live one.

use super::entry::{Draft, draft, plan};
use super::folder::Folder;
use super::reader::{Read, read};
use super::{Hole, JournalError};
use crate::fold::Fold;
use crate::plan::Plan;
use crate::summary::{Course, Summary};
use dispatch::Instant;
use wire::Entry;

/// A run as its journal tells it.
#[derive(Debug)]
pub struct Recorded {
    /// The run so far.
    pub summary: Summary,
    /// Whether it came to its end.
    pub over: bool,
    /// When its last entry was written, by the monotonic clock of that run.
    pub at: Instant,
    /// What the reader found.
    pub read: Read,
}

/// Adds entries up.
#[derive(Default)]
struct Adding {
    plan: Option<Plan>,
    fold: Fold,
    course: Option<Course>,
    over: bool,
    at: Instant,
    unread: Vec<String>,
    version: String,
}

impl Adding {
    fn take(&mut self, at: u64, entry: Entry) {
        let at = Instant::from_nanos(at);
        match entry {
            Entry::Begun(begun) => {
                self.version.clone_from(&begun.version);
                let plan = plan(begun);
                // Each segment has the plan again, and each supervisor that took the run up.
                if let (None, Some(plan)) = (&self.plan, &plan) {
                    self.fold = Fold::of(plan.roster());
                }
                self.plan = plan;
            }
            Entry::Reported(record) => match draft(&record, at) {
                Ok(draft) => self.add(draft),
                Err(error) => self.unread.push(error.to_string()),
            },
        }
    }

    fn add(&mut self, draft: Draft) {
        let Draft { recent, own, course, over, at } = draft;
        self.fold.replay(&recent);
        own.into_iter().for_each(|(who, sums)| self.fold.set_own(who, sums));
        (self.course, self.over, self.at) = (Some(course), over, at);
    }
}

/// The run in `folder`, as far as it was written.
///
/// # Errors
/// As [`read`]; and where the plan cannot be had.
pub fn recorded(folder: &Folder, salvage: bool) -> Result<Recorded, JournalError> {
    let mut adding = Adding::default();
    if salvage {
        // The first record that has the plan may be what is damaged, and entries come before the next one.
        read(folder, true, |at, entry| {
            if let (Entry::Begun(_), None) = (&entry, &adding.plan) {
                adding.take(at, entry);
            }
        })?;
    }
    let mut read = read(folder, salvage, |at, entry| adding.take(at, entry))?;
    let Adding { plan, fold, course, over, at, unread, version } = adding;
    let plan = plan.ok_or_else(|| match version {
        none if none.is_empty() => JournalError::NoPlan(folder.name()),
        version => JournalError::Plan(folder.name(), version),
    })?;
    for why in unread {
        read.holes.push(Hole { path: folder.name().into(), offset: 0, records: 1, why });
    }
    let summary = Summary { plan, fold, course: course.unwrap_or_default() };
    Ok(Recorded { summary, over, at, read })
}
