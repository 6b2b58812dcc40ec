//! Tasks that applications enqueue inside their own transactions: they become tasks exactly once, or never were.

use std::sync::Arc;

use mainspring_core::id::{Bucket, Key};
use mainspring_core::row::{Changes, TaskRow};
use mainspring_core::spec::TaskSpec;
use mainspring_core::time::Timestamp;
use mainspring_store::conformance::wait;
use mainspring_store::{CommitAnswer, Dismissed, Error, Fence, Inbox, InboxRow, NodeRow, ShardCommit, ShardId, Store};
use mainspring_store_postgres::{Options, PostgresStore};

use crate::server::{Held, SHARED, schema, sql_at};

/// A store that owns its four shards, and its inbox.
struct Four {
    url: String,
    store: Arc<dyn Store>,
    inbox: Arc<dyn Inbox>,
    fences: Vec<Fence>,
}

impl Four {
    fn new() -> Self {
        let url = SHARED.fresh_of(4);
        let store: Arc<dyn Store> = PostgresStore::open(&url, Options::default()).expect("it can be opened");
        let acquire = |shard| wait(store.acquire(ShardId(shard), "a".into(), None)).expect("nobody has it");
        let fences = (0..4).map(acquire).collect();
        let inbox = store.inbox().expect("this store has one");
        Self { url, store, inbox, fences }
    }

    /// SQL that enqueues a task.
    fn enqueue(&self, task: &str) -> String {
        format!("SELECT {}.enqueue('{task}')", schema(&self.url))
    }

    fn waiting(&self, shard: u16) -> Vec<InboxRow> {
        wait(self.inbox.waiting(ShardId(shard), i64::MIN, 100)).expect("it can be read")
    }

    fn ids(&self, shard: u16) -> Vec<String> {
        self.waiting(shard).iter().map(|row| row.task_id.to_string()).collect()
    }

    /// A commit that inserts a task.
    fn inserting(&self, shard: u16, number: u64, task: u64) -> ShardCommit {
        let (first, _) = ShardId(shard).buckets(4);
        let key = Key::new(task, Bucket::new(first));
        let mut changes = Changes { insert_tasks: vec![row(key)], ..Changes::default() };
        changes.high_water.commit = number;
        ShardCommit { fence: self.fences[usize::from(shard)].clone(), changes: Arc::new(changes) }
    }

    fn tasks(&self, shard: u16) -> usize {
        let fence = wait(self.store.acquire(ShardId(shard), "a".into(), None)).expect("it is this store's");
        wait(self.store.load(fence)).expect("in force").tasks.len()
    }
}

fn row(key: Key) -> TaskRow {
    TaskRow::new(key, TaskSpec::new("noop".into(), "{}".into()), Timestamp::from_millis(1))
}

