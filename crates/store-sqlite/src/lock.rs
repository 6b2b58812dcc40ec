//! Ownership of a database file: an operating-system lock on a file beside it. The system drops the lock with the process
//! that held it, however that process ended, so a restart never waits.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use mainspring_store::Error;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// The lock; held until it is dropped.
#[derive(Debug)]
pub(crate) struct Ownership {
    _file: File,
}

impl Ownership {
    /// Takes the lock of the database at `path`.
    ///
    /// # Errors
    /// `Conflict` if another process (or another store in this one) has it, `Unavailable` if the file cannot be made.
    pub(crate) fn take(path: &Path) -> Result<Self, Error> {
        let lock = lock_path(path);
        let cannot = |error: &std::io::Error| {
            Error::Unavailable(format!(
                "cannot open the lock file `{}`: {error}; the folder must exist and be writable",
                lock.display()
            ))
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock)
            .map_err(|error| cannot(&error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(taken(path, &mut file)),
            Err(error) => return Err(cannot(&error.into())),
        }
        // The number is only a help for people; the lock is what counts.
        _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

fn taken(path: &Path, file: &mut File) -> Error {
    let mut holder = String::new();
    _ = file.read_to_string(&mut holder);
    let holder = match holder.trim() {
        "" => String::new(),
        process => format!(" (process {process})"),
    };
    Error::Conflict(format!(
        "another server{holder} has `{}`; stop it, or start this one on another file",
        path.display()
    ))
}
