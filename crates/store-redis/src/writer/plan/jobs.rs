//! Plans the changes of jobs and graphs.

use mainspring_core::id::Key;
use mainspring_core::row::Changes;
use mainspring_store::record::encode_graph;

use super::super::cache::JobStands;
use super::Plan;
use crate::record::{JobSpec, encode_job_spec, encode_job_state};

/// The parts of a job that have keys of their own.
const PARTS: [&str; 4] = ["spec", "state", "graph", "names"];

impl Plan<'_> {
    pub(super) fn jobs(&mut self, changes: &Changes) {
        for row in &changes.insert_jobs {
            self.absent.push(self.keys.job(row.key, "state"));
            self.sets.push(self.keys.job(row.key, "spec"));
            self.sets.push(encode_job_spec(row));
            self.sets.push(self.keys.job(row.key, "state"));
            self.sets.push(encode_job_state(&row.state));
            let spec = JobSpec::of(row);
            self.move_job(row.key, &spec, None, Some(JobStands::of(&spec, &row.state)));
            self.cache.job(row);
        }
        for (key, state) in &changes.update_jobs {
            let Some(mut entry) = self.cache.jobs.remove(key) else { continue };
            let after = JobStands::of(&entry.spec, state);
            self.sets.push(self.keys.job(*key, "state"));
            self.sets.push(encode_job_state(state));
            self.move_job(*key, &entry.spec, Some(entry.stands), Some(after));
            entry.stands = after;
            self.cache.jobs.insert(*key, entry);
        }
        for key in &changes.delete_jobs {
            self.delete_job(*key);
        }
        for chunk in &changes.insert_chunks {
            let (graph, number) = (self.keys.job(chunk.job, "graph"), chunk.number.to_string());
            self.rest.one(&[b"HSET", graph.as_bytes(), number.as_bytes(), &encode_graph(chunk)]);
        }
    }

    /// Drops a job with its graph.
    pub(in super::super) fn delete_job(&mut self, key: Key) {
        let Some(entry) = self.cache.jobs.remove(&key) else { return };
        PARTS.iter().for_each(|part| self.gone.push(self.keys.job(key, part)));
        self.move_job(key, &entry.spec, Some(entry.stands), None);
    }
}
