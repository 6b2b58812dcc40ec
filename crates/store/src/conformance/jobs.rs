//! The rows of jobs, those that are not published yet, and which of them a load brings.

use std::sync::Arc;

use mainspring_core::job::{
    FailurePolicy, Followed, JobCounts, JobRow, JobState, JobStatus, RerunFrom, Sweep, SweepKind,
};
use mainspring_core::row::{Changes, ClaimKind, ReadSet};
use mainspring_core::task::{Place, TaskStatus};

use super::graphs::{inserting, jobs_of};
use super::make::{Chain, at, chain, claim, job_state, key, name, state, task};
use super::{Factory, Shard};
use crate::reader::{JobFilter, TaskFilter};

/// Checks that a job in each of these states reads back, from an insert and from an update.
fn states_read_back(open: Factory<'_>, states: Vec<JobState>) {
    let mut shard = Shard::new(open);
    for (state, number) in states.into_iter().zip(1..) {
        let inserted = JobRow { state: state.clone(), ..chain(number * 10, 1).job };
        let updated = JobRow { state: state.clone(), ..chain(number * 10 + 5, 1).job };
        let plain = JobRow { state: job_state(JobStatus::Pending), ..updated.clone() };
        shard.commit(Changes { insert_jobs: vec![inserted.clone(), plain], ..Changes::default() });
        shard.commit(Changes { update_jobs: vec![(updated.key, state)], ..Changes::default() });
        assert_eq!(jobs_of(&shard, vec![inserted.key, updated.key]), [inserted, updated]);
    }
}

fn sweeping(kind: SweepKind, next: u32) -> JobState {
    JobState { sweep: Some(Sweep { kind, next }), ..job_state(JobStatus::Running) }
}

pub fn a_job_reads_back(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let plain = chain(10, 3).job;
    let rich = JobRow {
        tenant: name("acme"),
        given_id: Some(name("job_202")),
        title: Some(name("Täglicher Bericht")),
        failure_policy: FailurePolicy::FailFast,
        tasks: 100_000,
        body: r#"{"params":{"day":"2026-11-23"}}"#.into(),
        tags: Arc::from([name("daily"), name("\"quoted\"")]),
        ..chain(20, 1).job
    };
    shard.commit(Changes { insert_jobs: vec![plain.clone(), rich.clone()], ..Changes::default() });
    assert_eq!(jobs_of(&shard, vec![rich.key, key(5), plain.key]), [rich.clone(), plain.clone()]);
    let keys = vec![plain.key, key(5), rich.key];
    assert_eq!(shard.ask(|reader| reader.jobs_by_key(keys)), [plain, rich]);
}

pub fn every_job_status_reads_back(open: Factory<'_>) {
    states_read_back(open, JobStatus::ALL.into_iter().map(job_state).collect());
}

pub fn every_sweep_reads_back(open: Factory<'_>) {
    states_read_back(
        open,
        vec![
            sweeping(SweepKind::Staging, 0),
            sweeping(SweepKind::Starting, 1),
            sweeping(SweepKind::Resuming, 2),
            sweeping(SweepKind::Cancelling, u32::MAX),
            sweeping(SweepKind::FailingFast, 3),
            sweeping(SweepKind::Rerunning(RerunFrom::Failed), 4),
            sweeping(SweepKind::Rerunning(RerunFrom::Task(99_999)), 5),
            sweeping(SweepKind::Rerunning(RerunFrom::Start), 6),
            sweeping(SweepKind::Deleting, 7),
            sweeping(SweepKind::Reporting, 8),
            sweeping(SweepKind::Hooking, 0),
            sweeping(SweepKind::Announcing(u64::MAX >> 12), 0),
        ],
    );
}

pub fn every_job_flag_reads_back(open: Factory<'_>) {
    let plain = job_state(JobStatus::Running);
    states_read_back(
        open,
        vec![
            JobState { paused: true, ..plain.clone() },
            JobState { cancelled: true, ..plain.clone() },
            JobState { failing_fast: true, ..plain.clone() },
            JobState { exceeded: true, ..plain.clone() },
            JobState { queued: true, ..plain.clone() },
            JobState { followed: Followed { hooks: true, definition: false }, ..plain.clone() },
            JobState { followed: Followed { hooks: false, definition: true }, ..plain.clone() },
            JobState { paused: true, cancelled: true, failing_fast: true, exceeded: true, queued: true, ..plain },
        ],
    );
}

pub fn job_counts_read_back(open: Factory<'_>) {
    let counts = JobCounts { completed: 1, failed: 2, cancelled: 3, skipped: u32::MAX };
    let started_at = Some(at(1));
    let ended_at = Some(at(2));
    let state = JobState { counts, unhandled: 4, generation: 5, started_at, ended_at, ..job_state(JobStatus::Failed) };
    states_read_back(open, vec![state]);
}

pub fn a_job_update_keeps_what_was_submitted(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let job = JobRow { title: Some(name("x")), body: "[1]".into(), ..chain(10, 2).job };
    shard.commit(Changes { insert_jobs: vec![job.clone()], ..Changes::default() });
    let next = job_state(JobStatus::Completed);
    shard.commit(Changes { update_jobs: vec![(job.key, next.clone())], ..Changes::default() });
    assert_eq!(jobs_of(&shard, vec![job.key]), [JobRow { state: next, ..job }]);
}

