//! What tenants may submit, and how much of it may be unfinished.

use super::{Bucket, Permits};
use crate::id::Name;
use crate::loan::{LoanKind, LoanName};
use crate::permit::{LimitScope, Limits};
use crate::time::Timestamp;

fn backlog_of(tenant: &Name) -> LoanName {
    LoanName { scope: LimitScope::Tenant, name: tenant.clone(), kind: LoanKind::Places }
}

impl Permits {
    /// The quotas of a tenant were set.
    pub(super) fn set_quotas(&mut self, tenant: &Name, before: Limits, limits: Limits) {
        if before.max_backlog != limits.max_backlog {
            let may = self.lending.set(&backlog_of(tenant), limits.max_backlog);
            self.backlog.set(tenant, may);
        }
        if before.submit_rate != limits.submit_rate {
            self.submitted.remove(tenant);
            if limits.submit_rate.is_some() {
                // Who has submitted nothing yet is not made to wait.
                self.submitted.insert(tenant.clone(), Bucket::full_at_first());
            }
        }
    }

    /// Takes so many tasks from what a tenant may submit. If it has used that up: when it may submit again. A job is taken
    /// once anything is left, however large it is, and paid off afterwards.
    pub(in super::super) fn submits_at(&mut self, tenant: &Name, tasks: u32, now: Timestamp) -> Option<Timestamp> {
        if self.submitted.is_empty() {
            return None;
        }
        let rate = self.limits(LimitScope::Tenant, tenant).submit_rate?;
        let bucket = self.submitted.get_mut(tenant)?;
        let rate = self.sharing.of_rate(&rate, tenant);
        let at = bucket.opens_at(&rate, now);
        if at > now {
            return Some(at);
        }
        bucket.charge(&rate, now, tasks);
        None
    }

    /// Whether so many tasks more are too many unfinished ones: how many a tenant may have and has.
    pub(in super::super) fn backlog_is_full(&self, tenant: &Name, tasks: u64) -> Option<(u64, u64)> {
        if !self.backlog.has_quotas() {
            return None;
        }
        let (may, here) = (self.backlog.may(tenant)?, self.backlog.of(tenant));
        if here.saturating_add(tasks) <= may {
            return None;
        }
        let max = self.limits(LimitScope::Tenant, tenant).max_backlog.unwrap_or(may);
        Some((max, here + self.lending.elsewhere(&backlog_of(tenant))))
    }

    /// Whether the quota of any tenant is lent among shards.
    pub(in super::super) fn lends_backlogs(&self) -> bool {
        !self.sharing.is_one() && self.backlog.has_quotas()
    }

    /// Whether a tenant lacks places for so many tasks here, and others might have them to give.
    pub(in super::super) fn could_have(&self, tenant: &Name, tasks: u64) -> bool {
        let sum = self.backlog.of(tenant).saturating_add(tasks);
        let max = self.limits(LimitScope::Tenant, tenant).max_backlog;
        self.backlog.may(tenant).is_some_and(|may| sum > may) && max.is_some_and(|max| sum <= max)
    }

    /// What a shard asks for beyond what it needs, so that it need not ask for each submission.
    pub(super) fn slack_of(&self, tenant: &Name) -> Option<u64> {
        let max = self.limits(LimitScope::Tenant, tenant).max_backlog?;
        Some(max / (4 * u64::from(self.sharing.shards.max(1))))
    }

    /// All limits were heard of.
    pub(in super::super) fn know_limits(&mut self) {
        self.lending.know_limits();
    }

    /// Whether they were, as far as this shard does not keep them itself.
    pub(in super::super) fn knows_limits(&self) -> bool {
        self.sharing.is_one() || self.lending.knows_limits()
    }

    /// Looks at the accounts with the next turn.
    pub(in super::super) fn hurry_loans(&mut self) {
        self.lending.hurry();
    }

    /// A tenant has so many more unfinished tasks.
    pub(in super::super) fn add_unfinished(&mut self, tenant: &Name, tasks: u64) {
        self.backlog.add(tenant, tasks);
    }

    /// A task of a tenant has ended.
    pub(in super::super) fn end_unfinished(&mut self, tenant: &Name) {
        self.backlog.end(tenant);
    }
}
