//! Opens the store that a URL names.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use mainspring_store::{Cluster, Error, MemoryMembers, MemoryStore, Part, Sharded, Store};
use mainspring_store_postgres::{Options as PostgresOptions, PostgresStore};
use mainspring_store_redis::RedisStore;
use mainspring_store_sqlite::{Options, SqliteStore};

use crate::serve::ServeError;

/// A store that may be one of several over which the shards of a cluster are spread.
trait Spread: Store + Sized + 'static {
    fn open_part(url: &str, part: Part) -> Result<Arc<Self>, Error>;
    fn cluster(&self) -> &Cluster;
    fn holds(&self) -> Range<u16>;
}

impl Spread for PostgresStore {
    fn open_part(url: &str, part: Part) -> Result<Arc<Self>, Error> {
        Self::open(url, PostgresOptions { part, ..PostgresOptions::default() })
    }

    fn cluster(&self) -> &Cluster {
        self.cluster()
    }

    fn holds(&self) -> Range<u16> {
        self.holds()
    }
}

impl Spread for RedisStore {
    fn open_part(url: &str, part: Part) -> Result<Arc<Self>, Error> {
        Self::open_part(url, part)
    }

    fn cluster(&self) -> &Cluster {
        self.cluster()
    }

    fn holds(&self) -> Range<u16> {
        self.holds()
    }
}

/// Opens the store that `url` names: `sqlite:PATH`, `postgres://…`, `redis://…` (with TLS `rediss://…`) or `memory:`. Several
/// databases of one kind over which the shards are spread are named one after the other, with commas between, always in the
/// same order.
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
        "postgres" | "postgresql" => open_spread::<PostgresStore>(url, &["postgres://", "postgresql://"]).await,
        "redis" | "rediss" => open_spread::<RedisStore>(url, &["redis://", "rediss://"]).await,
        _ => Err(bad("it must start with `sqlite:`, `postgres:`, `redis:` or `memory:`")),
    }
}

/// Several shards in memory, for this process alone.
fn in_memory(shards: u16) -> Sharded {
    let parts: Vec<_> = (0..shards).map(MemoryStore::of_shard).collect();
    let members = MemoryMembers::new(parts.clone());
    Sharded::in_memory(parts, members)
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
pub(crate) fn without_password(url: &str) -> String {
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

/// The URLs of a list with commas between. A comma inside a URL, between its hosts, stands before no scheme.
fn databases<'a>(list: &'a str, schemes: &[&str]) -> Vec<&'a str> {
    let starts_one = |rest: &str| schemes.iter().any(|scheme| rest.starts_with(scheme));
    let commas = list.match_indices(',').map(|(at, _)| at).filter(|at| starts_one(&list[at + 1..]));
    let mut urls = Vec::new();
    let mut from = 0;
    for comma in commas {
        urls.push(&list[from..comma]);
        from = comma + 1;
    }
    urls.push(&list[from..]);
    urls
}

async fn open_spread<S: Spread>(list: &str, schemes: &[&str]) -> Result<Arc<dyn Store>, ServeError> {
    let urls = databases(list, schemes);
    let of = urls.len() as u16;
    let mut parts: Vec<Arc<S>> = Vec::with_capacity(urls.len());
    for (url, place) in urls.into_iter().zip(0..) {
        let cluster = parts.first().map(|first| first.cluster().clone());
        if cluster.as_ref().is_some_and(|cluster| cluster.shards < of) {
            let reason = "there are more databases than shards: name fewer".to_owned();
            return Err(ServeError::StoreUrl { url: without_password(url), reason });
        }
        let (owned, part) = (url.to_owned(), Part { place, of, cluster });
        let opened = tokio::task::spawn_blocking(move || S::open_part(&owned, part)).await;
        let opened = opened.unwrap_or_else(|error| Err(Error::Unavailable(format!("opening it was cut off: {error}"))));
        parts.push(opened.map_err(|source| ServeError::Store { url: without_password(url), source })?);
    }
    if of == 1 {
        return Ok(parts.remove(0));
    }
    Ok(Arc::new(Sharded::new(parts.into_iter().map(|part| (part.clone() as Arc<dyn Store>, part.holds())).collect())))
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

    #[test]
    fn a_comma_parts_databases_and_hosts_of_one() {
        let databases = |list| databases(list, &["postgres://", "postgresql://"]);
        assert_eq!(databases("postgres://a,b:1/x,postgresql://c/y"), ["postgres://a,b:1/x", "postgresql://c/y"]);
        assert_eq!(databases("postgres://a/x"), ["postgres://a/x"]);
        assert_eq!(databases("postgres://a/x,"), ["postgres://a/x,"]);
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
