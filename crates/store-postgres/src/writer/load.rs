//! What the writer gives back to the core: the snapshot of a load and the rows of a read set, each as of one moment and in
//! one round trip.

use std::collections::{HashMap, HashSet};

use mainspring_core::id::Key;
use mainspring_core::row::{HighWater, QueueRow, ReadSet, Rows, Snapshot, TaskRow, WorkerRow};
use mainspring_core::task::LaneId;
use mainspring_store::record::decode_graph;
use mainspring_store::{Error, Fence, ShardId};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::count::counted;
use super::jobs::chunk_key;
use super::pages::{self, FIRST_TIMER, Fronts};
use super::prune::of_shard;
use super::staged::is_of;
use super::{Part, Writer, count};
use crate::failure::Failure;
use crate::rows::{
    Bodies, CLAIM_COLUMNS, Cells, JOB_COLUMNS, SCHEDULE_COLUMNS, TaskDecoder, claim, definition_kind, directive, job,
    lane, limits, loan, schedule, task_columns,
};
use crate::sql::{BEGIN_READING, Statement};

/// `#` stands for the shard, here and below.
const OWNER: &str = "SELECT incarnation, epoch, owner FROM @shards WHERE id = #";

const HIGH_WATER: &str = "SELECT incarnation,
        coalesce(f.time, s.time), coalesce(f.sequence, s.sequence), coalesce(f.lease, s.lease), coalesce(f.number, s.folded)
    FROM @shards JOIN @folds AS s ON s.shard = shards.id
    LEFT JOIN LATERAL (SELECT * FROM @feed WHERE shard = s.shard AND number > s.folded AND time >= s.time
        ORDER BY number DESC LIMIT 1) AS f ON true
    WHERE shards.id = #";

/// Unfinished tasks by tenant, from the counts that are kept and those that are not folded into them yet.
const BACKLOG: &str = "SELECT tenant, sum(number)::bigint FROM (
        SELECT tenant, status, number FROM @counts WHERE shard = # AND queue IS NOT NULL
        UNION ALL
        SELECT (entry ->> 0) COLLATE \"C\", (entry ->> 2)::smallint, (entry ->> 3)::bigint
        FROM @folds AS s JOIN @feed AS f ON f.shard = s.shard AND f.number > s.folded AND f.time >= s.time,
            jsonb_array_elements(f.counts) AS entry
        WHERE s.shard = # AND entry ->> 1 IS NOT NULL
    ) AS parts WHERE status < 5 GROUP BY tenant HAVING sum(number) > 0 ORDER BY tenant";

impl Writer {
    pub(super) async fn load(&mut self, fence: &Fence) -> Result<Snapshot, Error> {
        self.owned(fence)?;
        let loaded = self.try_load(fence).await;
        loaded.map_err(|failure| self.failed(fence.shard, failure))
    }

