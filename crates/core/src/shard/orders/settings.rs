//! Orders about the shard's settings: queues, workers, definitions.

use std::collections::BTreeMap;

use super::super::Shard;
use crate::effect::{Answer, Effect, Refusal};
use crate::event::{Define, Settings};
use crate::id::Name;
use crate::limits::DEFINITIONS_MAX;
use crate::row::{DefinitionKind, DefinitionRow, Directive, QueueRow, TransitionKind, WorkerRow};
use crate::schedule::ScheduleName;

impl Shard {
    pub(super) fn order_pause_queue(&mut self, actor: &Name, queue: Name, paused: bool) -> Answer {
        let changed = if paused { self.paused_queues.insert(queue.clone()) } else { self.paused_queues.remove(&queue) };
        if changed && self.config.control {
            self.changes.put_queues.retain(|row| row.name != queue);
            self.changes.put_queues.push(QueueRow { name: queue.clone(), paused });
            self.rows += 1;
            let (kind, action) = if paused {
                (TransitionKind::QueuePaused, "queue.pause")
            } else {
                (TransitionKind::QueueResumed, "queue.resume")
            };
            self.tell(kind, None, None, 0, Some(queue.clone()));
            self.audit(actor, action, queue, "{}");
        }
        Answer::Done
    }

    /// The last word counts. A pause is the worker's and outlives its processes; a drain is its present session's, and
    /// where there is none there is nobody to leave.
    pub(super) fn order_direct_worker(&mut self, actor: &Name, worker: Name, directive: Directive) -> Answer {
        let was_paused = self.paused_workers.contains(&worker);
        let mut before = if was_paused { Directive::Pause } else { Directive::Run };
        let mut changed = false;
        if directive != Directive::Drain && directive != before {
            if directive == Directive::Pause {
                self.paused_workers.insert(worker.clone());
            } else {
                self.paused_workers.remove(&worker);
            }
            if self.config.control {
                self.changes.put_workers.retain(|row| row.worker != worker);
                self.changes.put_workers.push(WorkerRow { worker: worker.clone(), directive });
                self.rows += 1;
            }
            changed = true;
        }
        let of_worker = self.sessions.iter_mut().filter(|(_, session)| session.worker == worker);
        for (id, session) in of_worker {
            let drained = std::mem::replace(&mut session.draining, directive == Directive::Drain);
            if drained {
                before = Directive::Drain;
            }
            if changed || drained != session.draining {
                changed = true;
                self.effects.push(Effect::Direct { session: id.clone(), directive });
            }
        }
        if changed && self.config.control {
            let action = match directive {
                Directive::Run => "worker.resume",
                Directive::Pause => "worker.pause",
                Directive::Drain => "worker.drain",
            };
            self.audit(actor, action, worker, &super::audit::before(word(before)));
        }
        Answer::Done
    }

    /// Takes the settings over that another shard owns. Sessions that are told otherwise than before hear it.
    pub(in super::super) fn follow(&mut self, settings: Settings) {
        let Settings { paused_queues, paused_workers, limits } = settings;
        self.follow_limits(limits);
        self.paused_queues = paused_queues;
        self.permits.know_limits();
        let before = std::mem::replace(&mut self.paused_workers, paused_workers);
        for (id, session) in &self.sessions {
            let (was, is) = (before.contains(&session.worker), self.paused_workers.contains(&session.worker));
            if was != is && !session.draining {
                let directive = if is { Directive::Pause } else { Directive::Run };
                self.effects.push(Effect::Direct { session: id.clone(), directive });
            }
        }
    }

    /// Applies all of them, or refuses the first that cannot be.
    pub(super) fn order_define(&mut self, actor: &Name, all: Vec<Define>) -> Result<Answer, Refusal> {
        if all.len() > DEFINITIONS_MAX {
            return Err(Refusal::TooManyDefinitions(all.len() as u32));
        }
        let mut versions = Vec::with_capacity(all.len());
        let mut next: BTreeMap<(DefinitionKind, Name, Name), u32> = BTreeMap::new();
        for one in &all {
            let id = (one.kind, one.tenant.clone(), one.name.clone());
            let last = next.get(&id).or_else(|| self.definitions.get(&id)).copied().unwrap_or(0);
            if one.body.is_none() && last == 0 {
                return Err(Refusal::NoDefinition);
            }
            if one.after.is_some_and(|after| after != last) {
                return Err(Refusal::OtherVersion { name: one.name.clone(), version: last });
            }
            for (name, version) in &one.seen {
                let seen = (DefinitionKind::Job, one.tenant.clone(), name.clone());
                let newest = self.definitions.get(&seen).copied().unwrap_or(0);
                if newest != *version {
                    return Err(Refusal::OtherVersion { name: name.clone(), version: newest });
                }
            }
            versions.push(last + 1);
            next.insert(id, last + 1);
        }
        for (one, version) in all.into_iter().zip(&versions) {
            self.define(actor, one, *version);
        }
        Ok(Answer::Versions(versions))
    }

    fn define(&mut self, actor: &Name, one: Define, version: u32) {
        let Define { kind, tenant, name, body, .. } = one;
        self.definitions.insert((kind, tenant.clone(), name.clone()), version);
        if kind == DefinitionKind::Job {
            self.effects.push(Effect::Install(ScheduleName { tenant: tenant.clone(), name: name.clone() }));
        }
        let action = if body.is_some() { "definition.apply" } else { "definition.delete" };
        self.bytes += body.as_ref().map_or(0, |body| body.len());
        let detail =
            format!(r#"{{"kind":"{}","userId":{},"version":{version}}}"#, kind.word(), super::audit::quoted(&tenant));
        self.audit(actor, action, name.clone(), &detail);
        let (at, actor) = (self.now, actor.clone());
        self.changes.insert_definitions.push(DefinitionRow { kind, tenant, name, version, body, at, actor });
        self.rows += 1;
    }
}

fn word(directive: Directive) -> &'static str {
    match directive {
        Directive::Run => "run",
        Directive::Pause => "pause",
        Directive::Drain => "drain",
    }
}
