//! What an error of Redis means to the caller.

use mainspring_store::Error;
use mainspring_store::record::Unreadable;
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// An error inside this crate, before the caller is told what to do about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Redis, or the way to it, said so.
    #[error("{0}")]
    Redis(#[from] RedisError),
    /// A row is not what was written.
    #[error("{0}")]
    Unreadable(#[from] Unreadable),
    /// What to do about it is known already.
    #[error("{0}")]
    Known(#[from] Error),
}

impl Failure {
    /// Whether the connection is of no further use: it is gone, or leads to a server that does not take writes.
    pub(crate) fn ends_the_connection(&self) -> bool {
        let Self::Redis(error) = self else { return false };
        let kinds = [ServerErrorKind::ReadOnly, ServerErrorKind::Moved, ServerErrorKind::BusyLoading];
        error.is_io_error()
            || error.is_timeout()
            || error.is_connection_dropped()
            || error.is_unrecoverable_error()
            || matches!(error.kind(), ErrorKind::Server(kind) if kinds.contains(&kind))
    }

    /// Whether another server of the cluster has the keys; this one did nothing.
    pub(crate) fn is_moved(&self) -> bool {
        matches!(self, Self::Redis(error) if error.kind() == ErrorKind::Server(ServerErrorKind::Moved))
    }

    /// Whether the script was not in the server's cache; then surely nothing of it ran.
    pub(crate) fn is_missing_script(&self) -> bool {
        matches!(self, Self::Redis(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript))
    }

    /// Whether Redis refused to start because its memory is full; then nothing was written.
    pub(crate) fn is_out_of_memory(&self) -> bool {
        matches!(self, Self::Redis(error) if error.code() == Some("OOM"))
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unreadable(error) => Error::Corrupt(error.to_string()),
            Failure::Known(error) => error,
            Failure::Redis(error) => of_redis(&error),
        }
    }
}

fn of_redis(error: &RedisError) -> Error {
    let code = error.code().unwrap_or_default();
    match error.kind() {
        ErrorKind::AuthenticationFailed => refused(error),
        _ if ["WRONGPASS", "NOAUTH"].contains(&code) => refused(error),
        ErrorKind::Server(ServerErrorKind::NoPerm) => Error::Unavailable(format!(
            "the user of the URL may not do this: {error}; Mainspring needs all commands on its own keys"
        )),
        ErrorKind::Server(ServerErrorKind::ReadOnly) => {
            Error::Unavailable("this Redis is a read-only replica now; looking for the primary again".to_owned())
        }
        _ if code == "OOM" => out_of_memory(),
        ErrorKind::UnexpectedReturnType | ErrorKind::Parse => Error::Corrupt(error.to_string()),
        _ if code == "WRONGTYPE" => Error::Corrupt(format!("a key has the wrong type: {error}")),
        _ if error.to_string().contains("certificate") => Error::Unavailable(format!(
            "{error}; name the authority that signed the server's certificate with `cacert=`, connect by a name that it has, and \
             show a certificate of your own with `cert=` and `key=` where the server wants one"
        )),
        _ => Error::Unavailable(error.to_string()),
    }
}

fn refused(error: &RedisError) -> Error {
    Error::Unavailable(format!(
        "Redis refused the user or the password of the URL (`redis://USER:PASSWORD@HOST:PORT`): {error}"
    ))
}

/// The memory of Redis is full.
pub(crate) fn out_of_memory() -> Error {
    Error::Unavailable(
        "Redis has reached `maxmemory`, so nothing was written; give it more (`redis-cli config set maxmemory 4gb`) \
         or keep ended tasks for a shorter time"
            .to_owned(),
    )
}
