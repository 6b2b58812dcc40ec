//! Ownership of a database file: an operating-system lock on a file beside it, which names its owner, and one on the file
//! itself, which holds under whatever other name the file has. The system drops both with the process that held them,
//! however that process ended, so a restart never waits.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use mainspring_store::Error;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// The locks; held until they are dropped, which must be after the last connection was closed: the system forgets a
/// process' own record locks on a file, and those are SQLite's, when the process closes any descriptor of it.
#[derive(Debug)]
pub(crate) struct Ownership {
    _beside: File,
    _database: File,
}

/// The one name of the file at `path`: absolute, without links on the way. Creates an empty file where none is.
///
/// # Errors
/// `Unavailable` if it cannot be made.
pub(crate) fn settle(path: &Path) -> Result<PathBuf, Error> {
    let cannot = |error: std::io::Error| {
        let name = path.display();
        Error::Unavailable(format!("cannot open `{name}`: {error}; the folder must exist and be writable"))
    };
    if !path.exists() {
        // Nobody can have it open, so closing it again is harmless.
        OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(cannot)?;
    }
    path.canonicalize().map_err(cannot)
}

impl Ownership {
    /// Takes the locks of the database at `path`, which is settled.
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
        let database = OpenOptions::new().read(true).open(path).map_err(|error| cannot(&error))?;
        match flock(&database, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _beside: file, _database: database }),
            Err(Errno::WOULDBLOCK) => {
                // It is open under another name, perhaps in this very process: closing it here would drop its locks.
                std::mem::forget(database);
                Err(Error::Conflict(format!(
                    "another server has `{}` under another name; stop it, or start this one on another file",
                    path.display()
                )))
            }
            Err(error) => Err(cannot(&error.into())),
        }
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
