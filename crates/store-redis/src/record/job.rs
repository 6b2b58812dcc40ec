//! A job in two records, like a task.

use std::sync::Arc;

use mainspring_core::id::{IdKind, Key, Name};
use mainspring_core::job::{FailurePolicy, JobCounts, JobRow, JobState, JobStatus};
use mainspring_core::time::Timestamp;
use mainspring_store::record::{RareJob, SweepRecord, Unreadable, job_flags, set_job_flags};

use super::{FORMAT, Put, Take};

/// What an update of a job must know of what was submitted.
#[derive(Clone, Debug)]
pub(crate) struct JobSpec {
    pub(crate) tenant: Name,
    /// The id as people see it.
    pub(crate) id: Name,
    /// It carries out a group of another job, and is not counted.
    pub(crate) is_child: bool,
    /// It has a deadline or a turn.
    pub(crate) is_watched: bool,
}

impl JobSpec {
    pub(crate) fn of(row: &JobRow) -> Self {
        let id = row.given_id.clone().unwrap_or_else(|| row.key.id(IdKind::Job).into());
        let is_watched = row.parent.is_none() && (row.deadline_ms.is_some() || row.active_key.is_some());
        Self { tenant: row.tenant.clone(), id, is_child: row.parent.is_some(), is_watched }
    }
}

/// Writes what was submitted.
pub(crate) fn encode_job_spec(row: &JobRow) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + row.body.len());
    out.push(FORMAT);
    out.text(&row.tenant);
    out.text_or_none(row.given_id.as_deref());
    out.text_or_none(row.title.as_deref());
    out.push(u8::from(row.failure_policy == FailurePolicy::FailFast));
    out.number(u64::from(row.tasks));
    out.signed(row.created_at.as_millis());
    out.number(row.tags.len() as u64);
    row.tags.iter().for_each(|tag| out.text(tag));
    out.text(&row.body);
    // Older records end here.
    let rare = RareJob::encode(row);
    if row.parent.is_some() || rare.is_some() {
        out.number_or_none(row.parent.map(Key::raw));
        out.text_or_none(rare.as_deref());
    }
    out
}

/// Writes what changes.
pub(crate) fn encode_job_state(state: &JobState) -> Vec<u8> {
    let mut out = Vec::with_capacity(48);
    out.push(FORMAT);
    out.push(state.status as u8);
    let counts = state.counts;
    for number in [state.generation, counts.completed, counts.failed, counts.cancelled, counts.skipped, state.unhandled]
    {
        out.number(u64::from(number));
    }
    out.push(job_flags(state));
    out.signed_or_none(state.started_at.map(Timestamp::as_millis));
    out.signed_or_none(state.ended_at.map(Timestamp::as_millis));
    out.text_or_none(state.sweep.as_ref().map(SweepRecord::encode).as_deref());
    out
}

/// Reads a job back.
///
/// # Errors
/// If these bytes are something else.
pub(crate) fn decode_job(key: Key, spec: &[u8], state: &[u8]) -> Result<JobRow, Unreadable> {
    let (state, sweep) = read_state(&mut Take::new(state)).ok_or(Unreadable("state of a job"))?;
    let state = JobState { sweep: sweep.map(SweepRecord::decode).transpose()?, ..state };
    let (mut row, rare) = read(key, &mut Take::new(spec), state).ok_or(Unreadable("job"))?;
    RareJob::decode(rare)?.complete(&mut row);
    Ok(row)
}

fn read_state<'a>(from: &mut Take<'a>) -> Option<(JobState, Option<&'a str>)> {
    if from.byte()? != FORMAT {
        return None;
    }
    let status = from.one_of(&JobStatus::ALL)?;
    let generation = from.small()?;
    let counts =
        JobCounts { completed: from.small()?, failed: from.small()?, cancelled: from.small()?, skipped: from.small()? };
    let unhandled = from.small()?;
    let flags = from.byte()?;
    let started_at = from.signed_or_none()?.map(Timestamp::from_millis);
    let ended_at = from.signed_or_none()?.map(Timestamp::from_millis);
    let mut state = JobState { generation, counts, unhandled, started_at, ended_at, ..JobState::new(status) };
    set_job_flags(&mut state, flags);
    Some((state, from.text_or_none()?))
}

fn read<'a>(key: Key, from: &mut Take<'a>, state: JobState) -> Option<(JobRow, Option<&'a str>)> {
    if from.byte()? != FORMAT {
        return None;
    }
    let tenant = from.text()?.into();
    let given_id = from.text_or_none()?.map(Name::from);
    let title = from.text_or_none()?.map(Name::from);
    let failure_policy = if from.flag()? { FailurePolicy::FailFast } else { FailurePolicy::Continue };
    let tasks = from.small()?;
    let created_at = Timestamp::from_millis(from.signed()?);
    let tags = (0..from.number()?).map(|_| from.text().map(Name::from)).collect::<Option<Vec<_>>>()?;
    let body: Arc<str> = from.text()?.into();
    let (parent, rare) = match from.rest().is_empty() {
        true => (None, None),
        false => (from.number_or_none()?.map(Key::from_raw), from.text_or_none()?),
    };
    let (ancestors, deadline_ms, active_key, tags) = (Arc::default(), None, None, tags.into());
    let row = JobRow {
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
    Some((row, rare))
}
