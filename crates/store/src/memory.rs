//! The in-memory store: durability class D0, for tests and the simulator.
//!
//! It is a plain model over ordered maps. Calls take effect when they are made, and every future it returns is already
//! complete, so that a synchronous caller may poll it once. What goes wrong is scripted or seeded through [`Faults`].

mod faults;
mod members;
mod read;
mod reader;
mod reading;
mod schedules;
mod state;

use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mainspring_core::id::SessionId;
use mainspring_core::row::{Changes, ReadSet, Rows, Snapshot};
use mainspring_core::time::Timestamp;

pub use faults::{CommitFault, FaultRates, Faults};
pub use members::MemoryMembers;
pub use state::State;

use crate::reader::Reader;
use crate::store::{BoxFuture, CommitAnswer, Description, Durability, Error, Fence, ShardCommit, ShardId, Store};

/// What shards have of each other's limits.
type Loans = std::collections::BTreeMap<(mainspring_core::loan::LoanName, u16), mainspring_core::loan::LoanRow>;

/// A store of one shard in memory. Clones share it; to ownership they are one `Store` value.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    inner: Arc<Mutex<Inner>>,
    /// Tells this `Store` value from others over the same rows.
    holder: u64,
}

#[derive(Debug, Default)]
struct Inner {
    shard: ShardId,
    state: State,
    epoch: u64,
    /// Whose fence is in force; nobody's after a release or an unknown commit.
    owner: Option<SessionId>,
    /// Who took the shard last and has not given it back; unlike `owner` also after an unknown commit.
    named: Option<SessionId>,
    /// Which `Store` value took the shard last and has not given it back.
    holder: Option<u64>,
    /// How many `Store` values there are beside the first.
    others: u64,
    /// Commits that were answered as unknown and land at the next acquire.
    late: Vec<Arc<Changes>>,
    plan: faults::Plan,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store of the shard with this number, among others.
    pub fn of_shard(number: u16) -> Self {
        Self::over(Inner { shard: ShardId(number), ..Inner::default() })
    }

    /// A store that starts from these rows, owned by nobody.
    pub fn from_state(state: State) -> Self {
        Self::over(Inner { state, ..Inner::default() })
    }

    fn over(inner: Inner) -> Self {
        Self { inner: Arc::new(Mutex::new(inner)), holder: 0 }
    }

    /// Another `Store` value over the same rows, as another process would open it.
    #[must_use]
    pub fn another(&self) -> Self {
        let mut inner = self.lock();
        inner.others += 1;
        Self { inner: self.inner.clone(), holder: inner.others }
    }

    /// Where its misfortunes are planned.
    pub fn faults(&self) -> Faults {
        Faults { inner: self.inner.clone() }
    }

    /// A copy of everything that it holds.
    pub fn state(&self) -> State {
        self.lock().state.clone()
    }

    /// What a load would answer now, apart from the removal of what was never published. Changes nothing.
    pub fn snapshot(&self) -> Snapshot {
        self.lock().state.snapshot()
    }

    /// The rows of a read set now. Changes nothing, never fails.
    pub fn rows(&self, set: &ReadSet) -> Rows {
        self.lock().state.rows(set)
    }

    /// The epoch in force.
    pub fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn view<T: Send + 'static>(&self, read: impl FnOnce(&State) -> T) -> BoxFuture<Result<T, Error>> {
        let mut inner = self.lock();
        let answer = if inner.plan.unavailable() { Err(unavailable()) } else { Ok(read(&inner.state)) };
        Box::pin(ready(answer))
    }

    fn owned<T: Send + 'static>(
        &self,
        fence: &Fence,
        act: impl FnOnce(&mut Inner) -> T,
    ) -> BoxFuture<Result<T, Error>> {
        let mut inner = self.lock();
        let answer = if inner.plan.unavailable() {
            Err(unavailable())
        } else if !inner.in_force(fence) {
            Err(Error::Conflict(format!("epoch {} is in force", inner.epoch)))
        } else {
            Ok(act(&mut inner))
        };
        Box::pin(ready(answer))
    }
}

impl Inner {
    fn in_force(&self, fence: &Fence) -> bool {
        fence.shard == self.shard
            && fence.incarnation == self.state.incarnation
            && fence.epoch == self.epoch
            && self.owner.as_ref() == Some(&fence.owner)
    }

    fn acquire(&mut self, shard: ShardId, owner: SessionId, holder: u64, dead: Option<u64>) -> Result<Fence, Error> {
        if shard != self.shard {
            return Err(Error::Incompatible(format!("shard {} does not exist here", shard.0)));
        }
        if self.plan.unavailable() {
            return Err(unavailable());
        }
        if self.plan.locked_out {
            return Err(Error::Conflict("another server has this store".to_owned()));
        }
        if self.holder.is_some_and(|other| other != holder) && dead != Some(self.epoch) {
            return Err(Error::Conflict(format!("another server has it under epoch {}", self.epoch)));
        }
        self.holder = Some(holder);
        for changes in std::mem::take(&mut self.late) {
            // A late commit that no longer fits was overtaken; then it is lost, as it would be in a real store.
            _ = self.state.apply(&changes);
        }
        self.epoch += 1;
        self.state.incarnation = self.state.incarnation.max(1);
        self.owner = Some(owner.clone());
        self.named = Some(owner.clone());
        Ok(Fence { shard, incarnation: self.state.incarnation, epoch: self.epoch, owner })
    }

    fn usurp(&mut self) {
        self.epoch += 1;
        self.owner = None;
    }

