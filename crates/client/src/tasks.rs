//! Calls about tasks: standalone ones and those of jobs.

use std::time::Duration;

use mainspring_protocol::order::{BulkRequest, SignalRequest};
use mainspring_protocol::view::{AttemptView, BulkView, LogView, Page, SubmittedView, TaskView, WhyView};
use reqwest::Method;
use reqwest::header::HeaderName;
use serde::Serialize;
use serde::de::IgnoredAny;

use crate::client::{Call, Client, JSON};
use crate::error::Error;
use crate::query::{ListQuery, TaskRef};
use crate::stream::Stream;

/// # Errors
/// Every method: see [`Error`].
impl Client {
    /// Submits one task, in the API's own JSON. With an idempotency key the call may be repeated.
    pub async fn submit_task(
        &self,
        task: &impl Serialize,
        idempotency_key: Option<&str>,
    ) -> Result<SubmittedView, Error> {
        let body = Some((self.encode(task)?, JSON));
        let headers = idempotency_header(idempotency_key);
        self.call(Method::POST, Call { path: vec!["tasks"], body, headers, ..Call::default() }).await
    }

    /// A page of tasks, newest first.
    pub async fn tasks(&self, query: &ListQuery) -> Result<Page<TaskView>, Error> {
        self.get(vec!["tasks"], query.pairs()).await
    }

    /// One task.
    pub async fn task(&self, task: &TaskRef) -> Result<TaskView, Error> {
        self.get(task.path(&[]), Vec::new()).await
    }

    /// One task once it has ended, or as it is after `wait`.
    pub async fn task_when_ended(&self, task: &TaskRef, wait: Duration) -> Result<TaskView, Error> {
        let query = vec![("wait", wait_text(wait))];
        self.call(Method::GET, Call { path: task.path(&[]), query, wait, ..Call::default() }).await
    }

    /// All attempts of a task, in order.
    pub async fn attempts(&self, task: &TaskRef) -> Result<Page<AttemptView>, Error> {
        self.get(task.path(&["attempts"]), Vec::new()).await
    }

    /// What keeps a task from running.
    pub async fn why(&self, task: &TaskRef) -> Result<WhyView, Error> {
        self.get(task.path(&["why"]), Vec::new()).await
    }

    /// A page of what an attempt printed (the last one, if none is named).
    pub async fn logs(
        &self,
        task: &TaskRef,
        attempt: Option<u32>,
        cursor: Option<String>,
    ) -> Result<Page<LogView>, Error> {
        let mut query = attempt_pair(attempt);
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        self.get(task.path(&["logs"]), query).await
    }

    /// What an attempt prints, from its beginning, as it comes: messages of [`LogView`] until the task has ended.
    pub async fn follow_logs(&self, task: &TaskRef, attempt: Option<u32>) -> Result<Stream, Error> {
        let mut query = attempt_pair(attempt);
        query.push(("follow", "true".to_owned()));
        Stream::open(self, task.path(&["logs"]), query, None).await
    }

    /// Calls a task off.
    pub async fn cancel_task(&self, task: &TaskRef) -> Result<(), Error> {
        self.order(task.path(&["cancel"])).await
    }

    /// Makes a waiting task ready now, or runs an ended one again in its next generation.
    pub async fn retry_task(&self, task: &TaskRef) -> Result<(), Error> {
        self.order(task.path(&["retry"])).await
    }

    /// Answers a task that waits for an approval.
    pub async fn signal_task(&self, task: &TaskRef, answer: &SignalRequest) -> Result<(), Error> {
        self.post::<IgnoredAny>(task.path(&["signal"]), answer).await.map(drop)
    }

    /// A page of the instances of a task with a `forEach`, in order.
    pub async fn instances(&self, task: &TaskRef, query: &ListQuery) -> Result<Page<TaskView>, Error> {
        self.get(task.path(&["instances"]), query.pairs()).await
    }

    /// Deletes an ended task.
    pub async fn delete_task(&self, task: &TaskRef) -> Result<(), Error> {
        self.delete(task.path(&[])).await
    }

    /// Orders something about every task that a query finds, or counts them only.
    pub async fn bulk_tasks(&self, request: &BulkRequest) -> Result<BulkView, Error> {
        self.post(vec!["tasks", "bulk"], request).await
    }

    /// An order without a body, whose answer says no more than that it was taken.
    pub(crate) async fn order(&self, path: Vec<&str>) -> Result<(), Error> {
        self.call::<IgnoredAny>(Method::POST, Call { path, ..Call::default() }).await.map(drop)
    }

    pub(crate) async fn delete(&self, path: Vec<&str>) -> Result<(), Error> {
        self.call::<IgnoredAny>(Method::DELETE, Call { path, ..Call::default() }).await.map(drop)
    }
}

/// The header that makes a creating call safe to repeat.
pub(crate) fn idempotency_header(key: Option<&str>) -> Vec<(HeaderName, String)> {
    key.map(|key| (HeaderName::from_static("idempotency-key"), key.to_owned())).into_iter().collect()
}

/// `?wait=` in whole milliseconds.
pub(crate) fn wait_text(wait: Duration) -> String {
    format!("{}ms", wait.as_millis())
}

fn attempt_pair(attempt: Option<u32>) -> Vec<(&'static str, String)> {
    attempt.map(|attempt| ("attempt", attempt.to_string())).into_iter().collect()
}
