//! Tasks read back as they were written: every state.

use mainspring_core::id::Key;
use mainspring_core::row::{Changes, TaskRow};
use mainspring_core::spec::Trigger;
use mainspring_core::task::{
    Failure, LaneId, Lease, Outcome, ParentCounts, Place, Settling, SkipReason, TaskState, TaskStatus,
};
use mainspring_core::time::Timestamp;

use super::make::{at, attempt, ended, failed_attempt, key, name, running, state, task, task_in};
use super::{Factory, Shard};

/// Inserts a task, and checks that the core and the read side both get it back as it is.
pub(super) fn inserted_reads_back(open: Factory<'_>, rows: Vec<TaskRow>) {
    let mut shard = Shard::new(open);
    shard.commit(Changes { insert_tasks: rows.clone(), ..Changes::default() });
    let keys: Vec<Key> = rows.iter().map(|row| row.key).collect();
    assert_eq!(shard.resident(keys.clone()), rows);
    assert_eq!(shard.ask(|reader| reader.tasks_by_key(keys)), rows);
}

/// Checks that states read back, from an insert and from an update.
pub(super) fn states_read_back(open: Factory<'_>, states: Vec<TaskState>) {
    let rows: Vec<_> = states.iter().zip(1..).map(|(state, number)| task_in(number, state.clone())).collect();
    inserted_reads_back(open, rows.clone());
    let mut shard = Shard::new(open);
    let plain = rows.iter().map(|row| TaskRow { state: task(1).state, ..row.clone() }).collect();
    shard.commit(Changes { insert_tasks: plain, ..Changes::default() });
    let update_tasks = rows.iter().map(|row| (row.key, row.state.clone())).collect();
    shard.commit(Changes { update_tasks, ..Changes::default() });
    let keys: Vec<Key> = rows.iter().map(|row| row.key).collect();
    assert_eq!(shard.resident(keys), rows);
}

pub fn a_pending_task_reads_back(open: Factory<'_>) {
    states_read_back(open, vec![state(TaskStatus::Pending, Place::Rest)]);
}

pub fn a_scheduled_task_reads_back(open: Factory<'_>) {
    let mut scheduled = state(TaskStatus::Scheduled, Place::ColdTimer);
    scheduled.due = Some(at(99_999));
    states_read_back(open, vec![scheduled.clone(), TaskState { place: Place::Hot, ..scheduled }]);
}

pub fn a_waiting_task_reads_back(open: Factory<'_>) {
    let waiting = state(TaskStatus::Waiting, Place::Rest);
    states_read_back(open, vec![waiting.clone(), TaskState { held: true, ..waiting }]);
}

pub fn a_ready_task_reads_back(open: Factory<'_>) {
    let mut ready = state(TaskStatus::Ready, Place::Hot);
    ready.ready_at = Some(at(3));
    let cold = TaskState { place: Place::ColdReady { lane: LaneId(u32::MAX) }, ..ready.clone() };
    states_read_back(open, vec![ready, cold]);
}

pub fn a_running_task_reads_back(open: Factory<'_>) {
    states_read_back(open, vec![running(1), running(7)]);
}

pub fn a_completed_task_reads_back(open: Factory<'_>) {
    states_read_back(open, vec![ended(TaskStatus::Completed, 500)]);
}

pub fn a_failed_task_reads_back(open: Factory<'_>) {
    let mut failed = ended(TaskStatus::Failed, 500);
    failed.last = Some(failed_attempt(1));
    let dead = TaskState { dead: true, failures: 1, ..failed.clone() };
    states_read_back(open, vec![failed, dead]);
}

pub fn a_cancelled_task_reads_back(open: Factory<'_>) {
    let mut early = state(TaskStatus::Cancelled, Place::Rest);
    early.ended_at = Some(at(1));
    states_read_back(open, vec![ended(TaskStatus::Cancelled, 500), early]);
}

pub fn a_skipped_task_reads_back(open: Factory<'_>) {
    let mut skipped = state(TaskStatus::Skipped, Place::Rest);
    skipped.ended_at = Some(at(1));
    skipped.skip_reason = Some(SkipReason::UpstreamFailed);
    states_read_back(open, vec![skipped]);
}

pub fn every_place_reads_back(open: Factory<'_>) {
    let places = [Place::Hot, Place::ColdReady { lane: LaneId(0) }, Place::ColdReady { lane: LaneId(9) }, Place::Rest];
    let mut states: Vec<_> = places.into_iter().map(|place| state(TaskStatus::Ready, place)).collect();
    let mut timer = state(TaskStatus::Scheduled, Place::ColdTimer);
    timer.due = Some(at(1));
    states.push(timer);
    states_read_back(open, states);
}

pub fn every_trigger_reads_back(open: Factory<'_>) {
    let triggers = [
        Trigger::AllSuccess,
        Trigger::AllDone,
        Trigger::AllFailed,
        Trigger::AllSkipped,
        Trigger::OneSuccess,
        Trigger::OneFailed,
        Trigger::OneDone,
        Trigger::NoneFailed,
        Trigger::NoneFailedMinOneSuccess,
        Trigger::NoneSkipped,
        Trigger::Always,
    ];
    let row = |(trigger, number)| TaskRow { trigger, parents: number as u32 % 3, ..task(number) };
    inserted_reads_back(open, triggers.into_iter().zip(1..).map(row).collect());
}

