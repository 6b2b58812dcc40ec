//! Conditions on ids, which lead to rows without a look at the others.

use std::sync::Arc;

use mainspring_core::id::{IdKind, Key};
use mainspring_core::job::{JobRow, Sweep, SweepKind};
use mainspring_core::row::{Changes, ClaimKind, ClaimName, ClaimRow, TaskRow};
use mainspring_core::task::TaskStatus;

use super::lists::{keys, listed};
use super::make::{Chain, chain, claim, ended, key, name, task};
use super::{Factory, Shard};
use crate::reader::{Field, JobFilter, TaskFilter, Term, Test};

fn term(negated: bool, patterns: &[&str]) -> Term {
    let test = Test::AnyOf(patterns.iter().map(|pattern| (*pattern).to_owned()).collect());
    Term { field: Field::Id, negated, test }
}

fn by_id(patterns: &[&str]) -> TaskFilter {
    TaskFilter { terms: vec![term(false, patterns)], ..TaskFilter::default() }
}

/// A standalone task that a client named, and its claim.
fn named(number: u64, id: &str, tenant: &str) -> (TaskRow, ClaimRow) {
    let name_of = ClaimName { kind: ClaimKind::TaskId, tenant: name(tenant), text: name(id) };
    let claim = ClaimRow { name: name_of, ..claim(ClaimKind::TaskId, id, key(number)) };
    (TaskRow { given_id: Some(name(id)), tenant: name(tenant), ..task(number) }, claim)
}

fn holding(open: Factory<'_>, rows: Vec<(TaskRow, ClaimRow)>, plain: Vec<TaskRow>, chains: Vec<Chain>) -> Shard {
    let mut shard = Shard::new(open);
    let (mut insert_tasks, put_claims): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    insert_tasks.extend(plain);
    let mut changes = Changes { insert_tasks, put_claims, ..Changes::default() };
    for chain in chains {
        changes.insert_tasks.extend(chain.tasks);
        changes.insert_jobs.push(chain.job);
        changes.insert_chunks.extend(chain.chunks);
    }
    shard.commit(changes);
    shard
}

pub fn terms_ask_for_ids(open: Factory<'_>) {
    let given = |number, id| named(number, id, "default");
    let rows = vec![given(1, "import-1"), given(2, "import-2"), given(3, "export"), given(5, "größe")];
    let shard = holding(open, rows, vec![task(4)], vec![]);
    assert_eq!(listed(&shard, by_id(&["import-1", "export"])), keys([3, 1]));
    assert_eq!(listed(&shard, by_id(&["import*"])), keys([2, 1]));
    assert_eq!(listed(&shard, by_id(&["import*", "export"])), keys([3, 2, 1]));
    assert_eq!(listed(&shard, by_id(&["größe"])), keys([5]));
    let own = key(4).id(IdKind::Task);
    assert_eq!(listed(&shard, by_id(&[&own])), keys([4]));
    assert_eq!(listed(&shard, by_id(&[&own, "export", "nobody", "export"])), keys([4, 3]));
    // An id that was given takes the place of the server's.
    assert_eq!(listed(&shard, by_id(&[&key(1).id(IdKind::Task), &key(4).id(IdKind::Job), "import"])), []);
    let terms = vec![term(true, &["import-1", &own])];
    assert_eq!(listed(&shard, TaskFilter { terms, ..TaskFilter::default() }), keys([5, 3, 2]));
}

pub fn an_id_finds_tasks_of_jobs_by_their_names(open: Factory<'_>) {
    let rows = vec![named(1, "t1", "default"), named(30, "t1", "acme")];
    let shard = holding(open, rows, vec![task(2)], vec![chain(10, 3), chain(20, 1), chain(40, 2)]);
    let of = |job: u64, index| key(job).task_of_job(index);
    assert_eq!(listed(&shard, by_id(&["t1"])), [of(40, 1), key(30), of(10, 1), key(1)]);
    assert_eq!(listed(&shard, by_id(&["t2", "t0"])), [of(40, 0), of(20, 0), of(10, 2), of(10, 0)]);
    let standalone = TaskFilter { standalone: true, ..by_id(&["t1"]) };
    assert_eq!(listed(&shard, standalone), keys([30, 1]));
    let in_job = |job| TaskFilter { job: Some(key(job)), ..by_id(&["t1"]) };
    assert_eq!((listed(&shard, in_job(10)), listed(&shard, in_job(20))), (vec![of(10, 1)], vec![]));
    assert_eq!(listed(&shard, in_job(99)), []);
}

