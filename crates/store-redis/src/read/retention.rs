//! Finds what has ended long enough ago to be deleted, oldest first, and the claims that lead to it.
//!
//! Nothing is indexed by its end: that would cost every task. Old rows stand at the front of their index, and a mark
//! remembers how far the front holds nothing to delete.

use std::sync::atomic::{AtomicU64, Ordering};

use mainspring_core::id::Key;
use mainspring_core::time::Timestamp;
use mainspring_store::Ended;
use redis::Pipeline;

use super::Side;
use crate::failure::Failure;
use crate::fetch;
use crate::keys::member;
use crate::record::{Names, StoredSpec, decode_state};

/// Rows that one call may look at.
const SCAN_ROWS_MAX: usize = 50_000;
/// Rows that are read at a time.
const ROWS_AT_ONCE: usize = 1_000;

impl Side {
    pub(super) async fn ended_tasks(&self, before: Timestamp, limit: usize) -> Result<Vec<Ended>, Failure> {
        self.ended("ended", &self.tasks_swept, before, limit).await
    }

    pub(super) async fn ended_jobs(&self, before: Timestamp, limit: usize) -> Result<Vec<Ended>, Failure> {
        self.ended("jobs:ended", &self.jobs_swept, before, limit).await
    }

    async fn ended(
        &self,
        index: &str,
        mark: &AtomicU64,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<Ended>, Failure> {
        // What was accepted at `before` or later has a larger sequence number than this, and ended later.
        let end = Key::from_raw(Key::first_sequence_at(before).saturating_add(1) << 12);
        let from = mark.load(Ordering::Relaxed);
        let (mut keys, mut seen, mut last) = (Vec::new(), 0, Key::from_raw(from));
        'all: while keys.len() < limit && seen < SCAN_ROWS_MAX {
            let mut pipeline = Pipeline::new();
            let ask = pipeline.cmd("ZRANGEBYLEX").arg(self.link.keys().one(index));
            ask.arg(format!("({}", member(last))).arg(format!("({}", member(end)));
            ask.arg("LIMIT").arg(0).arg(ROWS_AT_ONCE);
            let mut answers = self.link.read(&pipeline).await?.into_iter();
            let next = fetch::keys_of(fetch::next(&mut answers)?);
            let old = if index == "ended" {
                self.old_tasks(&next, before).await?
            } else {
                self.old_jobs(&next, before).await?
            };
            for (key, old) in next.iter().zip(old) {
                if keys.len() == limit {
                    break 'all;
                }
                seen += 1;
                last = *key;
                if old {
                    keys.push(*key);
                }
            }
            if next.len() < ROWS_AT_ONCE {
                break;
            }
        }
        let is_cut = keys.len() >= limit || seen >= SCAN_ROWS_MAX;
        let next = match keys.first() {
            Some(first) if is_cut => first.raw() - 1,
            None if is_cut => last.raw(),
            // At the end it starts from the front again: there, something may have ended meanwhile.
            _ => 0,
        };
        mark.store(next, Ordering::Relaxed);
        let claims = fetch::claims_to(&self.link, &keys).await?;
        Ok(keys.into_iter().zip(claims).collect())
    }

    async fn old_tasks(&self, keys: &[Key], before: Timestamp) -> Result<Vec<bool>, Failure> {
        let mut names = Names::default();
        let mut old = Vec::with_capacity(keys.len());
        for found in fetch::tasks(&self.link, keys).await? {
            let Some([spec, state]) = found else {
                old.push(false);
                continue;
            };
            let (stored, state) = (StoredSpec::decode(&spec, &mut names)?, decode_state(&state, &mut names)?);
            let ended = state.status.is_terminal() && state.ended_at.is_some_and(|at| at < before);
            old.push(stored.job.is_none() && ended);
        }
        Ok(old)
    }

    async fn old_jobs(&self, keys: &[Key], before: Timestamp) -> Result<Vec<bool>, Failure> {
        let rows = fetch::jobs(&self.link, keys).await?;
        let is_old = |key: &Key| {
            let row = rows.iter().find(|row| row.key == *key);
            row.is_some_and(|row| {
                let state = &row.state;
                row.parent.is_none()
                    && state.status.is_terminal()
                    && state.sweep.is_none()
                    && state.ended_at.is_some_and(|at| at < before)
            })
        };
        Ok(keys.iter().map(is_old).collect())
    }
}
