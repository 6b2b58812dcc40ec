//! Who may start under the limits that users set, and under those that tasks carry; and who may submit (`quotas`).
//!
//! Permits are derived: how many tasks run under a limit is counted from the live leases, at a load anew, and nothing of
//! it is stored (I12). Limits of queues and types are looked at per group of lanes at each grant; limits by key open and
//! shut the lanes of their key when something starts or ends. What has no limit costs nothing.
//!
//! Buckets are volatile. A load says how long ago the shard granted last at the latest; before that, every bucket may
//! have been empty. So they are never fuller than they were.

mod backlog;
mod bucket;
mod gates;
mod keys;
mod lending;
mod openings;
mod parts;
mod quotas;
mod share;

use std::collections::{BTreeMap, BTreeSet};

use super::lanes::Slot;
use super::{Shard, ShardConfig};
use crate::id::{Key, Name};
use crate::loan::LoanRow;
use crate::permit::{KeyBound, KeyLimit, LimitRow, LimitScope, Limits, Rate, is_local};
use crate::spec::TaskSpec;
use crate::time::Timestamp;
use backlog::Backlog;
use bucket::Bucket;
use lending::Lending;
use share::Sharing;

/// Names a key: the tenant, the text, and whether it bounds starts or what runs.
type KeyName = (Name, Name, bool);

/// A queue or a type with a limit.
#[derive(Clone, Debug)]
struct Turnstile {
    /// What this shard may do under them.
    max: Option<u32>,
    rate: Option<Pace>,
    running: u32,
    bucket: Bucket,
}

/// What this shard may do under a rate; `None`: start nothing.
type Pace = Option<Rate>;

/// A key that tasks in memory carry.
#[derive(Clone, Debug, Default)]
struct Meter {
    running: u32,
    /// One per rate that tasks of the key carry. Each start counts in all.
    buckets: Vec<(Rate, Bucket)>,
    /// Lanes whose tasks carry it.
    lanes: BTreeSet<Slot>,
    /// Its entry in [`Permits::refills`].
    armed: Option<Timestamp>,
}

impl Meter {
    /// The bucket of this rate. One that comes later than others cannot know what started before: it is empty.
    fn add_bucket(&mut self, rate: Rate, since: Timestamp, now: Timestamp) {
        if !self.buckets.iter().any(|(known, _)| *known == rate) {
            let empty_at = if self.buckets.is_empty() { since } else { now };
            self.buckets.push((rate, Bucket::empty_at(empty_at)));
        }
    }

