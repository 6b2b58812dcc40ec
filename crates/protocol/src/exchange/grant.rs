//! A grant on the wire. The server writes its head and splices the task's stored body behind it, unparsed.

use std::collections::BTreeMap;
use std::io::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::duration::WireDuration;

/// The right to run one attempt, and what to run.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrantMessage {
    /// The lease; names this attempt in every report.
    pub token: String,
    /// The task's id; in a job its name there.
    pub task_id: String,
    /// The job's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// Whom the work belongs to (`userId`).
    #[serde(rename = "userId", default)]
    pub tenant: String,
    /// 1, 2, … : opened by redrives and reruns.
    #[serde(default)]
    pub generation: u32,
    /// 1, 2, … over all generations.
    #[serde(default)]
    pub attempt: u32,
    /// The task's type.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The queue it waited in.
    #[serde(default)]
    pub queue: String,
    /// How long the lease lasts without renewal, in milliseconds.
    #[serde(default)]
    pub lease_ms: u64,
    /// Longest time the attempt may run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<WireDuration>,
    /// Longest silence of the task's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat_timeout: Option<WireDuration>,
    /// Increases across attempts and generations: to fence the task's own effects (`MAINSPRING_FENCE`).
    #[serde(default)]
    pub fence: u64,
    /// W3C trace context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// What the task's parents returned, by task id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Box<RawValue>>,
    /// What an earlier attempt left to continue from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Box<RawValue>>,
    /// The task's payload: any JSON value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Box<RawValue>>,
    /// A program and its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// A script for `sh -c`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// A request, for type `http`; see [`crate::submit::HttpRequest`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Box<RawValue>>,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Where the program starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// Exit codes that mean success; default 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub success_exit_codes: Vec<i32>,
    /// Exit codes that mean there was nothing to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip_exit_codes: Vec<i32>,
    /// The group it is shown in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// A condition over the attempt's own `output`; while it does not hold, a success is to be reported as `snoozed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// `retryAfter` of such a report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<WireDuration>,
}

/// Everything of a grant that is not the task's body.
#[derive(Clone, Copy, Debug, Default)]
pub struct GrantHead<'a> {
    /// The encoded token.
    pub token: &'a str,
    /// The task's id.
    pub task_id: &'a str,
    /// The job's id.
    pub job_id: Option<&'a str>,
    /// Whom it belongs to.
    pub tenant: &'a str,
    /// The generation.
    pub generation: u32,
    /// The attempt.
    pub attempt: u32,
    /// The task's type.
    pub kind: &'a str,
    /// The queue.
    pub queue: &'a str,
    /// The lease's length, in milliseconds.
    pub lease_ms: u64,
    /// The longest run, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// The longest silence, in milliseconds.
    pub heartbeat_timeout_ms: Option<u64>,
    /// The fence.
    pub fence: u64,
    /// W3C trace context.
    pub traceparent: Option<&'a str>,
    /// JSON text of what the parents returned.
    pub input: Option<&'a str>,
    /// JSON text to continue from.
    pub checkpoint: Option<&'a str>,
}

/// Writes a [`GrantMessage`]: the head, then the members of `body`, which is the text of one JSON object as
/// [`crate::submit`] makes it. The body is not parsed.
pub fn write_grant(out: &mut Vec<u8>, head: &GrantHead<'_>, body: &str) {
    out.extend_from_slice(b"{\"token\":");
    text(out, head.token);
    member(out, "taskId", head.task_id);
    if let Some(job) = head.job_id {
        member(out, "jobId", job);
    }
    member(out, "userId", head.tenant);
    member(out, "type", head.kind);
    member(out, "queue", head.queue);
    number(out, "generation", head.generation.into());
    number(out, "attempt", head.attempt.into());
    number(out, "leaseMs", head.lease_ms);
    number(out, "fence", head.fence);
    for (name, ms) in [("timeout", head.timeout_ms), ("heartbeatTimeout", head.heartbeat_timeout_ms)] {
        if let Some(ms) = ms {
            raw(out, name, &serde_json::to_string(&WireDuration::from_ms(ms)).expect("a number serializes"));
        }
    }
    if let Some(traceparent) = head.traceparent {
        member(out, "traceparent", traceparent);
    }
    for (name, json) in [("input", head.input), ("checkpoint", head.checkpoint)] {
        if let Some(json) = json {
            raw(out, name, json);
        }
    }
    let members = body.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).map_or("", str::trim);
    if !members.is_empty() {
        out.push(b',');
        out.extend_from_slice(members.as_bytes());
    }
    out.push(b'}');
}

fn text(out: &mut Vec<u8>, value: &str) {
    serde_json::to_writer(out, value).expect("a string serializes into memory");
}

fn member(out: &mut Vec<u8>, name: &str, value: &str) {
    key(out, name);
    text(out, value);
}

fn number(out: &mut Vec<u8>, name: &str, value: u64) {
    key(out, name);
    write!(out, "{value}").expect("memory takes every byte");
}

fn raw(out: &mut Vec<u8>, name: &str, json: &str) {
    key(out, name);
    out.extend_from_slice(json.as_bytes());
}

fn key(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_grant_reads_back_with_its_body() {
        let head = GrantHead {
            token: "L1",
            task_id: "a\"b",
            job_id: Some("j"),
            tenant: "default",
            generation: 2,
            attempt: 3,
            kind: "email",
            queue: "q",
            lease_ms: 15_000,
            timeout_ms: Some(1_500),
            fence: u64::MAX,
            input: Some("{\"x\":1}"),
            ..GrantHead::default()
        };
        for (body, payload) in
            [("{}", None), ("{ }", None), ("{\"payload\":{\"n\":[1]},\"command\":[\"a\"]}", Some("{\"n\":[1]}"))]
        {
            let mut out = Vec::new();
            write_grant(&mut out, &head, body);
            let read: GrantMessage = serde_json::from_slice(&out).expect("is a grant");
            assert_eq!(read.task_id, "a\"b");
            assert_eq!(read.fence, u64::MAX);
            assert_eq!(read.timeout, Some(WireDuration::from_ms(1_500)));
            assert_eq!(read.payload.as_deref().map(RawValue::get), payload);
            assert_eq!(read.input.as_deref().map(RawValue::get), Some("{\"x\":1}"));
        }
    }
}
