//! The rows of a store, some at a time: settings, then jobs with their graphs, then tasks with what hangs on them.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hasher as _};

use futures_util::future::try_join_all;
use mainspring_core::id::Key;
use mainspring_core::job::{GraphChunk, JobRow};
use mainspring_core::permit::LimitRow;
use mainspring_core::row::{
    AttemptRow, AuditRow, ClaimRow, DefinitionRow, LogRow, OutputRow, QueueRow, ReadSet, TaskRow, WorkerRow,
};
use mainspring_core::schedule::{OccurrenceRow, ScheduleName, ScheduleRow};
use mainspring_core::task::{Place, TaskStatus};
use mainspring_store::{DefinitionFilter, Error, JobFilter, OccurrenceFilter, ShardId, TaskFilter};

use super::side::Side;
use crate::exit::Outcome;

/// Rows of a list that are asked for at a time.
const PAGE: usize = 500;
/// Tasks whose attempts, outputs and logs are read at once.
const AT_ONCE: usize = 32;
/// Log chunks that are asked for at a time.
const CHUNKS: usize = 1_000;
/// Audit records that are kept: as many as any store keeps.
const AUDIT_MAX: usize = 100_000;

/// A row of whatever kind.
#[derive(Debug)]
pub(super) enum Piece {
    Queue(QueueRow),
    Limits(LimitRow),
    Worker(WorkerRow),
    Definition(DefinitionRow),
    Audit(AuditRow),
    Schedule(Box<ScheduleRow>),
    Occurrence(OccurrenceRow),
    Job(JobRow),
    Chunk(GraphChunk),
    Task(Box<Task>),
    Attempt(AttemptRow),
    Output(OutputRow),
    Log(LogRow),
    Claim(ClaimRow),
}

/// A task, whole.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) row: TaskRow,
    /// Of a job, and its body is not the one of the graph any more.
    pub(super) edited: bool,
    /// It stands in no lane but its own.
    pub(super) in_its_lane: bool,
}

impl Piece {
    /// What it is, in the order in which a person reads them.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Task(_) => "tasks",
            Self::Job(_) => "jobs",
            Self::Chunk(_) => "graph chunks",
            Self::Attempt(_) => "earlier attempts",
            Self::Output(_) => "outputs",
            Self::Log(_) => "log chunks",
            Self::Claim(_) => "ids and keys",
            Self::Definition(_) => "definitions",
            Self::Queue(_) => "queue settings",
            Self::Limits(_) => "limits",
            Self::Worker(_) => "worker settings",
            Self::Audit(_) => "audit records",
            Self::Schedule(_) => "schedules",
            Self::Occurrence(_) => "occurrences",
        }
    }

    /// A hash of what must be the same in a copy: all but the numbers and sessions of leases that stand, and whether
    /// what waits does so in memory or behind it.
    pub(super) fn hash(&self) -> u64 {
        let text = match self {
            Self::Task(task) => {
                let mut row = task.row.clone();
                if matches!(row.state.status, TaskStatus::Ready | TaskStatus::Scheduled) {
                    row.state.place = Place::Hot;
                }
                if let Some(lease) = &mut row.state.lease {
                    (lease.number, lease.session) = (0, "".into());
                    row.state.last.iter_mut().for_each(|last| last.lease = 0);
                }
                format!("{row:?} {} {}", task.edited, task.in_its_lane)
            }
            other => format!("{other:?}"),
        };
        let mut hasher = DefaultHasher::new();
        hasher.write(text.as_bytes());
        hasher.finish()
    }
}

/// How many tasks are among them.
pub(super) fn tasks_in(pieces: &[Piece]) -> u64 {
    pieces.iter().filter(|piece| matches!(piece, Piece::Task(_))).count() as u64
}

/// Where the reading stands.
enum Stage {
    Settings,
    Jobs(Option<Key>),
    Tasks(Option<Key>),
    End,
}

/// Reads all rows of a store.
pub(super) struct Pieces<'a> {
    side: &'a Side,
    stage: Stage,
    /// Tasks of the last page that were not given out yet.
    tasks: VecDeque<Task>,
}

impl<'a> Pieces<'a> {
    pub(super) fn new(side: &'a Side) -> Self {
        Self { side, stage: Stage::Settings, tasks: VecDeque::new() }
    }

    /// The next rows, none at the end.
    pub(super) async fn next(&mut self) -> Outcome<Option<Vec<Piece>>> {
        self.read().await.map_err(|error| self.side.refused(error))
    }

    async fn read(&mut self) -> Result<Option<Vec<Piece>>, Error> {
        loop {
            if !self.tasks.is_empty() {
                let some = self.tasks.drain(..self.tasks.len().min(AT_ONCE)).collect();
                return self.with_their_rows(some).await.map(Some);
            }
            match self.stage {
                Stage::Settings => {
                    self.stage = Stage::Jobs(None);
                    return self.settings().await.map(Some);
                }
                Stage::Jobs(after) => {
                    let page = self.side.reader().jobs(JobFilter::default(), after, PAGE).await?;
                    self.stage = page.next.map_or(Stage::Tasks(None), |next| Stage::Jobs(Some(next)));
                    return self.jobs(page.items.iter().map(|row| row.key).collect()).await.map(Some);
                }
                Stage::Tasks(after) => {
                    let page = self.side.reader().tasks(TaskFilter::default(), after, PAGE).await?;
                    self.stage = page.next.map_or(Stage::End, |next| Stage::Tasks(Some(next)));
                    self.tasks = self.whole(page.items.iter().map(|row| row.key).collect()).await?;
                }
                Stage::End => return Ok(None),
            }
        }
    }

