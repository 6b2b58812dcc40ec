//! Planted bugs (R04): faults in the thin layer between the core and its world, each of which the judge must find.
//!
//! They stand where a real bug would show: in what is committed, released, read back, or told to the core. The core
//! itself is never changed.

use std::sync::atomic::{AtomicU64, Ordering};

use mainspring_core::effect::{Effect, Grant};
use mainspring_core::event::{Event, Order, Start};
use mainspring_core::id::Token;
use mainspring_core::job::JobStatus;
use mainspring_core::row::{Changes, Rows, Snapshot};
use mainspring_core::task::{Outcome, Place, TaskState, TaskStatus};
use mainspring_core::time::Timestamp;

use crate::check::model::Model;
use crate::rng::Rng;

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// An accepted task is not written.
    LostInsert,
    /// A change of a task is not written.
    LostUpdate,
    /// A row that will move is marked as resting.
    WrongPlace,
    /// An attempt gets the number after the next.
    WrongAttemptNumber,
    /// An attempt that is no longer the last is not written.
    LostAttemptRow,
    /// A job forgets to count a completed task.
    LostJobCount,
    /// A task forgets to count an ended parent.
    LostParentCount,
    /// A claim is not written.
    ForgottenClaim,
    /// A pending task starts without its parents.
    StartedTooEarly,
    /// A pending task is skipped though its rule may still hold.
    SkippedWrongly,
    /// A commit number is left out.
    CommitGap,
    /// A lease number is used twice.
    ReusedLease,
    /// An ended task becomes ready without a new generation.
    Resurrected,
    /// A task that failed for good is not among the dead letters.
    SwallowedDeadLetter,
    /// A loss is not counted.
    FreeLoss,
    /// A retry waits longer than its cap.
    LongBackoff,
    /// A job ends before its tasks.
    EarlyClosure,
    /// The outcome of an ended attempt is rewritten.
    SecondOutcome,
    /// A live task is deleted.
    DeletedAlive,
    /// Effects leave before their commit.
    EffectsBeforeCommit,
    /// A stale outcome is acknowledged.
    StaleAccepted,
    /// An outcome is acknowledged as stale though it was taken; the worker's live attempts are told so too.
    GoodCalledStale,
    /// A grant goes to a second session too.
    GrantToTwo,
    /// A grant carries the token after the next.
    WrongToken,
    /// The cancel of a job is acknowledged and not carried out.
    IgnoredCancel,
    /// The outcome of a dead attempt is taken for the live one.
    AdoptedOutcome,
    /// A delay is forgotten.
    ForgottenDelay,
    /// A page of a lane loses a row.
    LostColdRow,
    /// A page of timers loses a row.
    LostColdTimer,
    /// A commit of unknown fate is taken for committed.
    UnknownIsCommitted,
    /// A node that lost its shard writes on with the new owner's fence.
    UnfencedZombie,
    /// Nobody wakes the core when something is due.
    DeafTimer,
    /// A load forgets the paused queues.
    ForgottenPause,
    /// A load forgets a running task.
    ForgottenLease,
    /// Something differs from run to run.
    Unrepeatable,
}

impl Plant {
    /// All bugs.
    pub const ALL: [Plant; 35] = [
        Plant::LostInsert,
        Plant::LostUpdate,
        Plant::WrongPlace,
        Plant::WrongAttemptNumber,
        Plant::LostAttemptRow,
        Plant::LostJobCount,
        Plant::LostParentCount,
        Plant::ForgottenClaim,
        Plant::StartedTooEarly,
        Plant::SkippedWrongly,
        Plant::CommitGap,
        Plant::ReusedLease,
        Plant::Resurrected,
        Plant::SwallowedDeadLetter,
        Plant::FreeLoss,
        Plant::LongBackoff,
        Plant::EarlyClosure,
        Plant::SecondOutcome,
        Plant::DeletedAlive,
        Plant::EffectsBeforeCommit,
        Plant::StaleAccepted,
        Plant::GoodCalledStale,
        Plant::GrantToTwo,
        Plant::WrongToken,
        Plant::IgnoredCancel,
        Plant::AdoptedOutcome,
        Plant::ForgottenDelay,
        Plant::LostColdRow,
        Plant::LostColdTimer,
        Plant::UnknownIsCommitted,
        Plant::UnfencedZombie,
        Plant::DeafTimer,
        Plant::ForgottenPause,
        Plant::ForgottenLease,
        Plant::Unrepeatable,
    ];

    /// Its name on the command line: `lost-insert`.
    pub fn name(self) -> String {
        let mut name = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_ascii_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.push(letter.to_ascii_lowercase());
        }
        name
    }

    /// Reads [`Plant::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|plant| plant.name() == name)
    }
}

