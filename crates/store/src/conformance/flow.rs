//! What stands between a task's trigger and its first attempt, jobs inside jobs, and jobs that are watched.

use std::sync::Arc;

use mainspring_core::id::Key;
use mainspring_core::job::{Flow, JobRow, JobState, JobStatus, Step, Sweep, SweepKind};
use mainspring_core::limits::{CHECKPOINT_BYTES_MAX, RESIDENT_BODY_BYTES_MAX};
use mainspring_core::row::{Changes, ReadSet, TimerPage};
use mainspring_core::task::{Failure, Place, TaskState, TaskStatus};

use super::graphs::{inserting, jobs_of};
use super::make::{at, chain, chain_with, ended, job_state, key, name, running, state, task_in};
use super::states::states_read_back;
use super::{Factory, Shard};
use crate::reader::{JobFilter, TaskFilter};

/// A job that carries out a group of the job `around`.
fn child(number: u64, around: u64) -> JobRow {
    let (parent, ancestors) = (Some(key(around).task_of_job(0)), Arc::from([key(1), key(around)]));
    JobRow { parent, ancestors, given_id: Some(name("shown")), ..chain(number, 1).job }
}

fn holding(open: Factory<'_>, insert_jobs: Vec<JobRow>) -> Shard {
    let mut shard = Shard::new(open);
    shard.commit(Changes { insert_jobs, ..Changes::default() });
    shard
}

fn update(shard: &mut Shard, key: Key, state: JobState) {
    shard.commit(Changes { update_jobs: vec![(key, state)], ..Changes::default() });
}

