//! Reads tasks and jobs by key, and graphs.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use mainspring_core::id::{Key, Name};
use mainspring_core::job::{GraphChunk, JobRow};
use mainspring_core::limits::GRAPH_CHUNK_TASKS;
use mainspring_core::row::{ClaimKind, TaskRow};
use mainspring_core::spec::TaskSpec;
use mainspring_core::task::TaskStatus;
use mainspring_store::TaskMark;
use mainspring_store::record::{Unreadable, decode_graph};
use tokio_postgres::Row;

use crate::failure::Failure;
use crate::rows::{Bodies, Cells, JOB_COLUMNS, TaskDecoder, job, task_columns};
use crate::sql::{Session, Statement};
use crate::writer::{chunk_key, staged_jobs};

/// That a task is of no job that is still to be published.
pub(super) fn published() -> String {
    format!("(t.job IS NULL OR t.job NOT IN ({}))", staged_jobs())
}

pub(super) fn raw(keys: &[Key]) -> Vec<i64> {
    keys.iter().map(|key| key.raw() as i64).collect()
}

pub(super) async fn find(db: Arc<Session>, kind: ClaimKind, text: Name) -> Result<Vec<(Name, Key)>, Failure> {
    let sql = format!(
        "SELECT tenant, target FROM @claims WHERE kind = $1 AND text = $2 AND target NOT IN ({}) ORDER BY tenant",
        staged_jobs()
    );
    let rows = db.query(Statement::new(sql).int(kind as i64).text(&text)).await?;
    let read = |row: &Row| {
        let mut cells = Cells::of(row);
        Ok((cells.name()?, cells.key()?))
    };
    rows.iter().map(read).collect()
}

pub(super) async fn find_in_job(db: Arc<Session>, job: Key, name: Name) -> Result<Option<Key>, Failure> {
    let sql =
        format!("SELECT key FROM @tasks AS t WHERE job = $1 AND id = $2 AND {} ORDER BY key LIMIT 1", published());
    let rows = db.query(Statement::new(sql).int(job.raw() as i64).text(&name)).await?;
    rows.first().map(|row| Cells::of(row).key()).transpose()
}

pub(super) async fn tasks_by_key(db: Arc<Session>, keys: Vec<Key>) -> Result<Vec<TaskRow>, Failure> {
    let columns = task_columns(Bodies::Stored);
    let sql = format!("SELECT {columns} FROM @tasks AS t WHERE key = ANY($1) AND {}", published());
    let rows = db.query(Statement::new(sql).ints(raw(&keys))).await?;
    let mut decoder = TaskDecoder::new(Bodies::Stored);
    let mut found = HashMap::with_capacity(rows.len());
    let mut wanted: BTreeSet<(Key, u32)> = BTreeSet::new();
    for row in &rows {
        let task = decoder.decode(row)?;
        if let (true, Some(job)) = (task.in_graph, task.row.job) {
            wanted.insert((job, job.index_of(task.row.key) / GRAPH_CHUNK_TASKS));
        }
        found.insert(task.row.key, task);
    }
    let graphs = graphs(&db, &wanted).await?;
    let mut out = Vec::with_capacity(found.len());
    for key in keys {
        let Some(task) = found.get(&key) else { continue };
        let mut row = task.row.clone();
        if task.in_graph
            && let (Some(job), Some(spec)) = (row.job, row.spec.as_mut())
        {
            let index = job.index_of(key);
            let chunk = graphs.get(&(job, index / GRAPH_CHUNK_TASKS));
            let node = chunk.and_then(|chunk| chunk.tasks.get((index % GRAPH_CHUNK_TASKS) as usize));
            let body = node.ok_or(Unreadable("graph of a job"))?.spec.body.clone();
            *spec = Arc::new(TaskSpec { body, ..(**spec).clone() });
        }
        out.push(row);
    }
    Ok(out)
}

