//! What follows the end of a job: its hooks, and the schedules `after` its definition, in whatever shard they live.
//!
//! ```text
//!  job ends ─▶ Hooking ── Effect::Hook ─▶ outside ── Event::Hooked ─▶ jobs of the hooks, and the marker, in one commit
//!                 │
//!                 └─▶ Announcing(n) ── Effect::Announce ─▶ every shard: Order::JobsEnded ── Event::Announced ─▶ no marker
//! ```
//! The marker stands in the job's row from the commit of its end on, and keeps the row from being deleted. So nothing is lost
//! however long nobody listens. Nothing is doubled: hooks come in the commit that takes the marker away, and schedules
//! know by the number what they have heard, because a shard announces in order and one batch at a time.

use std::collections::{BTreeMap, BTreeSet};

use super::Shard;
use crate::effect::{Answer, Effect};
use crate::event::{EndedJob, Hooked};
use crate::id::Key;
use crate::job::{JobRow, JobStatus, Sweep, SweepKind};
use crate::limits::{ANNOUNCED_AT_ONCE, FOLLOWING_DUE_MAX};
use crate::schedule::{Next, ScheduleName};
use crate::time::Timestamp;

/// What nobody answered is asked again after so many milliseconds.
const ASK_AGAIN_MS: u64 = 10_000;

/// Jobs that have ended and wait for somebody outside. Derived from their rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Followers {
    /// When the hooks of a job are asked for, again if they were before. An entry may outlive its marker.
    hooking: BTreeSet<(Timestamp, Key)>,
    /// By number.
    announcing: BTreeMap<u64, Key>,
    /// The last number of what is announced just now, and since when. Volatile.
    announced: Option<(u64, Timestamp)>,
}

impl Followers {
    /// Takes in a job that waits.
    pub(super) fn remember(&mut self, key: Key, kind: &SweepKind) {
        match kind {
            SweepKind::Announcing(number) => drop(self.announcing.insert(*number, key)),
            _ => drop(self.hooking.insert((Timestamp::from_millis(i64::MIN), key))),
        }
    }

    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        let hook = self.hooking.first().map(|(at, _)| *at);
        let announced = self.announced.map(|(_, at)| at.plus_ms(ASK_AGAIN_MS));
        let announcing = (!self.announcing.is_empty()).then(|| announced.unwrap_or_default());
        hook.into_iter().chain(announcing).min()
    }
}

impl Shard {
    /// A job that somebody submitted has ended just now.
    pub(super) fn tell_followers(&mut self, key: Key) {
        if self.job(key).row.state.followed.hooks {
            self.wait_outside(key, SweepKind::Hooking);
        } else {
            self.announce_end(key);
        }
    }

    /// Has every shard told of a job that completed, if schedules may follow it.
    fn announce_end(&mut self, key: Key) {
        let state = &self.job(key).row.state;
        if state.followed.definition && state.status == JobStatus::Completed {
            let number = self.mint(key.bucket(), 1).sequence();
            self.wait_outside(key, SweepKind::Announcing(number));
        } else if self.is_hooking(key) {
            self.job_mut(key).row.state.sweep = None;
            self.touch_job(key);
        }
    }

    fn wait_outside(&mut self, key: Key, kind: SweepKind) {
        self.followers.remember(key, &kind);
        self.job_mut(key).row.state.sweep = Some(Sweep { kind, next: 0 });
        self.touch_job(key);
        self.tend_followers();
    }

    fn is_hooking(&self, key: Key) -> bool {
        let sweep = self.jobs.get(&key).and_then(|job| job.row.state.sweep.as_ref());
        sweep.is_some_and(|sweep| sweep.kind == SweepKind::Hooking)
    }

    /// Asks outside what is to be asked now.
    pub(super) fn tend_followers(&mut self) {
        while let Some((at, key)) = self.followers.hooking.first().copied() {
            if at > self.now {
                break;
            }
            self.followers.hooking.pop_first();
            if self.is_hooking(key) {
                self.followers.hooking.insert((self.now.plus_ms(ASK_AGAIN_MS), key));
                self.effects.push(Effect::Hook(Box::new(self.job(key).row.clone())));
            }
        }
        let followers = &self.followers;
        if followers.announced.is_some_and(|(_, at)| at.plus_ms(ASK_AGAIN_MS) > self.now) {
            return;
        }
        let first = followers.announcing.iter().take(ANNOUNCED_AT_ONCE);
        let batch: Vec<(u64, JobRow)> = first.map(|(number, key)| (*number, self.job(*key).row.clone())).collect();
        self.followers.announced = batch.last().map(|(number, _)| (*number, self.now));
        if !batch.is_empty() {
            self.effects.push(Effect::Announce(batch));
        }
    }

    /// Takes in the jobs of hooks, and with them the marker away.
    pub(super) fn hooked(&mut self, hooked: Hooked) {
        let Hooked { job: key, generation, jobs } = hooked;
        if !self.is_hooking(key) || self.job(key).row.state.generation != generation {
            return;
        }
        let tenant = self.job(key).row.tenant.clone();
        for mut job in jobs {
            (job.given_id, job.idempotency_key, job.tenant) = (None, None, tenant.clone());
            self.place_job(job, key.bucket());
        }
        self.announce_end(key);
    }

    /// All shards have heard of what was announced up to a number.
    pub(super) fn announced(&mut self, through: u64) {
        let rest = through.checked_add(1).map(|next| self.followers.announcing.split_off(&next)).unwrap_or_default();
        for (number, key) in std::mem::replace(&mut self.followers.announcing, rest) {
            let job = self.job_mut(key);
            if job.row.state.sweep.as_ref().is_some_and(|sweep| sweep.kind == SweepKind::Announcing(number)) {
                job.row.state.sweep = None;
                self.touch_job(key);
            }
        }
        self.followers.announced = self.followers.announced.filter(|(number, _)| *number > through);
        self.tend_followers();
    }

    /// Jobs have completed in some shard: schedules of this one that follow their definitions hear of it.
    pub(super) fn order_jobs_ended(&mut self, source: u16, jobs: &[EndedJob]) -> Answer {
        for ended in jobs {
            for id in self.schedules.following(&ended.tenant, &ended.definition) {
                self.hear_of(&id, source, ended);
            }
        }
        Answer::Done
    }

    fn hear_of(&mut self, id: &ScheduleName, source: u16, ended: &EndedJob) {
        let row = &self.schedules.get(id).expect("it was listed").row;
        // What ended before the schedule was made is none of its business.
        if ended.at < row.created_at
            || row.state.after.as_ref().is_none_or(|after| after.has_heard(source, ended.number))
        {
            return;
        }
        let now = self.now;
        let state = &mut self.schedule_mut(id).state;
        let after = state.after.as_mut().expect("it follows jobs");
        after.hear(source, ended.number);
        after.names.iter_mut().filter(|(name, _)| *name == ended.definition).for_each(|(_, done)| *done = true);
        if !after.names.iter().all(|(_, done)| *done) {
            return;
        }
        after.names.iter_mut().for_each(|(_, done)| *done = false);
        // Instants of a schedule rise, whatever the clocks of other shards say.
        let behind = after.due.last().copied().unwrap_or(state.covered).max(state.covered).plus_ms(1);
        let instant = ended.at.min(now).max(behind);
        after.due.truncate(FOLLOWING_DUE_MAX - 1);
        after.due.push(instant);
        if state.next == Next::Never {
            state.next = Next::At { instant, due: instant };
        }
        self.tend(id);
    }
}
