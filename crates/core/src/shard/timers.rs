//! Time passing: due tasks start, leases and time limits run out, expired tasks fail, cold timers come in.

use super::{Shard, Work};
use crate::id::{Key, SessionId};
use crate::row::TimerPage;
use crate::task::{Failure, Outcome, TaskStatus};
use crate::time::Timestamp;

/// Cold timers asked for at a time.
const TIMER_PAGE: u32 = 2_048;

impl Shard {
    /// Turns armed timers that are due into work.
    pub(crate) fn collect_due(&mut self) {
        self.check_sessions();
        self.collect_deadlines();
        self.refill_keys();
        self.settle_loans();
        self.collect_due_schedules();
        self.tend_followers();
        while let Some(&(at, key)) = self.timers.first() {
            if at > self.now || self.work.len() >= self.config.step_rows_max {
                break;
            }
            self.timers.pop_first();
            self.task_mut(key).timer = None;
            self.work.insert(Work::Timer(key));
        }
    }

    /// A task's timer fired.
    pub(super) fn fire(&mut self, key: Key) {
        let Some(task) = self.tasks.get(&key) else { return };
        if !task.active || task.timer.is_some() {
            return;
        }
        match task.row.state.status {
            TaskStatus::Scheduled if task.row.state.due.is_some_and(|due| due <= self.now) => self.make_ready(key),
            TaskStatus::Waiting if task.row.state.due.is_some_and(|due| due <= self.now) => self.time_approval_out(key),
            TaskStatus::Ready if self.has_expired(key) => {
                self.leave(key);
                self.expire(key);
            }
            TaskStatus::Running => self.judge_attempt(key),
            _ => {}
        }
    }

    /// Arms the timer of a running attempt: the end of its lease, of its run time, or of its silence. The latter two count
    /// only while its session is connected: after a load nothing can be heard of the task, and its lease alone decides.
    pub(super) fn watch_attempt(&mut self, key: Key) {
        let task = self.task(key);
        let mut at = task.lease_until;
        if self.is_connected(key) {
            let policy = &task.row.spec.as_ref().expect("a running task has its spec").policy;
            let limits = [
                policy.timeout_ms.map(|ms| limit(task.run_from, ms)),
                policy.heartbeat_timeout_ms.map(|ms| limit(task.beat_at, ms)),
            ];
            at = limits.into_iter().flatten().fold(at, Timestamp::min);
        }
        self.arm(key, at);
    }

    /// A session speaks again after a load: from now on silence of its tasks counts.
    pub(super) fn watch_leases_of(&mut self, session: &SessionId) {
        let now = self.now;
        let leases: Vec<Key> = self.sessions[session].leases.iter().copied().collect();
        for key in leases {
            self.task_mut(key).beat_at = now;
            self.watch_attempt(key);
        }
    }

    fn is_connected(&self, key: Key) -> bool {
        let lease = self.task(key).row.state.lease.as_ref();
        lease.and_then(|lease| self.sessions.get(&lease.session)).is_some_and(|session| session.connected)
    }

    /// A running attempt's time is up, or was extended meanwhile.
    fn judge_attempt(&mut self, key: Key) {
        let now = self.now;
        let task = self.task(key);
        if task.reported {
            return;
        }
        let policy = task.row.spec.as_ref().expect("a running task has its spec").policy.clone();
        let timeout = |message: String| Failure { kind: "timeout".into(), message: message.into(), trace: None };
        let connected = self.is_connected(key);
        let over = policy.timeout_ms.filter(|ms| connected && limit(task.run_from, *ms) <= now);
        let silent = policy.heartbeat_timeout_ms.filter(|ms| connected && limit(task.beat_at, *ms) <= now);
        let lost = task.lease_until <= now;
        if let Some(ms) = over {
            self.revoke(key);
            let error = timeout(format!("ran longer than its timeout of {ms} ms"));
            self.fail_attempt(key, Outcome::Timeout, Some(error), None, None);
        } else if let Some(ms) = silent {
            self.revoke(key);
            let error = timeout(format!("was silent longer than its heartbeat timeout of {ms} ms"));
            self.fail_attempt(key, Outcome::Timeout, Some(error), None, None);
        } else if lost {
            self.revoke(key);
            self.doubt_session_of(key);
            self.lose(key, Outcome::Lost);
        } else {
            self.watch_attempt(key);
        }
    }

    /// Cold timers that are asked for at a time, and that are active at the most before more are asked for.
    fn timer_page(&self) -> u32 {
        (TIMER_PAGE as usize).min(self.config.timers_max).max(1) as u32
    }

    /// A lease ran out: its session is granted nothing more until it speaks. Else a worker that died with free places
    /// would take the same task again and again, and make it poison.
    fn doubt_session_of(&mut self, key: Key) {
        let lease = self.task(key).row.state.lease.clone();
        if let Some(session) = lease.and_then(|lease| self.sessions.get_mut(&lease.session)) {
            session.credits = 0;
        }
    }

    /// The page of cold timers that should be read now, if any.
    pub(super) fn wanted_timers(&self) -> Option<TimerPage> {
        if self.page_timers_at()? > self.now {
            return None;
        }
        let until = self.now.plus_ms(self.config.horizon_ms);
        Some(TimerPage { until, limit: self.cold_timers_active + self.timer_page() })
    }

    /// When the next page of cold timers should be read: half a horizon ahead while there is room for it, and at the
    /// latest when its first timer is due. What came in before may be due later than what went cold since.
    fn page_timers_at(&self) -> Option<Timestamp> {
        let next = self.next_cold_timer.filter(|_| self.cold_timers > 0 && !self.timers_paging)?;
        let ahead_ms = if self.cold_timers_active < self.timer_page() { self.config.horizon_ms / 2 } else { 0 };
        Some(Timestamp::from_millis(next.as_millis().saturating_sub(ahead_ms as i64)))
    }

    /// When something is due next; `may_page`: the next page of cold timers too.
    pub(crate) fn wake_at(&self, may_page: bool) -> Option<Timestamp> {
        let timer = self.timers.first().map(|(at, _)| *at);
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        let page = may_page.then(|| self.page_timers_at()).flatten();
        let session = self
            .sessions
            .values()
            .map(|session| {
                session
                    .heard_at
                    .plus_ms(session.lease_ms.saturating_add(self.config.session_grace_ms).saturating_add(1))
            })
            .min()
            .map(|at| at.max(self.sessions_checked_at.plus_ms(1_000)));
        let (permit, schedule, follower) = (self.permits.wake_at(), self.schedules.wake_at(), self.followers.wake_at());
        let due = [timer, deadline, page, session, permit, schedule, follower, self.postponed.wake_at()];
        due.into_iter().flatten().min()
    }
}

/// The worker itself ends an attempt at its timeouts, and knows best when the program spoke. Ten seconds later the core
/// does, should the worker fail to: by then it has heard of whatever was said in time.
fn limit(from: Timestamp, timeout_ms: u64) -> Timestamp {
    from.plus_ms(timeout_ms.saturating_add(10_000))
}
