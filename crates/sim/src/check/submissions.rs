//! What is said of submissions: accepted means durable, a name leads to one body, refusals have a reason (I1, I15, I16, I22).

use mainspring_core::effect::{Refusal, Submitted};
use mainspring_core::event::{NewTask, Start, SubmitJob};
use mainspring_core::id::{Key, Name};
use mainspring_core::row::{ClaimKind, ClaimName};

use super::{Checker, Verdict, ensure};

impl Checker {
    pub(super) fn check_submitted(&mut self, task: &NewTask, submitted: &Submitted) -> Verdict {
        let key = submitted.key;
        let kept = self.model.tasks.contains_key(&key) || self.deleted.contains(&key);
        let forgotten = submitted.repeated && !kept;
        ensure(kept || forgotten, "I1", || format!("task {key:?} was acknowledged and is not durable"))?;
        self.check_same(&claims_of_task(task), task.body_hash, key, submitted.repeated)?;
        if kept {
            self.acknowledged_tasks.insert(key);
        }
        if submitted.repeated {
            let word = if task.unique.is_some() { "unique.put_off" } else { "claim.repeated" };
            self.sometimes.hit(word);
            return Ok(());
        }
        let Some(row) = self.model.tasks.get(&key) else { return Ok(()) };
        ensure(row.tenant == task.tenant && row.given_id == task.given_id, "I22", || {
            format!("task {key:?} was stored for `{}`, submitted by `{}`", row.tenant, task.tenant)
        })?;
        if let Some(unique) = &task.unique {
            let text = unique.key.clone();
            let name = ClaimName { kind: ClaimKind::Unique, tenant: task.tenant.clone(), text };
            let held = self.model.claims.contains_key(&name) || self.asked.forgotten.contains(&name);
            ensure(held, "I16", || format!("task {key:?} was accepted, and nobody holds {name:?}"))?;
            self.sometimes.hit("unique.accepted");
            // Others may have put its start off, or brought it forward.
            return Ok(());
        }
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

    pub(super) fn check_job_answer(&mut self, job: &SubmitJob, key: Key, repeated: bool) -> Verdict {
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
        // The first name with a claim decides; one that was claimed earlier in the same batch is not acknowledged yet.
        let claimed = |name: &&ClaimName| repeated && self.model.claims.get(*name).is_some_and(|row| row.target == key);
        if let Some(name) = names.iter().find(|name| live(name) || claimed(name)).filter(live) {
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
                self.acknowledging.push((name.clone(), (claim.body_hash, key, claim.expires_at)));
            } else if !repeated && !self.asked.forgotten.contains(name) && !self.deleted.contains(&key) {
                return ensure(false, "I16", || format!("{name:?} was acknowledged for {key:?} without a claim"));
            }
        }
        Ok(())
    }

    pub(super) fn check_refused(
        &mut self,
        names: &[ClaimName],
        hash: u128,
        is_job: bool,
        refusal: &Refusal,
    ) -> Verdict {
        let text: &Name = match refusal {
            Refusal::IdTaken(text) | Refusal::KeyReused(text) => text,
            Refusal::Busy | Refusal::NotServed | Refusal::OutcomeUnknown => return Ok(()),
            Refusal::NotUnique { holder, .. } => {
                self.sometimes.hit("unique.refused");
                let known = self.model.tasks.contains_key(holder) || self.deleted.contains(holder);
                return ensure(known, "I16", || format!("a task was refused for {holder:?}, which is not there"));
            }
            // The rates of tenants let no more in than they say; that they let anything in shows in what is accepted.
            Refusal::QuotaExceeded { .. } => {
                self.sometimes.hit("quota.exceeded");
                return Ok(());
            }
            Refusal::BacklogFull { .. } => return self.check_backlog_full(refusal),
            // Its limits are kept by different shards.
            Refusal::KeyElsewhere(_) if self.config.cluster.is_some() => return Ok(()),
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
}

/// The names that a task claims, the deciding one first.
pub(super) fn claims_of_task(task: &NewTask) -> Vec<ClaimName> {
    names(ClaimKind::TaskId, &task.tenant, task.given_id.as_ref(), task.idempotency_key.as_ref())
}

pub(super) fn claims_of_job(job: &SubmitJob) -> Vec<ClaimName> {
    names(ClaimKind::JobId, &job.tenant, job.given_id.as_ref(), job.idempotency_key.as_ref())
}

fn names(kind: ClaimKind, tenant: &Name, id: Option<&Name>, key: Option<&Name>) -> Vec<ClaimName> {
    let name = |kind: ClaimKind, text: &Name| ClaimName { kind, tenant: tenant.clone(), text: text.clone() };
    let id = id.map(|text| name(kind, text));
    id.into_iter().chain(key.map(|text| name(ClaimKind::IdempotencyKey, text))).collect()
}
