//! Lists over more rows than one page may look at.

use std::collections::BTreeSet;
use std::sync::Arc;

use mainspring_core::id::{Bucket, IdKind, Key, Name};
use mainspring_core::row::{Changes, ClaimKind, ClaimName, ClaimRow, TaskRow};
use mainspring_core::spec::{TaskSpec, Trigger};
use mainspring_core::task::{Place, TaskState, TaskStatus};
use mainspring_core::time::Timestamp;
use mainspring_store::conformance::Shard;
use mainspring_store::{Field, Page, TaskFilter, Term, Test};
use mainspring_store_sqlite::{Options, SqliteStore};
use rusqlite::Connection;
use tempfile::TempDir;

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

/// A store whose oldest tasks are `old`, with a tag, and one that the server named; many others came after them.
fn crowded() -> (TempDir, Shard) {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let path = folder.path().join("store.db");
    let options = Options { sync: false, readers: 1, ..Options::default() };
    let mut shard = Shard::of(SqliteStore::open(&path, options).expect("the file is free"));
    let name = ClaimName { kind: ClaimKind::TaskId, tenant: "default".into(), text: "old".into() };
    shard.commit(Changes {
        insert_tasks: vec![task(1, Some("old"), &["rare"]), task(2, None, &[])],
        put_claims: vec![ClaimRow { name, target: key(1), body_hash: 0, expires_at: None }],
        ..Changes::default()
    });
    let db = Connection::open(&path).expect("it is there");
    let others = "SELECT group_concat(name) FROM pragma_table_info('tasks') WHERE name <> 'key'";
    let columns: String = db.query_row(others, [], |row| row.get(0)).expect("it has columns");
    let copy = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
        INSERT INTO tasks (key, {columns}) SELECT key + (i << 12), {columns} FROM n, tasks WHERE key = {}",
        key(2).raw()
    );
    db.execute_batch(&copy).expect("nothing has these keys");
    (folder, shard)
}

fn asking(field: Field, text: &str) -> TaskFilter {
    let term = Term { field, negated: false, test: Test::AnyOf(vec![text.to_owned()]) };
    TaskFilter { terms: vec![term], ..TaskFilter::default() }
}

fn page(shard: &Shard, filter: TaskFilter, after: Option<Key>) -> Page<TaskRow> {
    shard.ask(|reader| reader.tasks(filter, after, 10))
}

#[test]
fn an_old_id_is_found_by_the_first_page_however_many_rows_came_after_it() {
    let (_folder, shard) = crowded();
    let own = key(2).id(IdKind::Task);
    for (id, found) in [("old", key(1)), ("ol*", key(1)), (&own, key(2))] {
        let page = page(&shard, asking(Field::Id, id), None);
        assert_eq!(page.items.iter().map(|row| row.key).collect::<Vec<_>>(), [found], "{id}");
        assert_eq!(page.next, None, "{id}");
    }
}

#[test]
fn a_page_of_what_is_seldom_ends_at_its_budget_and_the_pages_together_find_it() {
    let (_folder, shard) = crowded();
    let first = page(&shard, asking(Field::Tag, "rare"), None);
    assert!(first.items.is_empty() && first.next.is_some(), "it looked at no more than its share");
    let (mut after, mut places, mut found) = (first.next, BTreeSet::new(), Vec::new());
    while let Some(next) = after {
        assert!(places.insert(next), "each page goes on");
        let page = page(&shard, asking(Field::Tag, "rare"), after);
        found.extend(page.items.iter().map(|row| row.key));
        after = page.next;
    }
    assert_eq!(found, [key(1)]);
}
