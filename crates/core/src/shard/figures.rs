//! Counters and gauges of a shard, and views of its sessions.

use std::collections::BTreeMap;

use super::Shard;
use crate::effect::{DURATION_BOUNDS_MS, Figures, START_LATENCY_BOUNDS_MS, SessionView};
use crate::id::Name;
use crate::spec::TaskSpec;
use crate::task::{Outcome, TaskStatus};

/// Counts since the shard was loaded.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    attempts: BTreeMap<(Name, Name), [u64; Outcome::ALL.len()]>,
    retries: BTreeMap<(Name, Name), u64>,
    start_latency: [u64; START_LATENCY_BOUNDS_MS.len() + 1],
    start_latency_sum_ms: u64,
    duration: [u64; DURATION_BOUNDS_MS.len() + 1],
    duration_sum_ms: u64,
}

fn count(buckets: &mut [u64], bounds: &[u64], value: u64) {
    let place = bounds.iter().position(|bound| value <= *bound).unwrap_or(bounds.len());
    buckets[place] += 1;
}

impl Counters {
    pub(super) fn started(&mut self, waited_ms: u64) {
        count(&mut self.start_latency, &START_LATENCY_BOUNDS_MS, waited_ms);
        self.start_latency_sum_ms = self.start_latency_sum_ms.saturating_add(waited_ms);
    }

    pub(super) fn attempt_ended(&mut self, spec: &TaskSpec, outcome: Outcome, took_ms: u64) {
        let counts = self.attempts.entry((spec.queue.clone(), spec.kind.clone())).or_default();
        counts[outcome as usize] += 1;
        count(&mut self.duration, &DURATION_BOUNDS_MS, took_ms);
        self.duration_sum_ms = self.duration_sum_ms.saturating_add(took_ms);
    }

    pub(super) fn retried(&mut self, spec: &TaskSpec) {
        *self.retries.entry((spec.queue.clone(), spec.kind.clone())).or_default() += 1;
    }
}

impl Shard {
    pub(super) fn figures(&self) -> Figures {
        let mut tasks: BTreeMap<(Name, TaskStatus), u64> = BTreeMap::new();
        let mut ready_age_ms: BTreeMap<Name, u64> = BTreeMap::new();
        for lane in self.lanes.iter() {
            let ready = lane.len() as u64 + lane.cold;
            *tasks.entry((lane.name.queue.clone(), TaskStatus::Ready)).or_default() += ready;
            let oldest = lane.oldest().and_then(|key| self.tasks.get(&key)).and_then(|task| task.row.state.ready_at);
            let age = oldest.map_or(0, |at| self.now.since(at));
            let queue = ready_age_ms.entry(lane.name.queue.clone()).or_default();
            *queue = age.max(*queue);
        }
        let mut leases = 0;
        for task in self.tasks.values().filter(|task| task.active) {
            let status = task.row.state.status;
            leases += u64::from(status == TaskStatus::Running);
            if let (TaskStatus::Running | TaskStatus::Scheduled, Some(spec)) = (status, &task.row.spec) {
                *tasks.entry((spec.queue.clone(), status)).or_default() += 1;
            }
        }
        let counters = &self.figures;
        let attempts = counters.attempts.iter().flat_map(|((queue, kind), counts)| {
            let named = Outcome::ALL
                .iter()
                .map(move |outcome| (queue.clone(), kind.clone(), *outcome, counts[*outcome as usize]));
            named.filter(|(_, _, _, count)| *count > 0)
        });
        Figures {
            tasks: tasks.into_iter().map(|((queue, status), count)| (queue, status, count)).collect(),
            attempts: attempts.collect(),
            retries: counters.retries.iter().map(|((queue, kind), n)| (queue.clone(), kind.clone(), *n)).collect(),
            ready_age_ms: ready_age_ms.into_iter().collect(),
            resident: (self.tasks.len() as u64, self.jobs.len() as u64, self.chunks.len() as u64),
            leases,
            paused_queues: self.paused_queues.iter().cloned().collect(),
            limits: self.permits.rows(),
            start_latency: counters.start_latency.to_vec(),
            start_latency_sum_ms: counters.start_latency_sum_ms,
            duration: counters.duration.to_vec(),
            duration_sum_ms: counters.duration_sum_ms,
            schedules: self.schedules.figures(),
        }
    }

    pub(super) fn session_views(&self) -> Vec<SessionView> {
        let connected = self.sessions.iter().filter(|(_, session)| session.connected);
        connected
            .map(|(id, session)| SessionView {
                worker: session.worker.clone(),
                session: id.clone(),
                offer: session.offer.clone(),
                running: session.leases.iter().copied().collect(),
                credits: session.credits,
                directive: self.directive_of(session),
                since: session.since,
                heard_at: session.heard_at,
            })
            .collect()
    }
}
