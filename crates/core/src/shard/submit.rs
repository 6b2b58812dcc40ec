//! Takes work in: standalone tasks, each judged alone, and jobs, as a whole.

mod elsewhere;
mod postponed;
mod quota;
mod unique;

use std::sync::Arc;

use super::{Dirt, Job, Shard};
use crate::effect::{Answer, Refusal, Submitted};
use crate::event::{NewTask, RequestId, SubmitJob, SubmitTasks};
use crate::graph::Graph;
use crate::id::{Bucket, Key, Name};
use crate::job::{GraphTask, JobRow, JobState, JobStatus, Sweep, SweepKind};
use crate::limits::{DELAY_MS_MAX, IDEMPOTENCY_MS, STAGED_TASKS_MIN};
use crate::row::{ClaimKind, ClaimName, ClaimRow, TaskRow, TransitionKind};
use crate::spec::Trigger;
use crate::task::{Place, TaskState, TaskStatus};

pub(super) use postponed::Postponed;
pub(super) use unique::unique_claim;

/// The state of a task that nothing has happened to.
pub(super) fn fresh_state(generation: u32) -> TaskState {
    TaskState { generation, ..TaskState::new(TaskStatus::Pending, Place::Rest) }
}

/// The names that a submission claims.
pub(super) fn claims_of(kind: ClaimKind, tenant: &Name, id: Option<&Name>, key: Option<&Name>) -> Vec<ClaimName> {
    let id = id.map(|text| ClaimName { kind, tenant: tenant.clone(), text: text.clone() });
    id.into_iter().chain(key.map(|key| key_name(tenant, key))).collect()
}

/// The claim of an idempotency key.
pub(super) fn key_name(tenant: &Name, key: &Name) -> ClaimName {
    ClaimName { kind: ClaimKind::IdempotencyKey, tenant: tenant.clone(), text: key.clone() }
}

impl Shard {
    pub(super) fn submit_tasks(&mut self, submission: SubmitTasks) {
        let bucket = submission.bucket;
        let answers = submission.tasks.into_iter().map(|task| self.submit_task(bucket, task)).collect();
        self.reply(submission.to, Ok(Answer::Tasks(answers)));
    }

    fn submit_task(&mut self, bucket: Bucket, task: NewTask) -> Result<Submitted, Refusal> {
        let claims = claims_of(ClaimKind::TaskId, &task.tenant, task.given_id.as_ref(), task.idempotency_key.as_ref());
        if let Some(target) = self.claimed(&claims, task.body_hash)? {
            return Ok(self.submitted_before(target));
        }
        self.check_keys(&task.spec)?;
        self.charge_quota(&task.tenant, 1)?;
        if let Some(joined) = self.meet_holder(&task)? {
            return Ok(joined);
        }
        let (bucket, body_hash) = (task.home().unwrap_or(bucket), task.body_hash);
        let unique = task.unique.clone().map(|unique| (task.tenant.clone(), unique));
        let key = self.place_task(task, bucket);
        self.put_claims(claims, key, body_hash);
        if let Some((tenant, unique)) = &unique {
            self.hold_key(tenant, unique, key);
        }
        Ok(self.answer_of(key, false))
    }

    fn answer_of(&self, key: Key, repeated: bool) -> Submitted {
        let state = &self.task(key).row.state;
        let run_at = if state.status == TaskStatus::Scheduled { state.due } else { None };
        Submitted { key, status: state.status, run_at, repeated }
    }

    /// Takes a task in that no earlier one answers for.
    pub(super) fn place_task(&mut self, task: NewTask, bucket: Bucket) -> Key {
        let key = self.mint(bucket, 1);
        let due = self.due_of(task.start);
        self.insert_task(TaskRow {
            key,
            tenant: task.tenant,
            given_id: task.given_id,
            job: None,
            spec: Some(task.spec),
            trigger: Trigger::AllSuccess,
            parents: 0,
            created_at: self.now,
            state: fresh_state(1),
        });
        self.tell(TransitionKind::TaskSubmitted, Some(key), None, 0, None);
        self.make_scheduled(key, due);
        key
    }

    /// What the first claimed name leads to; an error if it was claimed with another body.
    fn claimed(&self, names: &[ClaimName], body_hash: u128) -> Result<Option<Key>, Refusal> {
        for name in names {
            let Some((Some(claim), _)) = self.claims.get(name) else { continue };
            if claim.expires_at.is_some_and(|at| at <= self.now) {
                continue;
            }
            if claim.body_hash == body_hash && !elsewhere::is_elsewhere(claim.target) {
                return Ok(Some(claim.target));
            }
            return Err(match name.kind {
                ClaimKind::IdempotencyKey => Refusal::KeyReused(name.text.clone()),
                ClaimKind::TaskId | ClaimKind::JobId | ClaimKind::Unique => Refusal::IdTaken(name.text.clone()),
            });
        }
        Ok(None)
    }

    fn put_claims(&mut self, names: Vec<ClaimName>, target: Key, body_hash: u128) {
        for name in names {
            let expires_at = (name.kind == ClaimKind::IdempotencyKey).then(|| self.now.plus_ms(IDEMPOTENCY_MS));
            self.put_claim(ClaimRow { name, target, body_hash, expires_at });
        }
    }

    fn put_claim(&mut self, claim: ClaimRow) {
        self.claims.insert(claim.name.clone(), (Some(claim.clone()), self.high_water.commit + 1));
        // Stores forget after they put: a name that was forgotten in this batch would be lost.
        self.changes.delete_claims.retain(|forgotten| *forgotten != claim.name);
        self.changes.put_claims.retain(|put| put.name != claim.name || put.name.kind != ClaimKind::Unique);
        self.changes.put_claims.push(claim);
        self.rows += 1;
    }

