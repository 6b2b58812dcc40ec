//! Reads task rows.

use std::sync::Arc;

use mainspring_core::id::{Key, Name};
use mainspring_core::row::TaskRow;
use mainspring_core::spec::{Body, Class, Policy, TaskSpec};
use mainspring_core::task::{Attempt, Failure as AttemptFailure, LaneId, Lease, Outcome, Place, TaskState, TaskStatus};
use mainspring_store::record::{RareSpec, RareState, Unreadable, decode_names};
use tokio_postgres::Row;

use super::{COLD_READY, COLD_TIMER, Cells, EMPTY_BODY, FAILED, HOT, Names, RESTING};
use crate::failure::Failure;

/// What a reader wants of the bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bodies {
    /// As the core wants its tasks: no spec for a task of a job that was not edited, large bodies as the empty string.
    Resident,
    /// As the row has them: a task of a job may have an empty one that the graph knows.
    Stored,
    /// None, and the rest of the spec always.
    Left,
}

/// The columns that a [`TaskDecoder`] reads, of a table that stands as `t`.
pub(crate) fn columns(bodies: Bodies) -> String {
    let body = match bodies {
        Bodies::Resident => "CASE WHEN octet_length(t.body) > 4096 THEN '' ELSE t.body END",
        Bodies::Stored => "t.body",
        Bodies::Left => "''::text",
    };
    format!(
        "t.key, t.tenant, t.queue, t.id, t.job, t.created_at, t.rare_spec, t.edited, t.type, t.title, t.priority, t.tags,
            {body}, t.status, t.place, t.lane, t.due, t.ready_at, t.started_at, t.attempt_ended_at, t.ended_at,
            t.generation, t.attempt, t.worker, t.lease, t.session, t.lease_ms, t.outcome, t.error_type, t.error_message,
            t.error_trace, t.dead, t.rare_state"
    )
}

/// A task as it was read.
pub(crate) struct Found {
    pub(crate) row: TaskRow,
    /// Also where the row comes without its spec.
    pub(crate) queue: Name,
    /// Its body is still to be taken from the graph.
    pub(crate) in_graph: bool,
}

/// Reads task rows; equal names and policies are shared.
#[derive(Debug)]
pub(crate) struct TaskDecoder {
    bodies: Bodies,
    names: Names,
    policy: Arc<Policy>,
    plain: Arc<Policy>,
    empty: Body,
    left: Body,
}

impl TaskDecoder {
    pub(crate) fn new(bodies: Bodies) -> Self {
        let plain = Arc::new(Policy::default());
        let policy = plain.clone();
        Self { bodies, names: Names::default(), policy, plain, empty: EMPTY_BODY.into(), left: "".into() }
    }

    /// Reads one row.
    pub(crate) fn decode(&mut self, row: &Row) -> Result<Found, Failure> {
        let mut cells = Cells::of(row);
        let key = cells.key()?;
        let tenant = self.name(&mut cells)?.ok_or(Unreadable("tenant of a task"))?;
        let queue = self.name(&mut cells)?.ok_or(Unreadable("queue of a task"))?;
        let given_id = cells.name_or_null()?;
        let job = cells.int_or_null()?.map(|job| Key::from_raw(job as u64));
        let created_at = cells.instant()?;
        let rare = RareSpec::decode(cells.text()?.as_deref())?;
        let edited = cells.flag()?;
        let (trigger, parents) = rare.in_job()?;
        let mut in_graph = false;
        let spec = if self.bodies == Bodies::Resident && job.is_some() && !edited {
            cells.skip(5);
            None
        } else {
            let (spec, absent) = self.spec(&mut cells, rare, queue.clone())?;
            in_graph = absent && job.is_some();
            Some(Arc::new(spec))
        };
        let state = self.state(&mut cells)?;
        let row = TaskRow { key, tenant, given_id, job, spec, trigger, parents, created_at, state };
        Ok(Found { row, queue, in_graph })
    }

