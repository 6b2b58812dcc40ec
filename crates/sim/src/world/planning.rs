//! What the core asks about schedules, and what it is told.

use super::{Ev, World};

impl World {
    /// The calendar outside answers, in its own time.
    pub(super) fn plan(&mut self, index: usize, ask: &mainspring_core::schedule::Ask) {
        let shard = self.shard_of(index);
        let fired = &self.shards[shard].checker.fired;
        let answers = self.schedules.answer(ask, |at| fired.has(&ask.row.id, at), self.faulty);
        let life = self.posts[index].life;
        for (delay, planned) in answers {
            self.after(delay, Ev::Planned { node: index, life, planned: Box::new(planned) });
        }
    }

    pub(super) fn planned(&mut self, index: usize, life: u64, planned: mainspring_core::schedule::Planned) {
        let shard = self.shard_of(index);
        let event = mainspring_core::event::Event::Planned(Box::new(planned));
        if self.posts[index].life != life || self.posts[index].driver.is_none() {
            return;
        }
        self.shards[shard].checker.asked(&event);
        if let Some(driver) = &mut self.posts[index].driver {
            driver.push(event);
        }
        self.wake_node(index, 0);
    }
}
