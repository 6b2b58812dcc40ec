//! Embedded migrations, forward only, and the check that a schema is ours and fits this program.
//!
//! A migration expands; what it leaves behind is dropped one version later. So each names the oldest program that can
//! still use the schema, and that program accepts it.

use std::ops::Range;

use mainspring_store::{Cluster, Error};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use crate::failure::Failure;
use crate::sql::{Session, Statement};
use crate::url::Target;

/// A step from the versions before.
struct Migration {
    version: i64,
    script: &'static str,
    /// The oldest version that a program must know to use the schema after the step.
    usable_from: i64,
}

const fn migration(version: i64, script: &'static str, usable_from: i64) -> Migration {
    Migration { version, script, usable_from }
}

/// In order.
const MIGRATIONS: &[Migration] = &[
    migration(1, include_str!("schema/0001.sql"), 1),
    migration(2, include_str!("schema/0002.sql"), 2),
    migration(3, include_str!("schema/0003.sql"), 2),
    migration(4, include_str!("schema/0004.sql"), 2),
    migration(5, include_str!("schema/0005.sql"), 2),
    migration(6, include_str!("schema/0006.sql"), 2),
    migration(7, include_str!("schema/0007.sql"), 2),
    migration(8, include_str!("schema/0008.sql"), 2),
    migration(9, include_str!("schema/0009.sql"), 9),
    migration(10, include_str!("schema/0010.sql"), 9),
];

/// The version after all of them.
const LATEST: i64 = MIGRATIONS[MIGRATIONS.len() - 1].version;

/// How many shards a schema gets, unless the URL says otherwise.
const SHARDS: u16 = 16;

/// Under which starts exclude each other: `MSPR`.
const LOCK: i64 = 0x4d53_5052;

/// Brings the schema up to date, or refuses it.
///
/// # Errors
/// `Incompatible` if it is another program's or newer than this one, or where the role has not the rights.
pub(crate) async fn migrate(session: &Session, target: &Target) -> Result<(), Error> {
    if let Some(version) = version(session, target).await?
        && version >= LATEST
    {
        return Ok(());
    }
    let done = migrate_locked(session, target).await;
    if done.is_err() {
        // The transaction may still be open; on a connection that is gone this does nothing.
        _ = session.script("ROLLBACK").await;
    }
    done.map_err(|failure| match failure {
        failure if failure.is(&SqlState::INSUFFICIENT_PRIVILEGE) => Error::Incompatible(rights(target, &failure)),
        failure => failure.into(),
    })
}

async fn migrate_locked(session: &Session, target: &Target) -> Result<(), Failure> {
    session.script(&format!("BEGIN; SELECT pg_advisory_xact_lock({LOCK})")).await?;
    match version(session, target).await? {
        Some(from) => step_from(session, from).await?,
        None => {
            create(session, target).await?;
            step_from(session, 0).await?;
            make_shards(session, target).await?;
        }
    }
    session.script("COMMIT").await
}

/// Gives a new schema its shards, for good. One that an older version made keeps its one.
async fn make_shards(session: &Session, target: &Target) -> Result<(), Failure> {
    let part = &target.part;
    let shards = part.cluster.as_ref().map_or(target.shards.unwrap_or(SHARDS), |cluster| cluster.shards);
    let range = part.range(shards);
    let bounds = |sql: &'static str| Statement::new(sql).int(i64::from(range.start)).int(i64::from(range.end));
    for make in [
        "INSERT INTO @shards (id, incarnation, epoch) SELECT id, 1, 0 FROM generate_series($1, $2 - 1) AS id
            ON CONFLICT DO NOTHING",
        "INSERT INTO @folds SELECT id, 0, 0, 0, 0, 0 FROM generate_series($1, $2 - 1) AS id ON CONFLICT DO NOTHING",
        "DELETE FROM @shards WHERE id < $1 OR id >= $2",
        "DELETE FROM @folds WHERE shard < $1 OR shard >= $2",
    ] {
        session.query(bounds(make)).await?;
    }
    session.query(Statement::new("UPDATE @cluster SET shards = $1").int(i64::from(shards))).await?;
    if let Some(cluster) = &part.cluster {
        let key = Statement::new("UPDATE @cluster SET key = $1").bind(cluster.key.to_vec(), Type::BYTEA);
        session.query(key).await?;
    }
    Ok(())
}

