//! Lists of tasks and jobs: order, pages, filters.

use std::sync::Arc;

use mainspring_core::id::Key;
use mainspring_core::job::{JobRow, JobState, JobStatus, Sweep, SweepKind};
use mainspring_core::row::{Changes, ClaimKind, TaskRow};
use mainspring_core::task::{LaneId, Place, TaskState, TaskStatus};

use super::make::{at, chain, claim, ended, job_state, key, name, running, state, task, task_in, task_with};
use super::{Factory, Shard};
use crate::reader::{Compare, Field, JobFilter, TaskFilter, Term, Test};

pub(super) fn holding(open: Factory<'_>, rows: Vec<TaskRow>) -> Shard {
    let mut shard = Shard::new(open);
    shard.commit(Changes { insert_tasks: rows, ..Changes::default() });
    shard
}

pub(super) fn listed(shard: &Shard, filter: TaskFilter) -> Vec<Key> {
    shard.ask(|reader| reader.tasks(filter, None, 100)).items.iter().map(|row| row.key).collect()
}

pub(super) fn keys(numbers: impl IntoIterator<Item = u64>) -> Vec<Key> {
    numbers.into_iter().map(key).collect()
}

pub fn tasks_are_listed_newest_first(open: Factory<'_>) {
    let shard = holding(open, vec![task(2), task(1), task(3)]);
    assert_eq!(listed(&shard, TaskFilter::default()), keys([3, 2, 1]));
}

