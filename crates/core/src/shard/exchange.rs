//! What workers say: outcomes, renewals, output, progress.

use super::Shard;
use crate::effect::Effect;
use crate::event::{AttemptEnded, Exchange, LogLine};
use crate::id::{Key, SessionId, Token};
use crate::limits::CHECKPOINT_BYTES_MAX;
use crate::row::{LogRow, LogStream, TransitionKind};
use crate::task::{Outcome, TaskStatus};

/// What an outcome report deserves.
enum Standing {
    /// It ends the running attempt.
    Good,
    /// It was taken before.
    Repeat,
    /// Another attempt, or none, has the task now.
    Stale,
}

impl Shard {
    /// Notes the signs of life in what waits to be stepped, before any deadline is judged: after a stall nobody is given
    /// up who has spoken meanwhile. And takes back what sessions were offered that speak anew. Changes no row.
    pub(crate) fn hear(&mut self, exchange: &Exchange) {
        let now = self.now;
        if let Some(session) = self.sessions.get_mut(&exchange.session) {
            session.heard_at = now;
            // It counts its places anew. Until that is stepped, which may wait for rows, none is granted under the old
            // count: the same place would be granted under the new one too.
            session.credits = 0;
        }
        for token in &exchange.running {
            if self.holds(&exchange.session, *token) {
                self.renew(token.task, exchange.lease_ms);
            }
        }
        let printed = exchange.logs.iter().filter(|line| is_sign_of_life(line)).map(|line| line.token);
        for token in printed.chain(exchange.progress.iter().map(|progress| progress.token)) {
            if self.holds(&exchange.session, token) {
                self.task_mut(token.task).beat_at = now;
            }
        }
        for ended in &exchange.outcomes {
            if self.holds(&exchange.session, ended.token) {
                self.task_mut(ended.token.task).reported = true;
            }
        }
    }

    pub(super) fn exchange(&mut self, exchange: Exchange) {
        self.greet(&exchange);
        let mut accepted = Vec::with_capacity(exchange.outcomes.len());
        let mut stale = Vec::new();
        // Output of an attempt is taken before its outcome: afterwards its token is stale.
        self.take_logs(&exchange, &mut stale);
        self.take_progress(&exchange, &mut stale);
        let reported: Vec<Token> =
            if exchange.resume { exchange.outcomes.iter().map(|ended| ended.token).collect() } else { Vec::new() };
        for ended in exchange.outcomes {
            let token = ended.token;
            match self.standing(&exchange.session, &ended) {
                Standing::Good => {
                    self.take_outcome(ended);
                    accepted.push(token);
                }
                Standing::Repeat => accepted.push(token),
                Standing::Stale => stale.push(token),
            }
        }
        for token in &exchange.running {
            if self.holds(&exchange.session, *token) {
                self.renew(token.task, exchange.lease_ms);
            } else {
                stale.push(*token);
            }
        }
        if exchange.resume {
            self.grant_again(&exchange.session, &exchange.running, &reported);
        }
        stale.sort_unstable();
        stale.dedup();
        // Only the owner may call a token stale: the verdict waits for a commit, which a node that lost the shard cannot make.
        self.rows += usize::from(!stale.is_empty());
        let directive = self.directive_of(&self.sessions[&exchange.session]);
        self.effects.push(Effect::Exchanged { to: exchange.to, accepted, stale, directive });
    }

    /// Whether the session holds this lease now (I7).
    fn holds(&self, session: &SessionId, token: Token) -> bool {
        token.incarnation == self.incarnation
            && self
                .tasks
                .get(&token.task)
                .and_then(|task| task.row.state.lease.as_ref())
                .is_some_and(|lease| lease.number == token.lease && lease.session == *session)
    }

    fn standing(&self, session: &SessionId, ended: &AttemptEnded) -> Standing {
        if self.holds(session, ended.token) {
            return Standing::Good;
        }
        let last = self.tasks.get(&ended.token.task).and_then(|task| task.row.state.last.as_ref());
        let taken_before = ended.token.incarnation == self.incarnation
            && last.is_some_and(|last| last.lease == ended.token.lease && last.outcome == Some(ended.outcome));
        if taken_before { Standing::Repeat } else { Standing::Stale }
    }

    fn take_outcome(&mut self, ended: AttemptEnded) {
        let key = ended.token.task;
        match ended.outcome {
            Outcome::Success => self.complete(key, ended.output),
            Outcome::Interrupted => self.lose(key, Outcome::Interrupted),
            Outcome::Cancelled => {
                self.end_attempt(key, Outcome::Cancelled, ended.error);
                self.end_task(key, TaskStatus::Cancelled);
            }
            outcome => self.fail_attempt(key, outcome, ended.error, ended.retryable, ended.retry_after_ms),
        }
    }

