//! Calls about jobs.

use std::time::Duration;

use mainspring_protocol::order::{BulkRequest, RerunRequest};
use mainspring_protocol::view::{BulkView, GraphView, JobView, Page, SubmittedJobView, TaskView};
use reqwest::Method;
use serde::de::IgnoredAny;

use crate::client::{Call, Client, JSON};
use crate::error::Error;
use crate::query::ListQuery;
use crate::stream::Stream;
use crate::tasks::{idempotency_header, wait_text};

/// # Errors
/// Every method: see [`Error`].
impl Client {
    /// Submits a job written in JSON.
    pub async fn submit_job_json(
        &self,
        job: Vec<u8>,
        idempotency_key: Option<&str>,
    ) -> Result<SubmittedJobView, Error> {
        self.submit_job(job, JSON, idempotency_key).await
    }

    /// Submits a job written in YAML.
    pub async fn submit_job_yaml(
        &self,
        job: Vec<u8>,
        idempotency_key: Option<&str>,
    ) -> Result<SubmittedJobView, Error> {
        self.submit_job(job, "application/yaml", idempotency_key).await
    }

    async fn submit_job(
        &self,
        job: Vec<u8>,
        media_type: &'static str,
        idempotency_key: Option<&str>,
    ) -> Result<SubmittedJobView, Error> {
        let headers = idempotency_header(idempotency_key);
        let body = Some((job, media_type));
        self.call(Method::POST, Call { path: vec!["jobs"], body, headers, ..Call::default() }).await
    }

    /// A page of jobs, newest first.
    pub async fn jobs(&self, query: &ListQuery) -> Result<Page<JobView>, Error> {
        self.get(vec!["jobs"], query.pairs()).await
    }

    /// One job.
    pub async fn job(&self, job: &str) -> Result<JobView, Error> {
        self.get(vec!["jobs", job], Vec::new()).await
    }

    /// One job once it has ended, or as it is after `wait`.
    pub async fn job_when_ended(&self, job: &str, wait: Duration) -> Result<JobView, Error> {
        let query = vec![("wait", wait_text(wait))];
        self.call(Method::GET, Call { path: vec!["jobs", job], query, wait, ..Call::default() }).await
    }

    /// A page of the tasks of a job, in topological order.
    pub async fn job_tasks(&self, job: &str, query: &ListQuery) -> Result<Page<TaskView>, Error> {
        self.get(vec!["jobs", job, "tasks"], query.pairs()).await
    }

    /// The graph of a job.
    pub async fn graph(&self, job: &str) -> Result<GraphView, Error> {
        self.get(vec!["jobs", job, "graph"], Vec::new()).await
    }

    /// The events of a job, from the first that is kept.
    pub async fn job_events(&self, job: &str) -> Result<Stream, Error> {
        Stream::open(self, vec!["jobs", job, "events"], Vec::new(), None).await
    }

    /// Calls a job off.
    pub async fn cancel_job(&self, job: &str) -> Result<(), Error> {
        self.order(vec!["jobs", job, "cancel"]).await
    }

    /// Starts no more tasks of a job.
    pub async fn pause_job(&self, job: &str) -> Result<(), Error> {
        self.order(vec!["jobs", job, "pause"]).await
    }

    /// Ends a pause.
    pub async fn resume_job(&self, job: &str) -> Result<(), Error> {
        self.order(vec!["jobs", job, "resume"]).await
    }

    /// Opens the next generation of an ended job.
    pub async fn rerun_job(&self, job: &str, request: &RerunRequest) -> Result<(), Error> {
        self.post::<IgnoredAny>(vec!["jobs", job, "rerun"], request).await.map(drop)
    }

    /// Deletes an ended job.
    pub async fn delete_job(&self, job: &str) -> Result<(), Error> {
        self.delete(vec!["jobs", job]).await
    }

    /// Orders something about every job that a query finds, or counts them only.
    pub async fn bulk_jobs(&self, request: &BulkRequest) -> Result<BulkView, Error> {
        self.post(vec!["jobs", "bulk"], request).await
    }
}
