//! A worker process with one place.

use std::collections::{BTreeMap, BTreeSet};

use mainspring_core::id::Token;
use mainspring_core::task::Outcome;

use crate::message::{Call, Life};

/// See the module. A crash loses all of it but the calls that it may still make.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Worker {
    /// Who it is.
    pub life: Life,
    /// The number of its last call.
    pub seq: u8,
    /// Calls that it may still make.
    pub calls: u8,
    /// What it runs.
    pub running: BTreeSet<Token>,
    /// What has ended and is not known to be known.
    pub ended: BTreeMap<Token, Outcome>,
    /// Everything that it was ever granted.
    pub seen: BTreeSet<Token>,
}

impl Worker {
    /// The first process of a worker.
    pub fn new(worker: u8, calls: u8) -> Self {
        Self {
            life: Life { worker, number: 0 },
            seq: 0,
            calls,
            running: BTreeSet::new(),
            ended: BTreeMap::new(),
            seen: BTreeSet::new(),
        }
    }

    /// The process dies, and another one starts.
    pub fn crash(&mut self) {
        let life = Life { number: self.life.number + 1, ..self.life };
        *self = Self { life, ..Self::new(life.worker, self.calls) };
    }

    /// Its next call.
    pub fn call(&mut self) -> Call {
        self.seq += 1;
        Call {
            life: self.life,
            seq: self.seq,
            idle: self.running.is_empty(),
            running: self.running.iter().copied().collect(),
            ended: self.ended.iter().map(|(token, outcome)| (*token, *outcome)).collect(),
        }
    }

    /// A grant arrived; true if it starts an attempt.
    pub fn grant(&mut self, token: Token, runs_twice: bool) -> bool {
        let starts = self.seen.insert(token) || runs_twice;
        if starts {
            self.running.insert(token);
        }
        starts
    }

    /// The answer to a call arrived.
    pub fn verdict(&mut self, accepted: &[Token], stale: &[Token]) {
        for token in accepted.iter().chain(stale) {
            self.ended.remove(token);
        }
        for token in stale {
            self.running.remove(token);
        }
    }

    /// A grant was taken back.
    pub fn revoke(&mut self, token: Token) {
        self.seen.insert(token);
        self.running.remove(&token);
    }

    /// An attempt ends.
    pub fn finish(&mut self, token: Token, outcome: Outcome) {
        self.running.remove(&token);
        self.ended.insert(token, outcome);
    }
}
