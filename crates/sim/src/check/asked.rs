//! What was asked of the core, as far as a later move may need it as its reason.

use std::collections::{BTreeMap, BTreeSet};

use mainspring_core::event::{AttemptEnded, Event, Exchange, Order, RequestId, UniquePolicy};
use mainspring_core::id::{Key, Name, SessionId, Token};
use mainspring_core::permit::{LimitScope, LimitsPatch};
use mainspring_core::row::ClaimName;
use mainspring_core::spec::Body;
use mainspring_core::task::Outcome;

use super::Checker;

/// Everything that was asked.
#[derive(Debug, Default)]
pub struct Asked {
    pub(super) cancelled_tasks: BTreeSet<Key>,
    pub(super) cancelled_jobs: BTreeSet<Key>,
    pub(super) hurried: BTreeSet<Key>,
    pub(super) reopened: BTreeSet<Key>,
    pub(super) discarded: BTreeSet<Key>,
    pub(super) deleted: BTreeSet<Key>,
    pub(super) forgotten: BTreeSet<ClaimName>,
    /// Number of the last commit before the newest pause, resume or cancel of a job.
    pub(super) toggled: BTreeMap<Key, u64>,
    /// The same for queues and workers.
    pub(super) switched: BTreeMap<Name, u64>,
    /// Which ways each queue was switched.
    pub(super) pauses: BTreeMap<Name, BTreeSet<bool>>,
    /// Unique keys whose holder somebody wished to replace, by tenant.
    pub(super) replaced: BTreeSet<(Name, Name)>,
    /// What was asked of limits.
    pub(super) limits: BTreeMap<(LimitScope, Name), Vec<LimitsPatch>>,
    /// The bodies that dead letters were given.
    pub(super) edits: BTreeMap<Key, Vec<Body>>,
    /// What was said of the values of each task and generation.
    pub(super) verdicts: BTreeMap<(Key, u32), Vec<mainspring_core::event::Verdict>>,
    /// Answers to approvals.
    pub(super) signals: BTreeSet<(Key, bool)>,
    /// What attempts noted for the next, and under which lease.
    pub(super) checkpoints: BTreeMap<(Key, std::sync::Arc<str>), u64>,
    /// What workers reported, by lease.
    pub(super) reports: BTreeMap<u64, (SessionId, Vec<AttemptEnded>)>,
    /// What each exchange said.
    pub(super) exchanges: BTreeMap<RequestId, Said>,
}

/// What a session said in one exchange.
#[derive(Debug)]
pub struct Said {
    pub(super) session: SessionId,
    pub(super) outcomes: Vec<(Token, Outcome)>,
    /// Chunks of output, by their numbers.
    pub(super) logs: Vec<(Token, u64)>,
}

impl Said {
    fn of(exchange: &Exchange) -> Self {
        Self {
            session: exchange.session.clone(),
            outcomes: exchange.outcomes.iter().map(|ended| (ended.token, ended.outcome)).collect(),
            logs: exchange.logs.iter().map(|line| (line.token, line.number)).collect(),
        }
    }
}

impl Checker {
    /// An event went into a core.
    pub fn asked(&mut self, event: &Event) {
        let commit = self.model.water.commit;
        match event {
            Event::Exchange(exchange) => {
                self.asked.exchanges.insert(exchange.to, Said::of(exchange));
                for progress in &exchange.progress {
                    if let Some(text) = &progress.checkpoint {
                        self.asked.checkpoints.insert((progress.token.task, text.clone()), progress.token.lease);
                    }
                }
                for ended in &exchange.outcomes {
                    let entry = self.asked.reports.entry(ended.token.lease);
                    let entry = entry.or_insert_with(|| (exchange.session.clone(), Vec::new()));
                    entry.1.push(ended.clone());
                }
            }
            Event::Command(command) => self.asked_order(&command.order, commit),
            Event::SubmitTasks(submission) => {
                for task in &submission.tasks {
                    let unique = task.unique.as_ref().filter(|unique| unique.policy == UniquePolicy::Replace);
                    let name = unique.map(|unique| (task.tenant.clone(), unique.key.clone()));
                    self.asked.replaced.extend(name);
                }
            }
            Event::SubmitJob(_) | Event::EndSession(_) | Event::EndNode(_) | Event::Settings(_) => {}
            Event::Planned(_) | Event::Hooked(_) | Event::Announced(_) | Event::Loan(_) => {}
            Event::Evaluated(told) => {
                let verdicts = self.asked.verdicts.entry((told.task, told.generation)).or_default();
                verdicts.push(told.verdict.clone());
            }
        }
    }

    fn asked_order(&mut self, order: &Order, commit: u64) {
        let asked = &mut self.asked;
        match order {
            Order::CancelTask(key) => {
                asked.cancelled_tasks.insert(*key);
            }
            Order::CancelJob(key) => {
                asked.cancelled_jobs.insert(*key);
                asked.toggled.insert(*key, commit);
            }
            Order::PauseJob(key) | Order::ResumeJob(key) => {
                asked.toggled.insert(*key, commit);
            }
            Order::RetryTask(key) => {
                asked.hurried.insert(*key);
                asked.reopened.insert(*key);
                asked.reopened.extend(jobs_around(&self.model, key));
            }
            Order::RerunJob(key, _) => {
                asked.reopened.insert(*key);
                asked.toggled.insert(*key, commit);
            }
            Order::Redrive { tasks, .. } => {
                asked.reopened.extend(tasks.iter().copied());
                asked.reopened.extend(tasks.iter().flat_map(|key| jobs_around(&self.model, key)));
            }
            Order::Discard(keys) => asked.discarded.extend(keys.iter().copied()),
            Order::Delete { tasks, jobs, forget } | Order::DeleteOld { tasks, jobs, forget } => {
                asked.deleted.extend(tasks.iter().chain(jobs).copied());
                asked.forgotten.extend(forget.iter().cloned());
            }
            Order::PauseQueue { queue, paused } => {
                asked.pauses.entry(queue.clone()).or_default().insert(*paused);
                asked.switched.insert(queue.clone(), commit);
            }
            Order::SetLimits { scope, name, patch } => {
                asked.limits.entry((*scope, name.clone())).or_default().push(*patch);
            }
            Order::DirectWorker { worker, .. } => {
                asked.switched.insert(worker.clone(), commit);
            }
            Order::EditBody { task, body, .. } => asked.edits.entry(*task).or_default().push(body.clone()),
            Order::Signal { task, approved, .. } => {
                asked.signals.insert((*task, *approved));
            }
            Order::Define(_)
            | Order::Record { .. }
            | Order::JobsEnded { .. }
            | Order::ClaimKeys(_)
            | Order::Schedule(..)
            | Order::Why(_)
            | Order::Figures
            | Order::Sessions => {}
        }
    }
}

/// The job of a task, and those around it.
fn jobs_around(model: &super::model::Model, task: &Key) -> Vec<Key> {
    let job = model.tasks.get(task).and_then(|row| row.job);
    let around = job.and_then(|job| model.jobs.get(&job)).map(|row| row.ancestors.to_vec());
    around.into_iter().flatten().chain(job).collect()
}
