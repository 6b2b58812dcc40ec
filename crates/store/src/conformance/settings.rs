//! Settings of a shard: lanes, queues, workers, definitions, and the audit.

use std::sync::Arc;

use mainspring_core::loan::{LoanKind, LoanName, LoanRow};
use mainspring_core::permit::{KeyBound, KeyLimit, KeyLimits, LimitRow, LimitScope, Limits, Rate};
use mainspring_core::row::{
    AuditRow, Changes, DefinitionKind, DefinitionRow, Directive, LaneName, LaneRow, QueueRow, WorkerRow,
};
use mainspring_core::spec::Class;
use mainspring_core::task::LaneId;

use super::make::{at, name};
use super::{Factory, Shard};
use crate::reader::DefinitionFilter;

fn lane(number: u32, queue: &str, labels: &[&str]) -> LaneRow {
    let class = Class { executor: name("shell"), labels: labels.iter().map(|label| name(label)).collect() };
    let (kind, limits) = (class.executor.clone(), KeyLimits::default());
    LaneRow { lane: LaneId(number), name: LaneName { queue: name(queue), tenant: name("naïve"), class, kind, limits } }
}

/// Every kind of limit that a task can carry.
pub(super) fn key_limits() -> KeyLimits {
    let rate = Rate { limit: 1, per_ms: 86_400_000, burst: 1_000_000 };
    KeyLimits::from([
        KeyLimit { key: name("naïve \"key\""), bound: KeyBound::Running(u32::MAX) },
        KeyLimit { key: name(""), bound: KeyBound::Starts(rate) },
    ])
}

pub fn lanes_read_back(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let rows = vec![lane(0, "default", &[]), lane(1, "default", &["gpu=a100", "zone=a"]), lane(2, "q", &[""])];
    let mut rows = rows;
    for (number, limits) in [(3, KeyLimits::default()), (4, key_limits())] {
        let LaneRow { lane, name: plain } = lane(number, "default", &["gpu=a100"]);
        rows.push(LaneRow { lane, name: LaneName { kind: name("email"), limits, ..plain } });
    }
    shard.commit(Changes { insert_lanes: rows[..2].to_vec(), ..Changes::default() });
    shard.commit(Changes { insert_lanes: rows[2..].to_vec(), ..Changes::default() });
    assert_eq!(shard.load().lanes, rows);
}

pub fn queues_read_back(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let rows = vec![QueueRow { name: name("a"), paused: true }, QueueRow { name: name("ü"), paused: false }];
    shard.commit(Changes { put_queues: rows.clone(), ..Changes::default() });
    assert_eq!(shard.load().queues, rows);
}

pub fn limits_read_back(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let rate = Some(Rate { limit: 3, per_ms: 1, burst: 7 });
    let all = Limits {
        concurrency: Some(0),
        rate,
        weight: Some(9),
        max_backlog: Some(u64::MAX >> 1),
        submit_rate: rate.map(|rate| Rate { per_ms: 86_400_000, ..rate }),
    };
    let row = |scope, text, limits| LimitRow { scope, name: name(text), limits };
    let rows = vec![
        row(LimitScope::Queue, "a", all),
        row(LimitScope::Queue, "ü:", Limits { concurrency: Some(u32::MAX), ..Limits::default() }),
        row(LimitScope::Type, "a", Limits::default()),
        row(LimitScope::Tenant, "a", Limits { weight: Some(1), ..Limits::default() }),
    ];
    shard.commit(Changes { put_limits: rows.clone(), ..Changes::default() });
    assert_eq!(shard.load().limits, rows);
    let last = row(LimitScope::Queue, "a", Limits { rate, ..Limits::default() });
    shard.commit(Changes { put_limits: vec![last.clone()], ..Changes::default() });
    assert_eq!(shard.load().limits[0], last);
}

pub fn loans_read_back(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let row = |scope, text, kind, peer, given| {
        let of = LoanName { scope, name: name(text), kind };
        LoanRow { of, peer, given, returned: given / 2 }
    };
    let rows = vec![
        row(LimitScope::Queue, "a", LoanKind::Places, 0, 1),
        row(LimitScope::Queue, "a", LoanKind::Places, 255, u64::MAX >> 1),
        row(LimitScope::Queue, "a", LoanKind::Rate, 0, 9),
        row(LimitScope::Type, "ü:0:", LoanKind::Places, 3, 0),
        row(LimitScope::Tenant, "a", LoanKind::Places, 1, 1 << 40),
    ];
    shard.commit(Changes { put_loans: rows.clone(), ..Changes::default() });
    assert_eq!(shard.load().loans, rows);
    let last = row(LimitScope::Queue, "a", LoanKind::Places, 0, 7);
    shard.commit(Changes { put_loans: vec![last.clone()], ..Changes::default() });
    let loaded = shard.load().loans;
    assert_eq!((&loaded[0], &loaded[1..]), (&last, &rows[1..]));
}

pub fn workers_read_back(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let directives = [Directive::Run, Directive::Pause, Directive::Drain];
    let row = |(directive, number)| WorkerRow { worker: name(&format!("w{number}")), directive };
    let rows: Vec<_> = directives.into_iter().zip(1..).map(row).collect();
    shard.commit(Changes { put_workers: rows.clone(), ..Changes::default() });
    assert_eq!(shard.load().workers, rows);
}

