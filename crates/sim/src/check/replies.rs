//! What leaves a node must already be durable, and true (I1, I7, I8, I16, I20).

use mainspring_core::effect::{Answer, Effect, Grant, Refusal, Submitted};
use mainspring_core::event::{NewTask, Order, RequestId, Start, SubmitJob};
use mainspring_core::id::{Key, Name, SessionId, Token};
use mainspring_core::job::JobStatus;
use mainspring_core::limits::RESIDENT_BODY_BYTES_MAX;
use mainspring_core::row::{ClaimKind, ClaimName};

use super::{Checker, Verdict, ensure, moves};
use crate::wire::Ask;

impl Checker {
    /// An effect left; `ask` is what its request had asked, for a reply.
    pub fn released(&mut self, effect: &Effect, ask: Option<&Ask>) -> Verdict {
        match effect {
            Effect::Reply { answer, .. } => match ask {
                Some(ask) => self.check_reply(ask, answer),
                None => Ok(()),
            },
            Effect::Exchanged { to, accepted, stale, .. } => self.check_exchanged(*to, accepted, stale),
            Effect::Grant(grant) => self.check_grant(grant),
            Effect::Revoke { session, token } => self.check_revoke(session, *token),
            Effect::Direct { .. } => Ok(()),
        }
    }

    /// The lease is durable before the grant leaves, and it is this session's.
    fn check_grant(&mut self, grant: &Grant) -> Verdict {
        let token = grant.token;
        if self.deleted.contains(&token.task) {
            return Ok(());
        }
        let Some(row) = self.model.tasks.get(&token.task) else {
            return ensure(false, "I1", || format!("a grant of task {:?}, which has no row", token.task));
        };
        let Some(attempt) = self.model.attempt_of(token.task, token.lease) else {
            return ensure(false, "I7", || format!("the grant {token:?} left before its lease was durable"));
        };
        ensure(attempt.number == grant.attempt && attempt.generation == grant.generation, "I7", || {
            format!("the grant {token:?} says attempt {}, its row {attempt:?}", grant.attempt)
        })?;
        ensure(row.tenant == grant.tenant && row.given_id == grant.given_id, "I22", || {
            format!("the grant {token:?} names `{}` {:?}", grant.tenant, grant.given_id)
        })?;
        let holder = self.holders.entry(token.lease).or_insert_with(|| grant.session.clone());
        ensure(*holder == grant.session, "I7", || {
            format!("the grant {token:?} went to `{}`, its lease is `{holder}`'s", grant.session)
        })?;
        let Some(spec) = &row.spec else { return Ok(()) };
        let body = spec.body == grant.spec.body
            || (grant.spec.body.is_empty() && spec.body.len() > RESIDENT_BODY_BYTES_MAX)
            || row.state.attempt != grant.attempt;
        ensure(body && spec.kind == grant.spec.kind, "I1", || {
            format!("the grant {token:?} carries {:?}, the row {:?}", grant.spec.body.len(), spec.body.len())
        })?;
        if row.state.attempt == grant.attempt && attempt.outcome.is_none() {
            let lease = row.state.lease.as_ref();
            ensure(lease.is_some_and(|lease| lease.number == token.lease), "I7", || {
                format!("the grant {token:?} is not the lease {lease:?}")
            })?;
        }
        Ok(())
    }

