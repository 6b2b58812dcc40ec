//! The judge: a second, independent reading of `reliability.md` over the sequence of commits and released effects.
//!
//! It never calls the core's own code. It sees what was asked ([`Checker::asked`]), every commit that the store applied
//! ([`Checker::committed`]), every effect that left ([`Checker::released`]) and every load ([`Checker::loaded`]).

pub mod attempts;
pub mod ending;
pub mod jobs;
pub mod model;
pub mod moves;
pub mod places;
pub mod replies;
pub mod trigger;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use mainspring_core::event::{AttemptEnded, Event, Order, RequestId};
use mainspring_core::id::{Key, Name, SessionId, Token};
use mainspring_core::job::{FailurePolicy, SweepKind};
use mainspring_core::row::{Changes, ClaimName, Snapshot, TaskRow, TransitionKind};
use mainspring_core::task::{Outcome, Place, SkipReason, TaskStatus};
use mainspring_core::time::Timestamp;

use crate::config::WorldConfig;
use crate::sometimes::Sometimes;
use model::Model;

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which, as named in `reliability.md`.
    pub invariant: &'static str,
    /// What was seen.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.detail)
    }
}

/// Nothing, or what does not hold.
pub type Verdict = Result<(), Violation>;

/// Fails with this invariant unless the condition holds.
pub fn ensure(holds: bool, invariant: &'static str, detail: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(Violation { invariant, detail: detail() }) }
}

/// What was asked of the core, as far as a later move may need it as its reason.
#[derive(Debug, Default)]
pub struct Asked {
    cancelled_tasks: BTreeSet<Key>,
    cancelled_jobs: BTreeSet<Key>,
    hurried: BTreeSet<Key>,
    reopened: BTreeSet<Key>,
    discarded: BTreeSet<Key>,
    deleted: BTreeSet<Key>,
    forgotten: BTreeSet<ClaimName>,
    /// Number of the last commit before the newest pause, resume or cancel of a job.
    toggled: BTreeMap<Key, u64>,
    /// The same for queues and workers.
    switched: BTreeMap<Name, u64>,
    /// What workers reported, by lease.
    reports: BTreeMap<u64, (SessionId, Vec<AttemptEnded>)>,
    /// What each exchange reported.
    exchanges: BTreeMap<RequestId, (SessionId, Vec<(Token, Outcome)>)>,
}

/// The judge of one world.
#[derive(Debug)]
pub struct Checker {
    /// The rows.
    pub model: Model,
    /// The counters.
    pub sometimes: Sometimes,
    asked: Asked,
    config: WorldConfig,
    epoch: u64,
    /// Sessions by the leases they were given.
    holders: BTreeMap<u64, SessionId>,
    /// Tasks and jobs whose acceptance was released.
    acknowledged_tasks: BTreeSet<Key>,
    acknowledged_jobs: BTreeSet<Key>,
    /// Of those, the ones of which somebody was told that they were not there before.
    acknowledged_as_new: BTreeSet<Key>,
    /// Claims whose acceptance was released: hash, target, end.
    acknowledged_claims: BTreeMap<ClaimName, (u128, Key, Option<Timestamp>)>,
    /// Jobs whose cancel was released, with the generation it was for.
    acknowledged_cancels: BTreeMap<Key, u32>,
    deleted: BTreeSet<Key>,
}

/// A task before a commit, if it existed, and after.
struct Touched {
    key: Key,
    old: Option<TaskRow>,
}

impl Checker {
    /// A judge who has seen nothing.
    pub fn new(config: &WorldConfig) -> Self {
        Self {
            model: Model::default(),
            sometimes: Sometimes::default(),
            asked: Asked::default(),
            config: config.clone(),
            epoch: 0,
            holders: BTreeMap::new(),
            acknowledged_tasks: BTreeSet::new(),
            acknowledged_jobs: BTreeSet::new(),
            acknowledged_as_new: BTreeSet::new(),
            acknowledged_claims: BTreeMap::new(),
            acknowledged_cancels: BTreeMap::new(),
            deleted: BTreeSet::new(),
        }
    }

