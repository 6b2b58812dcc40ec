//! Copies of a store: taken while a server runs on it, and put back.
//!
//! A copy is written beside its place, checked, forced to the disk, and only then given its name: whatever has the name is
//! whole. A restored file has a new *incarnation*, so tokens that were granted after the copy was taken, or on another
//! restored file, mean nothing on it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use mainspring_store::Error;
use rusqlite::Connection;

use crate::connect;
use crate::failure::Failure;
use crate::lock::{self, Ownership};
use crate::schema;

/// What a copy holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Bytes of the file.
    pub bytes: u64,
    /// The last commit in it.
    pub commit: u64,
    /// Tasks in it.
    pub tasks: u64,
    /// Its incarnation.
    pub incarnation: u32,
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// What would be written is there already.
    #[error("`{}` exists", .0.display())]
    Exists(PathBuf),
    /// A file cannot be read or written, is no store, or a server has it.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Copies the store at `path` into the new file `to`, as of one commit. A server may be running on it.
///
/// # Errors
/// [`CopyError::Exists`] if `to` does; `Incompatible` or `Corrupt` if `path` is no store of ours; `Unavailable` if a file
/// cannot be read or written. Then there is no file `to`.
pub fn backup(path: &Path, to: &Path) -> Result<Copied, CopyError> {
    if to.exists() {
        return Err(CopyError::Exists(to.to_owned()));
    }
    let draft = copy(path, to)?;
    Ok(finish(&draft, to)?)
}

/// Puts the copy `from` in the place of the store at `path`, on which no server may be running.
///
/// # Errors
/// `Conflict` if a server has `path`; [`CopyError::Exists`] if there is a store and `replace` is false; otherwise as
/// [`backup`]. Then what stands at `path` is as it was.
pub fn restore(from: &Path, path: &Path, replace: bool) -> Result<Copied, CopyError> {
    let was_there = path.exists();
    let path = &lock::settle(path)?;
    let _ownership = Ownership::take(path)?;
    if was_there && !replace {
        return Err(CopyError::Exists(path.to_owned()));
    }
    let draft = copy(from, path)?;
    renew(&draft).inspect_err(|_| discard(&draft)).map_err(|failure| about(path, failure))?;
    for suffix in ["-wal", "-shm"] {
        let beside = with_suffix(path, suffix);
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                discard(&draft);
                return Err(failed("remove", &beside, &error).into());
            }
            _ => {}
        }
    }
    Ok(finish(&draft, path)?)
}

/// Copies what stands at `from` into a file beside `to`, and checks it there.
fn copy(from: &Path, to: &Path) -> Result<PathBuf, Error> {
    if !from.is_file() {
        return Err(Error::Unavailable(format!("there is no file `{}`", from.display())));
    }
    let source = connect::reader(from)?;
    if schema::check(&source, from)? == 0 {
        return Err(Error::Incompatible(format!("`{}` is empty, it is no store", from.display())));
    }
    let draft = with_suffix(to, ".partial");
    discard(&draft);
    let written = (|| {
        source.execute("VACUUM INTO ?1", [draft.to_string_lossy()])?;
        let copy = connect::reader(&draft).map_err(|error| Failure::Diverged(error.to_string()))?;
        match copy.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))?.as_str() {
            "ok" => Ok(()),
            damage => Err(Failure::Diverged(format!("the copy is damaged: {damage}"))),
        }
    })();
    written.inspect_err(|_| discard(&draft)).map_err(|failure| about(to, failure))?;
    Ok(draft)
}

/// Makes a copy the beginning of a life of its own.
fn renew(draft: &Path) -> Result<(), Failure> {
    let db = Connection::open(draft)?;
    let known: u32 = db.query_row("SELECT incarnation FROM shard WHERE id = 0", [], |row| row.get(0))?;
    let next = loop {
        let number = random()?;
        if number != known && number > 0 {
            break number;
        }
    };
    db.execute("UPDATE shard SET incarnation = ?1, owner = NULL", [next])?;
    db.close().map_err(|(_, error)| error.into())
}

fn random() -> Result<u32, Failure> {
    let mut bytes = [0; 4];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(|error| Failure::Diverged(format!("no random number: {error}")))?;
    Ok(u32::from_ne_bytes(bytes))
}

