//! Writes pieces into the other store: each into the shard of its key there, in commits of a bearable size.

use std::collections::BTreeMap;
use std::sync::Arc;

use mainspring_core::id::Key;
use mainspring_core::permit::KeyLimits;
use mainspring_core::row::{Changes, HighWater, LaneName, LaneRow};
use mainspring_core::task::{LaneId, Place, TaskStatus};
use mainspring_store::{CommitAnswer, ShardCommit, ShardId};

use super::pieces::{Piece, Task};
use super::side::Side;
use crate::exit::{Exit, Failure, Outcome};

/// Rows of one commit.
const ROWS_MAX: usize = 500;
/// Bytes of one commit, more or less.
const BYTES_MAX: usize = 1 << 20;

/// A shard of the other store, with what is to be written next.
#[derive(Default)]
struct Part {
    changes: Changes,
    rows: usize,
    bytes: usize,
    commits: u64,
    /// Its lanes.
    lanes: BTreeMap<LaneName, LaneId>,
}

/// See the module.
pub(super) struct Copier<'a> {
    to: &'a Side,
    parts: Vec<Part>,
    high_water: HighWater,
}

impl<'a> Copier<'a> {
    /// Nothing is written yet. Numbers go on where those of `from` end.
    pub(super) fn new(from: &Side, to: &'a Side) -> Self {
        let parts = to.fences.iter().map(|_| Part::default()).collect();
        Self { to, parts, high_water: from.high_water() }
    }

    fn shard_of(&self, key: Key) -> usize {
        usize::from(ShardId::of_key(key, self.parts.len() as u16).0)
    }

    /// Adds a piece; writes if there is enough.
    pub(super) async fn take(&mut self, piece: Piece) -> Outcome {
        let shard = match &piece {
            Piece::Queue(_) | Piece::Limits(_) | Piece::Worker(_) | Piece::Definition(_) | Piece::Audit(_) => {
                usize::from(ShardId::CONTROL.0)
            }
            Piece::Schedule(row) => usize::from(ShardId::of(row.id.bucket(), self.parts.len() as u16).0),
            Piece::Occurrence(row) => self.shard_of(row.key),
            Piece::Job(row) => self.shard_of(row.key),
            Piece::Chunk(row) => self.shard_of(row.job),
            Piece::Task(task) => self.shard_of(task.row.key),
            Piece::Attempt(row) => self.shard_of(row.task),
            Piece::Output(row) => self.shard_of(row.task),
            Piece::Log(row) => self.shard_of(row.task),
            // It stands with what it leads to, whose id may have chosen the shard.
            Piece::Claim(row) => self.shard_of(row.target),
        };
        let part = &mut self.parts[shard];
        part.rows += 1;
        match piece {
            Piece::Queue(row) => part.changes.put_queues.push(row),
            Piece::Limits(row) => part.changes.put_limits.push(row),
            Piece::Worker(row) => part.changes.put_workers.push(row),
            Piece::Audit(row) => part.changes.insert_audit.push(row),
            Piece::Occurrence(row) => part.changes.insert_occurrences.push(row),
            Piece::Schedule(row) => {
                part.bytes += row.body.len();
                part.changes.put_schedules.push(*row);
            }
            Piece::Attempt(row) => part.changes.insert_attempts.push(row),
            Piece::Claim(row) => part.changes.put_claims.push(row),
            Piece::Definition(row) => {
                part.bytes += row.body.as_ref().map_or(0, |body| body.len());
                part.changes.insert_definitions.push(row);
            }
            Piece::Job(row) => {
                part.bytes += row.body.len();
                part.changes.insert_jobs.push(row);
            }
            Piece::Chunk(row) => {
                part.bytes += row.tasks.iter().map(|task| 200 + task.spec.body.len()).sum::<usize>();
                part.changes.insert_chunks.push(row);
            }
            Piece::Output(row) => {
                part.bytes += row.output.len();
                part.changes.put_outputs.push(row);
            }
            Piece::Log(row) => {
                part.bytes += row.data.len();
                part.changes.insert_logs.push(row);
            }
            Piece::Task(task) => part.task(*task, &mut self.high_water),
        }
        if part.rows >= ROWS_MAX || part.bytes >= BYTES_MAX { self.write(shard).await } else { Ok(()) }
    }

    /// Writes what is left, and the high waters into every shard.
    pub(super) async fn finish(&mut self) -> Outcome {
        for shard in 0..self.parts.len() {
            self.write(shard).await?;
        }
        Ok(())
    }

    async fn write(&mut self, shard: usize) -> Outcome {
        let part = &mut self.parts[shard];
        part.commits += 1;
        (part.rows, part.bytes) = (0, 0);
        let mut changes = std::mem::take(&mut part.changes);
        changes.high_water = HighWater { commit: part.commits, ..self.high_water };
        let commit = ShardCommit { fence: self.to.fences[shard].clone(), changes: Arc::new(changes) };
        let said = match self.to.store.commit(vec![commit]).await.pop() {
            Some(CommitAnswer::Committed) => return Ok(()),
            Some(CommitAnswer::Rejected { epoch }) => format!("another server took it under epoch {epoch}"),
            Some(CommitAnswer::Unknown { reason }) => reason,
            None => "the store did not answer".to_owned(),
        };
        Err(Failure::new(Exit::Failure, format!("writing to TO failed, so the copy is not whole: {said}"))
            .hint("FROM is as it was; delete what is in TO, and start again"))
    }
}

impl Part {
    fn task(&mut self, mut task: Task, high_water: &mut HighWater) {
        let key = task.row.key;
        // Behind the window of its lane, or the horizon of timers: what several shards had in memory may be too much for one,
        // and stand in another order there. A server takes from there what it has room for.
        match (task.row.state.status, &task.row.spec) {
            (TaskStatus::Ready, Some(spec)) => {
                let lane = self.lane(spec.lane(&task.row.tenant, task.row.job));
                task.row.state.place = Place::ColdReady { lane };
            }
            (TaskStatus::Scheduled, _) if task.row.state.due.is_some() => task.row.state.place = Place::ColdTimer,
            _ => {}
        }
        if let Some(lease) = &mut task.row.state.lease {
            // A new number, so that whoever still holds the old one is told so, and of a session that is nobody's, so that
            // nobody is told to run it again under its old number. The attempt is lost once its lease ends.
            high_water.lease += 1;
            lease.number = high_water.lease;
            lease.session = "migrated".into();
            task.row.state.last.iter_mut().for_each(|last| last.lease = high_water.lease);
        }
        let body = task.row.spec.as_ref().map(|spec| spec.body.clone()).unwrap_or_default();
        self.bytes += 300 + body.len();
        if task.edited {
            self.changes.rewrite_bodies.push((key, body));
        }
        self.changes.insert_tasks.push(task.row);
    }

    /// The number here of a lane; numbers are dense from 0.
    fn lane(&mut self, name: LaneName) -> LaneId {
        // What many tasks of few keys wait for is sorted out by the core as it pages them in.
        let name = LaneName { limits: KeyLimits::default(), ..name };
        let lane = LaneId(self.lanes.len() as u32);
        *self.lanes.entry(name).or_insert_with_key(|name| {
            self.changes.insert_lanes.push(LaneRow { lane, name: name.clone() });
            lane
        })
    }
}
