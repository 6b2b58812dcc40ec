//! Unique tasks: a claim names the task that holds a key, and what a second one with the same key does.
//!
//! ```text
//!                      holder waits                   holder runs, or the window is not over
//!  reject    refused, with the holder's id            refused, with the holder's id
//!  replace   the holder is cancelled, accepted        accepted, holds the key from now on
//!  debounce  the holder gets the new body, later      accepted, holds the key from now on
//! ```
//! So under `reject` at most one task of a key is live, and under the others what was sent last is what runs last.

use std::sync::Arc;

use super::super::{Dirt, Shard};
use crate::effect::{Refusal, Submitted};
use crate::event::{NewTask, Start, Unique, UniquePolicy};
use crate::id::{Key, Name};
use crate::limits::RESIDENT_BODY_BYTES_MAX;
use crate::row::{ClaimKind, ClaimName, ClaimRow};
use crate::spec::TaskSpec;
use crate::task::TaskStatus;
use crate::time::Timestamp;

/// The claim of a unique key.
pub(in super::super) fn unique_claim(tenant: &Name, unique: &Unique) -> ClaimName {
    ClaimName { kind: ClaimKind::Unique, tenant: tenant.clone(), text: unique.key.clone() }
}

impl Shard {
    /// What becomes of a task whose key is held: refused, joined with the holder (`Some`), or accepted (`None`).
    pub(super) fn meet_holder(&mut self, task: &NewTask) -> Result<Option<Submitted>, Refusal> {
        let Some(unique) = &task.unique else { return Ok(None) };
        let Some(holder) = self.holder_of(&unique_claim(&task.tenant, unique)) else { return Ok(None) };
        let state = self.tasks.get(&holder).map(|task| &task.row.state);
        let waits = state.is_some_and(|state| {
            matches!(state.status, TaskStatus::Ready | TaskStatus::Scheduled) && state.attempt == 0
        });
        match unique.policy {
            UniquePolicy::Reject => Err(Refusal::NotUnique { key: unique.key.clone(), holder }),
            UniquePolicy::Replace if waits => {
                self.cancel(holder);
                Ok(None)
            }
            UniquePolicy::Debounce if waits => Ok(Some(self.put_off(holder, task))),
            UniquePolicy::Replace | UniquePolicy::Debounce => Ok(None),
        }
    }

    /// Who holds a key: a live task, or whoever took it within its window.
    fn holder_of(&self, name: &ClaimName) -> Option<Key> {
        let claim = self.claims.get(name)?.0.as_ref()?;
        let held = match claim.expires_at {
            Some(at) => at > self.now,
            None => self.tasks.get(&claim.target).is_some_and(|task| !task.row.state.status.is_terminal()),
        };
        held.then_some(claim.target)
    }

    /// Notes that a task holds its key from now on.
    pub(super) fn hold_key(&mut self, tenant: &Name, unique: &Unique, target: Key) {
        let name = unique_claim(tenant, unique);
        let expires_at = unique.window_ms.map(|ms| self.now.plus_ms(ms));
        self.put_claim(ClaimRow { name, target, body_hash: 0, expires_at });
    }

    /// Gives a task that waits the body of one that came later, and its start if that is later.
    fn put_off(&mut self, key: Key, later: &NewTask) -> Submitted {
        let body = later.spec.body.clone();
        let inserted = self.task(key).dirt == Dirt::Inserted;
        let kept = if body.len() > RESIDENT_BODY_BYTES_MAX && !inserted { "".into() } else { body.clone() };
        if let Some(spec) = &self.task(key).row.spec {
            let spec = Arc::new(TaskSpec { body: kept, ..TaskSpec::clone(spec) });
            self.task_mut(key).row.spec = Some(spec);
        }
        self.bytes += body.len();
        if !inserted {
            self.rows += 1;
            self.changes.rewrite_bodies.retain(|(other, _)| *other != key);
            self.changes.rewrite_bodies.push((key, body));
        }
        self.touch(key);
        // A start is put off, never brought forward.
        let planned = self.task(key).row.state.due;
        let due = planned.map_or(self.due_of(later.start), |planned| planned.max(self.due_of(later.start)));
        self.make_scheduled(key, due);
        self.answer_of(key, true)
    }

    /// When a task may start that is accepted now.
    pub(super) fn due_of(&self, start: Start) -> Timestamp {
        match start {
            Start::Now => self.now,
            Start::After(ms) => self.now.plus_ms(ms),
            Start::At(at) => at,
        }
    }
}
