//! A task in two records: what was submitted, and what changes. So a change rewrites nothing that stays.

use std::sync::Arc;

use mainspring_core::id::{Key, Name};
use mainspring_core::limits::RESIDENT_BODY_BYTES_MAX;
use mainspring_core::row::TaskRow;
use mainspring_core::spec::{Class, Policy, TaskSpec, Trigger};
use mainspring_core::task::{Attempt, Failure, LaneId, Lease, Outcome, Place, TaskState, TaskStatus};
use mainspring_core::time::Timestamp;
use mainspring_store::record::{RareSpec, RareState, Unreadable};

use super::{FORMAT, Names, Put, Take};

/// Where the body of a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyAt {
    /// In the record.
    Here,
    /// In a key of its own: it is large.
    Apart,
    /// In the graph of its job.
    Graph,
}

const BODIES: [BodyAt; 3] = [BodyAt::Here, BodyAt::Apart, BodyAt::Graph];

/// What was submitted.
#[derive(Clone, Debug)]
pub(crate) struct StoredSpec {
    pub(crate) tenant: Name,
    pub(crate) given_id: Option<Name>,
    pub(crate) job: Option<Key>,
    pub(crate) created_at: Timestamp,
    pub(crate) trigger: Trigger,
    pub(crate) parents: u32,
    /// Its body was replaced after it was submitted.
    pub(crate) edited: bool,
    /// Empty body where it stands elsewhere.
    pub(crate) spec: TaskSpec,
    pub(crate) body_at: BodyAt,
}

impl StoredSpec {
    /// Of a new row.
    pub(crate) fn of(row: &TaskRow, spec: &TaskSpec) -> Self {
        Self {
            tenant: row.tenant.clone(),
            given_id: row.given_id.clone(),
            job: row.job,
            created_at: row.created_at,
            trigger: row.trigger,
            parents: row.parents,
            edited: false,
            spec: spec.clone(),
            body_at: BodyAt::Here,
        }
        .placed()
    }

    /// With the place that its body should have.
    pub(crate) fn placed(mut self) -> Self {
        self.body_at = if self.spec.body.len() > RESIDENT_BODY_BYTES_MAX {
            BodyAt::Apart
        } else if self.job.is_some() && !self.edited {
            BodyAt::Graph
        } else {
            BodyAt::Here
        };
        self
    }

    /// The whole row, with its state.
    pub(crate) fn row(self, key: Key, state: TaskState) -> TaskRow {
        let Self { tenant, given_id, job, created_at, trigger, parents, spec, .. } = self;
        TaskRow { key, tenant, given_id, job, spec: Some(Arc::new(spec)), trigger, parents, created_at, state }
    }

    /// Reads what [`encode_spec`] wrote.
    ///
    /// # Errors
    /// If these bytes are something else.
    pub(crate) fn decode(bytes: &[u8], names: &mut Names) -> Result<Self, Unreadable> {
        let mut from = Take::new(bytes);
        let read = Self::read(&mut from, names).ok_or(Unreadable("spec of a task"))?;
        let (mut stored, rare) = read;
        let rare = RareSpec::decode(rare)?;
        (stored.trigger, stored.parents) = rare.in_job()?;
        rare.complete(&mut stored.spec)?;
        stored.spec.class.executor = names.get(&stored.spec.class.executor);
        Ok(stored)
    }

    fn read<'a>(from: &mut Take<'a>, names: &mut Names) -> Option<(Self, Option<&'a str>)> {
        if from.byte()? != FORMAT {
            return None;
        }
        let tenant = names.get(from.text()?);
        let given_id = from.text_or_none()?.map(Name::from);
        let job = from.number_or_none()?.map(Key::from_raw);
        let created_at = Timestamp::from_millis(from.signed()?);
        let edited = from.flag()?;
        let kind = names.get(from.text()?);
        let queue = names.get(from.text()?);
        let title = from.text_or_none()?.map(|title| names.get(title));
        let priority = from.byte()?;
        let tags = (0..from.number()?).map(|_| Some(names.get(from.text()?))).collect::<Option<Vec<_>>>()?;
        let rare = from.text_or_none()?;
        let body_at = from.one_of(&BODIES)?;
        let body = from.text()?.into();
        let class = Class { executor: kind.clone(), labels: Arc::from([]) };
        let policy = Arc::new(Policy::default());
        let tags = tags.into();
        let spec = TaskSpec { title, queue, class, priority, policy, tags, ..TaskSpec::new(kind, body) };
        let (trigger, parents) = (Trigger::default(), 0);
        Some((Self { tenant, given_id, job, created_at, trigger, parents, edited, spec, body_at }, rare))
    }
}

