//! Rows for the cases: plain ones that a case changes in the one thing it is about.

use std::sync::Arc;

use mainspring_core::id::{Bucket, Key, Name};
use mainspring_core::job::{FailurePolicy, GraphChunk, GraphTask, JobRow, JobState, JobStatus};
use mainspring_core::limits::GRAPH_CHUNK_TASKS;
use mainspring_core::row::{ClaimKind, ClaimName, ClaimRow, LogRow, LogStream, TaskRow, Transition, TransitionKind};
use mainspring_core::spec::{TaskSpec, Trigger};
use mainspring_core::task::{Attempt, Failure, LaneId, Lease, Outcome, Place, TaskState, TaskStatus};
use mainspring_core::time::Timestamp;

/// When the cases play: 2026-11-18.
pub(super) const EPOCH_MS: i64 = 1_795_000_000_000;

pub(super) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(EPOCH_MS + ms)
}

pub(super) fn name(text: &str) -> Name {
    text.into()
}

/// The `number`th key of the cases; larger numbers are later keys.
pub(super) fn key(number: u64) -> Key {
    Key::new(Key::first_sequence_at(at(0)) + number, Bucket::new((number * 37 % 4096) as u16))
}

pub(super) fn spec(kind: &str) -> TaskSpec {
    TaskSpec::new(name(kind), "{}".into())
}

/// A plain state without attempts.
pub(super) fn state(status: TaskStatus, place: Place) -> TaskState {
    TaskState::new(status, place)
}

/// A standalone task that is ready and in memory.
pub(super) fn task(number: u64) -> TaskRow {
    TaskRow::new(key(number), spec("noop"), at(number as i64))
}

/// A standalone task with this state.
pub(super) fn task_in(number: u64, state: TaskState) -> TaskRow {
    TaskRow { state, ..task(number) }
}

/// A standalone task whose spec was changed.
pub(super) fn task_with(number: u64, change: impl FnOnce(&mut TaskSpec)) -> TaskRow {
    let mut spec = spec("noop");
    change(&mut spec);
    TaskRow { spec: Some(Arc::new(spec)), ..task(number) }
}

/// A ready task behind the window of a lane.
pub(super) fn cold(number: u64, lane: u32, priority: u8) -> TaskRow {
    let row = task_with(number, |spec| spec.priority = priority);
    TaskRow { state: state(TaskStatus::Ready, Place::ColdReady { lane: LaneId(lane) }), ..row }
}

/// A timer beyond the horizon.
pub(super) fn timer(number: u64, due: i64) -> TaskRow {
    let mut state = state(TaskStatus::Scheduled, Place::ColdTimer);
    state.due = Some(at(due));
    task_in(number, state)
}

pub(super) fn attempt(number: u32) -> Attempt {
    Attempt {
        number,
        generation: 1,
        worker: name("host-1"),
        started_at: at(100 * i64::from(number)),
        ended_at: None,
        outcome: None,
        error: None,
        lease: 1_000 + u64::from(number),
    }
}

pub(super) fn failed_attempt(number: u32) -> Attempt {
    let error = Failure { kind: name("exit_code"), message: name("exit code 3"), trace: None };
    let ended_at = Some(at(100 * i64::from(number) + 50));
    Attempt { ended_at, outcome: Some(Outcome::Failure), error: Some(error), ..attempt(number) }
}

/// The state of a task that a worker runs for the `number`th time.
pub(super) fn running(number: u32) -> TaskState {
    let last = attempt(number);
    let lease = Lease { number: last.lease, session: name("session-1"), worker: last.worker.clone(), lease_ms: 15_000 };
    TaskState {
        attempt: number,
        ready_at: Some(at(10)),
        last: Some(last),
        lease: Some(lease),
        ..state(TaskStatus::Running, Place::Hot)
    }
}

/// The state of a task that ended at this instant.
pub(super) fn ended(status: TaskStatus, ended_at: i64) -> TaskState {
    let mut state = running(1);
    state.status = status;
    state.place = Place::Rest;
    state.lease = None;
    state.ended_at = Some(at(ended_at));
    let last = state.last.as_mut().expect("it ran");
    last.ended_at = Some(at(ended_at));
    last.outcome = Some(if status == TaskStatus::Completed { Outcome::Success } else { Outcome::Failure });
    state
}

pub(super) fn job_state(status: JobStatus) -> JobState {
    JobState::new(status)
}

/// A job with its rows: a chain of so many tasks, `t0` to `tn`.
pub(super) struct Chain {
    pub(super) job: JobRow,
    pub(super) tasks: Vec<TaskRow>,
    pub(super) chunks: Vec<GraphChunk>,
}

/// The `number`th key is the job's, its tasks have those that follow.
pub(super) fn chain(number: u64, tasks: u32) -> Chain {
    chain_with(number, tasks, |_, _| {})
}

/// A chain whose specs were changed, by index.
pub(super) fn chain_with(number: u64, tasks: u32, change: impl Fn(u32, &mut TaskSpec)) -> Chain {
    let job = JobRow {
        key: key(number),
        tenant: name("default"),
        given_id: None,
        title: None,
        failure_policy: FailurePolicy::Continue,
        tasks,
        body: "{}".into(),
        tags: Arc::from([]),
        created_at: at(number as i64),
        state: job_state(JobStatus::Pending),
        parent: None,
        ancestors: Arc::default(),
        deadline_ms: None,
        active_key: None,
    };
    let node = |index: u32| {
        let mut spec = spec("noop");
        change(index, &mut spec);
        GraphTask {
            name: name(&format!("t{index}")),
            spec: Arc::new(spec),
            trigger: Trigger::AllSuccess,
            delay_ms: 0,
            parents: index.checked_sub(1).into_iter().collect(),
            children: Some(index + 1).filter(|next| *next < tasks).into_iter().collect(),
            flow: None,
        }
    };
    let graph: Vec<GraphTask> = (0..tasks).map(node).collect();
    let row = |(node, index): (&GraphTask, u32)| TaskRow {
        key: job.key.task_of_job(index),
        given_id: Some(node.name.clone()),
        job: Some(job.key),
        spec: Some(node.spec.clone()),
        trigger: node.trigger,
        parents: node.parents.len() as u32,
        created_at: job.created_at,
        state: state(TaskStatus::Pending, Place::Rest),
        ..task(0)
    };
    let rows = graph.iter().zip(0..).map(row).collect();
    let pieces = graph.chunks(GRAPH_CHUNK_TASKS as usize).zip(0..);
    let chunks = pieces.map(|(piece, number)| GraphChunk { job: job.key, number, tasks: piece.to_vec() }).collect();
    Chain { job, tasks: rows, chunks }
}

pub(super) fn claim_name(kind: ClaimKind, text: &str) -> ClaimName {
    ClaimName { kind, tenant: name("default"), text: name(text) }
}

pub(super) fn claim(kind: ClaimKind, text: &str, target: Key) -> ClaimRow {
    ClaimRow { name: claim_name(kind, text), target, body_hash: u128::MAX - 5, expires_at: None }
}

pub(super) fn log(task: Key, attempt: u32, number: u64, data: &str) -> LogRow {
    LogRow { task, attempt, number, stream: LogStream::Stdout, at: at(number as i64), data: data.into() }
}

pub(super) fn event(kind: TransitionKind, task: u64, ms: i64) -> Transition {
    Transition { kind, at: at(ms), task: Some(key(task)), job: None, attempt: 1, subject: None }
}
