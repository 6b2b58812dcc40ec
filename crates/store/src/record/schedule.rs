//! Schedules and their ledger, as JSON that a person can read in the database; instants are milliseconds since the Unix
//! epoch, work is named by the number of its key.

use mainspring_core::id::{Key, Name};
use mainspring_core::schedule::{
    After, Backfill, Cause, Next, OccurrenceRow, Overlap, PassReason, ScheduleName, ScheduleRow, ScheduleState, Target,
};
use mainspring_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::Unreadable;
use super::json::is_default;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StateRecord {
    generation: u32,
    changed_at: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    paused: bool,
    covered: i64,
    /// Absent: not looked yet; empty: never; else instant and due instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<Vec<i64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_instant: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    running: Vec<TargetRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    buffered: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    backfill: Option<BackfillRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<AfterRecord>,
}

#[derive(Serialize, Deserialize)]
struct AfterRecord {
    names: Vec<(Name, bool)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    due: Vec<i64>,
    /// Shard and number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    heard: Vec<(u16, u64)>,
}

#[derive(Serialize, Deserialize)]
struct BackfillRecord {
    cursor: i64,
    to: i64,
    concurrency: u32,
    running: Vec<TargetRecord>,
    fired: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum TargetRecord {
    Task(u64),
    Job(u64),
}

impl TargetRecord {
    fn of(target: &Target) -> Self {
        match target {
            Target::Task(key) => Self::Task(key.raw()),
            Target::Job(key) => Self::Job(key.raw()),
        }
    }

    fn target(&self) -> Target {
        match self {
            Self::Task(key) => Target::Task(Key::from_raw(*key)),
            Self::Job(key) => Target::Job(Key::from_raw(*key)),
        }
    }
}

/// The record of a schedule's state.
pub fn encode_schedule_state(state: &ScheduleState) -> String {
    let ms = |at: Timestamp| at.as_millis();
    let record = StateRecord {
        generation: state.generation,
        changed_at: ms(state.changed_at),
        paused: state.paused,
        covered: ms(state.covered),
        next: match state.next {
            Next::Unplanned => None,
            Next::Never => Some(Vec::new()),
            Next::At { instant, due } => Some(vec![ms(instant), ms(due)]),
        },
        last_instant: state.last_instant.map(ms),
        running: state.running.iter().map(TargetRecord::of).collect(),
        buffered: state.buffered.map(ms),
        backfill: state.backfill.as_ref().map(|backfill| BackfillRecord {
            cursor: ms(backfill.cursor),
            to: ms(backfill.to),
            concurrency: backfill.concurrency,
            running: backfill.running.iter().map(TargetRecord::of).collect(),
            fired: backfill.fired,
        }),
        after: state.after.as_ref().map(|after| AfterRecord {
            names: after.names.clone(),
            due: after.due.iter().copied().map(ms).collect(),
            heard: after.heard.clone(),
        }),
    };
    serde_json::to_string(&record).expect("a state is plain data")
}

/// Reads what [`encode_schedule_state`] wrote.
///
/// # Errors
/// If this text is something else.
pub fn decode_schedule_state(text: &str) -> Result<ScheduleState, Unreadable> {
    let unreadable = Unreadable("state of a schedule");
    let record: StateRecord = serde_json::from_str(text).map_err(|_| unreadable.clone())?;
    let at = Timestamp::from_millis;
    Ok(ScheduleState {
        generation: record.generation,
        changed_at: at(record.changed_at),
        paused: record.paused,
        covered: at(record.covered),
        next: match record.next.as_deref() {
            None => Next::Unplanned,
            Some([]) => Next::Never,
            Some([instant, due]) => Next::At { instant: at(*instant), due: at(*due) },
            Some(_) => return Err(unreadable),
        },
        last_instant: record.last_instant.map(at),
        running: record.running.iter().map(TargetRecord::target).collect(),
        buffered: record.buffered.map(at),
        backfill: record.backfill.map(|backfill| Backfill {
            cursor: at(backfill.cursor),
            to: at(backfill.to),
            concurrency: backfill.concurrency,
            running: backfill.running.iter().map(TargetRecord::target).collect(),
            fired: backfill.fired,
        }),
        after: record.after.map(|after| After {
            names: after.names,
            due: after.due.into_iter().map(at).collect(),
            heard: after.heard,
        }),
    })
}

/// What an edit changes of a schedule, as one text; for stores without columns.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RuleRecord {
    overlap: usize,
    of_definition: bool,
    created_at: i64,
    body: String,
}