/// Forces a draft to the disk and gives it its name.
fn finish(draft: &Path, place: &Path) -> Result<Copied, Error> {
    let copied = describe(draft).map_err(|failure| about(place, failure))?;
    let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let named = File::open(draft)
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::rename(draft, place))
        .and_then(|()| File::open(folder)?.sync_all());
    named.inspect_err(|_| discard(draft)).map_err(|error| failed("write", place, &error))?;
    Ok(copied)
}

fn describe(file: &Path) -> Result<Copied, Failure> {
    let db = connect::reader(file).map_err(|error| Failure::Diverged(error.to_string()))?;
    let (incarnation, commit) = db.query_row("SELECT incarnation, commits FROM shard WHERE id = 0", [], |row| {
        Ok((row.get(0)?, row.get::<_, i64>(1)? as u64))
    })?;
    let tasks =
        db.query_row("SELECT coalesce(sum(number), 0) FROM task_counts", [], |row| row.get::<_, i64>(0))? as u64;
    let bytes = fs::metadata(file).map_or(0, |file| file.len());
    Ok(Copied { bytes, commit, tasks, incarnation })
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn discard(draft: &Path) {
    // What cannot be removed is in the way of the next copy, which then says so.
    let _ = fs::remove_file(draft);
}

fn failed(act: &str, path: &Path, error: &io::Error) -> Error {
    Error::Unavailable(format!("cannot {act} `{}`: {error}", path.display()))
}

fn about(path: &Path, failure: Failure) -> Error {
    match Error::from(failure) {
        Error::Unavailable(text) => Error::Unavailable(format!("`{}`: {text}", path.display())),
        Error::Corrupt(text) => Error::Corrupt(format!("`{}`: {text}", path.display())),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, SqliteStore};

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("there is room for a folder")
    }

    #[test]
    fn a_copy_is_taken_beside_a_running_server_and_restored_as_another_incarnation() {
        let folder = folder();
        let [live, copy, again] = ["live.db", "copy.db", "again.db"].map(|name| folder.path().join(name));
        let server = SqliteStore::open(&live, Options::default()).expect("the store opens");
        let taken = backup(&live, &copy).expect("it can be copied while it is open");
        assert_eq!(taken.bytes, fs::metadata(&copy).expect("the copy is there").len());
        let first = restore(&copy, &again, false).expect("nothing is in the way");
        assert_ne!(first.incarnation, taken.incarnation);
        let second = restore(&copy, &again, true).expect("it may be replaced");
        assert_ne!(second.incarnation, first.incarnation);
        assert_eq!((second.commit, second.tasks), (taken.commit, taken.tasks));
        SqliteStore::open(&again, Options::default()).expect("a restored store opens");
        drop(server);
    }

    #[test]
    fn nothing_is_overwritten_and_nothing_half_copied() {
        let folder = folder();
        let [live, copy, other] = ["live.db", "copy.db", "other.db"].map(|name| folder.path().join(name));
        let server = SqliteStore::open(&live, Options::default()).expect("the store opens");
        backup(&live, &copy).expect("it can be copied");
        assert!(matches!(backup(&live, &copy), Err(CopyError::Exists(_))));
        assert!(matches!(restore(&copy, &live, true), Err(CopyError::Store(Error::Conflict(_)))), "a server has it");
        drop(server);
        assert!(matches!(restore(&copy, &live, false), Err(CopyError::Exists(_))), "there is a store");
        fs::write(&other, "no database at all, only some text of more than a few bytes").expect("it can be written");
        assert!(matches!(restore(&other, &live, true), Err(CopyError::Store(Error::Corrupt(_)))));
        assert!(matches!(backup(&other, &folder.path().join("x.db")), Err(CopyError::Store(Error::Corrupt(_)))));
        assert!(matches!(
            backup(&folder.path().join("nobody"), &folder.path().join("x.db")),
            Err(CopyError::Store(Error::Unavailable(_)))
        ));
        let names = fs::read_dir(folder.path()).expect("it can be listed").flatten().map(|entry| entry.file_name());
        assert!(!names.map(|name| name.to_string_lossy().into_owned()).any(|name| name.contains("partial")));
        SqliteStore::open(&live, Options::default()).expect("what was there is as it was");
    }
}