/// A task whose id is of this shard of four.
fn task_of(shard: u16, number: u32) -> (String, String) {
    let ids = (0..).map(|salt| format!("order-{number}.{salt}"));
    let id = ids.into_iter().find(|id| ShardId::of(Bucket::of_text(id), 4) == ShardId(shard)).expect("there are many");
    let task = format!(r#"{{"taskId": "{id}", "type": "noop"}}"#);
    (id, task)
}

fn assert_unknown(answer: &[CommitAnswer]) {
    assert!(matches!(answer, [CommitAnswer::Unknown { .. }]), "{answer:?}");
}

#[test]
fn a_task_waits_once_its_transaction_has_committed() {
    let four = Four::new();
    let (id, task) = task_of(1, 7);
    let mut theirs = Held::start(&four.enqueue(&task));
    assert_eq!(four.waiting(1), []);
    theirs.end("COMMIT");
    let waiting = four.waiting(1);
    assert_eq!((waiting.len(), &*waiting[0].task_id), (1, &*id));
    assert_eq!(&*waiting[0].body, format!(r#"{{"type": "noop", "taskId": "{id}"}}"#));
    assert!(waiting[0].at > Timestamp::from_millis(1_700_000_000_000));
    assert!([0, 2, 3].iter().all(|shard| four.waiting(*shard).is_empty()));
}

#[test]
fn a_task_of_a_transaction_that_was_rolled_back_never_was() {
    let four = Four::new();
    let mut theirs = Held::start(&four.enqueue(&task_of(1, 1).1));
    theirs.end("ROLLBACK");
    drop(Held::start(&four.enqueue(&task_of(1, 2).1)));
    assert_eq!(four.waiting(1), []);
}

#[test]
fn a_task_that_is_committed_late_is_not_skipped() {
    let four = Four::new();
    let ((late, first), (early, second)) = (task_of(2, 1), task_of(2, 2));
    let mut theirs = Held::start(&four.enqueue(&first));
    SHARED.sql(&four.enqueue(&second));
    let waiting = four.waiting(2);
    assert_eq!(four.ids(2), [early]);
    let answer = wait(four.inbox.commit(four.inserting(2, 1, 1), vec![waiting[0].number]));
    assert_eq!(answer, [CommitAnswer::Committed]);
    theirs.end("COMMIT");
    assert!(four.waiting(2)[0].number < waiting[0].number);
    assert_eq!(four.ids(2), [late]);
}

#[test]
fn rows_are_read_on_from_any_number() {
    let four = Four::new();
    (0..5).for_each(|number| drop(SHARED.sql(&four.enqueue(&task_of(3, number).1))));
    let all = four.waiting(3);
    let after = |after, limit| wait(four.inbox.waiting(ShardId(3), after, limit)).expect("it can be read");
    assert_eq!((all.len(), after(i64::MIN, 2)), (5, all[..2].to_vec()));
    assert_eq!(after(all[1].number, 100), all[2..]);
}

#[test]
fn a_row_leaves_with_the_commit_that_inserts_its_task() {
    let four = Four::new();
    SHARED.sql(&four.enqueue(&task_of(1, 1).1));
    let taken = vec![four.waiting(1)[0].number];
    assert_eq!(wait(four.inbox.commit(four.inserting(1, 1, 1), taken)), [CommitAnswer::Committed]);
    assert_eq!((four.waiting(1), four.tasks(1)), (vec![], 1));
}

#[test]
fn a_row_stays_where_its_commit_was_not_applied() {
    let four = Four::new();
    assert_eq!(wait(four.store.commit(vec![four.inserting(1, 1, 1)])), [CommitAnswer::Committed]);
    SHARED.sql(&four.enqueue(&task_of(1, 1).1));
    let taken = vec![four.waiting(1)[0].number];
    assert_unknown(&wait(four.inbox.commit(four.inserting(1, 2, 1), taken)));
    assert_eq!((four.waiting(1).len(), four.tasks(1)), (1, 1));
}

#[test]
fn a_row_becomes_a_task_once() {
    let four = Four::new();
    SHARED.sql(&four.enqueue(&task_of(1, 1).1));
    let taken = vec![four.waiting(1)[0].number];
    // Both may be in one transaction or in two.
    let first = four.inbox.commit(four.inserting(1, 1, 1), taken.clone());
    let again = four.inbox.commit(four.inserting(1, 2, 2), taken);
    let other = four.store.commit(vec![four.inserting(2, 1, 1)]);
    assert_eq!(wait(first), [CommitAnswer::Committed]);
    let answer = wait(again);
    assert!(
        matches!(&answer[0], CommitAnswer::Unknown { reason } if reason.contains("0 rows of the inbox")),
        "{answer:?}"
    );
    assert_eq!(wait(other), [CommitAnswer::Committed]);
    assert_eq!(four.tasks(1), 1);
}

#[test]
fn an_owner_that_was_replaced_takes_nothing() {
    let four = Four::new();
    SHARED.sql(&four.enqueue(&task_of(1, 1).1));
    let other: Arc<dyn Store> = PostgresStore::open(&four.url, Options::default()).expect("it can be opened");
    let dead = Some(four.fences[1].epoch);
    let fence = wait(other.acquire(ShardId(1), "b".into(), dead)).expect("the first was judged dead");
    let number = four.waiting(1)[0].number;
    let answer = wait(four.inbox.commit(four.inserting(1, 1, 1), vec![number]));
    assert_eq!(answer, [CommitAnswer::Rejected { epoch: fence.epoch }]);
    assert_eq!(four.waiting(1).len(), 1);
    let mut theirs = four.inserting(1, 1, 1);
    theirs.fence = fence;
    let inbox = other.inbox().expect("this store has one");
    assert_eq!(wait(inbox.commit(theirs, vec![number])), [CommitAnswer::Committed]);
    assert_eq!(four.waiting(1), []);
}

#[test]
fn a_row_that_waits_for_another_shard_is_not_taken() {
    let four = Four::new();
    SHARED.sql(&four.enqueue(&task_of(3, 1).1));
    let taken = vec![four.waiting(3)[0].number];
    assert_unknown(&wait(four.inbox.commit(four.inserting(1, 1, 1), taken)));
    assert_eq!(four.waiting(3).len(), 1);
}

#[test]
fn a_refused_row_is_kept_apart_with_the_reason() {
    let four = Four::new();
    (1..=3).for_each(|number| drop(SHARED.sql(&four.enqueue(&task_of(0, number).1))));
    let numbers: Vec<_> = four.waiting(0).iter().map(|row| row.number).collect();
    let refused = Dismissed { number: numbers[0], reason: Some("its queue is\0 unknown".into()) };
    let known = Dismissed { number: numbers[2], reason: None };
    let absent = Dismissed { number: 999, reason: Some("x".into()) };
    let old = Fence { epoch: 0, ..four.fences[0].clone() };
    let dismissed = wait(four.inbox.dismiss(old, vec![refused.clone()]));
    assert!(matches!(dismissed, Err(Error::Conflict(_))), "{dismissed:?}");
    assert_eq!(four.waiting(0).len(), 3);
    wait(four.inbox.dismiss(four.fences[0].clone(), vec![refused, known, absent])).expect("the fence is in force");
    assert_eq!(four.ids(0), [task_of(0, 2).0]);
    let rejected = format!("SELECT task_id || ': ' || reason FROM {}.inbox_rejected", schema(&four.url));
    assert_eq!(SHARED.sql(&rejected), [format!("{}: its queue is\u{fffe}0 unknown", task_of(0, 1).0)]);
}

#[test]
fn refused_rows_are_forgotten_with_the_feed() {
    let four = Four::new();
    (1..=2).for_each(|number| drop(SHARED.sql(&four.enqueue(&task_of(0, number).1))));
    let refuse = |row: &InboxRow| Dismissed { number: row.number, reason: Some("x".into()) };
    let rows = four.waiting(0).iter().map(refuse).collect();
    wait(four.inbox.dismiss(four.fences[0].clone(), rows)).expect("the fence is in force");
    let table = format!("{}.inbox_rejected", schema(&four.url));
    SHARED.sql(&format!("UPDATE {table} SET rejected_at = 'epoch' WHERE task_id = '{}'", task_of(0, 1).0));
    let prune = |shard: usize| {
        let before = Timestamp::from_millis(1000);
        wait(four.store.prune(four.fences[shard].clone(), before, before, 10)).expect("the fence is in force")
    };
    assert_eq!((prune(1), prune(0), prune(0)), (0, 1, 0));
    assert_eq!(SHARED.sql(&format!("SELECT task_id FROM {table}")), [task_of(0, 2).0]);
}

#[test]
fn sql_and_the_engine_agree_on_the_bucket_of_an_id() {
    let url = SHARED.fresh();
    drop(PostgresStore::open(&url, Options::default()).expect("it can be opened"));
    let mut ids: Vec<String> =
        (0..2000_u64).map(|n| format!("{:x}-{n}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    ids.extend(["".to_owned(), "a".to_owned(), "größe".to_owned(), "~".repeat(128)]);
    let list = ids.iter().map(|id| format!("('{id}')")).collect::<Vec<_>>().join(", ");
    let asked = format!("SELECT {}.bucket_of(id) FROM (VALUES {list}) AS v(id)", schema(&url));
    let expected: Vec<_> = ids.iter().map(|id| Bucket::of_text(id).number().to_string()).collect();
    assert_eq!(SHARED.sql(&asked), expected);
}

#[test]
fn a_task_without_an_id_gets_one_that_no_server_would_make() {
    let four = Four::new();
    let given = SHARED.sql(&format!("{0} UNION ALL {0}", four.enqueue(r#"{"type": "noop"}"#)));
    assert_ne!(given[0], given[1]);
    for id in given {
        assert!(Key::parse(&id).is_none() && id.len() < 40, "{id}");
        let shard = ShardId::of(Bucket::of_text(&id), 4);
        let waiting = four.waiting(shard.0);
        let row = waiting.iter().find(|row| *row.task_id == *id).expect("it waits where its id belongs");
        assert!(row.body.contains(&id), "{row:?}");
    }
}

#[test]
fn what_can_never_be_a_task_is_refused_in_the_transaction() {
    let four = Four::new();
    let large = format!(r#"{{"payload": "{}"}}"#, "x".repeat(2 << 20));
    for (task, code) in [
        ("[]", "22023"),
        ("\"text\"", "22023"),
        ("null", "22023"),
        (r#"{"taskId": 7}"#, "22023"),
        (r#"{"taskId": null}"#, "22023"),
        (r#"{"taskId": ""}"#, "22023"),
        (r#"{"taskId": "a b"}"#, "22023"),
        ("{\"taskId\": \"a\\n\"}", "22023"),
        ("{", "22P02"),
        (&large, "54000"),
    ] {
        let refused = sql_at(&SHARED.database("postgres"), &four.enqueue(task)).expect_err("it is no task");
        let shown: String = task.chars().take(40).collect();
        assert_eq!(refused.code().map(|code| code.code().to_owned()), Some(code.to_owned()), "{shown}: {refused:?}");
    }
    let refused = sql_at(&SHARED.database("postgres"), &format!("SELECT {}.enqueue(NULL)", schema(&four.url)));
    assert!(refused.is_err());
    assert!((0..4).all(|shard| four.waiting(shard).is_empty()));
}

#[test]
fn a_role_may_enqueue_and_nothing_else_once_it_is_granted() {
    let four = Four::new();
    let name = schema(&four.url);
    SHARED.sql(&format!("CREATE ROLE shop LOGIN; GRANT USAGE ON SCHEMA {name} TO shop"));
    let theirs = SHARED.database("postgres").replace("postgres@", "shop@");
    let (id, task) = task_of(1, 1);
    assert!(sql_at(&theirs, &four.enqueue(&task)).is_err(), "workers run what it enqueues");
    SHARED.sql(&format!("GRANT EXECUTE ON FUNCTION {name}.enqueue(jsonb) TO shop"));
    assert_eq!(sql_at(&theirs, &four.enqueue(&task)).expect("it may"), [id]);
    assert!(sql_at(&theirs, &format!("SELECT task FROM {name}.inbox")).is_err());
    assert_eq!(four.waiting(1).len(), 1);
}

#[test]
fn the_beat_tells_for_which_shards_something_waits() {
    let four = Four::new();
    let members = four.store.members().expect("it has them");
    let node = NodeRow { id: "n".into(), address: None, about: "x".into(), process: "".into(), version: "1".into() };
    let beat = || {
        wait(members.beat(node.clone())).expect("the store is there");
        four.inbox.waits_for()
    };
    assert_eq!(beat(), []);
    for shard in [3, 1] {
        SHARED.sql(&four.enqueue(&task_of(shard, 1).1));
    }
    assert_eq!(beat(), [ShardId(1), ShardId(3)]);
    let taken = vec![four.waiting(3)[0].number];
    assert_eq!(wait(four.inbox.commit(four.inserting(3, 1, 1), taken)), [CommitAnswer::Committed]);
    assert_eq!(beat(), [ShardId(1)]);
}
