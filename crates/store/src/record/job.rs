//! The rare parts of a job's row, and the flags of its state.

use mainspring_core::id::{Key, Name};
use mainspring_core::job::{Followed, JobRow, JobState};
use serde::{Deserialize, Serialize};

use super::Unreadable;

/// What most jobs leave at its default: where they are inside, their deadline, their turn.
#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct RareJob {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ancestors: Vec<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    active: Option<(Name, u32)>,
}

impl RareJob {
    /// The record of a job, `None` where all is default. The group that it carries out is no part of it.
    pub fn encode(row: &JobRow) -> Option<String> {
        if row.ancestors.is_empty() && row.deadline_ms.is_none() && row.active_key.is_none() {
            return None;
        }
        let ancestors = row.ancestors.iter().map(|key| key.raw()).collect();
        let record = Self { ancestors, deadline_ms: row.deadline_ms, active: row.active_key.clone() };
        Some(serde_json::to_string(&record).expect("a job is plain data"))
    }

    /// Reads what [`RareJob::encode`] wrote.
    ///
    /// # Errors
    /// If this text is something else.
    pub fn decode(text: Option<&str>) -> Result<Self, Unreadable> {
        text.map_or(Ok(Self::default()), |text| {
            serde_json::from_str(text).map_err(|_| Unreadable("rare parts of a job"))
        })
    }

    /// Completes a row that has everything but what this record knows.
    pub fn complete(self, row: &mut JobRow) {
        row.ancestors = self.ancestors.into_iter().map(Key::from_raw).collect();
        row.deadline_ms = self.deadline_ms;
        row.active_key = self.active;
    }
}

/// The flags of a job's state as one number: 1 paused, 2 cancelled, 4 failing fast, 8 its deadline passed, 16 waits for
/// its turn, 32 has hooks, 64 is of a definition.
pub fn job_flags(state: &JobState) -> u8 {
    let Followed { hooks, definition } = state.followed;
    let flags = [state.paused, state.cancelled, state.failing_fast, state.exceeded, state.queued, hooks, definition];
    flags.iter().rev().fold(0, |number, flag| number << 1 | u8::from(*flag))
}

/// Reads what [`job_flags`] wrote.
pub fn set_job_flags(state: &mut JobState, flags: u8) {
    let is_set = |bit: u8| flags & bit != 0;
    (state.paused, state.cancelled, state.failing_fast) = (is_set(1), is_set(2), is_set(4));
    (state.exceeded, state.queued) = (is_set(8), is_set(16));
    state.followed = Followed { hooks: is_set(32), definition: is_set(64) };
}
