//! Opens the store that a URL names.

use std::path::PathBuf;
use std::sync::Arc;

use mainspring_store::{Error, Members, MemoryMembers, MemoryStore, Sharded, Store};
use mainspring_store_postgres::PostgresStore;
use mainspring_store_redis::RedisStore;
use mainspring_store_sqlite::{Options, SqliteStore};

use crate::serve::ServeError;

/// Opens the store that `url` names: `sqlite:PATH`, `postgres://…`, `redis://…` or `memory:`.
pub async fn store(url: &str) -> Result<Arc<dyn Store>, ServeError> {
    let bad = |reason: &str| ServeError::StoreUrl { url: without_password(url), reason: reason.to_owned() };
    let (scheme, rest) =
        url.split_once(':').ok_or_else(|| bad("it must start with `sqlite:`, `postgres:`, `redis:` or `memory:`"))?;
    match scheme {
        "memory" if rest.is_empty() => Ok(Arc::new(MemoryStore::new())),
        "memory" => match rest.strip_prefix("?shards=").map(str::parse) {
            Some(Ok(shards @ 1..=256)) => Ok(Arc::new(in_memory(shards))),
            _ => Err(bad("`memory:` takes nothing behind the colon but `?shards=N`, 1 to 256")),
        },
        "sqlite" => {
            let path = sqlite_file(url)?;
            open_sqlite(path).await.map_err(|source| ServeError::Store { url: url.to_owned(), source })
        }
        "postgres" | "postgresql" => open_postgres(url.to_owned())
            .await
            .map_err(|source| ServeError::Store { url: without_password(url), source }),
        "redis" | "rediss" => {
            open_redis(url.to_owned()).await.map_err(|source| ServeError::Store { url: without_password(url), source })
        }
        _ => Err(bad("it must start with `sqlite:`, `postgres:`, `redis:` or `memory:`")),
    }
}

/// Several shards in memory, for this process alone.
fn in_memory(shards: u16) -> Sharded {
    let parts: Vec<_> = (0..shards).map(|_| MemoryStore::new()).collect();
    let members: Arc<dyn Members> = Arc::new(MemoryMembers::new(parts.clone()));
    Sharded::new(parts.into_iter().map(|part| Arc::new(part) as Arc<dyn Store>).collect(), Some(members))
}

/// The file that `sqlite:PATH` names.
///
/// # Errors
/// Any other URL.
pub fn sqlite_file(url: &str) -> Result<PathBuf, ServeError> {
    let bad = |reason: &str| ServeError::StoreUrl { url: without_password(url), reason: reason.to_owned() };
    let rest = url.strip_prefix("sqlite:").ok_or_else(|| bad("it must start with `sqlite:`"))?;
    match rest.strip_prefix("//").unwrap_or(rest) {
        "" => Err(bad("the path of the file is missing: `sqlite:mainspring.db`")),
        path => Ok(PathBuf::from(path)),
    }
}

/// The URL with `***` where a password stands, and without what follows a `?`, where one may stand too.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    let Some((user, host)) = rest.rsplit_once('@') else { return format!("{scheme}://{rest}") };
    let user = user.split_once(':').map_or(user, |(user, _)| user);
    format!("{scheme}://{user}:***@{host}")
}

async fn open_sqlite(path: PathBuf) -> Result<Arc<dyn Store>, Error> {
    let open = || SqliteStore::open(path, Options::default());
    let opened = tokio::task::spawn_blocking(open).await;
    Ok(opened.map_err(|error| Error::Unavailable(format!("opening it was cut off: {error}")))??)
}

async fn open_postgres(url: String) -> Result<Arc<dyn Store>, Error> {
    let open = move || PostgresStore::open(&url, mainspring_store_postgres::Options::default());
    let opened = tokio::task::spawn_blocking(open).await;
    Ok(opened.map_err(|error| Error::Unavailable(format!("opening it was cut off: {error}")))??)
}

async fn open_redis(url: String) -> Result<Arc<dyn Store>, Error> {
    let opened = tokio::task::spawn_blocking(move || RedisStore::open(&url)).await;
    Ok(opened.map_err(|error| Error::Unavailable(format!("opening it was cut off: {error}")))??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_does_not_reach_an_error_message() {
        assert_eq!(without_password("ftp://me:s:3@cret@host/x"), "ftp://me:***@host/x");
        assert_eq!(without_password("sqlite:a@b"), "sqlite:a@b");
        assert_eq!(without_password("postgres://host/x?password=s3cret"), "postgres://host/x");
    }

    #[tokio::test]
    async fn a_database_that_is_refused_is_named_without_its_password() {
        for url in ["postgres://u:s3cret@127.0.0.1:1/d", "postgresql://u:s3cret@127.0.0.1:1/d?sslmode=require"] {
            let Some(error @ ServeError::Store { .. }) = store(url).await.err() else {
                panic!("{url} was not refused")
            };
            let said = error.to_string();
            assert!(said.contains("u:***@127.0.0.1:1/d") && !said.contains("s3cret"), "{said}");
        }
    }

    #[tokio::test]
    async fn a_url_of_no_store_says_how_it_must_start() {
        for url in ["sqlite:", "memory:x", "what", "ftp://x"] {
            assert!(matches!(store(url).await.err(), Some(ServeError::StoreUrl { .. })), "{url}");
        }
    }

    #[tokio::test]
    async fn a_redis_that_cannot_be_used_is_named_without_its_password() {
        let error = store("redis://me:secret@127.0.0.1:1/0?what=1").await.err().expect("no such option").to_string();
        assert!(error.contains("redis://me:***@127.0.0.1:1/0") && !error.contains("secret"), "{error}");
    }
}