    /// Outcomes are durable before they are acknowledged; each attempt has one.
    fn check_exchanged(&mut self, to: RequestId, accepted: &[Token], stale: &[Token]) -> Verdict {
        let Some((session, reported)) = self.asked.exchanges.remove(&to) else { return Ok(()) };
        if !stale.is_empty() {
            self.sometimes.hit("exchange.stale");
        }
        for token in accepted {
            if self.deleted.contains(&token.task) {
                continue;
            }
            let said: Vec<_> = reported.iter().filter(|(other, _)| other == token).map(|(_, what)| *what).collect();
            ensure(!said.is_empty(), "I8", || format!("{token:?} was acknowledged, nobody reported it"))?;
            let attempt = self.model.attempt_of(token.task, token.lease);
            let outcome = attempt.and_then(|attempt| attempt.outcome);
            ensure(outcome.is_some_and(|outcome| said.contains(&outcome)), "I8", || {
                format!("{token:?} was acknowledged as {said:?}, recorded is {outcome:?}")
            })?;
            let holder = self.holders.get(&token.lease);
            ensure(holder.is_none_or(|holder| *holder == session), "I8", || {
                format!("{token:?} of `{holder:?}` was acknowledged to `{session}`")
            })?;
        }
        for token in stale {
            let row = self.model.tasks.get(&token.task);
            let lease = row.and_then(|row| row.state.lease.as_ref());
            let good = lease.is_some_and(|lease| lease.number == token.lease && lease.session == session);
            ensure(!good, "I7", || format!("{token:?} is good, and `{session}` was told that it is stale"))?;
        }
        Ok(())
    }

    /// The end of a lease is durable before its holder is told to stop.
    fn check_revoke(&self, session: &SessionId, token: Token) -> Verdict {
        let row = self.model.tasks.get(&token.task);
        let lease = row.and_then(|row| row.state.lease.as_ref());
        let live = lease.is_some_and(|lease| lease.number == token.lease && lease.session == *session);
        ensure(!live, "I7", || format!("{token:?} is good, and `{session}` was told to stop"))
    }

    fn check_reply(&mut self, ask: &Ask, answer: &Result<Answer, Refusal>) -> Verdict {
        match (ask, answer) {
            (Ask::Tasks(tasks), Ok(Answer::Tasks(results))) => {
                ensure(tasks.len() == results.len(), "I16", || {
                    format!("{} tasks were submitted, {} answers came", tasks.len(), results.len())
                })?;
                for (task, result) in tasks.iter().zip(results) {
                    match result {
                        Ok(submitted) => self.check_submitted(task, submitted)?,
                        Err(refusal) => self.check_refused(&claims_of_task(task), task.body_hash, false, refusal)?,
                    }
                }
                Ok(())
            }
            (Ask::Job(job), Ok(Answer::Job { key, repeated, .. })) => self.check_job_answer(job, *key, *repeated),
            (Ask::Job(job), Err(refusal)) => self.check_refused(&claims_of_job(job), job.body_hash, true, refusal),
            (Ask::Order(order), Ok(answer)) => self.check_order_answer(order, answer),
            (Ask::Order(_), Err(Refusal::Busy)) => {
                self.sometimes.hit("order.busy");
                Ok(())
            }
            (Ask::Order(_), Err(Refusal::WrongState { .. })) => {
                self.sometimes.hit("order.wrong_state");
                Ok(())
            }
            (Ask::Order(_), Err(_)) => Ok(()),
            (ask, answer) => ensure(false, "I16", || format!("{answer:?} answers {ask:?}")),
        }
    }

    fn check_submitted(&mut self, task: &NewTask, submitted: &Submitted) -> Verdict {
        let key = submitted.key;
        let kept = self.model.tasks.contains_key(&key) || self.deleted.contains(&key);
        let forgotten = submitted.repeated && !kept;
        ensure(kept || forgotten, "I1", || format!("task {key:?} was acknowledged and is not durable"))?;
        self.check_same(&claims_of_task(task), task.body_hash, key, submitted.repeated)?;
        if kept {
            self.acknowledged_tasks.insert(key);
        }
        if submitted.repeated {
            self.sometimes.hit("claim.repeated");
            return Ok(());
        }
        let Some(row) = self.model.tasks.get(&key) else { return Ok(()) };
        ensure(row.tenant == task.tenant && row.given_id == task.given_id, "I22", || {
            format!("task {key:?} was stored for `{}`, submitted by `{}`", row.tenant, task.tenant)
        })?;
        let due = match task.start {
            Start::Now => row.created_at,
            Start::After(ms) => row.created_at.plus_ms(ms),
            Start::At(at) => at,
        };
        let first = row.state.generation == 1 && row.state.attempt <= 1 && !self.asked.hurried.contains(&key);
        let early = first && row.state.ready_at.is_some_and(|ready| ready < due);
        let planned = first && row.state.attempt == 0 && row.state.due.is_some_and(|at| at < due);
        ensure(!early && !planned, "I15", || format!("task {key:?} is due at {due:?}: {:?}", row.state))
    }