/// Counts over all runs of a process: the one thing here that a world may not depend on.
static RUNS: AtomicU64 = AtomicU64::new(0);

/// A planted bug at work.
#[derive(Debug)]
pub struct Planted {
    plant: Plant,
    rng: Rng,
    run: u64,
    /// How often it struck.
    pub struck: u64,
}

impl Planted {
    /// The bug in one world.
    pub fn new(plant: Plant, rng: Rng) -> Self {
        Self { plant, rng, run: RUNS.fetch_add(1, Ordering::Relaxed), struck: 0 }
    }

    /// Whether this is the bug, and it strikes now.
    pub fn strikes(&mut self, plant: Plant) -> bool {
        let strikes = self.plant == plant && self.rng.percent(35);
        self.struck += u64::from(strikes);
        strikes
    }

    /// What is told to the core; false if it is not told at all.
    pub fn on_event(&mut self, event: &mut Event, model: &Model) -> bool {
        match event {
            Event::SubmitTasks(submission) if self.plant == Plant::ForgottenDelay => {
                for task in &mut submission.tasks {
                    if matches!(task.start, Start::After(ms) if ms > 50) && self.strikes(Plant::ForgottenDelay) {
                        task.start = Start::Now;
                    }
                }
                true
            }
            Event::Command(command) => {
                !(matches!(command.order, Order::CancelJob(_)) && self.strikes(Plant::IgnoredCancel))
            }
            Event::Exchange(exchange) if self.plant == Plant::AdoptedOutcome => {
                for ended in &mut exchange.outcomes {
                    let state = model.tasks.get(&ended.token.task).map(|row| &row.state);
                    let Some(lease) = state.and_then(|state| state.lease.as_ref()) else { continue };
                    if lease.number != ended.token.lease {
                        self.struck += 1;
                        ended.token.lease = lease.number;
                        exchange.session = lease.session.clone();
                        exchange.worker = lease.worker.clone();
                    }
                }
                true
            }
            _ => true,
        }
    }

    /// What is read back at a load.
    pub fn on_snapshot(&mut self, snapshot: &mut Snapshot) {
        if self.plant == Plant::ForgottenPause {
            self.struck += snapshot.queues.len() as u64;
            snapshot.queues.clear();
        }
        if self.plant == Plant::ForgottenLease
            && let Some(place) = snapshot.tasks.iter().position(|row| row.state.status == TaskStatus::Running)
        {
            self.struck += 1;
            snapshot.tasks.remove(place);
        }
    }

    /// What is read back while running.
    pub fn on_rows(&mut self, rows: &mut Rows) {
        let cold = |place: Place| matches!(place, Place::ColdReady { .. });
        if let Some(place) = rows.tasks.iter().position(|row| cold(row.state.place))
            && self.strikes(Plant::LostColdRow)
        {
            rows.tasks.remove(place);
        }
        if let Some(place) = rows.tasks.iter().position(|row| row.state.place == Place::ColdTimer)
            && self.strikes(Plant::LostColdTimer)
        {
            rows.tasks.remove(place);
        }
    }

