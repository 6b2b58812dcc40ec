//! The partitions of the history: made ahead, dropped behind, and what is never lost with them.

use std::sync::Arc;

use mainspring_core::id::{Bucket, Key};
use mainspring_core::row::{
    Changes, FeedPosition, HighWater, LogRow, LogStream, OutputRow, TaskRow, Transition, TransitionKind,
};
use mainspring_core::spec::{TaskSpec, Trigger};
use mainspring_core::task::{Place, TaskState, TaskStatus};
use mainspring_core::time::Timestamp;
use mainspring_store::ShardId;
use mainspring_store::conformance::{Shard, wait};
use mainspring_store_postgres::{Options, PostgresStore};

use crate::server::{Held, SHARED, schema, sql_at};

const DAY_MS: i64 = 86_400_000;

/// A schema, with instants counted from where its first partition ends.
struct Place0 {
    url: String,
    end: i64,
}

impl Place0 {
    fn new() -> (Self, Shard) {
        let url = SHARED.fresh();
        let shard = Shard::of(PostgresStore::open(&url, Options::default()).expect("it is new"));
        let end = SHARED.sql(&format!("SELECT until FROM {}.periods", schema(&url)))[0].parse().expect("one is made");
        (Self { url, end }, shard)
    }

    fn at(&self, hours: i64) -> Timestamp {
        Timestamp::from_millis(self.end + hours * DAY_MS / 24)
    }

    fn key(&self, hours: i64) -> Key {
        Key::new(Key::first_sequence_at(self.at(hours)), Bucket::new(7))
    }

    fn table(&self, name: &str) -> String {
        format!("{}.{name}", schema(&self.url))
    }

    fn number(&self, sql: &str) -> i64 {
        SHARED.sql(&sql.replace('@', &format!("{}.", schema(&self.url))))[0].parse().expect("it is a number")
    }

    /// Asks for partitions as of an instant, with a retention of two days; gives what was made, dropped and left.
    fn keep(&self, hours: i64) -> String {
        let (now, before) = (self.at(hours).as_millis(), self.at(hours - 48).as_millis());
        let keep = format!(
            "SELECT concat_ws(' ', made, dropped, left_over) FROM {}({now}, {before})",
            self.table("keep_history")
        );
        SHARED.sql(&keep).remove(0)
    }

    fn periods(&self) -> Vec<String> {
        SHARED.sql(&format!("SELECT name FROM {} ORDER BY until", self.table("periods")))
    }

    /// The partition that has a task's logs.
    fn home(&self, hours: i64) -> String {
        let sql =
            format!("SELECT tableoid::regclass FROM {} WHERE task = {}", self.table("logs"), self.key(hours).raw());
        SHARED.sql(&sql).into_iter().next().unwrap_or_default()
    }

    /// Deletes tasks, at an instant.
    fn delete(&self, hours: i64, tasks: &[i64]) -> Changes {
        let high_water = HighWater { time: self.at(hours), ..HighWater::default() };
        Changes { delete_tasks: tasks.iter().map(|hours| self.key(*hours)).collect(), high_water, ..Changes::default() }
    }

    /// A task of an instant that has printed something, and an event of it.
    fn task(&self, hours: i64) -> Changes {
        let mut changes = self.prints(hours, 1);
        changes.insert_tasks.push(TaskRow {
            key: self.key(hours),
            tenant: "default".into(),
            given_id: None,
            job: None,
            spec: Some(Arc::new(TaskSpec::new("noop".into(), "{}".into()))),
            trigger: Trigger::default(),
            parents: 0,
            created_at: self.at(hours),
            state: TaskState::new(TaskStatus::Ready, Place::Hot),
        });
        changes.put_outputs.push(OutputRow { task: self.key(hours), output: "1".into() });
        changes
    }

    fn prints(&self, hours: i64, number: u64) -> Changes {
        let at = self.at(hours);
        let line =
            LogRow { task: self.key(hours), attempt: 1, number, stream: LogStream::Stdout, at, data: "line\n".into() };
        let kind = TransitionKind::TaskStarted;
        let event = Transition { kind, at, task: Some(self.key(hours)), job: None, attempt: 1, subject: None };
        let high_water = HighWater { time: at, ..HighWater::default() };
        Changes { insert_logs: vec![line], feed: vec![event], high_water, ..Changes::default() }
    }

