//! Orders about dead letters: redrive, discard, edit.

use super::super::Shard;
use crate::effect::{Answer, Refusal};
use crate::id::{Key, Name};
use crate::job::{RerunFrom, Sweep, SweepKind};
use crate::spec::Body;
use crate::task::{TaskState, TaskStatus};

impl Shard {
    /// Opens the next generation of an ended standalone task.
    pub(super) fn open_generation(&mut self, key: Key, wait_ms: u64) {
        let due = self.now.plus_ms(wait_ms);
        let task = self.tasks.get_mut(&key).expect("the task was in the read set");
        let state = &mut task.row.state;
        assert!(state.status.may_become(TaskStatus::Pending, true), "only an ended task opens a generation");
        let (generation, attempt, last) = (state.generation + 1, state.attempt, state.last.take());
        *state = TaskState { attempt, last, ..super::super::submit::fresh_state(generation) };
        self.permits.add_unfinished(&task.row.tenant, 1);
        self.touch(key);
        if wait_ms == 0 {
            self.make_ready(key);
        } else {
            self.make_scheduled(key, due);
        }
    }

    pub(super) fn order_redrive(&mut self, actor: &Name, tasks: Vec<Key>, spacing_ms: u64) -> Answer {
        let mut took = Vec::with_capacity(tasks.len());
        for key in tasks {
            let Some(task) = self.tasks.get(&key).filter(|task| task.row.state.dead) else { continue };
            match task.row.job {
                None => {
                    let place = self.part_offset + took.len() as u64;
                    self.open_generation(key, spacing_ms.saturating_mul(place).min(crate::limits::DELAY_MS_MAX));
                }
                Some(job) => {
                    let (job, task) = self.outermost(job, key);
                    let from = RerunFrom::Task(job.index_of(task));
                    // Several dead letters of one job: the first opens the rerun; the others follow as failed tasks.
                    if !self.join_rerun(job) && self.order_rerun_job(actor, job, from).is_err() {
                        continue;
                    }
                }
            }
            self.audit_task(actor, "dead_letter.redrive", key, &format!(r#"{{"spacingMs":{spacing_ms}}}"#));
            took.push(key);
        }
        Answer::Took(took)
    }

    pub(super) fn order_discard(&mut self, actor: &Name, tasks: Vec<Key>) -> Answer {
        let mut took = Vec::with_capacity(tasks.len());
        for key in tasks {
            if self.tasks.get(&key).is_some_and(|task| task.row.state.dead) {
                self.task_mut(key).row.state.dead = false;
                self.touch(key);
                self.audit_task(actor, "dead_letter.discard", key, "{}");
                took.push(key);
            }
        }
        Answer::Took(took)
    }

    pub(super) fn order_edit(
        &mut self,
        actor: &Name,
        key: Key,
        body: Body,
        before: Option<Body>,
    ) -> Result<Answer, Refusal> {
        if !self.known_task(key)?.dead {
            return Err(Refusal::NotDead);
        }
        self.give_spec_of_graph(key);
        let detail = super::audit::before_edit(self.body_of(key).or(before).as_deref());
        self.replace_body(key, body);
        self.audit_task(actor, "dead_letter.edit", key, &detail);
        Ok(Answer::Done)
    }

    /// The body of a task, if memory has it: a large one is there only until it is committed.
    fn body_of(&self, key: Key) -> Option<Body> {
        let rewritten = self.changes.rewrite_bodies.iter().find(|(other, _)| *other == key).map(|(_, body)| body);
        let spec = self.task(key).row.spec.as_ref();
        rewritten.or(spec.map(|spec| &spec.body)).filter(|body| !body.is_empty()).cloned()
    }

    /// Widens a rerun that has not begun yet so that it covers the job's dead letters; false if there is none such.
    fn join_rerun(&mut self, key: Key) -> bool {
        let Some(job) = self.jobs.get(&key) else { return false };
        let Some(sweep) = job.row.state.sweep.as_ref().filter(|sweep| sweep.next == 0) else { return false };
        match sweep.kind {
            SweepKind::Rerunning(RerunFrom::Start | RerunFrom::Failed) => true,
            SweepKind::Rerunning(RerunFrom::Task(index)) => {
                // To all failed tasks, unless somebody ordered a rerun from one that had not failed.
                let dead = self.tasks.get(&key.task_of_job(index)).is_some_and(|task| task.row.state.dead);
                if dead {
                    self.job_mut(key).row.state.sweep =
                        Some(Sweep { kind: SweepKind::Rerunning(RerunFrom::Failed), next: 0 });
                }
                dead
            }
            _ => false,
        }
    }
}
