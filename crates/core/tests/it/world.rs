//! One driver over one store in virtual time: what goes in, and everything that comes out, in order.

use mainspring_core::driver::{Driver, Io};
use mainspring_core::effect::Effect;
use mainspring_core::row::Changes;
use mainspring_core::shard::ShardConfig;
use mainspring_core::time::Timestamp;

use crate::store::Store;

/// Where virtual time starts.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// Something that came out.
#[derive(Debug)]
pub(crate) enum Seen {
    /// A commit, as it was written.
    Commit(Box<Changes>),
    /// An effect, after its commit.
    Effect(Effect),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) config: ShardConfig,
    pub(crate) driver: Driver,
    pub(crate) store: Store,
    pub(crate) now: Timestamp,
    pub(crate) seen: Vec<Seen>,
    /// Rows that reads asked for by name.
    pub(crate) read: u64,
}

impl World {
    pub(crate) fn new(config: ShardConfig) -> Self {
        let mut store = Store::default();
        let driver = Driver::new(config.clone(), store.load(), START);
        Self { config, driver, store, now: START, seen: Vec::new(), read: 0 }
    }

    /// Lets the driver work until it has nothing to do at this instant.
    pub(crate) fn settle(&mut self) {
        for _ in 0..20_000 {
            if !self.turn() {
                return;
            }
        }
        panic!("the driver does not come to rest");
    }

    /// One order of the driver, carried out at once; false if it has none.
    fn turn(&mut self) -> bool {
        match self.driver.poll(self.now) {
            Some(Io::Commit { ticket, changes }) => {
                self.store.apply(&changes);
                self.seen.push(Seen::Commit(Box::new(changes)));
                let effects = self.driver.committed(ticket);
                self.seen.extend(effects.into_iter().map(Seen::Effect));
            }
            Some(Io::Read { ticket, set }) => {
                self.read += (set.tasks.len() + set.jobs.len() + set.chunks.len()) as u64;
                self.driver.loaded(ticket, self.store.rows(&set));
            }
            Some(Io::Release(effects)) => self.seen.extend(effects.into_iter().map(Seen::Effect)),
            None => return false,
        }
        true
    }

    /// Lets the driver work until this many more commits are written.
    pub(crate) fn commits(&mut self, count: u64) {
        let end = self.store.commits() + count;
        while self.store.commits() < end && self.turn() {}
    }

    /// Lets time pass, stopping wherever the driver wants to be woken.
    pub(crate) fn advance(&mut self, ms: u64) {
        let end = self.now.plus_ms(ms);
        while let Some(wake) = self.driver.wake_at().filter(|wake| *wake <= end) {
            assert!(wake > self.now, "the driver asks to be woken at {wake:?}, now is {:?}", self.now);
            self.now = wake;
            self.settle();
        }
        self.now = end;
        self.settle();
    }

    /// Lets time pass as a stall does: the driver sees only its end.
    pub(crate) fn stall(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
    }

    /// The process dies, and another takes over what was committed.
    pub(crate) fn crash(&mut self) {
        self.driver = Driver::new(self.config.clone(), self.store.load(), self.now);
    }

    /// The same, and the store lacks what it acknowledged last.
    pub(crate) fn restore(&mut self) {
        self.store.restored += 1;
        self.crash();
    }

    /// I4: a driver loaded from the store equals this one.
    pub(crate) fn check_recovery(&self) {
        let mut store = self.store.clone();
        let mut other = Driver::new(self.config.clone(), store.load(), self.now);
        // Rows that are hot are admitted first; nothing else is let in meanwhile, so nothing changes.
        while let Some(io) = other.poll(self.now) {
            match io {
                Io::Read { ticket, set } if set.lanes.is_empty() && set.timers.is_none() => {
                    other.loaded(ticket, store.rows(&set));
                }
                _ => break,
            }
            if other.canonical().is_some() {
                break;
            }
        }
        let (live, loaded) = (self.driver.canonical(), other.canonical());
        assert!(live.is_some(), "a settled driver has a canonical text");
        let (Some(live), Some(loaded)) = (live, loaded) else { return };
        for (live, loaded) in live.lines().zip(loaded.lines()) {
            assert_eq!(live, loaded, "I4: what is loaded equals what is live");
        }
        assert_eq!(live.lines().count(), loaded.lines().count(), "I4: both know as much");
    }
}