    fn lines(&self, shard: &Shard, hours: i64) -> usize {
        let key = self.key(hours);
        shard.ask(|reader| reader.logs(key, 1, 0, 10)).items.len()
    }
}

fn events(shard: &Shard) -> (usize, u64) {
    let page = shard.ask(|reader| reader.feed(ShardId(0), FeedPosition { commit: 0, index: 0 }, 100));
    (page.items.len(), page.earliest.commit)
}

fn prune(place: &Place0, shard: &Shard, hours: i64) {
    let (before, now) = (place.at(hours - 48), place.at(hours));
    while wait(shard.store.prune(shard.fence.clone(), before, now, 100)).expect("the fence is in force") > 0 {}
}

#[test]
fn what_is_past_the_retention_goes_with_its_partition_and_nothing_else_does() {
    let (place, mut shard) = Place0::new();
    assert_eq!(place.keep(0), "2 0 0", "two days ahead");
    for hours in [-5, 5, 6, 30] {
        shard.commit(place.task(hours));
    }
    let homes = [-5, 5, 30].map(|hours| place.home(hours));
    assert!(homes[0].ends_with("logs_first") && homes[1] != homes[2] && !homes[1].ends_with("rest"), "{homes:?}");
    assert_eq!((events(&shard), place.lines(&shard, 5)), ((4, 0), 1));

    // The fourth day: the first two periods are past. Of the second, one task is left.
    assert_eq!(place.keep(48), "2 0 0");
    shard.commit(Changes { delete_tasks: vec![place.key(-5), place.key(5)], ..place.task(73) });
    prune(&place, &shard, 74);
    assert!(place.periods().len() >= 3 && !place.periods().contains(&"first".to_owned()), "{:?}", place.periods());
    let names = format!("SELECT relname FROM pg_class WHERE relnamespace = '{}'::regnamespace", schema(&place.url));
    let tables = SHARED.sql(&names);
    for kind in ["feed", "attempts", "outputs", "logs"] {
        assert!(!tables.contains(&format!("{kind}_first")), "{tables:?}");
    }
    assert_eq!(place.lines(&shard, 5), 0, "it was deleted");
    assert!(place.home(5).is_empty() && place.home(6).ends_with("logs_rest") && place.home(30) == homes[2]);
    let printed = place.prints(6, 2).insert_logs;
    shard.commit(Changes { insert_logs: printed, ..place.delete(74, &[]) });
    assert_eq!((place.lines(&shard, 6), place.lines(&shard, 30)), (2, 1), "what is left goes on");
    let key = place.key(6);
    assert_eq!(shard.ask(|reader| reader.output(key)).as_deref(), Some("1"));
    assert_eq!(events(&shard), (2, 4), "the first three events are a gap");
    shard.commit(Changes { delete_tasks: vec![key], ..place.task(75) });
    assert_eq!(place.number("SELECT count(*) FROM @logs_rest"), 0, "what is in no period is deleted by itself");
}

#[test]
fn a_task_that_is_deleted_after_its_time_leaves_its_rows_to_the_partition() {
    let (place, mut shard) = Place0::new();
    shard.commit(place.task(-5));
    shard.commit(place.task(-4));
    shard.commit(place.delete(0, &[-5]));
    assert_eq!(place.number("SELECT count(*) FROM @logs"), 1, "before its time is over they go at once");
    prune(&place, &shard, 47);
    shard.commit(place.delete(47, &[-4]));
    assert_eq!(place.number("SELECT count(*) FROM @logs"), 1, "nobody deletes it");
    assert_eq!(place.lines(&shard, -4), 0, "nobody sees it");
    assert_eq!(place.keep(49), "1 1 0");
    assert_eq!(place.number("SELECT count(*) FROM @logs"), 0);
}

#[test]
fn a_period_stays_while_its_events_or_many_of_its_tasks_are_needed() {
    let (place, mut shard) = Place0::new();
    shard.commit(place.task(-5));
    let tasks = place.table("tasks");
    let few = place.key(-5).raw();
    SHARED.sql(&format!(
        "INSERT INTO {tasks} (key, created_at, generation, attempt, status, priority, dead, tenant, type, queue, shard)
            SELECT {few} + number, 1, 1, 0, 3, 0, false, 'default', 'noop', 'default', 0 FROM generate_series(1, 10000) AS number"
    ));
    assert_eq!(place.keep(60), "5 0 0", "the event is not forgotten yet");
    prune(&place, &shard, 60);
    assert_eq!((place.keep(60), place.periods()[0].as_str()), ("0 0 0".into(), "first"), "10,001 tasks are too many");
    SHARED.sql(&format!("DELETE FROM {tasks} WHERE key = {few} + 1"));
    assert_eq!(place.keep(60), "0 1 0");
    assert_eq!(place.lines(&shard, -5), 1);
}

