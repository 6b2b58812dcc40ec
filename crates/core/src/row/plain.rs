//! Rows as most of them are, to be changed in what differs.

use std::sync::Arc;

use super::TaskRow;
use crate::id::Key;
use crate::spec::{TaskSpec, Trigger};
use crate::task::{Place, TaskState, TaskStatus};
use crate::time::Timestamp;

impl TaskRow {
    /// A standalone task of the tenant `default` that is ready and in memory, and was given no id.
    pub fn new(key: Key, spec: TaskSpec, created_at: Timestamp) -> Self {
        Self {
            key,
            tenant: "default".into(),
            given_id: None,
            job: None,
            spec: Some(Arc::new(spec)),
            trigger: Trigger::default(),
            parents: 0,
            created_at,
            state: TaskState::new(TaskStatus::Ready, Place::Hot),
        }
    }
}
