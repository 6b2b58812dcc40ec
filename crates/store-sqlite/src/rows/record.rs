//! Reads the rows that stand beside tasks and jobs.

use mainspring_core::id::{Key, Name};
use mainspring_core::loan::{LoanKind, LoanName, LoanRow};
use mainspring_core::permit::{LimitRow, LimitScope};
use mainspring_core::row::{
    ClaimKind, ClaimName, ClaimRow, DefinitionKind, Directive, LaneName, LaneRow, LogRow, LogStream,
};
use mainspring_core::spec::Class;
use mainspring_core::task::{Attempt, Failure as AttemptFailure, LaneId, Outcome};
use mainspring_store::record::{decode_key_limits, decode_limits, decode_names};
use rusqlite::Row;

use super::{Cells, inflate};
use crate::failure::Failure;

/// All kinds of claims, in the order of their stored numbers.
const CLAIM_KINDS: [ClaimKind; 4] = [ClaimKind::TaskId, ClaimKind::JobId, ClaimKind::IdempotencyKey, ClaimKind::Unique];

/// Reads the kind of a definition.
pub(crate) fn definition_kind(cells: &mut Cells<'_>) -> Result<DefinitionKind, Failure> {
    cells.one_of(&DefinitionKind::ALL, "kind of a definition")
}

/// Reads the directive of a worker.
pub(crate) fn directive(cells: &mut Cells<'_>) -> Result<Directive, Failure> {
    cells.one_of(&[Directive::Run, Directive::Pause, Directive::Drain], "directive of a worker")
}

/// The start of a query whose rows [`attempt`] reads.
pub(crate) const ATTEMPT_COLUMNS: &str = "SELECT number, generation, worker, started_at, ended_at, outcome, error_type,
    error_message, error_trace, lease FROM attempts";

/// Reads an attempt.
pub(crate) fn attempt(row: &Row<'_>) -> Result<Attempt, Failure> {
    let mut cells = Cells::of(row);
    let (number, generation, worker) = (cells.next()?, cells.next()?, cells.next()?);
    let (started_at, ended_at) = (cells.instant()?, cells.time()?);
    let outcome = cells.one_of_or_null(&Outcome::ALL, "outcome")?;
    let (kind, message, trace): (Option<_>, Option<_>, _) = (cells.next()?, cells.next()?, cells.next()?);
    let error = match (kind, message) {
        (Some(kind), Some(message)) => Some(AttemptFailure { kind, message, trace }),
        _ => None,
    };
    let lease = cells.next::<i64>()? as u64;
    Ok(Attempt { number, generation, worker, started_at, ended_at, outcome, error, lease })
}

/// The start of a query whose rows [`claim`] reads.
pub(crate) const CLAIM_COLUMNS: &str = "SELECT kind, text, tenant, target, body_hash, expires_at FROM claims";

/// Reads a claim.
pub(crate) fn claim(row: &Row<'_>) -> Result<ClaimRow, Failure> {
    let mut cells = Cells::of(row);
    let kind = cells.one_of(&CLAIM_KINDS, "kind of a claim")?;
    let (text, tenant) = (cells.next()?, cells.next()?);
    let target = cells.key()?;
    let body_hash = u128::from_be_bytes(cells.next()?);
    Ok(ClaimRow { name: ClaimName { kind, tenant, text }, target, body_hash, expires_at: cells.time()? })
}

/// Reads a lane.
pub(crate) fn lane(row: &Row<'_>) -> Result<LaneRow, Failure> {
    let mut cells = Cells::of(row);
    let (lane, queue, tenant) = (LaneId(cells.next()?), cells.next()?, cells.next()?);
    let class = Class { executor: cells.next()?, labels: decode_names(cells.text()?)? };
    let kind = cells.next::<Option<Name>>()?.unwrap_or_else(|| class.executor.clone());
    let limits = decode_key_limits(cells.text()?)?;
    Ok(LaneRow { lane, name: LaneName { queue, tenant, class, kind, limits } })
}

/// Reads limits that were set.
pub(crate) fn limits(row: &Row<'_>) -> Result<LimitRow, Failure> {
    let mut cells = Cells::of(row);
    let scope = cells.one_of(&LimitScope::ALL, "scope of limits")?;
    Ok(LimitRow { scope, name: cells.next()?, limits: decode_limits(cells.text()?.unwrap_or_default())? })
}

/// Reads what is lent or borrowed (`scope, name, kind, peer, given, returned`).
pub(crate) fn loan(row: &Row<'_>) -> Result<LoanRow, Failure> {
    let mut cells = Cells::of(row);
    let scope = cells.one_of(&LimitScope::ALL, "scope of limits")?;
    let (name, kind) = (cells.next()?, cells.one_of(&LoanKind::ALL, "kind of a loan")?);
    let (peer, given, returned) = (cells.next()?, cells.next::<i64>()? as u64, cells.next::<i64>()? as u64);
    Ok(LoanRow { of: LoanName { scope, name, kind }, peer, given, returned })
}

/// Reads a log chunk (`number, stream, at, data, total`) and the attempt's bytes up to its end.
pub(crate) fn log(task: Key, attempt: u32, row: &Row<'_>) -> Result<(LogRow, u64), Failure> {
    let mut cells = Cells::of(row);
    let number = cells.next::<i64>()? as u64;
    let stream = cells.one_of(&[LogStream::Stdout, LogStream::Stderr, LogStream::System], "stream of a log")?;
    let at = cells.instant()?;
    let data = inflate(cells.raw()?)?.into();
    let total = cells.next::<i64>()? as u64;
    Ok((LogRow { task, attempt, number, stream, at, data }, total))
}
