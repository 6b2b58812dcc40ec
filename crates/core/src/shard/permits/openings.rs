//! From which groups and lanes something may start now.

use super::super::Shard;
use super::super::lanes::{Group, Lane};
use crate::time::Timestamp;

impl Shard {
    /// When the queue and type of a group let a task start: `None`: not before something else happens.
    pub(in super::super) fn opens_at(&self, group: &Group) -> Option<Timestamp> {
        if self.paused_queues.contains(&group.queue) {
            return None;
        }
        self.permits.opens_at(&group.queue, &group.kind, self.now)
    }

    /// Those of the groups from which something may start now.
    pub(in super::super) fn open_of(&mut self, groups: &[usize]) -> Vec<usize> {
        let mut open = Vec::with_capacity(groups.len());
        for id in groups {
            let group = &self.lanes.groups()[*id];
            if group.ready == 0 {
                continue;
            }
            match self.opens_at(group) {
                Some(at) if at <= self.now => open.push(*id),
                Some(at) => self.permits.wait_for(Some(at)),
                None => {}
            }
        }
        open
    }

    /// At least 1 if something cold may start now.
    pub(in super::super) fn cold_demand(&self) -> u64 {
        let open = |lane: &Lane| {
            !self.paused_queues.contains(&lane.name.queue)
                && self.permits.opens_at(&lane.name.queue, &lane.name.kind, self.now) == Some(self.now)
        };
        u64::from(self.lanes.iter_numbered().any(|(_, lane)| lane.cold > 0 && open(lane)))
    }
}