    fn commit(&mut self, commit: &ShardCommit) -> CommitAnswer {
        let fault = self.plan.commit();
        if fault == Some(CommitFault::Rejected) {
            self.usurp();
        }
        if !self.in_force(&commit.fence) {
            if commit.fence.epoch == self.epoch && commit.fence.incarnation == self.state.incarnation {
                return unknown("an earlier commit is unknown, the shard must be acquired again");
            }
            return CommitAnswer::Rejected { epoch: self.epoch };
        }
        match fault {
            Some(CommitFault::UnknownLost) => {}
            Some(CommitFault::UnknownLate) => self.late.push(commit.changes.clone()),
            _ => {
                if let Err(reason) = self.state.apply(&commit.changes) {
                    self.owner = None;
                    return unknown(&reason);
                }
            }
        }
        if fault.is_none() {
            return CommitAnswer::Committed;
        }
        self.owner = None;
        unknown("injected fault")
    }
}

fn unknown(reason: &str) -> CommitAnswer {
    CommitAnswer::Unknown { reason: reason.to_owned() }
}

fn unavailable() -> Error {
    Error::Unavailable("injected fault".to_owned())
}

impl Store for MemoryStore {
    fn describe(&self) -> Description {
        Description {
            name: "memory",
            durability: Durability::Memory,
            detail: "nothing outlives the process".to_owned(),
        }
    }

    fn acquire(&self, shard: ShardId, owner: SessionId, dead: Option<u64>) -> BoxFuture<Result<Fence, Error>> {
        Box::pin(ready(self.lock().acquire(shard, owner, self.holder, dead)))
    }

    fn release(&self, fence: Fence) -> BoxFuture<Result<(), Error>> {
        self.owned(&fence, |inner| {
            inner.owner = None;
            inner.named = None;
            inner.holder = None;
        })
    }

    fn load(&self, fence: Fence) -> BoxFuture<Result<Snapshot, Error>> {
        self.owned(&fence, |inner| {
            inner.state.remove_staged();
            inner.state.snapshot()
        })
    }

    fn commit(&self, commits: Vec<ShardCommit>) -> BoxFuture<Vec<CommitAnswer>> {
        let mut inner = self.lock();
        let answers: Vec<_> = commits.iter().map(|commit| inner.commit(commit)).collect();
        Box::pin(ready(answers))
    }

    fn read(&self, fence: Fence, set: ReadSet) -> BoxFuture<Result<Rows, Error>> {
        self.owned(&fence, |inner| inner.state.rows(&set))
    }

    fn prune(
        &self,
        fence: Fence,
        feed_before: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<Result<u64, Error>> {
        self.owned(&fence, |inner| inner.state.prune(feed_before, now, limit))
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::{Context, Poll, Waker};

    fn now<T>(mut future: BoxFuture<T>) -> T {
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("a future of the in-memory store is complete when it is made"),
        }
    }

    fn empty_commit(fence: &Fence, number: u64) -> ShardCommit {
        let mut changes = Changes::default();
        changes.high_water.commit = number;
        ShardCommit { fence: fence.clone(), changes: Arc::new(changes) }
    }

    fn acquire(store: &MemoryStore) -> Fence {
        now(store.acquire(ShardId(0), "one".into(), None)).expect("nobody else has it")
    }

    fn answer(store: &MemoryStore, fence: &Fence, number: u64) -> CommitAnswer {
        now(store.commit(vec![empty_commit(fence, number)])).remove(0)
    }

    #[test]
    fn an_unknown_commit_is_applied_lost_or_late_as_scripted() {
        for (fault, before, after) in
            [(CommitFault::UnknownApplied, 1, 1), (CommitFault::UnknownLost, 0, 0), (CommitFault::UnknownLate, 0, 1)]
        {
            let store = MemoryStore::new();
            let fence = acquire(&store);
            store.faults().next_commit(fault);
            assert!(matches!(answer(&store, &fence, 1), CommitAnswer::Unknown { .. }));
            assert_eq!(store.state().high_water().commit, before, "{fault:?}");
            assert!(matches!(answer(&store, &fence, before + 1), CommitAnswer::Unknown { .. }));
            let fence = acquire(&store);
            assert_eq!(now(store.load(fence)).expect("in force").high_water.commit, after, "{fault:?}");
        }
    }

    #[test]
    fn an_usurped_shard_rejects_with_the_epoch_in_force() {
        let store = MemoryStore::new();
        let fence = acquire(&store);
        store.faults().next_commit(CommitFault::Rejected);
        assert_eq!(answer(&store, &fence, 1), CommitAnswer::Rejected { epoch: 2 });
        assert_eq!(acquire(&store).epoch, 3);
        assert_eq!(answer(&store, &fence, 1), CommitAnswer::Rejected { epoch: 3 });
    }

    #[test]
    fn reads_are_unavailable_as_scripted() {
        let store = MemoryStore::new();
        let fence = acquire(&store);
        store.faults().script_unavailable([true, false]);
        assert!(matches!(now(store.load(fence.clone())), Err(Error::Unavailable(_))));
        assert!(now(store.load(fence)).is_ok());
    }

    #[test]
    fn the_same_seed_brings_the_same_faults() {
        let run = |seed| {
            let store = MemoryStore::new();
            let rates = FaultRates { unknown_lost: 100_000, rejected: 50_000, ..FaultRates::default() };
            store.faults().seed(seed, rates);
            let mut fence = acquire(&store);
            let mut answers = Vec::new();
            for _ in 0..200 {
                let number = store.state().high_water().commit + 1;
                let answer = answer(&store, &fence, number);
                if answer != CommitAnswer::Committed {
                    fence = acquire(&store);
                }
                answers.push(answer);
            }
            answers
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        assert!(run(7).iter().any(|answer| *answer != CommitAnswer::Committed));
    }
}
