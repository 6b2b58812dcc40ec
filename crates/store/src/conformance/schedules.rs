//! Schedules and the ledger of their occurrences.

use mainspring_core::id::{Bucket, Key};
use mainspring_core::row::Changes;
use mainspring_core::schedule::{
    After, Backfill, Cause, Next, OccurrenceRow, Overlap, PassReason, ScheduleName, ScheduleRow, ScheduleState, Target,
};

use super::make::{at, key, name};
use super::{Factory, Shard, wait};
use crate::reader::{OccurrenceFilter, ScheduleFilter};

fn id(tenant: &str, text: &str) -> ScheduleName {
    ScheduleName { tenant: name(tenant), name: name(text) }
}

fn plain(id: ScheduleName) -> ScheduleRow {
    let state = ScheduleState {
        generation: 1,
        changed_at: at(0),
        paused: false,
        covered: at(0),
        next: Next::Unplanned,
        last_instant: None,
        running: Vec::new(),
        buffered: None,
        backfill: None,
        after: None,
    };
    let body = r#"{"cron":"0 6 * * *","job":"report"}"#.into();
    ScheduleRow { id, overlap: Overlap::Allow, of_definition: false, body, created_at: at(0), state }
}

/// A state in which nothing is default.
fn full() -> ScheduleState {
    ScheduleState {
        generation: 7,
        changed_at: at(1),
        paused: true,
        covered: at(-2),
        next: Next::At { instant: at(3), due: at(4) },
        last_instant: Some(at(-5)),
        running: vec![Target::Task(key(1)), Target::Job(key(2))],
        buffered: Some(at(6)),
        backfill: Some(Backfill {
            cursor: at(-90),
            to: at(-7),
            concurrency: 3,
            running: vec![Target::Job(key(3))],
            fired: 2,
        }),
        after: Some(After {
            names: vec![(name("täglich"), true), (name("b"), false)],
            due: vec![at(3), at(8)],
            heard: vec![(0, 1), (u16::MAX, u64::MAX >> 12)],
        }),
    }
}

fn record(number: u64, schedule: &ScheduleName, ms: i64) -> OccurrenceRow {
    OccurrenceRow {
        key: key(number),
        schedule: schedule.clone(),
        generation: 1,
        cause: Cause::Time,
        first: at(ms),
        last: at(ms),
        result: Ok(Target::Job(key(number + 1_000))),
        detail: None,
    }
}

fn holding(open: Factory<'_>, rows: Vec<ScheduleRow>) -> Shard {
    let mut shard = Shard::new(open);
    shard.commit(Changes { put_schedules: rows, ..Changes::default() });
    shard
}

fn listed(shard: &Shard, filter: ScheduleFilter, after: Option<ScheduleName>, limit: usize) -> Vec<ScheduleName> {
    let rows = shard.ask(|reader| reader.schedules(filter, after, limit));
    rows.into_iter().map(|row| row.id).collect()
}

fn ledger(shard: &Shard, of: &ScheduleName) -> Vec<OccurrenceRow> {
    let filter = OccurrenceFilter { schedule: of.clone(), instant: None };
    shard.ask(|reader| reader.occurrences(filter, None, 1_000)).items
}

pub fn schedules_read_back(open: Factory<'_>) {
    let mut rows = Vec::new();
    for (number, overlap) in (0..).zip(Overlap::ALL) {
        let row = plain(id("naïve", &format!("s{number}")));
        rows.push(ScheduleRow { overlap, of_definition: number % 2 == 0, state: full(), ..row });
    }
    rows[1].state.next = Next::Never;
    rows[2].state.next = Next::Unplanned;
    rows[3].body = "{\"x\":\"\\u0000 ü\u{0}\"}".into();
    let shard = holding(open, rows.clone());
    assert_eq!(shard.load().schedules, rows);
    assert_eq!(shard.ask(|reader| reader.schedules(ScheduleFilter::default(), None, 9)), rows);
}

pub fn a_schedule_is_edited_updated_and_deleted(open: Factory<'_>) {
    let (a, b) = (plain(id("default", "a")), plain(id("default", "b")));
    let mut shard = holding(open, vec![a.clone(), b.clone()]);
    let edited = ScheduleRow { overlap: Overlap::Skip, body: "{}".into(), ..a.clone() };
    shard.commit(Changes {
        put_schedules: vec![edited.clone()],
        update_schedules: vec![(b.id.clone(), full()), (id("default", "absent"), full())],
        ..Changes::default()
    });
    let updated = ScheduleRow { state: full(), ..b.clone() };
    assert_eq!(shard.load().schedules, [edited, updated.clone()]);
    shard.commit(Changes { delete_schedules: vec![a.id.clone(), id("default", "absent")], ..Changes::default() });
    assert_eq!(shard.load().schedules, [updated]);
    // Deletions come first: what is made again in the same commit stays.
    shard.commit(Changes {
        delete_schedules: vec![b.id.clone()],
        put_schedules: vec![b.clone()],
        ..Changes::default()
    });
    assert_eq!(shard.load().schedules, [b]);
}

