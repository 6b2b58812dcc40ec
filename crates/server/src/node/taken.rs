//! Rows of the store's inbox on their way to becoming tasks: each leaves in the commit that inserts its task.

use std::collections::HashMap;
use std::sync::Arc;

use mainspring_core::event::{NewTask, RequestId};
use mainspring_core::row::{Changes, ClaimKind, ClaimName};
use mainspring_store::{BoxFuture, CommitAnswer, ShardCommit, Store};

/// The rows of one batch, by the claims of their tasks.
#[derive(Debug, Default)]
pub(super) struct Taken {
    request: Option<RequestId>,
    rows: HashMap<ClaimName, (u128, i64)>,
}

impl Taken {
    /// A batch goes to the core under this request.
    pub(super) fn begin(&mut self, request: RequestId, tasks: Vec<(i64, NewTask)>) -> Vec<NewTask> {
        self.request = Some(request);
        self.rows.clear();
        let mut submitted = Vec::with_capacity(tasks.len());
        for (number, task) in tasks {
            if let Some(text) = task.given_id.clone() {
                let name = ClaimName { kind: ClaimKind::TaskId, tenant: task.tenant.clone(), text };
                self.rows.insert(name, (task.body_hash, number));
            }
            submitted.push(task);
        }
        submitted
    }

    /// The batch was answered: whatever has not left now stays.
    pub(super) fn end(&mut self, request: RequestId) {
        if self.request == Some(request) {
            self.clear();
        }
    }

    /// The core was lost.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Orders a commit, with the rows whose tasks it inserts.
    pub(super) fn commit(&mut self, store: &Arc<dyn Store>, commit: ShardCommit) -> BoxFuture<Vec<CommitAnswer>> {
        let numbers = self.of(&commit.changes);
        match store.inbox() {
            Some(inbox) if !numbers.is_empty() => inbox.commit(commit, numbers),
            _ => store.commit(vec![commit]),
        }
    }

    fn of(&mut self, changes: &Changes) -> Vec<i64> {
        if self.rows.is_empty() {
            return Vec::new();
        }
        let mut numbers = Vec::new();
        for claim in &changes.put_claims {
            // Somebody else may have taken the id with another body: then the row is refused, and does not leave here.
            if self.rows.get(&claim.name).is_some_and(|(hash, _)| *hash == claim.body_hash) {
                numbers.extend(self.rows.remove(&claim.name).map(|(_, number)| number));
            }
        }
        numbers
    }
}