pub fn the_last_setting_wins(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    for (paused, directive) in [(true, Directive::Drain), (false, Directive::Pause)] {
        shard.commit(Changes {
            put_queues: vec![QueueRow { name: name("q"), paused }],
            put_workers: vec![WorkerRow { worker: name("w"), directive }],
            ..Changes::default()
        });
    }
    let snapshot = shard.load();
    assert_eq!(snapshot.queues, [QueueRow { name: name("q"), paused: false }]);
    assert_eq!(snapshot.workers, [WorkerRow { worker: name("w"), directive: Directive::Pause }]);
}

fn version(kind: DefinitionKind, tenant: &str, text: &str, version: u32, body: Option<&str>) -> DefinitionRow {
    let body = body.map(Arc::from);
    let (at, actor) = (at(i64::from(version)), name("ops"));
    DefinitionRow { kind, tenant: name(tenant), name: name(text), version, body, at, actor }
}

fn defining(open: Factory<'_>, rows: &[DefinitionRow]) -> Shard {
    let mut shard = Shard::new(open);
    for row in rows {
        shard.commit(Changes { insert_definitions: vec![row.clone()], ..Changes::default() });
    }
    shard
}

fn of_kind(kind: DefinitionKind) -> DefinitionFilter {
    DefinitionFilter { kind, tenant: None, name: None }
}

pub fn definitions_keep_every_version(open: Factory<'_>) {
    let kind = DefinitionKind::Job;
    let rows = [
        version(kind, "default", "report", 1, Some("{\"a\":1}")),
        version(kind, "default", "report", 2, None),
        version(kind, "default", "report", 3, Some("{}")),
        version(kind, "default", "other", 1, Some("{}")),
    ];
    let shard = defining(open, &rows);
    let filter = DefinitionFilter { name: Some(name("report")), ..of_kind(kind) };
    let listed = shard.ask(|reader| reader.definitions(filter));
    assert_eq!(listed, [rows[2].clone(), rows[1].clone(), rows[0].clone()]);
}

pub fn a_deleted_definition_is_not_listed(open: Factory<'_>) {
    let kind = DefinitionKind::Task;
    let rows = [
        version(kind, "default", "gone", 1, Some("{}")),
        version(kind, "default", "gone", 2, None),
        version(kind, "default", "kept", 1, Some("{}")),
    ];
    let shard = defining(open, &rows);
    assert_eq!(shard.ask(|reader| reader.definitions(of_kind(kind))), rows[2..]);
}

pub fn a_load_brings_the_newest_version_of_each_definition(open: Factory<'_>) {
    let (job, task) = (DefinitionKind::Job, DefinitionKind::Task);
    let shard = defining(
        open,
        &[
            version(task, "default", "a", 1, Some("{}")),
            version(task, "default", "a", 2, None),
            version(job, "default", "a", 1, Some("{}")),
            version(job, "acme", "a", 12, Some("{}")),
        ],
    );
    let mut newest = shard.load().definitions;
    newest.sort_unstable();
    let named = |kind, tenant, version| (kind, name(tenant), name("a"), version);
    assert_eq!(newest, [named(task, "default", 2), named(job, "acme", 12), named(job, "default", 1)]);
}

pub fn definitions_are_listed_by_kind_and_tenant(open: Factory<'_>) {
    let (job, task) = (DefinitionKind::Job, DefinitionKind::Task);
    let rows = [
        version(job, "acme", "b", 1, Some("{}")),
        version(job, "acme", "a", 1, Some("{}")),
        version(job, "globex", "a", 1, Some("{}")),
        version(task, "acme", "t", 1, Some("{}")),
    ];
    let shard = defining(open, &rows);
    let acme = DefinitionFilter { tenant: Some(name("acme")), ..of_kind(job) };
    assert_eq!(shard.ask(|reader| reader.definitions(acme)), [rows[1].clone(), rows[0].clone()]);
    assert_eq!(shard.ask(|reader| reader.definitions(of_kind(job))).len(), 3);
    assert_eq!(shard.ask(|reader| reader.definitions(of_kind(task))), rows[3..]);
}

pub fn audit_records_come_newest_first(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let row = |number: i64| AuditRow {
        at: at(number),
        actor: name("anonymous"),
        action: name("task.cancel"),
        target: name(&format!("t{number}")),
        detail: "{\"why\":\"für\"}".into(),
    };
    shard.commit(Changes { insert_audit: vec![row(1), row(2)], ..Changes::default() });
    shard.commit(Changes { insert_audit: vec![row(3)], ..Changes::default() });
    assert_eq!(shard.ask(|reader| reader.audit(None, 10)), [row(3), row(2), row(1)]);
    assert_eq!(shard.ask(|reader| reader.audit(None, 2)), [row(3), row(2)]);
    let twin = AuditRow { target: name("twin"), ..row(3) };
    shard.commit(Changes { insert_audit: vec![twin.clone(), row(4)], ..Changes::default() });
    let until = |ms, limit| shard.ask(|reader| reader.audit(Some(at(ms)), limit));
    assert_eq!(until(3, 10), [twin.clone(), row(3), row(2), row(1)]);
    assert_eq!((until(3, 1), until(9, 2), until(0, 9)), (vec![twin.clone()], vec![row(4), twin], vec![]));
}
