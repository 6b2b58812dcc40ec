//! What a commit as a whole may say: order, epochs, bounds, claims, deletes (I1–I3, I16, I23).

use std::collections::BTreeSet;

use mainspring_core::id::{IdKind, Key};
use mainspring_core::job::SweepKind;
use mainspring_core::limits::IDEMPOTENCY_MS;
use mainspring_core::row::{AuditRow, Changes, ClaimKind, ClaimRow, Directive, Transition, TransitionKind};
use mainspring_core::task::{TaskState, TaskStatus};

use super::{Checker, Verdict, ensure, moves};

/// How far the shard's time may move on between the step that claims a name and the commit.
const CLAIM_SLACK_MS: u64 = 600_000;

impl Checker {
    /// I2, I3: contiguous numbers, no epoch after a later one, waters that never sink.
    pub(super) fn check_order(&mut self, changes: &Changes, epoch: u64) -> Verdict {
        let (old, new) = (self.model.water, changes.high_water);
        ensure(new.commit == old.commit + 1, "I2", || format!("commit {} follows {}", new.commit, old.commit))?;
        ensure(epoch >= self.epoch, "I3", || format!("epoch {epoch} was written after epoch {}", self.epoch))?;
        self.epoch = epoch;
        ensure(new.time >= old.time && new.lease >= old.lease && new.sequence >= old.sequence, "I2", || {
            format!("a high water sinks from {old:?} to {new:?}")
        })?;
        let drained = changes.put_workers.iter().find(|row| row.directive == Directive::Drain);
        ensure(drained.is_none(), "pause", || format!("{drained:?} would drain the next process too"))?;
        let updated: BTreeSet<Key> = changes.update_tasks.iter().map(|(key, _)| *key).collect();
        ensure(updated.len() == changes.update_tasks.len(), "I2", || "a task is updated twice in one commit".into())?;
        for key in &updated {
            ensure(self.model.tasks.contains_key(key), "I1", || format!("task {key:?} is updated, but has no row"))?;
        }
        for (key, _) in &changes.update_jobs {
            ensure(self.model.jobs.contains_key(key), "I1", || format!("job {key:?} is updated, but has no row"))?;
        }
        for row in &changes.insert_tasks {
            let known = self.model.tasks.contains_key(&row.key) || self.deleted.contains(&row.key);
            ensure(!known, "I1", || format!("task {:?} is inserted again", row.key))?;
            ensure(row.spec.is_some(), "I1", || format!("task {:?} is inserted without a spec", row.key))?;
        }
        Ok(())
    }

    /// A unique key passes on once its holder has started or ended: never while that one waits for its first start.
    fn gives_way(&self, changes: &Changes, row: &ClaimRow, holder: Key) -> bool {
        let updated = changes.update_tasks.iter().find(|(key, _)| *key == holder).map(|(_, state)| state);
        let inserted = changes.insert_tasks.iter().find(|row| row.key == holder).map(|row| &row.state);
        let state = updated.or(inserted).or(self.model.tasks.get(&holder).map(|row| &row.state));
        let waits =
            |state: &TaskState| matches!(state.status, TaskStatus::Ready | TaskStatus::Scheduled) && state.attempt == 0;
        row.name.kind == ClaimKind::Unique && !state.is_some_and(waits)
    }

    /// I23: a commit stays near the step budget.
    pub(super) fn check_bounds(&self, changes: &Changes) -> Verdict {
        let rows = changes.insert_tasks.len()
            + changes.update_tasks.len()
            + changes.delete_tasks.len()
            + changes.insert_jobs.len()
            + changes.update_jobs.len()
            + changes.insert_attempts.len();
        // One event's own rows may come on top of a full batch: a staged piece of 256, or a whole batch of tasks.
        let bound = 2 * self.config.shard.step_rows_max + 320;
        ensure(rows <= bound, "I23", || format!("a commit changes {rows} rows, the bound is {bound}"))
    }