    /// When all its buckets are full, and so tell no more than new ones.
    fn full_at(&self) -> Option<Timestamp> {
        self.buckets.iter().map(|(rate, bucket)| bucket.full_at(rate)).max()
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Permits {
    limits: BTreeMap<(LimitScope, Name), Limits>,
    turnstiles: BTreeMap<(LimitScope, Name), Turnstile>,
    keys: BTreeMap<KeyName, Meter>,
    /// When to look at keys again: a lane may open, or all buckets are full.
    refills: BTreeSet<(Timestamp, KeyName)>,
    /// What tenants with a rate have submitted.
    submitted: BTreeMap<Name, Bucket>,
    backlog: Backlog,
    lending: Lending,
    /// When a queue or type opens that a session waits for.
    wake: Option<Timestamp>,
    /// Nothing was granted after this and before the load.
    since: Timestamp,
    sharing: Sharing,
}

impl Permits {
    pub(super) fn restore(
        config: &ShardConfig,
        rows: Vec<LimitRow>,
        loans: Vec<LoanRow>,
        backlog: Vec<(Name, u64)>,
        since: Timestamp,
    ) -> Self {
        let sharing = Sharing { shard: config.shard, shards: config.shards };
        let mut permits = Self {
            limits: BTreeMap::new(),
            turnstiles: BTreeMap::new(),
            keys: BTreeMap::new(),
            refills: BTreeSet::new(),
            submitted: BTreeMap::new(),
            backlog: Backlog::restore(backlog),
            lending: Lending::restore(sharing, config.control, loans),
            wake: None,
            since,
            sharing,
        };
        rows.into_iter().for_each(|row| permits.set(row, since, 0));
        permits
    }

    pub(super) fn limits(&self, scope: LimitScope, name: &Name) -> Limits {
        self.limits.get(&(scope, name.clone())).copied().unwrap_or_default()
    }

    /// The limits that are set.
    pub(super) fn rows(&self) -> Vec<LimitRow> {
        let rows = self.limits.iter();
        rows.map(|((scope, name), limits)| LimitRow { scope: *scope, name: name.clone(), limits: *limits }).collect()
    }

    pub(super) fn weights(&self) -> BTreeMap<Name, u32> {
        let of_tenants = self.limits.iter().filter(|((scope, _), _)| *scope == LimitScope::Tenant);
        of_tenants.filter_map(|((_, name), limits)| Some((name.clone(), limits.weight?))).collect()
    }

    /// Sets limits of which `running` tasks run. A bucket whose rate changes is empty at `empty_at`.
    fn set(&mut self, row: LimitRow, empty_at: Timestamp, running: u32) {
        let id = (row.scope, row.name);
        let before = self.limits.remove(&id).unwrap_or_default();
        if row.limits != Limits::default() {
            self.limits.insert(id.clone(), row.limits);
        }
        if row.scope == LimitScope::Tenant {
            return self.set_quotas(&id.1, before, row.limits);
        }
        let max = self.share_places(&id, row.limits.concurrency);
        let rate = self.share_rate(&id, row.limits.rate);
        if (row.limits.concurrency, row.limits.rate) == (None, None) {
            self.turnstiles.remove(&id);
            return;
        }
        let fresh = Turnstile { max, rate, running, bucket: Bucket::empty_at(empty_at) };
        let turnstile = self.turnstiles.entry(id).or_insert(fresh);
        (turnstile.max, turnstile.rate) = (max, rate);
        if before.rate != row.limits.rate {
            turnstile.bucket = Bucket::empty_at(empty_at);
        }
    }

    /// Whether this shard keeps the limit of a key: one of all shards does, unless the key is a job's own.
    pub(super) fn keeps(&self, key: &str) -> bool {
        is_local(key) || self.sharing.is_home(key)
    }

    /// Whether no queue and no type has a limit.
    pub(super) fn has_no_gates(&self) -> bool {
        self.turnstiles.is_empty()
    }

    /// When a task of this queue and type may start as far as their limits say: `None`: not before one ends.
    fn opens_at(&self, queue: &Name, kind: &Name, now: Timestamp) -> Option<Timestamp> {
        let mut at = now;
        for id in [(LimitScope::Queue, queue.clone()), (LimitScope::Type, kind.clone())] {
            let Some(turnstile) = self.turnstiles.get(&id) else { continue };
            if turnstile.max.is_some_and(|max| turnstile.running >= max) {
                return None;
            }
            if let Some(pace) = &turnstile.rate {
                at = turnstile.bucket.opens_at(pace.as_ref()?, now).max(at);
            }
        }
        Some(at)
    }

    /// Counts a task that starts, or (`start: false`) that was found running.
    fn count(&mut self, tenant: &Name, spec: &TaskSpec, limits: &[KeyLimit], start: Option<Timestamp>) {
        if !self.turnstiles.is_empty() {
            for id in [(LimitScope::Queue, spec.queue.clone()), (LimitScope::Type, spec.kind.clone())] {
                let Some(turnstile) = self.turnstiles.get_mut(&id) else { continue };
                turnstile.running += 1;
                if let (Some(now), Some(rate)) = (start, turnstile.rate.flatten()) {
                    turnstile.bucket.take(&rate, now);
                }
            }
        }
        for limit in limits {
            let name = key_name(tenant, limit);
            let meter = self.keys.entry(name).or_default();
            match limit.bound {
                KeyBound::Running(_) => meter.running += 1,
                KeyBound::Starts(rate) => {
                    let Some(now) = start else { continue };
                    meter.add_bucket(rate, self.since, now);
                    meter.buckets.iter_mut().for_each(|(rate, bucket)| bucket.take(rate, now));
                }
            }
        }
    }

    /// Counts a task that runs no more.
    fn discount(&mut self, tenant: &Name, spec: &TaskSpec, limits: &[KeyLimit]) {
        if !self.turnstiles.is_empty() {
            for id in [(LimitScope::Queue, spec.queue.clone()), (LimitScope::Type, spec.kind.clone())] {
                if let Some(turnstile) = self.turnstiles.get_mut(&id) {
                    turnstile.running -= 1;
                }
            }
        }
        for limit in limits.iter().filter(|limit| matches!(limit.bound, KeyBound::Running(_))) {
            let meter = self.keys.get_mut(&key_name(tenant, limit)).expect("a running task is counted under its keys");
            meter.running -= 1;
        }
    }

    /// When a task with this limit may start: `None`: not before one of the key ends.
    fn key_opens_at(&self, tenant: &Name, limit: &KeyLimit, now: Timestamp) -> Option<Timestamp> {
        if !self.keeps(&limit.key) {
            return None;
        }
        let Some(meter) = self.keys.get(&key_name(tenant, limit)) else { return Some(now) };
        match limit.bound {
            KeyBound::Running(max) => (meter.running < max).then_some(now),
            KeyBound::Starts(rate) => {
                let known = meter.buckets.iter().find(|(known, _)| *known == rate);
                let bucket = known.map_or(Bucket::empty_at(self.since), |(_, bucket)| *bucket);
                Some(bucket.opens_at(&rate, now))
            }
        }
    }

    /// Drops what is known of a key that nobody needs: no lane, nothing running, and every bucket full again.
    fn forget(&mut self, name: &KeyName, now: Timestamp) {
        let Some(meter) = self.keys.get(name).filter(|meter| meter.lanes.is_empty() && meter.running == 0) else {
            return;
        };
        match meter.full_at() {
            Some(at) if at > now => self.arm(name, at),
            _ => {
                self.disarm(name);
                self.keys.remove(name);
            }
        }
    }

    /// Looks at a key again then, or earlier if that was planned.
    fn arm(&mut self, name: &KeyName, at: Timestamp) {
        let Some(meter) = self.keys.get_mut(name).filter(|meter| meter.armed.is_none_or(|armed| at < armed)) else {
            return;
        };
        if let Some(armed) = meter.armed.replace(at) {
            self.refills.remove(&(armed, name.clone()));
        }
        self.refills.insert((at, name.clone()));
    }

    fn disarm(&mut self, name: &KeyName) {
        if let Some(armed) = self.keys.get_mut(name).and_then(|meter| meter.armed.take()) {
            self.refills.remove(&(armed, name.clone()));
        }
    }

    /// Notes that a session waits for a queue or type that opens then; `None`: nobody waits.
    pub(super) fn wait_for(&mut self, at: Option<Timestamp>) {
        self.wake = at.map(|at| self.wake.map_or(at, |wake| wake.min(at)));
    }

    /// When something opens that was shut for its rate.
    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        let refill = self.refills.first().map(|(at, _)| *at);
        [self.wake, refill, self.lending.wake_at()].into_iter().flatten().min()
    }

    /// Settings, and how many run under each limit: what a load must find again.
    pub(super) fn canonical(&self) -> String {
        let turnstiles = self.turnstiles.iter().map(|(id, turnstile)| (id, turnstile.running));
        let keys = self.keys.iter().filter(|(_, meter)| meter.running > 0).map(|(name, meter)| (name, meter.running));
        let (turnstiles, keys): (Vec<_>, Vec<_>) = (turnstiles.collect(), keys.collect());
        let (loans, backlog) = (self.lending.canonical(), self.backlog.canonical());
        format!("limits {:?} running {turnstiles:?} {keys:?} loans {loans:?} unfinished {backlog:?}", self.limits)
    }
}

fn key_name(tenant: &Name, limit: &KeyLimit) -> KeyName {
    (tenant.clone(), limit.key.clone(), matches!(limit.bound, KeyBound::Starts(_)))
}

impl Shard {
    /// The task starts: it takes a permit under each of its limits.
    pub(super) fn take_permits(&mut self, key: Key) {
        self.note_running(key, Some(self.now));
    }

