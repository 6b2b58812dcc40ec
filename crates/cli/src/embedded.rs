//! The engine inside this process: a node over a store, a worker beside it, and the eye on one of its jobs.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use mainspring_core::event::{Define, Order};
use mainspring_core::id::{IdKind, Key, Name};
use mainspring_core::job::{GraphTask, JobRow};
use mainspring_core::row::{DefinitionKind, TaskRow};
use mainspring_core::task::TaskStatus;
use mainspring_protocol::exchange::{ExchangeReply, ExchangeRequest};
use mainspring_protocol::problem::Problem;
use mainspring_protocol::submit::{DEFAULT_TENANT, rule_of_definition, with_rule};
use mainspring_server::node::{CallError, Node};
use mainspring_store::DefinitionFilter;
use mainspring_worker::{HttpConfig, ShellConfig, Shutdown, SourceError, Stopper, TaskSource, Urgency, WorkerConfig};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::command::plan::levels;
use crate::exit::{Exit, Failure, Outcome};
use crate::progress::{Line, Picture, Progress};

/// The `workerId` of a worker that lives in the server's process, where its store has one owner: being the same after a
/// crash, it lets the next start end the leases of the one before at once. In a cluster each node's has a name of its own,
/// and ends with its node.
const WORKER_ID: &str = "embedded";
/// The shortest time between two looks at a job.
const LOOK_PAUSE: Duration = Duration::from_millis(80);
/// The longest, so that durations keep moving on the screen.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Tasks above which only the counts are shown.
const TASKS_MAX: usize = 2_000;
/// Rows read at once.
const PAGE: usize = 1_000;

/// Tasks from the node in this process.
struct NodeSource(Arc<Node>);

impl TaskSource for NodeSource {
    fn exchange(&self, request: ExchangeRequest) -> BoxFuture<'_, Result<ExchangeReply, SourceError>> {
        async move {
            let answer = self.0.exchange(request).await.map_err(judge)?;
            Ok(answer.to_reply())
        }
        .boxed()
    }
}

fn judge(error: CallError) -> SourceError {
    let message = error.to_string();
    match error {
        CallError::Overloaded { retry_after_ms } => {
            SourceError::Overloaded { retry_after: Duration::from_millis(retry_after_ms), message }
        }
        CallError::Invalid(_) | CallError::WorkerIdInUse(_) | CallError::Refused(_) => {
            SourceError::Refused { code: "refused".to_owned(), message }
        }
        CallError::OutcomeUnknown | CallError::Stopped | CallError::Unavailable(_) => SourceError::Unreachable(message),
    }
}

/// A worker with every executor, in this process.
pub(crate) struct EmbeddedWorker {
    stopper: Stopper,
    running: JoinHandle<anyhow::Result<()>>,
}

impl EmbeddedWorker {
    /// Starts it on a node.
    pub(crate) fn start(node: &Arc<Node>, concurrency: u32) -> Self {
        let mut config = WorkerConfig::default();
        let shared = node.shards() > 1;
        config.worker_id = if shared { format!("{WORKER_ID}-{}", node.id()) } else { WORKER_ID.to_owned() };
        config.session_prefix = format!("{}.", node.id());
        config.concurrency = concurrency;
        config.shell = Some(ShellConfig::default());
        config.http = Some(HttpConfig { allow_loopback: true, ..HttpConfig::default() });
        let (stopper, shutdown) = Shutdown::new();
        let source = Arc::new(NodeSource(node.clone()));
        let running = tokio::spawn(async move {
            mainspring_worker::run(config, source, shutdown).await.context("the worker ended")?;
            Ok(())
        });
        Self { stopper, running }
    }

    /// Lets it go: what runs may finish under [`Urgency::Drain`] and is killed under [`Urgency::Stop`].
    pub(crate) fn urge(&self, urgency: Urgency) {
        self.stopper.raise(urgency);
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<()> {
        (&mut self.running).await?
    }
}

/// A job of a node, looked at while it runs.
pub(crate) struct Watched {
    node: Arc<Node>,
    key: Key,
    graph: Vec<GraphTask>,
    levels: Vec<usize>,
    commits: watch::Receiver<u64>,
}

impl Watched {
    /// The job with this key.
    pub(crate) async fn new(node: &Arc<Node>, key: Key) -> anyhow::Result<Self> {
        let commits = node.commits();
        let chunks = node.reader().chunks(key).await?;
        let graph: Vec<GraphTask> = chunks.into_iter().flat_map(|chunk| chunk.tasks).collect();
        let levels = levels(&graph);
        Ok(Self { node: node.clone(), key, graph, levels, commits })
    }

