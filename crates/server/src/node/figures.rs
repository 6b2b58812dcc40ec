//! What the node measures of itself: lock-free counters that the shard's thread writes and anybody reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mainspring_core::row::Changes;
use mainspring_store::{Description, Store};

/// Upper bounds of the commit time's buckets, in microseconds.
pub(super) const COMMIT_BOUNDS_US: [u64; 14] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000];
/// Upper bounds of the batch size's buckets, in rows.
pub(super) const BATCH_BOUNDS_ROWS: [u64; 10] = [1, 2, 5, 10, 50, 100, 500, 1_000, 4_000, 10_000];

/// A histogram as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// Upper bounds of the buckets; one more bucket holds the rest.
    pub bounds: &'static [u64],
    /// How many fell into each bucket (not cumulated); one longer than `bounds`.
    pub buckets: Vec<u64>,
    /// The sum of all values.
    pub sum: u64,
}

impl Histogram {
    fn add(&mut self, other: &Self) {
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(sum, part)| *sum += part);
        self.sum += other.sum;
    }

    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

/// Figures of a node.
#[derive(Clone, Debug)]
pub struct NodeFigures {
    /// Seconds from the order of a commit to its answer, in microseconds.
    pub commit_us: Histogram,
    /// Rows and feed entries written per commit.
    pub commit_rows: Histogram,
    /// Numbers of the newest durable commits of its shards, added up.
    pub commit: u64,
    /// Bytes that wait in the mailbox: exchanges and orders, then submissions.
    pub mailbox_bytes: (usize, usize),
    /// Bytes that may wait in each lane.
    pub mailbox_bytes_max: usize,
    /// The shards that it owns, and the epochs under which it does.
    pub epochs: Vec<(u16, u64)>,
    /// Times that a shard was loaded again after its first load.
    pub reloads: u64,
    /// Worker sessions that this node knows.
    pub sessions: u64,
    /// Exchanges that wait for an answer.
    pub calls: u64,
    /// What the store says of itself.
    pub store: Description,
    /// The store's own figures, by name.
    pub store_figures: Vec<(&'static str, u64)>,
    /// Whether the node can work.
    pub readiness: Readiness,
}

impl NodeFigures {
    /// Of a node that serves no shard.
    pub(super) fn none(store: &Arc<dyn Store>) -> Self {
        Self {
            commit_us: Recorder::new(&COMMIT_BOUNDS_US).read(),
            commit_rows: Recorder::new(&BATCH_BOUNDS_ROWS).read(),
            commit: 0,
            mailbox_bytes: (0, 0),
            mailbox_bytes_max: 0,
            epochs: Vec::new(),
            reloads: 0,
            sessions: 0,
            calls: 0,
            store: store.describe(),
            store_figures: store.figures(),
            readiness: Readiness::default(),
        }
    }

    /// The figures of two shards as one.
    pub(super) fn plus(mut self, other: Self) -> Self {
        self.commit_us.add(&other.commit_us);
        self.commit_rows.add(&other.commit_rows);
        self.epochs.extend(other.epochs);
        Self {
            commit: self.commit + other.commit,
            mailbox_bytes: (self.mailbox_bytes.0 + other.mailbox_bytes.0, self.mailbox_bytes.1 + other.mailbox_bytes.1),
            reloads: self.reloads + other.reloads,
            sessions: self.sessions + other.sessions,
            calls: self.calls + other.calls,
            ..self
        }
    }
}

/// Whether a node can do its work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// What keeps it from that: a stable word and a sentence each. Empty: it is ready.
    pub reasons: Vec<(&'static str, String)>,
}

impl Readiness {
    /// Whether nothing keeps it from its work.
    pub fn is_ready(&self) -> bool {
        self.reasons.is_empty()
    }
}

/// A histogram that is being written.
#[derive(Debug)]
pub(super) struct Recorder {
    bounds: &'static [u64],
    buckets: Vec<AtomicU64>,
    sum: AtomicU64,
}

impl Recorder {
    pub(super) fn new(bounds: &'static [u64]) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, buckets, sum: AtomicU64::new(0) }
    }

    pub(super) fn record(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    pub(super) fn record_time(&self, time: Duration) {
        self.record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    pub(super) fn read(&self) -> Histogram {
        Histogram {
            bounds: self.bounds,
            buckets: self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect(),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

/// Row changes and feed entries of a commit.
pub(super) fn rows_of(changes: &Changes) -> u64 {
    let Changes {
        high_water: _,
        insert_tasks,
        update_tasks,
        rewrite_bodies,
        delete_tasks,
        insert_jobs,
        update_jobs,
        delete_jobs,
        insert_chunks,
        insert_attempts,
        put_outputs,
        insert_logs,
        put_claims,
        delete_claims,
        insert_lanes,
        put_queues,
        put_limits,
        put_loans,
        put_workers,
        insert_definitions,
        delete_schedules,
        put_schedules,
        update_schedules,
        insert_occurrences,
        insert_audit,
        feed: _,
    } = changes;
    let rows = [
        insert_tasks.len(),
        update_tasks.len(),
        rewrite_bodies.len(),
        delete_tasks.len(),
        insert_jobs.len(),
        update_jobs.len(),
        delete_jobs.len(),
        insert_chunks.len(),
        insert_attempts.len(),
        put_outputs.len(),
        insert_logs.len(),
        put_claims.len(),
        delete_claims.len(),
        insert_lanes.len(),
        put_queues.len(),
        put_limits.len(),
        put_loans.len(),
        put_workers.len(),
        insert_definitions.len(),
        delete_schedules.len(),
        put_schedules.len(),
        update_schedules.len(),
        insert_occurrences.len(),
        insert_audit.len(),
    ];
    rows.iter().sum::<usize>() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_belongs_to_its_bucket() {
        let recorder = Recorder::new(&[1, 10]);
        for value in [0, 1, 2, 10, 11] {
            recorder.record(value);
        }
        let histogram = recorder.read();
        assert_eq!((histogram.buckets.as_slice(), histogram.sum, histogram.count()), ([2, 2, 1].as_slice(), 24, 5));
    }
}