pub fn every_outcome_reads_back(open: Factory<'_>) {
    let with = |outcome| {
        let mut state = ended(TaskStatus::Failed, 700);
        state.last.as_mut().expect("it ran").outcome = Some(outcome);
        state
    };
    states_read_back(open, Outcome::ALL.into_iter().map(with).collect());
}

pub fn every_skip_reason_reads_back(open: Factory<'_>) {
    let reasons = [SkipReason::Condition, SkipReason::UpstreamFailed, SkipReason::UpstreamSkipped];
    let with = |reason| TaskState { skip_reason: Some(reason), ..state(TaskStatus::Skipped, Place::Rest) };
    states_read_back(open, reasons.into_iter().map(with).collect());
}

pub fn every_settling_reads_back(open: Factory<'_>) {
    let all = [Settling::Children(0), Settling::Children(u32::MAX), Settling::Parents(0), Settling::Parents(7)];
    let with = |settling| TaskState { settling: Some(settling), ..ended(TaskStatus::Completed, 7) };
    states_read_back(open, all.into_iter().map(with).collect());
}

pub fn every_flag_reads_back(open: Factory<'_>) {
    let plain = ended(TaskStatus::Failed, 7);
    states_read_back(
        open,
        vec![
            TaskState { handled: true, ..plain.clone() },
            TaskState { held: true, ..plain.clone() },
            TaskState { dead: true, ..plain.clone() },
            TaskState { handled: true, held: true, dead: true, ..plain },
        ],
    );
}

pub fn counters_and_parent_counts_read_back(open: Factory<'_>) {
    let plain = state(TaskStatus::Pending, Place::Rest);
    let parents = |completed, failed, skipped| ParentCounts { completed, failed, skipped };
    states_read_back(
        open,
        vec![
            TaskState { failures: 3, losses: 2, snoozes: u32::MAX, generation: 4, attempt: 9, ..plain.clone() },
            TaskState { parents: parents(1, 0, 0), ..plain.clone() },
            TaskState { parents: parents(0, 2, u32::MAX), ..plain },
        ],
    );
}

pub fn an_error_with_a_trace_reads_back(open: Factory<'_>) {
    let mut state = ended(TaskStatus::Failed, 7);
    let trace = Some(name(&"at line 1\n".repeat(6_000)));
    let error = Failure { kind: name("Fehler\u{1F980}"), message: name(&"m".repeat(16_384)), trace };
    let last = state.last.as_mut().expect("it ran");
    last.error = Some(error);
    let mut empty = state.clone();
    let nothing = Failure { kind: name(""), message: name(""), trace: Some(name("")) };
    empty.last.as_mut().expect("it ran").error = Some(nothing);
    states_read_back(open, vec![state, empty]);
}

pub fn an_attempt_of_an_earlier_generation_reads_back(open: Factory<'_>) {
    let mut state = state(TaskStatus::Ready, Place::Hot);
    state.generation = 2;
    state.attempt = 3;
    state.last = Some(failed_attempt(3));
    let mut odd = state.clone();
    odd.attempt = 5;
    states_read_back(open, vec![state, odd]);
}

pub fn a_lease_that_is_not_the_last_attempts_reads_back(open: Factory<'_>) {
    let lease = |number, worker| Lease { number, session: name("s"), worker: name(worker), lease_ms: u64::MAX >> 1 };
    let other = TaskState { lease: Some(lease(77, "host-1")), ..running(1) };
    let elsewhere = TaskState { lease: Some(lease(attempt(1).lease, "host-2")), ..running(1) };
    let alone = TaskState { lease: Some(lease(5, "host-3")), last: None, ..running(1) };
    states_read_back(open, vec![other, elsewhere, alone]);
}

pub fn times_before_the_epoch_read_back(open: Factory<'_>) {
    let mut state = ended(TaskStatus::Completed, 7);
    state.due = Some(Timestamp::from_millis(-1));
    state.ready_at = Some(Timestamp::from_millis(0));
    state.ended_at = Some(Timestamp::from_millis(i64::MAX));
    states_read_back(open, vec![state]);
}

pub fn an_update_replaces_the_whole_state(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let mut full = ended(TaskStatus::Failed, 7);
    full.last = Some(failed_attempt(1));
    full.due = Some(at(1));
    full.dead = true;
    full.handled = true;
    full.failures = 3;
    shard.commit(Changes { insert_tasks: vec![task_in(1, full)], ..Changes::default() });
    let bare = state(TaskStatus::Ready, Place::Hot);
    shard.commit(Changes { update_tasks: vec![(key(1), bare.clone())], ..Changes::default() });
    assert_eq!(shard.resident(vec![key(1)]), [task_in(1, bare)]);
}

pub fn a_deleted_task_is_gone(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    shard.commit(Changes { insert_tasks: vec![task(1), task(2)], ..Changes::default() });
    shard.commit(Changes { delete_tasks: vec![key(1)], ..Changes::default() });
    assert_eq!(shard.load().tasks, [task(2)]);
    assert_eq!(shard.resident(vec![key(1)]), []);
    assert_eq!(shard.whole(key(1)), None);
}

pub fn the_largest_key_reads_back(open: Factory<'_>) {
    let largest = TaskRow { key: Key::from_raw((1 << 63) - 1), ..task(1) };
    inserted_reads_back(open, vec![TaskRow { key: Key::from_raw(1), ..task(1) }, largest]);
}
