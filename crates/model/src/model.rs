//! The model as the checker sees it: which actions there are in a world, and what must hold in each.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use mainspring_core::task::Outcome;
use stateright::{Model, Property};

use crate::bounds::Bounds;
use crate::history::Rule;
use crate::message::Message;
use crate::plant::Plant;
use crate::world::{Action, World};

/// See the module.
#[derive(Debug)]
pub struct Shard {
    /// How much may happen.
    pub bounds: Bounds,
    /// A bug.
    pub plant: Option<Plant>,
    /// From one world of so many a fair run is followed to its end; 0: from none.
    pub fair_every: u64,
    /// How often each rare thing was met.
    pub met: Mutex<BTreeMap<&'static str, u64>>,
}

impl Shard {
    /// A model without a bug.
    pub fn new(bounds: Bounds, fair_every: u64) -> Self {
        Self { bounds, plant: None, fair_every, met: Mutex::default() }
    }

    /// A model with a bug, no larger than shows it.
    pub fn with(plant: Plant) -> Self {
        let fair_every = u64::from(plant.breaks() == Rule::Ends);
        Self { plant: Some(plant), ..Self::new(plant.bounds(), fair_every) }
    }

    fn client_actions(&self, world: &World, actions: &mut Vec<Action>) {
        for node in serving(world) {
            if world.left.submissions > 0 {
                actions.push(Action::Submit(node));
            }
            if world.left.others > 0 {
                actions.push(Action::SubmitOther(node));
            }
            if world.left.cancels > 0 && world.history.acknowledged[0].is_some() {
                actions.push(Action::Cancel(node));
            }
        }
    }

    fn worker_actions(&self, world: &World, actions: &mut Vec<Action>) {
        for (index, worker) in world.workers.iter().enumerate() {
            // Workers are alike: the second one begins after the first.
            if index > 0 && world.workers[index - 1].seq == 0 && world.workers[index - 1].life.number == 0 {
                break;
            }
            if worker.calls > 0 {
                actions.extend(serving(world).map(|node| Action::Call(index, node)));
            }
            for token in &worker.running {
                actions.push(Action::Finish(index, *token, Outcome::Success));
                if world.left.failures > 0 {
                    actions.push(Action::Finish(index, *token, Outcome::Failure));
                }
            }
            if world.left.worker_crashes > 0 && worker.seq > 0 {
                actions.push(Action::CrashWorker(index));
            }
        }
    }

    fn network_actions(&self, world: &World, actions: &mut Vec<Action>) {
        let mut last: Option<&Message> = None;
        for (index, message) in world.network.iter().enumerate() {
            // Equal messages stand side by side: one of them is enough.
            if last.replace(message) == Some(message) {
                continue;
            }
            let heard = message.node().is_none_or(|node| world.nodes[node].driver.is_some());
            if heard {
                actions.push(Action::Deliver(index));
            }
            if heard && world.left.doubled > 0 {
                actions.push(Action::Double(index));
            }
            if world.left.lost > 0 {
                actions.push(Action::Lose(index));
            }
        }
    }

    fn node_actions(&self, world: &World, actions: &mut Vec<Action>) {
        let now = world.now();
        for (index, node) in world.nodes.iter().enumerate() {
            let Some(driver) = &node.driver else {
                let suspected = world.store.holder.is_some_and(|holder| holder != index);
                if !suspected || world.left.suspicions > 0 {
                    actions.push(Action::TakeOver(index));
                }
                continue;
            };
            if !node.orders.is_empty() {
                actions.push(Action::StoreTakes(index));
            }
            if !node.answers.is_empty() {
                actions.push(Action::NodeHears(index));
            }
            if node.awaits_commit() && world.left.unknown > 0 {
                actions.push(Action::GiveUp(index));
            }
            if world.left.crashes > 0 {
                actions.push(Action::Crash(index));
            }
            if driver.wake_at().is_some_and(|at| at <= now) {
                actions.push(Action::Wake(index));
            }
        }
        actions.extend((0..world.late.len()).map(Action::Land));
        if world.left.ticks > 0 {
            actions.push(Action::Tick);
        }
    }

    fn ends(&self, world: &World) -> bool {
        let mut hasher = DefaultHasher::new();
        world.hash(&mut hasher);
        self.fair_every == 0 || !hasher.finish().is_multiple_of(self.fair_every) || world.ends(self.plant)
    }
}

/// Nodes that believe to own the shard: nobody else listens, and what is sent to one that does not waits until it does.
fn serving(world: &World) -> impl Iterator<Item = u8> {
    (0..2).filter(|node| world.nodes[usize::from(*node)].driver.is_some())
}

impl Model for Shard {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.bounds)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.history.broken.is_some() {
            return;
        }
        self.client_actions(world, actions);
        self.worker_actions(world, actions);
        self.network_actions(world, actions);
        self.node_actions(world, actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        next.act(&action, self.plant);
        if !next.noticed.is_empty() {
            let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
            for what in std::mem::take(&mut next.noticed) {
                *met.entry(what).or_default() += 1;
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn keeps<const RULE: u8>(_: &Shard, world: &World) -> bool {
            world.history.broken.is_none_or(|rule| rule as u8 != RULE)
        }
        vec![
            Property::always(Rule::DurableAck.word(), keeps::<{ Rule::DurableAck as u8 }>),
            Property::always(Rule::Order.word(), keeps::<{ Rule::Order as u8 }>),
            Property::always(Rule::Fencing.word(), keeps::<{ Rule::Fencing as u8 }>),
            Property::always(Rule::LegalMoves.word(), keeps::<{ Rule::LegalMoves as u8 }>),
            Property::always(Rule::Attempts.word(), keeps::<{ Rule::Attempts as u8 }>),
            Property::always(Rule::Token.word(), keeps::<{ Rule::Token as u8 }>),
            Property::always(Rule::OneOutcome.word(), keeps::<{ Rule::OneOutcome as u8 }>),
            Property::always(Rule::IdempotentSubmit.word(), keeps::<{ Rule::IdempotentSubmit as u8 }>),
            Property::always(Rule::Cancel.word(), keeps::<{ Rule::Cancel as u8 }>),
            Property::always(Rule::StartsOnce.word(), keeps::<{ Rule::StartsOnce as u8 }>),
            Property::always(Rule::GrantedByCommit.word(), keeps::<{ Rule::GrantedByCommit as u8 }>),
            Property::always(Rule::Ends.word(), Shard::ends),
        ]
    }
}