/// What was settled when the schema was made, and which shards it holds.
///
/// # Errors
/// `Incompatible` if the URL asks for another number, or the schema is another part of the cluster or part of another one.
pub(crate) async fn shards(session: &Session, target: &Target) -> Result<(Cluster, Range<u16>), Error> {
    let asked = "SELECT shards, key, (SELECT min(id) FROM @shards)::smallint, (SELECT max(id) FROM @shards)::smallint
        FROM @cluster";
    let rows = session.query(Statement::new(asked)).await?;
    let Some((cluster, holds)) = rows.first().and_then(settled) else {
        return Err(Error::Corrupt("the schema does not say how many shards it has".to_owned()));
    };
    let (schema, part, has) = (&target.schema, &target.part, cluster.shards);
    let refuse = |reason: String| Err(Error::Incompatible(reason));
    if let Some(asked) = target.shards.filter(|asked| *asked != has) {
        return refuse(format!(
            "the schema `{schema}` was made with {has} shards, which cannot be changed, and the URL asks for {asked}: leave \
             `?shards=` out, or name a new schema with `?schema=`"
        ));
    }
    if part.cluster.as_ref().is_some_and(|first| *first != cluster) {
        return refuse(format!(
            "the schema `{schema}` of {} belongs to another cluster than the first database of the list: name a new schema \
             with `?schema=`, or the databases that belong together",
            target.shown()
        ));
    }
    if part.range(has) != holds {
        return refuse(format!(
            "the schema `{schema}` of {} holds the shards {} to {} of {has}, which does not fit its place, {} of {}: name all \
             databases of the cluster in the order in which they were first named",
            target.shown(),
            holds.start,
            holds.end - 1,
            part.place + 1,
            part.of
        ));
    }
    Ok((cluster, holds))
}

fn settled(row: &Row) -> Option<(Cluster, Range<u16>)> {
    let shards = u16::try_from(row.get::<_, i16>(0)).ok()?;
    let key = row.get::<_, &[u8]>(1).try_into().ok()?;
    let bound = |place| row.get::<_, Option<i16>>(place).and_then(|id| u16::try_from(id).ok());
    Some((Cluster { shards, key }, bound(2)?..bound(3)? + 1))
}

async fn create(session: &Session, target: &Target) -> Result<(), Failure> {
    let taken = "SELECT count(*) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = $1";
    let rows = session.query(Statement::new(taken).text(&target.schema)).await?;
    if rows.first().is_some_and(|row| row.get::<_, i64>(0) > 0) {
        let reason = format!("the schema `{}` belongs to another program; name another with `?schema=`", target.schema);
        return Err(Error::Incompatible(reason).into());
    }
    let known = "SELECT count(*) FROM pg_namespace WHERE nspname = $1";
    let rows = session.query(Statement::new(known).text(&target.schema)).await?;
    if rows.first().is_some_and(|row| row.get::<_, i64>(0) == 0) {
        session.script(&format!("CREATE SCHEMA \"{}\"", target.schema)).await?;
    }
    let table = "CREATE TABLE @versions (
        version     bigint PRIMARY KEY,
        usable_from bigint NOT NULL,
        at          timestamptz NOT NULL DEFAULT now()
    )";
    session.script(table).await
}

async fn step_from(session: &Session, from: i64) -> Result<(), Failure> {
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > from) {
        session.script(migration.script).await?;
        let note = "INSERT INTO @versions (version, usable_from) VALUES ($1, $2)";
        session.query(Statement::new(note).int(migration.version).int(migration.usable_from)).await?;
    }
    Ok(())
}

/// The version of the schema; `None` where there is none yet.
async fn version(session: &Session, target: &Target) -> Result<Option<i64>, Error> {
    let asked = "SELECT version, usable_from FROM @versions ORDER BY version DESC LIMIT 1";
    // Not `to_regclass`: it may remember, from before a wait for the lock, that there was nothing.
    let known = "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relname = 'versions'";
    if session.query(Statement::new(known).text(&target.schema)).await?.is_empty() {
        return Ok(None);
    }
    let rows = session.query(Statement::new(asked)).await;
    let rows = rows.map_err(|failure| match failure {
        failure if failure.is(&SqlState::INSUFFICIENT_PRIVILEGE) => Error::Incompatible(rights(target, &failure)),
        failure => failure.into(),
    })?;
    let Some(row) = rows.first() else { return Ok(Some(0)) };
    let (version, usable_from): (i64, i64) = (row.get(0), row.get(1));
    if usable_from > LATEST {
        return Err(Error::Incompatible(format!(
            "the schema `{}` has version {version}, usable by programs that know version {usable_from}; this one knows \
             versions up to {LATEST}: use the newer program",
            target.schema
        )));
    }
    Ok(Some(version))
}

fn rights(target: &Target, failure: &Failure) -> String {
    let (schema, user, database) = (&target.schema, target.user(), target.database());
    format!(
        "{failure}; let an administrator run `CREATE SCHEMA \"{schema}\" AUTHORIZATION \"{user}\"` in the database \
         `{database}`, or connect as the role that owns the schema"
    )
}
