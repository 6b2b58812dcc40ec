//! From the changes of a commit to the words that Redis gets: records to set, keys to drop, and members that enter and
//! leave the indexes.
//!
//! A member never leaves an index and enters it again within one commit, so all that enters is written first.

mod jobs;
mod records;
mod schedules;
mod tasks;

use std::collections::BTreeMap;

use mainspring_core::id::{Key, Name};
use mainspring_core::row::{Changes, HighWater};
use mainspring_core::task::{Place, TaskStatus};

use super::ask::Asked;
use super::cache::{Cache, JobStands, Line, Stands};
use crate::failure::Failure;
use crate::keys::{Keys, member};
use crate::ops::{Ops, Words};
use crate::record::{JobSpec, Put};

pub(crate) use records::log_field;
pub(super) use schedules::forget;

/// A sorted set that orders rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Index {
    Hot,
    /// Neither hot nor ended.
    Quiet,
    Ended,
    Failed,
    Dead,
    Timers,
    Lane(u32),
    JobsLive,
    JobsEnded,
    JobsFailed,
    JobsSwept,
    JobsStaged,
    JobsWatched,
    ClaimsOf,
    ClaimsExpiring,
}

impl Index {
    fn name(self, keys: &Keys) -> String {
        keys.one(match self {
            Self::Hot => "hot",
            Self::Quiet => "quiet",
            Self::Ended => "ended",
            Self::Failed => "failed",
            Self::Dead => "dead",
            Self::Timers => "timers",
            Self::Lane(lane) => return keys.lane(lane),
            Self::JobsLive => "jobs:live",
            Self::JobsEnded => "jobs:ended",
            Self::JobsFailed => "jobs:failed",
            Self::JobsSwept => "jobs:swept",
            Self::JobsStaged => "jobs:staged",
            Self::JobsWatched => "jobs:watched",
            Self::ClaimsOf => "claims:of",
            Self::ClaimsExpiring => "claims:expiring",
        })
    }
}

/// What enters and leaves an index.
#[derive(Debug, Default)]
struct Moves {
    /// Scores and members.
    enter: Words,
    leave: Words,
}

/// A commit in the making.
pub(super) struct Plan<'a> {
    keys: &'a Keys,
    cache: &'a mut Cache,
    asked: Asked,
    absent: Words,
    /// Whether tasks are deleted.
    deletes: bool,
    /// Names and records.
    sets: Words,
    /// Keys to drop.
    gone: Words,
    moves: BTreeMap<Index, Moves>,
    /// Names of tasks in jobs, and their indices.
    names: BTreeMap<Key, Words>,
    /// Names of tasks that leave their jobs.
    names_gone: BTreeMap<Key, Words>,
    task_counts: BTreeMap<(Line, u8), i64>,
    job_counts: BTreeMap<(Name, u8), i64>,
    /// What has to be written behind all that.
    rest: Ops,
}

impl<'a> Plan<'a> {
    pub(super) fn new(keys: &'a Keys, cache: &'a mut Cache, asked: Asked) -> Self {
        Self {
            keys,
            cache,
            asked,
            absent: Words::default(),
            deletes: false,
            sets: Words::default(),
            gone: Words::default(),
            moves: BTreeMap::new(),
            names: BTreeMap::new(),
            names_gone: BTreeMap::new(),
            task_counts: BTreeMap::new(),
            job_counts: BTreeMap::new(),
            rest: Ops::default(),
        }
    }

    /// Plans a whole commit.
    ///
    /// # Errors
    /// If the changes do not make sense.
    pub(super) fn changes(mut self, changes: &Changes) -> Result<Ops, Failure> {
        self.tasks(changes)?;
        self.jobs(changes);
        self.records(changes);
        self.schedules(changes);
        let HighWater { time, sequence, lease, commit } = changes.high_water;
        let numbers = [time.as_millis().to_string(), sequence.to_string(), lease.to_string(), commit.to_string()];
        let [time, sequence, lease, commit] = numbers.each_ref().map(String::as_bytes);
        let shard = self.keys.one("shard");
        let words: [&[u8]; 10] =
            [b"HSET", shard.as_bytes(), b"time", time, b"sequence", sequence, b"lease", lease, b"commit", commit];
        self.rest.one(&words);
        Ok(self.finish())
    }

    fn enter(&mut self, index: Index, score: i64, member: &[u8]) {
        let moves = self.moves.entry(index).or_default();
        moves.enter.push_number(score);
        moves.enter.push(member);
    }

    fn leave(&mut self, index: Index, member: &[u8]) {
        self.moves.entry(index).or_default().leave.push(member);
    }

