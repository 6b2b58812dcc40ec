//! Plans what stands beside tasks and jobs: attempts, outputs, logs, claims, settings, definitions, audit, feed.

use mainspring_core::row::{Changes, ClaimName, ClaimRow, LogRow};
use mainspring_core::time::Timestamp;
use mainspring_store::log_trim;
use mainspring_store::record::{encode_feed, encode_limits};

use super::{Index, Plan};
use crate::keys::member;
use crate::ops::Words;
use crate::record::{
    encode_attempt, encode_audit, encode_claim, encode_definition, encode_definition_name, encode_lane, encode_loan,
    encode_log, encode_name, encode_queue, encode_worker, limits_field, loan_field,
};

/// Audit records that are kept: all of it is memory.
const AUDIT_MAX: &[u8] = b"99999";

/// The field of a log chunk; fields are in the order of attempts and numbers.
pub(crate) fn log_field(attempt: u32, number: u64) -> String {
    format!("{attempt:08x}{number:016x}")
}

impl Plan<'_> {
    pub(super) fn records(&mut self, changes: &Changes) {
        for row in &changes.insert_attempts {
            let number = row.attempt.number.to_string();
            let key = self.keys.task(row.task, "attempts");
            self.rest.one(&[b"HSET", key.as_bytes(), number.as_bytes(), &encode_attempt(&row.attempt)]);
        }
        let mut outputs = Words::default();
        for row in &changes.put_outputs {
            outputs.push(self.keys.task(row.task, "output"));
            outputs.push(&*row.output);
        }
        self.rest.many(&[b"MSET"], &outputs, 2);
        changes.insert_logs.iter().for_each(|row| self.log(row));
        changes.put_claims.iter().for_each(|row| self.claim(row));
        changes.delete_claims.iter().for_each(|name| self.delete_claim(name));
        self.settings(changes);
        if let Some(last) = changes.feed.last() {
            let (id, at) = (format!("{}-0", changes.high_water.commit), last.at.as_millis().to_string());
            let (key, events) = (self.keys.one("feed"), encode_feed(&changes.feed));
            self.rest.one(&[b"XADD", key.as_bytes(), id.as_bytes(), b"at", at.as_bytes(), b"events", &events]);
        }
    }

    fn settings(&mut self, changes: &Changes) {
        for row in &changes.insert_lanes {
            self.put("lanes", row.lane.0.to_string().as_bytes(), &encode_lane(row));
        }
        for row in &changes.put_queues {
            self.put("queues", row.name.as_bytes(), encode_queue(row));
        }
        for row in &changes.put_limits {
            self.put("limits", limits_field(row).as_bytes(), encode_limits(&row.limits).as_bytes());
        }
        for row in &changes.put_loans {
            self.put("loans", loan_field(row).as_bytes(), encode_loan(row).as_bytes());
        }
        for row in &changes.put_workers {
            self.put("workers", row.worker.as_bytes(), &encode_worker(row));
        }
        for row in &changes.insert_definitions {
            self.put("definitions", &encode_definition_name(row), &encode_definition(row));
        }
        let mut audit = Words::default();
        changes.insert_audit.iter().for_each(|row| audit.push(encode_audit(row)));
        if !audit.is_empty() {
            let key = self.keys.one("audit");
            self.rest.many(&[b"LPUSH", key.as_bytes()], &audit, 1);
            self.rest.one(&[b"LTRIM", key.as_bytes(), b"0", AUDIT_MAX]);
        }
    }

    pub(super) fn put(&mut self, hash: &str, field: &[u8], record: &[u8]) {
        self.rest.one(&[b"HSET", self.keys.one(hash).as_bytes(), field, record]);
    }

    fn log(&mut self, row: &LogRow) {
        let index = self.cache.logs.entry((row.task, row.attempt)).or_default();
        if index.contains_key(&row.number) {
            return;
        }
        let before = index.last_key_value().map_or(0, |(_, (_, total))| *total);
        let bytes = row.data.len() as u64;
        let total = before + bytes;
        index.insert(row.number, (bytes, total));
        let mut cut = Vec::new();
        if let Some(trim) = log_trim(before, total) {
            let is_cut = |(bytes, total): (u64, u64)| total - bytes >= trim.from && total <= trim.to;
            cut.extend(index.iter().filter(|(_, chunk)| is_cut(**chunk)).map(|(number, chunk)| (*number, *chunk)));
            cut.iter().for_each(|(number, _)| _ = index.remove(number));
        }
        let (logs, data) = (self.keys.task(row.task, "logs"), self.keys.task(row.task, "logdata"));
        let (logs, data) = (logs.as_bytes(), data.as_bytes());
        let named = |number, (bytes, total): (u64, u64)| {
            let field = log_field(row.attempt, number);
            (format!("{field}:{bytes}:{total}"), field)
        };
        let (name, field) = named(row.number, (bytes, total));
        self.rest.one(&[b"ZADD", logs, b"0", name.as_bytes()]);
        self.rest.one(&[b"HSET", data, field.as_bytes(), &encode_log(row, total)]);
        for (number, chunk) in cut {
            let (name, field) = named(number, chunk);
            self.rest.one(&[b"ZREM", logs, name.as_bytes()]);
            self.rest.one(&[b"HDEL", data, field.as_bytes()]);
        }
    }

    fn claim(&mut self, row: &ClaimRow) {
        let (of, name) = claim_members(row);
        match self.asked.claims.insert(row.name.clone(), row.clone()) {
            Some(old) if old.target != row.target => self.leave(Index::ClaimsOf, &claim_members(&old).0),
            _ => {}
        }
        self.enter(Index::ClaimsOf, 0, &of);
        match row.expires_at.map(Timestamp::as_millis) {
            Some(at) => self.enter(Index::ClaimsExpiring, at, &name),
            None => self.leave(Index::ClaimsExpiring, &name),
        }
        let key = self.keys.claims(row.name.kind as u8, &row.name.text);
        self.rest.one(&[b"HSET", key.as_bytes(), row.name.tenant.as_bytes(), &encode_claim(row)]);
    }

    /// Forgets a claim.
    pub(in super::super) fn delete_claim(&mut self, name: &ClaimName) {
        let Some(row) = self.asked.claims.remove(name) else { return };
        let (of, member) = claim_members(&row);
        self.leave(Index::ClaimsOf, &of);
        self.leave(Index::ClaimsExpiring, &member);
        let key = self.keys.claims(name.kind as u8, &name.text);
        self.rest.one(&[b"HDEL", key.as_bytes(), name.tenant.as_bytes()]);
    }
}

/// How a claim stands among those of its target, and among those that expire.
fn claim_members(row: &ClaimRow) -> (Vec<u8>, Vec<u8>) {
    let mut name = Vec::new();
    encode_name(&mut name, &row.name);
    ([member(row.target).as_bytes(), &name].concat(), name)
}