    /// Shows the job until it has ended; gives its last picture.
    pub(crate) async fn follow(&mut self, progress: &mut Progress) -> anyhow::Result<Picture> {
        loop {
            self.commits.mark_unchanged();
            let picture = self.look().await?;
            if picture.status.is_terminal() {
                progress.end(&picture);
                return Ok(picture);
            }
            progress.show(&picture);
            tokio::time::sleep(LOOK_PAUSE).await;
            let _ = tokio::time::timeout(LOOK_AGAIN, self.commits.changed()).await;
        }
    }

    async fn look(&self) -> anyhow::Result<Picture> {
        let reader = self.node.reader();
        let job = reader.jobs_by_key(vec![self.key]).await?.pop().context("the job was deleted")?;
        let wanted = if self.graph.len() > TASKS_MAX { 0 } else { self.graph.len() };
        let mut rows = Vec::with_capacity(wanted);
        while rows.len() < wanted {
            let page = reader.job_tasks(self.key, rows.len() as u32, PAGE).await?;
            if page.is_empty() {
                break;
            }
            rows.extend(page);
        }
        let tasks = rows.iter().zip(&self.graph).zip(&self.levels);
        let tasks = tasks.map(|((row, task), depth)| picture_line(row, task, *depth)).collect();
        Ok(picture(&job, tasks))
    }

    /// The last lines that each failed task printed, as text for people; empty if nothing failed.
    pub(crate) async fn failures(&self, picture: &Picture) -> anyhow::Result<String> {
        const BYTES: usize = 2 << 10;
        let mut text = String::new();
        for (index, task) in (0..).zip(&picture.tasks) {
            if task.status == TaskStatus::Failed {
                let key = self.key.task_of_job(index);
                let tail = self.node.reader().log_tail(key, task.attempt, BYTES).await?;
                text.push_str(&failure(task, &tail));
            }
        }
        Ok(text)
    }
}

/// What a failed task left: its error, then the end of its output.
pub(crate) fn failure(task: &Line, tail: &str) -> String {
    const LINES: usize = 12;
    let mut text = format!("\n✖ {} failed", task.name);
    if let Some(error) = &task.error {
        text.push_str(": ");
        text.push_str(error.trim_end());
    }
    text.push('\n');
    let lines: Vec<&str> = tail.lines().collect();
    for line in &lines[lines.len().saturating_sub(LINES)..] {
        text.push_str("  │ ");
        text.push_str(line);
        text.push('\n');
    }
    text
}

fn picture(job: &JobRow, tasks: Vec<Line>) -> Picture {
    let id = job.given_id.as_deref().map_or_else(|| job.key.id(IdKind::Job), str::to_owned);
    Picture {
        title: job.title.as_deref().unwrap_or(&id).to_owned(),
        id,
        status: job.state.status,
        since: job.created_at,
        ended_at: job.state.ended_at,
        total: job.tasks as usize,
        ended: job.state.counts.ended() as usize,
        tasks,
    }
}

fn picture_line(row: &TaskRow, task: &GraphTask, depth: usize) -> Line {
    let last = row.state.last.as_ref();
    Line {
        name: task.name.to_string(),
        depth,
        status: row.state.status,
        attempt: row.state.attempt,
        started_at: last.map(|attempt| attempt.started_at),
        ended_at: last.and_then(|attempt| attempt.ended_at),
        run_at: row.state.due,
        error: row.state.failure.as_ref().or_else(|| last?.error.as_ref()).map(|error| error.message.to_string()),
    }
}

/// Applies definitions of jobs that others of the same file include. Only `mainspring apply` installs schedules: each keeps
/// the one that holds, or none.
pub(crate) async fn apply(node: &Node, definitions: Vec<(Name, Arc<str>)>) -> Outcome {
    for (name, body) in definitions {
        let (kind, tenant) = (DefinitionKind::Job, Name::from(DEFAULT_TENANT));
        let filter = DefinitionFilter { kind, tenant: Some(tenant.clone()), name: Some(name.clone()) };
        let rows = node.reader().definitions(filter).await.context("cannot read the definitions")?;
        let holds = rows.iter().max_by_key(|row| row.version).and_then(|row| rule_of_definition(row.body.as_deref()?));
        let body = with_rule(&body, holds.as_deref()).into();
        let order = Order::Define(vec![Define { kind, tenant, name, body: Some(body), after: None, seen: Vec::new() }]);
        node.order(Name::from("cli"), order).await.map_err(|error| call_failed(&error))?;
    }
    Ok(())
}

/// A call of the node that was not carried out, as an exit.
pub(crate) fn call_failed(error: &CallError) -> Failure {
    match error {
        CallError::Refused(refusal) => Problem::from(refusal).into(),
        CallError::Invalid(_) => Failure::new(Exit::Invalid, error.to_string()),
        _ => Failure::new(Exit::Failure, error.to_string()),
    }
}