    async fn settings(&self) -> Result<Vec<Piece>, Error> {
        let (control, reader) = (&self.side.loaded[usize::from(ShardId::CONTROL.0)], self.side.reader());
        let mut found: Vec<Piece> = control.queues.iter().cloned().map(Piece::Queue).collect();
        found.extend(control.limits.iter().cloned().map(Piece::Limits));
        found.extend(control.workers.iter().cloned().map(Piece::Worker));
        for (kind, tenant, name, _) in &control.definitions {
            let filter = DefinitionFilter { kind: *kind, tenant: Some(tenant.clone()), name: Some(name.clone()) };
            found.extend(reader.definitions(filter).await?.into_iter().rev().map(Piece::Definition));
        }
        for row in self.side.loaded.iter().flat_map(|loaded| &loaded.schedules) {
            found.push(Piece::Schedule(Box::new(row.clone())));
            found.extend(self.ledger(&row.id).await?);
        }
        found.extend(reader.audit(None, AUDIT_MAX).await?.into_iter().rev().map(Piece::Audit));
        Ok(found)
    }

    /// What became of a schedule's instants, as far as its store still knows.
    async fn ledger(&self, id: &ScheduleName) -> Result<Vec<Piece>, Error> {
        let filter = OccurrenceFilter { schedule: id.clone(), instant: None };
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = self.side.reader().occurrences(filter.clone(), after, PAGE).await?;
            found.extend(page.items.into_iter().map(Piece::Occurrence));
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(found),
            }
        }
    }

    async fn jobs(&self, keys: Vec<Key>) -> Result<Vec<Piece>, Error> {
        let reader = self.side.reader();
        let mut found = Vec::new();
        for row in reader.jobs_by_key(keys.clone()).await? {
            let chunks = reader.chunks(row.key).await?;
            found.push(Piece::Job(row));
            found.extend(chunks.into_iter().map(Piece::Chunk));
        }
        found.extend(reader.claims_to(keys).await?.into_iter().map(Piece::Claim));
        Ok(found)
    }

    async fn whole(&self, keys: Vec<Key>) -> Result<VecDeque<Task>, Error> {
        let shards = self.side.store.shards();
        let mut edited = HashSet::new();
        for fence in &self.side.fences {
            let ours = keys.iter().copied().filter(|key| ShardId::of_key(*key, shards) == fence.shard);
            let set = ReadSet { tasks: ours.collect(), ..ReadSet::default() };
            if !set.is_empty() {
                let rows = self.side.store.read(fence.clone(), set).await?.tasks;
                edited.extend(rows.iter().filter(|row| row.job.is_some() && row.spec.is_some()).map(|row| row.key));
            }
        }
        let whole = |row: TaskRow| {
            let in_its_lane = self.side.has_in_its_lane(ShardId::of_key(row.key, shards), &row);
            Task { edited: edited.contains(&row.key), in_its_lane, row }
        };
        Ok(self.side.reader().tasks_by_key(keys).await?.into_iter().map(whole).collect())
    }

    async fn with_their_rows(&self, tasks: Vec<Task>) -> Result<Vec<Piece>, Error> {
        let claims = self.side.reader().claims_to(tasks.iter().map(|task| task.row.key).collect()).await?;
        let ran = tasks.iter().filter(|task| task.row.state.attempt > 0);
        let hangs_on = try_join_all(ran.map(|task| self.hangs_on(&task.row))).await?;
        let mut found: Vec<Piece> = tasks.into_iter().map(|task| Piece::Task(Box::new(task))).collect();
        found.extend(hangs_on.into_iter().flatten());
        found.extend(claims.into_iter().map(Piece::Claim));
        Ok(found)
    }

    async fn hangs_on(&self, row: &TaskRow) -> Result<Vec<Piece>, Error> {
        let (reader, task) = (self.side.reader(), row.key);
        let last = row.state.last.as_ref().map(|last| last.number);
        let attempts = reader.attempts(task).await?.into_iter().filter(|attempt| Some(attempt.number) != last);
        let mut found: Vec<Piece> = attempts.map(|attempt| Piece::Attempt(AttemptRow { task, attempt })).collect();
        found.extend(reader.output(task).await?.map(|output| Piece::Output(OutputRow { task, output })));
        for attempt in 1..=row.state.attempt {
            let mut after = 0;
            loop {
                let page = reader.logs(task, attempt, after, CHUNKS).await?;
                let is_last = page.next == after || page.items.len() < CHUNKS;
                after = page.next;
                found.extend(numbered(page.items).into_iter().map(Piece::Log));
                if is_last {
                    break;
                }
            }
        }
        Ok(found)
    }
}

/// Gives a remark about cut chunks the number of the last of them: a reader shows it under that of the chunk that follows.
fn numbered(mut rows: Vec<LogRow>) -> Vec<LogRow> {
    for next in 1..rows.len() {
        if rows[next].number == rows[next - 1].number {
            rows[next - 1].number -= 1;
        }
    }
    rows
}
