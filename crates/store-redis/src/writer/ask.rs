//! Asks for what a commit must know and the cache does not: before the commit, and only then.

use std::collections::{BTreeSet, HashMap};

use mainspring_core::id::Key;
use mainspring_core::row::{Changes, ClaimName, ClaimRow};
use mainspring_store::record::Unreadable;
use redis::Pipeline;

use super::Writer;
use super::cache::LogIndex;
use crate::failure::Failure;
use crate::fetch;
use crate::record::{Names, StoredSpec, decode_state};

/// What was asked for, beside what went into the cache.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Of tasks whose body is replaced.
    pub(super) specs: HashMap<Key, StoredSpec>,
    /// Claims that exist under the names that are put or deleted.
    pub(super) claims: HashMap<ClaimName, ClaimRow>,
}

impl Writer {
    pub(super) async fn ask(&mut self, changes: &Changes) -> Result<Asked, Failure> {
        let rewritten: Vec<Key> = changes.rewrite_bodies.iter().map(|(key, _)| *key).collect();
        let touched = changes.update_tasks.iter().map(|(key, _)| key).chain(&changes.delete_tasks);
        let unknown = touched.filter(|key| !self.cache.tasks.contains_key(key));
        let mut wanted: BTreeSet<Key> = unknown.chain(&rewritten).copied().collect();
        if !wanted.is_empty() {
            // What the commit inserts itself is known by the time that it is needed.
            changes.insert_tasks.iter().for_each(|row| _ = wanted.remove(&row.key));
        }
        let specs = self.ask_tasks(&wanted.into_iter().collect::<Vec<_>>()).await?;
        self.ask_jobs(changes).await?;
        let mut asked = Asked::default();
        asked.specs.extend(specs.into_iter().filter(|(key, _)| rewritten.contains(key)));
        let names: Vec<ClaimName> =
            changes.put_claims.iter().map(|row| &row.name).chain(&changes.delete_claims).cloned().collect();
        let claims = fetch::claims(&self.link, &names).await?;
        asked.claims.extend(claims.into_iter().map(|row| (row.name.clone(), row)));
        self.ask_logs(changes).await?;
        Ok(asked)
    }

    /// Takes tasks into the cache; gives back what was submitted of them.
    pub(super) async fn ask_tasks(&mut self, keys: &[Key]) -> Result<Vec<(Key, StoredSpec)>, Failure> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut names = Names::default();
        let mut rows = Vec::new();
        for (key, found) in keys.iter().zip(fetch::tasks(&self.link, keys).await?) {
            if let Some([spec, state]) = found {
                rows.push((*key, StoredSpec::decode(&spec, &mut names)?, decode_state(&state, &mut names)?));
            }
        }
        self.know_jobs(rows.iter().filter_map(|(_, stored, _)| stored.job)).await?;
        let mut found = Vec::with_capacity(rows.len());
        for (key, stored, state) in rows {
            let entry = self.cache.entry(self.link.keys(), key, &stored, &state);
            self.cache.tasks.insert(key, entry);
            found.push((key, stored));
        }
        Ok(found)
    }

    /// Takes jobs into the cache that are not there.
    pub(super) async fn know_jobs(&mut self, jobs: impl Iterator<Item = Key>) -> Result<(), Failure> {
        let unknown: BTreeSet<Key> = jobs.filter(|job| !self.cache.jobs.contains_key(job)).collect();
        if !unknown.is_empty() {
            let rows = fetch::jobs(&self.link, &unknown.into_iter().collect::<Vec<_>>()).await?;
            rows.iter().for_each(|row| self.cache.job(row));
        }
        Ok(())
    }

    async fn ask_jobs(&mut self, changes: &Changes) -> Result<(), Failure> {
        // The names of new jobs are needed for the keys of their tasks, which come first.
        changes.insert_jobs.iter().for_each(|row| self.cache.job(row));
        let of_tasks = changes.insert_tasks.iter().filter_map(|row| row.job);
        let touched = changes.update_jobs.iter().map(|(key, _)| *key).chain(changes.delete_jobs.iter().copied());
        self.know_jobs(of_tasks.chain(touched)).await
    }

    async fn ask_logs(&mut self, changes: &Changes) -> Result<(), Failure> {
        let attempts: BTreeSet<(Key, u32)> = changes.insert_logs.iter().map(|row| (row.task, row.attempt)).collect();
        let unknown: Vec<_> = attempts.into_iter().filter(|of| !self.cache.logs.contains_key(of)).collect();
        let mut pipeline = Pipeline::new();
        for (task, attempt) in &unknown {
            let ask = pipeline.cmd("ZRANGEBYLEX").arg(self.link.keys().task(*task, "logs"));
            ask.arg(format!("[{attempt:08x}")).arg(format!("({attempt:08x}~"));
        }
        for (of, answer) in unknown.into_iter().zip(self.link.read(&pipeline).await?) {
            let members: Vec<String> = fetch::take(answer)?;
            let read = |member: &String| log_member(member).map(|(_, number, chunk)| (number, chunk));
            let index = members.iter().map(read).collect::<Option<LogIndex>>();
            self.cache.logs.insert(of, index.ok_or(Unreadable("log's index"))?);
        }
        Ok(())
    }
}

/// Attempt, number, bytes and running total of a log chunk, from its member in the index.
pub(crate) fn log_member(member: &str) -> Option<(u32, u64, (u64, u64))> {
    let (field, rest) = member.split_once(':')?;
    let (attempt, number) = field.split_at_checked(8)?;
    let (bytes, total) = rest.split_once(':')?;
    let attempt = u32::from_str_radix(attempt, 16).ok()?;
    let number = u64::from_str_radix(number, 16).ok()?;
    Some((attempt, number, (bytes.parse().ok()?, total.parse().ok()?)))
}
