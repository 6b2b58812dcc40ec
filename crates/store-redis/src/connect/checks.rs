//! What a Redis must be like before anything is trusted to it.

use std::collections::HashMap;
use std::sync::Arc;

use mainspring_store::{Durability, Error};
use redis::aio::MultiplexedConnection;

use crate::failure::Failure;
use crate::url::StoreUrl;

/// The oldest version that runs our scripts as they are meant.
const VERSION_MIN: u64 = 7;

/// What a server said of itself.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) durability: Durability,
    /// Settings that a person wants to see.
    pub(crate) detail: String,
    /// Names this run of the server, where the next one may lack what it acknowledged; else empty.
    pub(crate) run: Arc<str>,
}

/// Looks at a server.
///
/// # Errors
/// `Incompatible` where it will not do, with the command that mends it.
pub(crate) async fn check(connection: &mut MultiplexedConnection, url: &StoreUrl) -> Result<Found, Failure> {
    let info: String = redis::cmd("INFO").query_async(connection).await?;
    let info = parse(&info);
    if info.get("loading") == Some(&"1") {
        return Err(Error::Unavailable("Redis is still loading its data".to_owned()).into());
    }
    // A hosted Redis may forbid this command; then the most careful answer is taken.
    let asked: Result<HashMap<String, String>, _> =
        redis::cmd("CONFIG").arg("GET").arg("appendfsync").query_async(connection).await;
    let fsync = asked.ok().and_then(|answer| answer.get("appendfsync").cloned());
    Ok(judge(&info, fsync.as_deref(), url)?)
}

/// The lines `name:value` of an `INFO`.
fn parse(info: &str) -> HashMap<&str, &str> {
    info.lines().filter_map(|line| line.trim_end().split_once(':')).collect()
}

fn judge(info: &HashMap<&str, &str>, fsync: Option<&str>, url: &StoreUrl) -> Result<Found, Error> {
    let get = |name: &str| info.get(name).copied().unwrap_or_default();
    let version = get("redis_version");
    let major = version.split('.').next().and_then(|major| major.parse::<u64>().ok());
    if major.is_some_and(|major| major < VERSION_MIN) {
        return Err(Error::Incompatible(format!(
            "Redis {version} at {} is too old; version {VERSION_MIN} or later is needed",
            url.place()
        )));
    }
    if get("role") == "slave" {
        return Err(Error::Unavailable(format!(
            "Redis at {} is a replica; name its primary, {}:{}",
            url.place(),
            get("master_host"),
            get("master_port")
        )));
    }
    let policy = get("maxmemory_policy");
    if !policy.is_empty() && policy != "noeviction" {
        return Err(Error::Incompatible(format!(
            "Redis at {} may evict keys (`maxmemory-policy {policy}`), and with them tasks; \
             mend it with `redis-cli config set maxmemory-policy noeviction`, and in redis.conf",
            url.place()
        )));
    }
    if get("aof_enabled") != "1" {
        return without_aof(url);
    }
    let (durability, said) = match fsync {
        Some("always") => (Durability::PowerLoss, "always"),
        Some("everysec") => (
            Durability::ProcessCrash,
            "everysec: a loss of power may lose the last second, a crash what a slow disk held up",
        ),
        Some("no") => (Durability::ProcessCrash, "no: a loss of power may lose the last half minute"),
        _ => (Durability::ProcessCrash, "unknown: this user may not ask"),
    };
    let detail = format!("{} Redis {version} prefix={} appendonly=yes appendfsync={said}", url.place(), url.prefix);
    let run = if durability == Durability::PowerLoss { "" } else { get("run_id") }.into();
    Ok(Found { durability, detail, run })
}

fn without_aof(url: &StoreUrl) -> Result<Found, Error> {
    if !url.without_aof {
        return Err(Error::Incompatible(format!(
            "Redis at {} keeps no append-only file, so a restart of it would lose tasks; \
             mend it with `redis-cli config set appendonly yes`, and in redis.conf, \
             or add `?aof=optional` to the URL if losing everything is fine",
            url.place()
        )));
    }
    let detail = format!("{} prefix={} appendonly=no: a restart of Redis loses everything", url.place(), url.prefix);
    Ok(Found { durability: Durability::Memory, detail, run: "".into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(info: &str, fsync: Option<&str>, url: &str) -> Result<Found, String> {
        let url = StoreUrl::parse(url).expect("it is good");
        judge(&parse(info), fsync, &url).map_err(|error| error.to_string())
    }

    const GOOD: &str =
        "# Server\r\nredis_version:7.0.15\r\nrole:master\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n";

    #[test]
    fn durability_follows_from_the_fsync() {
        let class = |fsync| found(GOOD, fsync, "redis://h").expect("it will do").durability.class();
        assert_eq!(
            [class(Some("always")), class(Some("everysec")), class(Some("no")), class(None)],
            ["D2", "D1", "D1", "D1"]
        );
    }

    #[test]
    fn what_will_not_do_is_refused_with_what_mends_it() {
        for (from, to, says) in [
            ("7.0.15", "6.2.1", "version 7 or later"),
            (
                "role:master",
                "role:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:6379",
                "name its primary, 10.0.0.1:6379",
            ),
            ("noeviction", "allkeys-lru", "config set maxmemory-policy noeviction"),
            ("aof_enabled:1", "aof_enabled:0", "config set appendonly yes"),
        ] {
            let error = found(&GOOD.replace(from, to), Some("always"), "redis://h").expect_err(from);
            assert!(error.contains(says), "{error}");
        }
        let volatile = found(&GOOD.replace("aof_enabled:1", "aof_enabled:0"), None, "redis://h?aof=optional");
        assert_eq!(volatile.expect("it was allowed").durability, Durability::Memory);
    }
}
