//! Embedded migrations, forward only, and the checks that a file is ours to open.

use std::path::Path;

use mainspring_store::Error;
use rusqlite::{Connection, TransactionBehavior};

use crate::failure::Failure;

/// One script per version of the schema, from 1.
const MIGRATIONS: [&str; 6] = [
    include_str!("schema/0001.sql"),
    include_str!("schema/0002.sql"),
    include_str!("schema/0003.sql"),
    include_str!("schema/0004.sql"),
    include_str!("schema/0005.sql"),
    include_str!("schema/0006.sql"),
];

/// Marks a file as ours in its header: `MSPR`.
const APPLICATION_ID: i32 = 0x4d53_5052;

/// Refuses a file that is not ours or is newer than this program. Writes nothing.
///
/// # Errors
/// `Corrupt` if it is no database, `Incompatible` if it belongs to another program or to a later version of this one.
pub(crate) fn check(db: &Connection, path: &Path) -> Result<i64, Error> {
    let name = path.display();
    let number = |pragma| db.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let not_ours = |error: rusqlite::Error| match Error::from(Failure::from(error)) {
        Error::Corrupt(text) => Error::Corrupt(format!("`{name}` is not a database, or is damaged: {text}")),
        other => other,
    };
    let version = number("user_version").map_err(not_ours)?;
    let application = number("application_id").map_err(not_ours)?;
    let tables =
        db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0)).map_err(not_ours)?;
    if application != i64::from(APPLICATION_ID) && tables > 0 {
        return Err(Error::Incompatible(format!("`{name}` is a database of another program; name another file")));
    }
    let known = MIGRATIONS.len() as i64;
    if version > known {
        return Err(Error::Incompatible(format!(
            "`{name}` has schema version {version}, this program knows versions up to {known}; use the newer program"
        )));
    }
    Ok(version)
}

/// Brings the schema from `version` to the newest one, each step in its own transaction.
///
/// # Errors
/// Whatever SQLite answers; the step is then undone.
pub(crate) fn migrate(db: &mut Connection, version: i64) -> Result<(), Failure> {
    for (script, next) in MIGRATIONS.iter().zip(1_i64..).skip(usize::try_from(version).unwrap_or_default()) {
        let step = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        step.execute_batch(script)?;
        step.pragma_update(None, "user_version", next)?;
        step.pragma_update(None, "application_id", APPLICATION_ID)?;
        step.commit()?;
    }
    Ok(())
}
