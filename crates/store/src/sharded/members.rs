//! The membership of a cluster over several databases. The first says who takes part; of its shards each database speaks
//! itself. A database that does not answer makes nobody look dead: what it said last holds until it answers again.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;
use mainspring_core::id::SessionId;

use crate::members::{Holding, Members, NodeRow, Roster};
use crate::store::{BoxFuture, Error, Store};

/// See the module.
pub(super) struct SpreadMembers {
    first: Arc<dyn Members>,
    others: Vec<Other>,
}

struct Other {
    members: Arc<dyn Members>,
    /// What it said last of its shards.
    said: Arc<Mutex<Vec<Holding>>>,
}

impl SpreadMembers {
    /// `None` if one of the stores serves a single process.
    pub(super) fn over(parts: &[Arc<dyn Store>]) -> Option<Arc<dyn Members>> {
        let mut all = parts.iter().map(|part| part.members());
        let first = all.next()??;
        let others = all.map(|members| Some(Other { members: members?, said: Arc::default() }));
        Some(Arc::new(Self { first, others: others.collect::<Option<_>>()? }))
    }
}

impl Members for SpreadMembers {
    fn beat(&self, node: NodeRow) -> BoxFuture<Result<Roster, Error>> {
        let first = self.first.beat(node.clone());
        let others: Vec<_> = self.others.iter().map(|other| other.beat(node.clone())).collect();
        Box::pin(async move {
            let (first, others) = futures_util::future::join(first, join_all(others)).await;
            let mut roster = first?;
            for said in others {
                roster.shards.extend(said?);
            }
            Ok(roster)
        })
    }

    fn leave(&self, node: SessionId) -> BoxFuture<Result<(), Error>> {
        let all: Vec<_> = self.others.iter().map(|other| &other.members).chain([&self.first]).collect();
        let left: Vec<_> = all.into_iter().map(|members| members.leave(node.clone())).collect();
        Box::pin(async move { join_all(left).await.into_iter().collect() })
    }
}

impl Other {
    fn beat(&self, node: NodeRow) -> BoxFuture<Result<Vec<Holding>, Error>> {
        let (beat, said) = (self.members.beat(node), self.said.clone());
        Box::pin(async move {
            let answer = beat.await;
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            match answer {
                Ok(roster) => said.clone_from(&roster.shards),
                Err(Error::Unavailable(_)) if !said.is_empty() => {}
                Err(error) => return Err(error),
            }
            Ok(said.clone())
        })
    }
}
