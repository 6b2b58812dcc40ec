//! What a simulated node has its store do, and what goes wrong with it.

use std::sync::Arc;

use mainspring_core::driver::Ticket;
use mainspring_core::effect::Refusal;
use mainspring_core::row::{Changes, ReadSet};
use mainspring_store::{CommitAnswer, CommitFault, Error, ShardCommit, Store};

use super::node::{Done, now};
use super::telling::told;
use super::{Ev, World};
use crate::check::Verdict;
use crate::plant::Plant;
use crate::wire::Reply;

impl World {
    /// Orders a commit: it takes effect now, its answer comes later.
    pub(super) fn commit(&mut self, index: usize, ticket: Ticket, mut changes: Changes) -> Verdict {
        let shard = self.shard_of(index);
        if let Some(planted) = &mut self.planted {
            planted.on_commit(&mut changes, &self.shards[shard].checker.model);
        }
        let mut fence = self.posts[index].fence.clone().expect("a node with a driver has a fence");
        if index != self.shards[shard].owner
            && self.planted.as_mut().is_some_and(|planted| planted.strikes(Plant::UnfencedZombie))
            && let Some(other) = self.posts[self.shards[shard].owner].fence.clone()
        {
            self.digest(&changes);
            // The store does not look at the epoch: what it writes is judged under the epoch of its writer.
            self.shards[shard].checker.committed(&changes, fence.epoch)?;
            fence = other;
        }
        let in_force = fence.epoch == self.shards[shard].store.epoch();
        let fault = if in_force { self.draw_fault(shard) } else { None };
        self.shards[shard].store.faults().script_commits([fault]);
        let changes = Arc::new(changes);
        let epoch = fence.epoch;
        let shard_commit = ShardCommit { fence, changes: changes.clone() };
        let answer = now(self.shards[shard].store.commit(vec![shard_commit])).remove(0);
        if self.trace.is_some() {
            self.note(|| {
                format!("node {index} commits {} {fault:?}: {answer:?}{}", changes.high_water.commit, told(&changes))
            });
        }
        let applied = match (&answer, fault) {
            (CommitAnswer::Committed, _) | (_, Some(CommitFault::UnknownApplied)) => true,
            (_, Some(CommitFault::UnknownLate)) => {
                self.shards[shard].late = Some((changes.clone(), epoch));
                false
            }
            _ => false,
        };
        if applied {
            self.digest(&changes);
            let leases = self.shards[shard].checker.model.water.lease;
            self.shards[shard].checker.committed(&changes, epoch)?;
            self.check_lent(shard, leases, &changes)?;
        }
        let believed = fault != Some(CommitFault::Rejected)
            && matches!(answer, CommitAnswer::Unknown { .. })
            && self.planted.as_mut().is_some_and(|planted| planted.strikes(Plant::UnknownIsCommitted));
        let believed = believed
            || matches!(answer, CommitAnswer::Rejected { .. })
                && self.planted.as_mut().is_some_and(|planted| planted.strikes(Plant::RejectedIsCommitted));
        if self.planted.as_mut().is_some_and(|planted| planted.strikes(Plant::EffectsBeforeCommit)) && !applied {
            let effects = self.posts[index].driver.as_mut().map(|driver| driver.committed(ticket));
            return self.release(index, effects.unwrap_or_default());
        }
        if !in_force {
            self.shards[shard].checker.sometimes.hit("node.zombie_commit_refused");
        }
        self.posts[index].desk.committing = true;
        let done =
            if answer == CommitAnswer::Committed || believed { Done::Committed(ticket) } else { Done::NotCommitted };
        let (least, most) = self.config.commit_ms;
        self.answer_later(index, (least, most), done);
        Ok(())
    }

