//! Effects on their way out of a node: what they say is held against what is written, then they are on the network.

use mainspring_core::effect::{Answer, Effect};
use mainspring_core::id::Token;

use crate::history::Rule;
use crate::message::{Life, Message};
use crate::node::{CANCEL, OTHER, Released, SUBMISSION, caller};
use crate::world::World;

impl World {
    /// Lets effects go.
    pub(crate) fn release(&mut self, released: Vec<Released>) {
        for Released { effects, in_force } in released {
            let revoked = |token: Token| {
                effects.iter().any(|effect| matches!(effect, Effect::Revoke { token: taken, .. } if *taken == token))
            };
            let revoked: Vec<Token> = grants(&effects).filter(|token| revoked(*token)).collect();
            for token in grants(&effects).filter(|token| !revoked.contains(token)) {
                let justified = in_force.as_ref().is_some_and(|leases| leases.contains(&token.lease));
                self.history.ensure(justified, Rule::GrantedByCommit);
            }
            for effect in effects {
                // The gateway forgets a grant that was taken back before it was sent.
                if let Effect::Grant(grant) = &effect
                    && revoked.contains(&grant.token)
                {
                    continue;
                }
                self.leave(effect);
            }
        }
    }

    fn leave(&mut self, effect: Effect) {
        match effect {
            Effect::Grant(grant) => self.send(Message::Grant(Life::of_session(&grant.session), grant.token)),
            Effect::Revoke { session, token } => self.send(Message::Revoke(Life::of_session(&session), token)),
            Effect::Exchanged { to, accepted, stale, .. } => {
                for token in &accepted {
                    self.history.outcome_acknowledged(*token, &self.store.rows);
                }
                if !accepted.is_empty() || !stale.is_empty() {
                    self.send(Message::Verdict { life: caller(to), accepted, stale });
                }
            }
            Effect::Reply { to, answer: Ok(answer) } => self.answered(to, answer),
            Effect::Reply { answer: Err(_), .. } | Effect::Direct { .. } | Effect::Evaluate(_) => {}
            Effect::Plan(_) | Effect::Hook(_) | Effect::Announce(_) | Effect::Install(_) | Effect::Loan(_) => {}
        }
    }

    fn answered(&mut self, to: u64, answer: Answer) {
        match (to, answer) {
            (SUBMISSION | OTHER, Answer::Tasks(answers)) => {
                for submitted in answers.into_iter().flatten() {
                    self.history.submitted(usize::from(to == OTHER), submitted.key, &self.store.rows);
                }
            }
            (CANCEL, Answer::Done) => self.history.cancel_acknowledged(&self.store.rows),
            (to, answer) => unreachable!("request {to} is never answered by {answer:?}"),
        }
    }
}

fn grants(effects: &[Effect]) -> impl Iterator<Item = Token> {
    effects.iter().filter_map(|effect| match effect {
        Effect::Grant(grant) => Some(grant.token),
        _ => None,
    })
}
