//! Files that a run leaves behind. Each is made before the first connection, so that a path that cannot
//! be written is known while nothing is lost, and none is written over.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file of which nothing is written yet.
#[derive(Debug)]
pub struct OutFile {
    path: PathBuf,
    file: File,
}

/// Why a file cannot be made or written; exit code 2 before a run.
#[derive(Debug, thiserror::Error)]
pub enum OutError {
    /// It is there already.
    #[error("{option} {path}: there is such a file; move it, or name another")]
    Exists {
        /// The option that names it.
        option: &'static str,
        /// As given.
        path: String,
    },
    /// The system refuses.
    #[error("{option} {path}: {error}; name another place")]
    Refused {
        /// The option that names it.
        option: &'static str,
        /// As given.
        path: String,
        /// What the system says.
        error: io::Error,
    },
}

impl OutFile {
    /// Makes the file at `path`, which `option` named.
    ///
    /// # Errors
    /// It is there already, or cannot be made.
    pub fn create(option: &'static str, path: &Path) -> Result<Self, OutError> {
        let made = OpenOptions::new().write(true).create_new(true).open(path);
        let name = || path.display().to_string();
        match made {
            Ok(file) => Ok(Self { path: path.to_owned(), file }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(OutError::Exists { option, path: name() })
            }
            Err(error) => Err(OutError::Refused { option, path: name(), error }),
        }
    }

    /// Makes the folder at `path`, which `option` named, where there is none.
    ///
    /// # Errors
    /// It cannot be made, or is something else.
    pub fn folder(option: &'static str, path: &Path) -> Result<(), OutError> {
        let refused = |error| OutError::Refused { option, path: path.display().to_string(), error };
        std::fs::create_dir_all(path).map_err(refused)
    }

    /// Puts `text` in the place of what the file holds, whole: whoever reads it meanwhile, or after a
    /// crash, finds the one or the other.
    ///
    /// # Errors
    /// What the system says, with the path.
    pub fn replace(&self, text: &str) -> io::Result<()> {
        let mut next = self.path.clone().into_os_string();
        // By the process: no file that another made has this name.
        next.push(format!(".{}.next", std::process::id()));
        let written = std::fs::write(&next, text).and_then(|()| std::fs::rename(&next, &self.path));
        written.map_err(|error| io::Error::other(format!("{}: {error}", self.path.display())))
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// What the system says, with the path.
    pub fn write(mut self, text: &str) -> io::Result<()> {
        let written = self.file.write_all(text.as_bytes());
        written.map_err(|error| io::Error::other(format!("{}: {error}", self.path.display())))
    }

    /// Takes the file away again: there is nothing to write.
    pub fn discard(self) {
        let _ = std::fs::remove_file(self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_never_written_over_and_what_is_empty_is_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.hlog");
        OutFile::create("--hlog", &path).unwrap().write("text").unwrap();
        let again = OutFile::create("--hlog", &path).unwrap_err().to_string();
        assert_eq!(
            again,
            format!("--hlog {}: there is such a file; move it, or name another", path.display())
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "text");
        let other = folder.path().join("b.hlog");
        OutFile::create("--hlog", &other).unwrap().discard();
        assert!(!other.exists());
        let file = OutFile::create("--out", &other).unwrap();
        file.replace("one").unwrap();
        file.replace("two").unwrap();
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        let nowhere = OutFile::create("--hlog", &folder.path().join("no/c")).unwrap_err();
        assert!(matches!(nowhere, OutError::Refused { .. }), "{nowhere}");
    }
}
