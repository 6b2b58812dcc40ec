//! Flows in streams: questions that are answered with anything, and in the end by somebody sensible.

use std::sync::Arc;

use mainspring_core::event::{ChildJob, Command, Evaluated, Event, Order, Verdict};
use mainspring_core::graph::Graph;
use mainspring_core::job::{FailurePolicy, Flow, Step};
use mainspring_core::limits::GRAPH_CHUNK_TASKS;
use mainspring_core::row::TaskRow;
use mainspring_core::task::{Failure, TaskStatus};

use super::{Dice, Stream};
use crate::graphs::draft;

pub(super) fn flow(dice: &mut Dice) -> Option<Arc<Flow>> {
    dice.maybe(|dice| {
        let step = match dice.below(3) {
            0 => Step::Attempt,
            1 => Step::Approval { timeout_ms: dice.maybe(Dice::ms) },
            _ => Step::Group,
        };
        Arc::new(Flow { evaluated: dice.below(2) == 0, step, logic: "{}".into() })
    })
}

impl Stream {
    /// A verdict on something, or on nothing.
    pub(super) fn verdict(&mut self) -> Event {
        let waiting = self.world.store.tasks.values().filter(|row| row.state.evaluating);
        let waiting: Vec<_> = waiting.map(|row| row.key).collect();
        let task = match self.dice.below(4) {
            0 => self.key(),
            _ if waiting.is_empty() => self.key(),
            _ => waiting[self.dice.below(waiting.len() as u64) as usize],
        };
        let verdict = match self.dice.below(8) {
            0 => Verdict::Run { body: Some("[2]".into()) },
            1 => Verdict::Run { body: None },
            2 => Verdict::Skip,
            3 => Verdict::Fail(Failure { kind: "expression".into(), message: "no".into(), trace: None }),
            4 => Verdict::Complete { output: Some("[]".into()) },
            _ => Verdict::Child(Box::new(self.child())),
        };
        Event::Evaluated(Evaluated { task, generation: 1 + self.dice.below(3).saturating_sub(1) as u32, verdict })
    }

    fn child(&mut self) -> ChildJob {
        let large = self.dice.below(12) == 0;
        let count = if large { 300 } else { 1 + self.dice.below(5) };
        let drafts = (0..count).map(|index| {
            let mut draft = draft(&format!("c{index}"), &[], Default::default());
            draft.spec = self.spec();
            draft.flow = flow(&mut self.dice);
            draft
        });
        ChildJob {
            graph: Graph::build(drafts.collect()).expect("nothing needs anything"),
            title: None,
            body: "{}".into(),
            tags: Arc::new([]),
            failure_policy: [FailurePolicy::Continue, FailurePolicy::FailFast][self.dice.below(2) as usize],
            instances: self.dice.below(2) == 0,
        }
    }

    /// Sensible answers to everything that is asked.
    pub(super) fn answer_all(&mut self) {
        let event = |row: &TaskRow| {
            let state = &row.state;
            let index = row.job.map_or(0, |job| job.index_of(row.key));
            let chunk = row.job.and_then(|job| self.world.store.chunks.get(&(job, index / GRAPH_CHUNK_TASKS)));
            let node = chunk.and_then(|chunk| chunk.tasks.get((index % GRAPH_CHUNK_TASKS) as usize));
            let step = node.and_then(|node| node.flow.as_ref()).map(|flow| flow.step);
            let verdict = match step {
                Some(Step::Group) => Verdict::Complete { output: None },
                _ => Verdict::Run { body: None },
            };
            if state.evaluating {
                return Some(Event::Evaluated(Evaluated { task: row.key, generation: state.generation, verdict }));
            }
            let approval = state.status == TaskStatus::Waiting && !state.held && state.child.is_none();
            let order = Order::Signal { task: row.key, approved: true, output: None };
            approval.then(|| Event::Command(Command { to: 1, actor: "operator".into(), order }))
        };
        let events: Vec<Event> = self.world.store.tasks.values().filter_map(event).collect();
        events.into_iter().for_each(|event| self.world.driver.push(event));
    }
}
