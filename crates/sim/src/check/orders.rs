//! What is said of orders: acknowledged means carried out (I1, I18, I20).

use mainspring_core::effect::Answer;
use mainspring_core::event::Order;
use mainspring_core::id::Key;
use mainspring_core::job::JobStatus;
use mainspring_core::permit::Limits;

use super::{Checker, Verdict, ensure, moves};

impl Checker {
    pub(super) fn check_order_answer(&mut self, order: &Order, answer: &Answer) -> Verdict {
        match (order, answer) {
            (Order::CancelJob(key), Answer::Done) => {
                self.sometimes.hit("job.cancel");
                let Some(row) = self.model.jobs.get(key) else { return Ok(()) };
                let ended = row.state.status.is_terminal();
                let reopened = self.asked.reopened.contains(key);
                ensure(row.state.cancelled || ended || reopened, "I20", || {
                    format!("the cancel of job {key:?} was acknowledged, its row says {:?}", row.state)
                })?;
                if row.state.cancelled {
                    self.acknowledged_cancels.insert(*key, row.state.generation);
                    if row.state.status == JobStatus::Running {
                        self.sometimes.hit("job.cancelled_while_running");
                    }
                }
                Ok(())
            }
            (Order::CancelTask(key), Answer::Done) => {
                self.sometimes.hit("task.cancel");
                let Some(row) = self.model.tasks.get(key) else { return Ok(()) };
                let ended = moves::is_terminal(row.state.status) || self.asked.reopened.contains(key);
                let reopened = row.job.is_some_and(|job| self.asked.reopened.contains(&job));
                let child = row.state.child.and_then(|child| self.model.jobs.get(&child));
                let ended = ended || child.is_some_and(|child| child.state.cancelled);
                ensure(ended || reopened, "I20", || {
                    format!("the cancel of task {key:?} was acknowledged, it is {:?}", row.state.status)
                })
            }
            (Order::PauseJob(_), Answer::Done) => self.hit("job.pause"),
            (Order::RerunJob(..), Answer::Done) => self.hit("job.rerun"),
            (Order::ResumeJob(_), Answer::Done) => self.hit("job.resume"),
            (Order::Signal { .. }, Answer::Done) => self.hit("approval.signal"),
            (Order::Why(_), Answer::Gates(_)) => self.hit("order.why"),
            (Order::RetryTask(_), Answer::Done) => self.hit("task.retry_order"),
            (Order::Delete { .. }, Answer::Took(took)) if !took.is_empty() => self.hit("order.delete"),
            (Order::PauseQueue { queue, paused }, Answer::Done) => {
                let alone = self.asked.pauses.get(queue).is_some_and(|ways| ways.len() == 1);
                let done = self.model.paused_queues.contains(queue) == *paused;
                ensure(done || !alone, "pause", || {
                    format!("queue `{queue}`: the order was acknowledged and not done")
                })?;
                if *paused { self.hit("queue.pause") } else { Ok(()) }
            }
            (Order::SetLimits { scope, name, patch }, Answer::Done) => {
                let id = (*scope, name.clone());
                let alone = self.asked.limits.get(&id).is_some_and(|asked| asked.len() == 1);
                let set = self.model.limits.get(&id).copied().unwrap_or_default();
                ensure(!alone || set == patch.apply(Limits::default()), "I12", || {
                    format!("limits of {name}: {patch:?} was acknowledged, {set:?} is stored")
                })?;
                self.hit("limit.set")
            }
            (Order::Define(all), Answer::Versions(versions)) => self.check_defined(all, versions),
            (Order::DirectWorker { .. }, Answer::Done) => self.hit("worker.directed"),
            (order, answer) => self.check_dead_letter_answer(order, answer),
        }
    }

    /// I18: the dead letters that an order names are what it says they are.
    fn check_dead_letter_answer(&mut self, order: &Order, answer: &Answer) -> Verdict {
        match (order, answer) {
            (Order::Redrive { .. }, Answer::Took(took)) if !took.is_empty() => {
                let still = took.iter().find(|key| {
                    let row = self.model.tasks.get(*key);
                    row.is_some_and(|row| row.state.dead && row.job.is_none() && row.state.generation == 1)
                });
                ensure(still.is_none(), "I18", || format!("{still:?} was redriven and is still dead"))?;
                self.hit("dead.redrive")
            }
            (Order::Discard(_), Answer::Took(took)) if !took.is_empty() => {
                let dead = |key: &&Key| self.model.tasks.get(*key).is_some_and(|row| row.state.dead);
                let again = |key: &&Key| {
                    let job = self.model.tasks.get(*key).and_then(|row| row.job);
                    self.asked.reopened.contains(*key) || job.is_some_and(|job| self.asked.reopened.contains(&job))
                };
                let still = took.iter().find(|key| dead(key) && !again(key));
                ensure(still.is_none(), "I18", || format!("{still:?} was discarded and is still dead"))?;
                self.hit("dead.discard")
            }
            (Order::EditBody { task: key, .. }, Answer::Done) => {
                let spec = self.model.tasks.get(key).and_then(|row| row.spec.as_ref());
                let rendered = self.asked.verdicts.range((*key, 0)..=(*key, u32::MAX)).next().is_some();
                let asked = rendered || spec.is_none_or(|spec| self.asked.edits[key].contains(&spec.body));
                ensure(asked, "I1", || format!("the body of task {key:?} was acknowledged and is not stored"))?;
                self.hit("dead.edit")
            }
            _ => Ok(()),
        }
    }
}
