//! Who owns the shard. The owner writes a beat that changes every second; whoever wants the shard watches it by their own
//! clock, and takes over once it has not changed for three. The fence in every commit keeps an owner out who only slept.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::Value;

use crate::connect::Link;
use crate::failure::Failure;
use crate::fetch::{self, take};
use crate::script::Script;

/// Time between two beats.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// Silence after which an owner counts as gone.
pub(crate) const SILENCE: Duration = Duration::from_secs(3);
/// When Redis itself forgets a lease that nobody renews, in milliseconds.
pub(crate) const LEASE_MS: u64 = 10_000;

/// Who this process is to others, and what it owns.
#[derive(Debug)]
pub(crate) struct Lease {
    /// Names this store value; random.
    pub(crate) instance: String,
    /// For people: process and host.
    pub(crate) who: String,
    /// The epoch it owns the shard under.
    epoch: Mutex<Option<u64>>,
    /// Memory in use and its bound, in bytes, as of the last beat; the bound is 0 where there is none.
    pub(crate) memory: [AtomicU64; 2],
    /// Bytes sent since then.
    pub(crate) sent: AtomicU64,
}

impl Lease {
    pub(crate) fn new(instance: String, who: String) -> Self {
        Self { instance, who, epoch: Mutex::default(), memory: Default::default(), sent: AtomicU64::new(0) }
    }

    /// Starts or ends the beat.
    pub(crate) fn hold(&self, epoch: Option<u64>) {
        *self.epoch.lock().unwrap_or_else(PoisonError::into_inner) = epoch;
    }

    fn held(&self) -> Option<u64> {
        *self.epoch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether so many bytes more would pass the bound.
    pub(crate) fn would_pass(&self, bytes: u64) -> bool {
        let [used, bound] = self.memory.each_ref().map(|figure| figure.load(Ordering::Relaxed));
        // A stored byte takes about two: names, and what Redis keeps beside them.
        let soon = (self.sent.load(Ordering::Relaxed) + bytes).saturating_mul(2);
        bound > 0 && used.saturating_add(soon) > bound
    }

    /// Reads how full the memory is.
    pub(crate) async fn look(&self, link: &Link) -> Result<(), Failure> {
        let info = fetch::text(&take::<Vec<u8>>(link.ask(redis::cmd("INFO").arg("memory")).await?)?);
        let figure = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
        };
        self.memory[0].store(figure("used_memory"), Ordering::Relaxed);
        self.memory[1].store(figure("maxmemory"), Ordering::Relaxed);
        self.sent.store(0, Ordering::Relaxed);
        Ok(())
    }
}

/// Beats for as long as the store lives, over a connection of its own: a long commit must not make it look dead.
pub(crate) async fn beat(lease: Arc<Lease>, link: Link) {
    let mut script = Script::beat();
    let mut number = 0_u64;
    loop {
        tokio::time::sleep(BEAT_EVERY).await;
        let Some(epoch) = lease.held() else { continue };
        number += 1;
        match beat_once(&lease, &link, &mut script, epoch, number).await {
            Ok(true) => {}
            Ok(false) if lease.held() != Some(epoch) => {}
            Ok(false) => {
                tracing::error!(epoch, "another server has taken the shard over; this one was silent for too long");
                lease.hold(None);
            }
            Err(failure) => tracing::warn!(error = %failure, "failed to renew the lease in Redis"),
        }
    }
}

async fn beat_once(lease: &Lease, link: &Link, script: &mut Script, epoch: u64, number: u64) -> Result<bool, Failure> {
    let (shard, owner) = (link.keys().one("shard"), link.keys().one("owner"));
    let answer: Value = script
        .run(link, &|command| {
            command.arg(2).arg(&shard).arg(&owner);
            command.arg(&lease.instance).arg(&lease.who).arg(LEASE_MS).arg(epoch);
            command.arg(format!("{} {number}", lease.instance));
        })
        .await?;
    lease.look(link).await?;
    Ok(take::<i64>(answer)? == 1)
}
