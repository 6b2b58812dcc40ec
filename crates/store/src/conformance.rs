//! What every store must do, as named cases. A store's own tests stamp one test per case:
//!
//! ```ignore
//! macro_rules! stamp {
//!     ($($case:ident)*) => {$(
//!         #[test]
//!         fn $case() {
//!             mainspring_store::conformance::$case(&|| open_an_empty_store());
//!         }
//!     )*};
//! }
//! mainspring_store::for_each_conformance_case!(stamp);
//! ```
//!
//! A case panics where the store does not do what it must. [`random_commits_answer_like_the_model`] compares a store with
//! [`crate::MemoryStore`] over random histories.

mod cases;
mod cluster;
mod feed;
mod flow;
mod graphs;
mod ids;
mod jobs;
mod lists;
mod logs;
mod make;
mod members;
mod ownership;
mod paging;
mod random;
mod records;
mod schedules;
mod settings;
mod specs;
mod states;
mod terms;

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use mainspring_core::id::Key;
use mainspring_core::row::{Changes, HighWater, ReadSet, Rows, Snapshot, TaskRow};

pub use cases::cases;
pub use cluster::*;
pub use feed::*;
pub use flow::*;
pub use graphs::*;
pub use ids::*;
pub use jobs::*;
pub use lists::*;
pub use logs::*;
pub use members::*;
pub use ownership::*;
pub use paging::*;
pub use random::*;
pub use records::*;
pub use schedules::*;
pub use settings::*;
pub use specs::*;
pub use states::*;
pub use terms::*;

use crate::reader::Reader;
use crate::store::{BoxFuture, CommitAnswer, Error, Fence, ShardCommit, ShardId, Store};

/// Makes an empty store that nobody owns.
pub type Factory<'a> = &'a dyn Fn() -> Arc<dyn Store>;

/// One case.
pub type Case = fn(Factory<'_>);

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a store's answer on this thread.
pub fn wait<T>(mut future: BoxFuture<T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// A store and the fence of its only shard.
pub struct Shard {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Proof of ownership.
    pub fence: Fence,
    high_water: HighWater,
}

impl Shard {
    /// A shard of an empty store.
    pub fn new(open: Factory<'_>) -> Self {
        Self::of(open())
    }

    /// The shard of this store, taken over.
    pub fn of(store: Arc<dyn Store>) -> Self {
        let fence = wait(store.acquire(ShardId(0), "owner".into(), None)).expect("nobody else owns it");
        let mut shard = Self { store, fence, high_water: HighWater::default() };
        shard.high_water = shard.load().high_water;
        shard
    }

    /// Takes the shard over again, as after an unknown commit.
    pub fn acquire_again(&mut self) {
        self.fence = wait(self.store.acquire(ShardId(0), "owner".into(), None)).expect("nobody else owns it");
        self.high_water = self.load().high_water;
    }

    /// Commits; the number of the commit is filled in.
    pub fn commit(&mut self, changes: Changes) {
        let answer = self.try_commit(changes);
        assert_eq!(answer, CommitAnswer::Committed);
    }

    /// Commits and gives back the answer; the number of the commit is filled in.
    pub fn try_commit(&mut self, mut changes: Changes) -> CommitAnswer {
        changes.high_water.commit = self.high_water.commit + 1;
        let high_water = changes.high_water;
        let answer = self.commit_as_is(changes);
        if answer == CommitAnswer::Committed {
            self.high_water = high_water;
        }
        answer
    }

    fn commit_as_is(&self, changes: Changes) -> CommitAnswer {
        let commit = ShardCommit { fence: self.fence.clone(), changes: Arc::new(changes) };
        let mut answers = wait(self.store.commit(vec![commit]));
        assert_eq!(answers.len(), 1, "one answer per shard");
        answers.remove(0)
    }

    /// Everything that must be in memory.
    pub fn load(&self) -> Snapshot {
        wait(self.store.load(self.fence.clone())).expect("the fence is in force")
    }

    /// The rows of a read set.
    pub fn read(&self, set: ReadSet) -> Rows {
        wait(self.store.read(self.fence.clone(), set)).expect("the fence is in force")
    }

    /// Tasks as the core sees them.
    pub fn resident(&self, tasks: Vec<Key>) -> Vec<TaskRow> {
        self.read(ReadSet { tasks, ..ReadSet::default() }).tasks
    }

    /// Asks the read side.
    pub fn ask<T>(&self, question: impl FnOnce(&dyn Reader) -> BoxFuture<Result<T, Error>>) -> T {
        let reader = self.store.reader();
        wait(question(&*reader)).expect("the store can be read")
    }

    /// A task, whole, as the read side has it.
    pub fn whole(&self, key: Key) -> Option<TaskRow> {
        self.ask(|reader| reader.tasks_by_key(vec![key])).pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryMembers, MemoryStore, Sharded};

    fn memory() -> Arc<dyn Store> {
        Arc::new(MemoryStore::new())
    }

    macro_rules! stamp {
        ($($case:ident)*) => {$(
            #[test]
            fn $case() {
                super::$case(&memory);
            }
        )*};
    }
    crate::for_each_conformance_case!(stamp);

    /// Four shards in memory, which any number of processes open.
    fn cluster() -> Box<dyn Fn() -> Arc<dyn Store>> {
        let shards: Vec<_> = (0..4).map(MemoryStore::of_shard).collect();
        let members = MemoryMembers::new(shards.clone());
        let another = move || shards.iter().map(MemoryStore::another).collect();
        Box::new(move || Arc::new(Sharded::in_memory(another(), members.clone())))
    }

    macro_rules! stamp_cluster {
        ($($case:ident)*) => {$(
            #[test]
            fn $case() {
                super::$case(&cluster);
            }
        )*};
    }
    crate::for_each_cluster_case!(stamp_cluster);

    #[test]
    fn the_suite_asks_for_many_things() {
        assert!(cases().len() >= 150);
    }
}
