//! Which limits keep a task from starting, and who has their places.

use super::super::Shard;
use crate::effect::Gate;
use crate::id::{Key, Name};
use crate::loan::{LoanKind, LoanName};
use crate::permit::{KeyBound, KeyLimit, LimitScope, LimitedBy};
use crate::row::TaskRow;
use crate::spec::TaskSpec;

/// Holders of a limit that are named.
const NAMED_HOLDERS_MAX: usize = 10;

impl Shard {
    /// The limits that keep a ready task from starting, and who has their places.
    pub(in super::super) fn limit_gates(&self, spec: &TaskSpec, tenant: &Name, job: Option<Key>) -> Vec<Gate> {
        let mut gates = Vec::new();
        let now = self.now;
        let of_queue = (LimitScope::Queue, LimitedBy::Queue, &spec.queue);
        for (scope, of, name) in [of_queue, (LimitScope::Type, LimitedBy::Type, &spec.kind)] {
            let Some(turnstile) = self.permits.turnstiles.get(&(scope, name.clone())) else { continue };
            if turnstile.max.is_some_and(|max| turnstile.running >= max) {
                let max = self.permits.limits(scope, name).concurrency.unwrap_or(0);
                let elsewhere =
                    self.permits.lending.elsewhere(&LoanName { scope, name: name.clone(), kind: LoanKind::Places });
                let elsewhere = u32::try_from(elsewhere).unwrap_or(u32::MAX);
                gates.push(match of {
                    LimitedBy::Queue => {
                        let holders = self.holders(|_, other| other.queue == *name);
                        Gate::QueueLimit { queue: name.clone(), max, holders, elsewhere }
                    }
                    _ => {
                        let holders = self.holders(|_, other| other.kind == *name);
                        Gate::TypeLimit { kind: name.clone(), max, holders, elsewhere }
                    }
                });
            }
            if let Some(pace) = turnstile.rate {
                let until = pace.map(|rate| turnstile.bucket.opens_at(&rate, now));
                let rate = self.permits.limits(scope, name).rate.filter(|_| until != Some(now));
                gates.extend(rate.map(|rate| Gate::RateLimit { of, name: name.clone(), rate, until }));
            }
        }
        for limit in &*spec.limits_in(job) {
            let (key, opens_at) = (limit.key.clone(), self.permits.key_opens_at(tenant, limit, now));
            match (limit.bound, opens_at) {
                (KeyBound::Running(max), None) => {
                    let same = |other: &KeyLimit| other.key == key && matches!(other.bound, KeyBound::Running(_));
                    let holders =
                        self.holders(|row, other| row.tenant == *tenant && other.limits_in(row.job).iter().any(same));
                    gates.push(Gate::KeyLimit { key, max, holders });
                }
                (KeyBound::Starts(rate), until) if until != Some(now) => {
                    gates.push(Gate::RateLimit { of: LimitedBy::Key, name: key, rate, until });
                }
                _ => {}
            }
        }
        gates
    }

    /// Running tasks that this holds for, a few of them.
    fn holders(&self, of: impl Fn(&TaskRow, &TaskSpec) -> bool) -> Vec<Key> {
        let held = self.sessions.values().flat_map(|session| &session.leases).copied();
        held.filter(|key| of(&self.task(*key).row, self.spec_of(*key))).take(NAMED_HOLDERS_MAX).collect()
    }
}
