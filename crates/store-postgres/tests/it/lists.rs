//! Lists over more rows than one page may look at, and over jobs of several shards.

use std::collections::BTreeSet;
use std::sync::Arc;

use mainspring_core::id::{Bucket, IdKind, Key, Name};
use mainspring_core::row::{Changes, ClaimKind, ClaimName, ClaimRow, TaskRow};
use mainspring_core::spec::{TaskSpec, Trigger};
use mainspring_core::task::{Place, TaskState, TaskStatus};
use mainspring_core::time::Timestamp;
use mainspring_store::conformance::Shard;
use mainspring_store::{Field, Page, TaskFilter, Term, Test};
use mainspring_store_postgres::{Options, PostgresStore};

use crate::server::{SHARED, schema};

/// More than a page may look at.
const ROWS: u64 = 60_000;

fn key(number: u64) -> Key {
    Key::new(Key::first_sequence_at(Timestamp::from_millis(1_795_000_000_000)) + number, Bucket::new(7))
}

fn task(number: u64, id: Option<&str>, tags: &[&str]) -> TaskRow {
    let mut spec = TaskSpec::new("noop".into(), "{}".into());
    spec.tags = tags.iter().map(|tag| Name::from(*tag)).collect();
    TaskRow {
        key: key(number),
        tenant: "default".into(),
        given_id: id.map(Into::into),
        job: None,
        spec: Some(Arc::new(spec)),
        trigger: Trigger::default(),
        parents: 0,
        created_at: Timestamp::from_millis(1_795_000_000_000),
        state: TaskState::new(TaskStatus::Completed, Place::Rest),
    }
}

fn named(id: &str, target: Key) -> ClaimRow {
    let name = ClaimName { kind: ClaimKind::TaskId, tenant: "default".into(), text: id.into() };
    ClaimRow { name, target, body_hash: 0, expires_at: None }
}

fn asking(field: Field, text: &str) -> TaskFilter {
    let term = Term { field, negated: false, test: Test::AnyOf(vec![text.to_owned()]) };
    TaskFilter { terms: vec![term], ..TaskFilter::default() }
}

fn page(shard: &Shard, filter: TaskFilter, after: Option<Key>) -> Page<TaskRow> {
    shard.ask(|reader| reader.tasks(filter, after, 10))
}

fn keys(page: &Page<TaskRow>) -> Vec<Key> {
    page.items.iter().map(|row| row.key).collect()
}

/// Copies a row of a table of the schema, `number` times, with other keys; more columns may change.
fn copy(url: &str, table: &str, of: Key, number: u64, changed: &[(&str, &str)]) {
    let schema = schema(url);
    let named = |name: &str| changed.iter().find(|(column, _)| *column == name).map(|(_, value)| (*value).to_owned());
    let columns = SHARED.sql(&format!(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = '{}' AND table_name = '{table}'",
        schema.trim_matches('"')
    ));
    let values: Vec<String> = columns.iter().map(|name| named(name).unwrap_or_else(|| name.clone())).collect();
    SHARED.sql(&format!(
        "INSERT INTO {schema}.{table} ({}) SELECT {} FROM {schema}.{table}, generate_series(1, {number}) AS i WHERE key = {}",
        columns.join(", "),
        values.join(", "),
        of.raw()
    ));
}

#[test]
fn lists_over_more_rows_than_a_page_may_look_at() {
    let url = SHARED.fresh();
    let mut shard = Shard::of(PostgresStore::open(&url, Options::default()).expect("it is new"));
    shard.commit(Changes {
        insert_tasks: vec![task(1, Some("old"), &["rare"]), task(2, None, &[])],
        put_claims: vec![named("old", key(1))],
        ..Changes::default()
    });
    copy(&url, "tasks", key(2), ROWS, &[("key", "key + (i::bigint << 12)")]);
    let own = key(2).id(IdKind::Task);
    for (id, found) in [("old", key(1)), ("ol*", key(1)), (&own, key(2))] {
        let page = page(&shard, asking(Field::Id, id), None);
        assert_eq!((keys(&page), page.next), (vec![found], None), "{id}");
    }
    let (mut after, mut places, mut found) = (None, BTreeSet::new(), Vec::new());
    loop {
        let page = page(&shard, asking(Field::Tag, "rare"), after);
        found.extend(keys(&page));
        after = page.next;
        let Some(next) = after else { break };
        assert!(places.insert(next), "each page goes on");
    }
    assert_eq!(found, [key(1)]);
    assert!(!places.is_empty(), "no page looks at all of it");
}

/// Keys of shards overlap: the last tasks of a job may have keys above those of many jobs that are newer than it.
#[test]
fn an_id_finds_the_task_of_a_job_among_newer_jobs_of_another_shard() {
    const NEWER: u64 = 2_300;
    let url = SHARED.fresh();
    let mut shard = Shard::of(PostgresStore::open(&url, Options::default()).expect("it is new"));
    let put_claims = vec![named("x", key(1))];
    shard.commit(Changes { insert_tasks: vec![task(1, Some("x"), &[])], put_claims, ..Changes::default() });
    let of = |number| key(number).raw();
    SHARED.sql(&format!(
        "INSERT INTO {}.jobs (key, created_at, tasks, completed, failed, cancelled, skipped, unhandled, generation, status,
            failure_policy, flags, tenant)
        SELECT key, 0, tasks, 0, 0, 0, 0, 0, 1, 3, 0, 0, 'default'
        FROM (SELECT {} AS key, 9000 AS tasks UNION ALL SELECT {} + (i::bigint << 12) + 1, 1 FROM generate_series(1, {NEWER}) AS i)
            AS jobs",
        schema(&url),
        of(10),
        of(10),
    ));
    // The names of the tasks of the newer jobs differ, but for the oldest and the newest.
    let other = format!("CASE WHEN i IN (1, {NEWER}) THEN 'x' ELSE 'y' END");
    let (job, task) = (format!("{} + (i::bigint << 12) + 1", of(10)), format!("{} + (i::bigint << 12) + 4097", of(10)));
    copy(&url, "tasks", key(1), NEWER, &[("key", &task), ("job", &job), ("id", &other)]);
    let own = format!("{} + (i::bigint << 12) * 1100", of(10));
    copy(&url, "tasks", key(1), 5, &[("key", &own), ("job", &of(10).to_string())]);
    let all: Vec<u64> = [5_510, 4_410, 3_310, 2_310 + 1, 2_210, 1_110, 12, 1].into();
    let sequence = |key: &Key| key.sequence() - self::key(0).sequence();
    assert_eq!(keys(&page(&shard, asking(Field::Id, "x"), None)).iter().map(sequence).collect::<Vec<_>>(), all);
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let page = shard.ask(|reader| reader.tasks(asking(Field::Id, "x"), after, 1));
        found.extend(keys(&page).iter().map(sequence));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, all, "one at a time");
}
