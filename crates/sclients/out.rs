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

/// What a series of runs leaves behind: table, JSON and picture.
#[derive(Debug)]
pub struct Trio([OutFile; 3]);

impl Trio {
    /// Makes `NAME.txt`, `NAME.json` and `NAME.svg` in `folder`, and the folder where there is none; all of
    /// them, or none.
    ///
    /// # Errors
    /// One of them is there already, or cannot be made.
    pub fn create(folder: &Path, name: &str) -> Result<Self, OutError> {
        OutFile::folder("--out", folder)?;
        let file = |end| OutFile::create("--out", &folder.join(format!("{name}.{end}")));
        let mut made = Vec::new();
        for end in ["txt", "json", "svg"] {
            match file(end) {
                Ok(file) => made.push(file),
                Err(error) => {
                    made.into_iter().for_each(OutFile::discard);
                    return Err(error);
                }
            }
        }
        Ok(Self(made.try_into().expect("each name has its file")))
    }

    /// Puts `texts` in the place of what they hold.
    ///
    /// # Errors
    /// What the system says, with the path.
    pub fn replace(&self, texts: [&str; 3]) -> io::Result<()> {
        self.0.iter().zip(texts).try_for_each(|(file, text)| file.replace(text))
    }

    /// Takes them away again: there is nothing to save.
    pub fn discard(self) {
        self.0.into_iter().for_each(OutFile::discard);
    }
}

/// The files of one run beside its journal, those that were asked for.
#[derive(Debug)]
pub struct RunFiles {
    hlog: Option<OutFile>,
    junit: Option<OutFile>,
}

/// The options that name them.
const HLOG: &str = "--hlog";
const JUNIT: &str = "--junit";

impl RunFiles {
    /// Makes them, all or none.
    ///
    /// # Errors
    /// As [`OutFile::create`].
    pub fn create(hlog: Option<&Path>, junit: Option<&Path>) -> Result<Self, OutError> {
        let hlog = hlog.map(|path| OutFile::create(HLOG, path)).transpose()?;
        match junit.map(|path| OutFile::create(JUNIT, path)).transpose() {
            Ok(junit) => Ok(Self { hlog, junit }),
            Err(error) => {
                hlog.into_iter().for_each(OutFile::discard);
                Err(error)
            }
        }
    }

    /// Writes what each is to hold.
    ///
    /// # Errors
    /// The option, and what the system says.
    pub fn write(
        self,
        hlog: impl FnOnce() -> String,
        junit: impl FnOnce() -> String,
    ) -> Result<(), (&'static str, io::Error)> {
        if let Some(file) = self.hlog {
            file.write(&hlog()).map_err(|error| (HLOG, error))?;
        }
        match self.junit {
            Some(file) => file.write(&junit()).map_err(|error| (JUNIT, error)),
            None => Ok(()),
        }
    }

    /// There was no run: writes `junit`, which says why, and takes the others away again.
    pub fn fail(self, junit: impl FnOnce() -> String) {
        self.hlog.into_iter().for_each(OutFile::discard);
        // Why there was no run is said on standard error too.
        let _ = self.junit.map(|file| file.write(&junit()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_run_are_all_made_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let [log, xml] = ["a.hlog", "a.xml"].map(|name| folder.path().join(name));
        std::fs::write(&xml, "there").unwrap();
        assert!(RunFiles::create(Some(&log), Some(&xml)).is_err() && !log.exists());
        std::fs::remove_file(&xml).unwrap();
        let files = RunFiles::create(Some(&log), Some(&xml)).unwrap();
        files.write(|| "log".to_owned(), || "xml".to_owned()).unwrap();
        let texts = [&log, &xml].map(|path| std::fs::read_to_string(path).unwrap());
        assert_eq!(texts, ["log", "xml"]);
        let other = folder.path().join("b.xml");
        let again = folder.path().join("b.hlog");
        RunFiles::create(Some(&again), Some(&other)).unwrap().fail(|| "why".to_owned());
        assert_eq!(
            (again.exists(), std::fs::read_to_string(&other).unwrap().as_str()),
            (false, "why")
        );
    }

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

    #[test]
    fn all_files_are_made_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let names = || std::fs::read_dir(folder.path()).unwrap().count();
        std::fs::write(folder.path().join("curve.svg"), "theirs").unwrap();
        assert!(matches!(Trio::create(folder.path(), "curve"), Err(OutError::Exists { .. })));
        assert_eq!(names(), 1);
        std::fs::remove_file(folder.path().join("curve.svg")).unwrap();
        let files = Trio::create(folder.path(), "curve").unwrap();
        assert_eq!(names(), 3);
        files.discard();
        assert_eq!(names(), 0);
    }
}
