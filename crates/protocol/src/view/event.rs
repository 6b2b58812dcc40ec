//! Events, in the contract's shape, and their ids.

use mainspring_core::row::{FeedPosition, Transition, TransitionKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Rfc3339;

/// Something that happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventView {
    /// Opaque and stable; pass it as `Last-Event-ID` to go on after it.
    pub event_id: String,
    /// `TASK_COMPLETE`, `JOB_FAILED`, …
    pub event_type: String,
    /// The job it is about, or whose task it is about.
    pub job_id: Option<String>,
    /// The task it is about.
    pub task_id: Option<String>,
    /// How it stands now, in a word.
    pub status: String,
    /// When.
    pub timestamp: Rfc3339,
    /// The attempt it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The queue it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// The worker it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_id: Option<String>,
    /// The schedule it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// A progress message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Sent instead of events that are no longer kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GapView {
    /// The earliest event that is still kept.
    pub earliest: String,
}

impl EventView {
    /// Shows a transition of a shard. The ids are those of its task and job, as text.
    pub fn from_transition(
        (shard, position): (u16, FeedPosition),
        transition: &Transition,
        task_id: Option<&str>,
        job_id: Option<&str>,
    ) -> Self {
        let subject = || transition.subject.as_deref().map(str::to_owned);
        let mut view = Self {
            event_id: event_id(shard, position),
            event_type: event_word(transition.kind).to_owned(),
            job_id: job_id.map(str::to_owned),
            task_id: task_id.map(str::to_owned),
            status: event_status(transition.kind).to_owned(),
            timestamp: Rfc3339(transition.at),
            attempt: (transition.attempt > 0).then_some(transition.attempt),
            ..Self::default()
        };
        match transition.kind {
            TransitionKind::QueuePaused | TransitionKind::QueueResumed => view.queue = subject(),
            TransitionKind::WorkerJoined
            | TransitionKind::WorkerLeft
            | TransitionKind::WorkerLost
            | TransitionKind::TaskStarted => view.worker_id = subject(),
            TransitionKind::ScheduleFired | TransitionKind::ScheduleSkipped => view.schedule = subject(),
            _ => view.message = subject(),
        }
        view
    }
}

/// The opaque, stable text of a position in the feed of a shard.
pub fn event_id(shard: u16, position: FeedPosition) -> String {
    let text = format!("e{:x}-{:x}", position.commit, position.index);
    if shard == 0 { text } else { format!("{text}.{shard:x}") }
}

/// Reads [`event_id`]; `None` for any other text.
pub fn parse_event_id(text: &str) -> Option<(u16, FeedPosition)> {
    let (rest, shard) = text.split_once('.').unwrap_or((text, "0"));
    let (commit, index) = rest.strip_prefix('e')?.split_once('-')?;
    let position =
        FeedPosition { commit: u64::from_str_radix(commit, 16).ok()?, index: u32::from_str_radix(index, 16).ok()? };
    let shard = u16::from_str_radix(shard, 16).ok()?;
    (event_id(shard, position) == text).then_some((shard, position))
}

/// A place in the feeds of several shards, one position each: what a stream sends as its `id`.
pub fn stream_position(positions: &[(u16, FeedPosition)]) -> String {
    positions.iter().map(|(shard, position)| event_id(*shard, *position)).collect::<Vec<_>>().join("+")
}

/// Reads [`stream_position`], of which [`event_id`] is the simplest form; `None` for any other text.
pub fn parse_stream_position(text: &str) -> Option<Vec<(u16, FeedPosition)>> {
    text.split('+').map(parse_event_id).collect()
}

/// The word of an event type.
pub fn event_word(kind: TransitionKind) -> &'static str {
    use TransitionKind as Kind;
    match kind {
        Kind::TaskSubmitted => "TASK_SUBMITTED",
        Kind::TaskReady => "TASK_READY",
        Kind::TaskStarted => "TASK_STARTED",
        Kind::TaskComplete => "TASK_COMPLETE",
        Kind::TaskFailed => "TASK_FAILED",
        Kind::TaskRetry => "TASK_RETRY",
        Kind::TaskDead => "TASK_DEAD",
        Kind::TaskCancelled => "TASK_CANCELLED",
        Kind::TaskSkipped => "TASK_SKIPPED",
        Kind::TaskProgress => "TASK_PROGRESS",
        Kind::JobSubmitted => "JOB_SUBMITTED",
        Kind::JobStarted => "JOB_STARTED",
        Kind::JobComplete => "JOB_COMPLETE",
        Kind::JobFailed => "JOB_FAILED",
        Kind::JobCancelled => "JOB_CANCELLED",
        Kind::QueuePaused => "QUEUE_PAUSED",
        Kind::QueueResumed => "QUEUE_RESUMED",
        Kind::WorkerJoined => "WORKER_JOINED",
        Kind::WorkerLeft => "WORKER_LEFT",
        Kind::WorkerLost => "WORKER_LOST",
        Kind::ScheduleFired => "SCHEDULE_FIRED",
        Kind::ScheduleSkipped => "SCHEDULE_SKIPPED",
    }
}

/// How its subject stands after an event: the outcome's word for an attempt's end, else the state's.
pub fn event_status(kind: TransitionKind) -> &'static str {
    use TransitionKind as Kind;
    match kind {
        Kind::TaskSubmitted => "submitted",
        Kind::TaskReady => "ready",
        Kind::TaskStarted | Kind::TaskProgress | Kind::JobStarted => "running",
        Kind::TaskComplete | Kind::JobComplete => "success",
        Kind::TaskFailed => "failure",
        Kind::TaskRetry => "scheduled",
        Kind::TaskDead | Kind::JobFailed => "failed",
        Kind::TaskCancelled | Kind::JobCancelled => "cancelled",
        Kind::TaskSkipped => "skipped",
        Kind::JobSubmitted => "pending",
        Kind::QueuePaused => "paused",
        Kind::QueueResumed => "resumed",
        Kind::WorkerJoined => "joined",
        Kind::WorkerLeft => "left",
        Kind::WorkerLost => "lost",
        Kind::ScheduleFired => "fired",
        Kind::ScheduleSkipped => "skipped",
    }
}

#[cfg(test)]
mod tests {
    use mainspring_core::time::Timestamp;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_event_has_the_missions_shape() {
        let transition = Transition {
            kind: TransitionKind::TaskComplete,
            at: Timestamp::from_millis(0),
            task: None,
            job: None,
            attempt: 0,
            subject: None,
        };
        let view = EventView::from_transition(
            (0, FeedPosition { commit: 10, index: 2 }),
            &transition,
            Some("task_101"),
            Some("job_202"),
        );
        assert_eq!(
            serde_json::to_value(&view).expect("serializes"),
            serde_json::json!({
                "eventId": "ea-2", "eventType": "TASK_COMPLETE", "jobId": "job_202", "taskId": "task_101",
                "status": "success", "timestamp": "1970-01-01T00:00:00.000Z",
            })
        );
    }

    proptest! {
        #[test]
        fn every_event_id_reads_back(shard: u16, commit: u64, index: u32) {
            let position = FeedPosition { commit, index };
            prop_assert_eq!(parse_event_id(&event_id(shard, position)), Some((shard, position)));
        }

        #[test]
        fn no_other_text_is_an_event_id(text in "e?[0-9a-f+]{0,20}-?[0-9a-f+]{0,10}") {
            if let Some((shard, position)) = parse_event_id(&text) {
                prop_assert_eq!(event_id(shard, position), text);
            }
        }
    }
}
