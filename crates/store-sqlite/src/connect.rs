//! Connections: the one that writes, the few that read, the one that checkpoints.

use std::path::Path;
use std::time::Duration;

use mainspring_store::Error;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::Options;
use crate::failure::Failure;
use crate::schema;

/// Statements that a connection keeps prepared.
const STATEMENTS_MAX: usize = 96;

/// Opens the connection that writes: checks that the file is ours, then brings it up to date.
///
/// # Errors
/// See [`schema::check`]; `Unavailable` where the file cannot be opened or written.
pub(crate) fn writer(path: &Path, options: &Options) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = open(path, flags)?;
    let version = schema::check(&db, path)?;
    set_up(&mut db, options, version).map_err(|failure| at(path, failure))?;
    Ok(db)
}

fn set_up(db: &mut Connection, options: &Options, version: i64) -> Result<(), Failure> {
    if version == 0 {
        db.pragma_update(None, "page_size", options.page_bytes)?;
    }
    db.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))?;
    db.pragma_update(None, "synchronous", if options.sync { "FULL" } else { "NORMAL" })?;
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    db.pragma_update(None, "cache_size", -(i64::from(options.cache_kib)))?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    if let Some(pages) = options.pages_max {
        db.pragma_update_and_check(None, "max_page_count", pages, |row| row.get::<_, i64>(0))?;
    }
    schema::migrate(db, version)
}

/// Opens a connection that only reads. The file exists and is up to date.
///
/// # Errors
/// `Unavailable` where it cannot be opened.
pub(crate) fn reader(path: &Path) -> Result<Connection, Error> {
    let db = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.pragma_update(None, "cache_size", -2048).map_err(|error| at(path, error.into()))?;
    Ok(db)
}

/// Opens the connection that moves pages from the write-ahead log to the file.
///
/// # Errors
/// `Unavailable` where it cannot be opened.
pub(crate) fn checkpointer(path: &Path) -> Result<Connection, Error> {
    let db = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.pragma_update(None, "wal_autocheckpoint", 0).map_err(|error| at(path, error.into()))?;
    Ok(db)
}

fn open(path: &Path, flags: OpenFlags) -> Result<Connection, Error> {
    let db = Connection::open_with_flags(path, flags).map_err(|error| at(path, error.into()))?;
    db.busy_timeout(Duration::from_secs(5)).map_err(|error| at(path, error.into()))?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(db)
}

/// Says which file an error is about.
fn at(path: &Path, failure: Failure) -> Error {
    let name = path.display();
    if let Failure::Sqlite(error) = &failure
        && error.sqlite_error_code() == Some(ErrorCode::CannotOpen)
    {
        return Error::Unavailable(format!("cannot open `{name}`: the folder must exist and the file be writable"));
    }
    match Error::from(failure) {
        Error::Unavailable(text) => Error::Unavailable(format!("`{name}`: {text}")),
        Error::Corrupt(text) => Error::Corrupt(format!("`{name}`: {text}")),
        other => other,
    }
}