/// Inserts a chain that is still being staged, with claims that lead to it, beside a standalone task.
fn stage(shard: &mut Shard, chain: &Chain) {
    let mut changes = inserting(chain);
    changes.insert_jobs[0].state.sweep = Some(Sweep { kind: SweepKind::Staging, next: 2 });
    changes.insert_tasks.push(task(1));
    changes.put_claims = vec![
        claim(ClaimKind::JobId, "job", chain.job.key),
        claim(ClaimKind::IdempotencyKey, "key", chain.job.key),
        claim(ClaimKind::TaskId, "task", key(1)),
    ];
    shard.commit(changes);
}

pub fn a_load_removes_a_staged_job(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let chain = chain(10, 3);
    stage(&mut shard, &chain);
    let snapshot = shard.load();
    assert_eq!((snapshot.tasks, snapshot.jobs), (vec![task(1)], vec![]));
    assert_eq!(jobs_of(&shard, vec![chain.job.key]), []);
    assert_eq!(shard.resident(chain.tasks.iter().map(|row| row.key).collect()), []);
    let chunks = vec![(chain.job.key, 0)];
    assert_eq!(shard.read(ReadSet { chunks, ..ReadSet::default() }).chunks, []);
    let find = |kind, text| shard.ask(|reader| reader.find(kind, name(text)));
    assert_eq!(find(ClaimKind::JobId, "job"), []);
    assert_eq!(find(ClaimKind::IdempotencyKey, "key"), []);
    assert_eq!(find(ClaimKind::TaskId, "task"), [(name("default"), key(1))]);
    assert_eq!(shard.ask(|reader| reader.task_counts(None, 9)), [(name("default"), TaskStatus::Ready, 1)]);
    assert_eq!(shard.ask(|reader| reader.job_counts(None, 9)), []);
    shard.commit(inserting(&chain));
}

pub fn a_load_keeps_a_published_job(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let chain = chain(10, 3);
    stage(&mut shard, &chain);
    let published = vec![(chain.job.key, chain.job.state.clone())];
    shard.commit(Changes { update_jobs: published, ..Changes::default() });
    shard.load();
    assert_eq!(jobs_of(&shard, vec![chain.job.key]), std::slice::from_ref(&chain.job));
    assert_eq!(shard.ask(|reader| reader.chunks(chain.job.key)), chain.chunks);
}

pub fn a_load_brings_the_jobs_of_hot_tasks(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let mut chain = chain(10, 3);
    chain.tasks[1].state = state(TaskStatus::Ready, Place::Hot);
    shard.commit(inserting(&chain));
    let snapshot = shard.load();
    assert_eq!(snapshot.jobs, [chain.job]);
    assert_eq!(snapshot.tasks.len(), 1);
}

pub fn a_load_brings_every_job_with_a_sweep(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let mut rows = Vec::new();
    for (kind, number) in [SweepKind::Cancelling, SweepKind::Deleting, SweepKind::Starting].into_iter().zip(1..) {
        rows.push(JobRow { state: sweeping(kind, 1), ..chain(number * 10, 3).job });
    }
    shard.commit(Changes { insert_jobs: rows.clone(), ..Changes::default() });
    assert_eq!(shard.load().jobs, rows);
}

pub fn a_load_leaves_quiet_jobs_out(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    shard.commit(inserting(&chain(10, 3)));
    let snapshot = shard.load();
    assert_eq!((snapshot.jobs, snapshot.tasks), (vec![], vec![]));
}

pub fn a_staged_job_is_not_shown(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let chain = chain(10, 3);
    stage(&mut shard, &chain);
    let (job, first) = (chain.job.key, chain.tasks[0].key);
    assert_eq!(shard.ask(|reader| reader.find(ClaimKind::JobId, name("job"))), []);
    assert_eq!(shard.ask(|reader| reader.jobs_by_key(vec![job])), []);
    assert_eq!(shard.ask(|reader| reader.tasks_by_key(vec![first])), []);
    assert_eq!(shard.ask(|reader| reader.find_in_job(job, name("t0"))), None);
    assert_eq!(shard.ask(|reader| reader.job_tasks(job, 0, 9)), []);
    assert_eq!(shard.ask(|reader| reader.chunks(job)), []);
    assert_eq!(shard.ask(|reader| reader.jobs(JobFilter::default(), None, 9)).items, []);
    let listed = shard.ask(|reader| reader.tasks(TaskFilter::default(), None, 9)).items;
    assert_eq!(listed.iter().map(|row| row.key).collect::<Vec<_>>(), [key(1)]);
}

pub fn a_staged_job_is_shown_once_published(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let chain = chain(10, 3);
    stage(&mut shard, &chain);
    let published = vec![(chain.job.key, chain.job.state.clone())];
    shard.commit(Changes { update_jobs: published, ..Changes::default() });
    assert_eq!(shard.ask(|reader| reader.jobs(JobFilter::default(), None, 9)).items, std::slice::from_ref(&chain.job));
    assert_eq!(shard.ask(|reader| reader.tasks(TaskFilter::default(), None, 9)).items.len(), 4);
    let found = shard.ask(|reader| reader.find(ClaimKind::JobId, name("job")));
    assert_eq!(found, [(name("default"), chain.job.key)]);
}
