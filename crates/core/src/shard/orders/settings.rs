//! Orders about the shard's settings: queues, workers, definitions.

use super::super::Shard;
use crate::effect::{Answer, Refusal};
use crate::event::Settings;
use crate::id::Name;
use crate::row::{DefinitionKind, DefinitionRow, Directive, QueueRow, TransitionKind, WorkerRow};

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
                self.effects.push(crate::effect::Effect::Direct { session: id.clone(), directive });
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
        let before = std::mem::replace(&mut self.paused_workers, paused_workers);
        for (id, session) in &self.sessions {
            let (was, is) = (before.contains(&session.worker), self.paused_workers.contains(&session.worker));
            if was != is && !session.draining {
                let directive = if is { Directive::Pause } else { Directive::Run };
                self.effects.push(crate::effect::Effect::Direct { session: id.clone(), directive });
            }
        }
    }

    pub(super) fn order_define(
        &mut self,
        actor: &Name,
        kind: DefinitionKind,
        tenant: Name,
        name: Name,
        body: Option<std::sync::Arc<str>>,
    ) -> Result<Answer, Refusal> {
        let id = (kind, tenant.clone(), name.clone());
        let last = self.definitions.get(&id).copied();
        if body.is_none() && last.is_none() {
            return Err(Refusal::NoDefinition);
        }
        let version = last.unwrap_or(0) + 1;
        self.definitions.insert(id, version);
        let action = if body.is_some() { "definition.apply" } else { "definition.delete" };
        self.bytes += body.as_ref().map_or(0, |body| body.len());
        let at = self.now;
        self.changes.insert_definitions.push(DefinitionRow { kind, tenant, name: name.clone(), version, body, at });
        self.rows += 1;
        self.audit(actor, action, name, &format!(r#"{{"version":{version}}}"#));
        Ok(Answer::Version(version))
    }
}

fn word(directive: Directive) -> &'static str {
    match directive {
        Directive::Run => "run",
        Directive::Pause => "pause",
        Directive::Drain => "drain",
    }
}