    fn name(&mut self, cells: &mut Cells<'_>) -> Result<Option<Name>, Failure> {
        Ok(cells.text()?.map(|text| self.names.get(&text)))
    }

    /// The spec, and whether the row has no body.
    fn spec(&mut self, cells: &mut Cells<'_>, rare: RareSpec, queue: Name) -> Result<(TaskSpec, bool), Failure> {
        let kind = self.name(cells)?.ok_or(Unreadable("type of a task"))?;
        let title = self.name(cells)?;
        let priority = u8::try_from(cells.int()?).map_err(|_| Unreadable("priority of a task"))?;
        let tags = decode_names(cells.text()?.as_deref())?;
        let body = cells.text()?;
        let text = match body.as_deref() {
            None => self.empty.clone(),
            Some("") => self.left.clone(),
            Some(body) => body.into(),
        };
        let class = Class { executor: kind.clone(), labels: Arc::from([]) };
        let policy = self.plain.clone();
        let mut spec = TaskSpec { title, queue, class, priority, policy, tags, ..TaskSpec::new(kind, text) };
        rare.complete(&mut spec)?;
        spec.class.executor = self.names.get(&spec.class.executor);
        if spec.policy == self.policy {
            spec.policy = self.policy.clone();
        } else {
            self.policy = spec.policy.clone();
        }
        Ok((spec, body.is_none()))
    }

    fn state(&mut self, cells: &mut Cells<'_>) -> Result<TaskState, Failure> {
        let status = cells.one_of(&TaskStatus::ALL, "status of a task")?;
        let place = place(cells.int_or_null()?, cells.int_or_null()?)?;
        let (due, ready_at, started_at) = (cells.time()?, cells.time()?, cells.time()?);
        let (attempt_ended_at, ended_at) = (cells.time()?, cells.time()?);
        let (generation, attempt) = (cells.small()?, cells.small()?);
        let worker = self.name(cells)?;
        let number = cells.int_or_null()?.map(|lease| lease as u64);
        let session = self.name(cells)?;
        let lease_ms = cells.int_or_null()?;
        let outcome = cells.one_of_or_null(&Outcome::ALL, "outcome")?;
        let kind = self.name(cells)?;
        let (message, trace) = (cells.name_or_null()?, cells.name_or_null()?);
        let dead = cells.flag()?;
        let rare = RareState::decode(cells.text()?.as_deref())?;
        let error = kind.map(|kind| AttemptFailure { kind, message: message.unwrap_or_else(|| "".into()), trace });
        let last = match (worker.clone(), started_at, number) {
            (Some(worker), Some(started_at), Some(lease)) => {
                let ended_at = attempt_ended_at;
                Some(Attempt { number: attempt, generation, worker, started_at, ended_at, outcome, error, lease })
            }
            _ => None,
        };
        let lease = session.map(|session| Lease {
            number: number.unwrap_or_default(),
            session,
            worker: worker.unwrap_or_else(|| "".into()),
            lease_ms: lease_ms.unwrap_or_default() as u64,
        });
        let mut state = TaskState {
            generation,
            attempt,
            due,
            ready_at,
            ended_at,
            last,
            lease,
            dead,
            ..TaskState::new(status, place)
        };
        rare.complete(&mut state)?;
        Ok(state)
    }
}

fn place(place: Option<i64>, lane: Option<i64>) -> Result<Place, Failure> {
    match (place, lane) {
        (None | Some(RESTING | FAILED), _) => Ok(Place::Rest),
        (Some(HOT), _) => Ok(Place::Hot),
        (Some(COLD_READY), Some(lane)) => Ok(Place::ColdReady { lane: LaneId(lane as u32) }),
        (Some(COLD_TIMER), _) => Ok(Place::ColdTimer),
        _ => Err(Unreadable("place of a task").into()),
    }
}
