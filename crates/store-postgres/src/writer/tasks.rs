//! Writes tasks. This is the hot path: an insert and an update of one row each, and nothing else, for a standalone task.

use mainspring_core::id::Key;
use mainspring_core::limits::RESIDENT_BODY_BYTES_MAX;
use mainspring_core::row::{Changes, TaskRow};
use mainspring_core::spec::TaskSpec;
use mainspring_core::task::{Attempt, Failure as AttemptFailure, Place, TaskState, TaskStatus};
use mainspring_store::ShardId;
use mainspring_store::record::{RareSpec, RareState, encode_names};

use crate::columns::{Columns, small};
use crate::failure::Failure;
use crate::rows::{COLD_READY, COLD_TIMER, EMPTY_BODY, FAILED, HOT, RESTING};
use crate::sql::Statement;

/// The changes of tasks as statements, in their order.
pub(super) fn statements<'a>(
    shard: ShardId,
    changes: &'a Changes,
    dropped_below: Key,
    out: &mut Vec<Statement<'a>>,
) -> Result<(), Failure> {
    if !changes.insert_tasks.is_empty() {
        out.push(insert(shard, &changes.insert_tasks)?);
    }
    if !changes.update_tasks.is_empty() {
        out.push(update(changes));
    }
    if !changes.rewrite_bodies.is_empty() {
        let mut columns = Columns::new(changes.rewrite_bodies.len());
        columns.ints("key", changes.rewrite_bodies.iter().map(|(key, _)| Some(key.raw() as i64)));
        columns.texts("body", changes.rewrite_bodies.iter().map(|(_, body)| Some(&**body)));
        columns.flags("edited", changes.rewrite_bodies.iter().map(|_| true));
        out.push(columns.update("@tasks", &[]));
    }
    delete(&changes.delete_tasks, dropped_below, out);
    Ok(())
}

/// What belongs to tasks of long ago goes with its partition, unless it is in none.
fn delete(tasks: &[Key], dropped_below: Key, out: &mut Vec<Statement<'_>>) {
    let raw = |keys: &[&Key]| keys.iter().map(|key| key.raw() as i64).collect::<Vec<_>>();
    let all: Vec<&Key> = tasks.iter().collect();
    let (old, young): (Vec<&Key>, Vec<&Key>) = tasks.iter().partition(|key| **key < dropped_below);
    if !all.is_empty() {
        out.push(Statement::new("DELETE FROM @tasks WHERE key = ANY($1)").ints(raw(&all)));
    }
    for (keys, rest) in [(young, ""), (old, "_rest")] {
        for table in ["attempts", "outputs", "logs"].iter().filter(|_| !keys.is_empty()) {
            out.push(Statement::new(format!("DELETE FROM @{table}{rest} WHERE task = ANY($1)")).ints(raw(&keys)));
        }
    }
}

fn insert(shard: ShardId, rows: &[TaskRow]) -> Result<Statement<'_>, Failure> {
    let mut specs: Vec<&TaskSpec> = Vec::with_capacity(rows.len());
    for row in rows {
        let missing = || Failure::Diverged(format!("task {:?} is inserted without a spec", row.key));
        specs.push(row.spec.as_deref().ok_or_else(missing)?);
    }
    let both = || rows.iter().zip(specs.iter().copied());
    let mut out = Columns::new(rows.len());
    out.ints("key", rows.iter().map(|row| Some(row.key.raw() as i64)));
    out.ints("shard", rows.iter().map(|_| Some(i64::from(shard.0))));
    out.texts("tenant", rows.iter().map(|row| Some(&*row.tenant)));
    out.texts("id", rows.iter().map(|row| row.given_id.as_deref()));
    out.ints("job", rows.iter().map(|row| row.job.map(|job| job.raw() as i64)));
    out.texts("type", specs.iter().map(|spec| Some(&*spec.kind)));
    out.texts("queue", specs.iter().map(|spec| Some(&*spec.queue)));
    out.texts("title", specs.iter().map(|spec| spec.title.as_deref()));
    out.ints("priority", specs.iter().map(|spec| Some(i64::from(spec.priority))));
    out.ints("created_at", rows.iter().map(|row| Some(row.created_at.as_millis())));
    out.made("rare_spec", both().map(|(row, spec)| RareSpec::encode(spec, row.trigger, row.parents)));
    out.made("tags", specs.iter().map(|spec| encode_names(&spec.tags)));
    out.texts("body", both().map(|(row, spec)| own_body(row, spec)));
    let rank = |(row, spec): (&TaskRow, &TaskSpec)| match row.state.place {
        Place::ColdReady { .. } => Some(i64::from(9_u8.saturating_sub(spec.priority))),
        _ => rank(&row.state),
    };
    out.ints("rank", both().map(rank));
    state(&mut out, || rows.iter().map(|row| &row.state));
    Ok(out.insert("@tasks", ""))
}

