//! Bugs in what is read back: at a load, and while running.

use mainspring_core::row::{ReadSet, Rows, Snapshot};
use mainspring_core::task::{Place, TaskStatus};

use super::{Plant, Planted};

impl Planted {
    /// What is read back at a load.
    pub fn on_snapshot(&mut self, snapshot: &mut Snapshot) {
        let plant = self.plant;
        let forgotten = match plant {
            Plant::ForgottenPause => snapshot.queues.drain(..).count(),
            Plant::ForgottenUnfinished => snapshot.backlog.drain(..).count(),
            Plant::ForgottenLimits => snapshot.limits.drain(..).count(),
            Plant::ForgottenDirective => snapshot.workers.drain(..).count(),
            Plant::ForgottenBacklog => snapshot.cold_ready.drain(..).count(),
            Plant::ForgottenTimers => snapshot.next_timer.take().map_or(0, |_| 1),
            Plant::ForgottenSweep => {
                let swept = snapshot.jobs.iter_mut().filter(|row| row.state.sweep.is_some());
                swept.map(|row| row.state.sweep = None).count()
            }
            Plant::ForgottenTime if snapshot.high_water.time.as_millis() > 0 => {
                let earlier = snapshot.high_water.time.as_millis() - 3_600_000;
                snapshot.high_water.time = mainspring_core::time::Timestamp::from_millis(earlier);
                1
            }
            Plant::ForgottenLease | Plant::ForgottenReady => {
                let status = if plant == Plant::ForgottenLease { TaskStatus::Running } else { TaskStatus::Ready };
                let place = snapshot.tasks.iter().position(|row| row.state.status == status);
                place.map(|place| snapshot.tasks.remove(place)).map_or(0, |_| 1)
            }
            _ => 0,
        };
        self.struck += (forgotten + self.forget_flow(snapshot)) as u64;
    }

    /// What is read back while running: pages lose the same rows each time.
    pub fn on_rows(&mut self, set: &ReadSet, rows: &mut Rows) {
        let lost = |place: Place| match self.plant {
            Plant::LostColdRow => matches!(place, Place::ColdReady { .. }),
            Plant::LostColdTimer => place == Place::ColdTimer,
            _ => false,
        };
        let before = rows.tasks.len();
        rows.tasks.retain(|row| {
            set.tasks.contains(&row.key) || !lost(row.state.place) || !row.key.sequence().is_multiple_of(3)
        });
        self.struck += (before - rows.tasks.len()) as u64;
    }
}