    fn check_job_answer(&mut self, job: &SubmitJob, key: Key, repeated: bool) -> Verdict {
        let kept = self.model.jobs.contains_key(&key) || self.deleted.contains(&key);
        ensure(kept || repeated, "I1", || format!("job {key:?} was acknowledged and is not durable"))?;
        ensure(!self.model.is_staged(key), "I1", || format!("job {key:?} was acknowledged before its last row"))?;
        self.check_same(&claims_of_job(job), job.body_hash, key, repeated)?;
        if kept {
            self.acknowledged_jobs.insert(key);
        }
        if repeated {
            self.sometimes.hit("claim.repeated");
        } else if let Some(row) = self.model.jobs.get(&key) {
            let same = row.tenant == job.tenant && row.tasks as usize == job.graph.tasks().len();
            ensure(same, "I1", || format!("job {key:?} was stored as {row:?}"))?;
            let stored = self.model.graphs.get(&key).map_or(0, Vec::len);
            ensure(stored == job.graph.tasks().len(), "I1", || format!("job {key:?} has {stored} nodes stored"))?;
        }
        Ok(())
    }

    /// I16: what was acknowledged under a name once leads to the same again.
    fn check_same(&mut self, names: &[ClaimName], hash: u128, key: Key, repeated: bool) -> Verdict {
        let now = self.model.water.time;
        let live = |name: &&ClaimName| {
            self.acknowledged_claims.get(*name).is_some_and(|(_, target, until)| {
                until.is_none_or(|until| until > now)
                    && !self.asked.forgotten.contains(*name)
                    && !self.deleted.contains(target)
            })
        };
        if let Some(name) = names.iter().find(live) {
            let (old_hash, target, _) = self.acknowledged_claims[name];
            ensure(old_hash == hash && target == key, "I16", || {
                format!("{name:?} led to {target:?}, now to {key:?} (repeated: {repeated})")
            })?;
        }
        // A repeat may be answered before what it repeats, whose batch has more parts; but only one is told that it is new.
        let new = repeated || self.acknowledged_as_new.insert(key);
        ensure(new, "I16", || format!("{key:?} was acknowledged as new twice"))?;
        for name in names {
            if let Some(claim) = self.model.claims.get(name).filter(|claim| claim.target == key) {
                self.acknowledged_claims.insert(name.clone(), (claim.body_hash, key, claim.expires_at));
            } else if !repeated && !self.asked.forgotten.contains(name) && !self.deleted.contains(&key) {
                return ensure(false, "I16", || format!("{name:?} was acknowledged for {key:?} without a claim"));
            }
        }
        Ok(())
    }

    fn check_refused(&mut self, names: &[ClaimName], hash: u128, is_job: bool, refusal: &Refusal) -> Verdict {
        let text: &Name = match refusal {
            Refusal::IdTaken(text) | Refusal::KeyReused(text) => text,
            Refusal::Busy | Refusal::OutcomeUnknown => return Ok(()),
            other => return ensure(false, "I16", || format!("a submission was refused: {other}")),
        };
        self.sometimes.hit("claim.refused");
        let name = names.iter().find(|name| name.text == *text);
        let claim = name.and_then(|name| self.model.claims.get(name));
        let of_other_kind = |target: &Key| {
            if is_job { self.model.tasks.contains_key(target) } else { self.model.jobs.contains_key(target) }
        };
        let known = claim.is_some_and(|claim| claim.body_hash != hash || of_other_kind(&claim.target));
        let gone = name.is_some_and(|name| self.asked.forgotten.contains(name));
        ensure(known || gone, "I16", || format!("`{text}` was refused, but {claim:?} is claimed"))
    }

