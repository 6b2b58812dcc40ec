//! What leaves a node must already be durable, and true (I1, I7, I8, I16, I20).

use mainspring_core::effect::{Answer, Effect, Grant, Refusal};
use mainspring_core::event::RequestId;
use mainspring_core::id::{SessionId, Token};
use mainspring_core::limits::RESIDENT_BODY_BYTES_MAX;

use super::submissions::{claims_of_job, claims_of_task};
use super::{Checker, Verdict, ensure};
use crate::wire::Ask;

impl Checker {
    /// An effect left; `ask` is what its request had asked, for a reply.
    pub fn released(&mut self, effect: &Effect, ask: Option<&Ask>) -> Verdict {
        match effect {
            Effect::Reply { answer, .. } => match ask {
                Some(ask) => {
                    self.check_reply(ask, answer)?;
                    let acknowledged = std::mem::take(&mut self.acknowledging);
                    self.acknowledged_claims.extend(acknowledged);
                    Ok(())
                }
                None => Ok(()),
            },
            Effect::Exchanged { to, accepted, stale, .. } => self.check_exchanged(*to, accepted, stale),
            Effect::Grant(grant) => self.check_grant(grant),
            Effect::Revoke { session, token } => self.check_revoke(session, *token),
            Effect::Evaluate(_) | Effect::Direct { .. } | Effect::Plan(_) => Ok(()),
            Effect::Hook(_) | Effect::Announce(_) | Effect::Loan(_) => Ok(()),
            Effect::Install(id) => self.check_install(id),
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
        let Some(spec) = row.spec.clone() else { return Ok(()) };
        let body = spec.body == grant.spec.body
            || (grant.spec.body.is_empty() && spec.body.len() > RESIDENT_BODY_BYTES_MAX)
            || row.state.attempt != grant.attempt;
        ensure(body && spec.kind == grant.spec.kind, "I1", || {
            format!("the grant {token:?} carries {:?}, the row {:?}", grant.spec.body.len(), spec.body.len())
        })?;
        let noted = grant.checkpoint.as_ref().and_then(|text| self.asked.checkpoints.get(&(token.task, text.clone())));
        if grant.checkpoint.is_some() {
            let of = noted.and_then(|lease| self.model.attempt_of(token.task, *lease));
            ensure(of.is_some_and(|of| of.generation == grant.generation), "I1", || {
                format!("the grant {token:?} carries the checkpoint {:?}", grant.checkpoint)
            })?;
            self.sometimes.hit("grant.with_checkpoint");
        }
        let Some(row) = self.model.tasks.get(&token.task) else { return Ok(()) };
        let Some(attempt) = self.model.attempt_of(token.task, token.lease) else { return Ok(()) };
        let live = row.state.attempt == grant.attempt && attempt.outcome.is_none();
        if live {
            let lease = row.state.lease.as_ref();
            ensure(lease.is_some_and(|lease| lease.number == token.lease), "I7", || {
                format!("the grant {token:?} is not the lease {lease:?}")
            })?;
        }
        self.count_grant(token.lease, grant.generation, spec.body.len());
        Ok(())
    }

    /// Outcomes are durable before they are acknowledged; each attempt has one.
    fn check_exchanged(&mut self, to: RequestId, accepted: &[Token], stale: &[Token]) -> Verdict {
        let Some(said) = self.asked.exchanges.remove(&to) else { return Ok(()) };
        self.check_logs(&said, stale)?;
        let (session, reported) = (said.session, said.outcomes);
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
            self.check_output(*token)?;
            if !self.settled.insert(token.lease) {
                self.sometimes.hit("exchange.repeat_accepted");
            }
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
                if tasks.len() > self.config.shard.step_rows_max / 4 {
                    self.sometimes.hit("batch.split");
                }
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
            (Ask::Order(_), Err(Refusal::NotFound)) => self.hit("order.not_found"),
            (Ask::Order(_), Err(_)) => Ok(()),
            (ask, answer) => ensure(false, "I16", || format!("{answer:?} answers {ask:?}")),
        }
    }

    pub(super) fn hit(&mut self, name: &'static str) -> Verdict {
        self.sometimes.hit(name);
        Ok(())
    }
}