    /// An event went into a core.
    pub fn asked(&mut self, event: &Event) {
        let commit = self.model.water.commit;
        match event {
            Event::Exchange(exchange) => {
                let reported = exchange.outcomes.iter().map(|ended| (ended.token, ended.outcome)).collect();
                self.asked.exchanges.insert(exchange.to, (exchange.session.clone(), reported));
                for ended in &exchange.outcomes {
                    let entry = self.asked.reports.entry(ended.token.lease);
                    let entry = entry.or_insert_with(|| (exchange.session.clone(), Vec::new()));
                    entry.1.push(ended.clone());
                }
            }
            Event::Command(command) => self.asked_order(&command.order, commit),
            Event::SubmitTasks(_) | Event::SubmitJob(_) | Event::EndSession(_) => {}
        }
    }

    fn asked_order(&mut self, order: &Order, commit: u64) {
        let asked = &mut self.asked;
        match order {
            Order::CancelTask(key) => {
                asked.cancelled_tasks.insert(*key);
            }
            Order::CancelJob(key) => {
                asked.cancelled_jobs.insert(*key);
                asked.toggled.insert(*key, commit);
            }
            Order::PauseJob(key) | Order::ResumeJob(key) => {
                asked.toggled.insert(*key, commit);
            }
            Order::RetryTask(key) => {
                asked.hurried.insert(*key);
                asked.reopened.insert(*key);
                let job = self.model.tasks.get(key).and_then(|row| row.job);
                asked.reopened.extend(job);
            }
            Order::RerunJob(key, _) => {
                asked.reopened.insert(*key);
                asked.toggled.insert(*key, commit);
            }
            Order::Redrive { tasks, .. } => {
                asked.reopened.extend(tasks.iter().copied());
                let jobs = tasks.iter().filter_map(|key| self.model.tasks.get(key).and_then(|row| row.job));
                asked.reopened.extend(jobs);
            }
            Order::Discard(keys) => asked.discarded.extend(keys.iter().copied()),
            Order::Delete { tasks, jobs, forget } => {
                asked.deleted.extend(tasks.iter().chain(jobs).copied());
                asked.forgotten.extend(forget.iter().cloned());
            }
            Order::PauseQueue { queue, .. } => {
                asked.switched.insert(queue.clone(), commit);
            }
            Order::DirectWorker { worker, .. } => {
                asked.switched.insert(worker.clone(), commit);
            }
            Order::EditBody(..) | Order::Define { .. } | Order::Why(_) | Order::Figures | Order::Sessions => {}
        }
    }

    /// The store applied a commit under this epoch.
    pub fn committed(&mut self, changes: &Changes, epoch: u64) -> Verdict {
        self.check_order(changes, epoch)?;
        self.check_bounds(changes)?;
        self.check_claims(changes)?;
        let before = self.note_before(changes);
        let old_paused = self.model.paused_queues.clone();
        let old_directives = self.model.directives.clone();
        let old_water = self.model.water;
        let mut jobs: BTreeSet<Key> = changes.insert_jobs.iter().map(|row| row.key).collect();
        jobs.extend(changes.update_jobs.iter().map(|(key, _)| *key));
        let old_jobs: BTreeMap<Key, _> = self.touched_jobs(&before, &jobs);
        self.check_deletes(changes)?;
        self.model.apply(changes);
        for touched in &before {
            if self.model.tasks.contains_key(&touched.key) {
                self.check_task(touched, &old_water)?;
                self.check_grant_allowed(touched, &old_paused, &old_directives, &old_jobs)?;
                self.check_reasons(touched)?;
            }
        }
        self.check_lease_numbers(&before, &old_water)?;
        for job in old_jobs.keys() {
            self.check_job(*job, old_jobs[job].as_ref(), &before)?;
        }
        self.count(changes, &before);
        Ok(())
    }

    fn touched_jobs(
        &self,
        before: &[Touched],
        jobs: &BTreeSet<Key>,
    ) -> BTreeMap<Key, Option<mainspring_core::job::JobRow>> {
        let of_tasks = before.iter().filter_map(|touched| touched.old.as_ref().and_then(|row| row.job));
        let all: BTreeSet<Key> = jobs.iter().copied().chain(of_tasks).collect();
        all.into_iter().map(|key| (key, self.model.jobs.get(&key).cloned())).collect()
    }

    fn note_before(&self, changes: &Changes) -> Vec<Touched> {
        let new = changes.insert_tasks.iter().map(|row| Touched { key: row.key, old: None });
        let old =
            changes.update_tasks.iter().map(|(key, _)| Touched { key: *key, old: self.model.tasks.get(key).cloned() });
        new.chain(old).collect()
    }

