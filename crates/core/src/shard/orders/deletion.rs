//! Deletion of what has ended: by an operator, who is audited, or because it is older than is kept.

use super::super::{Dirt, Shard};
use super::audit::quoted;
use crate::effect::Answer;
use crate::id::{Key, Name};
use crate::job::SweepKind;
use crate::row::ClaimName;

impl Shard {
    /// Deletes what has ended of these, and the claims that lead to it. `actor`: none for what nobody ordered.
    pub(super) fn order_delete(
        &mut self,
        actor: Option<&Name>,
        tasks: Vec<Key>,
        jobs: Vec<Key>,
        forget: Vec<ClaimName>,
    ) -> Answer {
        let mut took = Vec::new();
        for key in tasks {
            let ended = self.tasks.get(&key).filter(|task| {
                task.row.job.is_none() && task.row.state.status.is_terminal() && task.dirt != Dirt::Inserted
            });
            if let Some(task) = ended {
                let detail = detail(task.row.given_id.as_ref(), task.row.state.status.word());
                self.delete_task(key);
                if let Some(actor) = actor {
                    self.audit_task(actor, "task.delete", key, &detail);
                }
                took.push(key);
            }
        }
        for key in jobs {
            let Some(status) = self.known_job(key).ok().map(|state| state.status) else { continue };
            // What carried out a group is deleted with it.
            let job = self.job(key);
            let is_told = job.row.state.sweep.as_ref().is_none_or(|sweep| !sweep.kind.is_outside());
            if status.is_terminal() && is_told && job.row.parent.is_none() && job.dirt != Dirt::Inserted {
                let detail = detail(self.job(key).row.given_id.as_ref(), status.word());
                self.start_sweep(key, SweepKind::Deleting);
                if let Some(actor) = actor {
                    self.audit_job(actor, "job.delete", key, &detail);
                }
                took.push(key);
            }
        }
        self.forget_claims(forget, &took);
        Answer::Took(took)
    }

    /// Forgets those of these claims that lead to something of `gone`: what was left alone keeps its names.
    fn forget_claims(&mut self, names: Vec<ClaimName>, gone: &[Key]) {
        let gone: std::collections::BTreeSet<Key> = gone.iter().copied().collect();
        for name in names {
            let target = self.claims.get(&name).and_then(|(claim, _)| claim.as_ref()).map(|claim| claim.target);
            if target.is_some_and(|target| gone.contains(&target)) {
                self.claims.insert(name.clone(), (None, self.high_water.commit + 1));
                self.changes.put_claims.retain(|claim| claim.name != name);
                self.changes.delete_claims.push(name);
                self.rows += 1;
            }
        }
    }
}

/// What the record of a deletion keeps: nothing else tells its id from now on.
fn detail(given_id: Option<&Name>, status: &str) -> String {
    let id = given_id.map_or(String::new(), |id| format!(r#""id":{},"#, quoted(id)));
    format!(r#"{{{id}"status":{}}}"#, quoted(status))
}