/// Writes what was submitted.
pub(crate) fn encode_spec(stored: &StoredSpec) -> Vec<u8> {
    let spec = &stored.spec;
    let mut out = Vec::with_capacity(96 + spec.body.len().min(RESIDENT_BODY_BYTES_MAX));
    out.push(FORMAT);
    out.text(&stored.tenant);
    out.text_or_none(stored.given_id.as_deref());
    out.number_or_none(stored.job.map(Key::raw));
    out.signed(stored.created_at.as_millis());
    out.push(u8::from(stored.edited));
    out.text(&spec.kind);
    out.text(&spec.queue);
    out.text_or_none(spec.title.as_deref());
    out.push(spec.priority);
    out.number(spec.tags.len() as u64);
    spec.tags.iter().for_each(|tag| out.text(tag));
    out.text_or_none(RareSpec::encode(spec, stored.trigger, stored.parents).as_deref());
    out.push(stored.body_at as u8);
    out.text(if stored.body_at == BodyAt::Here { &spec.body } else { "" });
    out
}

/// Writes what changes.
pub(crate) fn encode_state(out: &mut Vec<u8>, state: &TaskState) {
    out.push(FORMAT);
    out.push(state.status as u8);
    match state.place {
        Place::Rest => out.push(0),
        Place::Hot => out.push(1),
        Place::ColdTimer => out.push(2),
        Place::ColdReady { lane } => {
            out.push(3);
            out.number(u64::from(lane.0));
        }
    }
    out.push(u8::from(state.dead));
    out.number(u64::from(state.generation));
    out.number(u64::from(state.attempt));
    for at in [state.due, state.ready_at, state.ended_at] {
        out.signed_or_none(at.map(Timestamp::as_millis));
    }
    out.push(u8::from(state.last.is_some()));
    if let Some(last) = &state.last {
        course(out, last);
    }
    out.push(u8::from(state.lease.is_some()));
    if let Some(lease) = &state.lease {
        out.text(&lease.session);
        out.number(lease.lease_ms);
    }
    out.text_or_none(RareState::encode(state).as_deref());
}

/// An attempt without its number and generation.
pub(super) fn course(out: &mut Vec<u8>, attempt: &Attempt) {
    out.text(&attempt.worker);
    out.signed(attempt.started_at.as_millis());
    out.signed_or_none(attempt.ended_at.map(Timestamp::as_millis));
    out.push(attempt.outcome.map_or(0, |outcome| outcome as u8 + 1));
    out.number(attempt.lease);
    out.push(u8::from(attempt.error.is_some()));
    if let Some(error) = &attempt.error {
        out.text(&error.kind);
        out.text(&error.message);
        out.text_or_none(error.trace.as_deref());
    }
}

pub(super) fn take_course(from: &mut Take<'_>, names: &mut Names, number: u32, generation: u32) -> Option<Attempt> {
    let worker = names.get(from.text()?);
    let started_at = Timestamp::from_millis(from.signed()?);
    let ended_at = from.signed_or_none()?.map(Timestamp::from_millis);
    let outcome = match from.byte()? {
        0 => None,
        outcome => Some(*Outcome::ALL.get(usize::from(outcome) - 1)?),
    };
    let lease = from.number()?;
    let error = if from.flag()? {
        let kind = names.get(from.text()?);
        Some(Failure { kind, message: from.text()?.into(), trace: from.text_or_none()?.map(Name::from) })
    } else {
        None
    };
    Some(Attempt { number, generation, worker, started_at, ended_at, outcome, error, lease })
}

/// Reads what [`encode_state`] wrote.
///
/// # Errors
/// If these bytes are something else.
pub(crate) fn decode_state(bytes: &[u8], names: &mut Names) -> Result<TaskState, Unreadable> {
    let mut from = Take::new(bytes);
    let (mut state, rare) = read_state(&mut from, names).ok_or(Unreadable("state of a task"))?;
    RareState::decode(rare)?.complete(&mut state)?;
    Ok(state)
}

fn read_state<'a>(from: &mut Take<'a>, names: &mut Names) -> Option<(TaskState, Option<&'a str>)> {
    if from.byte()? != FORMAT {
        return None;
    }
    let status = from.one_of(&TaskStatus::ALL)?;
    let place = match from.byte()? {
        0 => Place::Rest,
        1 => Place::Hot,
        2 => Place::ColdTimer,
        3 => Place::ColdReady { lane: LaneId(from.small()?) },
        _ => return None,
    };
    let dead = from.flag()?;
    let (generation, attempt) = (from.small()?, from.small()?);
    let mut time = || Some(from.signed_or_none()?.map(Timestamp::from_millis));
    let (due, ready_at, ended_at) = (time()?, time()?, time()?);
    let last = if from.flag()? { Some(take_course(from, names, attempt, generation)?) } else { None };
    let lease = if from.flag()? {
        let (number, worker) = last.as_ref().map_or((0, "".into()), |last| (last.lease, last.worker.clone()));
        Some(Lease { number, session: names.get(from.text()?), worker, lease_ms: from.number()? })
    } else {
        None
    };
    let state =
        TaskState { generation, attempt, due, ready_at, ended_at, last, lease, dead, ..TaskState::new(status, place) };
    Some((state, from.text_or_none()?))
}
