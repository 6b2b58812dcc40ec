//! Writes jobs and their graphs.

use std::borrow::Cow;

use mainspring_core::id::Key;
use mainspring_core::job::{FailurePolicy, JobRow, JobState};
use mainspring_core::limits::GRAPH_CHUNK_TASKS;
use mainspring_core::row::Changes;
use mainspring_store::record::{RareJob, SweepRecord, encode_graph, encode_names, job_flags};

use crate::columns::{Columns, small};
use crate::rows::EMPTY_BODY;
use crate::sql::Statement;

/// Deletes the graphs of jobs; their rows must still be there.
pub(super) const DELETE_GRAPHS: &str = "DELETE FROM @chunks AS c USING @jobs AS j
    WHERE j.key = ANY($1) AND c.key >= j.key AND c.key <= j.key + ((j.tasks + 1)::bigint << 12) AND c.job = j.key";

/// The changes of jobs and graphs as statements, in their order.
pub(super) fn statements<'a>(changes: &'a Changes, out: &mut Vec<Statement<'a>>) {
    if !changes.insert_jobs.is_empty() {
        out.push(insert(&changes.insert_jobs));
    }
    if !changes.update_jobs.is_empty() {
        let updates = &changes.update_jobs;
        let mut columns = Columns::new(updates.len());
        columns.ints("key", updates.iter().map(|(key, _)| Some(key.raw() as i64)));
        state(&mut columns, || updates.iter().map(|(_, state)| state));
        out.push(columns.update("@jobs", &[]));
    }
    let keys: Vec<i64> = changes.delete_jobs.iter().map(|key| key.raw() as i64).collect();
    if !keys.is_empty() {
        out.push(Statement::new(DELETE_GRAPHS).ints(keys.clone()));
        out.push(Statement::new("DELETE FROM @jobs WHERE key = ANY($1)").ints(keys));
    }
    if !changes.insert_chunks.is_empty() {
        let chunks = &changes.insert_chunks;
        let mut columns = Columns::new(chunks.len());
        columns.ints("key", chunks.iter().map(|chunk| Some(chunk_key(chunk.job, chunk.number))));
        columns.ints("job", chunks.iter().map(|chunk| Some(chunk.job.raw() as i64)));
        columns.ints("number", chunks.iter().map(|chunk| small(chunk.number)));
        columns.bytes("data", chunks.iter().map(|chunk| Cow::Owned(encode_graph(chunk))));
        out.push(columns.put("@chunks", "key"));
    }
}

fn insert(rows: &[JobRow]) -> Statement<'_> {
    let mut out = Columns::new(rows.len());
    out.ints("key", rows.iter().map(|row| Some(row.key.raw() as i64)));
    out.texts("tenant", rows.iter().map(|row| Some(&*row.tenant)));
    out.texts("id", rows.iter().map(|row| row.given_id.as_deref()));
    out.texts("title", rows.iter().map(|row| row.title.as_deref()));
    let policy = |row: &JobRow| Some(i64::from(row.failure_policy == FailurePolicy::FailFast));
    out.ints("failure_policy", rows.iter().map(policy));
    out.ints("tasks", rows.iter().map(|row| small(row.tasks)));
    out.ints("created_at", rows.iter().map(|row| Some(row.created_at.as_millis())));
    out.made("tags", rows.iter().map(|row| encode_names(&row.tags)));
    out.texts("body", rows.iter().map(|row| Some(&*row.body).filter(|body| *body != EMPTY_BODY)));
    out.ints("parent", rows.iter().map(|row| row.parent.map(|key| key.raw() as i64)));
    out.made("rare", rows.iter().map(RareJob::encode));
    state(&mut out, || rows.iter().map(|row| &row.state));
    out.insert("@jobs", "")
}

/// The columns of a job's state.
fn state<'a, I>(out: &mut Columns<'a>, states: impl Fn() -> I)
where
    I: Iterator<Item = &'a JobState>,
{
    out.ints("status", states().map(|state| Some(state.status as i64)));
    out.ints("completed", states().map(|state| small(state.counts.completed)));
    out.ints("failed", states().map(|state| small(state.counts.failed)));
    out.ints("cancelled", states().map(|state| small(state.counts.cancelled)));
    out.ints("skipped", states().map(|state| small(state.counts.skipped)));
    out.ints("unhandled", states().map(|state| small(state.unhandled)));
    out.ints("flags", states().map(|state| Some(i64::from(job_flags(state)))));
    out.ints("generation", states().map(|state| small(state.generation)));
    out.made("sweep", states().map(|state| state.sweep.as_ref().map(SweepRecord::encode)));
    out.ints("started_at", states().map(|state| state.started_at.map(|at| at.as_millis())));
    out.ints("ended_at", states().map(|state| state.ended_at.map(|at| at.as_millis())));
}

/// The row of a chunk stands at the key of its first task.
pub(crate) fn chunk_key(job: Key, number: u32) -> i64 {
    job.task_of_job(number.saturating_mul(GRAPH_CHUNK_TASKS)).raw() as i64
}