/// The rows of all pages of a list.
fn pages(shard: &Shard, filter: &TaskFilter, limit: usize) -> Vec<Key> {
    let (mut after, mut seen) = (None, Vec::new());
    for _ in 0..10_000 {
        let page = shard.ask(|reader| reader.tasks(filter.clone(), after, limit));
        assert!(page.items.len() <= limit);
        assert!(page.next.is_none_or(|next| after.is_none_or(|after| next < after)), "each page goes on");
        seen.extend(page.items.iter().map(|row| row.key));
        after = page.next;
        if after.is_none() {
            return seen;
        }
    }
    panic!("the list has no end");
}

pub fn a_list_by_id_goes_on_where_a_page_ended(open: Factory<'_>) {
    let rows = vec![named(1, "t0", "default"), named(25, "t0", "acme")];
    let shard = holding(open, rows, vec![], vec![chain(10, 3), chain(20, 2), chain(30, 2)]);
    let filter = by_id(&["t0", "t1"]);
    let all = listed(&shard, filter.clone());
    assert_eq!(all.len(), 8);
    for limit in 1..=8 {
        assert_eq!(pages(&shard, &filter, limit), all, "{limit} at a time");
    }
}

/// More jobs than are asked for their tasks at a time.
pub fn a_list_by_id_goes_on_past_many_jobs(open: Factory<'_>) {
    let rows = vec![named(1, "t0", "default"), named(9_000, "t1", "default")];
    let mut shard = holding(open, rows, vec![], vec![chain(2, 2), chain(3_000, 2)]);
    let insert_jobs: Vec<JobRow> = (1..=1_300).map(|number| chain(5 * number, 1).job).collect();
    let mut tasks: Vec<TaskRow> = (1..=1_300).flat_map(|number| chain(5 * number, 1).tasks).collect();
    tasks.retain(|row| row.key != key(3_000).task_of_job(0));
    let insert_jobs = insert_jobs.into_iter().filter(|row| row.key != key(3_000)).collect();
    shard.commit(Changes { insert_jobs, insert_tasks: tasks, ..Changes::default() });
    let of = |job: u64, index| key(job).task_of_job(index);
    assert_eq!(listed(&shard, by_id(&["t1"])), [key(9_000), of(3_000, 1), of(2, 1)]);
    let all = pages(&shard, &by_id(&["t0"]), 400);
    assert_eq!((all.len(), all.last()), (1_302, Some(&key(1))));
    assert!(all.is_sorted_by(|a, b| a > b));
}

pub fn what_an_id_finds_meets_the_other_conditions(open: Factory<'_>) {
    let mut done = named(3, "b", "acme");
    done.0.state = ended(TaskStatus::Completed, 9);
    let shard = holding(open, vec![named(1, "a", "default"), named(2, "a", "acme"), done], vec![], vec![chain(10, 2)]);
    let tenant = Some(name("acme"));
    assert_eq!(listed(&shard, TaskFilter { tenant: tenant.clone(), ..by_id(&["a", "b", "t0"]) }), keys([3, 2]));
    let statuses = vec![TaskStatus::Completed];
    assert_eq!(listed(&shard, TaskFilter { tenant, statuses, ..by_id(&["a", "b", "t0"]) }), keys([3]));
    let queue = Term { field: Field::Queue, negated: false, test: Test::AnyOf(vec!["other".to_owned()]) };
    let terms = vec![queue, term(false, &["a"])];
    assert_eq!(listed(&shard, TaskFilter { terms, ..TaskFilter::default() }), []);
    let terms = vec![term(false, &["a", "t1"]), term(false, &["t*"]), term(true, &["t0"])];
    assert_eq!(listed(&shard, TaskFilter { terms, ..TaskFilter::default() }), [key(10).task_of_job(1)]);
}

pub fn the_beginning_of_an_id_finds_what_has_it(open: Factory<'_>) {
    let rows = vec![named(1, "t-one", "default"), named(2, "t1", "acme"), named(3, "u", "default")];
    let shard = holding(open, rows, vec![task(4), task(60)], vec![chain(10, 3), chain(20, 2)]);
    let of = |job: u64, index| key(job).task_of_job(index);
    assert_eq!(listed(&shard, by_id(&["t1*"])), [of(20, 1), of(10, 1), key(2)]);
    assert_eq!(listed(&shard, by_id(&["t-*"])), keys([1]));
    let own = key(4).id(IdKind::Task);
    assert_eq!(listed(&shard, by_id(&[&format!("{}*", &own[..12])])), keys([4]));
    // Those of all keys of these cases begin so.
    assert_eq!(listed(&shard, by_id(&[&format!("{}*", &own[..6])])), keys([60, 4]));
    let all = pages(&shard, &by_id(&["t*"]), 2);
    assert_eq!(all, [key(60), of(20, 1), of(20, 0), of(10, 2), of(10, 1), of(10, 0), key(4), key(2), key(1)]);
}

