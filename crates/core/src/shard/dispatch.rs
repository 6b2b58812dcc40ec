//! Matches ready tasks with worker sessions that have room: one grant at a time, sessions in turn.

use super::{Session, Shard};
use crate::effect::{Effect, Grant};
use crate::event::{Exchange, Offer, SessionEnd};
use crate::id::{Key, Name, SessionId, Token};
use crate::job::JobStatus;
use crate::row::{Directive, TransitionKind};
use crate::spec::Class;
use crate::task::{Attempt, Lease, Outcome, Place, TaskStatus};

/// The executor whose tasks a worker must ask for by name: it runs commands.
const SHELL: &str = "shell";

/// Whether a worker that offers this can run tasks of this queue and class.
pub(super) fn serves(offer: &Offer, queue: &Name, class: &Class) -> bool {
    let queue_fits = offer.queues.is_empty() || offer.queues.contains(queue);
    let executor_fits = offer
        .executors
        .iter()
        .any(|executor| *executor == class.executor || (&**executor == "*" && &*class.executor != SHELL));
    queue_fits && executor_fits && class.labels.iter().all(|label| offer.labels.contains(label))
}

impl Shard {
    /// Notes what a session says of itself; a new session of a worker ends the older ones.
    pub(super) fn greet(&mut self, exchange: &Exchange) {
        let now = self.now;
        if let Some(session) = self.sessions.get_mut(&exchange.session) {
            if session.offer != exchange.offer {
                session.offer = exchange.offer.clone();
                session.groups.clear();
                session.groups_known = 0;
            }
            let joined = !std::mem::replace(&mut session.connected, true);
            session.credits = exchange.credits;
            session.lease_ms = exchange.lease_ms;
            session.heard_at = now;
            if joined {
                self.announce(TransitionKind::WorkerJoined, exchange.worker.clone());
                self.watch_leases_of(&exchange.session);
            }
            return;
        }
        let older: Vec<SessionId> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.worker == exchange.worker)
            .map(|(id, _)| id.clone())
            .collect();
        for session in older {
            self.end_session(&session, SessionEnd::Lost);
        }
        self.announce(TransitionKind::WorkerJoined, exchange.worker.clone());
        self.sessions.insert(
            exchange.session.clone(),
            Session {
                worker: exchange.worker.clone(),
                offer: exchange.offer.clone(),
                credits: exchange.credits,
                leases: std::collections::BTreeSet::new(),
                lease_ms: exchange.lease_ms,
                since: now,
                heard_at: now,
                connected: true,
                draining: false,
                groups: Vec::new(),
                groups_known: 0,
            },
        );
    }

    /// Ends a session and resolves the leases it still holds.
    pub(super) fn end_session(&mut self, id: &SessionId, reason: SessionEnd) {
        let Some(session) = self.sessions.get(id) else { return };
        let (worker, leases) = (session.worker.clone(), session.leases.clone());
        let outcome = match reason {
            SessionEnd::Left => Outcome::Interrupted,
            SessionEnd::Lost => Outcome::Lost,
        };
        for key in leases {
            self.lose(key, outcome);
        }
        self.sessions.remove(id);
        let kind = match reason {
            SessionEnd::Left => TransitionKind::WorkerLeft,
            SessionEnd::Lost => TransitionKind::WorkerLost,
        };
        self.announce(kind, worker);
    }

    /// Ends the sessions of a worker that lived inside a node that is dead.
    pub(super) fn end_node(&mut self, node: &Name) {
        let inside = |id: &SessionId| id.strip_prefix(&**node).is_some_and(|rest| rest.starts_with('.'));
        let lost: Vec<SessionId> = self.sessions.keys().filter(|id| inside(id)).cloned().collect();
        for id in lost {
            self.end_session(&id, SessionEnd::Lost);
        }
    }

    /// Tells of a worker, once for all shards: each of them knows it.
    fn announce(&mut self, kind: TransitionKind, worker: Name) {
        if self.config.control {
            self.tell(kind, None, None, 0, Some(worker));
        }
    }

    /// How many ready tasks wait, those of paused queues left out: at least 1 if there are any.
    pub(crate) fn demand(&self) -> u64 {
        if self.paused_queues.is_empty() && self.permits.has_no_gates() {
            return self.lanes.open() as u64 + u64::from(self.lanes.has_cold());
        }
        let open = self.lanes.groups().iter().filter(|group| self.opens_at(group) == Some(self.now));
        let open = open.map(|group| group.ready as u64).sum::<u64>();
        if open > 0 || !self.lanes.has_cold() { open } else { self.cold_demand() }
    }

    /// Ends sessions that have been silent for too long.
    pub(super) fn check_sessions(&mut self) {
        if self.now.since(self.sessions_checked_at) < 1_000 {
            return;
        }
        self.sessions_checked_at = self.now;
        let (now, grace) = (self.now, self.config.session_grace_ms);
        let silent: Vec<SessionId> = self
            .sessions
            .iter()
            .filter(|(_, session)| now.since(session.heard_at) > session.lease_ms.saturating_add(grace))
            .map(|(id, _)| id.clone())
            .collect();
        for id in silent {
            self.end_session(&id, SessionEnd::Lost);
        }
    }

    /// What a session is told: to drain, or what its worker is.
    pub(super) fn directive_of(&self, session: &Session) -> Directive {
        match session.draining {
            true => Directive::Drain,
            false if self.paused_workers.contains(&session.worker) => Directive::Pause,
            false => Directive::Run,
        }
    }

    /// Grants ready tasks to sessions while there are both, within the budget of the batch.
    pub(crate) fn dispatch(&mut self) {
        // One of several shards starts nothing before it has heard what is paused and limited.
        if !self.permits.knows_limits() {
            return;
        }
        let mut waiting: Vec<SessionId> = self
            .sessions
            .iter()
            .filter(|(_, session)| {
                session.connected && session.credits > 0 && self.directive_of(session) == Directive::Run
            })
            .map(|(id, _)| id.clone())
            .collect();
        self.permits.wait_for(None);
        if waiting.is_empty() {
            return;
        }
        self.rotation = self.rotation.wrapping_add(1);
        let first = (self.rotation % waiting.len() as u64) as usize;
        waiting.rotate_left(first);
        for id in &waiting {
            self.match_groups(id);
        }
        while !waiting.is_empty() && self.rows < self.config.step_rows_max {
            let mut still = Vec::with_capacity(waiting.len());
            for id in waiting {
                if self.rows < self.config.step_rows_max && self.grant_one(&id) {
                    still.push(id);
                }
            }
            waiting = still;
        }
    }

    /// Finds the groups that a session can serve, if new ones appeared.
    fn match_groups(&mut self, id: &SessionId) {
        let session = self.sessions.get_mut(id).expect("the session waits");
        let groups = self.lanes.groups();
        for (index, group) in groups.iter().enumerate().skip(session.groups_known) {
            if serves(&session.offer, &group.queue, &group.class) {
                session.groups.push(index);
            }
        }
        session.groups_known = groups.len();
    }

    /// Grants one task to a session; false if it has no room or there is nothing for it.
    fn grant_one(&mut self, id: &SessionId) -> bool {
        let session = self.sessions.get_mut(id).expect("the session waits");
        if session.credits == 0 {
            return false;
        }
        let groups = std::mem::take(&mut session.groups);
        let granted = if self.paused_queues.is_empty() && self.permits.has_no_gates() {
            self.grant_from(id, &groups)
        } else {
            let open = self.open_of(&groups);
            self.grant_from(id, &open)
        };
        self.sessions.get_mut(id).expect("the session waits").groups = groups;
        granted
    }

    /// Takes tasks in order until one may run; those that may not are set aside.
    fn grant_from(&mut self, id: &SessionId, groups: &[usize]) -> bool {
        while self.rows < self.config.step_rows_max {
            let Some((_, _, key)) = self.lanes.take(groups) else { return false };
            if self.may_run(key) {
                self.grant(id, key);
                return true;
            }
            self.set_aside(key);
        }
        false
    }

    /// Whether a ready task may be granted now, as far as its job and its expiry say.
    fn may_run(&self, key: Key) -> bool {
        let task = self.task(key);
        let job_allows = task.row.job.is_none_or(|job| !self.is_stopped(job));
        job_allows && !self.has_expired(key)
    }

    /// Takes a task that may not run out of the ready order: it is put back when its job is resumed.
    fn set_aside(&mut self, key: Key) {
        if self.has_expired(key) {
            self.leave(key);
            return self.expire(key);
        }
        self.leave(key);
        self.task_mut(key).row.state.place = Place::Rest;
        self.touch(key);
    }

    fn grant(&mut self, id: &SessionId, key: Key) {
        self.leave(key);
        self.archive_attempt(key);
        self.high_water.lease += 1;
        let (number, now) = (self.high_water.lease, self.now);
        let session = self.sessions.get_mut(id).expect("the session waits");
        session.credits -= 1;
        session.leases.insert(key);
        let (worker, lease_ms) = (session.worker.clone(), session.lease_ms);
        let task = self.tasks.get_mut(&key).expect("a granted task is in memory");
        let state = &mut task.row.state;
        state.status = TaskStatus::Running;
        state.place = Place::Hot;
        state.attempt += 1;
        let waited = state.ready_at.map_or(0, |ready| now.since(ready));
        state.last = Some(Attempt {
            number: state.attempt,
            generation: state.generation,
            worker: worker.clone(),
            started_at: now,
            ended_at: None,
            outcome: None,
            error: None,
            lease: number,
        });
        state.lease = Some(Lease { number, session: id.clone(), worker: worker.clone(), lease_ms });
        task.lease_until = now.plus_ms(lease_ms);
        task.run_from = now;
        task.beat_at = now;
        task.told_at = None;
        task.noted = None;
        task.reported = false;
        let (job, attempt, generation) = (task.row.job, state.attempt, state.generation);
        let checkpoint = state.checkpoint.clone();
        let spec = task.row.spec.clone().expect("a ready task has its spec");
        let (tenant, given_id) = (task.row.tenant.clone(), task.row.given_id.clone());
        self.touch(key);
        self.activate(key);
        self.watch_attempt(key);
        self.take_permits(key);
        self.figures.started(waited);
        if let Some(job) = job {
            let around = self.job(job).row.ancestors.clone();
            around.iter().chain([&job]).for_each(|job| self.start_job(*job));
        }
        self.tell(TransitionKind::TaskStarted, Some(key), job, attempt, Some(worker));
        self.effects.push(Effect::Grant(Grant {
            session: id.clone(),
            token: Token { incarnation: self.incarnation, task: key, lease: number },
            tenant,
            given_id,
            job: job.map(|job| (job, self.job(job).row.given_id.clone())),
            generation,
            attempt,
            spec,
            checkpoint,
            lease_ms,
        }));
    }

    /// The first attempt of a generation starts its job.
    fn start_job(&mut self, key: Key) {
        let now = self.now;
        let state = &mut self.job_mut(key).row.state;
        if state.started_at.is_none() {
            state.started_at = Some(now);
            if state.status == JobStatus::Pending {
                state.status = JobStatus::Running;
            }
            self.touch_job(key);
            self.tell_of_job(TransitionKind::JobStarted, key);
        }
    }
}
