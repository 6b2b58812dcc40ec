//! Opening a database: what it is, whether it can be used, and what it promises.

use std::ops::Range;
use std::time::Duration;

use mainspring_store::{Cluster, Durability, Error};
use tokio_postgres::error::SqlState;

use crate::failure::{Failure, text};
use crate::schema;
use crate::sql::{Session, Statement};
use crate::url::Target;

/// Longest wait for the second connection of a pool that may have only one.
const PROBE_MAX: Duration = Duration::from_secs(2);

/// What was found out about a database.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) durability: Durability,
    pub(crate) cluster: Cluster,
    /// The shards that are here.
    pub(crate) holds: Range<u16>,
    pub(crate) detail: String,
}

/// Connects, brings the schema up to date and finds out what the database promises.
///
/// # Errors
/// Says what is wrong and what to do about it.
pub(crate) async fn open(target: &Target) -> Result<(Session, About), Error> {
    let session = session(target).await?;
    check_server(&session).await?;
    schema::migrate(&session, target).await?;
    let (cluster, holds) = schema::shards(&session, target).await?;
    let about = describe(&session, target, cluster, holds).await?;
    Ok((session, about))
}

/// Connects.
pub(crate) async fn session(target: &Target) -> Result<Session, Error> {
    Session::open(target).await.map_err(|error| refused(target, &error))
}

fn refused(target: &Target, error: &tokio_postgres::Error) -> Error {
    let (said, user, database) = (text(error), target.user(), target.database());
    let Some(code) = error.code() else {
        let hint = hint(&said);
        return Error::Unavailable(format!("cannot connect to {}: {said}; {hint}", target.shown()));
    };
    if *code == SqlState::INVALID_PASSWORD || *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION {
        return Error::Unavailable(format!(
            "the server does not let role `{user}` in: {said}; check role and password"
        ));
    }
    if *code == SqlState::INVALID_CATALOG_NAME || said.contains("no such database") {
        return Error::Unavailable(format!(
            "{said}; create it with `CREATE DATABASE \"{database}\"`, or name another in the URL"
        ));
    }
    if *code == SqlState::TOO_MANY_CONNECTIONS {
        return Error::Unavailable(format!("{said}; this program needs up to 5 connections"));
    }
    Error::Unavailable(format!("cannot connect to {}: {said}", target.shown()))
}

/// What to do where no connection came about.
fn hint(said: &str) -> &'static str {
    let known = [
        ("password missing", "the server wants one"),
        ("does not support TLS", "let it (`ssl = on`), or leave `sslmode` out where nobody else can listen"),
        (
            "not valid for",
            "the server's certificate is of another name: connect by one that it has, or use `sslmode=verify-ca`",
        ),
        ("expired", "the server's certificate has run out, or a clock is wrong"),
        (
            "invalid peer certificate",
            "nobody who is trusted here signed the server's certificate: name its CA with `sslrootcert=`",
        ),
        ("TLS", "does the server take the client's certificate (`sslcert=`, `sslkey=`), and TLS 1.2 or newer?"),
    ];
    known.iter().find(|(words, _)| said.contains(words)).map_or("is the server running there?", |(_, hint)| hint)
}

/// Refuses what can never work.
async fn check_server(session: &Session) -> Result<(), Error> {
    let asked = "SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only'),
        current_setting('server_encoding'), current_setting('server_version_num')::bigint";
    let rows = session.query(Statement::new(asked)).await?;
    let row = rows.first().ok_or_else(|| Error::Unavailable("the server answered with nothing".to_owned()))?;
    let (standby, read_only): (bool, String) = (row.get(0), row.get(1));
    let (encoding, version): (String, i64) = (row.get(2), row.get(3));
    if standby {
        return Err(Error::Unavailable("the server is a read-only standby; name the primary".to_owned()));
    }
    if read_only == "on" {
        let reason = "`default_transaction_read_only` is on for this role or database; name one that may write";
        return Err(Error::Unavailable(reason.to_owned()));
    }
    if encoding != "UTF8" {
        return Err(Error::Incompatible(format!("the database's encoding is {encoding}; it must be UTF8")));
    }
    if version < 130_000 {
        return Err(Error::Incompatible(format!(
            "PostgreSQL 13 is the oldest that works; this is {}",
            version / 10_000
        )));
    }
    Ok(())
}

