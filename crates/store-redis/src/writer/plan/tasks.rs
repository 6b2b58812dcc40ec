//! Plans the changes of tasks. This is the hot path: three records for a new task, two for a change, and a move between
//! two indexes.

use std::collections::HashMap;

use mainspring_core::id::Key;
use mainspring_core::row::{Changes, TaskRow};
use mainspring_core::spec::TaskSpec;
use mainspring_core::task::{Place, TaskState};
use mainspring_store::Error;

use super::super::cache::Stands;
use super::Plan;
use crate::failure::Failure;
use crate::record::{BodyAt, StoredSpec, encode_spec, encode_state};

/// The parts of a task that have keys of their own.
const PARTS: [&str; 7] = ["spec", "state", "body", "attempts", "output", "logs", "logdata"];

impl Plan<'_> {
    pub(super) fn tasks(&mut self, changes: &Changes) -> Result<(), Failure> {
        let mut inserted = HashMap::new();
        self.deletes = !changes.delete_tasks.is_empty();
        let rewritten = !changes.rewrite_bodies.is_empty();
        for row in &changes.insert_tasks {
            let stored = self.insert_task(row)?;
            if rewritten {
                inserted.insert(row.key, stored);
            }
        }
        for (key, state) in &changes.update_tasks {
            self.update_task(*key, state);
        }
        for (key, body) in &changes.rewrite_bodies {
            let Some(stored) = inserted.remove(key).or_else(|| self.asked.specs.remove(key)) else { continue };
            let spec = TaskSpec { body: body.clone(), ..stored.spec };
            let stored = StoredSpec { spec, edited: true, ..stored }.placed();
            self.put_spec(*key, &stored);
            if stored.body_at != BodyAt::Apart {
                self.gone.push(self.keys.task(*key, "body"));
            }
        }
        for key in &changes.delete_tasks {
            self.delete_task(*key);
        }
        Ok(())
    }

    fn insert_task(&mut self, row: &TaskRow) -> Result<StoredSpec, Failure> {
        let Some(spec) = row.spec.as_deref() else {
            let text = format!("task {:?} is inserted without a spec", row.key);
            return Err(Error::Unavailable(text).into());
        };
        let stored = StoredSpec::of(row, spec);
        let entry = self.cache.entry(self.keys, row.key, &stored, &row.state);
        self.absent.push(self.keys.task(row.key, "state"));
        self.put_spec(row.key, &stored);
        self.put_state(row.key, &row.state);
        self.sets.push(entry.status_key.as_bytes());
        self.sets.push(row.state.status.word());
        if let Some((job, name)) = &entry.job {
            let names = self.names.entry(*job).or_default();
            names.push(&**name);
            names.push_number(i64::from(job.index_of(row.key)));
        }
        self.move_task(row.key, entry.line, entry.rank, None, Some(entry.stands));
        self.cache.tasks.insert(row.key, entry);
        Ok(stored)
    }

    fn put_spec(&mut self, key: Key, stored: &StoredSpec) {
        self.sets.push(self.keys.task(key, "spec"));
        self.sets.push(encode_spec(stored));
        if stored.body_at == BodyAt::Apart {
            self.sets.push(self.keys.task(key, "body"));
            self.sets.push(&*stored.spec.body);
        }
    }

    fn put_state(&mut self, key: Key, state: &TaskState) {
        self.sets.push(self.keys.task(key, "state"));
        self.sets.write(|out| encode_state(out, state));
    }

    fn update_task(&mut self, key: Key, state: &TaskState) {
        let Some(mut entry) = self.cache.tasks.remove(&key) else { return };
        let (before, after) = (entry.stands, Stands::of(state));
        self.put_state(key, state);
        if before.status != after.status {
            self.sets.push(entry.status_key.as_bytes());
            self.sets.push(after.status.word());
        }
        self.move_task(key, entry.line, entry.rank, Some(before), Some(after));
        entry.stands = after;
        // What has ended is touched again only by retention; but this commit itself may still delete it.
        if after.place != Place::Rest || !after.status.is_terminal() || self.deletes {
            self.cache.tasks.insert(key, entry);
        }
    }

    /// Drops a task with everything that belongs to it.
    pub(in super::super) fn delete_task(&mut self, key: Key) {
        let Some(entry) = self.cache.tasks.remove(&key) else { return };
        PARTS.iter().for_each(|part| self.gone.push(self.keys.task(key, part)));
        self.gone.push(entry.status_key.as_bytes());
        if let Some((job, name)) = &entry.job {
            self.names_gone.entry(*job).or_default().push(&**name);
        }
        self.move_task(key, entry.line, entry.rank, Some(entry.stands), None);
        self.cache.logs.retain(|(task, _), _| *task != key);
    }
}
