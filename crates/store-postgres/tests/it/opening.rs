//! What is refused when a database is opened, and what the refusal tells.

use std::sync::Arc;

use mainspring_core::row::{AuditRow, Changes, QueueRow, WorkerRow};
use mainspring_core::time::Timestamp;
use mainspring_store::conformance::Shard;
use mainspring_store::{Error, Store as _};
use mainspring_store_postgres::{Options, PostgresStore};

use crate::server::{SHARED, Server, free_port, schema};

fn open(url: &str) -> Result<Arc<PostgresStore>, Error> {
    PostgresStore::open(url, Options::default())
}

fn refusal(url: &str) -> String {
    open(url).expect_err("it must be refused").to_string()
}

fn assert_says(refusal: &str, words: &[&str]) {
    for word in words {
        assert!(refusal.contains(word), "`{word}` is missing: {refusal}");
    }
}

#[test]
fn a_wrong_password_is_named_and_not_shown() {
    SHARED.sql("CREATE ROLE guarded LOGIN PASSWORD 'right'");
    let at = format!("127.0.0.1:{}/postgres", SHARED.port);
    let said = refusal(&format!("postgres://guarded:wrong-one@{at}"));
    assert_says(&said, &["role `guarded`", "password"]);
    assert!(!said.contains("wrong-one"), "{said}");
    assert_says(&refusal(&format!("postgres://guarded@{at}")), &["password"]);
}

#[test]
fn a_missing_database_is_named_with_what_creates_it() {
    assert_says(&refusal(&SHARED.database("nowhere")), &["nowhere", "CREATE DATABASE"]);
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let port = free_port();
    let said = refusal(&format!("postgres://me:secret@127.0.0.1:{port}/jobs"));
    assert_says(&said, &[&format!("me@127.0.0.1:{port}/jobs"), "running"]);
    assert!(!said.contains("secret"), "{said}");
}

#[test]
fn a_newer_schema_is_refused_unless_it_says_that_this_version_may_use_it() {
    let url = SHARED.fresh();
    drop(open(&url).expect("it is new"));
    let versions = format!("{}.versions", schema(&url));
    SHARED.sql(&format!("INSERT INTO {versions} (version, usable_from) VALUES (98, 1)"));
    drop(open(&url).expect("an expanded schema can be used"));
    SHARED.sql(&format!("INSERT INTO {versions} (version, usable_from) VALUES (99, 99)"));
    let refused = open(&url).expect_err("it is too new");
    assert!(matches!(refused, Error::Incompatible(_)), "{refused}");
    assert_says(&refused.to_string(), &["version 99", "newer program"]);
}

#[test]
fn a_schema_of_another_program_is_refused_and_left_alone() {
    let url = SHARED.fresh();
    SHARED.sql(&format!("CREATE SCHEMA {0}; CREATE TABLE {0}.theirs ()", schema(&url)));
    assert_says(&refusal(&url), &["another program", "?schema="]);
    let tables = format!("SELECT count(*) FROM pg_tables WHERE schemaname = '{}'", schema(&url));
    assert_eq!(SHARED.sql(&tables), ["1"]);
}

#[test]
fn a_role_without_rights_is_told_what_an_administrator_must_run() {
    let url = SHARED.fresh();
    let name = schema(&url);
    SHARED.sql("CREATE ROLE powerless LOGIN");
    let theirs = url.replace("postgres@", "powerless@");
    let order = format!("CREATE SCHEMA \"{name}\" AUTHORIZATION \"powerless\"");
    assert_says(&refusal(&theirs), &[&order]);
    SHARED.sql(&order);
    let mut shard = Shard::of(open(&theirs).expect("the role owns the schema"));
    shard.commit(Changes::default());
}

#[test]
fn a_role_without_rights_on_the_tables_is_told_which_it_needs() {
    let url = SHARED.fresh();
    drop(open(&url).expect("it is new"));
    SHARED.sql("CREATE ROLE stranger LOGIN");
    let theirs = url.replace("postgres@", "stranger@");
    assert_says(&refusal(&theirs), &["permission denied"]);
    let name = schema(&url);
    SHARED.sql(&format!("GRANT USAGE ON SCHEMA {name} TO stranger"));
    let grant = format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {name} TO stranger");
    SHARED.sql(&grant);
    let mut shard = Shard::of(open(&theirs).expect("it has what it needs"));
    shard.commit(Changes::default());
}

#[test]
fn a_database_that_may_not_be_written_is_refused() {
    SHARED.sql("CREATE DATABASE frozen");
    SHARED.sql("ALTER DATABASE frozen SET default_transaction_read_only = on");
    assert_says(&refusal(&SHARED.database("frozen")), &["default_transaction_read_only"]);
}

#[test]
fn a_standby_is_refused_also_where_its_tables_are_in_order_and_is_used_once_it_is_promoted() {
    let server = Server::start();
    let url = server.fresh();
    drop(open(&url).expect("it is new"));
    let data = server.sql("SHOW data_directory").remove(0);
    server.order("stop");
    std::fs::write(format!("{data}/standby.signal"), "").expect("the folder can be written");
    server.order("start");
    let refused = open(&url).expect_err("it takes no writes");
    assert!(matches!(refused, Error::Unavailable(_)), "{refused}");
    assert_says(&refused.to_string(), &["read-only standby", "name the primary"]);
    server.sql("SELECT pg_promote()");
    let mut shard = Shard::of(open(&url).expect("it is a primary now"));
    shard.commit(Changes::default());
}