/// The record of everything of a schedule but its name and state.
pub fn encode_schedule_rule(row: &ScheduleRow) -> String {
    let record = RuleRecord {
        overlap: row.overlap as usize,
        of_definition: row.of_definition,
        created_at: row.created_at.as_millis(),
        body: row.body.to_string(),
    };
    serde_json::to_string(&record).expect("a schedule is plain data")
}

/// Puts a schedule together again.
///
/// # Errors
/// If these texts are something else.
pub fn decode_schedule(id: ScheduleName, rule: &str, state: &str) -> Result<ScheduleRow, Unreadable> {
    let unreadable = Unreadable("schedule");
    let record: RuleRecord = serde_json::from_str(rule).map_err(|_| unreadable.clone())?;
    Ok(ScheduleRow {
        id,
        overlap: Overlap::ALL.get(record.overlap).copied().ok_or(unreadable)?,
        of_definition: record.of_definition,
        created_at: Timestamp::from_millis(record.created_at),
        body: record.body.into(),
        state: decode_schedule_state(state)?,
    })
}

/// The stored number of what became of an occurrence, and the key of its work.
pub fn encode_result(result: Result<Target, PassReason>) -> (u8, Option<Key>) {
    match result {
        Ok(Target::Task(key)) => (0, Some(key)),
        Ok(Target::Job(key)) => (1, Some(key)),
        Err(reason) => (2 + reason as u8, None),
    }
}

/// Reads what [`encode_result`] gave.
///
/// # Errors
/// If the number is not known.
pub fn decode_result(number: u8, work: Option<Key>) -> Result<Result<Target, PassReason>, Unreadable> {
    let unreadable = Unreadable("result of an occurrence");
    match (number, work) {
        (0, Some(key)) => Ok(Ok(Target::Task(key))),
        (1, Some(key)) => Ok(Ok(Target::Job(key))),
        (0 | 1, None) => Err(unreadable),
        (number, _) => Ok(Err(*PassReason::ALL.get(usize::from(number) - 2).ok_or(unreadable)?)),
    }
}

#[derive(Serialize, Deserialize)]
struct OccurrenceRecord {
    tenant: Name,
    name: Name,
    generation: u32,
    cause: usize,
    first: i64,
    last: i64,
    result: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    work: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detail: Option<Name>,
}

/// The record of an occurrence without its key; for stores without columns.
pub fn encode_occurrence(row: &OccurrenceRow) -> String {
    let (result, work) = encode_result(row.result);
    let record = OccurrenceRecord {
        tenant: row.schedule.tenant.clone(),
        name: row.schedule.name.clone(),
        generation: row.generation,
        cause: row.cause as usize,
        first: row.first.as_millis(),
        last: row.last.as_millis(),
        result,
        work: work.map(Key::raw),
        detail: row.detail.clone(),
    };
    serde_json::to_string(&record).expect("an occurrence is plain data")
}

/// Reads what [`encode_occurrence`] wrote.
///
/// # Errors
/// If this text is something else.
pub fn decode_occurrence(key: Key, text: &str) -> Result<OccurrenceRow, Unreadable> {
    let unreadable = Unreadable("occurrence");
    let record: OccurrenceRecord = serde_json::from_str(text).map_err(|_| unreadable.clone())?;
    Ok(OccurrenceRow {
        key,
        schedule: ScheduleName { tenant: record.tenant, name: record.name },
        generation: record.generation,
        cause: Cause::ALL.get(record.cause).copied().ok_or(unreadable)?,
        first: Timestamp::from_millis(record.first),
        last: Timestamp::from_millis(record.last),
        result: decode_result(record.result, record.work.map(Key::from_raw))?,
        detail: record.detail,
    })
}

/// The lowest key that a record made at or after this instant can have: older ones are below.
pub fn first_key_at(at: Timestamp) -> Key {
    Key::new(Key::first_sequence_at(at), mainspring_core::id::Bucket::CONTROL)
}
