//! Reads task rows.

use std::sync::Arc;

use mainspring_core::row::TaskRow;
use mainspring_core::spec::{Body, Class, Policy, TaskSpec};
use mainspring_core::task::{Attempt, Failure as AttemptFailure, LaneId, Lease, Outcome, Place, TaskState, TaskStatus};
use mainspring_store::record::{RareSpec, RareState, Unreadable, decode_names};
use rusqlite::Row;

use super::{Cells, EMPTY_BODY, Names};
use crate::failure::Failure;
use crate::writer::{COLD_READY, COLD_TIMER, HOT};

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

    /// The start of a query whose rows [`TaskDecoder::decode`] reads.
    pub(crate) fn select(&self) -> String {
        let body = match self.bodies {
            Bodies::Resident => "CASE WHEN octet_length(body) > 4096 THEN '' ELSE body END",
            Bodies::Stored => "body",
            Bodies::Left => "''",
        };
        format!(
            "SELECT key, tenant, id, job, created_at, rare_spec, edited, type, queue, title, priority, tags, {body},
                status, place, lane, due, ready_at, started_at, attempt_ended_at, ended_at, generation, attempt, worker,
                lease, session, lease_ms, outcome, error_type, error_message, error_trace, dead, rare_state
            FROM tasks"
        )
    }

    /// Reads one row, and whether its body is still to be taken from the graph.
    pub(crate) fn decode(&mut self, row: &Row<'_>) -> Result<(TaskRow, bool), Failure> {
        let mut cells = Cells::of(row);
        let key = cells.key()?;
        let tenant = cells.name(&mut self.names)?;
        let given_id = cells.text()?.map(Into::into);
        let job = cells.next::<Option<i64>>()?.map(|job| mainspring_core::id::Key::from_raw(job as u64));
        let created_at = cells.instant()?;
        let rare = RareSpec::decode(cells.text()?)?;
        let edited = cells.next::<Option<i64>>()?.is_some();
        let (trigger, parents) = rare.in_job()?;
        let mut in_graph = false;
        let spec = if self.bodies == Bodies::Resident && job.is_some() && !edited {
            (0..6).for_each(|_| cells.skip());
            None
        } else {
            let (spec, absent) = self.spec(&mut cells, rare)?;
            in_graph = absent && job.is_some();
            Some(Arc::new(spec))
        };
        let state = self.state(&mut cells)?;
        Ok((TaskRow { key, tenant, given_id, job, spec, trigger, parents, created_at, state }, in_graph))
    }

    /// The spec, and whether the row has no body.
    fn spec(&mut self, cells: &mut Cells<'_>, rare: RareSpec) -> Result<(TaskSpec, bool), Failure> {
        let kind = cells.name(&mut self.names)?;
        let queue = cells.name(&mut self.names)?;
        let title = cells.text()?.map(|title| self.names.get(title));
        let priority = cells.next()?;
        let tags = decode_names(cells.text()?)?;
        let body = cells.text()?;
        let text = match body {
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
        let place = cells.next::<Option<i64>>()?;
        let lane = cells.next::<Option<u32>>()?.map(LaneId);
        let due = cells.time()?;
        let ready_at = cells.time()?;
        let started_at = cells.time()?;
        let attempt_ended_at = cells.time()?;
        let ended_at = cells.time()?;
        let generation = cells.next()?;
        let attempt = cells.next()?;
        let worker = cells.text()?.map(|worker| self.names.get(worker));
        let number = cells.next::<Option<i64>>()?.map(|lease| lease as u64);
        let session = cells.text()?.map(|session| self.names.get(session));
        let lease_ms = cells.next::<Option<i64>>()?;
        let outcome = cells.one_of_or_null(&Outcome::ALL, "outcome")?;
        let kind = cells.text()?.map(|kind| self.names.get(kind));
        let (message, trace) = (cells.text()?, cells.text()?);
        let dead = cells.next::<Option<i64>>()?.is_some();
        let rare = RareState::decode(cells.text()?)?;
        let place = match (place, lane) {
            (None, _) => Place::Rest,
            (Some(HOT), _) => Place::Hot,
            (Some(COLD_READY), Some(lane)) => Place::ColdReady { lane },
            (Some(COLD_TIMER), _) => Place::ColdTimer,
            _ => return Err(Unreadable("place of a task").into()),
        };
        let error = kind.map(|kind| AttemptFailure {
            kind,
            message: message.unwrap_or_default().into(),
            trace: trace.map(Into::into),
        });
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