#[test]
fn a_database_of_another_encoding_is_refused() {
    SHARED.sql("CREATE DATABASE latin ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
    assert_says(&refusal(&SHARED.database("latin")), &["SQL_ASCII", "UTF8"]);
}

#[test]
fn starts_at_the_same_time_migrate_once() {
    let url = SHARED.fresh();
    std::thread::scope(|scope| {
        let opening: Vec<_> = (0..4).map(|_| scope.spawn(|| open(&url))).collect();
        for opened in opening {
            opened.join().expect("it does not panic").expect("one after the other");
        }
    });
    assert_eq!(SHARED.sql(&format!("SELECT count(*) FROM {}.versions", schema(&url))), ["10"]);
}

#[test]
fn a_schema_keeps_the_shards_that_it_was_made_with() {
    let url = SHARED.fresh_of(4);
    assert_eq!(open(&url).expect("it is new").shards(), 4);
    let silent = url.replace("shards=4&", "");
    assert_eq!(open(&silent).expect("it says itself how many").shards(), 4);
    let refused = open(&url.replace("shards=4", "shards=8")).expect_err("it has four");
    assert!(matches!(refused, Error::Incompatible(_)), "{refused}");
    assert_says(&refused.to_string(), &[schema(&url), "4 shards", "asks for 8", "leave `?shards=` out"]);
}

#[test]
fn a_new_schema_has_sixteen_shards() {
    let store = open(&SHARED.fresh().replace("shards=1&", "")).expect("it is new");
    assert_eq!(store.shards(), 16);
    assert_says(&store.describe().detail, &["shards=16"]);
}

/// The first version of the schema, with what is in it.
const FIRST: &str = include_str!("../../src/schema/0001.sql");

#[test]
fn a_schema_of_the_version_before_keeps_one_shard_and_its_rows() {
    let url = SHARED.fresh();
    let name = schema(&url);
    SHARED.sql(&format!(
        "CREATE SCHEMA {name}; CREATE TABLE {name}.versions (version bigint PRIMARY KEY, usable_from bigint NOT NULL,
            at timestamptz NOT NULL DEFAULT now());
        INSERT INTO {name}.versions (version, usable_from) VALUES (1, 1)"
    ));
    SHARED.sql(&FIRST.replace('@', &format!("{name}.")));
    SHARED.sql(&format!(
        "UPDATE {name}.shards SET epoch = 7, owner = 'old', time = 5, sequence = 6, lease = 7, folded = 8;
        UPDATE {name}.leases SET holder = 'old', epoch = 7;
        INSERT INTO {name}.tasks (key, created_at, rank, generation, attempt, status, place, priority, dead, tenant, type,
            queue) VALUES (4097, 1, 0, 1, 0, 3, 0, 0, false, 'default', 'noop', 'default');
        INSERT INTO {name}.jobs (key, created_at, tasks, completed, failed, cancelled, skipped, unhandled, generation, status,
            failure_policy, flags, tenant, sweep) VALUES (8193, 1, 1, 0, 0, 0, 0, 0, 3, 2, 1, 5, 'default',
            '{{\"kind\":\"failingFast\",\"next\":1}}');
        INSERT INTO {name}.lanes VALUES (1, 'default', 'default', 'noop', NULL);
        INSERT INTO {name}.claims VALUES (4097, NULL, 0, 'a', 'default', 'x');
        INSERT INTO {name}.counts VALUES ('default', 'default', 3, 1);
        INSERT INTO {name}.feed (shard, number, time, sequence, lease, counts) VALUES (0, 9, 50, 60, 70,
            '[[\"default\", \"default\", 3, 1]]')"
    ));
    let refused = open(&url.replace("shards=1", "shards=16")).expect_err("the rows have one shard");
    assert_says(&refused.to_string(), &["1 shards"]);
    let store = open(&url.replace("shards=1&", "")).expect("it is migrated");
    assert_eq!(store.shards(), 1);
    let mut shard = Shard::of(store);
    assert!(shard.fence.epoch > 8, "the owner of before is kept out");
    let loaded = shard.load();
    assert_eq!((loaded.tasks.len(), loaded.lanes.len(), loaded.high_water.commit), (1, 1, 9));
    let job = loaded.jobs.first().expect("its sweep goes on");
    assert_eq!((job.parent, job.ancestors.len(), job.deadline_ms, job.state.queued), (None, 0, None, false));
    assert!(job.state.paused && job.state.failing_fast && !job.state.exceeded);
    assert_eq!(shard.ask(|reader| reader.task_counts(None, 9))[0].2, 2);
    shard.commit(Changes::default());
}

#[test]
fn the_store_says_where_it_is_and_what_it_promises() {
    let about = open(&SHARED.fresh()).expect("it is new").describe();
    // The server of the tests does not wait for its disk.
    assert_eq!((about.name, about.durability.class()), ("postgres", "D1"));
    assert_says(&about.detail, &["postgres@127.0.0.1", "synchronous_commit=on", "fsync=off", "version="]);
    assert!(!about.detail.contains("pooler"), "{}", about.detail);
}

#[test]
fn texts_with_a_nul_read_back() {
    let mut shard = Shard::of(open(&SHARED.fresh()).expect("it is new"));
    let odd = "a\0b\u{fffe}c";
    let audit = AuditRow {
        at: Timestamp::from_millis(1),
        actor: odd.into(),
        action: odd.into(),
        target: odd.into(),
        detail: odd.into(),
    };
    shard.commit(Changes {
        put_queues: vec![QueueRow { name: odd.into(), paused: true }],
        put_workers: vec![WorkerRow { worker: odd.into(), directive: Default::default() }],
        insert_audit: vec![audit.clone(), audit.clone()],
        ..Changes::default()
    });
    let loaded = shard.load();
    assert_eq!((&*loaded.queues[0].name, &*loaded.workers[0].worker), (odd, odd));
    assert_eq!(shard.ask(|reader| reader.audit(None, 9)), [audit.clone(), audit]);
}
