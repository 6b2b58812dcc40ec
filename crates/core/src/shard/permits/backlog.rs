//! How many unfinished tasks each tenant has, and how many it may have here (`maxBacklog`). Counted from the rows: a job's
//! from the moment it is accepted, also those that are still being staged.

use std::collections::BTreeMap;

use crate::id::Name;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Backlog {
    unfinished: BTreeMap<Name, u64>,
    /// What this shard may have of tenants with a quota.
    may: BTreeMap<Name, u64>,
}

impl Backlog {
    pub(super) fn restore(counted: Vec<(Name, u64)>) -> Self {
        Self { unfinished: counted.into_iter().collect(), may: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, tenant: &Name, tasks: u64) {
        match self.unfinished.get_mut(tenant) {
            Some(count) => *count += tasks,
            None if tasks > 0 => _ = self.unfinished.insert(tenant.clone(), tasks),
            None => {}
        }
    }

    pub(super) fn end(&mut self, tenant: &Name) {
        let Some(count) = self.unfinished.get_mut(tenant) else { return };
        *count -= 1;
        if *count == 0 {
            self.unfinished.remove(tenant);
        }
    }

    pub(super) fn of(&self, tenant: &Name) -> u64 {
        self.unfinished.get(tenant).copied().unwrap_or(0)
    }

    /// How many it may have here; `None`: any number.
    pub(super) fn may(&self, tenant: &Name) -> Option<u64> {
        self.may.get(tenant).copied()
    }

    pub(super) fn set(&mut self, tenant: &Name, may: Option<u64>) {
        match may {
            Some(may) => _ = self.may.insert(tenant.clone(), may),
            None => _ = self.may.remove(tenant),
        }
    }

    pub(super) fn has_quotas(&self) -> bool {
        !self.may.is_empty()
    }

    /// What a load must find again.
    pub(super) fn canonical(&self) -> &BTreeMap<Name, u64> {
        &self.unfinished
    }
}