    /// What leaves.
    pub fn on_effects(&mut self, effects: &mut Vec<Effect>) {
        let mut extra = Vec::new();
        let sessions: Vec<_> = effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Grant(grant) => Some(grant.session.clone()),
                _ => None,
            })
            .collect();
        for effect in effects.iter_mut() {
            match effect {
                Effect::Exchanged { accepted, stale, .. }
                    if !stale.is_empty() && self.strikes(Plant::StaleAccepted) =>
                {
                    accepted.append(stale);
                }
                Effect::Grant(grant) => {
                    let other = sessions.iter().find(|session| **session != grant.session);
                    if let Some(other) = other
                        && self.strikes(Plant::GrantToTwo)
                    {
                        extra.push(Effect::Grant(Grant { session: other.clone(), ..grant.clone() }));
                    }
                    if self.strikes(Plant::WrongToken) {
                        grant.token = Token { lease: grant.token.lease + 1, ..grant.token };
                    }
                    if self.strikes(Plant::GoodCalledStale) {
                        extra.push(Effect::Revoke { session: grant.session.clone(), token: grant.token });
                    }
                }
                _ => {}
            }
        }
        effects.extend(extra);
    }

    /// What is written.
    pub fn on_commit(&mut self, changes: &mut Changes, model: &Model) {
        self.drop_rows(changes);
        self.spoil_states(changes, model);
        for (key, state) in &mut changes.update_jobs {
            if state.counts.completed > 0 && self.strikes(Plant::LostJobCount) {
                state.counts.completed -= 1;
            }
            let live = state.counts.ended() < model.jobs.get(key).map_or(0, |job| job.tasks);
            if !state.status.is_terminal() && live && self.strikes(Plant::EarlyClosure) {
                state.status = JobStatus::Completed;
            }
        }
        if self.strikes(Plant::CommitGap) {
            changes.high_water.commit += 1;
        }
        if self.plant == Plant::Unrepeatable && self.run % 2 == 1 {
            self.struck += 1;
            changes.feed.reverse();
        }
    }

    fn drop_rows(&mut self, changes: &mut Changes) {
        let standalone = changes.insert_tasks.iter().position(|row| row.job.is_none());
        if let Some(place) = standalone
            && self.strikes(Plant::LostInsert)
        {
            changes.insert_tasks.remove(place);
        }
        if !changes.update_tasks.is_empty() && self.strikes(Plant::LostUpdate) {
            changes.update_tasks.pop();
        }
        if !changes.insert_attempts.is_empty() && self.strikes(Plant::LostAttemptRow) {
            changes.insert_attempts.pop();
        }
        if !changes.put_claims.is_empty() && self.strikes(Plant::ForgottenClaim) {
            changes.put_claims.pop();
        }
        let live = changes.update_tasks.iter().find(|(_, state)| !state.status.is_terminal());
        if let Some((key, _)) = live.cloned()
            && self.strikes(Plant::DeletedAlive)
        {
            changes.delete_tasks.push(key);
        }
    }

    fn spoil_states(&mut self, changes: &mut Changes, model: &Model) {
        let now = changes.high_water.time;
        let old_lease = model.water.lease;
        let updated = changes.update_tasks.iter_mut().map(|(key, state)| (*key, state));
        let inserted = changes.insert_tasks.iter_mut().map(|row| (row.key, &mut row.state));
        for (key, state) in updated.chain(inserted) {
            let was = model.tasks.get(&key).map(|row| &row.state);
            self.spoil_standing(state, was, now);
            self.spoil_attempt(state, was, old_lease);
        }
    }

    fn spoil_standing(&mut self, state: &mut TaskState, was: Option<&TaskState>, now: Timestamp) {
        let moves = matches!(state.status, TaskStatus::Ready | TaskStatus::Scheduled) && state.place == Place::Hot;
        if moves && self.strikes(Plant::WrongPlace) {
            state.place = Place::Rest;
        }
        if state.parents.ended() > 0 && state.status == TaskStatus::Pending && self.strikes(Plant::LostParentCount) {
            state.parents = Default::default();
        }
        if state.status == TaskStatus::Pending && self.strikes(Plant::StartedTooEarly) {
            state.status = TaskStatus::Scheduled;
            state.place = Place::Hot;
            state.due = Some(now);
        }
        if state.status == TaskStatus::Pending && self.strikes(Plant::SkippedWrongly) {
            state.status = TaskStatus::Skipped;
            state.skip_reason = Some(mainspring_core::task::SkipReason::UpstreamSkipped);
        }
        if was.is_some_and(|was| was.status.is_terminal() && was.generation == state.generation)
            && self.strikes(Plant::Resurrected)
        {
            state.status = TaskStatus::Scheduled;
            (state.due, state.place, state.settling) = (Some(now), Place::Hot, None);
        }
        if state.dead && self.strikes(Plant::SwallowedDeadLetter) {
            state.dead = false;
        }
        if state.losses > 0 && self.strikes(Plant::FreeLoss) {
            state.losses -= 1;
        }
        if state.status == TaskStatus::Scheduled && state.failures > 0 && self.strikes(Plant::LongBackoff) {
            state.due = state.due.map(|due| due.plus_ms(600_000));
        }
    }

    fn spoil_attempt(&mut self, state: &mut TaskState, was: Option<&TaskState>, old_lease: u64) {
        let was_ended = was.and_then(|was| was.last.as_ref()).is_some_and(|last| last.outcome.is_some());
        let Some(last) = &mut state.last else { return };
        if state.status == TaskStatus::Running && self.strikes(Plant::WrongAttemptNumber) {
            state.attempt += 1;
            last.number += 1;
        }
        if let Some(lease) = &mut state.lease
            && old_lease > 0
            && self.strikes(Plant::ReusedLease)
        {
            lease.number = old_lease;
            last.lease = old_lease;
        }
        let same = was.is_some_and(|was| was.attempt == state.attempt);
        if was_ended && same && last.outcome == Some(Outcome::Success) && self.strikes(Plant::SecondOutcome) {
            last.outcome = Some(Outcome::Snoozed);
        }
    }
}
