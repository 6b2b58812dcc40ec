//! Writes what stands beside tasks and jobs: attempts, outputs, claims, settings, definitions, audit.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::Hash;

use mainspring_core::row::{AttemptRow, Changes, ClaimRow, LaneName};
use mainspring_store::ShardId;
use mainspring_store::record::{encode_key_limits, encode_limits, encode_names};

use crate::columns::{Columns, small};
use crate::sql::Statement;

/// The rows of which each is the last of its name, in their order.
pub(super) fn last_of<'a, T, N: Hash + Eq>(rows: &'a [T], name: impl Fn(&'a T) -> N) -> Vec<&'a T> {
    let last: HashMap<N, usize> = rows.iter().enumerate().map(|(index, row)| (name(row), index)).collect();
    rows.iter().enumerate().filter(|(index, row)| last[&name(row)] == *index).map(|(_, row)| row).collect()
}

/// What comes before the log chunks.
pub(super) fn before_logs<'a>(changes: &'a Changes, out: &mut Vec<Statement<'a>>) {
    if !changes.insert_attempts.is_empty() {
        out.push(attempts(&last_of(&changes.insert_attempts, |row| (row.task, row.attempt.number))));
    }
    let outputs = last_of(&changes.put_outputs, |row| row.task);
    if !outputs.is_empty() {
        let mut columns = Columns::new(outputs.len());
        columns.ints("task", outputs.iter().map(|row| Some(row.task.raw() as i64)));
        columns.texts("output", outputs.iter().map(|row| Some(&*row.output)));
        out.push(columns.put("@outputs", "task"));
    }
}

fn attempts<'a>(rows: &[&'a AttemptRow]) -> Statement<'a> {
    let all = || rows.iter().map(|row| &row.attempt);
    let error = || all().map(|attempt| attempt.error.as_ref());
    let mut out = Columns::new(rows.len());
    out.ints("task", rows.iter().map(|row| Some(row.task.raw() as i64)));
    out.ints("number", all().map(|attempt| small(attempt.number)));
    out.ints("generation", all().map(|attempt| small(attempt.generation)));
    out.texts("worker", all().map(|attempt| Some(&*attempt.worker)));
    out.ints("started_at", all().map(|attempt| Some(attempt.started_at.as_millis())));
    out.ints("ended_at", all().map(|attempt| attempt.ended_at.map(|at| at.as_millis())));
    out.ints("outcome", all().map(|attempt| attempt.outcome.map(|outcome| outcome as i64)));
    out.texts("error_type", error().map(|error| error.map(|error| &*error.kind)));
    out.texts("error_message", error().map(|error| error.map(|error| &*error.message)));
    out.texts("error_trace", error().map(|error| error.and_then(|error| error.trace.as_deref())));
    out.ints("lease", all().map(|attempt| Some(attempt.lease as i64)));
    out.put("@attempts", "task, number")
}

/// What comes after the log chunks.
pub(super) fn after_logs<'a>(shard: ShardId, changes: &'a Changes, out: &mut Vec<Statement<'a>>) {
    let claims = last_of(&changes.put_claims, |row| &row.name);
    if !claims.is_empty() {
        out.push(put_claims(shard, &claims));
    }
    let dropped = last_of(&changes.delete_claims, |name| name);
    if !dropped.is_empty() {
        let mut columns = Columns::new(dropped.len());
        columns.ints("shard", dropped.iter().map(|_| Some(i64::from(shard.0))));
        columns.ints("kind", dropped.iter().map(|name| Some(name.kind as i64)));
        columns.texts("text", dropped.iter().map(|name| Some(&*name.text)));
        columns.texts("tenant", dropped.iter().map(|name| Some(&*name.tenant)));
        out.push(columns.delete("@claims"));
    }
    let lanes = last_of(&changes.insert_lanes, |row| row.lane);
    if !lanes.is_empty() {
        let mut columns = Columns::new(lanes.len());
        columns.ints("shard", lanes.iter().map(|_| Some(i64::from(shard.0))));
        columns.ints("lane", lanes.iter().map(|row| small(row.lane.0)));
        columns.texts("queue", lanes.iter().map(|row| Some(&*row.name.queue)));
        columns.texts("tenant", lanes.iter().map(|row| Some(&*row.name.tenant)));
        columns.texts("executor", lanes.iter().map(|row| Some(&*row.name.class.executor)));
        columns.made("labels", lanes.iter().map(|row| encode_names(&row.name.class.labels)));
        let kind = |name: &'a LaneName| Some(&*name.kind).filter(|kind| **kind != *name.class.executor);
        columns.texts("type", lanes.iter().map(|row| kind(&row.name)));
        columns.made("limits", lanes.iter().map(|row| encode_key_limits(&row.name.limits)));
        out.push(columns.put("@lanes", "shard, lane"));
    }
    settings(changes, out);
    loans(shard, changes, out);
    super::schedules::schedules(shard, changes, out);
    audit(changes, out);
}

