//! I12: whoever starts finds fewer running than its limits allow, and no more started than their rates allow. Read from
//! the rows alone: what runs, and in which order it was granted.

use std::collections::BTreeMap;

use mainspring_core::id::{Key, Name};
use mainspring_core::permit::{KeyBound, LimitScope, Limits, Rate};
use mainspring_core::row::TaskRow;
use mainspring_core::spec::TaskSpec;
use mainspring_core::time::Timestamp;

use super::{Checker, Verdict, ensure};

/// Names what is counted together.
type Under = (&'static str, Name, Name);

/// A bucket that was full before its first start, in parts of a permit; it never holds less than the core's own.
#[derive(Debug)]
pub(super) struct Bucket {
    level: u128,
    at: Timestamp,
}

impl Checker {
    /// Judges every start after the lease `leases`. What runs now under an earlier lease ran when a later one started.
    pub(super) fn check_permits(&mut self, leases: u64, before: &BTreeMap<(LimitScope, Name), Limits>) -> Verdict {
        let running =
            self.model.tasks.values().filter_map(|row| {
                Some((row.state.lease.as_ref()?.number, row.key, row.tenant.clone(), row.spec.clone()?))
            });
        let mut running: Vec<_> = running.collect();
        running.sort_by_key(|(lease, ..)| *lease);
        let mut counts: BTreeMap<Under, u32> = BTreeMap::new();
        for (lease, key, tenant, spec) in running {
            for (under, max) in self.concurrency_of(&tenant, &spec, before) {
                let count = counts.entry(under.clone()).or_default();
                *count += 1;
                if lease > leases {
                    let (count, allowed) = (*count, max.is_none_or(|max| *count <= max));
                    ensure(allowed, "I12", || {
                        format!("task {key:?} started as number {count} under {under:?}, which allows {max:?}")
                    })?;
                    self.sometimes.add(full_word(under.0), u64::from(Some(count) == max));
                }
            }
        }
        self.check_rates(leases)
    }

    /// How many may run under each limit of a task. Limits that were set in the same commit hold from somewhere inside it:
    /// the looser of both counts.
    fn concurrency_of(
        &self,
        tenant: &Name,
        spec: &TaskSpec,
        before: &BTreeMap<(LimitScope, Name), Limits>,
    ) -> Vec<(Under, Option<u32>)> {
        let set = |scope: LimitScope, name: &Name| {
            let id = (scope, name.clone());
            let of = |limits: &BTreeMap<(LimitScope, Name), Limits>| limits.get(&id).and_then(|set| set.concurrency);
            let max = of(before).zip(of(&self.model.limits)).map(|(old, new)| old.max(new));
            ((scope.word(), Name::from(""), name.clone()), max)
        };
        let mut all = vec![set(LimitScope::Queue, &spec.queue), set(LimitScope::Type, &spec.kind)];
        for limit in &*spec.limits {
            if let KeyBound::Running(max) = limit.bound {
                all.push((("key", tenant.clone(), limit.key.clone()), Some(max)));
            }
        }
        all
    }

    /// Starts that the commit told of, in order, against the rate of each key. The instant of a start is that of the
    /// attempt; an attempt that ended in the same commit counts too.
    fn check_rates(&mut self, leases: u64) -> Verdict {
        let mut starts: Vec<(u64, Timestamp, Key)> = Vec::new();
        for row in self.model.tasks.values().filter(|row| has_rate(row)) {
            let older = self.model.attempts.get(&row.key).into_iter().flatten();
            let fresh = older.chain(&row.state.last).filter(|attempt| attempt.lease > leases);
            starts.extend(fresh.map(|attempt| (attempt.lease, attempt.started_at, row.key)));
        }
        starts.sort_unstable();
        for (_, at, key) in starts {
            let row = &self.model.tasks[&key];
            let (tenant, limits) = (row.tenant.clone(), row.spec.as_ref().map(|spec| spec.limits.clone()));
            for limit in limits.iter().flat_map(|limits| limits.iter()) {
                let KeyBound::Starts(rate) = limit.bound else { continue };
                let under = (tenant.clone(), limit.key.clone(), rate);
                let left = self.rates.entry(under).or_insert_with(|| Bucket::full(&rate, at)).take(&rate, at);
                let name = &limit.key;
                ensure(left.is_some(), "I12", || {
                    format!("task {key:?} started at {at:?} beyond the rate {rate:?} of key `{name}`")
                })?;
                self.sometimes
                    .add("limit.rate_spent", u64::from(left.is_some_and(|left| left < u128::from(rate.per_ms))));
            }
        }
        Ok(())
    }
}

impl Bucket {
    fn full(rate: &Rate, at: Timestamp) -> Self {
        Self { level: u128::from(rate.per_ms) * u128::from(rate.burst), at }
    }

    /// What is left after one start; `None` if there was no permit.
    fn take(&mut self, rate: &Rate, now: Timestamp) -> Option<u128> {
        let grown = self.level + u128::from(now.since(self.at)) * u128::from(rate.limit);
        let held = grown.min(u128::from(rate.per_ms) * u128::from(rate.burst));
        self.at = now;
        self.level = held.checked_sub(u128::from(rate.per_ms))?;
        Some(self.level)
    }
}

fn has_rate(row: &TaskRow) -> bool {
    let limits = row.spec.iter().flat_map(|spec| spec.limits.iter());
    limits.into_iter().any(|limit| matches!(limit.bound, KeyBound::Starts(_)))
}

fn full_word(of: &str) -> &'static str {
    match of {
        "queue" => "limit.queue_full",
        "type" => "limit.type_full",
        _ => "limit.key_full",
    }
}