    /// I2, I3: contiguous numbers, no epoch after a later one, waters that never sink.
    fn check_order(&mut self, changes: &Changes, epoch: u64) -> Verdict {
        let (old, new) = (self.model.water, changes.high_water);
        ensure(new.commit == old.commit + 1, "I2", || format!("commit {} follows {}", new.commit, old.commit))?;
        ensure(epoch >= self.epoch, "I3", || format!("epoch {epoch} was written after epoch {}", self.epoch))?;
        self.epoch = epoch;
        ensure(new.time >= old.time && new.lease >= old.lease && new.sequence >= old.sequence, "I2", || {
            format!("a high water sinks from {old:?} to {new:?}")
        })?;
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

    /// I23: a commit stays near the step budget.
    fn check_bounds(&self, changes: &Changes) -> Verdict {
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
    fn check_claims(&self, changes: &Changes) -> Verdict {
        for row in &changes.put_claims {
            if let Some(old) = self.model.claims.get(&row.name) {
                let over = old.expires_at.is_some_and(|at| at <= changes.high_water.time);
                let gone = changes.delete_claims.contains(&row.name) || self.asked.forgotten.contains(&row.name);
                let gone = gone || !self.exists(old.target);
                ensure(old.target == row.target || over || gone, "I16", || {
                    format!("{:?} leads to {:?} and is claimed for {:?}", row.name, old.target, row.target)
                })?;
            }
        }
        for name in &changes.delete_claims {
            ensure(self.asked.forgotten.contains(name), "I16", || format!("nobody asked to forget {name:?}"))?;
        }
        for row in changes.insert_tasks.iter().filter(|row| row.job.is_none()) {
            if let Some(id) = &row.given_id {
                let twin = self.model.tasks.values().find(|other| {
                    other.job.is_none() && other.tenant == row.tenant && other.given_id.as_ref() == Some(id)
                });
                ensure(twin.is_none(), "I16", || format!("a second task `{id}` of tenant `{}`", row.tenant))?;
            }
        }
        for row in &changes.insert_jobs {
            if let Some(id) = &row.given_id {
                let same = |other: &&mainspring_core::job::JobRow| {
                    other.tenant == row.tenant && other.given_id.as_ref() == Some(id)
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
    fn check_deletes(&mut self, changes: &Changes) -> Verdict {
        for key in &changes.delete_tasks {
            let Some(row) = self.model.tasks.get(key) else { continue };
            let asked =
                self.asked.deleted.contains(key) || row.job.is_some_and(|job| self.asked.deleted.contains(&job));
            ensure(asked, "I1", || format!("task {key:?} is deleted, nobody asked for it"))?;
            ensure(moves::is_terminal(row.state.status), "I1", || {
                format!("task {key:?} is deleted while {:?}", row.state.status)
            })?;
            self.deleted.insert(*key);
        }
        for key in &changes.delete_jobs {
            let asked = self.asked.deleted.contains(key);
            ensure(asked, "I1", || format!("job {key:?} is deleted, nobody asked for it"))?;
            self.deleted.insert(*key);
        }
        Ok(())
    }

    /// A node loaded the shard. What was never published goes now.
    pub fn loaded(&mut self, snapshot: &Snapshot) -> Verdict {
        let removed = self.model.remove_staged();
        self.sometimes.add("load.removed_staged", removed as u64);
        ensure(snapshot.high_water == self.model.water, "I4", || {
            format!("loaded {:?}, committed {:?}", snapshot.high_water, self.model.water)
        })?;
        let hot = self.model.tasks.values().filter(|row| row.state.place == Place::Hot);
        let (hot, loaded) = (hot.count(), snapshot.tasks.len());
        ensure(hot == loaded, "I4", || format!("{loaded} hot tasks were loaded, {hot} were committed"))?;
        for row in &snapshot.tasks {
            let known = self.model.tasks.get(&row.key);
            ensure(known.is_some_and(|known| known.state == row.state), "I4", || {
                format!("task {:?} was loaded as {:?}, committed as {:?}", row.key, row.state, known.map(|k| &k.state))
            })?;
            if row.state.status == TaskStatus::Running {
                self.sometimes.hit("load.hot_running");
            }
        }
        Ok(())
    }

    /// I4: whatever was due had happened before the load; only what expired behind a lane's window was not looked at yet.
    pub fn check_only_expires(&self, changes: &Changes) -> Verdict {
        let expired = |key: &Key, failed: bool| {
            let row = self.model.tasks.get(key);
            failed && row.is_some_and(|row| attempts::has_expired(row, changes.high_water.time))
        };
        let rest = changes.update_tasks.iter().filter(|(_, state)| state.settling.is_none());
        let odd = rest.clone().find(|(key, state)| !expired(key, state.status == TaskStatus::Failed));
        let any = changes.update_tasks.iter().any(|(key, state)| expired(key, state.status == TaskStatus::Failed));
        ensure(any && odd.is_none(), "I4", || format!("a loaded core wants to commit at once: {changes:?}"))
    }

    /// Acknowledged work still exists (I1).
    pub fn check_acknowledged(&self) -> Verdict {
        for key in &self.acknowledged_tasks {
            let kept = self.model.tasks.contains_key(key) || self.deleted.contains(key);
            ensure(kept, "I1", || format!("task {key:?} was acknowledged and is gone"))?;
        }
        for key in &self.acknowledged_jobs {
            let kept = self.model.jobs.contains_key(key) || self.deleted.contains(key);
            ensure(kept, "I1", || format!("job {key:?} was acknowledged and is gone"))?;
        }
        Ok(())
    }

    /// Counts what a commit shows of rare branches.
    fn count(&mut self, changes: &Changes, before: &[Touched]) {
        let sometimes = &mut self.sometimes;
        for touched in before {
            let Some(row) = self.model.tasks.get(&touched.key) else { continue };
            let was = touched.old.as_ref().map(|old| &old.state);
            match row.state.place {
                Place::ColdReady { .. } => sometimes.hit("place.cold_ready"),
                Place::ColdTimer => sometimes.hit("place.cold_timer"),
                _ => {}
            }
            if row.state.settling.is_some() {
                sometimes.hit("settling.committed");
            }
            if row.state.handled && was.is_some_and(|was| !was.handled) {
                sometimes.hit("job.handled_failure");
            }
            if row.state.held && was.is_some_and(|was| !was.held) {
                sometimes.hit("task.held");
            }
            if row.state.losses == 3 && was.is_some_and(|was| was.losses < 3) {
                sometimes.hit("poison");
            }
            let ended = row.state.last.as_ref().filter(|last| last.outcome.is_some());
            let was_running = was.is_none_or(|was| was.last.as_ref().is_none_or(|last| last.outcome.is_none()));
            if let (Some(last), true) = (ended, was_running) {
                match last.outcome {
                    Some(Outcome::Success) => sometimes.hit("attempt.success"),
                    Some(Outcome::Failure) => sometimes.hit("attempt.failure"),
                    Some(Outcome::Timeout) => sometimes.hit("attempt.timeout"),
                    Some(Outcome::Lost) => sometimes.hit("attempt.lost"),
                    Some(Outcome::Snoozed) => sometimes.hit("attempt.snoozed"),
                    Some(Outcome::Interrupted) => sometimes.hit("attempt.interrupted"),
                    Some(Outcome::Cancelled) | None => {}
                }
            }
            match (row.state.status, row.state.skip_reason) {
                (TaskStatus::Skipped, Some(SkipReason::UpstreamFailed)) => sometimes.hit("skip.upstream_failed"),
                (TaskStatus::Skipped, Some(SkipReason::Condition)) => sometimes.hit("skip.condition"),
                (TaskStatus::Skipped, Some(SkipReason::UpstreamSkipped)) => sometimes.hit("skip.upstream_skipped"),
                (TaskStatus::Failed, _) if attempts::has_expired(row, self.model.water.time) => {
                    sometimes.hit("task.expired");
                }
                _ => {}
            }
        }
        for (key, state) in &changes.update_jobs {
            if state.sweep.as_ref().is_some_and(|sweep| sweep.next > 0) {
                sometimes.hit("sweep.continued");
            }
            let fail_fast = self.model.jobs.get(key).is_some_and(|row| row.failure_policy == FailurePolicy::FailFast);
            if state.failing_fast && fail_fast {
                sometimes.hit("job.fail_fast");
            }
            let published = state.sweep.as_ref().is_some_and(|sweep| sweep.kind == SweepKind::Starting);
            if published && changes.feed.iter().any(|told| told.kind == TransitionKind::JobSubmitted) {
                sometimes.hit("job.published_after_staging");
            }
        }
    }
}
