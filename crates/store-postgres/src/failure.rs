//! What an error of PostgreSQL means to the caller.

use std::time::Duration;

use mainspring_store::Error;
use mainspring_store::record::Unreadable;
use tokio_postgres::error::SqlState;

/// An error inside this crate, before the caller is told what to do about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// PostgreSQL, or the way to it.
    #[error("{}", text(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// A row is not what was written.
    #[error("{0}")]
    Unreadable(#[from] Unreadable),
    /// The caller's rows are not those that are stored.
    #[error("{0}")]
    Diverged(String),
    /// No answer came in time.
    #[error("the database did not answer within {} s", .0.as_secs())]
    Silent(Duration),
    /// Already in the caller's terms.
    #[error(transparent)]
    Known(#[from] Error),
}

impl Failure {
    /// Whether PostgreSQL refused with this code.
    pub(crate) fn is(&self, code: &SqlState) -> bool {
        matches!(self, Self::Postgres(error) if error.code() == Some(code))
    }

    /// Whether the connection cannot be used any longer.
    pub(crate) fn ends_connection(&self) -> bool {
        match self {
            Self::Postgres(error) => error.as_db_error().is_none_or(|error| error.severity() == "FATAL"),
            Self::Silent(_) => true,
            _ => false,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let text = failure.to_string();
        match failure {
            Failure::Known(error) => error,
            Failure::Unreadable(_) => Error::Corrupt(text),
            Failure::Diverged(_) | Failure::Silent(_) => Error::Unavailable(text),
            // PgBouncer's words; its code says only that it will not.
            Failure::Postgres(_) if text.contains("statement pooling mode") => Error::Incompatible(format!(
                "{text}: the pooler gives each statement another connection, and commits are transactions; \
                 set `pool_mode = transaction` or `session` for this database"
            )),
            Failure::Postgres(error) => match error.code() {
                Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => Error::Incompatible(format!(
                    "{text}; the role needs USAGE on the schema and SELECT, INSERT, UPDATE, DELETE on its tables"
                )),
                Some(code) if *code == SqlState::UNDEFINED_TABLE || *code == SqlState::UNDEFINED_COLUMN => {
                    Error::Incompatible(format!("{text}; the schema was changed or dropped"))
                }
                Some(code) if *code == SqlState::DATA_CORRUPTED || *code == SqlState::INDEX_CORRUPTED => {
                    Error::Corrupt(text)
                }
                Some(code) if *code == SqlState::DISK_FULL => {
                    Error::Unavailable(format!("{text}: the database's disk is full"))
                }
                Some(code) if *code == SqlState::READ_ONLY_SQL_TRANSACTION => Error::Unavailable(format!(
                    "{text}: the server is a read-only standby, or was made one; name the primary"
                )),
                _ => Error::Unavailable(text),
            },
        }
    }
}

/// What the server said, or what went wrong on the way to it.
pub(crate) fn text(error: &tokio_postgres::Error) -> String {
    use std::error::Error as _;
    if let Some(said) = error.as_db_error() {
        return format!("{} (SQLSTATE {})", said.message(), said.code().code());
    }
    match error.source() {
        Some(source) => format!("{error}").replace(&format!(": {source}"), "") + &format!(": {source}"),
        None => error.to_string(),
    }
}