    /// Moves a task from where it stood to where it stands.
    fn move_task(&mut self, key: Key, line: Line, rank: u8, before: Option<Stands>, after: Option<Stands>) {
        for (stands, number) in [(before, -1), (after, 1)] {
            if let Some(stands) = stands {
                *self.task_counts.entry((line, stands.status as u8)).or_default() += number;
            }
        }
        let (from, to) = (task_indexes(before, rank), task_indexes(after, rank));
        if from == to {
            return;
        }
        let name = member(key);
        for (index, score) in to.into_iter().flatten().filter(|at| !from.contains(&Some(*at))) {
            if let Index::Lane(lane) = index {
                let lanes = self.keys.one("lanes:cold");
                self.rest.one(&[b"SADD", lanes.as_bytes(), lane.to_string().as_bytes()]);
            }
            self.enter(index, score, name.as_bytes());
        }
        for (index, _) in from.into_iter().flatten() {
            if !to.iter().flatten().any(|(other, _)| *other == index) {
                self.leave(index, name.as_bytes());
            }
        }
    }

    /// Moves a job from where it stood to where it stands.
    fn move_job(&mut self, key: Key, spec: &JobSpec, before: Option<JobStands>, after: Option<JobStands>) {
        for (stands, number) in [(before, -1), (after, 1)] {
            if let Some(stands) = stands.filter(|_| !spec.is_child) {
                *self.job_counts.entry((spec.tenant.clone(), stands.status as u8)).or_default() += number;
            }
        }
        let (from, to) = (job_indexes(before), job_indexes(after));
        let name = member(key);
        for index in to.into_iter().flatten().filter(|index| !from.contains(&Some(*index))) {
            self.enter(index, 0, name.as_bytes());
        }
        for index in from.into_iter().flatten().filter(|index| !to.contains(&Some(*index))) {
            self.leave(index, name.as_bytes());
        }
    }

    /// Everything as commands, in the order in which they must run.
    pub(super) fn finish(mut self) -> Ops {
        let mut ops = Ops::default();
        ops.absent = std::mem::take(&mut self.absent);
        ops.many(&[b"MSET"], &self.sets, 2);
        for (job, names) in &self.names {
            ops.many(&[b"HSET", self.keys.job(*job, "names").as_bytes()], names, 2);
        }
        for (job, names) in &self.names_gone {
            ops.many(&[b"HDEL", self.keys.job(*job, "names").as_bytes()], names, 1);
        }
        ops.many(&[b"UNLINK"], &self.gone, 1);
        for (index, moves) in &self.moves {
            let name = index.name(self.keys);
            ops.many(&[b"ZADD", name.as_bytes()], &moves.enter, 2);
            ops.many(&[b"ZREM", name.as_bytes()], &moves.leave, 1);
        }
        for ((line, status), number) in &self.task_counts {
            let (tenant, queue) = self.cache.names(*line);
            let mut field = Vec::new();
            field.text(tenant);
            field.text(queue);
            field.push(*status);
            count(&mut ops, &self.keys.one("counts:tasks"), &field, *number);
        }
        for ((tenant, status), number) in &self.job_counts {
            let mut field = Vec::new();
            field.text(tenant);
            field.push(*status);
            count(&mut ops, &self.keys.one("counts:jobs"), &field, *number);
        }
        ops.append(self.rest);
        ops
    }
}

fn count(ops: &mut Ops, key: &str, field: &[u8], number: i64) {
    if number != 0 {
        ops.one(&[b"HINCRBY", key.as_bytes(), field, number.to_string().as_bytes()]);
    }
}

/// The indexes of a task, with its scores there.
fn task_indexes(stands: Option<Stands>, rank: u8) -> [Option<(Index, i64)>; 5] {
    let Some(stands) = stands else { return [None; 5] };
    let ended = stands.status.is_terminal();
    let at = |index| Some((index, 0));
    [
        if ended { at(Index::Ended) } else { None },
        match stands.place {
            Place::Hot => at(Index::Hot),
            _ if ended => None,
            _ => at(Index::Quiet),
        },
        match stands.place {
            Place::ColdReady { lane } => Some((Index::Lane(lane.0), i64::from(rank))),
            Place::ColdTimer => Some((Index::Timers, stands.due.as_millis())),
            Place::Hot | Place::Rest => None,
        },
        if stands.status == TaskStatus::Failed { at(Index::Failed) } else { None },
        if stands.dead { at(Index::Dead) } else { None },
    ]
}

fn job_indexes(stands: Option<JobStands>) -> [Option<Index>; 5] {
    use mainspring_core::job::JobStatus;
    let Some(stands) = stands else { return [None; 5] };
    [
        Some(if stands.status.is_terminal() { Index::JobsEnded } else { Index::JobsLive }),
        Some(Index::JobsFailed).filter(|_| stands.status == JobStatus::Failed),
        Some(Index::JobsSwept).filter(|_| stands.swept),
        Some(Index::JobsStaged).filter(|_| stands.staged),
        Some(Index::JobsWatched).filter(|_| stands.watched),
    ]
}