    /// I16: a live claim never changes its target.
    pub(super) fn check_claims(&self, changes: &Changes) -> Verdict {
        for row in &changes.put_claims {
            let lasts = row.expires_at.map(|at| at.since(changes.high_water.time));
            let long_enough = match row.name.kind {
                ClaimKind::IdempotencyKey => lasts.is_some_and(|ms| ms + CLAIM_SLACK_MS >= IDEMPOTENCY_MS),
                ClaimKind::TaskId | ClaimKind::JobId => lasts.is_none(),
                ClaimKind::Unique => true,
            };
            ensure(long_enough, "I16", || format!("{:?} is remembered for {lasts:?} ms", row.name))?;
            if let Some(old) = self.model.claims.get(&row.name) {
                let over = old.expires_at.is_some_and(|at| at <= changes.high_water.time);
                let gone = changes.delete_claims.contains(&row.name) || self.asked.forgotten.contains(&row.name);
                let gone = gone || !self.exists(old.target) || self.gives_way(changes, row, old.target);
                ensure(old.target == row.target || over || gone, "I16", || {
                    format!("{:?} leads to {:?} and is claimed for {:?}", row.name, old.target, row.target)
                })?;
            }
        }
        for name in &changes.delete_claims {
            ensure(self.asked.forgotten.contains(name), "I16", || format!("nobody asked to forget {name:?}"))?;
            let target = self.model.claims.get(name).map(|claim| claim.target);
            ensure(target.is_none_or(|target| goes(changes, target)), "I16", || {
                format!("{name:?} is forgotten, and {target:?} stays")
            })?;
        }
        for row in changes.insert_tasks.iter().filter(|row| row.job.is_none()) {
            if let Some(id) = &row.given_id {
                // An id may be freed and taken again in one commit.
                let twin = self.model.tasks.values().find(|other| {
                    other.job.is_none()
                        && other.tenant == row.tenant
                        && other.given_id.as_ref() == Some(id)
                        && !goes(changes, other.key)
                });
                ensure(twin.is_none(), "I16", || format!("a second task `{id}` of tenant `{}`", row.tenant))?;
            }
        }
        for row in &changes.insert_jobs {
            if let Some(id) = &row.given_id {
                let is_going = |other: &mainspring_core::job::JobRow| {
                    other.state.sweep.as_ref().is_some_and(|sweep| sweep.kind == SweepKind::Deleting)
                        || goes(changes, other.key)
                };
                // The instances of a `forEach` go by the id of the job around them.
                let same = |other: &&mainspring_core::job::JobRow| {
                    row.parent.is_none()
                        && other.parent.is_none()
                        && other.tenant == row.tenant
                        && other.given_id.as_ref() == Some(id)
                        && !is_going(other)
                };
                let twin = self.model.jobs.values().find(same);
                ensure(twin.is_none(), "I16", || format!("a second job `{id}` of tenant `{}`", row.tenant))?;
            }
        }
        Ok(())
    }

    fn exists(&self, key: Key) -> bool {
        self.model.tasks.contains_key(&key) || self.model.jobs.contains_key(&key)
    }

    /// I1: only what was asked to be deleted, and has ended, goes.
    pub(super) fn check_deletes(&mut self, changes: &Changes) -> Verdict {
        for key in &changes.delete_tasks {
            let Some(row) = self.model.tasks.get(key) else { continue };
            let asked =
                self.asked.deleted.contains(key) || row.job.is_some_and(|job| self.asked.deleted.contains(&job));
            let asked = asked || row.job.is_some_and(|job| self.goes_with_its_group(job));
            ensure(asked, "I1", || format!("task {key:?} is deleted, nobody asked for it"))?;
            // A child that its group waits for no more is called off and deleted in one commit.
            let called_off = |told: &Transition| told.task == Some(*key) && told.kind == TransitionKind::TaskCancelled;
            let ended = moves::is_terminal(row.state.status) || changes.feed.iter().any(called_off);
            ensure(ended, "I1", || format!("task {key:?} is deleted while {:?}", row.state.status))?;
            let id = key.id(IdKind::Task);
            let audited = |audit: &AuditRow| &*audit.action == "task.delete" && *audit.target == *id;
            ensure(row.job.is_some() || changes.insert_audit.iter().any(audited), "audit", || {
                format!("task {key:?} is deleted, and there is no record of it")
            })?;
            self.deleted.insert(*key);
        }
        for key in &changes.delete_jobs {
            let asked = self.asked.deleted.contains(key) || self.goes_with_its_group(*key);
            ensure(asked, "I1", || format!("job {key:?} is deleted, nobody asked for it"))?;
            self.deleted.insert(*key);
        }
        Ok(())
    }
}

/// Whether this commit deletes what the key names, or begins to.
fn goes(changes: &Changes, key: Key) -> bool {
    let mut begun = changes
        .update_jobs
        .iter()
        .filter(|(_, state)| state.sweep.as_ref().is_some_and(|sweep| sweep.kind == SweepKind::Deleting));
    changes.delete_tasks.contains(&key) || changes.delete_jobs.contains(&key) || begun.any(|(job, _)| *job == key)
}