    fn renew(&mut self, key: Key, lease_ms: u64) {
        let until = self.now.plus_ms(lease_ms);
        let task = self.task_mut(key);
        task.lease_until = task.lease_until.max(until);
        // The armed timer is left alone: when it fires, it looks at the lease again.
    }

    fn take_logs(&mut self, exchange: &Exchange, stale: &mut Vec<Token>) {
        for line in &exchange.logs {
            if !self.holds(&exchange.session, line.token) {
                stale.push(line.token);
                continue;
            }
            let now = self.now;
            let task = self.task_mut(line.token.task);
            if is_sign_of_life(line) {
                task.beat_at = now;
            }
            let attempt = task.row.state.attempt;
            self.bytes += line.data.len();
            self.changes.insert_logs.push(LogRow {
                task: line.token.task,
                attempt,
                number: line.number,
                stream: line.stream,
                at: self.now,
                data: line.data.clone(),
            });
            self.rows += 1;
        }
    }

    fn take_progress(&mut self, exchange: &Exchange, stale: &mut Vec<Token>) {
        for progress in &exchange.progress {
            let key = progress.token.task;
            if !self.holds(&exchange.session, progress.token) {
                stale.push(progress.token);
                continue;
            }
            let now = self.now;
            let task = self.task_mut(key);
            // The feed takes at most one a second of each task; every one counts as a sign of life.
            let due = task.told_at.is_none_or(|at| now.since(at) >= 1_000);
            task.beat_at = now;
            // Of checkpoints the last one is kept until the next may be stored.
            if let Some(checkpoint) = progress.checkpoint.as_ref().filter(|text| text.len() <= CHECKPOINT_BYTES_MAX) {
                task.noted = Some(checkpoint.clone());
            }
            let (job, attempt) = (task.row.job, task.row.state.attempt);
            if !due {
                continue;
            }
            task.told_at = Some(now);
            if let Some(noted) = task.noted.take() {
                let bytes = noted.len();
                task.row.state.checkpoint = Some(noted);
                self.bytes += bytes;
                self.touch(key);
            }
            let text = match (progress.percent, &progress.message) {
                (Some(percent), Some(message)) => format!("{percent}% {message}").into(),
                (Some(percent), None) => format!("{percent}%").into(),
                (None, Some(message)) => message.clone(),
                (None, None) => continue,
            };
            self.tell(TransitionKind::TaskProgress, Some(key), job, attempt, Some(text));
        }
    }

    /// Grants again, with the same tokens, what a session holds and does not speak of: the reply was lost with the node. What
    /// it was granted before the store went back it may have run long ago: that is over, and tried again under a larger fence.
    fn grant_again(&mut self, session: &SessionId, running: &[Token], reported: &[Token]) {
        let held: Vec<Key> = self.sessions[session].leases.iter().copied().collect();
        for key in held {
            // It may speak of an older lease of the same task, whose loss it has not heard of.
            let known = running.iter().chain(reported).any(|token| token.task == key && self.holds(session, *token));
            let lease = self.task(key).row.state.lease.as_ref();
            if lease.is_some_and(|lease| lease.number <= Token::lease_before(self.incarnation)) {
                self.lose(key, Outcome::Lost);
            } else if !known {
                self.repeat_grant(session, key);
            }
        }
    }

    /// The attempt starts only now: its deadlines count from here.
    fn repeat_grant(&mut self, session: &SessionId, key: Key) {
        let now = self.now;
        let task = self.task_mut(key);
        let lease_ms = task.row.state.lease.as_ref().map_or(0, |lease| lease.lease_ms);
        task.lease_until = task.lease_until.max(now.plus_ms(lease_ms));
        task.run_from = now;
        task.beat_at = now;
        let task = self.task(key);
        let (Some(lease), Some(spec)) = (&task.row.state.lease, &task.row.spec) else { return };
        let job = task.row.job.map(|job| (job, self.job(job).row.given_id.clone()));
        self.effects.push(Effect::Grant(crate::effect::Grant {
            session: session.clone(),
            token: Token { incarnation: self.incarnation, task: key, lease: lease.number },
            tenant: task.row.tenant.clone(),
            given_id: task.row.given_id.clone(),
            job,
            generation: task.row.state.generation,
            attempt: task.row.state.attempt,
            spec: spec.clone(),
            checkpoint: task.row.state.checkpoint.clone(),
            lease_ms: lease.lease_ms,
        }));
        let session = self.sessions.get_mut(session).expect("the session is connected");
        session.credits = session.credits.saturating_sub(1);
        // A node that lost the shard may not know that somebody called the task off meanwhile: only a commit tells.
        self.rows += 1;
    }
}

/// Whether the task's own code printed this; what the worker remarks about it is none of its doing.
fn is_sign_of_life(line: &LogLine) -> bool {
    line.stream != LogStream::System
}
