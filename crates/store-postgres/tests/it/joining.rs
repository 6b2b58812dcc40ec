//! Commits of several shards that wait for the connection share a transaction, and no shard spoils another.

use std::sync::Arc;

use mainspring_core::id::{Bucket, Key};
use mainspring_core::job::{FailurePolicy, JobRow, JobState, JobStatus};
use mainspring_core::row::{Changes, QueueRow};
use mainspring_core::time::Timestamp;
use mainspring_store::conformance::wait;
use mainspring_store::{BoxFuture, CommitAnswer, Fence, ShardCommit, ShardId, Store};
use mainspring_store_postgres::{Options, PostgresStore};

use crate::server::{Held, SHARED, poll_until, schema};

/// A store that owns its four shards.
struct Four {
    url: String,
    store: Arc<dyn Store>,
    fences: Vec<Fence>,
}

impl Four {
    fn new(application: &str) -> Self {
        let url = SHARED.fresh_of(4);
        let at = url.replace('?', &format!("?application_name={application}&"));
        let store: Arc<dyn Store> = PostgresStore::open(&at, Options::default()).expect("it can be opened");
        let acquire = |shard| wait(store.acquire(ShardId(shard), "a".into(), None)).expect("nobody has it");
        let fences = (0..4).map(acquire).collect();
        Self { url, store, fences }
    }

    /// One shard's part of a commit: a job is inserted.
    fn part(&self, shard: usize, number: u64, job: u64) -> ShardCommit {
        let (first, _) = ShardId(shard as u16).buckets(4);
        let mut changes = Changes { insert_jobs: vec![row(Key::new(job, Bucket::new(first)))], ..Changes::default() };
        changes.high_water.commit = number;
        ShardCommit { fence: self.fences[shard].clone(), changes: Arc::new(changes) }
    }

    fn commit(&self, parts: Vec<ShardCommit>) -> BoxFuture<Vec<CommitAnswer>> {
        self.store.commit(parts)
    }

    fn table(&self, name: &str) -> String {
        format!("{}.{name}", schema(&self.url))
    }

