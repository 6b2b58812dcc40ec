//! Terms of the query language, and counts.

use std::sync::Arc;

use mainspring_core::job::JobStatus;
use mainspring_core::row::{Changes, HighWater, TaskRow};
use mainspring_core::task::{Place, TaskStatus};

use super::lists::{holding, keys, listed};
use super::make::{at, chain, ended, failed_attempt, job_state, key, name, running, state, task, task_in, task_with};
use super::{Factory, Shard};
use crate::reader::{Compare, Field, TaskFilter, Term, Test};

fn term(field: Field, test: Test) -> TaskFilter {
    TaskFilter { terms: vec![Term { field, negated: false, test }], ..TaskFilter::default() }
}

fn any_of(texts: &[&str]) -> Test {
    Test::AnyOf(texts.iter().map(|text| (*text).to_owned()).collect())
}

fn part(text: &str) -> Test {
    Test::Contains(text.to_owned())
}

pub fn terms_ask_for_names_and_types(open: Factory<'_>) {
    let row = |number, kind: &str, queue: &str| {
        task_with(number, |spec| {
            spec.kind = name(kind);
            spec.queue = name(queue);
            spec.title = Some(name(&format!("{kind} of {queue}")));
        })
    };
    let shard = holding(open, vec![row(1, "extract", "etl"), row(2, "load", "etl"), row(3, "load", "mail")]);
    assert_eq!(listed(&shard, term(Field::Kind, any_of(&["load"]))), keys([3, 2]));
    assert_eq!(listed(&shard, term(Field::Queue, any_of(&["etl"]))), keys([2, 1]));
    assert_eq!(listed(&shard, term(Field::Title, part("LOAD OF e"))), keys([2]));
    assert_eq!(listed(&shard, term(Field::Status, any_of(&["ready", "failed"]))), keys([3, 2, 1]));
}

pub fn terms_ask_for_tags(open: Factory<'_>) {
    let row = |number, tags: &[&str]| task_with(number, |spec| spec.tags = tags.iter().map(|tag| name(tag)).collect());
    let shard = holding(open, vec![row(1, &["a", "b"]), row(2, &["b", "größe"]), row(3, &[])]);
    assert_eq!(listed(&shard, term(Field::Tag, any_of(&["b"]))), keys([2, 1]));
    assert_eq!(listed(&shard, term(Field::Tag, any_of(&["grö*"]))), keys([2]));
    assert_eq!(listed(&shard, term(Field::Tag, any_of(&["ab"]))), []);
}

pub fn terms_ask_for_workers_and_errors(open: Factory<'_>) {
    let mut failed = ended(TaskStatus::Failed, 9);
    failed.last = Some(failed_attempt(1));
    let shard = holding(open, vec![task_in(1, running(1)), task_in(2, failed), task(3)]);
    assert_eq!(listed(&shard, term(Field::Worker, any_of(&["host-*"]))), keys([2, 1]));
    assert_eq!(listed(&shard, term(Field::Error, any_of(&["exit_code"]))), keys([2]));
    assert_eq!(listed(&shard, term(Field::Attempt, Test::Number(Compare::Equal, 1))), keys([2, 1]));
}

pub fn terms_ask_for_numbers(open: Factory<'_>) {
    let mut shard = holding(open, Vec::new());
    let mut lasted = ended(TaskStatus::Completed, 1_600);
    lasted.last.as_mut().expect("it ran").started_at = at(100);
    let high_water = HighWater { time: at(10_000), ..HighWater::default() };
    let rows = vec![task_in(1, lasted), task_with(2, |spec| spec.priority = 7), task(9_000)];
    shard.commit(Changes { high_water, insert_tasks: rows, ..Changes::default() });
    let ask = |field, compare, number| listed(&shard, term(field, Test::Number(compare, number)));
    assert_eq!(ask(Field::Priority, Compare::Equal, 7), keys([2]));
    assert_eq!(ask(Field::Priority, Compare::Less, 7), keys([9_000, 1]));
    assert_eq!(ask(Field::Duration, Compare::Equal, 1_500), keys([1]));
    assert_eq!(ask(Field::Duration, Compare::Greater, 1_500), []);
    assert_eq!(ask(Field::Age, Compare::Less, u64::MAX), keys([9_000, 2, 1]), "by whatever clock the store has");
}

pub fn terms_ask_for_parts_of_texts(open: Factory<'_>) {
    let titled = |number, title: &str| task_with(number, |spec| spec.title = Some(name(title)));
    let mut failed = ended(TaskStatus::Failed, 9);
    failed.last = Some(failed_attempt(1));
    let shard = holding(open, vec![titled(1, "Großer 100% Import_1"), titled(2, "import"), task_in(3, failed)]);
    assert_eq!(listed(&shard, term(Field::Text, part("IMPORT"))), keys([2, 1]));
    assert_eq!(listed(&shard, term(Field::Text, part("100%"))), keys([1]));
    assert_eq!(listed(&shard, term(Field::Text, part("t_1"))), keys([1]));
    assert_eq!(listed(&shard, term(Field::Text, part("GROSS"))), []);
    assert_eq!(listed(&shard, term(Field::Text, part("exit code 3"))), keys([3]));
}

pub fn terms_are_negated(open: Factory<'_>) {
    let row = |number, queue: &str| task_with(number, |spec| spec.queue = name(queue));
    let shard = holding(open, vec![row(1, "a"), row(2, "b"), row(3, "c")]);
    let terms = vec![Term { field: Field::Queue, negated: true, test: any_of(&["a", "c"]) }];
    assert_eq!(listed(&shard, TaskFilter { terms, ..TaskFilter::default() }), keys([2]));
}