    fn draw_fault(&mut self, shard: usize) -> Option<CommitFault> {
        let faults = self.config.faults;
        if !self.faulty {
            return None;
        }
        if self.rng.permille(faults.commit_rejected) {
            self.shards[shard].checker.sometimes.hit("commit.rejected");
            return Some(CommitFault::Rejected);
        }
        if !self.rng.permille(faults.commit_unknown) {
            return None;
        }
        let (name, fault) = *self.rng.pick(&[
            ("commit.unknown_applied", CommitFault::UnknownApplied),
            ("commit.unknown_lost", CommitFault::UnknownLost),
            ("commit.unknown_late", CommitFault::UnknownLate),
        ]);
        self.shards[shard].checker.sometimes.hit(name);
        Some(fault)
    }

    pub(super) fn read(&mut self, index: usize, ticket: Ticket, set: ReadSet) {
        let shard = self.shard_of(index);
        self.note(|| format!("node {index} reads {set:?}"));
        let sometimes = &mut self.shards[shard].checker.sometimes;
        for (name, hit) in [
            ("read.tasks", !set.tasks.is_empty()),
            ("read.jobs", !set.jobs.is_empty()),
            ("read.chunks", !set.chunks.is_empty()),
            ("read.claims", !set.claims.is_empty()),
            ("read.lanes", !set.lanes.is_empty()),
            ("read.timers", set.timers.is_some()),
        ] {
            sometimes.add(name, u64::from(hit));
        }
        let unlucky = self.faulty && self.rng.permille(self.config.faults.read_failed);
        self.shards[shard].store.faults().script_unavailable([unlucky]);
        let fence = self.posts[index].fence.clone().expect("a node with a driver has a fence");
        let done = match now(self.shards[shard].store.read(fence, set.clone())) {
            Ok(mut rows) => {
                if let Some(planted) = &mut self.planted {
                    planted.on_rows(&set, &mut rows);
                }
                Done::Loaded(ticket, Box::new(rows))
            }
            Err(Error::Unavailable(_)) => {
                self.shards[shard].checker.sometimes.hit("read.unavailable");
                Done::ReadFailed(ticket)
            }
            Err(_) => Done::Disowned,
        };
        let times = self.config.read_ms;
        self.answer_later(index, times, done);
    }

    fn answer_later(&mut self, index: usize, (least, most): (u64, u64), done: Done) {
        let delay = self.rng.range(least, most) as i64;
        let life = self.posts[index].life;
        self.after(delay, Ev::Stored { node: index, life, done });
    }

    pub(super) fn stored(&mut self, index: usize, life: u64, done: Done) -> Verdict {
        if self.posts[index].life != life {
            return Ok(());
        }
        let Some(driver) = &mut self.posts[index].driver else { return Ok(()) };
        match done {
            Done::Committed(ticket) => {
                let effects = driver.committed(ticket);
                self.posts[index].desk.committing = false;
                self.release(index, effects)?;
            }
            Done::Loaded(ticket, rows) => driver.loaded(ticket, *rows),
            Done::ReadFailed(ticket) => {
                driver.read_failed(ticket);
                self.wake_node(index, 50);
                return Ok(());
            }
            Done::NotCommitted | Done::Disowned => {
                self.abandon(index);
                return Ok(());
            }
        }
        self.wake_node(index, 0);
        Ok(())
    }

    /// The driver's commit did not return as committed: callers hear that nobody knows, and the shard is loaded again.
    pub(super) fn abandon(&mut self, index: usize) {
        let shard = self.shard_of(index);
        self.note(|| format!("node {index} abandons"));
        let Some(driver) = self.posts[index].driver.take() else { return };
        for request in driver.abandon() {
            if let Some(call) = self.posts[index].asks.remove(&request) {
                self.send_back(Reply::Answer { call: call.number, answer: Err(Refusal::OutcomeUnknown) });
            }
        }
        let open = self.posts[index].gateway.hang_up();
        for (worker, reply) in open {
            self.send_back(Reply::Exchange(worker, reply));
        }
        if self.cluster.is_some() {
            return self.abandoned(index);
        }
        self.posts[index].reset();
        if index == self.shards[shard].owner {
            let life = self.posts[index].life;
            let pause = self.rng.range(0, 200) as i64;
            self.after(pause, Ev::NodeStart { node: index, life });
        }
    }
}
