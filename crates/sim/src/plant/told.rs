//! Bugs in what is told to the core, and in what leaves it.

use mainspring_core::effect::{Effect, Grant};
use mainspring_core::event::{Event, Exchange, Order, Start};
use mainspring_core::id::{SessionId, Token};

use super::{Plant, Planted};
use crate::check::model::Model;
use crate::workload::TENANTS;

impl Planted {
    /// What is told to the core; false if it is not told at all.
    pub fn on_event(&mut self, event: &mut Event, model: &Model) -> bool {
        match event {
            Event::SubmitTasks(submission) if self.plant == Plant::ForgottenDelay => {
                for task in &mut submission.tasks {
                    if matches!(task.start, Start::After(ms) if ms > 50) && self.strikes(Plant::ForgottenDelay) {
                        task.start = Start::Now;
                    }
                }
                true
            }
            Event::SubmitTasks(submission) => {
                submission.tasks.iter_mut().for_each(|task| self.loosen(&mut task.spec));
                true
            }
            Event::Command(command) => match &mut command.order {
                Order::CancelJob(_) => !self.strikes(Plant::IgnoredCancel),
                Order::SetLimits { patch, .. } => {
                    self.loosen_quota(patch);
                    true
                }
                Order::Define(all) if all.iter().any(|one| !one.seen.is_empty()) => {
                    if self.strikes_often(Plant::UncheckedDefinition, 100) {
                        all.iter_mut().for_each(|one| one.seen.clear());
                    }
                    true
                }
                Order::PauseQueue { .. } => !self.strikes(Plant::IgnoredPause),
                _ => true,
            },
            Event::Evaluated(evaluated) => {
                self.spoil_verdict(evaluated, model);
                true
            }
            Event::Exchange(exchange) => {
                if !exchange.running.is_empty() && self.strikes_often(Plant::DeafRenewal, 100) {
                    exchange.running.clear();
                }
                if self.plant == Plant::AdoptedOutcome {
                    self.adopt(exchange, model);
                }
                true
            }
            _ => true,
        }
    }

    /// Takes the outcome of a dead attempt for the live one.
    fn adopt(&mut self, exchange: &mut Exchange, model: &Model) {
        for ended in &mut exchange.outcomes {
            let state = model.tasks.get(&ended.token.task).map(|row| &row.state);
            let Some(lease) = state.and_then(|state| state.lease.as_ref()) else { continue };
            if lease.number != ended.token.lease {
                self.struck += 1;
                ended.token.lease = lease.number;
                exchange.session = lease.session.clone();
                exchange.worker = lease.worker.clone();
            }
        }
    }

    /// What leaves.
    pub fn on_effects(&mut self, effects: &mut Vec<Effect>) {
        self.drop_questions(effects);
        effects.retain(|effect| match effect {
            Effect::Grant(grant) if &*grant.tenant == TENANTS[2] => {
                !self.strikes_often(Plant::StarvedTenant, 100) && !self.strikes(Plant::LostGrant)
            }
            Effect::Grant(_) => !self.strikes(Plant::LostGrant),
            Effect::Reply { .. } => !self.strikes(Plant::LostReply),
            Effect::Install(_) => !self.strikes(Plant::LostInstall),
            _ => true,
        });
        let granted = effects.iter().filter_map(|effect| match effect {
            Effect::Grant(grant) => Some(grant.session.clone()),
            _ => None,
        });
        let sessions: Vec<SessionId> = granted.collect();
        let mut extra = Vec::new();
        for effect in effects.iter_mut() {
            match effect {
                Effect::Exchanged { accepted, stale, .. }
                    if !stale.is_empty() && self.strikes(Plant::StaleAccepted) =>
                {
                    accepted.append(stale);
                }
                Effect::Grant(grant) => self.spoil_grant(grant, &sessions, &mut extra),
                _ => {}
            }
        }
        effects.extend(extra);
    }

    fn spoil_grant(&mut self, grant: &mut Grant, sessions: &[SessionId], extra: &mut Vec<Effect>) {
        let other = sessions.iter().find(|session| **session != grant.session);
        if let Some(other) = other
            && self.strikes(Plant::GrantToTwo)
        {
            extra.push(Effect::Grant(Grant { session: other.clone(), ..grant.clone() }));
        }
        if self.strikes(Plant::WrongToken) {
            grant.token = Token { lease: grant.token.lease + 1, ..grant.token };
        }
        if self.strikes(Plant::GoodCalledStale) {
            extra.push(Effect::Revoke { session: grant.session.clone(), token: grant.token });
        }
    }
}