async fn graphs(db: &Session, wanted: &BTreeSet<(Key, u32)>) -> Result<HashMap<(Key, u32), GraphChunk>, Failure> {
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let keys = wanted.iter().map(|(job, number)| chunk_key(*job, *number)).collect();
    let rows = db.query(Statement::new("SELECT job, number, data FROM @chunks WHERE key = ANY($1)").ints(keys)).await?;
    let read = |row| chunk(row).map(|chunk| ((chunk.job, chunk.number), chunk));
    rows.iter().map(read).collect()
}

fn chunk(row: &Row) -> Result<GraphChunk, Failure> {
    let mut cells = Cells::of(row);
    let (job, number) = (cells.key()?, cells.small()?);
    Ok(decode_graph(job, number, cells.bytes()?)?)
}

pub(super) async fn jobs_by_key(db: Arc<Session>, keys: Vec<Key>) -> Result<Vec<JobRow>, Failure> {
    let sql = format!("{JOB_COLUMNS} WHERE key = ANY($1) AND key NOT IN ({})", staged_jobs());
    let rows = db.query(Statement::new(sql).ints(raw(&keys))).await?;
    let found = rows.iter().map(|row| job(row).map(|job| (job.key, job))).collect::<Result<HashMap<_, _>, _>>()?;
    Ok(keys.iter().filter_map(|key| found.get(key).cloned()).collect())
}

pub(super) async fn job_tasks(db: Arc<Session>, job: Key, from: u32, limit: usize) -> Result<Vec<TaskRow>, Failure> {
    // The tasks of a job follow its key; those of later jobs may stand between them.
    let sql = format!(
        "SELECT {} FROM @jobs AS j JOIN @tasks AS t ON t.key >= $2 AND t.key <= j.key + (j.tasks::bigint << 12)
            AND t.job + 0 = j.key
        WHERE j.key = $1 AND {} ORDER BY t.key LIMIT $3",
        task_columns(Bodies::Left),
        published()
    );
    let asked = Statement::new(sql).int(job.raw() as i64).int(job.task_of_job(from).raw() as i64).int(limit as i64);
    let mut decoder = TaskDecoder::new(Bodies::Left);
    db.query(asked).await?.iter().map(|row| Ok(decoder.decode(row)?.row)).collect()
}

pub(super) async fn marks(db: Arc<Session>, job: Key, from: u32, limit: usize) -> Result<Vec<TaskMark>, Failure> {
    let sql = format!(
        "SELECT t.key, t.status, t.attempt, CASE WHEN t.lease IS NOT NULL THEN t.started_at END, t.ended_at
        FROM @jobs AS j JOIN @tasks AS t ON t.key >= $2 AND t.key <= j.key + (j.tasks::bigint << 12)
            AND t.job + 0 = j.key
        WHERE j.key = $1 AND {} ORDER BY t.key LIMIT $3",
        published()
    );
    let asked = Statement::new(sql).int(job.raw() as i64).int(job.task_of_job(from).raw() as i64).int(limit as i64);
    let read = |row: &Row| {
        let mut cells = Cells::of(row);
        let index = job.index_of(cells.key()?);
        let status = cells.one_of(&TaskStatus::ALL, "status of a task")?;
        let (attempt, started_at, ended_at) = (cells.small()?, cells.time()?, cells.time()?);
        Ok(TaskMark { index, status, attempt, started_at, ended_at })
    };
    db.query(asked).await?.iter().map(read).collect()
}

pub(super) async fn chunks(db: Arc<Session>, job: Key) -> Result<Vec<GraphChunk>, Failure> {
    let sql = format!(
        "SELECT c.job, c.number, c.data FROM @jobs AS j JOIN @chunks AS c
            ON c.key >= j.key AND c.key <= j.key + (j.tasks::bigint << 12) AND c.job = j.key
        WHERE j.key = $1 AND j.key NOT IN ({}) ORDER BY c.key",
        staged_jobs()
    );
    db.query(Statement::new(sql).int(job.raw() as i64)).await?.iter().map(chunk).collect()
}
