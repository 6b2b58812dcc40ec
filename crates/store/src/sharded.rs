//! One store over several: the shards of the first, then those of the next, and so on. Nothing crosses shards, so the work
//! of a cluster can be spread over several databases without another word. Every part knows its shards by their numbers in
//! the whole.

mod inbox;
mod members;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use futures_util::future::join_all;
use mainspring_core::id::SessionId;
use mainspring_core::row::{ReadSet, Rows, Snapshot};
use mainspring_core::time::Timestamp;

use self::inbox::SpreadInbox;
use self::members::SpreadMembers;
use crate::inbox::Inbox;
use crate::members::Members;
use crate::memory::{MemoryMembers, MemoryStore};
use crate::merged::{MergedReader, places};
use crate::reader::Reader;
use crate::store::{BoxFuture, CommitAnswer, Description, Error, Fence, History, ShardCommit, ShardId, Store};

/// See the module.
pub struct Sharded {
    parts: Vec<Arc<dyn Store>>,
    /// Which part has each shard.
    places: Vec<u16>,
    members: Option<Arc<dyn Members>>,
    inbox: Option<Arc<dyn Inbox>>,
    reader: Arc<MergedReader>,
}

impl Sharded {
    /// Over these stores, at least one, each with the shards that it has: one range after the other from 0, none empty.
    /// The first also keeps the settings, and says who takes part.
    pub fn new(parts: Vec<(Arc<dyn Store>, Range<u16>)>) -> Self {
        let mut built = Self::with_members(parts, None);
        built.members = SpreadMembers::over(&built.parts);
        built
    }

    fn with_members(parts: Vec<(Arc<dyn Store>, Range<u16>)>, members: Option<Arc<dyn Members>>) -> Self {
        let mut next = 0;
        for (_, range) in &parts {
            assert!(range.start == next && range.end > range.start, "each part has the shards after those before it");
            next = range.end;
        }
        assert!(next > 0, "there is at least one part");
        let readers = parts.iter().map(|(part, range)| (part.reader(), range.len() as u16)).collect();
        let places = places(parts.iter().map(|(_, range)| range.len() as u16));
        let parts: Vec<_> = parts.into_iter().map(|(part, _)| part).collect();
        let inbox = SpreadInbox::over(&parts, &places);
        Self { parts, places, members, inbox, reader: Arc::new(MergedReader::new(readers)) }
    }

    /// Over the shards of a cluster in memory, in order.
    pub fn in_memory(shards: Vec<MemoryStore>, members: MemoryMembers) -> Self {
        let part = |(shard, number): (MemoryStore, u16)| (Arc::new(shard) as Arc<dyn Store>, number..number + 1);
        Self::with_members(shards.into_iter().zip(0..).map(part).collect(), Some(Arc::new(members)))
    }

    fn part(&self, shard: ShardId) -> Result<&dyn Store, Error> {
        let place = self.places.get(usize::from(shard.0));
        let place = place.ok_or_else(|| Error::Incompatible(format!("shard {} does not exist", shard.0)))?;
        Ok(&*self.parts[usize::from(*place)])
    }

    /// Asks the store that has a shard.
    fn ask<T: Send + 'static>(
        &self,
        shard: ShardId,
        ask: impl FnOnce(&dyn Store) -> BoxFuture<Result<T, Error>>,
    ) -> BoxFuture<Result<T, Error>> {
        match self.part(shard) {
            Ok(part) => ask(part),
            Err(error) => Box::pin(async move { Err(error) }),
        }
    }
}

impl Store for Sharded {
    fn describe(&self) -> Description {
        let parts = self.parts.iter().map(|part| part.describe());
        let weakest = parts.min_by_key(|part| part.durability).expect("there is at least one part");
        let (shards, stores) = (self.places.len(), self.parts.len());
        Description { detail: format!("{shards} shards in {stores} stores: {}", weakest.detail), ..weakest }
    }

    fn shards(&self) -> u16 {
        self.places.len() as u16
    }

    fn members(&self) -> Option<Arc<dyn Members>> {
        self.members.clone()
    }

    fn inbox(&self) -> Option<Arc<dyn Inbox>> {
        self.inbox.clone()
    }

    fn acquire(&self, shard: ShardId, owner: SessionId, dead: Option<u64>) -> BoxFuture<Result<Fence, Error>> {
        self.ask(shard, |part| part.acquire(shard, owner, dead))
    }

    fn release(&self, fence: Fence) -> BoxFuture<Result<(), Error>> {
        self.ask(fence.shard, |part| part.release(fence))
    }

    fn load(&self, fence: Fence) -> BoxFuture<Result<Snapshot, Error>> {
        self.ask(fence.shard, |part| part.load(fence))
    }

    fn commit(&self, commits: Vec<ShardCommit>) -> BoxFuture<Vec<CommitAnswer>> {
        let number = commits.len();
        let mut by_part: BTreeMap<u16, (Vec<usize>, Vec<ShardCommit>)> = BTreeMap::new();
        let mut answers = vec![None; number];
        for (index, commit) in commits.into_iter().enumerate() {
            match self.places.get(usize::from(commit.fence.shard.0)) {
                Some(place) => {
                    let (indices, commits) = by_part.entry(*place).or_default();
                    indices.push(index);
                    commits.push(commit);
                }
                None => {
                    let reason = format!("shard {} does not exist", commit.fence.shard.0);
                    answers[index] = Some(CommitAnswer::Unknown { reason });
                }
            }
        }
        let asked = by_part.into_iter().map(|(place, (indices, commits))| {
            let asked = self.parts[usize::from(place)].commit(commits);
            async move { indices.into_iter().zip(asked.await) }
        });
        let asked: Vec<_> = asked.collect();
        Box::pin(async move {
            for (index, answer) in join_all(asked).await.into_iter().flatten() {
                answers[index] = Some(answer);
            }
            let missing = || CommitAnswer::Unknown { reason: "a store did not answer".to_owned() };
            answers.into_iter().map(|answer| answer.unwrap_or_else(missing)).collect()
        })
    }

    fn read(&self, fence: Fence, set: ReadSet) -> BoxFuture<Result<Rows, Error>> {
        self.ask(fence.shard, |part| part.read(fence, set))
    }

    fn prune(
        &self,
        fence: Fence,
        feed_before: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<Result<u64, Error>> {
        self.ask(fence.shard, |part| part.prune(fence, feed_before, now, limit))
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
