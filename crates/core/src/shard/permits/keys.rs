//! Lanes open and shut with the keys that their tasks carry.

use super::super::Shard;
use super::super::lanes::Slot;
use super::{KeyName, key_name};
use crate::id::Name;
use crate::permit::{KeyBound, KeyLimit};

impl Shard {
    /// Opens and shuts the lanes of these keys.
    pub(super) fn judge_keys(&mut self, tenant: &Name, limits: &[KeyLimit]) {
        for limit in limits {
            self.judge_key(&key_name(tenant, limit));
        }
    }

    fn judge_key(&mut self, name: &KeyName) {
        let Some(meter) = self.permits.keys.get(name) else { return };
        let lanes: Vec<Slot> = meter.lanes.iter().copied().collect();
        lanes.into_iter().for_each(|lane| self.judge_lane(lane));
        self.permits.forget(name, self.now);
    }

    fn judge_lane(&mut self, slot: Slot) {
        let name = self.lanes.get(slot).name.clone();
        let (mut opens_at, now) = (Some(self.now), self.now);
        for limit in &*name.limits {
            let at = self.permits.key_opens_at(&name.tenant, limit, now);
            if let Some(at) = at.filter(|at| *at > now) {
                self.permits.arm(&key_name(&name.tenant, limit), at);
            }
            opens_at = opens_at.zip(at).map(|(a, b)| a.max(b));
        }
        self.lanes.set_shut(slot, opens_at.is_none_or(|at| at > now));
    }

    /// A lane came to be: it opens and shuts with its keys.
    pub(in super::super) fn watch_keys_of(&mut self, slot: Slot) {
        let name = self.lanes.get(slot).name.clone();
        if name.limits.is_empty() {
            return;
        }
        for limit in &*name.limits {
            let meter = self.permits.keys.entry(key_name(&name.tenant, limit)).or_default();
            meter.lanes.insert(slot);
            if let KeyBound::Starts(rate) = limit.bound {
                meter.add_bucket(rate, self.permits.since, self.now);
            }
        }
        self.judge_lane(slot);
    }

    pub(in super::super) fn forget_lane_if_empty(&mut self, slot: Slot) {
        let Some(name) = self.lanes.drop_if_empty(slot) else { return };
        for limit in &*name.limits {
            let key = key_name(&name.tenant, limit);
            if let Some(meter) = self.permits.keys.get_mut(&key) {
                meter.lanes.remove(&slot);
            }
            self.permits.forget(&key, self.now);
        }
    }

    /// Opens lanes whose buckets hold a permit again.
    pub(in super::super) fn refill_keys(&mut self) {
        while let Some((at, name)) = self.permits.refills.first()
            && *at <= self.now
        {
            let name = name.clone();
            self.permits.disarm(&name);
            self.judge_key(&name);
        }
    }
}
