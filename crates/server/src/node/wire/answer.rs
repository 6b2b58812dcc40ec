//! What the owner of a shard answers.

use std::sync::Arc;

use mainspring_core::effect::{Answer, Figures, Gate, Refusal, SessionView, Submitted};
use mainspring_core::event::Offer;
use mainspring_core::id::{Key, Name, SessionId};
use mainspring_core::job::JobStatus;
use mainspring_core::permit::{LimitRow, LimitedBy, Rate};
use mainspring_core::row::Directive;
use mainspring_core::schedule::{ScheduleFigures, Target};
use mainspring_core::task::{Outcome, TaskStatus};
use mainspring_core::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::form::{As, Form, formed, list, maybe, one};

#[derive(Serialize, Deserialize)]
#[serde(remote = "Answer", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum AnswerForm {
    Tasks(#[serde(with = "list")] Vec<Result<Submitted, Refusal>>),
    Job {
        #[serde(with = "one")]
        key: Key,
        #[serde(with = "one")]
        status: JobStatus,
        repeated: bool,
    },
    Done,
    Took(#[serde(with = "list")] Vec<Key>),
    Claimed(Vec<bool>),
    Versions(Vec<u32>),
    Version(u32),
    Fired(#[serde(with = "one")] Target),
    Gates(#[serde(with = "list")] Vec<Gate>),
    Figures(#[serde(with = "one")] Box<Figures>),
    Sessions(#[serde(with = "list")] Vec<SessionView>),
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Submitted", rename_all = "camelCase")]
struct SubmittedForm {
    #[serde(with = "one")]
    key: Key,
    #[serde(with = "one")]
    status: TaskStatus,
    #[serde(with = "maybe", default, skip_serializing_if = "Option::is_none")]
    run_at: Option<Timestamp>,
    repeated: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Gate", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum GateForm {
    Ended(#[serde(with = "one")] TaskStatus),
    Running {
        worker: Name,
        #[serde(with = "one")]
        since: Timestamp,
    },
    Parents {
        #[serde(with = "list")]
        waiting_for: Vec<Key>,
        left: u32,
    },
    Scheduled {
        #[serde(with = "one")]
        until: Timestamp,
        backoff: bool,
    },
    Held,
    Approval {
        #[serde(with = "maybe", default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    Evaluating,
    Group {
        #[serde(with = "one")]
        child: Key,
    },
    JobQueued {
        definition: Name,
        limit: u32,
    },
    JobPaused,
    JobBusy,
    QueuePaused {
        queue: Name,
    },
    QueueLimit {
        queue: Name,
        max: u32,
        #[serde(with = "list")]
        holders: Vec<Key>,
        elsewhere: u32,
    },
    TypeLimit {
        kind: Name,
        max: u32,
        #[serde(with = "list")]
        holders: Vec<Key>,
        elsewhere: u32,
    },
    KeyLimit {
        key: Name,
        max: u32,
        #[serde(with = "list")]
        holders: Vec<Key>,
    },
    RateLimit {
        #[serde(with = "one")]
        of: LimitedBy,
        name: Name,
        #[serde(with = "one")]
        rate: Rate,
        #[serde(with = "maybe", default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    NoWorker {
        queue: Name,
        executor: Name,
        labels: Vec<Name>,
    },
    WorkersPaused {
        workers: u32,
    },
    WorkersBusy {
        workers: u32,
    },
    Behind {
        higher_priority: u64,
        older: u64,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Figures", rename_all = "camelCase")]
struct FiguresForm {
    #[serde(with = "list")]
    tasks: Vec<(Name, TaskStatus, u64)>,
    #[serde(with = "list")]
    attempts: Vec<(Name, Name, Outcome, u64)>,
    retries: Vec<(Name, Name, u64)>,
    ready_age_ms: Vec<(Name, u64)>,
    resident: (u64, u64, u64),
    leases: u64,
    paused_queues: Vec<Name>,
    #[serde(with = "list")]
    limits: Vec<LimitRow>,
    start_latency: Vec<u64>,
    start_latency_sum_ms: u64,
    duration: Vec<u64>,
    duration_sum_ms: u64,
    #[serde(with = "one")]
    schedules: ScheduleFigures,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "SessionView", rename_all = "camelCase")]
struct SessionForm {
    worker: Name,
    session: SessionId,
    #[serde(with = "one")]
    offer: Arc<Offer>,
    #[serde(with = "list")]
    running: Vec<Key>,
    credits: u32,
    #[serde(with = "one")]
    directive: Directive,
    #[serde(with = "one")]
    since: Timestamp,
    #[serde(with = "one")]
    heard_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Offer", rename_all = "camelCase")]
struct OfferForm {
    queues: Vec<Name>,
    executors: Vec<Name>,
    labels: Vec<Name>,
}

formed! {
    Answer => AnswerForm,
    Submitted => SubmittedForm,
    Gate => GateForm,
    Figures => FiguresForm,
    SessionView => SessionForm,
    Offer => OfferForm,
}

impl Form for Box<Figures> {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Figures::write(self, to)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Figures::read(from).map(Self::new)
    }
}

impl Form for Result<Submitted, Refusal> {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.as_ref().map(As).map_err(As).serialize(to)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let result = Result::<As<Submitted>, As<Refusal>>::deserialize(from)?;
        Ok(result.map(|As(submitted)| submitted).map_err(|As(refusal)| refusal))
    }
}

impl Form for (Name, TaskStatus, u64) {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        (&self.0, As(&self.1), self.2).serialize(to)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let (queue, As(status), count) = Deserialize::deserialize(from)?;
        Ok((queue, status, count))
    }
}

impl Form for (Name, Name, Outcome, u64) {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        (&self.0, &self.1, As(&self.2), self.3).serialize(to)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let (queue, kind, As(outcome), count) = Deserialize::deserialize(from)?;
        Ok((queue, kind, outcome, count))
    }
}
