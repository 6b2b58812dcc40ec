//! What an error of SQLite means to the caller.

use mainspring_store::Error;
use mainspring_store::record::Unreadable;
use rusqlite::ErrorCode;

/// An error inside this crate, before the caller is told what to do about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// SQLite said so.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A row is not what was written.
    #[error("{0}")]
    Unreadable(#[from] Unreadable),
    /// The caller's rows are not those that are stored.
    #[error("{0}")]
    Diverged(String),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let text = failure.to_string();
        match failure {
            Failure::Unreadable(_) => Error::Corrupt(text),
            Failure::Diverged(_) => Error::Unavailable(text),
            Failure::Sqlite(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Error::Corrupt(text),
                Some(ErrorCode::DiskFull) => Error::Unavailable(format!("{text}: the disk is full")),
                Some(ErrorCode::ReadOnly) => Error::Unavailable(format!("{text}: the file cannot be written")),
                Some(ErrorCode::OperationInterrupted) => Error::Unavailable("the read took longer than 1 s".to_owned()),
                None if matches!(error, rusqlite::Error::FromSqlConversionFailure(..)) => Error::Corrupt(text),
                _ => Error::Unavailable(text),
            },
        }
    }
}
