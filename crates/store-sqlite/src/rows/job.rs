//! Reads job rows.

use mainspring_core::id::Key;
use mainspring_core::job::{FailurePolicy, JobCounts, JobRow, JobState, JobStatus};
use mainspring_store::record::{RareJob, SweepRecord, decode_names, set_job_flags};
use rusqlite::Row;

use super::{Cells, EMPTY_BODY};
use crate::failure::Failure;

/// The start of a query whose rows [`job`] reads.
pub(crate) const JOB_COLUMNS: &str = "SELECT key, tenant, id, title, failure_policy, tasks, created_at, tags, body,
    status, completed, failed, cancelled, skipped, unhandled, flags, generation, sweep, started_at, ended_at, parent, rare FROM jobs";

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
    let (started_at, ended_at) = (cells.time()?, cells.time()?);
    let mut state = JobState { generation, counts, unhandled, sweep, started_at, ended_at, ..JobState::new(status) };
    set_job_flags(&mut state, flags);
    let parent = cells.next::<Option<i64>>()?.map(|key| Key::from_raw(key as u64));
    let (ancestors, deadline_ms, active_key) = Default::default();
    let mut row = JobRow {
        key,
        tenant,
        given_id,
        title,
        failure_policy,
        tasks,
        body,
        tags,
        parent,
        ancestors,
        deadline_ms,
        active_key,
        created_at,
        state,
    };
    RareJob::decode(cells.text()?)?.complete(&mut row);
    Ok(row)
}
