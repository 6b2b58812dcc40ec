//! The only place where a task changes its status. Every move is checked against the table of legal moves. `attempt`
//! ends attempts and says what follows, `job` carries the ends of tasks into their job.
//!
//! *Active* tasks are those the shard watches: in a lane, with an armed timer, running, or settling. `leave` undoes
//! whatever the present status set up; each other function here sets up the next.

mod attempt;
mod job;

use super::lanes::{Rank, Slot, rank};
use super::{Dirt, Shard, Task};
use crate::id::Key;
use crate::row::{LaneRow, TaskRow, TransitionKind};
use crate::task::{Place, SkipReason, TaskStatus};
use crate::time::Timestamp;

impl Shard {
    /// Takes a new row in, without a status move: the caller starts it next.
    pub(super) fn insert_task(&mut self, row: TaskRow) {
        let key = row.key;
        // Somebody may have asked for the key before it was minted.
        self.absent_tasks.remove(&key);
        self.bytes += row.spec.as_ref().map_or(0, |spec| spec.body.len());
        if row.job.is_none() {
            self.permits.add_unfinished(&row.tenant, 1);
        }
        let task = Task {
            row,
            dirt: Dirt::Inserted,
            commit: 0,
            active: false,
            lane: None,
            timer: None,
            lease_until: self.now,
            run_from: self.now,
            beat_at: self.now,
            told_at: None,
            noted: None,
            coming: None,
            reported: false,
        };
        self.tasks.insert(key, task);
        self.dirty_tasks.push(key);
        self.rows += 1;
    }

    /// Undoes what the present status set up: lane, timer, lease, cold counts.
    pub(super) fn leave(&mut self, key: Key) {
        let task = self.tasks.get_mut(&key).expect("a moved task is in memory");
        if let Some(at) = task.timer.take() {
            self.timers.remove(&(at, key));
        }
        let active = std::mem::take(&mut task.active);
        let job = task.row.job;
        match (task.row.state.status, task.row.state.place) {
            (TaskStatus::Ready, place) => {
                let lane = task.lane.take();
                let entry = (rank(task.row.spec.as_ref().map_or(0, |spec| spec.priority)), key);
                if let Place::ColdReady { lane } = place {
                    self.lanes.left_cold(lane, active);
                }
                if let (Some(lane), true) = (lane, active) {
                    self.lanes.remove(lane, entry.0, entry.1);
                    self.forget_lane_if_empty(lane);
                }
            }
            (TaskStatus::Pending, _) => {
                task.row.state.evaluating = false;
                task.coming = None;
            }
            (TaskStatus::Scheduled | TaskStatus::Waiting, place) => match (place, active) {
                (Place::ColdTimer, false) => self.cold_timers -= 1,
                (Place::ColdTimer, true) => {
                    self.cold_timers_active -= 1;
                    self.scheduled -= 1;
                }
                (_, true) => self.scheduled -= 1,
                (_, false) => {}
            },
            (TaskStatus::Running, _) => {
                if let Some(lease) = task.row.state.lease.take() {
                    if let Some(session) = self.sessions.get_mut(&lease.session) {
                        session.leases.remove(&key);
                    }
                    self.free_permits(key);
                }
            }
            _ => {}
        }
        // Leaving twice undoes nothing twice; whoever moves the task on gives it its next place.
        self.task_mut(key).row.state.place = Place::Rest;
        if let (Some(job), true) = (job, active) {
            self.release_job(job);
        }
    }

    pub(super) fn activate(&mut self, key: Key) {
        let task = self.task_mut(key);
        if !std::mem::replace(&mut task.active, true)
            && let Some(job) = task.row.job
        {
            let job = self.job_mut(job);
            job.active += 1;
            let around = job.row.ancestors.clone();
            for key in around.iter() {
                self.job_mut(*key).active += 1;
            }
        }
    }

    pub(super) fn arm(&mut self, key: Key, at: Timestamp) {
        let task = self.tasks.get_mut(&key).expect("an armed task is in memory");
        if task.timer != Some(at) {
            if let Some(old) = task.timer.replace(at) {
                self.timers.remove(&(old, key));
            }
            self.timers.insert((at, key));
        }
    }

    /// Moves the status, within the table; a new row is entered with `entering`.
    pub(super) fn set_status(&mut self, key: Key, next: TaskStatus) {
        let task = self.task_mut(key);
        let now = task.row.state.status;
        let entering = task.dirt == Dirt::Inserted;
        assert!(now == next || entering || now.may_become(next, false), "illegal move of {key:?}: {now:?} to {next:?}");
        task.row.state.status = next;
        if next.is_terminal() && !now.is_terminal() {
            self.permits.end_unfinished(&self.tasks[&key].row.tenant);
        }
        self.touch(key);
    }

    /// To `ready`, or to `failed` if it has expired.
    pub(super) fn make_ready(&mut self, key: Key) {
        self.leave(key);
        if self.has_expired(key) {
            return self.expire(key);
        }
        self.set_status(key, TaskStatus::Ready);
        let now = self.now;
        let task = self.task_mut(key);
        task.row.state.ready_at = Some(now);
        task.row.state.held = false;
        let (job, attempt) = (task.row.job, task.row.state.attempt);
        self.tell(TransitionKind::TaskReady, Some(key), job, attempt, None);
        self.enter_lane(key);
    }

    pub(super) fn has_expired(&self, key: Key) -> bool {
        let spec = self.task(key).row.spec.as_ref();
        spec.and_then(|spec| spec.expires_at_ms).is_some_and(|at| at <= self.now.as_millis())
    }

    /// Fails a task whose time in the queue is up. An earlier attempt keeps its own error: that the task failed, and later
    /// than the attempt, says that it expired.
    pub(super) fn expire(&mut self, key: Key) {
        self.end_task(key, TaskStatus::Failed);
    }

