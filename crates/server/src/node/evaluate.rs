//! Evaluates the expressions of tasks whose turn has come, off the shard's thread, and tells the core the verdict.
//!
//! ```text
//!  core ─▶ Evaluate ─▶ queue ─▶ by job: load what is read ─▶ decide (blocking thread) ─▶ Evaluated ─▶ mailbox ─▶ core
//! ```
//! *Invariants:* what an evaluation reads was committed before it was asked for. Whatever happens, a task that waits gets a
//! verdict as long as the shard is here: a store that fails is asked again, a full mailbox is tried again; if the shard
//! moves, its next owner asks anew. The same rows give the same verdict.

mod graphs;
mod load;
mod sub_job;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use mainspring_core::effect::Evaluate;
use mainspring_core::event::{ChildJob, Evaluated, Verdict};
use mainspring_core::id::Key;
use mainspring_core::job::FailurePolicy;
use mainspring_core::task::Failure;
use mainspring_protocol::flow::{Decision, EXPRESSION_FAILED};
use mainspring_store::{Error, Reader};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use self::graphs::Graphs;
use self::load::Loaded;
use super::shared::Shared;

/// Tasks that are taken up together.
const BATCH_TASKS: usize = 512;
/// Jobs that are evaluated at a time in one shard.
const JOBS_AT_A_TIME: usize = 8;
/// How often a job that is not there is looked for again: about a minute.
const MISSED_MAX: u32 = 16;
/// Pauses between two tries of a store, or a mailbox: the first, and the longest.
const AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// What the evaluation of one shard's tasks needs.
pub(super) struct Evaluator {
    shared: Weak<Shared>,
    reader: Arc<dyn Reader>,
    graphs: Graphs,
    places: Semaphore,
}

/// Evaluates what the shard asks for, until its thread has ended.
pub(super) async fn run(shared: Arc<Shared>, reader: Arc<dyn Reader>) {
    let Some(mut asked) = shared.evaluations.take() else { return };
    let mut stopped = shared.when_stopped();
    let evaluator = Arc::new(Evaluator {
        shared: Arc::downgrade(&shared),
        reader,
        graphs: Graphs::default(),
        places: Semaphore::new(JOBS_AT_A_TIME),
    });
    // The shard's thread lets go of the store when nobody holds this any more.
    drop(shared);
    // Dropped with this future: what is in work ends with the shard.
    let mut work = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => return,
            _ = work.join_next(), if !work.is_empty() => {}
            batch = next(&mut asked) => {
                let Some(batch) = batch else { return };
                for (job, tasks) in by_job(batch) {
                    work.spawn(Arc::clone(&evaluator).evaluate(job, tasks));
                }
            }
        }
    }
}

/// The next questions; `None` when there will be none.
async fn next(asked: &mut mpsc::UnboundedReceiver<Evaluate>) -> Option<Vec<Evaluate>> {
    let mut batch = Vec::new();
    (asked.recv_many(&mut batch, BATCH_TASKS).await > 0).then_some(batch)
}

fn by_job(batch: Vec<Evaluate>) -> BTreeMap<Key, Vec<Evaluate>> {
    let mut jobs: BTreeMap<Key, Vec<Evaluate>> = BTreeMap::new();
    for task in batch {
        jobs.entry(task.job).or_default().push(task);
    }
    jobs
}

impl Evaluator {
    /// Evaluates tasks of one job, and tells their verdicts.
    async fn evaluate(self: Arc<Self>, job: Key, tasks: Vec<Evaluate>) {
        let _place = self.places.acquire().await;
        let (mut pause, mut missed) = (AGAIN.0, 0);
        let verdicts = loop {
            match Arc::clone(&self).verdicts(job, tasks.clone()).await {
                Ok(Some(verdicts)) => break verdicts,
                // It was deleted, and nothing waits for it any more.
                Ok(None) if missed == MISSED_MAX => return,
                Ok(None) => missed += 1,
                Err(error) => tracing::warn!(%error, "failed to read what expressions name; trying again"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(AGAIN.1);
        };
        for verdict in verdicts {
            self.tell(verdict).await;
        }
    }

    /// The verdicts on tasks of one job; `None` if there is no such job.
    async fn verdicts(self: Arc<Self>, job: Key, tasks: Vec<Evaluate>) -> Result<Option<Vec<Evaluated>>, Error> {
        let loaded = load::load(&self.reader, &self.graphs, job, &tasks).await?;
        let Some(loaded) = loaded.map(Arc::new) else { return Ok(None) };
        let decided = {
            let loaded = Arc::clone(&loaded);
            tokio::task::spawn_blocking(move || {
                tasks.iter().map(|task| (*task, decide(&loaded, task))).collect::<Vec<_>>()
            })
        };
        let decided = decided.await.map_err(|error| Error::Unavailable(format!("an evaluation broke off: {error}")))?;
        let mut verdicts = Vec::with_capacity(decided.len());
        for (task, decision) in decided {
            let verdict = match decision {
                Err(message) => fail(EXPRESSION_FAILED, message),
                Ok(decision) => self.verdict(&loaded, &task, decision).await?,
            };
            verdicts.push(Evaluated { task: task.task, generation: task.generation, verdict });
        }
        Ok(Some(verdicts))
    }

    async fn verdict(&self, loaded: &Loaded, task: &Evaluate, decision: Decision) -> Result<Verdict, Error> {
        Ok(match decision {
            Decision::Run(body) => Verdict::Run { body },
            Decision::Skip => Verdict::Skip,
            Decision::Spread(None) => Verdict::Complete { output: None },
            Decision::Spread(Some(graph)) => {
                let body = serde_json::json!({ "instancesOf": loaded.name(task) }).to_string().into();
                Verdict::Child(Box::new(ChildJob {
                    graph,
                    title: Some(loaded.name(task)),
                    body,
                    tags: Arc::from([]),
                    failure_policy: FailurePolicy::Continue,
                    instances: true,
                }))
            }
            Decision::SubJob(sub) => match sub_job::make(&self.reader, &loaded.job, &sub).await? {
                Ok(child) => Verdict::Child(Box::new(child)),
                Err(message) => fail(sub_job::REFUSED, message),
            },
        })
    }

    /// Puts a verdict into the shard's mailbox, however long that takes.
    async fn tell(&self, evaluated: Evaluated) {
        let mut pause = AGAIN.0;
        while let Some(shared) = self.shared.upgrade() {
            if shared.has_stopped() || shared.say(evaluated.clone()).is_ok() {
                return;
            }
            drop(shared);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(AGAIN.1);
        }
    }
}

/// Decides about one task. A mistake of ours must not leave it, or the others, waiting for ever.
fn decide(loaded: &Loaded, task: &Evaluate) -> Result<Decision, String> {
    catch_unwind(AssertUnwindSafe(|| loaded.decide(task)))
        .unwrap_or_else(|_| Err("the evaluation broke off: a mistake of the server, report it".to_owned()))
}

fn fail(kind: &str, message: String) -> Verdict {
    Verdict::Fail(Failure { kind: kind.into(), message: message.into(), trace: None })
}
