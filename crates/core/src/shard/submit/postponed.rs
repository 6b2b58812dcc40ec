//! Submissions of tenants whose quota is lent among several shards wait a moment, should this one have too little of it:
//! for what its home gives.

use std::collections::BTreeMap;

use super::super::Shard;
use crate::event::{Event, RequestId};
use crate::id::Name;
use crate::time::Timestamp;

/// How long a submission waits for its quota, in milliseconds.
const WAIT_MS: u64 = 300;
/// After one has waited in vain, those of its tenant do not wait for this many milliseconds.
const IN_VAIN_MS: u64 = 1_000;
/// Tasks that may wait; further submissions are judged at once.
const TASKS_MAX: u64 = 20_000;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Postponed {
    events: Vec<(Timestamp, Event)>,
    tasks: BTreeMap<Name, u64>,
    /// Until when nobody of a tenant waits.
    in_vain: BTreeMap<Name, Timestamp>,
}

impl Postponed {
    /// How many tasks of a tenant wait.
    pub(in super::super) fn tasks_of(&self, tenant: &Name) -> u64 {
        self.tasks.get(tenant).copied().unwrap_or(0)
    }

    pub(in super::super) fn wake_at(&self) -> Option<Timestamp> {
        self.events.iter().map(|(until, _)| *until).min()
    }
}

/// How many tasks of each tenant a submission has.
fn tasks_of(event: &Event) -> BTreeMap<Name, u64> {
    let mut tasks = BTreeMap::new();
    match event {
        Event::SubmitTasks(submission) => {
            submission.tasks.iter().for_each(|task| *tasks.entry(task.tenant.clone()).or_default() += 1);
        }
        Event::SubmitJob(job) => _ = tasks.insert(job.tenant.clone(), job.graph.tasks().len() as u64),
        _ => {}
    }
    tasks
}

impl Shard {
    /// Gives the event back, unless it is a submission that shall wait for its quota.
    pub(crate) fn postpone(&mut self, event: Event) -> Option<Event> {
        if !self.permits.lends_backlogs() || !matches!(event, Event::SubmitTasks(_) | Event::SubmitJob(_)) {
            return Some(event);
        }
        let tasks = tasks_of(&event);
        let (now, held) = (self.now, &self.postponed);
        let lacks = |(tenant, tasks): (&Name, &u64)| {
            self.permits.could_have(tenant, *tasks) && held.in_vain.get(tenant).is_none_or(|until| *until <= now)
        };
        let full = held.tasks.values().chain(tasks.values()).sum::<u64>() > TASKS_MAX;
        if full || !tasks.iter().any(lacks) {
            return Some(event);
        }
        tasks.into_iter().for_each(|(tenant, tasks)| *self.postponed.tasks.entry(tenant).or_default() += tasks);
        self.postponed.events.push((now.plus_ms(WAIT_MS), event));
        self.permits.hurry_loans();
        None
    }

    /// Submissions that have waited long enough, or whose quota is here.
    pub(crate) fn take_released(&mut self) -> Vec<Event> {
        let mut released = Vec::new();
        for (until, event) in std::mem::take(&mut self.postponed.events) {
            let tasks = tasks_of(&event);
            let lacking: Vec<&Name> =
                tasks.iter().filter(|(name, tasks)| self.permits.could_have(name, **tasks)).map(|(n, _)| n).collect();
            if !lacking.is_empty() && until > self.now {
                self.postponed.events.push((until, event));
                continue;
            }
            for tenant in lacking {
                self.postponed.in_vain.insert(tenant.clone(), self.now.plus_ms(IN_VAIN_MS));
            }
            for (tenant, tasks) in tasks {
                let left = self.postponed.tasks_of(&tenant) - tasks;
                match left {
                    0 => _ = self.postponed.tasks.remove(&tenant),
                    left => _ = self.postponed.tasks.insert(tenant, left),
                }
            }
            released.push(event);
        }
        let now = self.now;
        self.postponed.in_vain.retain(|_, until| *until > now);
        released
    }

    /// Whom those are to be answered to that wait.
    pub(crate) fn postponed_requests(&self) -> Vec<RequestId> {
        let of = |event: &Event| match event {
            Event::SubmitTasks(submission) => Some(submission.to),
            Event::SubmitJob(job) => Some(job.to),
            _ => None,
        };
        self.postponed.events.iter().filter_map(|(_, event)| of(event)).collect()
    }
}
