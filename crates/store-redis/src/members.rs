//! Who takes part. Beats have a thread and a connection of their own: a long commit must not make a node look dead.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::{join_all, try_join_all};
use mainspring_core::id::{Name, SessionId};
use mainspring_core::row::{Directive, QueueRow, WorkerRow};
use mainspring_store::record::Unreadable;
use mainspring_store::{BoxFuture, Error, Holding, Members, NodeRow, Roster, ShardId};
use redis::{Cmd, Pipeline, Value};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::connect::{Link, Net, Open};
use crate::failure::Failure;
use crate::fetch::{self, take};
use crate::memory::Memory;
use crate::meta::{self, Made};
use crate::record::{decode_limit, decode_queue, decode_worker};
use crate::script::Script;

type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// What the thread is asked to do.
pub(crate) enum Ask {
    Beat(NodeRow, Reply<Roster>),
    Leave(SessionId, Reply<()>),
}

/// See [`Members`].
#[derive(Debug)]
pub(crate) struct RedisMembers {
    asks: mpsc::UnboundedSender<Ask>,
}

impl RedisMembers {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Ask>) {
        let (asks, queue) = mpsc::unbounded_channel();
        (Self { asks }, queue)
    }

    fn ask<T: Send + 'static>(&self, ask: impl FnOnce(Reply<T>) -> Ask) -> BoxFuture<Result<T, Error>> {
        let (reply, answer) = oneshot::channel();
        // Where the thread has ended, the reply is dropped, and the caller hears so.
        _ = self.asks.send(ask(reply));
        let closed = || Err(Error::Unavailable("the store is closed".to_owned()));
        Box::pin(async move { answer.await.unwrap_or_else(|_| closed()) })
    }
}

impl Members for RedisMembers {
    fn beat(&self, node: NodeRow) -> BoxFuture<Result<Roster, Error>> {
        self.ask(|reply| Ask::Beat(node, reply))
    }

    fn leave(&self, node: SessionId) -> BoxFuture<Result<(), Error>> {
        self.ask(|reply| Ask::Leave(node, reply))
    }
}

/// A node as it is stored, under its id.
#[derive(Serialize, Deserialize)]
struct NodeRecord {
    beat: u64,
    address: Option<Name>,
    about: Name,
    process: Name,
    version: Name,
}

/// What the thread works with.
pub(crate) struct Table {
    made: Made,
    /// The way to the settings and the nodes.
    control: Link,
    /// The way to each shard that is here.
    links: Vec<Link>,
    memory: Arc<Memory>,
    script: Script,
    /// Beats so far.
    beats: u64,
}

/// Shards whose keys one server has.
struct Group {
    open: Open,
    /// Whether the control shard's are among them.
    control: bool,
    /// By their places here.
    shards: Vec<usize>,
}

impl Table {
    pub(crate) fn new(net: &Arc<Net>, made: &Made, memory: Arc<Memory>) -> Self {
        let link = |shard| Link::new(net.clone(), shard);
        let links = made.holds.clone().map(ShardId).map(link).collect();
        Self { made: made.clone(), control: link(ShardId::CONTROL), links, memory, script: Script::beat(), beats: 0 }
    }

    /// Serves until nobody can ask.
    pub(crate) async fn run(mut self, mut asks: mpsc::UnboundedReceiver<Ask>) {
        while let Some(ask) = asks.recv().await {
            // Nobody may be waiting any longer; then the answer is dropped.
            match ask {
                Ask::Beat(node, reply) => _ = reply.send(self.beat(&node).await.map_err(Error::from)),
                Ask::Leave(node, reply) => _ = reply.send(self.leave(&node).await.map_err(Error::from)),
            }
        }
    }

