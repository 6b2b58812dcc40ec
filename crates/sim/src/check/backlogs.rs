//! The quota of a tenant's unfinished tasks: no submission takes it beyond. Read from the rows alone.

use std::collections::BTreeMap;

use mainspring_core::effect::Refusal;
use mainspring_core::id::Name;
use mainspring_core::permit::{LimitScope, Limits};
use mainspring_core::row::Changes;

use super::moves::is_terminal;
use super::{Checker, Touched, Verdict, ensure};

/// Unfinished tasks by tenant.
pub(super) type Backlogs = BTreeMap<Name, u64>;

impl Checker {
    /// How many unfinished tasks each tenant with a quota has, those of jobs that are being staged included.
    pub(super) fn backlogs(&self) -> Backlogs {
        let of = |limits: &Limits| limits.max_backlog.is_some();
        let tenants =
            self.model.limits.iter().filter(|((scope, _), limits)| *scope == LimitScope::Tenant && of(limits));
        tenants.map(|((_, name), _)| (name.clone(), self.backlog_of(name))).collect()
    }

    fn backlog_of(&self, tenant: &Name) -> u64 {
        let rows = self.model.tasks.values().filter(|row| row.tenant == *tenant && !is_terminal(row.state.status));
        let staged = self.model.jobs.values().filter(|row| row.tenant == *tenant && self.model.is_staged(row.key));
        let missing = staged.map(|row| u64::from(row.tasks) - self.model.tasks_of(row.key).len() as u64);
        rows.count() as u64 + missing.sum::<u64>()
    }

    /// Judges what a commit took in. What ended in the same commit may have ended before it came; what schedules submit,
    /// reruns, and the jobs that carry out groups count, and are not refused.
    pub(super) fn check_backlogs(
        &mut self,
        changes: &Changes,
        before: &[Touched],
        had: &Backlogs,
        old: &BTreeMap<(LimitScope, Name), Limits>,
    ) -> Verdict {
        if !changes.update_schedules.is_empty() || !changes.put_schedules.is_empty() {
            return Ok(());
        }
        for (tenant, had) in had {
            let id = (LimitScope::Tenant, tenant.clone());
            let quota = |limits: &BTreeMap<(LimitScope, Name), Limits>| limits.get(&id).and_then(|set| set.max_backlog);
            let Some((old, new)) = quota(old).zip(quota(&self.model.limits)) else { continue };
            let tasks = changes.insert_tasks.iter().filter(|row| row.job.is_none() && row.tenant == *tenant).count();
            let jobs = changes.insert_jobs.iter().filter(|row| row.parent.is_none() && row.tenant == *tenant);
            let came = tasks as u64 + jobs.map(|row| u64::from(row.tasks)).sum::<u64>();
            let ended = before.iter().filter(|touched| self.has_ended(touched, tenant)).count();
            let least = (had + came).saturating_sub(ended as u64 + changes.delete_tasks.len() as u64);
            let max = old.max(new);
            ensure(came == 0 || least <= max, "quota", || {
                format!("{came} tasks of `{tenant}` were taken in; it has {least} unfinished ones and may have {max}")
            })?;
            self.sometimes.add("quota.backlog_used_up", u64::from(came > 0 && least == max));
        }
        Ok(())
    }

    /// Whether a task of the tenant ended in this commit, whatever it did afterwards.
    fn has_ended(&self, touched: &Touched, tenant: &Name) -> bool {
        let Some(row) = self.model.tasks.get(&touched.key).filter(|row| row.tenant == *tenant) else { return false };
        let was_live = touched.old.as_ref().is_none_or(|old| !is_terminal(old.state.status));
        let began = touched.old.as_ref().map_or(1, |old| old.state.generation);
        was_live && (is_terminal(row.state.status) || row.state.generation > began)
    }

    /// A refusal for the quota says why.
    pub(super) fn check_backlog_full(&mut self, refusal: &Refusal) -> Verdict {
        let Refusal::BacklogFull { tenant, max, there, tasks } = refusal else { return Ok(()) };
        self.sometimes.hit("quota.backlog_full");
        // One of several shards refuses also where its home does not answer in time.
        ensure(there + tasks > *max || self.config.cluster.is_some(), "quota", || {
            format!("{tasks} tasks of `{tenant}` were refused with {there} unfinished ones of {max}")
        })
    }
}
