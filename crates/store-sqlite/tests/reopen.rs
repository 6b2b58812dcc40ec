//! What a file holds after its server ended, well or not.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use mainspring_core::id::{Key, Name};
use mainspring_core::job::{JobRow, JobStatus};
use mainspring_core::row::{Changes, QueueRow};
use mainspring_store::conformance::{Shard, wait};
use mainspring_store::{Error, ShardId, Store};
use mainspring_store_sqlite::{Options, SqliteStore};
use tempfile::TempDir;

fn open(path: &Path) -> Result<Arc<SqliteStore>, Error> {
    SqliteStore::open(path, Options { sync: false, readers: 1, ..Options::default() })
}

fn shard(path: &Path) -> Shard {
    Shard::of(open(path).expect("the file is free"))
}

fn pausing(number: u64) -> Changes {
    let name: Name = format!("q{number}").into();
    Changes { put_queues: vec![QueueRow { name, paused: true }], ..Changes::default() }
}

fn folder() -> TempDir {
    TempDir::new().expect("a temporary folder can be made")
}

#[test]
fn a_file_that_was_closed_has_all_its_commits_and_a_larger_epoch() {
    let folder = folder();
    let path = folder.path().join("store.db");
    let mut first = shard(&path);
    (0..20).for_each(|number| first.commit(pausing(number)));
    let (before, epoch) = (first.load(), first.fence.epoch);
    drop(first);
    let second = shard(&path);
    assert_eq!(second.load(), before);
    assert_eq!(second.load().high_water.commit, 20);
    assert!(second.fence.epoch > epoch);
}

#[test]
fn a_copy_of_the_files_of_a_living_server_has_every_answered_commit() {
    let folder = folder();
    let mut live = shard(&folder.path().join("store.db"));
    for number in 0..30 {
        live.commit(pausing(number));
        if number % 10 != 7 {
            continue;
        }
        // What a kill at this moment leaves: the database and its write-ahead log, as they are.
        let image = TempDir::new().expect("a temporary folder can be made");
        for name in ["store.db", "store.db-wal"] {
            fs::copy(folder.path().join(name), image.path().join(name)).expect("the file is there");
        }
        let mut found = shard(&image.path().join("store.db"));
        assert_eq!(found.load().high_water.commit, number + 1);
        assert_eq!(found.load().queues.len() as u64, number + 1);
        found.commit(pausing(99));
    }
}

#[test]
fn a_torn_end_of_the_log_loses_whole_commits_only() {
    let folder = folder();
    let mut live = shard(&folder.path().join("store.db"));
    (0..10).for_each(|number| live.commit(pausing(number)));
    let log = fs::read(folder.path().join("store.db-wal")).expect("the log is there");
    for lost in [1, 3_000, 9_000, 30_000] {
        let image = TempDir::new().expect("a temporary folder can be made");
        let path = image.path().join("store.db");
        fs::copy(folder.path().join("store.db"), &path).expect("the file is there");
        fs::write(image.path().join("store.db-wal"), &log[..log.len() - lost]).expect("it can be written");
        let found = shard(&path).load();
        assert_eq!(found.queues.len() as u64, found.high_water.commit, "{lost} bytes were lost");
        assert!(found.high_water.commit < 10);
    }
}

#[test]
fn a_file_has_one_server_at_a_time() {
    let folder = folder();
    let path = folder.path().join("store.db");
    let first = open(&path).expect("the file is free");
    assert!(matches!(open(&path), Err(Error::Conflict(_))));
    drop(first);
    assert!(open(&path).is_ok());
}

#[test]
fn what_is_no_store_is_refused_and_left_as_it_was() {
    let folder = folder();
    let path = folder.path().join("notes.txt");
    let text = "not a database, ".repeat(100);
    fs::write(&path, &text).expect("it can be written");
    assert!(matches!(open(&path), Err(Error::Corrupt(_))));
    assert_eq!(fs::read_to_string(&path).expect("it is there"), text);
}

#[test]
fn requests_that_are_under_way_when_the_store_closes_are_answered() {
    let folder = folder();
    let store = open(&folder.path().join("store.db")).expect("the file is free");
    let fence = wait(store.acquire(ShardId(0), "owner".into(), None)).expect("nobody else owns it");
    let loading = store.load(fence);
    drop(store);
    assert!(matches!(wait(loading), Ok(_) | Err(Error::Unavailable(_))));
}

#[test]
fn a_file_has_one_owner_whatever_name_it_is_opened_by() {
    let folder = folder();
    let [path, soft, hard] = ["store.db", "soft.db", "hard.db"].map(|name| folder.path().join(name));
    let mut owner = shard(&path);
    owner.commit(pausing(1));
    std::os::unix::fs::symlink(&path, &soft).expect("a link can be made");
    fs::hard_link(&path, &hard).expect("a link can be made");
    for other in [&path, &soft, &hard] {
        assert!(matches!(open(other).err(), Some(Error::Conflict(_))), "{}", other.display());
    }
    owner.commit(pausing(2));
    drop(owner);
    assert_eq!(shard(&soft).load().high_water.commit, 2);
}

#[test]
fn a_file_of_the_version_before_is_read_and_written() {
    let folder = folder();
    let path = folder.path().join("store.db");
    let old = rusqlite::Connection::open(&path).expect("a file can be made");
    old.execute_batch(include_str!("../src/schema/0001.sql")).expect("the first schema is valid");
    old.execute_batch(
        "PRAGMA user_version = 1; PRAGMA application_id = 0x4d535052; UPDATE shard SET commits = 7, sequence = 9;
        INSERT INTO jobs (key, tenant, status, failure_policy, tasks, completed, failed, cancelled, skipped, unhandled,
            flags, generation, sweep, created_at)
            VALUES (8193, 'default', 2, 1, 1, 0, 0, 0, 0, 0, 5, 3, '{\"kind\":\"failingFast\",\"next\":1}', 1);
        INSERT INTO job_counts VALUES ('default', 2, 1);",
    )
    .expect("it takes rows");
    drop(old);
    let mut shard = shard(&path);
    let loaded = shard.load();
    let job = loaded.jobs.first().expect("its sweep goes on").clone();
    assert_eq!((loaded.high_water.commit, job.parent, job.ancestors.len(), job.deadline_ms), (7, None, 0, None));
    assert!(job.state.paused && job.state.failing_fast && !job.state.exceeded && !job.state.queued);
    let inside = JobRow {
        key: Key::from_raw(16_385),
        parent: Some(job.key.task_of_job(0)),
        ancestors: Arc::from([job.key]),
        ..job.clone()
    };
    shard.commit(Changes { insert_jobs: vec![inside.clone()], ..Changes::default() });
    assert_eq!(shard.load().jobs, [job, inside]);
    assert_eq!(shard.ask(|reader| reader.job_counts(None, 9)), [(JobStatus::Paused, 1)]);
}