    async fn try_load(&mut self, fence: &Fence) -> Result<Snapshot, Failure> {
        let shard = fence.shard;
        let part = self.part(shard);
        part.counts.clear();
        part.fronts = Fronts::default();
        self.clean(fence).await?;
        let hot = format!(
            "SELECT {} FROM @tasks AS t WHERE place = 0 AND shard = # ORDER BY key",
            task_columns(Bodies::Resident)
        );
        // As one list, so that the index is used however many jobs have ended.
        let jobs = format!(
            "{JOB_COLUMNS} WHERE key = ANY(ARRAY(
                SELECT job FROM @tasks WHERE place = 0 AND shard = # AND job IS NOT NULL
                UNION SELECT key FROM @jobs WHERE sweep IS NOT NULL AND {own}
                UNION SELECT key FROM @jobs WHERE status < 3 AND rare IS NOT NULL AND parent IS NULL AND {own}
            )) ORDER BY key",
            own = is_of("key", shard, self.shards())
        );
        let schedules = format!("{SCHEDULE_COLUMNS} WHERE shard = # ORDER BY tenant, name");
        let asked = [
            OWNER,
            HIGH_WATER,
            "SELECT lane, queue, tenant, executor, labels, type, limits FROM @lanes WHERE shard = # ORDER BY lane",
            "SELECT lane, count(*) FROM @tasks WHERE place = 1 AND shard = # GROUP BY lane ORDER BY lane",
            "SELECT count(*) FROM @tasks WHERE place = 2 AND shard = #",
            FIRST_TIMER,
            "SELECT name, paused FROM @queues ORDER BY name",
            "SELECT scope, name, data FROM @limits ORDER BY scope, name",
            "SELECT scope, name, kind, peer, given, returned FROM @loans WHERE shard = # ORDER BY scope, name, kind, peer",
            BACKLOG,
            "SELECT worker, directive FROM @workers ORDER BY worker",
            "SELECT kind, tenant, name, max(version) FROM @definitions GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
            &schedules,
            &jobs,
            &hot,
        ];
        let asked = asked.into_iter().map(|sql| of_shard(sql, shard)).collect();
        let answers = self.session().await?.transact(BEGIN_READING, asked).await?;
        owned_by(&answers[0], fence)?;
        let snapshot = snapshot(&answers[1..], &mut self.part(shard).counts)?;
        Ok(snapshot)
    }

    pub(super) async fn read(&mut self, fence: &Fence, set: &ReadSet) -> Result<Rows, Error> {
        self.owned(fence)?;
        let read = self.try_read(fence, set).await;
        read.map_err(|failure| self.failed_read(fence.shard, failure))
    }

    /// A read that failed changed nothing; so what is known of rows stays.
    fn failed_read(&mut self, shard: ShardId, failure: Failure) -> Error {
        self.note_connection(&failure);
        if matches!(failure, Failure::Known(Error::Conflict(_))) {
            self.disown(shard);
        }
        failure.into()
    }

    async fn try_read(&mut self, fence: &Fence, set: &ReadSet) -> Result<Rows, Failure> {
        let shard = fence.shard;
        let mut asked = vec![of_shard(OWNER, shard)];
        if !set.tasks.is_empty() {
            let columns = task_columns(Bodies::Resident);
            let keys = set.tasks.iter().map(|key| key.raw() as i64).collect();
            asked.push(Statement::new(format!("SELECT {columns} FROM @tasks AS t WHERE key = ANY($1)")).ints(keys));
        }
        let pages = pages::ask(shard, set, &self.part(shard).fronts, &mut asked);
        ask_rows(shard, set, &mut asked);
        let mut answers = self.session().await?.transact(BEGIN_READING, asked).await?.into_iter();
        owned_by(&answers.next().unwrap_or_default(), fence)?;
        let Part { counts, fronts, .. } = self.part(shard);
        let mut found = Found::new(counts);
        if !set.tasks.is_empty() {
            answers.next().unwrap_or_default().iter().try_for_each(|row| found.take(row))?;
        }
        let mut timers = 0;
        for asked in &pages {
            let rows = answers.next().unwrap_or_default();
            fronts.learn(asked, &rows)?;
            rows.iter().try_for_each(|row| found.take(row))?;
            timers = rows.len();
        }
        let mut out = Rows { tasks: found.in_order(&set.tasks), ..Rows::default() };
        if set.timers.is_some() {
            let next = answers.next().unwrap_or_default();
            out.next_timer = next.first().map(|row| Cells::of(row).instant()).transpose()?;
            if timers == 0 {
                fronts.learn_next_timer(out.next_timer.map(|due| due.as_millis()));
            }
        }
        if !set.jobs.is_empty() {
            let jobs = answers.next().unwrap_or_default();
            out.jobs = in_order(&set.jobs, jobs.iter().map(|row| job(row).map(|job| (job.key, job))))?;
            out.jobs.iter().for_each(|job| counts.know_job(job.key, counted(job), job.state.status as u8));
        }
        if !set.chunks.is_empty() {
            let chunks = answers.next().unwrap_or_default();
            out.chunks = in_order(
                &set.chunks,
                chunks.iter().map(|row| {
                    let mut cells = Cells::of(row);
                    let (job, number) = (cells.key()?, cells.small()?);
                    Ok(((job, number), decode_graph(job, number, cells.bytes()?)?))
                }),
            )?;
        }
        if !set.claims.is_empty() {
            let claims = answers.next().unwrap_or_default();
            out.claims = in_order(&set.claims, claims.iter().map(|row| claim(row).map(|row| (row.name.clone(), row))))?;
        }
        Ok(out)
    }
}

/// Whether the fence is the one in force, as of the moment of a read.
fn owned_by(rows: &[Row], fence: &Fence) -> Result<(), Failure> {
    let row = rows.first().ok_or_else(|| Failure::Diverged("the row of the shard is gone".to_owned()))?;
    let mut cells = Cells::of(row);
    let (incarnation, epoch, owner) = (cells.small()?, cells.wide()?, cells.text()?);
    if (incarnation, epoch, owner.as_deref()) == (fence.incarnation, fence.epoch, Some(&*fence.owner)) {
        return Ok(());
    }
    Err(Error::Conflict(format!("epoch {epoch} is in force")).into())
}

