//! What the core asks about schedules, and what it is told.

use super::{Ev, World};

impl World {
    /// The calendar outside answers, in its own time.
    pub(super) fn plan(&mut self, index: usize, ask: &mainspring_core::schedule::Ask) {
        let fired = &self.checker.fired;
        let answers = self.schedules.answer(ask, |at| fired.has(&ask.row.id, at), self.faulty);
        let life = self.nodes[index].life;
        for (delay, planned) in answers {
            self.after(delay, Ev::Planned { node: index, life, planned: Box::new(planned) });
        }
    }

    pub(super) fn planned(&mut self, index: usize, life: u64, planned: mainspring_core::schedule::Planned) {
        let event = mainspring_core::event::Event::Planned(Box::new(planned));
        if self.nodes[index].life != life || self.nodes[index].driver.is_none() {
            return;
        }
        self.checker.asked(&event);
        if let Some(driver) = &mut self.nodes[index].driver {
            driver.push(event);
        }
        self.wake_node(index, 0);
    }
}