    fn check_order_answer(&mut self, order: &Order, answer: &Answer) -> Verdict {
        match (order, answer) {
            (Order::CancelJob(key), Answer::Done) => {
                self.sometimes.hit("job.cancel");
                let Some(row) = self.model.jobs.get(key) else { return Ok(()) };
                let ended = row.state.status.is_terminal();
                let reopened = self.asked.reopened.contains(key);
                ensure(row.state.cancelled || ended || reopened, "I20", || {
                    format!("the cancel of job {key:?} was acknowledged, its row says {:?}", row.state)
                })?;
                if row.state.cancelled {
                    self.acknowledged_cancels.insert(*key, row.state.generation);
                    if row.state.status == JobStatus::Running {
                        self.sometimes.hit("job.cancelled_while_running");
                    }
                }
                Ok(())
            }
            (Order::CancelTask(key), Answer::Done) => {
                self.sometimes.hit("task.cancel");
                let Some(row) = self.model.tasks.get(key) else { return Ok(()) };
                let ended = moves::is_terminal(row.state.status) || self.asked.reopened.contains(key);
                let reopened = row.job.is_some_and(|job| self.asked.reopened.contains(&job));
                ensure(ended || reopened, "I20", || {
                    format!("the cancel of task {key:?} was acknowledged, it is {:?}", row.state.status)
                })
            }
            (Order::PauseJob(_), Answer::Done) => self.hit("job.pause"),
            (Order::RerunJob(..), Answer::Done) => self.hit("job.rerun"),
            (Order::RetryTask(_), Answer::Done) => self.hit("task.retry_order"),
            (Order::Redrive { .. }, Answer::Took(took)) if !took.is_empty() => {
                let still = took.iter().find(|key| {
                    let row = self.model.tasks.get(*key);
                    row.is_some_and(|row| row.state.dead && row.job.is_none() && row.state.generation == 1)
                });
                ensure(still.is_none(), "I18", || format!("{still:?} was redriven and is still dead"))?;
                self.hit("dead.redrive")
            }
            (Order::Discard(_), Answer::Took(took)) if !took.is_empty() => self.hit("dead.discard"),
            (Order::EditBody(..), Answer::Done) => self.hit("dead.edit"),
            (Order::Delete { .. }, Answer::Took(took)) if !took.is_empty() => {
                // Claims go with what was named, also where the task was not in a state to be deleted.
                self.hit("order.delete")
            }
            (Order::PauseQueue { paused: true, .. }, Answer::Done) => self.hit("queue.pause"),
            (Order::DirectWorker { .. }, Answer::Done) => self.hit("worker.directed"),
            _ => Ok(()),
        }
    }

    fn hit(&mut self, name: &'static str) -> Verdict {
        self.sometimes.hit(name);
        Ok(())
    }
}

/// The names that a task claims, the deciding one first.
fn claims_of_task(task: &NewTask) -> Vec<ClaimName> {
    names(ClaimKind::TaskId, &task.tenant, task.given_id.as_ref(), task.idempotency_key.as_ref())
}

fn claims_of_job(job: &SubmitJob) -> Vec<ClaimName> {
    names(ClaimKind::JobId, &job.tenant, job.given_id.as_ref(), job.idempotency_key.as_ref())
}

fn names(kind: ClaimKind, tenant: &Name, id: Option<&Name>, key: Option<&Name>) -> Vec<ClaimName> {
    let name = |kind: ClaimKind, text: &Name| ClaimName { kind, tenant: tenant.clone(), text: text.clone() };
    let id = id.map(|text| name(kind, text));
    id.into_iter().chain(key.map(|text| name(ClaimKind::IdempotencyKey, text))).collect()
}
