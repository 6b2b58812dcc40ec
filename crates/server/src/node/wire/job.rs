//! A job. Its graph travels in the chunks that stores keep, which write each text once; bodies that stores keep
//! elsewhere because of their size travel beside them.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use mainspring_core::event::{RequestId, SubmitJob};
use mainspring_core::graph::Graph;
use mainspring_core::id::{Bucket, Key, Name};
use mainspring_core::job::{FailurePolicy, Followed, GraphChunk, GraphTask};
use mainspring_core::limits::{JOB_EDGES_MAX, JOB_TASKS_MAX, PRIORITY_MAX, RESIDENT_BODY_BYTES_MAX};
use mainspring_core::spec::TaskSpec;
use mainspring_store::record::{decode_graph, encode_graph};
use serde::{Deserialize, Serialize};

use super::WireError;
use super::form::{Text, formed, hash, one};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct JobForm<'a> {
    to: RequestId,
    #[serde(with = "one")]
    bucket: Bucket,
    tenant: Name,
    id: Option<Name>,
    idempotency_key: Option<Name>,
    #[serde(with = "hash")]
    body_hash: u128,
    title: Option<Name>,
    #[serde(with = "one")]
    failure_policy: FailurePolicy,
    #[serde(borrow)]
    body: Text<'a>,
    tags: Vec<Name>,
    /// Stored chunks, in base 64.
    #[serde(borrow)]
    graph: Vec<Text<'a>>,
    /// Index and body of the tasks whose body is not in `graph`.
    #[serde(borrow)]
    large_bodies: Vec<(usize, Text<'a>)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    active_key: Option<(Name, u32)>,
    #[serde(default, skip_serializing_if = "is_false")]
    hooks: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    of_definition: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "FailurePolicy", rename_all = "camelCase")]
enum FailurePolicyForm {
    Continue,
    FailFast,
}

formed! { FailurePolicy => FailurePolicyForm }

/// A chunk is encoded for no job in particular: its key is not part of the record.
fn no_job() -> Key {
    Key::from_raw(0)
}

fn is_large(body: &str) -> bool {
    body.len() > RESIDENT_BODY_BYTES_MAX
}

/// About how many bytes this job takes.
pub(super) fn bytes(job: &SubmitJob) -> usize {
    512 + job.body.len()
        + job
            .graph
            .tasks()
            .iter()
            .map(|task| {
                let logic = task.flow.as_ref().map_or(0, |flow| flow.logic.len());
                128 + (task.spec.body.len() + logic) * 4 / 3
            })
            .sum::<usize>()
}

impl<'a> JobForm<'a> {
    pub(super) fn of(job: &'a SubmitJob) -> Self {
        let large = job.graph.tasks().iter().enumerate().filter(|(_, task)| is_large(&task.spec.body));
        // Templates stand in the chunks, whatever their size.
        let large = large.filter(|(_, task)| !task.flow.as_ref().is_some_and(|flow| flow.evaluated));
        Self {
            to: job.to,
            bucket: job.bucket,
            tenant: job.tenant.clone(),
            id: job.given_id.clone(),
            idempotency_key: job.idempotency_key.clone(),
            body_hash: job.body_hash,
            title: job.title.clone(),
            failure_policy: job.failure_policy,
            body: Text::of(&job.body),
            tags: job.tags.to_vec(),
            graph: job.graph.chunks(no_job()).map(|chunk| Text(BASE64.encode(encode_graph(&chunk)).into())).collect(),
            large_bodies: large.map(|(index, task)| (index, Text::of(&task.spec.body))).collect(),
            deadline_ms: job.deadline_ms,
            active_key: job.active_key.clone(),
            hooks: job.followed.hooks,
            of_definition: job.followed.definition,
        }
    }

    pub(super) fn into_job(self) -> Result<SubmitJob, WireError> {
        let wrong = |what: &str| WireError(format!("what a node asks: graph of a job: {what}"));
        let mut tasks = Vec::new();
        for (text, number) in self.graph.iter().zip(0..) {
            let bytes = BASE64.decode(&**text).map_err(|error| wrong(&format!("chunk {number}: {error}")))?;
            let chunk = decode_graph(no_job(), number, &bytes);
            tasks.extend(chunk.map_err(|error| wrong(&format!("chunk {number}: {error}")))?.tasks);
        }
        for (index, body) in self.large_bodies {
            let task =
                tasks.get_mut(index).ok_or_else(|| wrong(&format!("a body for task {index}, which it lacks")))?;
            task.spec = Arc::new(TaskSpec { body: Name::from(body), ..TaskSpec::clone(&task.spec) });
        }
        let graph = Graph::of_chunks(vec![GraphChunk { job: no_job(), number: 0, tasks }]);
        if !is_sound(graph.tasks()) {
            return Err(wrong("it is not one that was validated"));
        }
        Ok(SubmitJob {
            to: self.to,
            bucket: self.bucket,
            tenant: self.tenant,
            given_id: self.id,
            idempotency_key: self.idempotency_key,
            body_hash: self.body_hash,
            title: self.title,
            failure_policy: self.failure_policy,
            body: Name::from(self.body),
            tags: Arc::from(self.tags),
            graph: Arc::new(graph),
            deadline_ms: self.deadline_ms,
            active_key: self.active_key,
            followed: Followed { hooks: self.hooks, definition: self.of_definition },
        })
    }
}

/// Whether the core can rely on a graph as on one it has built: within its limits, parents before children, each edge
/// at both of its ends.
fn is_sound(tasks: &[GraphTask]) -> bool {
    let ascending = |indices: &[u32]| indices.is_sorted_by(|a, b| a < b);
    let (mut up, mut down) = (0, 0);
    for (index, task) in (0_u32..).zip(tasks) {
        let parents = task.parents.last().is_none_or(|last| *last < index) && ascending(&task.parents);
        let children = task.children.first().is_none_or(|first| *first > index) && ascending(&task.children);
        if !parents || !children || task.spec.priority > PRIORITY_MAX {
            return false;
        }
        up += task.parents.len();
        down += task.children.len();
        if task.parents.iter().any(|parent| tasks[*parent as usize].children.binary_search(&index).is_err()) {
            return false;
        }
    }
    (1..=JOB_TASKS_MAX).contains(&tasks.len()) && up <= JOB_EDGES_MAX && up == down
}