#[test]
fn several_that_make_partitions_at_once_make_each_of_them_once() {
    let (place, mut shard) = Place0::new();
    let made = std::thread::scope(|scope| {
        let making: Vec<_> = (0..6).map(|_| scope.spawn(|| place.keep(100))).collect();
        for hours in 0..20 {
            shard.commit(place.task(hours - 60));
        }
        let made = making.into_iter().map(|thread| thread.join().expect("it does not panic"));
        made.collect::<Vec<_>>()
    });
    let all: i64 = made.iter().map(|made| made[..1].parse::<i64>().expect("a digit")).sum();
    let rest = place.keep(100)[..1].parse::<i64>().expect("a digit");
    assert_eq!(all + rest, 7, "{made:?}: from the end of the first to two days after");
    let gaps = "SELECT count(*) FROM @periods AS p WHERE name <> 'first'
        AND NOT EXISTS (SELECT 1 FROM @periods AS q WHERE q.until = p.first)";
    assert_eq!((place.number(gaps), place.periods().len()), (1, 6), "two days without anything were dropped");
}

#[test]
fn a_row_that_no_partition_fits_goes_to_the_rest_and_later_ones_do_not() {
    let (place, mut shard) = Place0::new();
    shard.commit(place.task(500));
    assert!(place.home(500).ends_with("logs_rest"));
    assert_eq!((place.lines(&shard, 500), events(&shard)), (1, (1, 0)));
    // The day of what is in the rest has no partition; the next ones do.
    assert_eq!(place.keep(500), "2 1 0");
    shard.commit(place.task(501));
    shard.commit(place.task(530));
    assert!(place.home(501).ends_with("logs_rest") && !place.home(530).ends_with("logs_rest"));
    assert_eq!(events(&shard), (3, 0));
    prune(&place, &shard, 600);
    assert_eq!((place.number("SELECT count(*) FROM @feed_rest"), events(&shard)), (0, (0, 4)));
}

#[test]
fn whoever_reads_a_table_is_not_waited_for() {
    let (place, mut shard) = Place0::new();
    shard.commit(place.task(-5));
    wait(shard.store.prune(shard.fence.clone(), place.at(-1), place.at(0), 100)).expect("the fence is in force");
    let mut reading = Held::start(&format!("SELECT count(*) FROM {}", place.table("logs")));
    assert_eq!(place.keep(49), "0 0 2", "nothing is made or dropped");
    shard.commit(place.task(-4));
    assert_eq!(place.lines(&shard, -5), 1);
    reading.end("COMMIT");
    prune(&place, &shard, 49);
    assert_eq!(place.keep(49), "3 1 0");
    assert_eq!((place.lines(&shard, -5), place.lines(&shard, -4)), (1, 1), "both tasks are still there");
}

#[test]
fn a_role_that_may_not_make_partitions_deletes_row_by_row() {
    let (place, shard) = Place0::new();
    drop(shard);
    let (name, role) = (schema(&place.url), format!("plain_{}", schema(&place.url)));
    SHARED.sql(&format!(
        "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA {name} TO {role};
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {name} TO {role}"
    ));
    let url = place.url.replace("postgres@", &format!("{role}@"));
    let refused = sql_at(url.split('?').next().expect("it has"), &format!("SELECT {name}.keep_history(0, 0)"));
    assert!(refused.is_err(), "nobody else may");
    let mut shard = Shard::of(PostgresStore::open(&url, Options::default()).expect("it may read and write"));
    shard.commit(place.task(-5));
    prune(&place, &shard, 200);
    assert_eq!(events(&shard), (0, 2));
    shard.commit(place.delete(200, &[-5]));
    assert_eq!(place.number("SELECT count(*) FROM @logs"), 0);
    SHARED.sql(&format!("GRANT EXECUTE ON FUNCTION {name}.keep_history(bigint, bigint) TO {role}"));
    let asked = sql_at(
        url.split('?').next().expect("it has"),
        &format!("SELECT made FROM {name}.keep_history({0}, {0})", place.end),
    );
    assert_eq!(asked.expect("it may now"), ["1"]);
}