    async fn leave(&self, node: &SessionId) -> Result<(), Failure> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("HDEL").arg(self.control.keys().one("nodes")).arg(&**node);
        self.control.read(&pipeline).await.map(|_| ())
    }

    async fn beat(&mut self, node: &NodeRow) -> Result<Roster, Failure> {
        self.beats += 1;
        let NodeRow { id: _, address, about, process, version } = node.clone();
        let record = NodeRecord { beat: self.beats, address, about, process, version };
        let record = serde_json::to_string(&record).expect("texts and numbers can be written");
        let mut tries = 3;
        loop {
            tries -= 1;
            match self.ask(&node.id, &record).await {
                Err(failure) if failure.is_missing_script() && tries > 0 => self.script.forget(),
                Err(failure) if failure.ends_the_connection() && tries > 0 => {}
                Ok(Some(roster)) => return Ok(roster),
                // After a fail-over to an empty replica the database must be made anew.
                Ok(None) if tries > 0 => _ = meta::open(&self.control, None, &self.made.part).await?,
                Ok(None) => return Err(Unreadable("key of the cluster").into()),
                Err(failure) => return Err(failure),
            }
        }
    }

    /// One round trip to each server; `None` if the database has no key.
    async fn ask(&mut self, node: &SessionId, record: &str) -> Result<Option<Roster>, Failure> {
        let groups = self.groups().await?;
        let enter = self.enter(node, record).await?;
        let asked = join_all(groups.iter().map(|group| self.ask_group(group, &enter))).await;
        let mut holdings = BTreeMap::new();
        let mut control = None;
        for (group, answers) in groups.iter().zip(asked) {
            let mut answers = answers?.into_iter();
            let info = answers.next().unwrap_or_default();
            if group.control {
                control = Some((fetch::next(&mut answers)?, info.clone()));
            }
            for place in &group.shards {
                let shard = usize::from(self.made.holds.start) + place;
                holdings.insert(shard, holding(shard, answers.next().unwrap_or_default())?);
            }
        }
        let Some((stands, info)) = control else { return Err(Unreadable("roster").into()) };
        self.memory.note(info)?;
        roster(stands, holdings.into_values().collect())
    }

    /// The shards by the servers that have their keys.
    async fn groups(&self) -> Result<Vec<Group>, Failure> {
        let mut groups = vec![Group { open: self.control.open().await?, control: true, shards: Vec::new() }];
        for (shard, open) in try_join_all(self.links.iter().map(Link::open)).await?.into_iter().enumerate() {
            match groups.iter_mut().find(|group| group.open.is_beside(&open)) {
                Some(group) => group.shards.push(shard),
                None => groups.push(Group { open, control: false, shards: vec![shard] }),
            }
        }
        Ok(groups)
    }

    async fn enter(&mut self, node: &SessionId, record: &str) -> Result<Cmd, Failure> {
        let control = &self.control;
        let keys = ["nodes", "meta", "queues", "workers", "limits"].map(|name| control.keys().one(name));
        let arguments = |command: &mut Cmd| _ = command.arg(keys.len()).arg(&keys).arg(&**node).arg(record);
        self.script.call(control, &arguments).await
    }

    async fn ask_group(&self, group: &Group, enter: &Cmd) -> Result<Vec<Value>, Failure> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("INFO").arg("memory");
        if group.control {
            pipeline.add_command(enter.clone());
        }
        for shard in &group.shards {
            let record = self.links[*shard].keys().one("shard");
            pipeline.cmd("HMGET").arg(record).arg("epoch").arg("owner").arg("holder").arg("commit");
        }
        let answer = pipeline.query_async(&mut group.open.connection.clone()).await.map_err(Failure::from);
        if let Err(failure) = &answer {
            if group.control {
                self.control.give_up(&group.open, failure).await;
            }
            for shard in &group.shards {
                self.links[*shard].give_up(&group.open, failure).await;
            }
        }
        answer
    }
}

fn holding(shard: usize, answer: Value) -> Result<Holding, Failure> {
    let (epoch, owner, holder, commit): (Option<u64>, Option<String>, Option<String>, Option<u64>) = take(answer)?;
    let owner = owner.filter(|_| holder.is_some()).map(Name::from);
    let (epoch, commit) = (epoch.unwrap_or_default(), Some(commit.unwrap_or_default()));
    Ok(Holding { shard: ShardId(shard as u16), epoch, owner, commit })
}

/// What the script answers: nodes, the key, queues, workers, limits.
type Stands = (BTreeMap<String, String>, Option<Vec<u8>>, Fields, Fields, Fields);
type Fields = BTreeMap<Vec<u8>, Vec<u8>>;

fn roster((nodes, key, queues, workers, limits): Stands, shards: Vec<Holding>) -> Result<Option<Roster>, Failure> {
    let Some(key) = key else { return Ok(None) };
    let key: [u8; 32] = key.try_into().map_err(|_| Unreadable("key of the cluster"))?;
    let nodes = nodes.into_iter().map(|(id, record)| {
        let record: NodeRecord = serde_json::from_str(&record).map_err(|_| Unreadable("node"))?;
        let NodeRecord { beat, address, about, process, version } = record;
        Ok((NodeRow { id: id.into(), address, about, process, version }, beat))
    });
    let workers = workers.into_iter().map(decode_worker).collect::<Result<Vec<WorkerRow>, _>>()?;
    let mut limits = limits.into_iter().map(decode_limit).collect::<Result<Vec<_>, _>>()?;
    limits.sort_by(|a, b| (a.scope, &a.name).cmp(&(b.scope, &b.name)));
    let queues = queues.into_iter().map(decode_queue);
    Ok(Some(Roster {
        nodes: nodes.collect::<Result<_, Unreadable>>()?,
        shards,
        key: Arc::new(key),
        queues: queues.filter(|row: &QueueRow| row.paused).collect(),
        limits,
        workers: workers.into_iter().filter(|row| row.directive != Directive::Run).collect(),
    }))
}
