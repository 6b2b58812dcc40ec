//! A database that fails in the middle: what is answered, and that nothing is lost or done twice.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Waker};

use mainspring_core::row::{Changes, QueueRow};
use mainspring_store::conformance::{Shard, wait};
use mainspring_store::{CommitAnswer, Error, ShardCommit, ShardId, Store};
use mainspring_store_postgres::{Options, PostgresStore};

use crate::server::{SHARED, Server, poll_until, schema};

fn open(url: &str) -> Arc<dyn Store> {
    PostgresStore::open(url, Options::default()).expect("it can be opened")
}

fn queue(name: &str) -> Changes {
    Changes { put_queues: vec![QueueRow { name: name.into(), paused: true }], ..Changes::default() }
}

fn names(shard: &Shard) -> Vec<String> {
    shard.load().queues.iter().map(|row| row.name.to_string()).collect()
}

/// Orders a commit and does not wait for it.
fn order(shard: &Shard, number: u64, mut changes: Changes) -> mainspring_store::BoxFuture<Vec<CommitAnswer>> {
    changes.high_water.commit = number;
    shard.store.commit(vec![ShardCommit { fence: shard.fence.clone(), changes: Arc::new(changes) }])
}

/// Ends the connections of an application that wait for this kind of event.
fn end_waiting(server: &Server, application: &str, event: &str) {
    let sql = end_sql(application, event);
    poll_until("a connection waits", || !server.sql(&sql).is_empty());
}

fn end_sql(application: &str, event: &str) -> String {
    format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = '{application}' AND wait_event_type = '{event}'"
    )
}

fn assert_unknown(answer: &CommitAnswer) {
    assert!(matches!(answer, CommitAnswer::Unknown { .. }), "{answer:?}");
}

#[test]
fn a_connection_that_ends_before_the_commit_leaves_it_unknown_and_not_applied() {
    let url = SHARED.fresh();
    let table = format!("{}.queues", schema(&url));
    let mut shard = Shard::of(open(&format!("{url}&application_name=cut_before")));
    shard.commit(queue("a"));
    std::thread::scope(|scope| {
        // Inside, so that a test that fails lets the other thread go.
        let ((held, is_held), (release, released)) = (channel::<()>(), channel::<()>());
        let database = SHARED.database("postgres");
        scope.spawn(move || hold_lock(&database, &table, &held, &released));
        is_held.recv().expect("the lock is taken");
        let committing = order(&shard, 2, queue("b"));
        end_waiting(&SHARED, "cut_before", "Lock");
        assert_unknown(&wait(committing)[0]);
        release.send(()).expect("it waits");
    });
    assert_unknown(&wait(order(&shard, 2, queue("b")))[0]);
    shard.acquire_again();
    assert_eq!(names(&shard), ["a"]);
    shard.commit(queue("c"));
    assert_eq!(names(&shard), ["a", "c"]);
}

fn hold_lock(url: &str, table: &str, held: &Sender<()>, release: &Receiver<()>) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("it can be");
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("it is up");
        tokio::spawn(connection);
        let sql = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
        client.batch_execute(&sql).await.expect("the lock is free");
        held.send(()).expect("the test waits");
        release.recv().expect("the test says so");
        client.batch_execute("ROLLBACK").await.expect("it is up");
    });
}

#[test]
fn a_connection_that_ends_after_the_commit_leaves_it_unknown_and_applied() {
    let server = Server::start();
    let url = format!("{}?shards=1&application_name=cut_after", server.database("postgres"));
    let mut shard = Shard::of(open(&url));
    shard.commit(queue("a"));
    // A commit now waits, already applied, for a standby that does not exist.
    server.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    server.sql("SELECT pg_reload_conf()");
    poll_until("the setting holds", || server.sql("SHOW synchronous_standby_names") == ["nobody"]);
    let mut number = 2;
    loop {
        let mut committing = order(&shard, number, queue("b"));
        let mut context = Context::from_waker(Waker::noop());
        let mut answer = None;
        poll_until("a commit waits or is answered", || {
            if let Poll::Ready(answers) = committing.as_mut().poll(&mut context) {
                answer = Some(answers[0].clone());
            }
            answer.is_some() || !server.sql(&end_sql("cut_after", "IPC")).is_empty()
        });
        match answer {
            // The setting had not reached every part of the server yet.
            Some(CommitAnswer::Committed) => number += 1,
            Some(other) => break assert_unknown(&other),
            None => break assert_unknown(&wait(committing)[0]),
        }
    }
    server.sql("ALTER SYSTEM RESET synchronous_standby_names");
    server.sql("SELECT pg_reload_conf()");
    poll_until("the setting is gone", || server.sql("SHOW synchronous_standby_names") == [""]);
    shard.acquire_again();
    assert_eq!(names(&shard), ["a", "b"]);
    shard.commit(queue("c"));
}

#[test]
fn a_restarted_server_is_found_again() {
    let server = Server::start();
    let url = server.fresh();
    let mut shard = Shard::of(open(&url));
    shard.commit(queue("a"));
    server.order("restart");
    if shard.try_commit(queue("b")) != CommitAnswer::Committed {
        shard.acquire_again();
        shard.commit(queue("b"));
    }
    assert_eq!(names(&shard), ["a", "b"]);
    let reader = shard.store.reader();
    poll_until("lists are served again", || wait(reader.audit(None, 1)).is_ok());
}

#[test]
fn a_server_that_is_down_is_unavailable_until_it_is_up() {
    let server = Server::start();
    let url = server.fresh();
    let mut shard = Shard::of(open(&url));
    shard.commit(queue("a"));
    server.order("stop");
    assert_unknown(&shard.try_commit(queue("b")));
    let acquired = wait(shard.store.acquire(ShardId(0), "owner".into(), None));
    assert!(matches!(acquired, Err(Error::Unavailable(_))), "{acquired:?}");
    assert!(matches!(wait(shard.store.reader().audit(None, 1)), Err(Error::Unavailable(_))));
    server.order("start");
    shard.acquire_again();
    assert_eq!(names(&shard), ["a"]);
    shard.commit(queue("b"));
}

#[test]
fn a_dropped_schema_is_said_to_be_gone() {
    let url = SHARED.fresh();
    let shard = Shard::of(open(&url));
    SHARED.sql(&format!("DROP SCHEMA {} CASCADE", schema(&url)));
    let loaded = wait(shard.store.load(shard.fence.clone()));
    assert!(matches!(loaded, Err(Error::Incompatible(_))), "{loaded:?}");
}