fn put_claims<'a>(shard: ShardId, claims: &[&'a ClaimRow]) -> Statement<'a> {
    let mut out = Columns::new(claims.len());
    out.ints("shard", claims.iter().map(|_| Some(i64::from(shard.0))));
    out.ints("kind", claims.iter().map(|row| Some(row.name.kind as i64)));
    out.texts("text", claims.iter().map(|row| Some(&*row.name.text)));
    out.texts("tenant", claims.iter().map(|row| Some(&*row.name.tenant)));
    out.ints("target", claims.iter().map(|row| Some(row.target.raw() as i64)));
    out.bytes("body_hash", claims.iter().map(|row| Cow::Owned(row.body_hash.to_be_bytes().to_vec())));
    out.ints("expires_at", claims.iter().map(|row| row.expires_at.map(|at| at.as_millis())));
    out.put("@claims", "kind, text, tenant, shard")
}

fn settings<'a>(changes: &'a Changes, out: &mut Vec<Statement<'a>>) {
    let queues = last_of(&changes.put_queues, |row| &row.name);
    if !queues.is_empty() {
        let mut columns = Columns::new(queues.len());
        columns.texts("name", queues.iter().map(|row| Some(&*row.name)));
        columns.flags("paused", queues.iter().map(|row| row.paused));
        out.push(columns.put("@queues", "name"));
    }
    let limits = last_of(&changes.put_limits, |row| (row.scope, &row.name));
    if !limits.is_empty() {
        let mut columns = Columns::new(limits.len());
        columns.ints("scope", limits.iter().map(|row| Some(row.scope as i64)));
        columns.texts("name", limits.iter().map(|row| Some(&*row.name)));
        columns.made("data", limits.iter().map(|row| Some(encode_limits(&row.limits))));
        out.push(columns.put("@limits", "scope, name"));
    }
    let workers = last_of(&changes.put_workers, |row| &row.worker);
    if !workers.is_empty() {
        let mut columns = Columns::new(workers.len());
        columns.texts("worker", workers.iter().map(|row| Some(&*row.worker)));
        columns.ints("directive", workers.iter().map(|row| Some(row.directive as i64)));
        out.push(columns.put("@workers", "worker"));
    }
    let definitions = last_of(&changes.insert_definitions, |row| (row.kind, &row.tenant, &row.name, row.version));
    if !definitions.is_empty() {
        let mut columns = Columns::new(definitions.len());
        columns.ints("kind", definitions.iter().map(|row| Some(row.kind as i64)));
        columns.texts("tenant", definitions.iter().map(|row| Some(&*row.tenant)));
        columns.texts("name", definitions.iter().map(|row| Some(&*row.name)));
        columns.ints("version", definitions.iter().map(|row| small(row.version)));
        columns.ints("at", definitions.iter().map(|row| Some(row.at.as_millis())));
        columns.texts("body", definitions.iter().map(|row| row.body.as_deref()));
        columns.texts("actor", definitions.iter().map(|row| Some(&*row.actor)));
        out.push(columns.put("@definitions", "kind, tenant, name, version"));
    }
}

fn loans<'a>(shard: ShardId, changes: &'a Changes, out: &mut Vec<Statement<'a>>) {
    let rows = last_of(&changes.put_loans, |row| (&row.of, row.peer));
    if rows.is_empty() {
        return;
    }
    let mut columns = Columns::new(rows.len());
    columns.ints("given", rows.iter().map(|row| Some(row.given as i64)));
    columns.ints("returned", rows.iter().map(|row| Some(row.returned as i64)));
    columns.ints("shard", rows.iter().map(|_| Some(i64::from(shard.0))));
    columns.ints("peer", rows.iter().map(|row| Some(i64::from(row.peer))));
    columns.ints("scope", rows.iter().map(|row| Some(row.of.scope as i64)));
    columns.ints("kind", rows.iter().map(|row| Some(row.of.kind as i64)));
    columns.texts("name", rows.iter().map(|row| Some(&*row.of.name)));
    out.push(columns.put("@loans", "shard, scope, name, kind, peer"));
}

/// Audit records may be equal; so each is a statement of its own. They are few: people make them.
fn audit<'a>(changes: &'a Changes, out: &mut Vec<Statement<'a>>) {
    for row in &changes.insert_audit {
        let mut columns = Columns::new(1);
        columns.ints("at", std::iter::once(Some(row.at.as_millis())));
        columns.texts("actor", std::iter::once(Some(&*row.actor)));
        columns.texts("action", std::iter::once(Some(&*row.action)));
        columns.texts("target", std::iter::once(Some(&*row.target)));
        columns.texts("detail", std::iter::once(Some(&*row.detail)));
        out.push(columns.insert("@audit", ""));
    }
}
