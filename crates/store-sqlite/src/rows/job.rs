//! Reads job rows.

use mainspring_core::job::{FailurePolicy, JobCounts, JobRow, JobState, JobStatus};
use mainspring_store::record::{SweepRecord, decode_names};
use rusqlite::Row;

use super::{Cells, EMPTY_BODY};
use crate::failure::Failure;

/// The start of a query whose rows [`job`] reads.
pub(crate) const JOB_COLUMNS: &str = "SELECT key, tenant, id, title, failure_policy, tasks, created_at, tags, body,
    status, completed, failed, cancelled, skipped, unhandled, flags, generation, sweep, started_at, ended_at FROM jobs";

/// Reads one row.
pub(crate) fn job(row: &Row<'_>) -> Result<JobRow, Failure> {
    let mut cells = Cells::of(row);
    let key = cells.key()?;
    let tenant = cells.next()?;
    let given_id = cells.next()?;
    let title = cells.next()?;
    let failure_policy =
        cells.one_of(&[FailurePolicy::Continue, FailurePolicy::FailFast], "failure policy of a job")?;
    let tasks = cells.next()?;
    let created_at = cells.instant()?;
    let tags = decode_names(cells.text()?)?;
    let body = cells.text()?.unwrap_or(EMPTY_BODY).into();
    let status = cells.one_of(&JobStatus::ALL, "status of a job")?;
    let counts =
        JobCounts { completed: cells.next()?, failed: cells.next()?, cancelled: cells.next()?, skipped: cells.next()? };
    let unhandled = cells.next()?;
    let flags: u8 = cells.next()?;
    let generation = cells.next()?;
    let sweep = cells.text()?.map(SweepRecord::decode).transpose()?;
    let state = JobState {
        status,
        generation,
        counts,
        unhandled,
        paused: flags & 1 != 0,
        cancelled: flags & 2 != 0,
        failing_fast: flags & 4 != 0,
        sweep,
        started_at: cells.time()?,
        ended_at: cells.time()?,
    };
    Ok(JobRow { key, tenant, given_id, title, failure_policy, tasks, body, tags, created_at, state })
}
