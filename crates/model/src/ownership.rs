//! What the store does with what it is asked, and how a node loses the shard and gets it.

use std::sync::Arc;

use mainspring_core::driver::Ticket;
use mainspring_core::row::Changes;

use crate::hashed::Hashed;
use crate::message::{Call, Life};
use crate::node::{Answer, Order, Released};
use crate::plant::Plant;
use crate::store::Taken;
use crate::world::{Late, World};

impl World {
    /// The store looks at the next order of a node.
    pub(crate) fn store_takes(&mut self, index: usize, plant: Option<Plant>) {
        let (epoch, load) = (self.nodes[index].epoch, self.nodes[index].load);
        let order = self.nodes[index].change(|node| node.orders.pop_front()).expect("it has one");
        let answer = match order {
            Order::Commit(ticket, changes) => self.commit(ticket, &changes, (epoch, load), plant),
            Order::Read(..) if epoch != self.store.epoch => Answer::Disowned,
            Order::Read(ticket, set) => {
                let mut rows = self.store.rows.rows(&set);
                if plant == Some(Plant::IdempotencyForgotten) {
                    rows.claims.clear();
                }
                Answer::Rows(ticket, rows)
            }
        };
        let reads = matches!(answer, Answer::Rows(..) | Answer::Disowned);
        self.nodes[index].change(|node| node.answers.push_back(answer));
        // Nothing waits for a read but what is parked until it is there.
        if reads && self.nodes[index].answers.len() == 1 {
            self.node_hears(index, plant);
        }
    }

    fn commit(&mut self, ticket: Ticket, changes: &Changes, by: (u64, u32), plant: Option<Plant>) -> Answer {
        match self.write(changes, by, false, plant) {
            Taken::Applied => {
                let leases = self.store.rows.every_task().filter_map(|row| row.state.lease.as_ref());
                Answer::Committed(ticket, leases.map(|lease| lease.number).collect())
            }
            Taken::Refused | Taken::Unfit => Answer::Refused(ticket),
        }
    }

    fn write(&mut self, changes: &Changes, (epoch, load): (u64, u32), late: bool, plant: Option<Plant>) -> Taken {
        let before = self.store.clone();
        let taken = self.store.change(|store| store.commit(epoch, changes, late, plant));
        match taken {
            Taken::Applied => {
                self.history.applied(&before.rows, &self.store.rows, load, (epoch, before.epoch));
                self.notice(if late { "a late commit that landed" } else { "a commit" });
            }
            Taken::Refused => self.notice(if late { "a late commit refused" } else { "a commit refused" }),
            Taken::Unfit => self.notice("a commit that does not fit"),
        }
        taken
    }

    /// A node hears the next answer of the store.
    pub(crate) fn node_hears(&mut self, index: usize, plant: Option<Plant>) {
        let answer = self.nodes[index].change(|node| node.answers.pop_front()).expect("there is one");
        let now = self.now();
        match answer {
            Answer::Committed(ticket, in_force) => self.committed(index, ticket, Some(in_force), plant),
            Answer::Refused(ticket) if plant == Some(Plant::RefusedIsCommitted) => {
                self.committed(index, ticket, None, plant);
            }
            Answer::Refused(_) | Answer::Disowned => self.abandon(index),
            Answer::Rows(ticket, rows) => self.at_node(index, plant, |node| {
                node.driver.as_mut().expect("a read has a driver").loaded(ticket, rows);
                node.poll(now, plant)
            }),
        }
    }

    fn committed(&mut self, index: usize, ticket: Ticket, in_force: Option<Vec<u64>>, plant: Option<Plant>) {
        let now = self.now();
        self.at_node(index, plant, |node| {
            let effects = node.driver.as_mut().expect("a commit has a driver").committed(ticket);
            let mut released = vec![Released { effects, in_force }];
            released.extend(node.poll(now, plant));
            released
        });
    }

    /// The answer to a commit does not come: nobody knows.
    pub(crate) fn give_up(&mut self, index: usize, plant: Option<Plant>) {
        self.left.unknown -= 1;
        self.notice("an unknown commit");
        if plant == Some(Plant::UnknownIsCommitted)
            && let Some(Order::Commit(ticket, changes)) = self.nodes[index].orders.front().cloned()
        {
            let (epoch, load) = (self.nodes[index].epoch, self.nodes[index].load);
            self.nodes[index].change(|node| node.orders.pop_front());
            self.late.push(Hashed::new(Late { epoch, load, node: index, changes }));
            return self.committed(index, ticket, None, plant);
        }
        self.abandon(index);
    }

    /// A node drops its driver; what it has ordered may still reach the store.
    pub(crate) fn abandon(&mut self, index: usize) {
        let left: Vec<(u64, u32, Arc<Changes>)> = self.nodes[index].change(crate::node::Node::abandon);
        for (epoch, load, changes) in left {
            self.late.push(Hashed::new(Late { epoch, load, node: index, changes }));
        }
    }

    /// A commit that was given up reaches the store.
    pub(crate) fn land(&mut self, index: usize, plant: Option<Plant>) {
        let late = self.late.remove(index);
        self.write(&late.changes, (late.epoch, late.load), true, plant);
    }

    /// A node acquires the shard and loads it.
    pub(crate) fn take_over(&mut self, index: usize, plant: Option<Plant>) {
        if self.store.holder.is_some_and(|holder| holder != index) {
            self.notice("an owner taken for dead");
        }
        if plant == Some(Plant::BlindRetry) {
            self.write_again(index);
        }
        let (epoch, snapshot) = self.store.change(|store| store.acquire(index, plant));
        self.history.loads += 1;
        let (load, now) = (self.history.loads, self.now());
        self.at_node(index, plant, |node| node.install(epoch, load, snapshot, now));
    }

    fn write_again(&mut self, index: usize) {
        let Some(place) = self.late.iter().position(|late| late.node == index) else { return };
        let mut changes = Changes::clone(&self.late[place].changes);
        changes.high_water.commit = self.store.rows.high_water().commit + 1;
        let by = (self.store.epoch, self.history.loads);
        self.write(&changes, by, false, None);
    }

    /// What an outcome says of an old token is taken for the present attempt.
    pub(crate) fn take_old_tokens(&self, call: &mut Call) {
        for (token, _) in &mut call.ended {
            let task = self.store.rows.every_task().find(|row| row.key == token.task);
            if let Some(lease) = task.and_then(|row| row.state.lease.as_ref())
                && lease.number != token.lease
            {
                token.lease = lease.number;
                call.life = Life::of_session(&lease.session);
                call.seq = u8::MAX;
                return;
            }
        }
    }
}
