//! Schedules in memory: their timers, what is asked outside, and their rows until the next seal.
//!
//! Each schedule has one timer. When it fires, [`Shard::tend`] looks at the row and derives what is to be asked; so nothing
//! about an ask needs to be stored. `apply` takes the answers.

mod apply;
mod close;

use std::collections::{BTreeMap, BTreeSet};

use super::{KeyMap, Shard};
use crate::effect::Effect;
use crate::event::RequestId;
use crate::id::{Key, Name};
use crate::row::Changes;
use crate::schedule::{
    Ask, Next, Overlap, Plan, Planned, ScheduleFigures, ScheduleName, ScheduleRow, Staged, Target, Want,
};
use crate::time::Timestamp;

/// An ask without an answer is repeated after so many milliseconds.
const ASK_AGAIN_MS: u64 = 10_000;

/// How a schedule in memory differs from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dirt {
    Clean,
    Put,
    Updated,
}

#[derive(Clone, Debug)]
pub(super) struct Schedule {
    pub(super) row: ScheduleRow,
    dirt: Dirt,
    timer: Option<Timestamp>,
    /// When each [`Want`] was asked for; `None`: no answer is awaited. Volatile.
    asked: [Option<Timestamp>; 3],
    /// The job that is being staged for it: until it is published nothing else moves.
    pub(super) staging: Option<Key>,
}

/// All schedules of the shard.
#[derive(Clone, Debug, Default)]
pub(super) struct Schedules {
    by_name: BTreeMap<ScheduleName, Schedule>,
    timers: BTreeSet<(Timestamp, ScheduleName)>,
    /// Whose work a key is, of what `running` lists name.
    watched: KeyMap<ScheduleName>,
    staged: BTreeMap<Key, Staged>,
    /// By tenant and definition, who follows its jobs.
    following: BTreeMap<(Name, Name), BTreeSet<ScheduleName>>,
    dirty: Vec<ScheduleName>,
    counted: ScheduleFigures,
}

impl Schedules {
    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &ScheduleRow> {
        self.by_name.values().map(|schedule| &schedule.row)
    }

    pub(super) fn get(&self, id: &ScheduleName) -> Option<&Schedule> {
        self.by_name.get(id)
    }

    pub(super) fn staged_requests(&self) -> impl Iterator<Item = RequestId> {
        self.staged.values().filter_map(|staged| staged.to)
    }

    pub(super) fn figures(&self) -> ScheduleFigures {
        let paused = self.rows().filter(|row| row.state.paused).count() as u64;
        ScheduleFigures { active: self.by_name.len() as u64 - paused, paused, ..self.counted.clone() }
    }

    /// Adds the rows that changed since the last seal, each once.
    pub(super) fn seal(&mut self, changes: &mut Changes) {
        for id in std::mem::take(&mut self.dirty) {
            let Some(schedule) = self.by_name.get_mut(&id) else { continue };
            match std::mem::replace(&mut schedule.dirt, Dirt::Clean) {
                Dirt::Put => changes.put_schedules.push(schedule.row.clone()),
                Dirt::Updated => changes.update_schedules.push((id, schedule.row.state.clone())),
                Dirt::Clean => {}
            }
        }
    }

    /// Who follows the jobs of a definition.
    pub(super) fn following(&self, tenant: &Name, definition: &Name) -> Vec<ScheduleName> {
        let found = self.following.get(&(tenant.clone(), definition.clone()));
        found.into_iter().flatten().cloned().collect()
    }

    /// How many schedules follow jobs.
    pub(super) fn followers(&self) -> usize {
        self.rows().filter(|row| row.state.after.is_some()).count()
    }

    fn insert(&mut self, id: ScheduleName, schedule: Schedule) -> Option<Schedule> {
        for (definition, _) in schedule.row.state.after.iter().flat_map(|after| &after.names) {
            self.following.entry((id.tenant.clone(), definition.clone())).or_default().insert(id.clone());
        }
        self.by_name.insert(id, schedule)
    }

    /// Takes a schedule out, with what it follows and its timer.
    fn remove(&mut self, id: &ScheduleName) -> Option<Schedule> {
        self.arm(id, None);
        let gone = self.by_name.remove(id)?;
        for (definition, _) in gone.row.state.after.iter().flat_map(|after| &after.names) {
            let place = (id.tenant.clone(), definition.clone());
            if let Some(followers) = self.following.get_mut(&place) {
                followers.remove(id);
                if followers.is_empty() {
                    self.following.remove(&place);
                }
            }
        }
        Some(gone)
    }

    fn arm(&mut self, id: &ScheduleName, at: Option<Timestamp>) {
        let Some(schedule) = self.by_name.get_mut(id) else { return };
        if schedule.timer == at {
            return;
        }
        if let Some(was) = std::mem::replace(&mut schedule.timer, at) {
            self.timers.remove(&(was, id.clone()));
        }
        if let Some(at) = at {
            self.timers.insert((at, id.clone()));
        }
    }
}

impl Shard {
    pub(super) fn restore_schedule(&mut self, row: ScheduleRow) {
        let id = row.id.clone();
        let backfill = row.state.backfill.iter().flat_map(|backfill| &backfill.running);
        for target in row.state.running.iter().chain(backfill) {
            self.schedules.watched.insert(target.key(), id.clone());
        }
        let schedule = Schedule { row, dirt: Dirt::Clean, timer: None, asked: [None; 3], staging: None };
        self.schedules.insert(id.clone(), schedule);
        self.tend(&id);
    }

