//! From the ids in a request to keys: ids that the server made are keys already, others are looked up per tenant. What
//! belongs to another tenant looks like what does not exist.

use mainspring_core::id::{IdKind, Key, Name};
use mainspring_core::job::JobRow;
use mainspring_core::limits::ID_CHARS_MAX;
use mainspring_core::row::{ClaimKind, TaskRow};
use mainspring_protocol::problem::{Code, Problem};

use super::call::{Call, Refused, refuse};
use super::params::cut;
use super::reply::not_read;
use super::state::Api;

/// A task, and the job it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct FoundTask {
    pub row: TaskRow,
    pub job: Option<JobRow>,
}

impl Call {
    /// The task that the path names: `{taskId}`, below `{jobId}` where the route has one.
    pub(crate) async fn task(&self) -> Result<FoundTask, Refused> {
        let tenant = self.tenant();
        let id = self.segment("taskId");
        if self.route.segments().any(|segment| segment == "jobId") {
            let job = job(&self.api, self.segment("jobId"), tenant.as_ref()).await?;
            task_of_job(&self.api, job, id).await
        } else {
            standalone(&self.api, id, tenant.as_ref()).await
        }
    }

    /// The job that the path names.
    pub(crate) async fn job(&self) -> Result<JobRow, Refused> {
        job(&self.api, self.segment("jobId"), self.tenant().as_ref()).await
    }
}

/// The task that a text names: a standalone one by its id, one of a job as `job/task`.
pub(crate) async fn task(api: &Api, text: &str, tenant: Option<&Name>) -> Result<FoundTask, Refused> {
    match text.split_once('/') {
        Some((in_job, task)) => task_of_job(api, job(api, in_job, tenant).await?, task).await,
        None => standalone(api, text, tenant).await,
    }
}

async fn standalone(api: &Api, id: &str, tenant: Option<&Name>) -> Result<FoundTask, Refused> {
    for key in keys(api, IdKind::Task, id, tenant).await? {
        let rows = api.reader.tasks_by_key(vec![key]).await.map_err(not_read)?;
        let belongs = |row: &TaskRow| row.job.is_none() && tenant.is_none_or(|tenant| row.tenant == *tenant);
        if let Some(row) = rows.into_iter().find(belongs) {
            return Ok(FoundTask { row, job: None });
        }
    }
    Err(no_task(id))
}

/// Characters that the name of an instance has beside that of its task: `~9999`.
const INSTANCE_CHARS_MAX: usize = 8;

/// A task of a job, or an instance of a task with a `forEach`: `each~3`.
async fn task_of_job(api: &Api, job: JobRow, name: &str) -> Result<FoundTask, Refused> {
    if name.len() > ID_CHARS_MAX + INSTANCE_CHARS_MAX {
        return Err(no_task(name));
    }
    let mut of = job.key;
    if let Some((group, _)) = name.rsplit_once('~') {
        let key = api.reader.find_in_job(job.key, group.into()).await.map_err(not_read)?;
        let group = api.reader.tasks_by_key(key.into_iter().collect()).await.map_err(not_read)?.pop();
        of = group.and_then(|group| group.state.child).ok_or_else(|| no_task(name))?;
    }
    let key = api.reader.find_in_job(of, name.into()).await.map_err(not_read)?;
    let rows = api.reader.tasks_by_key(key.into_iter().collect()).await.map_err(not_read)?;
    let row = rows.into_iter().next().ok_or_else(|| no_task(name))?;
    Ok(FoundTask { row, job: Some(job) })
}

/// The job with this id.
pub(crate) async fn job(api: &Api, id: &str, tenant: Option<&Name>) -> Result<JobRow, Refused> {
    for key in keys(api, IdKind::Job, id, tenant).await? {
        let rows = api.reader.jobs_by_key(vec![key]).await.map_err(not_read)?;
        if let Some(row) = rows.into_iter().find(|row| tenant.is_none_or(|tenant| row.tenant == *tenant)) {
            return Ok(row);
        }
    }
    Err(refuse(Code::NotFound, format!("there is no job `{}`", cut(id))))
}

/// The keys that an id may name, the likelier first.
async fn keys(api: &Api, kind: IdKind, id: &str, tenant: Option<&Name>) -> Result<Vec<Key>, Refused> {
    if id.is_empty() || id.len() > ID_CHARS_MAX {
        return Ok(Vec::new());
    }
    if let Some((made, key)) = Key::parse(id)
        && made == kind
    {
        return Ok(vec![key]);
    }
    let claim = match kind {
        IdKind::Task => ClaimKind::TaskId,
        IdKind::Job => ClaimKind::JobId,
    };
    let mut found = api.reader.find(claim, id.into()).await.map_err(not_read)?;
    found.retain(|(owner, _)| tenant.is_none_or(|tenant| owner == tenant));
    if found.len() > 1 {
        let owners: Vec<_> = found.iter().take(10).map(|(owner, _)| format!("`?userId={owner}`")).collect();
        return Err(Box::new(
            Problem::new(Code::AmbiguousId, format!("`{id}` exists for {} users", found.len()))
                .with_hint(format!("add {}", owners.join(" or "))),
        ));
    }
    Ok(found.into_iter().map(|(_, key)| key).collect())
}

fn no_task(id: &str) -> Refused {
    refuse(Code::NotFound, format!("there is no task `{}`", cut(id)))
}

/// The id of a task on the wire.
pub(crate) fn task_id(row: &TaskRow) -> String {
    row.given_id.as_deref().map_or_else(|| row.key.id(IdKind::Task), str::to_owned)
}

/// The id of a job on the wire.
pub(crate) fn job_id(row: &JobRow) -> String {
    row.given_id.as_deref().map_or_else(|| row.key.id(IdKind::Job), str::to_owned)
}