    /// Puts a ready task into its lane: into memory if it belongs to the window, behind it otherwise.
    pub(super) fn enter_lane(&mut self, key: Key) {
        let lane = self.lane_of(key);
        let entry = (self.rank_of(key), key);
        let window = self.window();
        self.touch(key);
        if let Some(cold) = self.lanes.cold_home(lane, entry, window) {
            self.go_cold(entry, cold);
            self.forget_lane_if_empty(lane);
            return;
        }
        self.task_mut(key).row.state.place = Place::Hot;
        self.stand_in_lane(key, lane);
        self.shorten(lane);
    }

    /// The lane of a ready task, made if it is its first one.
    pub(super) fn lane_of(&mut self, key: Key) -> Slot {
        let row = &self.task(key).row;
        let spec = row.spec.as_ref().expect("a ready task has its spec");
        let name = spec.lane(&row.tenant, row.job);
        if let Some(lane) = self.lanes.find(&name) {
            return lane;
        }
        let (lane, row) = self.lanes.create(name);
        self.insert_lane(row);
        self.watch_keys_of(lane);
        lane
    }

    fn insert_lane(&mut self, row: Option<LaneRow>) {
        self.changes.insert_lanes.extend(row);
    }

    fn rank_of(&self, key: Key) -> Rank {
        rank(self.task(key).row.spec.as_ref().map_or(0, |spec| spec.priority))
    }

    fn go_cold(&mut self, entry: (Rank, Key), lane: Slot) {
        let (number, row) = self.lanes.went_cold(lane, entry);
        self.insert_lane(row);
        self.task_mut(entry.1).row.state.place = Place::ColdReady { lane: number };
    }

    /// How many ready tasks a lane may have in memory at this moment.
    fn window(&self) -> usize {
        if self.lanes.ready() < self.config.ready_max { usize::MAX } else { self.config.lane_window }
    }

    /// Moves the tail of a lane behind its window, if it is much longer than that.
    pub(super) fn shorten(&mut self, lane: Slot) {
        let window = self.window();
        if self.lanes.is_too_long(lane, window) {
            let count = self.lanes.get(lane).len() / 2;
            self.demote(lane, count.min(self.config.step_rows_max / 4).max(1));
        }
    }

    /// Makes a ready task active in this lane; its stored place stays as it is.
    pub(super) fn stand_in_lane(&mut self, key: Key, lane: Slot) {
        let task = self.task_mut(key);
        task.lane = Some(lane);
        let spec = task.row.spec.as_ref().expect("a ready task has its spec");
        let (rank, expires) = (rank(spec.priority), spec.expires_at_ms);
        self.activate(key);
        self.lanes.push(lane, rank, key);
        if let Some(at) = expires {
            self.arm(key, Timestamp::from_millis(at));
        }
    }

    /// Moves the tasks that would go last behind the window.
    fn demote(&mut self, lane: Slot, count: usize) {
        for entry in self.lanes.get(lane).tail(count) {
            self.leave(entry.1);
            self.go_cold(entry, lane);
            self.touch(entry.1);
        }
    }

    /// To `scheduled` until an instant; `ready` if that has come.
    pub(super) fn make_scheduled(&mut self, key: Key, due: Timestamp) {
        if due <= self.now && self.task(key).row.state.status != TaskStatus::Running {
            return self.make_ready(key);
        }
        self.leave(key);
        self.set_status(key, TaskStatus::Scheduled);
        self.sleep_until(key, due);
    }

    /// Sets the timer of a task that is scheduled, or waits for an approval.
    pub(super) fn sleep_until(&mut self, key: Key, due: Timestamp) {
        let far = due.since(self.now) > self.config.horizon_ms || self.scheduled >= self.config.timers_max;
        let state = &mut self.task_mut(key).row.state;
        state.due = Some(due);
        if far {
            state.place = Place::ColdTimer;
            self.cold_timers += 1;
            for earliest in [&mut self.next_cold_timer, &mut self.cold_timer_made] {
                *earliest = Some(earliest.map_or(due, |earliest| earliest.min(due)));
            }
        } else {
            state.place = Place::Hot;
            self.wait_for(key, due);
        }
    }

    /// Makes a task with a timer active; its stored place stays as it is.
    pub(super) fn wait_for(&mut self, key: Key, due: Timestamp) {
        self.activate(key);
        self.scheduled += 1;
        self.arm(key, due);
    }

    /// To `skipped`.
    pub(super) fn skip(&mut self, key: Key, reason: SkipReason) {
        self.task_mut(key).row.state.skip_reason = Some(reason);
        self.end_task(key, TaskStatus::Skipped);
    }

    /// To a terminal status: counts it in its job and sets out to tell its neighbours.
    pub(super) fn end_task(&mut self, key: Key, status: TaskStatus) {
        self.leave(key);
        self.set_status(key, status);
        let now = self.now;
        let task = self.task_mut(key);
        let job = task.row.job;
        let attempt = task.row.state.attempt;
        task.row.state.ended_at = Some(now);
        task.row.state.place = Place::Rest;
        task.row.state.held = false;
        task.row.state.checkpoint = None;
        task.row.state.dead = status == TaskStatus::Failed;
        let kind = match status {
            TaskStatus::Completed => TransitionKind::TaskComplete,
            TaskStatus::Cancelled => TransitionKind::TaskCancelled,
            TaskStatus::Skipped => TransitionKind::TaskSkipped,
            _ => TransitionKind::TaskDead,
        };
        self.tell(kind, Some(key), job, attempt, None);
        match job {
            Some(job) => self.count_end(job, key, status),
            None => self.ended_of_schedule(key),
        }
    }
}
