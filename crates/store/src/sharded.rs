//! One store over several: the shards of the first, then those of the next, and so on. Nothing crosses shards, so the work
//! of a cluster can be spread over several databases without another word.

use std::sync::Arc;

use mainspring_core::id::SessionId;
use mainspring_core::row::{ReadSet, Rows, Snapshot};
use mainspring_core::time::Timestamp;

use crate::members::Members;
use crate::merged::MergedReader;
use crate::reader::Reader;
use crate::store::{BoxFuture, CommitAnswer, Description, Error, Fence, History, ShardCommit, ShardId, Store};

/// See the module. Each part has one shard.
pub struct Sharded {
    parts: Vec<Arc<dyn Store>>,
    members: Option<Arc<dyn Members>>,
    reader: Arc<MergedReader>,
}

impl Sharded {
    /// Over these stores, at least one, of one shard each. `members` speaks for all of them.
    pub fn new(parts: Vec<Arc<dyn Store>>, members: Option<Arc<dyn Members>>) -> Self {
        assert!(!parts.is_empty() && parts.iter().all(|part| part.shards() == 1), "each part has one shard");
        let reader = Arc::new(MergedReader::new(parts.iter().map(|part| part.reader()).collect()));
        Self { parts, members, reader }
    }

    fn part(&self, shard: ShardId) -> Result<&Arc<dyn Store>, Error> {
        let absent = || Error::Incompatible(format!("shard {} does not exist", shard.0));
        self.parts.get(usize::from(shard.0)).ok_or_else(absent)
    }

    /// Asks the store of a fence's shard, to which that is its shard 0.
    fn ask<T: Send + 'static>(
        &self,
        fence: Fence,
        ask: impl FnOnce(&dyn Store, Fence) -> BoxFuture<Result<T, Error>>,
    ) -> BoxFuture<Result<T, Error>> {
        match self.part(fence.shard) {
            Ok(part) => ask(&**part, inner(fence)),
            Err(error) => Box::pin(async move { Err(error) }),
        }
    }
}

fn inner(fence: Fence) -> Fence {
    Fence { shard: ShardId(0), ..fence }
}

impl Store for Sharded {
    fn describe(&self) -> Description {
        let parts = self.parts.iter().map(|part| part.describe());
        let weakest = parts.min_by_key(|part| part.durability).expect("there is at least one part");
        Description { detail: format!("{} shards: {}", self.parts.len(), weakest.detail), ..weakest }
    }

    fn shards(&self) -> u16 {
        self.parts.len() as u16
    }

    fn members(&self) -> Option<Arc<dyn Members>> {
        self.members.clone()
    }

    fn acquire(&self, shard: ShardId, owner: SessionId, dead: Option<u64>) -> BoxFuture<Result<Fence, Error>> {
        match self.part(shard) {
            Ok(part) => {
                let acquired = part.acquire(ShardId(0), owner, dead);
                Box::pin(async move { Ok(Fence { shard, ..acquired.await? }) })
            }
            Err(error) => Box::pin(async move { Err(error) }),
        }
    }

    fn release(&self, fence: Fence) -> BoxFuture<Result<(), Error>> {
        self.ask(fence, |part, fence| part.release(fence))
    }

    fn load(&self, fence: Fence) -> BoxFuture<Result<Snapshot, Error>> {
        self.ask(fence, |part, fence| part.load(fence))
    }

    fn commit(&self, commits: Vec<ShardCommit>) -> BoxFuture<Vec<CommitAnswer>> {
        let mut answers = Vec::with_capacity(commits.len());
        for commit in commits {
            let Ok(part) = self.part(commit.fence.shard) else {
                let reason = format!("shard {} does not exist", commit.fence.shard.0);
                answers.push(Err(CommitAnswer::Unknown { reason }));
                continue;
            };
            answers.push(Ok(part.commit(vec![ShardCommit { fence: inner(commit.fence), ..commit }])));
        }
        Box::pin(async move {
            let mut done = Vec::with_capacity(answers.len());
            for answer in answers {
                done.extend(match answer {
                    Ok(answer) => answer.await,
                    Err(answer) => vec![answer],
                });
            }
            done
        })
    }

    fn read(&self, fence: Fence, set: ReadSet) -> BoxFuture<Result<Rows, Error>> {
        self.ask(fence, |part, fence| part.read(fence, set))
    }

    fn prune(
        &self,
        fence: Fence,
        feed_before: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<Result<u64, Error>> {
        self.ask(fence, |part, fence| part.prune(fence, feed_before, now, limit))
    }

    fn history(&self) -> Option<History> {
        self.parts[0].history()
    }

    fn figures(&self) -> Vec<(&'static str, u64)> {
        let mut sums: Vec<(&'static str, u64)> = Vec::new();
        for (name, value) in self.parts.iter().flat_map(|part| part.figures()) {
            match sums.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum += value,
                None => sums.push((name, value)),
            }
        }
        sums
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.reader.clone()
    }
}