pub fn conditions_hold_together(open: Factory<'_>) {
    let row =
        |number, queue: &str, priority| task_with(number, |spec| (spec.queue, spec.priority) = (name(queue), priority));
    let shard = holding(open, vec![row(1, "a", 1), row(2, "a", 5), row(3, "b", 5), row(4, "a", 5)]);
    let over = Term { field: Field::Priority, negated: false, test: Test::Number(Compare::Greater, 4) };
    let in_a = Term { field: Field::Queue, negated: false, test: any_of(&["a"]) };
    let filter = TaskFilter {
        statuses: vec![TaskStatus::Ready],
        tenant: Some(name("default")),
        terms: vec![over, in_a],
        ..TaskFilter::default()
    };
    assert_eq!(listed(&shard, filter.clone()), keys([4, 2]));
    let first = shard.ask(|reader| reader.tasks(filter.clone(), None, 1));
    assert_eq!(first.items.len(), 1);
    let rest = shard.ask(|reader| reader.tasks(filter, first.next, 9));
    assert_eq!(rest.items.iter().map(|row| row.key).collect::<Vec<_>>(), keys([2]));
}

fn in_queue(number: u64, queue: &str, tenant: &str) -> TaskRow {
    TaskRow { tenant: name(tenant), ..task_with(number, |spec| spec.queue = name(queue)) }
}

fn counts(shard: &Shard, tenant: Option<&str>, bound: u64) -> Vec<(String, TaskStatus, u64)> {
    let counted = shard.ask(|reader| reader.task_counts(tenant.map(name), bound));
    counted.into_iter().map(|(queue, status, number)| (queue.to_string(), status, number)).collect()
}

pub fn tasks_are_counted_by_queue_and_status(open: Factory<'_>) {
    let done = TaskRow { state: ended(TaskStatus::Completed, 1), ..in_queue(4, "b", "x") };
    let shard = holding(open, vec![in_queue(1, "a", "x"), in_queue(2, "b", "x"), in_queue(3, "a", "x"), done]);
    let (ready, completed) = (TaskStatus::Ready, TaskStatus::Completed);
    let expected = [("a".to_owned(), ready, 2), ("b".to_owned(), ready, 1), ("b".to_owned(), completed, 1)];
    assert_eq!(counts(&shard, None, 100), expected);
}

pub fn counts_follow_updates_and_deletes(open: Factory<'_>) {
    let mut shard = holding(open, (1..=5).map(|number| in_queue(number, "q", "x")).collect());
    let update_tasks = vec![(key(1), running(1)), (key(2), state(TaskStatus::Waiting, Place::Rest))];
    shard.commit(Changes { update_tasks, delete_tasks: vec![key(5)], ..Changes::default() });
    shard.commit(Changes { update_tasks: vec![(key(1), ended(TaskStatus::Failed, 1))], ..Changes::default() });
    let mut found = counts(&shard, None, 100);
    found.sort_by_key(|(_, status, _)| status.word());
    let expected = [(TaskStatus::Failed, 1), (TaskStatus::Ready, 2), (TaskStatus::Waiting, 1)];
    assert_eq!(found, expected.map(|(status, number)| ("q".to_owned(), status, number)));
}

pub fn counts_are_bounded(open: Factory<'_>) {
    let shard = holding(open, (1..=9).map(|number| in_queue(number, "q", "x")).collect());
    assert_eq!(counts(&shard, None, 4), [("q".to_owned(), TaskStatus::Ready, 4)]);
    assert_eq!(counts(&shard, None, 9), [("q".to_owned(), TaskStatus::Ready, 9)]);
}

pub fn counts_are_kept_by_tenant(open: Factory<'_>) {
    let shard = holding(open, vec![in_queue(1, "q", "x"), in_queue(2, "q", "y"), in_queue(3, "q", "y")]);
    assert_eq!(counts(&shard, Some("y"), 9), [("q".to_owned(), TaskStatus::Ready, 2)]);
    assert_eq!(counts(&shard, Some("z"), 9), []);
    assert_eq!(counts(&shard, None, 9), [("q".to_owned(), TaskStatus::Ready, 3)]);
}

pub fn jobs_are_counted_by_status(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let rows: Vec<_> = (1..=4).map(|number| chain(number * 10, 1).job).collect();
    shard.commit(Changes { insert_jobs: rows, ..Changes::default() });
    let ended = job_state(JobStatus::Failed);
    shard.commit(Changes { update_jobs: vec![(key(10), ended)], delete_jobs: vec![key(20)], ..Changes::default() });
    let mut found = shard.ask(|reader| reader.job_counts(None, 9));
    found.sort_by_key(|(status, _)| status.word());
    assert_eq!(found, [(JobStatus::Failed, 1), (JobStatus::Pending, 2)]);
    assert_eq!(shard.ask(|reader| reader.job_counts(Some(name("acme")), 9)), []);
}

pub fn a_term_that_fits_little_still_gets_its_page(open: Factory<'_>) {
    let tagged = |number| task_with(number, |spec| spec.tags = Arc::from([name("rare")]));
    let rows = (1..=400).map(|number| if number == 3 { tagged(number) } else { task(number) }).collect();
    let shard = holding(open, rows);
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = shard.ask(|reader| reader.tasks(term(Field::Tag, any_of(&["rare"])), after, 10));
        seen.extend(page.items.iter().map(|row| row.key));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, keys([3]));
}
