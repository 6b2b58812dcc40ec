//! Takes in what applications enqueued in the database inside their own transactions: each row becomes a task in the commit
//! in which it leaves, or is put aside with the reason.

use std::sync::Arc;

use mainspring_core::effect::{Answer, Refusal};
use mainspring_core::event::NewTask;
use mainspring_core::time::Timestamp;
use mainspring_protocol::submit::{Defaults, Definitions, parse_task_with};
use mainspring_store::{Dismissed, Error, Inbox, InboxRow, ShardId};

use super::Cluster;
use crate::library::Known;
use crate::node::CallError;
use crate::node::mailbox::Message;
use crate::node::shared::Shared;

/// Rows taken in at once.
const ROWS: usize = 500;

impl Cluster {
    /// Takes in everything that waits for a shard of ours.
    pub(super) async fn take_in(&self, inbox: Arc<dyn Inbox>, shard: ShardId) {
        let Some(shared) = self.local_shard(shard) else { return };
        let mut after = i64::MIN;
        loop {
            let rows = match inbox.waiting(shard, after, ROWS).await {
                Ok(rows) => rows,
                Err(error) => return tracing::warn!(shard = shard.0, %error, "failed to read what was enqueued"),
            };
            let Some(last) = rows.last() else { return };
            after = last.number;
            let is_last = rows.len() < ROWS;
            if let Err(error) = self.take_rows(&*inbox, &shared, rows).await {
                // The rows are still there: the next beat finds them.
                return tracing::warn!(shard = shard.0, %error, "failed to take in what was enqueued");
            }
            if is_last || self.closing.is_cancelled() {
                return;
            }
        }
    }

    async fn take_rows(&self, inbox: &dyn Inbox, shared: &Shared, rows: Vec<InboxRow>) -> Result<(), CallError> {
        let now = Timestamp::from_millis(self.config.clock.wall_ms());
        let (mut tasks, mut dismissed): (Vec<(i64, NewTask)>, Vec<Dismissed>) = Default::default();
        let mut known = Known::of(None);
        for row in rows {
            let defaults = Defaults { now: Some(now), ..Defaults::default() };
            let parse = |find: Definitions<'_>| parse_task_with(row.body.as_bytes(), &defaults, find);
            let parsed = known.parse(&*self.reader, parse).await;
            match parsed.map_err(|error| CallError::Unavailable(error.to_string()))? {
                Ok(task) => tasks.push((row.number, task)),
                Err(problem) => dismissed.push(because(row.number, problem.to_string())),
            }
        }
        let claims = tasks.iter().enumerate().filter_map(|(place, (_, task))| Some((place, task.key_claim()?)));
        for (place, error) in self.claim_keys(claims).await.into_iter().rev() {
            match error {
                CallError::Refused(refusal) => dismissed.push(because(tasks.remove(place).0, refusal.to_string())),
                error => return Err(error),
            }
        }
        let numbers: Vec<i64> = tasks.iter().map(|(number, _)| *number).collect();
        let results = match tasks.is_empty() {
            true => Vec::new(),
            false => match shared.call(|answer| Message::Inbox { tasks, answer }).await? {
                Answer::Tasks(results) => results,
                other => unreachable!("tasks were answered by {other:?}"),
            },
        };
        for (number, result) in numbers.into_iter().zip(results) {
            match result {
                // It left with its task.
                Ok(submitted) if !submitted.repeated => {}
                Ok(_) => dismissed.push(Dismissed { number, reason: None }),
                Err(Refusal::OutcomeUnknown | Refusal::NotServed | Refusal::Busy) => {}
                Err(refusal) => dismissed.push(because(number, refusal.to_string())),
            }
        }
        if dismissed.is_empty() {
            return Ok(());
        }
        let fence = shared.fence().ok_or(CallError::Stopped)?;
        inbox.dismiss(fence, dismissed).await.map_err(|error: Error| CallError::Unavailable(error.to_string()))
    }
}

fn because(number: i64, reason: String) -> Dismissed {
    tracing::warn!(number, reason, "what an application enqueued is no task; it is kept among the rejected");
    Dismissed { number, reason: Some(reason.into()) }
}
