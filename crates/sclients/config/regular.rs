//! Reading a whole file that the user named: regular files only, and never more than a bound.

use super::quoted::quoted;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use thiserror::Error;

/// Why a file was not read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The system refused.
    #[error("file {} cannot be read ({error}); check the name and its permissions", quoted(.path))]
    Unreadable {
        /// The file's name.
        path: String,
        /// What the system said.
        error: io::Error,
    },
    /// A folder, a pipe or a device.
    #[error("{} is not a regular file; write its content to one", quoted(.0))]
    NotRegular(String),
    /// The file is over its bound.
    #[error("file {} is larger than {bytes_max} bytes; make it smaller", quoted(.path))]
    TooLarge {
        /// The file's name.
        path: String,
        /// The bound, inclusive.
        bytes_max: u64,
    },
}

/// The bytes of the regular file at `path`, at most `bytes_max` of them.
///
/// # Errors
/// The file is not readable, not regular, or larger.
pub fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, ReadError> {
    let name = || path.to_string_lossy().into_owned();
    let unreadable = |error| ReadError::Unreadable { path: name(), error };
    // Looked at before it is opened: to open a pipe would wait for its writer.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(ReadError::NotRegular(name()));
    }
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(unreadable)?.take(bytes_max.saturating_add(1));
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > bytes_max {
        return Err(ReadError::TooLarge { path: name(), bytes_max });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_within_the_bound_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        fs::write(&path, b"12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert!(read(&path, 4).unwrap_err().to_string().contains("larger than 4 bytes"));
        assert!(read(folder.path(), 4).unwrap_err().to_string().contains("not a regular file"));
        assert!(read(Path::new("/dev/zero"), 4).unwrap_err().to_string().contains("not a regular"));
        let missing = read(Path::new("/nosuch/file"), 4).unwrap_err().to_string();
        assert!(missing.contains("`/nosuch/file` cannot be read (No such file"), "{missing}");
    }
}