async fn describe(session: &Session, target: &Target, cluster: Cluster, holds: Range<u16>) -> Result<About, Error> {
    let asked = "SELECT current_setting('server_version'), current_setting('synchronous_commit'),
        current_setting('fsync'), current_setting('synchronous_standby_names')";
    let rows = session.query(Statement::new(asked)).await?;
    let row = rows.first().ok_or_else(|| Error::Unavailable("the server answered with nothing".to_owned()))?;
    let (version, commit, fsync, standbys): (String, String, String, String) =
        (row.get(0), row.get(1), row.get(2), row.get(3));
    let durability = class(&commit, &fsync, &standbys);
    let pooled = if is_pooled(session, target).await? { " pooler=transaction" } else { "" };
    let waits = if standbys.is_empty() { String::new() } else { format!(" synchronous_standby_names='{standbys}'") };
    let all = cluster.shards;
    let shards =
        if holds.len() == usize::from(all) { all.to_string() } else { format!("{}..{}/{all}", holds.start, holds.end) };
    let detail = format!(
        "{} schema={} shards={shards} version={} synchronous_commit={commit} fsync={fsync}{waits}{pooled}",
        target.shown(),
        target.schema,
        version.split(' ').next().unwrap_or_default()
    );
    Ok(About { durability, cluster, holds, detail })
}

/// What a commit promises, from the settings under which it is made.
fn class(synchronous_commit: &str, fsync: &str, standbys: &str) -> Durability {
    match synchronous_commit {
        "off" => Durability::ProcessCrash,
        _ if fsync != "on" => Durability::ProcessCrash,
        "local" => Durability::PowerLoss,
        _ if standbys.trim().is_empty() => Durability::PowerLoss,
        _ => Durability::Replicated,
    }
}

/// Whether a pooler gives each transaction the server connection that is free. It shows when a second client takes the one
/// that this client used last: this client's next statement then runs on another.
async fn is_pooled(session: &Session, target: &Target) -> Result<bool, Error> {
    let Ok(other) = Session::open(target).await else { return Ok(false) };
    let backend = |rows: Vec<tokio_postgres::Row>| rows.first().map(|row| row.get::<_, i32>(0));
    let ask = || Statement::new("SELECT pg_backend_pid()");
    let before = backend(session.query(ask()).await?);
    other.script("BEGIN").await.map_err(Error::from)?;
    _ = other.query(ask()).await.map_err(Error::from)?;
    // A pool of one connection lets nobody else in while a transaction is open: that tells as much.
    let after = tokio::time::timeout(PROBE_MAX, session.query(ask())).await;
    other.script("ROLLBACK").await.map_err(Error::from)?;
    Ok(after.map_or(Ok(true), |rows| rows.map(|rows| backend(rows) != before))?)
}

/// Which rows these are: the table that was made, the cluster and its timeline. It changes with a restore of a dump, a
/// restore of the cluster and a failover. A role that may not see the cluster sees the table alone.
pub(crate) async fn origin(session: &Session) -> Result<String, Failure> {
    let asked = Statement::new("SELECT '@shards'::regclass::oid::bigint");
    let table = session.query(asked).await?.first().map(|row| row.get::<_, i64>(0)).unwrap_or_default();
    let asked = "SELECT system_identifier::text || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
        FROM pg_control_system()";
    let cluster = session.query(Statement::new(asked)).await;
    let cluster = cluster.ok().and_then(|rows| rows.first().map(|row| row.get::<_, String>(0)));
    Ok(format!("{table}/{}", cluster.as_deref().unwrap_or("unknown")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_follows_from_the_settings() {
        for (commit, fsync, standbys, expected) in [
            ("on", "on", "", "D2"),
            ("local", "on", "a", "D2"),
            ("off", "on", "a", "D1"),
            ("on", "off", "", "D1"),
            ("on", "on", "FIRST 1 (a)", "D3"),
            ("remote_write", "on", "*", "D3"),
            ("remote_apply", "on", "", "D2"),
        ] {
            assert_eq!(class(commit, fsync, standbys).class(), expected, "{commit} {fsync} {standbys}");
        }
    }
}
