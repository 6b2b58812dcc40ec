//! Reads the rows that stand beside tasks and jobs.

use mainspring_core::id::Key;
use mainspring_core::loan::{LoanKind, LoanName, LoanRow};
use mainspring_core::permit::{LimitRow, LimitScope};
use mainspring_core::row::{
    ClaimKind, ClaimName, ClaimRow, DefinitionKind, Directive, LaneName, LaneRow, LogRow, LogStream,
};
use mainspring_core::spec::Class;
use mainspring_core::task::{Attempt, Failure as AttemptFailure, LaneId, Outcome};
use mainspring_store::record::{Unreadable, decode_key_limits, decode_limits, decode_names};
use tokio_postgres::Row;

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
    error_message, error_trace, lease FROM @attempts";

/// Reads an attempt.
pub(crate) fn attempt(row: &Row) -> Result<Attempt, Failure> {
    let mut cells = Cells::of(row);
    let (number, generation, worker) = (cells.small()?, cells.small()?, cells.name()?);
    let (started_at, ended_at) = (cells.instant()?, cells.time()?);
    let outcome = cells.one_of_or_null(&Outcome::ALL, "outcome")?;
    let (kind, message, trace) = (cells.name_or_null()?, cells.name_or_null()?, cells.name_or_null()?);
    let error = match (kind, message) {
        (Some(kind), Some(message)) => Some(AttemptFailure { kind, message, trace }),
        _ => None,
    };
    let lease = cells.wide()?;
    Ok(Attempt { number, generation, worker, started_at, ended_at, outcome, error, lease })
}

/// The start of a query whose rows [`claim`] reads.
pub(crate) const CLAIM_COLUMNS: &str =
    "SELECT c.kind, c.text, c.tenant, c.target, c.body_hash, c.expires_at FROM @claims AS c";

/// Reads a claim.
pub(crate) fn claim(row: &Row) -> Result<ClaimRow, Failure> {
    let mut cells = Cells::of(row);
    let kind = cells.one_of(&CLAIM_KINDS, "kind of a claim")?;
    let (text, tenant) = (cells.name()?, cells.name()?);
    let target = cells.key()?;
    let hash = cells.bytes()?.try_into().map_err(|_| Unreadable("hash of a claim"))?;
    let body_hash = u128::from_be_bytes(hash);
    Ok(ClaimRow { name: ClaimName { kind, tenant, text }, target, body_hash, expires_at: cells.time()? })
}

/// Reads a lane.
pub(crate) fn lane(row: &Row) -> Result<LaneRow, Failure> {
    let mut cells = Cells::of(row);
    let (lane, queue, tenant) = (LaneId(cells.small()?), cells.name()?, cells.name()?);
    let class = Class { executor: cells.name()?, labels: decode_names(cells.text()?.as_deref())? };
    let kind = cells.name_or_null()?.unwrap_or_else(|| class.executor.clone());
    let limits = decode_key_limits(cells.text()?.as_deref())?;
    Ok(LaneRow { lane, name: LaneName { queue, tenant, class, kind, limits } })
}

/// Reads limits that were set.
pub(crate) fn limits(row: &Row) -> Result<LimitRow, Failure> {
    limits_of(&mut Cells::of(row))
}

/// Reads limits that were set, from here on in a row.
pub(crate) fn limits_of(cells: &mut Cells<'_>) -> Result<LimitRow, Failure> {
    let scope = LimitScope::ALL.get(cells.small()? as usize).copied().ok_or(Unreadable("scope of limits"))?;
    Ok(LimitRow { scope, name: cells.name()?, limits: decode_limits(&cells.text()?.unwrap_or_default())? })
}

/// Reads what is lent or borrowed (`scope, name, kind, peer, given, returned`).
pub(crate) fn loan(row: &Row) -> Result<LoanRow, Failure> {
    let mut cells = Cells::of(row);
    let scope = cells.one_of(&LimitScope::ALL, "scope of limits")?;
    let (name, kind) = (cells.name()?, cells.one_of(&LoanKind::ALL, "kind of a loan")?);
    Ok(LoanRow {
        of: LoanName { scope, name, kind },
        peer: cells.small()? as u16,
        given: cells.wide()?,
        returned: cells.wide()?,
    })
}

/// The start of a query whose rows [`log`] reads.
pub(crate) const LOG_COLUMNS: &str = "SELECT number, stream, at, deflated, data, total FROM @logs";

/// Reads a log chunk and the attempt's bytes up to its end.
pub(crate) fn log(task: Key, attempt: u32, row: &Row) -> Result<(LogRow, u64), Failure> {
    let mut cells = Cells::of(row);
    let number = cells.wide()?;
    let stream = cells.one_of(&[LogStream::Stdout, LogStream::Stderr, LogStream::System], "stream of a log")?;
    let at = cells.instant()?;
    let deflated = cells.flag()?;
    let data = inflate(cells.bytes()?, deflated)?.into();
    let total = cells.wide()?;
    Ok((LogRow { task, attempt, number, stream, at, data }, total))
}
