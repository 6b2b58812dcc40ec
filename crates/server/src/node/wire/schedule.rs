//! Orders about schedules, and what they answer.

use std::sync::Arc;

use mainspring_core::id::{Key, Name};
use mainspring_core::schedule::{
    Expect, Fire, Overlap, PassReason, ScheduleFigures, ScheduleName, ScheduleOrder, Target, Work,
};
use mainspring_core::time::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::form::{Form, formed, one};
use super::{Ask, read_ask, write_ask};

#[derive(Serialize, Deserialize)]
#[serde(remote = "ScheduleName")]
struct ScheduleNameForm {
    tenant: Name,
    name: Name,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "ScheduleOrder", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum ScheduleOrderForm {
    Put {
        #[serde(with = "one")]
        expect: Expect,
        of_definition: bool,
        #[serde(with = "one")]
        overlap: Overlap,
        body: Arc<str>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        after: Vec<Name>,
    },
    Delete {
        of_definition: bool,
    },
    Pause(bool),
    Trigger(#[serde(with = "one")] Box<Fire>),
    Backfill {
        #[serde(with = "one")]
        from: Timestamp,
        #[serde(with = "one")]
        to: Timestamp,
        concurrency: u32,
    },
    StopBackfill,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Expect", rename_all = "camelCase")]
enum ExpectForm {
    Absent,
    Present,
    Any,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Overlap", rename_all = "camelCase")]
enum OverlapForm {
    Allow,
    Skip,
    BufferOne,
    CancelRunning,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Target", rename_all = "camelCase")]
enum TargetForm {
    Task(#[serde(with = "one")] Key),
    Job(#[serde(with = "one")] Key),
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "ScheduleFigures", rename_all = "camelCase")]
struct ScheduleFiguresForm {
    active: u64,
    paused: u64,
    fired: u64,
    passed: [u64; PassReason::ALL.len()],
    lag: [u64; 11],
    lag_sum_ms: u64,
}

formed! {
    ScheduleName => ScheduleNameForm,
    ScheduleOrder => ScheduleOrderForm,
    Expect => ExpectForm,
    Overlap => OverlapForm,
    Target => TargetForm,
    ScheduleFigures => ScheduleFiguresForm,
}

/// Work travels as the text of what would submit it.
#[derive(Serialize, Deserialize)]
struct FireForm {
    instant: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    work: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    broken: Option<Name>,
}

impl Form for Box<Fire> {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let text = |ask: &Ask| Some(String::from_utf8(write_ask(ask)).expect("JSON is text"));
        let (work, broken) = match &self.work {
            Work::Job(job) => (text(&Ask::Job(job.clone())), None),
            Work::Task(task) => (text(&Ask::Tasks(vec![(**task).clone()])), None),
            Work::Broken(why) => (None, Some(why.clone())),
        };
        FireForm { instant: self.instant.as_millis(), work, broken }.serialize(to)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let form = FireForm::deserialize(from)?;
        let ask = form.work.map(|text| read_ask(text.as_bytes())).transpose().map_err(D::Error::custom)?;
        let work = match (ask, form.broken) {
            (Some(Ask::Job(job)), None) => Work::Job(job),
            (Some(Ask::Tasks(mut tasks)), None) if tasks.len() == 1 => Work::Task(Box::new(tasks.remove(0))),
            (None, Some(why)) => Work::Broken(why),
            _ => return Err(D::Error::custom("work of a schedule: neither a job, a task nor a reason")),
        };
        Ok(Box::new(Fire { instant: Timestamp::from_millis(form.instant), work }))
    }
}
