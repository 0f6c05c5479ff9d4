//! The journal of a run: the tape of its pipes, kept so that nothing measured is lost whatever dies.
//!
//! Once a second the supervisor cuts off what was reported since ([`crate::recent`]) and hands it to a
//! [`Keeper`], whose threads write it as one record of a segment ([`segment`]) and sync it. [`read`]
//! takes a journal apart again, of a run that ended, goes on or died, and [`Recorded`] is the run that
//! comes of it, by the same fold as the live one. Nothing here runs on a dispatch loop.
//!
//! ```text
//! DIR/lock, DIR/journal/00000001 …, DIR/summary.json
//! ```

mod entry;
mod folder;
mod keeper;
pub mod kept_run;
mod reader;
mod recorded;
pub mod segment;
mod writer;

pub use entry::{Draft, begun, payload};
pub use folder::{Folder, Lock};
pub use keeper::{Files, Keeper, Told};
pub use reader::{Hole, Read, Torn, read};
pub use recorded::{Recorded, recorded};
pub use writer::{Disk, End, Payload, Segment, Writer};

use crate::plan::Plan;
use std::io;
use std::path::{Path, PathBuf};

/// Why a journal cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system refuses to make it.
    #[error("{0}: {1}; name another folder")]
    Folder(String, io::Error),
    /// The system refuses what has to be done in it.
    #[error("{0}: {1}; see that it can be read and written, and that there is room")]
    Use(String, io::Error),
    /// Nobody knows whether somebody writes there.
    #[error(
        "{0} is missing, which says whether the run goes on; make an empty one if nobody writes there"
    )]
    NoLock(String),
    /// There is a run in it.
    #[error("{0} holds a run; name another folder, or look at it with `sclients report {0}`")]
    Taken(String),
    /// Another process writes there.
    #[error("{0} is being written by {1}; wait for its end, or name another folder")]
    Locked(String, String),
    /// There is none in it.
    #[error("{0} holds no run; name a folder that --out made")]
    NoRun(String),
    /// A segment does not begin as one.
    #[error("no header of a segment, or a damaged one")]
    NoHeader,
    /// A segment of a later version.
    #[error("written by a later version of the journal ({0}); read it with that program")]
    Version(u32),
    /// A segment cannot be used as it is.
    #[error("{}: {why} at byte {offset}; sclients report --salvage reads what is behind it and says what is missing", .path.display())]
    Corrupt {
        /// The segment.
        path: PathBuf,
        /// Where.
        offset: usize,
        /// What.
        why: String,
    },
    /// It came to its end.
    #[error("{0} holds a run that came to its end; look at it with `sclients report {0}`")]
    Over(String),
    /// The plan lacks what is not kept.
    #[error(
        "the value of header {0} was not kept, since it is a secret; give it again with -H '{0}: …'"
    )]
    Secret(String),
    /// The plan is of a version that this one cannot read.
    #[error("{0} was kept by sclients {1}, whose plan this version ({here}) cannot read; use that one", here = env!("CARGO_PKG_VERSION"))]
    Plan(String, String),
    /// The first entry is not there: nobody knows what the run was.
    #[error("{0}: its first entry, which holds the plan, cannot be read")]
    NoPlan(String),
}

/// A journal that is being written, and the right to do so.
#[derive(Debug)]
pub struct Journal {
    /// The threads.
    pub keeper: Keeper,
    lock: Lock,
}

impl Journal {
    /// Makes the folder at `path` for a run of `plan`, and writes that down.
    ///
    /// # Errors
    /// The folder holds a run, or the system refuses. Nothing was begun then.
    pub fn create(path: &Path, plan: &Plan) -> Result<Self, JournalError> {
        let folder = Folder::new(path);
        let lock = folder.make()?;
        let begun = entry::begun(plan);
        Self::write_on(folder, lock, run_number(), End::default(), &begun)
    }

    /// Goes on with the journal of a run behind its `end`, as `plan` has it now.
    ///
    /// # Errors
    /// The system refuses.
    pub fn go_on(
        folder: Folder,
        lock: Lock,
        run: [u8; 16],
        end: End,
        plan: &Plan,
    ) -> Result<Self, JournalError> {
        let (begun, name) = (entry::begun(plan), folder.name());
        let mut journal = Self::write_on(folder, lock, run, end, &begun)?;
        // Not before: where it cannot go on, it is still the run of who died.
        journal.lock.write().map_err(|error| JournalError::Use(name, error))?;
        Ok(journal)
    }

    fn write_on(
        folder: Folder,
        lock: Lock,
        run: [u8; 16],
        end: End,
        first: &Payload,
    ) -> Result<Self, JournalError> {
        let name = folder.name();
        let disk = Box::new(Files(folder.clone()));
        let keeper = Keeper::start(folder, disk, run, end, first);
        let keeper = keeper.map_err(|error| JournalError::Use(name, error))?;
        Ok(Self { keeper, lock })
    }
}

/// A number that no other run has. It needs no quality beyond that.
fn run_number() -> [u8; 16] {
    use std::hash::{BuildHasher, RandomState};
    let drawn = [0, 1].map(|half: u8| RandomState::new().hash_one((half, std::process::id())));
    let mut number = [0; 16];
    number[..8].copy_from_slice(&drawn[0].to_le_bytes());
    number[8..].copy_from_slice(&drawn[1].to_le_bytes());
    number
}