fn listed_jobs(shard: &Shard, filter: JobFilter) -> Vec<Key> {
    let filter = JobFilter { submitted: true, ..filter };
    shard.ask(|reader| reader.jobs(filter, None, 9)).items.iter().map(|row| row.key).collect()
}

fn jobs_by_id(patterns: &[&str]) -> JobFilter {
    JobFilter { terms: vec![term(false, patterns)], ..JobFilter::default() }
}

pub fn jobs_are_found_by_their_ids(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let given = |number, id: &str| JobRow { given_id: Some(name(id)), ..chain(number, 1).job };
    let insert_jobs = vec![given(10, "nightly-1"), given(20, "nightly-2"), chain(30, 1).job];
    let put_claims = vec![claim(ClaimKind::JobId, "nightly-1", key(10)), claim(ClaimKind::JobId, "nightly-2", key(20))];
    shard.commit(Changes { insert_jobs, put_claims, ..Changes::default() });
    let own = key(30).id(IdKind::Job);
    assert_eq!(listed_jobs(&shard, jobs_by_id(&["nightly-1"])), keys([10]));
    assert_eq!(listed_jobs(&shard, jobs_by_id(&["nightly-1", &own, "none"])), keys([30, 10]));
    assert_eq!(listed_jobs(&shard, jobs_by_id(&["nightly*"])), keys([20, 10]));
    assert_eq!(listed_jobs(&shard, jobs_by_id(&[&format!("{}*", &own[..12])])), keys([30]));
    assert_eq!(listed_jobs(&shard, jobs_by_id(&[&key(10).id(IdKind::Job), &key(30).id(IdKind::Task)])), []);
    let tenant = Some(name("acme"));
    assert_eq!(listed_jobs(&shard, JobFilter { tenant, ..jobs_by_id(&["nightly-1", "nightly-2"]) }), []);
    let first = shard.ask(|reader| reader.jobs(JobFilter { submitted: true, ..jobs_by_id(&["nightly*"]) }, None, 1));
    assert_eq!((first.items.len(), first.next), (1, Some(key(20))));
}

pub fn a_job_inside_another_is_found_by_the_id_it_shares(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let id = Some(name("nightly"));
    let around = JobRow { given_id: id.clone(), ..chain(10, 1).job };
    let ancestors = Arc::from([key(10)]);
    let inside = JobRow { given_id: id, parent: Some(key(10).task_of_job(0)), ancestors, ..chain(20, 1).job };
    let put_claims = vec![claim(ClaimKind::JobId, "nightly", key(10))];
    shard.commit(Changes { insert_jobs: vec![around, inside], put_claims, ..Changes::default() });
    assert_eq!(listed_jobs(&shard, jobs_by_id(&["nightly"])), keys([10]));
    let filter = JobFilter { inside: Some(key(10)), ..jobs_by_id(&["nightly"]) };
    let found = shard.ask(|reader| reader.jobs(filter, None, 9));
    assert_eq!(found.items.iter().map(|row| row.key).collect::<Vec<_>>(), keys([20]));
}

pub fn an_id_leads_to_nothing_that_is_staged(open: Factory<'_>) {
    let mut staged = chain(10, 2);
    staged.job.given_id = Some(name("job"));
    staged.job.state.sweep = Some(Sweep { kind: SweepKind::Staging, next: 2 });
    let mut shard = holding(open, vec![], vec![], vec![staged, chain(20, 1)]);
    let put_claims = vec![claim(ClaimKind::JobId, "job", key(10))];
    shard.commit(Changes { put_claims, ..Changes::default() });
    assert_eq!(listed(&shard, by_id(&["t0"])), [key(20).task_of_job(0)]);
    assert_eq!(listed_jobs(&shard, jobs_by_id(&["job"])), []);
    assert_eq!(listed_jobs(&shard, jobs_by_id(&["j*"])), keys([20]));
}