fn snapshot(answers: &[Vec<Row>], counts: &mut count::Counts) -> Result<Snapshot, Failure> {
    let [high, lanes, ready, timers, first, queues, set, loans, backlog, workers, definitions, schedules, jobs, hot] =
        answers
    else {
        return Err(Failure::Diverged("the server left a question unanswered".to_owned()));
    };
    let mut head = Cells::of(high.first().ok_or_else(|| Failure::Diverged("the row of the shard is gone".to_owned()))?);
    let incarnation = head.small()?;
    let high_water =
        HighWater { time: head.instant()?, sequence: head.wide()?, lease: head.wide()?, commit: head.wide()? };
    let mut found = Found::new(counts);
    hot.iter().try_for_each(|row| found.take(row))?;
    let tasks = found.in_order(&[]);
    let jobs = list(jobs, job)?;
    jobs.iter().for_each(|job| counts.know_job(job.key, counted(job), job.state.status as u8));
    Ok(Snapshot {
        incarnation,
        high_water,
        lanes: list(lanes, lane)?,
        cold_ready: list(ready, |row| {
            let mut cells = Cells::of(row);
            Ok((LaneId(cells.small()?), cells.wide()?))
        })?,
        cold_timers: timers.first().map(|row| Cells::of(row).wide()).transpose()?.unwrap_or_default(),
        next_timer: first.first().map(|row| Cells::of(row).instant()).transpose()?,
        queues: list(queues, |row| {
            let mut cells = Cells::of(row);
            Ok(QueueRow { name: cells.name()?, paused: cells.flag()? })
        })?,
        limits: list(set, limits)?,
        loans: list(loans, loan)?,
        backlog: list(backlog, |row| {
            let mut cells = Cells::of(row);
            Ok((cells.name()?, cells.wide()?))
        })?,
        workers: list(workers, |row| {
            let mut cells = Cells::of(row);
            Ok(WorkerRow { worker: cells.name()?, directive: directive(&mut cells)? })
        })?,
        schedules: list(schedules, schedule)?,
        definitions: list(definitions, |row| {
            let mut cells = Cells::of(row);
            Ok((definition_kind(&mut cells)?, cells.name()?, cells.name()?, cells.small()?))
        })?,
        tasks,
        jobs,
    })
}

/// Reads every row.
fn list<T>(rows: &[Row], read: impl FnMut(&Row) -> Result<T, Failure>) -> Result<Vec<T>, Failure> {
    rows.iter().map(read).collect()
}

/// Asks for what else is in a read set.
fn ask_rows<'a>(shard: ShardId, set: &'a ReadSet, out: &mut Vec<Statement<'a>>) {
    if !set.jobs.is_empty() {
        let keys = set.jobs.iter().map(|key| key.raw() as i64).collect();
        out.push(Statement::new(format!("{JOB_COLUMNS} WHERE key = ANY($1)")).ints(keys));
    }
    if !set.chunks.is_empty() {
        let keys = set.chunks.iter().map(|(job, number)| chunk_key(*job, *number)).collect();
        out.push(Statement::new("SELECT job, number, data FROM @chunks WHERE key = ANY($1)").ints(keys));
    }
    if !set.claims.is_empty() {
        let sql = format!(
            "{CLAIM_COLUMNS} JOIN unnest($1, $2, $3) AS v(kind, text, tenant)
                ON c.kind = v.kind AND c.text = v.text AND c.tenant = v.tenant AND c.shard = {}",
            shard.0
        );
        let texts = |text: fn(&'a mainspring_core::row::ClaimName) -> &'a str| {
            set.claims.iter().map(text).map(crate::text::stored).collect::<Vec<_>>()
        };
        let kinds = set.claims.iter().map(|name| name.kind as i64).collect();
        let asked = Statement::new(sql).ints(kinds).bind(texts(|name| &name.text), Type::TEXT_ARRAY);
        out.push(asked.bind(texts(|name| &name.tenant), Type::TEXT_ARRAY));
    }
}

/// Tasks as they are found, each once.
struct Found<'a> {
    decoder: TaskDecoder,
    counts: &'a mut count::Counts,
    seen: HashSet<Key>,
    rows: Vec<TaskRow>,
}

impl<'a> Found<'a> {
    fn new(counts: &'a mut count::Counts) -> Self {
        Self { decoder: TaskDecoder::new(Bodies::Resident), counts, seen: HashSet::new(), rows: Vec::new() }
    }

    fn take(&mut self, row: &Row) -> Result<(), Failure> {
        let found = self.decoder.decode(row)?;
        if self.seen.insert(found.row.key) {
            let status = found.row.state.status as u8;
            self.counts.know_task(found.row.key, &found.row.tenant, &found.queue, status);
            self.rows.push(found.row);
        }
        Ok(())
    }

    /// Those that were asked for in that order, then the others as they came.
    fn in_order(mut self, asked: &[Key]) -> Vec<TaskRow> {
        let places: HashMap<Key, usize> = asked.iter().enumerate().rev().map(|(place, key)| (*key, place)).collect();
        self.rows.sort_by_key(|row| places.get(&row.key).copied().unwrap_or(usize::MAX));
        self.rows
    }
}

/// Rows in the order in which they were asked for, each once.
fn in_order<K: std::hash::Hash + Eq, T>(
    asked: &[K],
    rows: impl Iterator<Item = Result<(K, T), Failure>>,
) -> Result<Vec<T>, Failure> {
    let mut found = rows.collect::<Result<HashMap<K, T>, Failure>>()?;
    Ok(asked.iter().filter_map(|key| found.remove(key)).collect())
}
