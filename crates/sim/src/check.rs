//! The judge: a second, independent reading of `reliability.md` over the sequence of commits and released effects.
//!
//! It never calls the core's own code. It sees what was asked ([`Checker::asked`]), every commit that the store applied
//! ([`Checker::committed`]), every effect that left ([`Checker::released`]) and every load ([`Checker::loaded`]).

pub mod asked;
pub mod attempts;
mod backlogs;
mod commits;
mod counting;
mod definitions;
pub mod ending;
mod flow;
pub mod jobs;
pub mod model;
pub mod moves;
pub mod orders;
mod permits;
pub mod places;
mod records;
pub mod replies;
pub mod schedules;
pub mod submissions;
pub mod trigger;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use mainspring_core::id::{Key, Name, SessionId};
use mainspring_core::permit::Rate;
use mainspring_core::row::{Changes, ClaimName, Snapshot, TaskRow};
use mainspring_core::task::{Outcome, Place, TaskStatus};
use mainspring_core::time::Timestamp;

use crate::config::WorldConfig;
use crate::sometimes::Sometimes;
use asked::Asked;
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

/// The body's hash, what a name leads to, and until when.
type Claimed = (u128, Key, Option<Timestamp>);

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
    acknowledged_claims: BTreeMap<ClaimName, Claimed>,
    /// Those of the reply that is being judged. The parts of a batch may be carried out in any order, so that none of them
    /// counts for another.
    acknowledging: Vec<(ClaimName, Claimed)>,
    /// Jobs whose cancel was released, with the generation it was for.
    acknowledged_cancels: BTreeMap<Key, u32>,
    deleted: BTreeSet<Key>,
    /// Under which epoch each lease was granted first, and which outcomes were acknowledged.
    granted: BTreeMap<u64, u64>,
    settled: BTreeSet<u64>,
    /// Buckets of rate keys.
    rates: BTreeMap<(Name, Name, Rate), permits::Bucket>,
    loads: u64,
    /// The newest lease when faults had stopped, where none that comes later may be lost.
    healed: Option<u64>,
    /// What schedules fired.
    pub fired: schedules::Fired,
    defined: definitions::Defined,
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
            acknowledging: Vec::new(),
            acknowledged_cancels: BTreeMap::new(),
            deleted: BTreeSet::new(),
            granted: BTreeMap::new(),
            settled: BTreeSet::new(),
            rates: BTreeMap::new(),
            loads: 0,
            healed: None,
            fired: schedules::Fired::default(),
            defined: definitions::Defined::default(),
        }
    }

    /// The store applied a commit under this epoch.
    pub fn committed(&mut self, changes: &Changes, epoch: u64) -> Verdict {
        self.check_order(changes, epoch)?;
        self.check_bounds(changes)?;
        self.check_claims(changes)?;
        self.check_versions(changes)?;
        let before = self.note_before(changes);
        let old_paused = self.model.paused_queues.clone();
        let old_limits = self.model.limits.clone();
        let old_directives = self.model.directives.clone();
        let (old_water, old_backlogs) = (self.model.water, self.backlogs());
        let mut jobs: BTreeSet<Key> = changes.insert_jobs.iter().map(|row| row.key).collect();
        jobs.extend(changes.update_jobs.iter().map(|(key, _)| *key));
        let old_jobs: BTreeMap<Key, _> = self.touched_jobs(&before, &jobs);
        self.check_deletes(changes)?;
        let schedules = self.schedules_before(changes);
        self.note_cancels(changes);
        self.model.apply(changes);
        for touched in &before {
            if self.model.tasks.contains_key(&touched.key) {
                self.check_task(touched, &old_water)?;
                self.check_grant_allowed(touched, &old_paused, &old_directives, &old_jobs)?;
                self.check_reasons(changes, touched)?;
                self.check_told(changes, touched)?;
                self.check_late(touched)?;
                self.check_flow(touched, &old_water)?;
                self.check_kept(touched)?;
            }
        }
        self.check_lease_numbers(&before, &old_water)?;
        self.check_permits(old_water.lease, &old_limits)?;
        self.check_backlogs(changes, &before, &old_backlogs, &old_limits)?;
        for job in old_jobs.keys() {
            self.check_job(*job, old_jobs[job].as_ref(), &before)?;
            self.check_deadline(*job, old_jobs[job].as_ref(), old_water.time)?;
        }
        self.check_turns(&old_jobs.keys().copied().collect::<Vec<_>>())?;
        self.check_schedules(changes, &schedules)?;
        self.count(changes, &before);
        Ok(())
    }

    /// Faults have stopped: from here on no attempt is lost.
    pub fn heal(&mut self) {
        self.healed = Some(self.model.water.lease);
    }

    /// An attempt may be lost after all: the process of its worker was ended.
    pub fn excuse(&mut self) {
        self.healed = None;
    }

    /// L2: what is granted once faults have stopped reaches a worker, which renews it.
    fn check_kept(&self, touched: &Touched) -> Verdict {
        let last = self.model.tasks[&touched.key].state.last.as_ref();
        let lost = last.filter(|last| last.outcome == Some(Outcome::Lost));
        let after = lost.filter(|last| self.healed.is_some_and(|healed| last.lease > healed));
        ensure(after.is_none(), "L2", || {
            format!("task {:?} was lost though faults have stopped: {after:?}", touched.key)
        })
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
        let schedules: Vec<_> = self.model.schedules.values().collect();
        ensure(snapshot.schedules.iter().eq(schedules.iter().copied()), "I4", || {
            format!("loaded {:?}, committed {schedules:?}", snapshot.schedules)
        })?;
        self.count_load(snapshot);
        for row in &snapshot.tasks {
            let known = self.model.tasks.get(&row.key);
            ensure(known.is_some_and(|known| known.state == row.state), "I4", || {
                format!("task {:?} was loaded as {:?}, committed as {:?}", row.key, row.state, known.map(|k| &k.state))
            })?;
        }
        Ok(())
    }

    /// I4: whatever was due had happened before the load; only what expired behind a lane's window was not looked at yet.
    pub fn check_only_expires(&self, changes: &Changes) -> Verdict {
        let expired = |key: &Key, failed: bool| {
            let row = self.model.tasks.get(key);
            failed && row.is_some_and(|row| attempts::has_expired(row, changes.high_water.time))
        };
        let of_job = |key: &Key| self.model.tasks.get(key).and_then(|row| row.job);
        let over = changes.update_tasks.iter().filter(|(key, state)| expired(key, state.status == TaskStatus::Failed));
        let (over, jobs): (BTreeSet<Key>, BTreeSet<Option<Key>>) = over.map(|(key, _)| (*key, of_job(key))).unzip();
        // What follows from their end in their jobs comes with it.
        let follows = |key: &Key| over.contains(key) || of_job(key).is_some_and(|job| jobs.contains(&Some(job)));
        let odd = changes.update_tasks.iter().find(|(key, _)| !follows(key));
        ensure(!over.is_empty() && odd.is_none(), "I4", || {
            format!("a loaded core wants to commit at once: {changes:?}")
        })
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
}
