//! How full the memory of Redis is: a commit that would not fit is refused before it is sent.

use std::sync::atomic::{AtomicU64, Ordering};

use redis::Value;

use crate::connect::Link;
use crate::failure::Failure;
use crate::fetch::{self, take};

/// Figures of the server that was looked at last.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    used: AtomicU64,
    /// 0 where there is no bound.
    bound: AtomicU64,
    /// Bytes sent since then.
    sent: AtomicU64,
}

impl Memory {
    /// Bytes in use, and their bound.
    pub(crate) fn figures(&self) -> [u64; 2] {
        [&self.used, &self.bound].map(|figure| figure.load(Ordering::Relaxed))
    }

    /// So many bytes went to Redis.
    pub(crate) fn count(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Whether so many bytes more would pass the bound.
    pub(crate) fn would_pass(&self, bytes: usize) -> bool {
        let [used, bound] = self.figures();
        // A stored byte takes about two: names, and what Redis keeps beside them.
        let soon = (self.sent.load(Ordering::Relaxed) + bytes as u64).saturating_mul(2);
        bound > 0 && used.saturating_add(soon) > bound
    }

    /// Looks now.
    pub(crate) async fn look(&self, link: &Link) -> Result<(), Failure> {
        self.note(link.ask(redis::cmd("INFO").arg("memory")).await?)
    }

    /// Takes over what `INFO memory` answered.
    pub(crate) fn note(&self, info: Value) -> Result<(), Failure> {
        let info = fetch::text(&take::<Vec<u8>>(info)?);
        let figure = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
        };
        self.used.store(figure("used_memory"), Ordering::Relaxed);
        self.bound.store(figure("maxmemory"), Ordering::Relaxed);
        self.sent.store(0, Ordering::Relaxed);
        Ok(())
    }
}