    /// Keeps the connection busy with a commit of shard 0, until the transaction that is given back ends.
    fn hold_up(&self) -> (Held, BoxFuture<Vec<CommitAnswer>>) {
        let held = Held::start(&format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", self.table("queues")));
        let mut first = self.part(0, 1, 1);
        let put = QueueRow { name: "q".into(), paused: true };
        first.changes = Arc::new(Changes { put_queues: vec![put], ..(*first.changes).clone() });
        let answer = self.commit(vec![first]);
        let waits =
            format!("SELECT 1 FROM pg_locks WHERE NOT granted AND relation = '{}'::regclass", self.table("queues"));
        poll_until("the connection is busy", || !SHARED.sql(&waits).is_empty());
        (held, answer)
    }

    /// In how many transactions the feed rows of these shards were written.
    fn transactions(&self, shards: &str) -> String {
        let sql = format!("SELECT count(DISTINCT xmin::text) FROM {} WHERE shard IN ({shards})", self.table("feed"));
        SHARED.sql(&sql).remove(0)
    }

    fn pending(&self) -> u64 {
        wait(self.store.reader().job_counts(None, 100)).expect("it can be read").first().map_or(0, |count| count.1)
    }
}

fn row(key: Key) -> JobRow {
    let state = JobState::new(JobStatus::Pending);
    JobRow {
        key,
        tenant: "default".into(),
        given_id: None,
        title: None,
        failure_policy: FailurePolicy::Continue,
        tasks: 1,
        body: "{}".into(),
        tags: Arc::from([]),
        created_at: Timestamp::from_millis(1),
        state,
        parent: None,
        ancestors: Arc::default(),
        deadline_ms: None,
        active_key: None,
    }
}

const COMMITTED: [CommitAnswer; 1] = [CommitAnswer::Committed];

#[test]
fn commits_of_shards_that_wait_share_a_transaction() {
    let four = Four::new("share");
    let (held, first) = four.hold_up();
    let waiting: Vec<_> = (1..4).map(|shard| four.commit(vec![four.part(shard, 1, 1)])).collect();
    drop(held);
    assert_eq!(wait(first), COMMITTED);
    waiting.into_iter().for_each(|answer| assert_eq!(wait(answer), COMMITTED));
    assert_eq!(four.transactions("1, 2, 3"), "1");
    assert_eq!(four.pending(), 4);
}

#[test]
fn commits_of_one_shard_keep_their_order_and_their_transactions() {
    let four = Four::new("order");
    let (held, first) = four.hold_up();
    let waiting: Vec<_> = (1..=3).map(|number| four.commit(vec![four.part(1, number, number)])).collect();
    drop(held);
    assert_eq!(wait(first), COMMITTED);
    waiting.into_iter().for_each(|answer| assert_eq!(wait(answer), COMMITTED));
    assert_eq!(four.transactions("1"), "3");
}

#[test]
fn a_load_sees_commits_that_wait_before_it_and_none_after() {
    let four = Four::new("between");
    let (held, _first) = four.hold_up();
    let before = four.commit(vec![four.part(1, 1, 1)]);
    let loading = four.store.load(four.fences[1].clone());
    let after = four.commit(vec![four.part(1, 2, 2)]);
    drop(held);
    assert_eq!(wait(loading).expect("the fence is in force").high_water.commit, 1);
    assert_eq!((wait(before), wait(after)), (COMMITTED.to_vec(), COMMITTED.to_vec()));
}

#[test]
fn a_commit_that_fails_spoils_none_that_waited_with_it() {
    let four = Four::new("spoil");
    for shard in [2, 3] {
        assert_eq!(wait(four.commit(vec![four.part(shard, 1, 7)])), COMMITTED);
    }
    let mut started = four.part(3, 2, 8);
    let running = {
        let mut job = four.part(3, 1, 7).changes.insert_jobs[0].clone();
        job.state.status = JobStatus::Running;
        (job.key, job.state)
    };
    started.changes = Arc::new(Changes { update_jobs: vec![running], ..(*started.changes).clone() });
    let (held, _first) = four.hold_up();
    let good = four.commit(vec![four.part(1, 1, 1)]);
    let bad = four.commit(vec![four.part(2, 2, 7)]);
    let other = four.commit(vec![started]);
    drop(held);
    assert!(matches!(&wait(bad)[..], [CommitAnswer::Unknown { .. }]), "its job is there already");
    assert_eq!((wait(good), wait(other)), (COMMITTED.to_vec(), COMMITTED.to_vec()));
    let counts = wait(four.store.reader().job_counts(None, 100)).expect("it can be read");
    assert_eq!(counts, [(JobStatus::Pending, 4), (JobStatus::Running, 1)], "each change was counted once");
    let again = wait(four.store.acquire(ShardId(2), "a".into(), None)).expect("it is this store's");
    assert_eq!(wait(four.store.load(again)).expect("in force").high_water.commit, 1);
}

#[test]
fn a_shard_that_was_taken_away_is_refused_and_the_others_go_on() {
    let four = Four::new("taken");
    SHARED.sql(&format!("UPDATE {} SET epoch = 50, owner = 'b', holder = 'b' WHERE id = 2", four.table("shards")));
    let parts = (0..4).map(|shard| four.part(shard, 1, 1)).collect();
    let answers = wait(four.commit(parts));
    assert_eq!(answers[2], CommitAnswer::Rejected { epoch: 50 });
    assert!([0, 1, 3].iter().all(|shard| answers[*shard] == CommitAnswer::Committed), "{answers:?}");
    let again = four.part(3, 2, 2);
    assert_eq!(wait(four.commit(vec![again])), COMMITTED);
}

#[test]
fn a_lost_connection_leaves_all_that_shared_it_unknown_and_none_applied() {
    let four = Four::new("lost_together");
    let held = Held::start(&format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", four.table("jobs")));
    let committing = four.commit((1..4).map(|shard| four.part(shard, 1, 1)).collect());
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'lost_together' AND wait_event_type = 'Lock'";
    poll_until("the commit waits", || !SHARED.sql(end).is_empty());
    // Whatever is tried again now would succeed.
    drop(held);
    let answers = wait(committing);
    assert!(answers.iter().all(|answer| matches!(answer, CommitAnswer::Unknown { .. })), "{answers:?}");
    assert_eq!(wait(four.commit(vec![four.part(0, 1, 1)])), COMMITTED, "shard 0 took no part");
    for shard in 1..4 {
        let answer = wait(four.commit(vec![four.part(shard, 1, 1)])).remove(0);
        assert!(matches!(answer, CommitAnswer::Unknown { .. }), "{answer:?}");
        let fence = wait(four.store.acquire(ShardId(shard as u16), "a".into(), None)).expect("it is this store's");
        assert_eq!(wait(four.store.load(fence)).expect("in force").high_water.commit, 0);
    }
}

#[test]
fn a_row_of_another_shard_is_not_written() {
    let four = Four::new("stray");
    let mut stray = four.part(1, 1, 1);
    stray.changes = four.part(2, 1, 1).changes;
    let answers = wait(four.commit(vec![stray, four.part(3, 1, 1)]));
    assert!(matches!(&answers[0], CommitAnswer::Unknown { reason } if reason.contains("no row of shard 1")));
    assert_eq!(answers[1], CommitAnswer::Committed);
}