/// The body that the row itself must have.
fn own_body<'a>(row: &TaskRow, spec: &'a TaskSpec) -> Option<&'a str> {
    let in_graph = row.job.is_some() && spec.body.len() <= RESIDENT_BODY_BYTES_MAX;
    Some(&*spec.body).filter(|body| !in_graph && *body != EMPTY_BODY)
}

fn update(changes: &Changes) -> Statement<'_> {
    let updates = &changes.update_tasks;
    let mut out = Columns::new(updates.len());
    out.ints("key", updates.iter().map(|(key, _)| Some(key.raw() as i64)));
    out.ints("rank", updates.iter().map(|(_, state)| rank(state)));
    state(&mut out, || updates.iter().map(|(_, state)| state));
    // The rank of a cold ready row follows from its priority, which an update does not carry.
    let cold = updates.iter().any(|(_, state)| matches!(state.place, Place::ColdReady { .. }));
    out.update("@tasks", if cold { &[("rank", "coalesce({}, 9 - t.priority)")] } else { &[] })
}

/// The rank of a row whose priority is not known. A row without one that is not cold gets 0, which nothing reads.
fn rank(state: &TaskState) -> Option<i64> {
    match state.place {
        Place::ColdReady { .. } => None,
        Place::ColdTimer => Some(state.due.unwrap_or_default().as_millis()),
        Place::Hot | Place::Rest => Some(0),
    }
}

/// The columns of a task's state.
fn state<'a, I>(out: &mut Columns<'a>, states: impl Fn() -> I)
where
    I: Iterator<Item = &'a TaskState>,
{
    let last = || states().map(|state| state.last.as_ref());
    let of_last = |get: fn(&'a Attempt) -> Option<i64>| last().map(move |last| last.and_then(get));
    let error = |get: fn(&'a AttemptFailure) -> Option<&'a str>| {
        last().map(move |last| last.and_then(|last| last.error.as_ref()).and_then(get))
    };
    out.ints("status", states().map(|state| Some(state.status as i64)));
    out.ints("place", states().map(place));
    out.ints("lane", states().map(lane));
    out.ints("due", states().map(|state| state.due.map(|at| at.as_millis())));
    out.ints("ready_at", states().map(|state| state.ready_at.map(|at| at.as_millis())));
    out.ints("started_at", of_last(|last| Some(last.started_at.as_millis())));
    out.ints("attempt_ended_at", of_last(|last| last.ended_at.map(|at| at.as_millis())));
    out.ints("ended_at", states().map(|state| state.ended_at.map(|at| at.as_millis())));
    out.ints("generation", states().map(|state| small(state.generation)));
    out.ints("attempt", states().map(|state| small(state.attempt)));
    out.texts("worker", last().map(|last| last.map(|last| &*last.worker)));
    out.ints("lease", of_last(|last| Some(last.lease as i64)));
    out.texts("session", states().map(|state| state.lease.as_ref().map(|lease| &*lease.session)));
    out.ints("lease_ms", states().map(|state| state.lease.as_ref().map(|lease| lease.lease_ms as i64)));
    out.ints("outcome", of_last(|last| last.outcome.map(|outcome| outcome as i64)));
    out.texts("error_type", error(|error| Some(&*error.kind)));
    out.texts("error_message", error(|error| Some(&*error.message)));
    out.texts("error_trace", error(|error| error.trace.as_deref()));
    out.flags("dead", states().map(|state| state.dead));
    out.made("rare_state", states().map(RareState::encode));
}

fn place(state: &TaskState) -> Option<i64> {
    match state.place {
        Place::Hot => Some(HOT),
        Place::ColdReady { .. } => Some(COLD_READY),
        Place::ColdTimer => Some(COLD_TIMER),
        Place::Rest if state.status == TaskStatus::Failed => Some(FAILED),
        Place::Rest if !state.status.is_terminal() => Some(RESTING),
        Place::Rest => None,
    }
}

fn lane(state: &TaskState) -> Option<i64> {
    match state.place {
        Place::ColdReady { lane } => small(lane.0),
        _ => None,
    }
}
