//! Standalone tasks: policies are written once, and equal names are shared again once they are read, as they are after
//! a submission over HTTP.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mainspring_core::event::{NewTask, Start, Unique, UniquePolicy};
use mainspring_core::id::Name;
use mainspring_core::limits::PRIORITY_MAX;
use mainspring_core::permit::KeyLimits;
use mainspring_core::spec::{Class, Policy, TaskSpec};
use mainspring_core::time::Timestamp;
use mainspring_store::record::{decode_key_limits, encode_key_limits};
use serde::{Deserialize, Serialize};

use super::WireError;
use super::form::{Text, formed, hash, list, maybe, one};

/// Tasks, and the policies that they name by index.
#[derive(Serialize, Deserialize)]
pub(super) struct BatchForm<'a> {
    #[serde(with = "list")]
    policies: Vec<Arc<Policy>>,
    #[serde(borrow)]
    tasks: Vec<TaskForm<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TaskForm<'a> {
    #[serde(borrow)]
    tenant: Text<'a>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    id: Option<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<Text<'a>>,
    #[serde(with = "hash")]
    body_hash: u128,
    #[serde(borrow)]
    kind: Text<'a>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    title: Option<Text<'a>>,
    #[serde(borrow)]
    queue: Text<'a>,
    /// Where it is not the type.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    executor: Option<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    labels: Vec<Text<'a>>,
    priority: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at_ms: Option<i64>,
    policy: usize,
    #[serde(borrow)]
    body: Text<'a>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limits: Option<String>,
    #[serde(with = "maybe", default, skip_serializing_if = "Option::is_none")]
    unique: Option<Unique>,
    #[serde(with = "one", default = "at_once", skip_serializing_if = "is_at_once")]
    start: Start,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Start", rename_all = "camelCase")]
enum StartForm {
    Now,
    After(u64),
    At(#[serde(with = "one")] Timestamp),
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Unique", rename_all = "camelCase")]
struct UniqueForm {
    key: Name,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window_ms: Option<u64>,
    #[serde(with = "one")]
    policy: UniquePolicy,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "UniquePolicy", rename_all = "camelCase")]
enum UniquePolicyForm {
    Reject,
    Replace,
    Debounce,
}

formed! {
    Start => StartForm,
    Unique => UniqueForm,
    UniquePolicy => UniquePolicyForm,
}

fn at_once() -> Start {
    Start::Now
}

fn is_at_once(start: &Start) -> bool {
    *start == Start::Now
}

/// About how many bytes these tasks take.
pub(super) fn bytes(tasks: &[NewTask]) -> usize {
    tasks.iter().map(|task| 256 + task.spec.body.len() + task.spec.body.len() / 8).sum()
}

impl<'a> BatchForm<'a> {
    pub(super) fn of(tasks: &'a [NewTask]) -> Self {
        let mut policies: Vec<Arc<Policy>> = Vec::new();
        let mut index_of: HashMap<*const Policy, usize> = HashMap::new();
        let mut index = |policy: &Arc<Policy>| {
            *index_of.entry(Arc::as_ptr(policy)).or_insert_with(|| {
                policies.push(Arc::clone(policy));
                policies.len() - 1
            })
        };
        let tasks = tasks.iter().map(|task| TaskForm::of(task, index(&task.spec.policy))).collect();
        Self { policies, tasks }
    }

    pub(super) fn into_tasks(self) -> Result<Vec<NewTask>, WireError> {
        let mut names = Names { known: HashSet::new(), none: Arc::from([]) };
        let policies = self.policies;
        let task = |(index, form): (usize, TaskForm<'a>)| {
            let policy = policies.get(form.policy).filter(|_| form.priority <= PRIORITY_MAX);
            let wrong = || {
                let (priority, policy, known) = (form.priority, form.policy, policies.len());
                let why = format!("priority {priority} of {PRIORITY_MAX}, policy {policy} among {known}");
                WireError(format!("what a node asks: task {index}: {why}"))
            };
            let policy = Arc::clone(policy.ok_or_else(wrong)?);
            let limits = decode_key_limits(form.limits.as_deref());
            let limits = limits.map_err(|error| WireError(format!("what a node asks: task {index}: {error}")))?;
            Ok(form.into_task(policy, limits, &mut names))
        };
        self.tasks.into_iter().enumerate().map(task).collect()
    }
}

impl<'a> TaskForm<'a> {
    fn of(task: &'a NewTask, policy: usize) -> Self {
        let spec = &*task.spec;
        let class = &spec.class;
        Self {
            tenant: Text::of(&task.tenant),
            id: task.given_id.as_deref().map(Text::of),
            idempotency_key: task.idempotency_key.as_deref().map(Text::of),
            body_hash: task.body_hash,
            kind: Text::of(&spec.kind),
            title: spec.title.as_deref().map(Text::of),
            queue: Text::of(&spec.queue),
            executor: (class.executor != spec.kind).then(|| Text::of(&class.executor)),
            labels: Text::all(&class.labels),
            priority: spec.priority,
            expires_at_ms: spec.expires_at_ms,
            policy,
            body: Text::of(&spec.body),
            tags: Text::all(&spec.tags),
            limits: encode_key_limits(&spec.limits),
            unique: task.unique.clone(),
            start: task.start,
        }
    }

    fn into_task(self, policy: Arc<Policy>, limits: KeyLimits, names: &mut Names) -> NewTask {
        let kind = names.get(&self.kind);
        let executor = self.executor.map_or_else(|| kind.clone(), |executor| names.get(&executor));
        let spec = TaskSpec {
            title: self.title.map(Name::from),
            queue: names.get(&self.queue),
            class: Class { executor, labels: names.all(&self.labels) },
            kind,
            priority: self.priority,
            expires_at_ms: self.expires_at_ms,
            policy,
            limits,
            body: Name::from(self.body),
            tags: names.all(&self.tags),
        };
        NewTask {
            tenant: names.get(&self.tenant),
            given_id: self.id.map(Name::from),
            idempotency_key: self.idempotency_key.map(Name::from),
            body_hash: self.body_hash,
            spec: Arc::new(spec),
            start: self.start,
            unique: self.unique,
        }
    }
}

/// Names of one batch, each kept once.
struct Names {
    known: HashSet<Name>,
    none: Arc<[Name]>,
}

impl Names {
    fn get(&mut self, text: &str) -> Name {
        if let Some(name) = self.known.get(text) {
            return name.clone();
        }
        let name = Name::from(text);
        self.known.insert(name.clone());
        name
    }

    fn all(&mut self, texts: &[Text<'_>]) -> Arc<[Name]> {
        if texts.is_empty() {
            return Arc::clone(&self.none);
        }
        texts.iter().map(|text| self.get(text)).collect()
    }
}
