//! Operators' orders.

use std::sync::Arc;

use mainspring_core::event::{Define, EndedJob, KeyClaim, Order};
use mainspring_core::id::{Bucket, Key, Name};
use mainspring_core::job::RerunFrom;
use mainspring_core::permit::{LimitScope, LimitsPatch};
use mainspring_core::row::{ClaimKind, ClaimName, DefinitionKind, Directive};
use mainspring_core::schedule::{ScheduleName, ScheduleOrder};
use mainspring_core::spec::Body;
use mainspring_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::form::{formed, hash, list, one};

#[derive(Serialize, Deserialize)]
#[serde(remote = "Order", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum OrderForm {
    CancelTask(#[serde(with = "one")] Key),
    CancelJob(#[serde(with = "one")] Key),
    PauseJob(#[serde(with = "one")] Key),
    ResumeJob(#[serde(with = "one")] Key),
    RetryTask(#[serde(with = "one")] Key),
    Signal {
        #[serde(with = "one")]
        task: Key,
        approved: bool,
        output: Option<Arc<str>>,
    },
    RerunJob(#[serde(with = "one")] Key, #[serde(with = "one")] RerunFrom),
    Redrive {
        #[serde(with = "list")]
        tasks: Vec<Key>,
        spacing_ms: u64,
    },
    Discard(#[serde(with = "list")] Vec<Key>),
    EditBody {
        #[serde(with = "one")]
        task: Key,
        body: Body,
        before: Option<Body>,
    },
    Delete {
        #[serde(with = "list")]
        tasks: Vec<Key>,
        #[serde(with = "list")]
        jobs: Vec<Key>,
        #[serde(with = "list")]
        forget: Vec<ClaimName>,
    },
    DeleteOld {
        #[serde(with = "list")]
        tasks: Vec<Key>,
        #[serde(with = "list")]
        jobs: Vec<Key>,
        #[serde(with = "list")]
        forget: Vec<ClaimName>,
    },
    PauseQueue {
        queue: Name,
        paused: bool,
    },
    SetLimits {
        #[serde(with = "one")]
        scope: LimitScope,
        name: Name,
        #[serde(with = "one")]
        patch: LimitsPatch,
    },
    DirectWorker {
        worker: Name,
        #[serde(with = "one")]
        directive: Directive,
    },
    Record {
        action: Name,
        target: Name,
        detail: Arc<str>,
    },
    Define(#[serde(with = "list")] Vec<Define>),
    ClaimKeys(#[serde(with = "list")] Vec<KeyClaim>),
    Schedule(#[serde(with = "one")] ScheduleName, #[serde(with = "one")] ScheduleOrder),
    JobsEnded {
        source: u16,
        #[serde(with = "list")]
        jobs: Vec<EndedJob>,
    },
    Why(#[serde(with = "one")] Key),
    Figures,
    Sessions,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "RerunFrom", rename_all = "camelCase")]
enum RerunFromForm {
    Failed,
    Task(u32),
    Start,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "ClaimName")]
struct ClaimNameForm {
    #[serde(with = "one")]
    kind: ClaimKind,
    tenant: Name,
    text: Name,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "ClaimKind", rename_all = "camelCase")]
enum ClaimKindForm {
    TaskId,
    JobId,
    IdempotencyKey,
    Unique,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Directive", rename_all = "camelCase")]
enum DirectiveForm {
    Run,
    Pause,
    Drain,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Define", rename_all = "camelCase")]
struct DefineForm {
    #[serde(with = "one")]
    kind: DefinitionKind,
    tenant: Name,
    name: Name,
    body: Option<Arc<str>>,
    after: Option<u32>,
    #[serde(default)]
    seen: Vec<(Name, u32)>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "DefinitionKind", rename_all = "camelCase")]
enum DefinitionKindForm {
    Task,
    Job,
    Profile,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "KeyClaim", rename_all = "camelCase")]
struct KeyClaimForm {
    tenant: Name,
    key: Name,
    #[serde(with = "hash")]
    body_hash: u128,
    #[serde(with = "one")]
    home: Bucket,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "EndedJob")]
struct EndedJobForm {
    number: u64,
    tenant: Name,
    definition: Name,
    #[serde(with = "one")]
    at: Timestamp,
}

formed! {
    EndedJob => EndedJobForm,
    KeyClaim => KeyClaimForm,
    Order => OrderForm,
    RerunFrom => RerunFromForm,
    ClaimName => ClaimNameForm,
    ClaimKind => ClaimKindForm,
    Directive => DirectiveForm,
    Define => DefineForm,
    DefinitionKind => DefinitionKindForm,
}
