//! Reads job rows.

use mainspring_core::id::Key;
use mainspring_core::job::{FailurePolicy, JobCounts, JobRow, JobState, JobStatus};
use mainspring_store::record::{RareJob, SweepRecord, decode_names, set_job_flags};
use tokio_postgres::Row;

use super::{Cells, EMPTY_BODY};
use crate::failure::Failure;

/// The start of a query whose rows [`job`] reads.
pub(crate) const JOB_COLUMNS: &str = "SELECT key, tenant, id, title, failure_policy, tasks, created_at, tags, body,
    status, completed, failed, cancelled, skipped, unhandled, flags, generation, sweep, started_at, ended_at, parent, rare FROM @jobs";

/// Reads one row.
pub(crate) fn job(row: &Row) -> Result<JobRow, Failure> {
    let mut cells = Cells::of(row);
    let key = cells.key()?;
    let tenant = cells.name()?;
    let given_id = cells.name_or_null()?;
    let title = cells.name_or_null()?;
    let failure_policy =
        cells.one_of(&[FailurePolicy::Continue, FailurePolicy::FailFast], "failure policy of a job")?;
    let tasks = cells.small()?;
    let created_at = cells.instant()?;
    let tags = decode_names(cells.text()?.as_deref())?;
    let body = cells.text()?.as_deref().unwrap_or(EMPTY_BODY).into();
    let status = cells.one_of(&JobStatus::ALL, "status of a job")?;
    let counts = JobCounts {
        completed: cells.small()?,
        failed: cells.small()?,
        cancelled: cells.small()?,
        skipped: cells.small()?,
    };
    let unhandled = cells.small()?;
    let flags = cells.int()?;
    let generation = cells.small()?;
    let sweep = cells.text()?.map(|text| SweepRecord::decode(&text)).transpose()?;
    let (started_at, ended_at) = (cells.time()?, cells.time()?);
    let mut state = JobState { generation, counts, unhandled, sweep, started_at, ended_at, ..JobState::new(status) };
    set_job_flags(&mut state, flags as u8);
    let parent = cells.int_or_null()?.map(|key| Key::from_raw(key as u64));
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
    RareJob::decode(cells.text()?.as_deref())?.complete(&mut row);
    Ok(row)
}