    /// Looks after the schedules whose timer fired.
    pub(super) fn collect_due_schedules(&mut self) {
        while let Some((at, id)) = self.schedules.timers.first().cloned() {
            if at > self.now {
                break;
            }
            self.schedules.arm(&id, None);
            self.tend(&id);
        }
    }

    /// Puts a new or an edited row in place.
    pub(super) fn put_schedule(&mut self, row: ScheduleRow) {
        let id = row.id.clone();
        self.bytes += row.body.len();
        let schedule = Schedule { row, dirt: Dirt::Put, timer: None, asked: [None; 3], staging: None };
        self.schedules.remove(&id);
        self.schedules.insert(id.clone(), schedule);
        self.schedules.dirty.push(id.clone());
        self.rows += 1;
        self.tend(&id);
    }

    pub(super) fn remove_schedule(&mut self, id: &ScheduleName) {
        if self.schedules.remove(id).is_none() {
            return;
        }
        self.schedules.watched.retain(|_, of| of != id);
        // A row that no commit has yet needs no deletion, but an older one of its name may be stored.
        self.changes.delete_schedules.retain(|name| name != id);
        self.changes.delete_schedules.push(id.clone());
        self.rows += 1;
    }

    /// The row of a schedule, to be changed.
    pub(super) fn schedule_mut(&mut self, id: &ScheduleName) -> &mut ScheduleRow {
        let schedule = self.schedules.by_name.get_mut(id).expect("the schedule was looked up");
        if schedule.dirt == Dirt::Clean {
            schedule.dirt = Dirt::Updated;
            self.schedules.dirty.push(id.clone());
            self.rows += 1;
        }
        &mut schedule.row
    }

    /// Asks what is to be asked now, and sets the timer for what comes later.
    pub(super) fn tend(&mut self, id: &ScheduleName) {
        let now = self.now;
        let Some(schedule) = self.schedules.by_name.get_mut(id) else { return };
        let mut timer: Option<Timestamp> = None;
        let mut later = |at: Timestamp| timer = Some(timer.map_or(at, |timer: Timestamp| timer.min(at)));
        for want in [Want::Due, Want::Buffered, Want::Backfill] {
            let Some(at) = wanted_at(schedule, want) else {
                schedule.asked[want as usize] = None;
                continue;
            };
            let again = schedule.asked[want as usize].map(|asked| asked.plus_ms(ASK_AGAIN_MS));
            let at = again.map_or(at, |again| again.max(at));
            if at > now {
                later(at);
                continue;
            }
            schedule.asked[want as usize] = Some(now);
            later(now.plus_ms(ASK_AGAIN_MS));
            self.effects.push(Effect::Plan(Box::new(Ask { row: schedule.row.clone(), now, want })));
        }
        self.schedules.arm(id, timer);
    }

    /// Takes an answer in. What was asked of a row that has moved on since is asked again.
    pub(super) fn planned(&mut self, planned: Planned) {
        let Planned { schedule: id, generation, plan } = planned;
        let Some(schedule) = self.schedules.by_name.get_mut(&id) else { return };
        let want = match &plan {
            Plan::Due { .. } => Want::Due,
            Plan::Buffered(_) => Want::Buffered,
            Plan::Backfill { .. } => Want::Backfill,
        };
        if schedule.row.state.generation == generation && wanted_at(schedule, want).is_some_and(|at| at <= self.now) {
            schedule.asked[want as usize] = None;
            self.apply_plan(&id, plan);
        }
        self.tend(&id);
    }

    /// Work ended: if a schedule waits for it, that goes on.
    pub(super) fn ended_of_schedule(&mut self, key: Key) {
        let Some(id) = self.schedules.watched.remove(&key) else { return };
        let state = &mut self.schedule_mut(&id).state;
        state.running.retain(|target| target.key() != key);
        if let Some(backfill) = &mut state.backfill {
            backfill.running.retain(|target| target.key() != key);
        }
        self.tend(&id);
    }

    fn watch(&mut self, id: &ScheduleName, target: Target) {
        self.schedules.watched.insert(target.key(), id.clone());
    }

    /// What a plan may have to cancel must be in memory.
    pub(super) fn needs_of_plan(&self, planned: &Planned, set: &mut crate::row::ReadSet) {
        let Some(schedule) = self.schedules.get(&planned.schedule) else { return };
        let fires = matches!(&planned.plan, Plan::Due { fire: Some(_), .. });
        if schedule.row.overlap == Overlap::CancelRunning && fires {
            for target in &schedule.row.state.running {
                match target {
                    Target::Job(key) => self.need_job(*key, set),
                    Target::Task(key) => self.need_task(*key, set),
                }
            }
        }
    }
}

/// From when on this is to be asked; `None`: not as things are.
fn wanted_at(schedule: &Schedule, want: Want) -> Option<Timestamp> {
    let state = &schedule.row.state;
    if schedule.staging.is_some() {
        return None;
    }
    let at_once = Timestamp::from_millis(i64::MIN);
    match want {
        Want::Due if state.paused => None,
        Want::Due => match state.next {
            Next::Unplanned => Some(at_once),
            Next::Never => None,
            Next::At { due, .. } => Some(due),
        },
        Want::Buffered => (state.buffered.is_some() && state.running.is_empty() && !state.paused).then_some(at_once),
        Want::Backfill => {
            let has_room =
                |backfill: &crate::schedule::Backfill| backfill.running.len() < backfill.concurrency as usize;
            state.backfill.as_ref().is_some_and(has_room).then_some(at_once)
        }
    }
}
