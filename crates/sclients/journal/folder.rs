//! The folder of a run: its journal's segments, its lock, its summary.
//!
//! Readable by its owner alone: a plan names hosts and carries headers.

use super::JournalError;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

const JOURNAL: &str = "journal";
const LOCK: &str = "lock";
const SUMMARY: &str = "summary.json";
const BROKEN: &str = "broken";

/// The folder of a run, as it was named.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

/// The right to write in a folder. It ends with the process that holds it.
#[derive(Debug)]
pub struct Lock {
    held: Flock<File>,
    /// What is written is the run of this process.
    writes: bool,
}

impl Lock {
    /// Says in the file who writes. That is taken back when the writer comes to its own end: a number that
    /// stands there when nobody holds the lock is that of a supervisor that died.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&mut self) -> io::Result<()> {
        let pid = format!("{}\n", std::process::id());
        // What stands there is written over: where that fails it is still told.
        self.held.rewind()?;
        self.held.write_all(pid.as_bytes())?;
        self.held.set_len(pid.len() as u64)?;
        self.writes = true;
        Ok(())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.writes && !std::thread::panicking() {
            // It needs no room: a full disk takes it too.
            let _ = self.held.set_len(0);
        }
    }
}

impl Folder {
    /// The folder at `path`.
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Its name, as given.
    pub fn name(&self) -> String {
        self.0.display().to_string()
    }

    /// Makes the folder for a new run, and locks it.
    ///
    /// # Errors
    /// It holds a run already, or the system refuses.
    pub fn make(&self) -> Result<Lock, JournalError> {
        let refused = |error| JournalError::Folder(self.name(), error);
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&self.0).map_err(refused)?;
        if fs::read_dir(&self.0).map_err(refused)?.next().is_none() {
            // It may have been there, for others to read.
            fs::set_permissions(&self.0, fs::Permissions::from_mode(0o700)).map_err(refused)?;
        }
        let mut lock = self.lock()?;
        match builder.recursive(false).create(self.0.join(JOURNAL)) {
            Ok(()) => lock.write().map(|()| lock).map_err(refused),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(JournalError::Taken(self.name()))
            }
            Err(error) => Err(refused(error)),
        }
    }

    /// Locks it: nobody else writes in it as long as the lock is held.
    ///
    /// # Errors
    /// Somebody does, or the system refuses.
    pub fn lock(&self) -> Result<Lock, JournalError> {
        let refused = |error| JournalError::Use(self.name(), error);
        let opened = private().read(true).create(true).truncate(false).open(self.0.join(LOCK));
        match Flock::lock(opened.map_err(refused)?, FlockArg::LockExclusiveNonblock) {
            Ok(held) => Ok(Lock { held, writes: false }),
            Err((file, nix::errno::Errno::EWOULDBLOCK)) => {
                let who = match written_by(file) {
                    // A reader looks whether somebody writes, or a writer has begun right now.
                    None => "another process".to_owned(),
                    Some(pid) => format!("process {pid}"),
                };
                Err(JournalError::Locked(self.name(), who))
            }
            Err((_, error)) => Err(refused(error.into())),
        }
    }

    /// Whether the last supervisor that wrote in it, which does not any more, came to its own end.
    pub fn was_left(&self) -> bool {
        File::open(self.0.join(LOCK)).is_ok_and(|lock| written_by(lock).is_none())
    }

    /// Whether a process writes in it now.
    ///
    /// # Errors
    /// There is no run in it, or the system refuses.
    pub fn is_written(&self) -> Result<bool, JournalError> {
        if !self.0.join(JOURNAL).is_dir() {
            return Err(JournalError::NoRun(self.name()));
        }
        let refused = |error| JournalError::Use(self.name(), error);
        let path = self.0.join(LOCK);
        let file = File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => JournalError::NoLock(path.display().to_string()),
            _ => refused(error),
        })?;
        match Flock::lock(file, FlockArg::LockSharedNonblock) {
            Ok(_) => Ok(false),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(true),
            Err((_, error)) => Err(refused(error.into())),
        }
    }

    /// The segments, by number.
    ///
    /// # Errors
    /// There is no journal here, or the system refuses.
    pub fn segments(&self) -> Result<Vec<(u32, PathBuf)>, JournalError> {
        let listed = fs::read_dir(self.0.join(JOURNAL)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => JournalError::NoRun(self.name()),
            _ => JournalError::Use(self.name(), error),
        })?;
        let mut segments = Vec::new();
        for entry in listed {
            let entry = entry.map_err(|error| JournalError::Use(self.name(), error))?;
            let name = entry.file_name();
            // Copies of what was cut off stand beside them.
            let Some(name) = name.to_str().filter(|name| name.len() == 8) else { continue };
            if let Ok(number) = name.parse() {
                segments.push((number, entry.path()));
            }
        }
        segments.sort();
        Ok(segments)
    }

    /// Makes segment `number`, which must not be there.
    ///
    /// # Errors
    /// What the system says.
    pub fn create_segment(&self, number: u32) -> io::Result<File> {
        let path = self.0.join(JOURNAL).join(format!("{number:08}"));
        let file = private().append(true).create_new(true).open(path)?;
        // The name is to outlive a crash as the data does.
        File::open(self.0.join(JOURNAL))?.sync_all()?;
        Ok(file)
    }

    /// Takes segment `number` away if it can.
    pub fn remove_segment(&self, number: u32) {
        let _ = fs::remove_file(self.0.join(JOURNAL).join(format!("{number:08}")));
    }

    /// Cuts the segment at `path` to `bytes`; what is behind them is kept beside it, with `.broken` in
    /// the place where an extension would be.
    ///
    /// # Errors
    /// What the system says; the segment is as it was then.
    pub fn cut(&self, path: &Path, bytes: u64) -> io::Result<()> {
        let mut segment = private().read(true).open(path)?;
        segment.seek(SeekFrom::Start(bytes))?;
        let mut broken = private().create(true).truncate(true).open(path.with_extension(BROKEN))?;
        io::copy(&mut segment, &mut broken)?;
        broken.sync_all()?;
        segment.set_len(bytes)?;
        segment.sync_all()
    }

    /// What was cut off: the name of each segment, where it ends since, and how many bytes stood behind that.
    pub fn broken(&self) -> Vec<(String, u64, u64)> {
        let of_segment = |(_, path): (u32, PathBuf)| {
            let bytes = |path: &Path| fs::metadata(path).ok().map(|file| file.len());
            let name = path.file_name()?.to_string_lossy().into_owned();
            Some((name, bytes(&path)?, bytes(&path.with_extension(BROKEN))?))
        };
        self.segments().into_iter().flatten().filter_map(of_segment).collect()
    }

    /// Writes the summary: whoever reads it finds all of it or none.
    ///
    /// # Errors
    /// What the system says.
    pub fn write_summary(&self, text: &str) -> io::Result<()> {
        let next = self.0.join(format!("{SUMMARY}.{}.next", std::process::id()));
        let written = private().create(true).truncate(true).open(&next).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&next, self.0.join(SUMMARY))
        });
        if written.is_err() {
            let _ = fs::remove_file(&next);
        }
        written.and_then(|()| File::open(&self.0)?.sync_all())
    }
}

/// The process that writes, as it says in its lock; none where none says so.
fn written_by(lock: File) -> Option<i32> {
    let mut pid = String::new();
    lock.take(16).read_to_string(&mut pid).ok()?;
    pid.trim().parse().ok()
}

/// For writing, for the owner alone, never through a link.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600).custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits());
    options
}
