//! What became of a run that was kept: ended, going on, or cut short; and a summary that says so.

use super::entry::NOT_KEPT;
use super::folder::{Folder, Lock};
use super::recorded::{Recorded, recorded};
use super::{Hole, JournalError, Read, Torn};
use crate::fold::Fold;
use crate::plan::Plan;
use crate::summary::{ChildRecord, Course, Cut, Summary};
use dispatch::Instant;
use std::path::Path;
use std::time::Duration;

/// The run in the folder at `path`, as far as it was kept; one that goes on is judged by that. Where it was cut
/// short or records are missing, the summary says so among its faults. The torn tail of a run that nobody
/// writes is cut off and kept beside it.
///
/// # Errors
/// There is no run, it is damaged and not to be salvaged, or the system refuses.
pub fn look(path: &Path, salvage: bool) -> Result<Summary, JournalError> {
    let folder = Folder::new(path);
    let going_on = folder.is_written()?;
    let Recorded { mut summary, over, read, .. } = recorded(&folder, salvage)?;
    let after = summary.course.supervisor.elapsed.as_secs_f64();
    let course = &mut summary.course;
    if going_on && !over {
        course.cut = Some(Cut::GoingOn);
    } else if !over {
        course.cut = Some(Cut::Died);
        let why = match folder.was_left() {
            true => "the end of the run is not in its journal",
            false => "the supervisor died",
        };
        course
            .faults
            .push(format!("{why}: nothing is known of what came after the first {after:.1} s"));
    }
    course.faults.extend(read.holes.iter().map(missing));
    if let (Some(torn), false) = (&read.torn, going_on) {
        let cut = folder.lock().and_then(|lock| mend(&folder, &lock, torn));
        if let Err(error) = cut {
            let tail = tail(&torn.name(), torn.offset as u64, torn.bytes as u64);
            course.trouble.push(format!("{tail}, which cannot be cut off: {error}"));
        }
    }
    let untold = untold_tails(&folder, course);
    course.trouble.extend(untold);
    Ok(summary)
}

/// A run whose supervisor died, and the right to go on with it.
#[derive(Debug)]
pub struct Interrupted {
    /// Where it is kept.
    pub folder: Folder,
    /// Nobody else writes there.
    pub lock: Lock,
    /// Where its journal ends.
    pub read: Read,
    /// What was to be done.
    pub plan: Plan,
    /// What was reported.
    pub fold: Fold,
    /// How it went.
    pub course: Course,
    /// Its last entry, by the monotonic clock of then.
    pub at: Instant,
    /// And by the wall clock, from the Unix epoch.
    pub wall: Duration,
    /// What was cut off its end, in words, where that was torn.
    pub mended: Vec<String>,
}

/// The run in the folder at `path`, to go on with; `headers` are given once more where a plan keeps no
/// secrets. A torn tail is cut off.
///
/// # Errors
/// There is no run, it goes on or came to its end, it is damaged, a secret is missing, or the system
/// refuses.
pub fn interrupted(path: &Path, headers: &[(String, String)]) -> Result<Interrupted, JournalError> {
    let folder = Folder::new(path);
    folder.is_written()?;
    let lock = folder.lock()?;
    let Recorded { summary, over, at, read } = recorded(&folder, false)?;
    if over {
        return Err(JournalError::Over(folder.name()));
    }
    let Summary { mut plan, fold, mut course } = summary;
    read.torn.iter().try_for_each(|torn| mend(&folder, &lock, torn))?;
    let mended = untold_tails(&folder, &course);
    course.trouble.extend(mended.clone());
    for (name, value) in plan.loads_mut().flat_map(|load| &mut load.headers) {
        let again = headers.iter().rfind(|(given, _)| given.eq_ignore_ascii_case(name));
        match again {
            Some((_, given)) => value.clone_from(given),
            None if value == NOT_KEPT => return Err(JournalError::Secret(name.clone())),
            None => {}
        }
    }
    let (wall, monotonic) = read.clocks;
    let wall = Duration::from_nanos(wall + at.as_nanos().saturating_sub(monotonic));
    if course.children.is_empty() {
        // It died within its first second, before it told of anybody.
        course.started = wall;
        course.children = (0..plan.config.procs).map(ChildRecord::unheard).collect();
    }
    Ok(Interrupted { folder, lock, read, plan, fold, course, at, wall, mended })
}

/// Cuts off a torn tail while nobody writes.
fn mend(folder: &Folder, _lock: &Lock, torn: &Torn) -> Result<(), JournalError> {
    let cut = folder.cut(&torn.path, torn.offset as u64);
    cut.map_err(|error| JournalError::Use(folder.name(), error))
}

/// The tails that were cut off, by whomever, of which a run does not tell yet.
fn untold_tails(folder: &Folder, course: &Course) -> Vec<String> {
    let cut_off = folder.broken().into_iter().map(|(segment, offset, bytes)| {
        format!("{}, which are kept beside it as .broken", tail(&segment, offset, bytes))
    });
    cut_off.filter(|tail| !course.trouble.contains(tail)).collect()
}

fn tail(segment: &str, offset: u64, bytes: u64) -> String {
    format!("the tail of segment {segment} is torn: {bytes} bytes from byte {offset} on")
}

fn missing(hole: &Hole) -> String {
    let Hole { path, offset, records, why } = hole;
    format!("{records} records are missing at byte {offset} of {}: {why}", path.display())
}
