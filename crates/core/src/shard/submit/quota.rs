//! What keeps a submission out: a tenant's rate, its backlog, and a key whose limit is kept by another shard.

use super::super::Shard;
use crate::effect::Refusal;
use crate::graph::Graph;
use crate::id::Name;
use crate::spec::TaskSpec;

impl Shard {
    /// Whether a tenant may have `tasks` more unfinished ones and submit them now: takes them from its rate then.
    pub(super) fn charge_quota(&mut self, tenant: &Name, tasks: u32) -> Result<(), Refusal> {
        if let Some((max, there)) = self.permits.backlog_is_full(tenant, u64::from(tasks)) {
            return Err(Refusal::BacklogFull { tenant: tenant.clone(), max, there, tasks: u64::from(tasks) });
        }
        match self.permits.submits_at(tenant, tasks, self.now) {
            None => Ok(()),
            Some(at) => {
                let retry_after_ms = at.since(self.now).max(1);
                Err(Refusal::QuotaExceeded { tenant: tenant.clone(), retry_after_ms })
            }
        }
    }

    /// Whether the keys of all tasks of a graph are kept by this shard.
    pub(in super::super) fn check_keys_of(&self, graph: &Graph) -> Result<(), Refusal> {
        graph.tasks().iter().try_for_each(|task| self.check_keys(&task.spec))
    }

    /// Whether the keys of a task are kept by this shard: it could never start otherwise.
    pub(in super::super) fn check_keys(&self, spec: &TaskSpec) -> Result<(), Refusal> {
        match spec.limits.iter().find(|limit| !self.permits.keeps(&limit.key)) {
            None => Ok(()),
            Some(limit) => Err(Refusal::KeyElsewhere(limit.key.clone())),
        }
    }
}