pub fn a_page_of_tasks_goes_on_where_it_ended(open: Factory<'_>) {
    let shard = holding(open, (1..=7).map(task).collect());
    let (mut after, mut seen) = (None, Vec::new());
    for _ in 0..9 {
        let page = shard.ask(|reader| reader.tasks(TaskFilter::default(), after, 3));
        assert!(page.items.len() <= 3);
        seen.extend(page.items.iter().map(|row| row.key));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((seen, after), (keys((1..=7).rev()), None));
}

pub fn a_full_last_page_has_no_next(open: Factory<'_>) {
    let shard = holding(open, (1..=4).map(task).collect());
    let page = |after| shard.ask(|reader| reader.tasks(TaskFilter::default(), after, 2));
    let first = page(None);
    assert_eq!(first.next, Some(key(3)));
    assert_eq!(page(first.next).next, None);
}

pub fn tasks_are_listed_without_their_bodies(open: Factory<'_>) {
    let row = task_with(1, |spec| {
        spec.body = "[1]".into();
        spec.title = Some(name("title"));
        spec.tags = Arc::from([name("a")]);
    });
    let mut shard = holding(open, vec![row]);
    let chain = chain(10, 1);
    let (insert_tasks, insert_jobs, insert_chunks) = (chain.tasks, vec![chain.job], chain.chunks);
    shard.commit(Changes { insert_tasks, insert_jobs, insert_chunks, ..Changes::default() });
    let rows = shard.ask(|reader| reader.tasks(TaskFilter::default(), None, 9)).items;
    let specs: Vec<_> = rows.iter().map(|row| row.spec.as_deref().expect("a list has specs")).collect();
    assert_eq!(specs.iter().map(|spec| &*spec.body).collect::<Vec<_>>(), ["", ""]);
    assert_eq!((&*specs[0].kind, specs[1].title.as_deref(), specs[1].tags.len()), ("noop", Some("title"), 1));
}

pub fn tasks_are_filtered_by_tenant(open: Factory<'_>) {
    let shard = holding(open, vec![task(1), TaskRow { tenant: name("acme"), ..task(2) }, task(3)]);
    let of = |tenant: &str| TaskFilter { tenant: Some(name(tenant)), ..TaskFilter::default() };
    assert_eq!(listed(&shard, of("default")), keys([3, 1]));
    assert_eq!(listed(&shard, of("acme")), keys([2]));
    assert_eq!(listed(&shard, of("ACME")), []);
}

/// A task in each status, `1..`.
fn one_of_each() -> Vec<TaskRow> {
    let in_status = |(status, number): (TaskStatus, u64)| {
        let place = match status {
            TaskStatus::Ready => Place::ColdReady { lane: LaneId(0) },
            TaskStatus::Scheduled => Place::ColdTimer,
            _ => Place::Rest,
        };
        let due = (status == TaskStatus::Scheduled).then(|| at(1));
        match status {
            TaskStatus::Running => task_in(number, running(1)),
            status if status.is_terminal() => task_in(number, ended(status, 5)),
            status => task_in(number, TaskState { due, ..state(status, place) }),
        }
    };
    TaskStatus::ALL.into_iter().zip(1..).map(in_status).collect()
}

pub fn tasks_are_filtered_by_every_status(open: Factory<'_>) {
    let shard = holding(open, one_of_each());
    for (status, number) in TaskStatus::ALL.into_iter().zip(1..) {
        let filter = TaskFilter { statuses: vec![status], ..TaskFilter::default() };
        assert_eq!(listed(&shard, filter), keys([number]), "{status:?}");
    }
}

pub fn tasks_are_filtered_by_several_statuses(open: Factory<'_>) {
    let shard = holding(open, one_of_each());
    let statuses = vec![TaskStatus::ALL[6], TaskStatus::ALL[0], TaskStatus::ALL[3]];
    assert_eq!(listed(&shard, TaskFilter { statuses, ..TaskFilter::default() }), keys([7, 4, 1]));
}

pub fn a_status_follows_an_update(open: Factory<'_>) {
    let mut shard = holding(open, vec![task(1), task(2)]);
    let update_tasks = vec![(key(1), ended(TaskStatus::Failed, 3))];
    shard.commit(Changes { update_tasks, ..Changes::default() });
    let of = |status| TaskFilter { statuses: vec![status], ..TaskFilter::default() };
    assert_eq!((listed(&shard, of(TaskStatus::Ready)), listed(&shard, of(TaskStatus::Failed))), (keys([2]), keys([1])));
}

/// A store with a chain of three at 10, and two standalone tasks.
fn with_job(open: Factory<'_>) -> (Shard, Vec<Key>) {
    let mut shard = holding(open, vec![task(1), task(100)]);
    let chain = chain(10, 3);
    let of_job = chain.tasks.iter().rev().map(|row| row.key).collect();
    let (insert_tasks, insert_jobs, insert_chunks) = (chain.tasks, vec![chain.job], chain.chunks);
    shard.commit(Changes { insert_tasks, insert_jobs, insert_chunks, ..Changes::default() });
    (shard, of_job)
}

pub fn tasks_are_filtered_by_job(open: Factory<'_>) {
    let (shard, of_job) = with_job(open);
    assert_eq!(listed(&shard, TaskFilter { job: Some(key(10)), ..TaskFilter::default() }), of_job);
    assert_eq!(listed(&shard, TaskFilter { job: Some(key(50)), ..TaskFilter::default() }), []);
}

/// Lists the ready tasks of a chain at 10 whose first task was set aside while its job stood like this.
fn ready_of_job_in(open: Factory<'_>, job: JobState) -> Vec<Key> {
    let mut shard = holding(open, vec![task(1)]);
    let mut chain = chain(10, 2);
    chain.tasks[0].state = state(TaskStatus::Ready, Place::Rest);
    chain.job.state = job;
    let (insert_tasks, insert_jobs, insert_chunks) = (chain.tasks, vec![chain.job], chain.chunks);
    shard.commit(Changes { insert_tasks, insert_jobs, insert_chunks, ..Changes::default() });
    listed(&shard, TaskFilter { statuses: vec![TaskStatus::Ready], ..TaskFilter::default() })
}

pub fn a_ready_task_that_a_pause_set_aside_is_listed(open: Factory<'_>) {
    let paused = JobState { paused: true, ..job_state(JobStatus::Paused) };
    assert_eq!(ready_of_job_in(open, paused), [key(10).task_of_job(0), key(1)]);
}

pub fn a_ready_task_that_a_sweep_has_not_reached_is_listed(open: Factory<'_>) {
    let sweep = Some(Sweep { kind: SweepKind::Resuming, next: 0 });
    let resuming = JobState { sweep, ..job_state(JobStatus::Running) };
    assert_eq!(ready_of_job_in(open, resuming), [key(10).task_of_job(0), key(1)]);
}

pub fn tasks_are_filtered_standalone(open: Factory<'_>) {
    let (shard, _) = with_job(open);
    assert_eq!(listed(&shard, TaskFilter { standalone: true, ..TaskFilter::default() }), keys([100, 1]));
}

fn dead() -> TaskState {
    TaskState { dead: true, ..ended(TaskStatus::Failed, 5) }
}

pub fn dead_letters_are_listed(open: Factory<'_>) {
    let shard = holding(open, vec![task_in(1, dead()), task_in(2, ended(TaskStatus::Failed, 5)), task_in(3, dead())]);
    assert_eq!(listed(&shard, TaskFilter { dead: true, ..TaskFilter::default() }), keys([3, 1]));
}

pub fn a_redriven_dead_letter_is_not_listed(open: Factory<'_>) {
    let mut shard = holding(open, vec![task_in(1, dead()), task_in(2, dead())]);
    let again = TaskState { generation: 2, ..state(TaskStatus::Ready, Place::Hot) };
    shard.commit(Changes { update_tasks: vec![(key(1), again)], ..Changes::default() });
    assert_eq!(listed(&shard, TaskFilter { dead: true, ..TaskFilter::default() }), keys([2]));
}

fn holding_jobs(open: Factory<'_>, rows: Vec<JobRow>) -> Shard {
    let mut shard = Shard::new(open);
    shard.commit(Changes { insert_jobs: rows, ..Changes::default() });
    shard
}

fn listed_jobs(shard: &Shard, filter: JobFilter) -> Vec<Key> {
    shard.ask(|reader| reader.jobs(filter, None, 100)).items.iter().map(|row| row.key).collect()
}

pub fn jobs_are_listed_newest_first(open: Factory<'_>) {
    let shard = holding_jobs(open, vec![chain(20, 1).job, chain(10, 1).job, chain(30, 1).job]);
    let page = shard.ask(|reader| reader.jobs(JobFilter::default(), None, 2));
    assert_eq!((page.items.len(), page.next), (2, Some(key(20))));
    assert_eq!(listed_jobs(&shard, JobFilter::default()), keys([30, 20, 10]));
    let last = shard.ask(|reader| reader.jobs(JobFilter::default(), page.next, 2));
    assert_eq!((last.items, last.next), (vec![chain(10, 1).job], None));
}

pub fn jobs_are_filtered_by_every_status(open: Factory<'_>) {
    let in_status = |(status, number): (JobStatus, u64)| JobRow { state: job_state(status), ..chain(number, 1).job };
    let shard = holding_jobs(open, JobStatus::ALL.into_iter().zip((1..).map(|n| n * 10)).map(in_status).collect());
    for (status, number) in JobStatus::ALL.into_iter().zip((1..).map(|n| n * 10)) {
        let filter = JobFilter { statuses: vec![status], ..JobFilter::default() };
        assert_eq!(listed_jobs(&shard, filter), keys([number]), "{status:?}");
    }
}

pub fn jobs_are_filtered_by_tenant_and_terms(open: Factory<'_>) {
    let rows = vec![
        JobRow { title: Some(name("Täglicher Bericht")), ..chain(10, 1).job },
        JobRow { title: Some(name("Bericht")), tenant: name("acme"), ..chain(20, 1).job },
        JobRow { tags: Arc::from([name("daily")]), given_id: Some(name("nightly-7")), ..chain(30, 1).job },
    ];
    let shard = holding_jobs(open, rows);
    let ask = |tenant: Option<&str>, field, test| JobFilter {
        tenant: tenant.map(name),
        terms: vec![Term { field, negated: false, test }],
        ..JobFilter::default()
    };
    let report = || Test::Contains("bericht".to_owned());
    assert_eq!(listed_jobs(&shard, ask(None, Field::Title, report())), keys([20, 10]));
    assert_eq!(listed_jobs(&shard, ask(Some("acme"), Field::Title, report())), keys([20]));
    assert_eq!(listed_jobs(&shard, ask(None, Field::Tag, Test::AnyOf(vec!["daily".to_owned()]))), keys([30]));
    assert_eq!(listed_jobs(&shard, ask(None, Field::Id, Test::AnyOf(vec!["nightly-*".to_owned()]))), keys([30]));
    assert_eq!(listed_jobs(&shard, ask(None, Field::Queue, Test::Number(Compare::Equal, 0))), []);
}

pub fn ended_tasks_of_jobs_are_left_to_their_jobs(open: Factory<'_>) {
    let mut shard = holding(open, vec![task_in(1, ended(TaskStatus::Skipped, 5))]);
    let mut chain = chain(10, 1);
    chain.tasks[0].state = ended(TaskStatus::Completed, 5);
    let (insert_tasks, insert_jobs) = (chain.tasks, vec![chain.job]);
    shard.commit(Changes { insert_tasks, insert_jobs, ..Changes::default() });
    assert_eq!(shard.ask(|reader| reader.ended_tasks(at(9), 9)), [(key(1), vec![])]);
}

fn ended_job(number: u64, ms: i64) -> JobRow {
    let mut row = chain(number, 1).job;
    row.state = job_state(JobStatus::Completed);
    row.state.ended_at = Some(at(ms));
    row
}

pub fn ended_jobs_are_found_with_their_claims(open: Factory<'_>) {
    let mut live = chain(40, 1).job;
    live.state.status = JobStatus::Running;
    let mut shard = holding_jobs(open, vec![ended_job(10, 5), ended_job(20, 7), ended_job(30, 6), live]);
    let row = claim(ClaimKind::JobId, "mine", key(30));
    shard.commit(Changes { put_claims: vec![row.clone()], ..Changes::default() });
    let found = shard.ask(|reader| reader.ended_jobs(at(7), 9));
    assert_eq!(found, [(key(10), vec![]), (key(30), vec![row.name])]);
    assert_eq!(shard.ask(|reader| reader.ended_jobs(at(99), 2)).len(), 2);
}

pub fn a_job_that_is_being_deleted_is_not_found_again(open: Factory<'_>) {
    let mut going = ended_job(10, 5);
    going.state.sweep = Some(Sweep { kind: SweepKind::Deleting, next: 0 });
    let shard = holding_jobs(open, vec![going, ended_job(20, 5)]);
    assert_eq!(shard.ask(|reader| reader.ended_jobs(at(9), 9)), [(key(20), vec![])]);
}
