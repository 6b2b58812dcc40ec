//! Calls about queues, workers, dead letters, events and figures.

use mainspring_protocol::order::{DiscardRequest, EditRequest, RedriveRequest};
use mainspring_protocol::settings::{QueueSettings, TenantSettings, TenantView, TypeSettings, TypeView};
use mainspring_protocol::view::{
    BulkView, ClusterView, DeadLettersView, Page, QueueView, ReloadView, StatsView, WorkerView,
};
use reqwest::Method;
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::client::{Call, Client, JSON};
use crate::error::Error;
use crate::query::ListQuery;
use crate::stream::Stream;

/// # Errors
/// Every method: see [`Error`].
impl Client {
    /// Every queue.
    pub async fn queues(&self) -> Result<Page<QueueView>, Error> {
        self.get(vec!["queues"], Vec::new()).await
    }

    /// Grants nothing from a queue until it is resumed.
    pub async fn pause_queue(&self, queue: &str) -> Result<(), Error> {
        self.order(vec!["queues", queue, "pause"]).await
    }

    /// Ends a pause.
    pub async fn resume_queue(&self, queue: &str) -> Result<(), Error> {
        self.order(vec!["queues", queue, "resume"]).await
    }

    /// Changes the settings of a queue; gives back what it is then.
    pub async fn set_queue(&self, queue: &str, settings: &QueueSettings) -> Result<QueueView, Error> {
        self.patch(vec!["queues", queue], settings).await
    }

    /// Every task type that has limits.
    pub async fn types(&self) -> Result<Page<TypeView>, Error> {
        self.get(vec!["types"], Vec::new()).await
    }

    /// Changes the limits of a task type.
    pub async fn set_type(&self, kind: &str, settings: &TypeSettings) -> Result<TypeView, Error> {
        self.patch(vec!["types", kind], settings).await
    }

    /// Every tenant that has settings.
    pub async fn tenants(&self) -> Result<Page<TenantView>, Error> {
        self.get(vec!["tenants"], Vec::new()).await
    }

    /// Changes the settings of a tenant.
    pub async fn set_tenant(&self, tenant: &str, settings: &TenantSettings) -> Result<TenantView, Error> {
        self.patch(vec!["tenants", tenant], settings).await
    }

    /// Every connected worker.
    pub async fn workers(&self) -> Result<Page<WorkerView>, Error> {
        self.get(vec!["workers"], Vec::new()).await
    }

    /// Grants nothing to a worker until it is resumed.
    pub async fn pause_worker(&self, worker: &str) -> Result<(), Error> {
        self.order(vec!["workers", worker, "pause"]).await
    }

    /// Grants to a worker again.
    pub async fn resume_worker(&self, worker: &str) -> Result<(), Error> {
        self.order(vec!["workers", worker, "resume"]).await
    }

    /// Lets a worker finish what it runs, then leave.
    pub async fn drain_worker(&self, worker: &str) -> Result<(), Error> {
        self.order(vec!["workers", worker, "drain"]).await
    }

    /// A page of dead letters, newest first, and the same grouped by error.
    pub async fn dead_letters(&self, query: &ListQuery) -> Result<DeadLettersView, Error> {
        self.get(vec!["dead-letters"], query.pairs()).await
    }

    /// Runs dead letters again, or counts them only.
    pub async fn redrive(&self, request: &RedriveRequest) -> Result<BulkView, Error> {
        self.post(vec!["dead-letters", "redrive"], request).await
    }

    /// Forgets dead letters, or counts them only.
    pub async fn discard(&self, request: &DiscardRequest) -> Result<BulkView, Error> {
        self.post(vec!["dead-letters", "discard"], request).await
    }

    /// Replaces the payload of a dead letter, named by its task id (`job/task` inside a job).
    pub async fn edit_dead_letter(&self, id: &str, request: &EditRequest) -> Result<(), Error> {
        let body = Some((self.encode(request)?, JSON));
        let mut path = vec!["dead-letters"];
        path.extend(id.split('/'));
        self.call::<IgnoredAny>(Method::PATCH, Call { path, body, ..Call::default() }).await.map(drop)
    }

    async fn patch<T: DeserializeOwned>(&self, path: Vec<&str>, request: &impl Serialize) -> Result<T, Error> {
        let body = Some((self.encode(request)?, JSON));
        self.call(Method::PATCH, Call { path, body, ..Call::default() }).await
    }

    /// The event feed: from after this event if one is named, otherwise what comes from now on.
    pub async fn events(&self, after: Option<String>) -> Result<Stream, Error> {
        Stream::open(self, vec!["events"], Vec::new(), after).await
    }

    /// The nodes, and which serves which shard.
    pub async fn cluster(&self) -> Result<ClusterView, Error> {
        self.get(vec!["cluster"], Vec::new()).await
    }

    /// Has the server read its configuration again: what it changed, and what needs a restart.
    pub async fn reload_config(&self) -> Result<ReloadView, Error> {
        self.call(Method::POST, Call { path: vec!["config", "reload"], ..Call::default() }).await
    }

    /// Counts and rates.
    pub async fn stats(&self) -> Result<StatsView, Error> {
        self.get(vec!["stats"], Vec::new()).await
    }
}