    /// The answer that an accepted task got, as far as it still exists.
    fn submitted_before(&self, key: Key) -> Submitted {
        let state = self.tasks.get(&key).map(|task| &task.row.state);
        let status = state.map_or(TaskStatus::Completed, |state| state.status);
        let run_at = state.filter(|_| status == TaskStatus::Scheduled).and_then(|state| state.due);
        Submitted { key, status, run_at, repeated: true }
    }

    pub(super) fn submit_job(&mut self, submission: SubmitJob) {
        let claims = claims_of(
            ClaimKind::JobId,
            &submission.tenant,
            submission.given_id.as_ref(),
            submission.idempotency_key.as_ref(),
        );
        match self.claimed(&claims, submission.body_hash) {
            Err(refusal) => return self.reply(submission.to, Err(refusal)),
            Ok(Some(key)) => return self.answer_repeated_job(submission.to, key),
            Ok(None) => {}
        }
        let tasks = submission.graph.tasks().len() as u32;
        let keys = self.check_keys_of(&submission.graph);
        if let Err(refusal) = keys.and_then(|()| self.charge_quota(&submission.tenant, tasks)) {
            return self.reply(submission.to, Err(refusal));
        }
        let bucket = submission.home().unwrap_or(submission.bucket);
        let (to, body_hash) = (submission.to, submission.body_hash);
        let (row, graph) = self.job_row(submission, bucket);
        self.put_claims(claims, row.key, body_hash);
        self.enter_job(row, graph, Some(to));
    }

    /// Takes a job in that nobody waits for and no earlier one answers for: its key, and whether it is published later.
    pub(super) fn place_job(&mut self, submission: SubmitJob, bucket: Bucket) -> (Key, bool) {
        let (row, graph) = self.job_row(submission, bucket);
        let key = row.key;
        self.enter_job(row, graph, None);
        (key, self.job(key).staging.is_some())
    }

    fn job_row(&mut self, submission: SubmitJob, bucket: Bucket) -> (JobRow, Arc<Graph>) {
        let tasks = submission.graph.tasks().len() as u32;
        let row = JobRow {
            key: self.mint(bucket, u64::from(tasks) + 1),
            tenant: submission.tenant,
            given_id: submission.given_id,
            title: submission.title,
            failure_policy: submission.failure_policy,
            tasks,
            body: submission.body,
            tags: submission.tags,
            parent: None,
            ancestors: Arc::default(),
            deadline_ms: submission.deadline_ms.map(|ms| ms.min(DELAY_MS_MAX)),
            active_key: submission.active_key,
            created_at: self.now,
            state: JobState { followed: submission.followed, ..JobState::new(JobStatus::Pending) },
        };
        (row, submission.graph)
    }

    /// Takes a job in, at once or in pieces, and answers whoever submitted it.
    pub(super) fn enter_job(&mut self, mut row: JobRow, graph: Arc<Graph>, to: Option<RequestId>) {
        let (key, tasks) = (row.key, row.tasks);
        let staged = tasks as usize > STAGED_TASKS_MIN.min(self.config.step_rows_max / 2);
        self.permits.add_unfinished(&row.tenant, u64::from(tasks));
        row.state.sweep = staged.then_some(Sweep { kind: SweepKind::Staging, next: 0 });
        let staging = staged.then(|| (graph.clone(), to));
        self.absent_jobs.remove(&key);
        self.bytes += row.body.len();
        self.jobs.insert(key, Job { row, dirt: Dirt::Inserted, commit: 0, active: 0, settling: 0, staging });
        self.dirty_jobs.push(key);
        self.rows += 1;
        if staged {
            self.work.insert(super::Work::Sweep(key));
            return;
        }
        for chunk in graph.chunks(key) {
            self.put_chunk(Arc::new(chunk), true);
        }
        for (index, node) in (0..).zip(graph.tasks()) {
            self.insert_job_task(key, index, node);
        }
        self.publish(key);
        for index in 0..tasks {
            self.decide(key, key.task_of_job(index));
        }
        self.answer_job(key, to);
    }

    /// All rows of a job are there: it is told of, watched, and waits for its turn if it has to.
    pub(super) fn publish(&mut self, key: Key) {
        self.tell_of_job(TransitionKind::JobSubmitted, key);
        if let Some(group) = self.job(key).row.parent {
            self.attach(key, group);
        }
        self.watch_job(key);
        self.take_place(key);
    }

    pub(super) fn answer_job(&mut self, key: Key, to: Option<RequestId>) {
        if let Some(to) = to {
            self.reply(to, Ok(Answer::Job { key, status: JobStatus::Pending, repeated: false }));
        }
    }

    fn answer_repeated_job(&mut self, to: RequestId, key: Key) {
        let status = match self.jobs.get(&key).map(|job| &job.row.state) {
            Some(state) if matches!(&state.sweep, Some(sweep) if sweep.kind == SweepKind::Staging) => {
                return self.reply(to, Err(Refusal::Busy));
            }
            Some(state) => state.status,
            None => JobStatus::Completed,
        };
        self.reply(to, Ok(Answer::Job { key, status, repeated: true }));
    }

    /// The row of a task of a job, waiting for its parents.
    pub(super) fn insert_job_task(&mut self, job: Key, index: u32, node: &GraphTask) {
        let row = TaskRow {
            key: job.task_of_job(index),
            tenant: self.job(job).row.tenant.clone(),
            given_id: Some(node.name.clone()),
            job: Some(job),
            spec: Some(node.spec.clone()),
            trigger: node.trigger,
            parents: node.parents.len() as u32,
            created_at: self.now,
            state: fresh_state(1),
        };
        self.insert_task(row);
    }
}