pub fn a_flow_of_a_task_reads_back(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let mut chain = chain(10, 8);
    let steps = [
        Step::Attempt,
        Step::Group,
        Step::Approval { timeout_ms: None },
        Step::Approval { timeout_ms: Some(0) },
        Step::Approval { timeout_ms: Some(u64::MAX - 1) },
    ];
    let flows = steps.into_iter().zip([true, true, false, true, false]);
    for (node, (step, evaluated)) in chain.chunks[0].tasks.iter_mut().zip(flows) {
        node.flow = Some(Arc::new(Flow { evaluated, step, logic: r#"{"if":"größe > 1"}"#.into() }));
    }
    shard.commit(inserting(&chain));
    let chunks = vec![(chain.job.key, 0)];
    assert_eq!(shard.read(ReadSet { chunks, ..ReadSet::default() }).chunks, chain.chunks);
    assert_eq!(shard.ask(|reader| reader.chunks(chain.job.key)), chain.chunks);
}

pub fn the_graph_keeps_a_template_that_its_row_loses(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let template = format!(r#"{{"payload":"{}"}}"#, "x".repeat(RESIDENT_BODY_BYTES_MAX));
    let mut chain = chain_with(10, 1, |_, spec| spec.body = template.as_str().into());
    let flow = Flow { evaluated: true, step: Step::Attempt, logic: "{}".into() };
    chain.chunks[0].tasks[0].flow = Some(Arc::new(flow));
    shard.commit(inserting(&chain));
    let task = chain.tasks[0].key;
    let rendered = r#"{"payload":1}"#;
    shard.commit(Changes { rewrite_bodies: vec![(task, rendered.into())], ..Changes::default() });
    let row = shard.ask(|reader| reader.tasks_by_key(vec![task])).remove(0);
    assert_eq!(row.spec.map(|spec| spec.body.to_string()), Some(rendered.to_owned()));
    assert_eq!(shard.ask(|reader| reader.chunks(chain.job.key)), chain.chunks);
}

pub fn what_stands_before_an_attempt_reads_back(open: Factory<'_>) {
    let failure = Failure { kind: name("approval_refused"), message: name("größe"), trace: None };
    let traced = Failure { trace: Some(name("at line 1")), ..failure.clone() };
    states_read_back(
        open,
        vec![
            TaskState { evaluating: true, ..state(TaskStatus::Pending, Place::Hot) },
            TaskState { child: Some(key(77)), ..state(TaskStatus::Waiting, Place::Rest) },
            TaskState { due: Some(at(5)), ..state(TaskStatus::Waiting, Place::Hot) },
            TaskState { due: Some(at(5)), ..state(TaskStatus::Waiting, Place::ColdTimer) },
            TaskState { failure: Some(failure), dead: true, ..ended(TaskStatus::Failed, 7) },
            TaskState { failure: Some(traced), last: None, ..ended(TaskStatus::Failed, 7) },
            TaskState { checkpoint: Some(r#"{"at":1}"#.into()), ..running(2) },
            TaskState { checkpoint: Some("x".repeat(CHECKPOINT_BYTES_MAX).into()), ..running(1) },
        ],
    );
}

pub fn a_cold_approval_is_paged_in_and_listed(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let waiting =
        |number, due, place| task_in(number, TaskState { due: Some(at(due)), ..state(TaskStatus::Waiting, place) });
    let rows = vec![waiting(1, 500, Place::ColdTimer), waiting(2, 400, Place::ColdTimer), waiting(3, 1, Place::Hot)];
    shard.commit(Changes { insert_tasks: rows, ..Changes::default() });
    let page = ReadSet { timers: Some(TimerPage { until: at(450), limit: 9 }), ..ReadSet::default() };
    let found = shard.read(page);
    assert_eq!(found.tasks.iter().map(|row| row.key).collect::<Vec<_>>(), [key(2)]);
    assert_eq!(found.next_timer, Some(at(500)));
    let filter = TaskFilter { statuses: vec![TaskStatus::Waiting], ..TaskFilter::default() };
    let listed = shard.ask(|reader| reader.tasks(filter, None, 9)).items;
    assert_eq!(listed.iter().map(|row| row.key).collect::<Vec<_>>(), [key(3), key(2), key(1)]);
    assert_eq!(shard.load().cold_timers, 2);
}

pub fn a_job_inside_another_reads_back(open: Factory<'_>) {
    let rows = vec![child(20, 10), JobRow { given_id: None, ..child(30, 10) }];
    let shard = holding(open, rows.clone());
    assert_eq!(jobs_of(&shard, vec![key(20), key(30)]), rows);
    assert_eq!(shard.ask(|reader| reader.jobs_by_key(vec![key(20), key(30)])), rows);
}

pub fn a_deadline_and_a_limit_read_back(open: Factory<'_>) {
    let rows = vec![
        JobRow { deadline_ms: Some(0), ..chain(10, 1).job },
        JobRow { active_key: Some((name("täglich"), u32::MAX)), ..chain(20, 1).job },
        JobRow { deadline_ms: Some(u64::MAX >> 1), active_key: Some((name("n"), 1)), ..chain(30, 1).job },
    ];
    let mut shard = holding(open, rows.clone());
    assert_eq!(jobs_of(&shard, vec![key(10), key(20), key(30)]), rows);
    let next = JobState { queued: true, ..job_state(JobStatus::Pending) };
    update(&mut shard, key(20), next.clone());
    assert_eq!(jobs_of(&shard, vec![key(20)]), [JobRow { state: next, ..rows[1].clone() }]);
}

pub fn a_load_brings_jobs_that_are_watched_until_they_end(open: Factory<'_>) {
    let timed = JobRow { deadline_ms: Some(9), ..chain(10, 1).job };
    let queued = JobState { queued: true, ..job_state(JobStatus::Pending) };
    let limited = JobRow { active_key: Some((name("n"), 1)), state: queued, ..chain(20, 1).job };
    let over = JobRow { deadline_ms: Some(9), state: job_state(JobStatus::Failed), ..chain(30, 1).job };
    let mut shard = holding(open, vec![timed.clone(), limited.clone(), over, chain(40, 1).job, child(50, 40)]);
    assert_eq!(shard.load().jobs, [timed.clone(), limited.clone()]);
    update(&mut shard, timed.key, job_state(JobStatus::Cancelled));
    assert_eq!(shard.load().jobs, std::slice::from_ref(&limited));
    let reporting = Sweep { kind: SweepKind::Reporting, next: 0 };
    let ended = JobState { sweep: Some(reporting), ..job_state(JobStatus::Completed) };
    update(&mut shard, key(50), ended.clone());
    assert_eq!(shard.load().jobs, [limited, JobRow { state: ended, ..child(50, 40) }]);
    // A rerun is watched again.
    update(&mut shard, timed.key, JobState { generation: 2, ..job_state(JobStatus::Pending) });
    assert_eq!(shard.load().jobs.len(), 3);
    shard.commit(Changes { delete_jobs: vec![timed.key], ..Changes::default() });
    assert_eq!(shard.load().jobs.len(), 2);
}

pub fn jobs_inside_others_can_be_left_out_of_lists(open: Factory<'_>) {
    let shard = holding(open, vec![chain(10, 1).job, child(20, 10), chain(30, 1).job, child(40, 30)]);
    let listed = |filter| {
        let page = shard.ask(|reader| reader.jobs(filter, None, 9));
        page.items.iter().map(|row: &JobRow| row.key).collect::<Vec<_>>()
    };
    assert_eq!(listed(JobFilter::default()), [40, 30, 20, 10].map(key));
    assert_eq!(listed(JobFilter { submitted: true, ..JobFilter::default() }), [30, 10].map(key));
    let statuses = vec![JobStatus::Pending];
    assert_eq!(listed(JobFilter { submitted: true, statuses, ..JobFilter::default() }), [30, 10].map(key));
}

pub fn jobs_inside_others_are_not_counted(open: Factory<'_>) {
    let mut staged = child(40, 10);
    staged.state.sweep = Some(Sweep { kind: SweepKind::Staging, next: 0 });
    let mut shard = holding(open, vec![chain(10, 1).job, child(20, 10), child(30, 10), staged]);
    let counts = |shard: &Shard| shard.ask(|reader| reader.job_counts(None, 9));
    assert_eq!(counts(&shard), [(JobStatus::Pending, 1)]);
    shard.load();
    assert_eq!(counts(&shard), [(JobStatus::Pending, 1)]);
    // Once as the writer remembers it, once as it has forgotten.
    for status in [JobStatus::Running, JobStatus::Completed] {
        update(&mut shard, key(20), job_state(status));
        update(&mut shard, key(10), job_state(status));
        assert_eq!(counts(&shard), [(status, 1)]);
        shard.load();
    }
    shard.commit(Changes { delete_jobs: vec![key(20), key(30)], ..Changes::default() });
    assert_eq!(counts(&shard), [(JobStatus::Completed, 1)]);
    shard.commit(Changes { delete_jobs: vec![key(10)], ..Changes::default() });
    assert_eq!(counts(&shard), []);
}

pub fn ended_jobs_inside_others_are_left_to_them(open: Factory<'_>) {
    let over = JobState { ended_at: Some(at(5)), ..job_state(JobStatus::Completed) };
    let rows = vec![child(10, 20), JobRow { state: over.clone(), ..chain(20, 1).job }];
    let mut shard = holding(open, rows);
    update(&mut shard, key(10), over);
    assert_eq!(shard.ask(|reader| reader.ended_jobs(at(9), 9)), [(key(20), vec![])]);
}
