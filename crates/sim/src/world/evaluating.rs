//! Whoever evaluates expressions: answers late, twice, about another generation, and not at all when its node dies.

use std::sync::Arc;

use mainspring_core::effect::Evaluate;
use mainspring_core::event::{Evaluated, Event, Verdict};
use mainspring_core::job::Step;
use mainspring_core::task::Failure;
use mainspring_core::time::Timestamp;

use super::{Ev, World};
use crate::check;

impl World {
    /// The answers to one question.
    pub(super) fn evaluate(&mut self, node: usize, ask: &Evaluate) {
        let shard = self.shard_of(node);
        self.shards[shard].checker.sometimes.hit("evaluate.asked");
        let life = self.posts[node].life;
        // A second answer, or one about another generation, comes beside the right one, and says something else.
        let other = match self.evaluator.rng.below(12) {
            0 | 1 => Some(ask.generation),
            2 => Some(ask.generation + 1),
            3 => Some(ask.generation - 1),
            _ => None,
        };
        for generation in [Some(ask.generation), other].into_iter().flatten() {
            let Some(verdict) = self.verdict(shard, ask) else { return };
            let delay = *self.evaluator.rng.pick(&[0, 1, 20, 300, 4_000]);
            let evaluated = Evaluated { task: ask.task, generation, verdict };
            self.after(delay, Ev::Verdict { node, life, evaluated: Box::new(evaluated) });
        }
    }

    fn verdict(&mut self, shard: usize, ask: &Evaluate) -> Option<Verdict> {
        let model = &self.shards[shard].checker.model;
        // The job may be gone again by now.
        let node = model.graphs.get(&ask.job)?.get(ask.index as usize)?;
        let step = node.flow.as_ref()?.step;
        let depth = model.jobs.get(&ask.job)?.ancestors.len() as u64;
        let now = Timestamp::from_millis(self.now_ms);
        let evaluator = &mut self.evaluator;
        let failure = Failure { kind: "expression".into(), message: "no such name".into(), trace: None };
        Some(match (evaluator.rng.below(10), step) {
            (0, _) => Verdict::Skip,
            (1, _) => Verdict::Fail(failure),
            (2, Step::Group) => Verdict::Complete { output: Some("[]".into()) },
            (_, Step::Group) => {
                let child = evaluator.workload.child(now, &self.config, depth, &node.name);
                Verdict::Child(Box::new(child))
            }
            (2, _) => Verdict::Complete { output: None },
            (3, _) => Verdict::Run { body: None },
            (number, _) => {
                let filler = if number == 4 { 5_000 } else { 3 };
                let body: Arc<str> = format!("{{\"rendered\":{},\"by\":\"{}\"}}", number, "r".repeat(filler)).into();
                Verdict::Run { body: Some(body) }
            }
        })
    }

    /// An answer reaches the node that asked, if it still lives.
    pub(super) fn hear_verdict(&mut self, node: usize, life: u64, evaluated: Evaluated) -> check::Verdict {
        let shard = self.shard_of(node);
        if self.posts[node].life != life || self.posts[node].driver.is_none() {
            return Ok(());
        }
        let mut event = Event::Evaluated(evaluated);
        self.shards[shard].checker.asked(&event);
        let told = match &mut self.planted {
            Some(planted) => planted.on_event(&mut event, &self.shards[shard].checker.model),
            None => true,
        };
        if told {
            if self.trace.is_some() {
                self.note(|| format!("node {node} hears {}", super::telling::short(&event)));
            }
            self.posts[node].driver.as_mut().expect("it was just checked").push(event);
        }
        self.wake_node(node, 0);
        Ok(())
    }
}