    /// The task was found running.
    pub(super) fn count_permits(&mut self, key: Key) {
        self.note_running(key, None);
    }

    fn note_running(&mut self, key: Key, start: Option<Timestamp>) {
        if self.permits.turnstiles.is_empty() && self.spec_of(key).limits.is_empty() {
            return;
        }
        let (tenant, spec) = (self.task(key).row.tenant.clone(), self.spec_of(key).clone());
        let limits = spec.limits_in(self.task(key).row.job);
        self.permits.count(&tenant, &spec, &limits, start);
        self.judge_keys(&tenant, &limits);
    }

    /// The task runs no more: its permits are free.
    pub(super) fn free_permits(&mut self, key: Key) {
        if self.permits.turnstiles.is_empty() && self.spec_of(key).limits.is_empty() {
            return;
        }
        let (tenant, spec) = (self.task(key).row.tenant.clone(), self.spec_of(key).clone());
        let limits = spec.limits_in(self.task(key).row.job);
        self.permits.discount(&tenant, &spec, &limits);
        self.judge_keys(&tenant, &limits);
    }

    fn spec_of(&self, key: Key) -> &std::sync::Arc<TaskSpec> {
        self.task(key).row.spec.as_ref().expect("a running task has its spec")
    }

    /// Sets limits. How many run under a new one is counted from the live leases, once.
    pub(super) fn set_limits(&mut self, row: LimitRow) {
        let LimitRow { scope, name, .. } = row.clone();
        let of_row = |spec: &TaskSpec| match scope {
            LimitScope::Queue => spec.queue == name,
            LimitScope::Type => spec.kind == name,
            LimitScope::Tenant => false,
        };
        let held = self.sessions.values().flat_map(|session| &session.leases);
        let running = held.filter(|key| of_row(self.spec_of(**key))).count() as u32;
        self.permits.set(row, self.now, running);
        if scope == LimitScope::Tenant {
            self.lanes.weigh(self.permits.weights());
        }
    }
}
