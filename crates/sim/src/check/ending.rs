//! Once faults stop: everything ends, or waits for something that has a name (R02, L1–L3).

use std::collections::BTreeMap;

use mainspring_core::event::Offer;
use mainspring_core::id::{Key, Name};
use mainspring_core::job::JobRow;
use mainspring_core::permit::LimitScope;
use mainspring_core::row::{Directive, TaskRow};
use mainspring_core::spec::Class;
use mainspring_core::task::TaskStatus;

use super::model::Model;
use super::{Checker, Verdict, ensure};

/// What a healed world still offers, and the settings that hold in all of it.
#[derive(Debug)]
pub struct Offers<'a> {
    /// By worker.
    pub workers: BTreeMap<Name, &'a Offer>,
    /// The control shard.
    pub control: &'a Model,
}

impl Checker {
    /// Tasks that have not ended and wait for nothing that has a name, and the first of them.
    pub fn unfinished(&self, offers: &Offers<'_>) -> Vec<Key> {
        let waits = |row: &&TaskRow| !row.state.status.is_terminal() && self.named_wait(row, offers).is_none();
        self.model.tasks.values().filter(waits).map(|row| row.key).collect()
    }

    /// What a task waits for that only somebody outside can give.
    fn named_wait(&self, row: &TaskRow, offers: &Offers<'_>) -> Option<&'static str> {
        let job = row.job.and_then(|job| self.model.jobs.get(&job));
        let paused = job.is_some_and(|job| job.state.paused || self.around(job).any(|around| around.state.paused));
        if paused && row.state.status != TaskStatus::Running {
            return Some("its job is paused");
        }
        if let Some(job) = job.filter(|job| job.state.queued) {
            return self.turn_wait(job, offers);
        }
        match row.state.status {
            TaskStatus::Waiting if row.state.held => Some("held"),
            TaskStatus::Waiting if row.state.child.is_some() => {
                let tasks = self.model.tasks_of(row.state.child?);
                let mut open =
                    tasks.iter().map(|key| &self.model.tasks[key]).filter(|task| !task.state.status.is_terminal());
                open.find_map(|task| self.named_wait(task, offers))
            }
            TaskStatus::Waiting if row.state.due.is_none() => Some("an approval"),
            TaskStatus::Ready => {
                let spec = row.spec.as_ref()?;
                if offers.control.paused_queues.contains(&spec.queue) {
                    return Some("its queue is paused");
                }
                let set =
                    |scope, name: &Name| offers.control.limits.get(&(scope, name.clone())).map(|set| set.concurrency);
                let none = Some(Some(0));
                if set(LimitScope::Queue, &spec.queue) == none || set(LimitScope::Type, &spec.kind) == none {
                    return Some("none of its queue or type may run");
                }
                let served = offers.workers.iter().any(|(worker, offer)| {
                    let runs = offers.control.directives.get(worker).copied().unwrap_or_default() == Directive::Run;
                    runs && serves(offer, &spec.queue, &spec.class)
                });
                (!served).then_some("no worker serves it")
            }
            TaskStatus::Pending if row.state.evaluating => None,
            TaskStatus::Pending => self.parent_wait(row, offers),
            _ => None,
        }
    }

    /// A job waits for its turn as long as one before it does for something.
    fn turn_wait(&self, job: &JobRow, offers: &Offers<'_>) -> Option<&'static str> {
        let line = job.active_key.as_ref().map(|(name, _)| name);
        let ahead = self.model.jobs.values().filter(|other| {
            let same = other.tenant == job.tenant && other.active_key.as_ref().map(|(name, _)| name) == line;
            same && !other.state.queued && !other.state.status.is_terminal()
        });
        let tasks = ahead.flat_map(|other| self.model.tasks_of(other.key));
        let mut open = tasks.map(|key| &self.model.tasks[&key]).filter(|task| !task.state.status.is_terminal());
        open.find_map(|task| self.named_wait(task, offers))
    }

    /// A pending task waits as long as some parent does.
    fn parent_wait(&self, row: &TaskRow, offers: &Offers<'_>) -> Option<&'static str> {
        let job = row.job?;
        let node = &self.model.graphs.get(&job)?[job.index_of(row.key) as usize];
        let parents = node.parents.iter().filter_map(|parent| self.model.tasks.get(&job.task_of_job(*parent)));
        let mut open = parents.filter(|parent| !parent.state.status.is_terminal());
        open.find_map(|parent| self.named_wait(parent, offers))
    }

    /// The verdict when patience is over.
    pub fn check_ended(&self, offers: &Offers<'_>) -> Verdict {
        let unfinished = self.unfinished(offers);
        ensure(unfinished.is_empty(), "L3", || {
            let row = &self.model.tasks[&unfinished[0]];
            let job = row.job.and_then(|job| self.model.jobs.get(&job)).map(|job| &job.state);
            format!("{} tasks never end, the first: {:?} of {job:?}", unfinished.len(), row)
        })?;
        let all_ended = |job: &Key| {
            let tasks = self.model.tasks_of(*job);
            tasks.iter().all(|task| self.model.tasks[task].state.status.is_terminal())
        };
        for (key, job) in &self.model.jobs {
            let ended = !all_ended(key) || job.state.status.is_terminal();
            ensure(ended && !self.model.is_staged(*key), "L3", || format!("job {key:?} never ends: {:?}", job.state))?;
            let group = job.parent.map(|group| self.model.tasks.get(&group).and_then(|row| row.state.child));
            ensure(group.is_none_or(|child| child == Some(*key)), "I11", || {
                format!("job {key:?} carries out a group that knows nothing of it: {:?}", job.state)
            })?;
        }
        self.check_installed()?;
        self.check_acknowledged()
    }

    /// In a world without faults nothing is lost, and nothing is stale.
    pub fn check_calm(&self) -> Verdict {
        let lost = self.model.tasks.values().find(|row| row.state.losses > 0);
        ensure(lost.is_none(), "calm", || {
            format!("a worker was lost without a fault: {:?}", lost.map(|row| &row.state))
        })
    }
}

/// What a worker must offer to run a task, read from `decisions.md` 7 and 27.
fn serves(offer: &Offer, queue: &Name, class: &Class) -> bool {
    let executor = offer.executors.contains(&class.executor)
        || (&*class.executor != "shell" && offer.executors.iter().any(|executor| &**executor == "*"));
    let queue = offer.queues.is_empty() || offer.queues.contains(queue);
    executor && queue && class.labels.iter().all(|label| offer.labels.contains(label))
}