pub fn schedules_are_listed_by_name_and_tenant(open: Factory<'_>) {
    let ids = [id("t2", "a"), id("t1", "b"), id("t2", "b"), id("t1", "c")];
    let shard = holding(open, ids.iter().rev().cloned().map(plain).collect());
    let all = ScheduleFilter::default();
    assert_eq!(listed(&shard, all.clone(), None, 3), ids[..3]);
    assert_eq!(listed(&shard, all, Some(ids[2].clone()), 3), ids[3..]);
    let of_one = ScheduleFilter { tenant: Some(name("t1")), name: None };
    assert_eq!(listed(&shard, of_one, None, 9), [ids[1].clone(), ids[3].clone()]);
    let named = ScheduleFilter { tenant: None, name: Some(name("b")) };
    assert_eq!(listed(&shard, named, None, 9), [ids[1].clone(), ids[2].clone()]);
}

pub fn every_result_of_an_occurrence_reads_back(open: Factory<'_>) {
    let of = id("default", "ü");
    let mut rows = vec![record(1, &of, 1), record(2, &of, 2)];
    rows[1].result = Ok(Target::Task(key(77)));
    rows[1].cause = Cause::Trigger;
    for (number, reason) in (3..).zip(PassReason::ALL) {
        let mut row = record(number, &of, number as i64);
        (row.result, row.cause, row.last, row.generation) = (Err(reason), Cause::Backfill, at(1_000), 9);
        row.detail = (reason == PassReason::Invalid).then(|| name("no definition `x`"));
        rows.push(row);
    }
    let mut shard = Shard::new(open);
    shard.commit(Changes { insert_occurrences: rows.clone(), ..Changes::default() });
    rows.reverse();
    assert_eq!(ledger(&shard, &of), rows);
}

pub fn the_ledger_is_paged_newest_first(open: Factory<'_>) {
    let (of, other) = (id("default", "a"), id("other", "a"));
    let rows: Vec<_> = (1..=5).map(|number| record(number, &of, number as i64 * 1_000)).collect();
    let mut shard = Shard::new(open);
    shard.commit(Changes { insert_occurrences: rows[..3].to_vec(), ..Changes::default() });
    let strangers = vec![record(9, &other, 1_000)];
    shard
        .commit(Changes { insert_occurrences: [rows[3..].to_vec(), strangers.clone()].concat(), ..Changes::default() });
    let filter = OccurrenceFilter { schedule: of.clone(), instant: None };
    let first = shard.ask(|reader| reader.occurrences(filter.clone(), None, 3));
    assert_eq!((first.items, first.next), (vec![rows[4].clone(), rows[3].clone(), rows[2].clone()], Some(key(3))));
    let rest = shard.ask(|reader| reader.occurrences(filter, Some(key(3)), 3));
    assert_eq!((rest.items, rest.next), (vec![rows[1].clone(), rows[0].clone()], None));
    let one = OccurrenceFilter { schedule: of, instant: Some(at(2_000)) };
    assert_eq!(shard.ask(|reader| reader.occurrences(one, None, 3)).items, [rows[1].clone()]);
    assert_eq!(ledger(&shard, &other), strangers);
}

pub fn the_ledger_outlives_its_schedule_and_is_pruned_by_age(open: Factory<'_>) {
    let row = plain(id("default", "a"));
    let old = |ms: i64, bucket| Key::new(Key::first_sequence_at(at(ms)), Bucket::new(bucket));
    let rows: Vec<_> = [(0, 4_095), (10, 0), (20, 7)]
        .into_iter()
        .map(|(ms, bucket)| OccurrenceRow { key: old(ms, bucket), ..record(1, &row.id, ms) })
        .collect();
    let mut shard = holding(open, vec![row.clone()]);
    shard.commit(Changes { insert_occurrences: rows.clone(), ..Changes::default() });
    shard.commit(Changes { delete_schedules: vec![row.id.clone()], ..Changes::default() });
    assert_eq!(ledger(&shard, &row.id).len(), 3);
    let prune = |before, limit| wait(shard.store.prune(shard.fence.clone(), at(before), at(0), limit)).expect("served");
    assert_eq!(prune(20, 1), 1);
    assert_eq!((prune(20, 9), prune(20, 9)), (1, 0));
    assert_eq!(ledger(&shard, &row.id), [rows[2].clone()]);
}
