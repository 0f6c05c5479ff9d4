//! What became of a run that was kept: ended, going on, or cut short; and a summary that says so.

use super::folder::Folder;
use super::recorded::{Recorded, recorded};
use super::{Hole, JournalError, Torn};
use crate::summary::{Cut, Summary};
use std::path::Path;

/// The run in the folder at `path`, as far as it was kept. Where it was cut short or records are missing,
/// the summary says so among its faults. The torn tail of a run that nobody writes is cut off and kept
/// beside it.
///
/// # Errors
/// There is no run, it is damaged and not to be salvaged, or the system refuses.
pub fn look(path: &Path, salvage: bool) -> Result<Summary, JournalError> {
    let folder = Folder::new(path);
    let going_on = folder.is_written()?;
    let Recorded { mut summary, over, read, .. } = recorded(&folder, salvage)?;
    let after = summary.course.supervisor.elapsed.as_secs_f64();
    let mut faults = Vec::new();
    if going_on && !over {
        summary.course.cut = Some(Cut::GoingOn);
        faults.push(format!(
            "the run is going on: this is what was reported in its first {after:.1} s"
        ));
    } else if !over {
        summary.course.cut = Some(Cut::Died);
        faults.push(format!(
            "the supervisor died: nothing is known of what came after the first {after:.1} s"
        ));
    }
    if let (Some(torn), false) = (&read.torn, going_on) {
        faults.push(mended(&folder, torn));
    }
    faults.extend(read.holes.iter().map(missing));
    summary.course.faults.extend(faults);
    Ok(summary)
}

fn mended(folder: &Folder, torn: &Torn) -> String {
    let Torn { path, offset, bytes } = torn;
    let of = path.display();
    let what = format!("the last record of {of} is torn: {bytes} bytes from byte {offset} on");
    let cut = folder.lock().and_then(|_lock| {
        let cut = folder.cut(path, *offset as u64);
        cut.map_err(|error| JournalError::Folder(folder.name(), error))
    });
    match cut {
        Ok(()) => format!("{what} were cut off and kept beside it as .broken"),
        Err(error) => format!("{what} cannot be cut off: {error}"),
    }
}

fn missing(hole: &Hole) -> String {
    let Hole { path, offset, records, why } = hole;
    format!("{records} records are missing at byte {offset} of {}: {why}", path.display())
}
