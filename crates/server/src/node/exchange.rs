//! A worker session's call in the core's terms, and its answer: as bytes for the wire, or typed for a worker in this process.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mainspring_core::effect::Grant;
use mainspring_core::event::{AttemptEnded, LogLine, Offer, Progress};
use mainspring_core::id::{IdKind, Key, Name, SessionId, Token};
use mainspring_core::row::Directive;
use mainspring_core::spec::Body;
use mainspring_protocol::exchange::{DirectiveName, ExchangeReply, GrantHead, write_grant};
use mainspring_protocol::token;
use mainspring_store::Reader;

use super::CallError;

/// A call, read and checked.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) worker: Name,
    pub(super) session: SessionId,
    pub(super) seq: u64,
    pub(super) ack: u64,
    /// Tells a repeat of a call from another call with the same `seq`.
    pub(super) digest: u64,
    pub(super) offer: Arc<Offer>,
    pub(super) capacity: u32,
    pub(super) wait: Duration,
    pub(super) lease_ms: u64,
    pub(super) outcomes: Vec<AttemptEnded>,
    pub(super) running: Vec<Token>,
    pub(super) logs: Vec<LogLine>,
    pub(super) progress: Vec<Progress>,
    /// What was sent as tokens and is none; answered as stale.
    pub(super) unreadable: Vec<String>,
    pub(super) leaving: bool,
    /// Whoever calls has not spoken for the session before: what was acknowledged to another is not known to it, so that
    /// every lease which the call does not speak of is granted again.
    pub(super) fresh: bool,
    /// Also answered once no more can be granted to the session than it offers.
    pub(super) settle: bool,
}

impl Call {
    /// About how many bytes it holds.
    pub(super) fn bytes(&self) -> usize {
        let outcomes: usize =
            self.outcomes.iter().map(|ended| 160 + ended.output.as_ref().map_or(0, |o| o.len())).sum();
        let logs: usize = self.logs.iter().map(|line| 64 + line.data.len()).sum();
        outcomes + logs + 24 * self.running.len() + 64 * self.progress.len()
    }
}

/// What an exchange brings back.
#[derive(Clone, Debug)]
pub struct ExchangeAnswer {
    /// The `seq` of the call that it answers.
    pub seq: u64,
    /// Attempts to run.
    pub grants: Arc<Vec<Grant>>,
    /// Tokens whose outcomes are durable.
    pub accepted: Vec<Token>,
    /// Tokens that are no longer good.
    pub stale: Vec<Token>,
    /// Texts that were sent as tokens and are none; stale on the wire.
    pub unreadable: Vec<String>,
    /// Tokens of attempts to stop.
    pub cancel: Vec<Token>,
    /// What the worker shall do.
    pub directive: Directive,
    /// How many grants may still be on their way.
    pub(super) offered: u32,
    /// Bodies of the granted tasks that are too large to be kept in memory.
    pub(super) bodies: BTreeMap<Key, Body>,
}

impl ExchangeAnswer {
    /// Nothing to do.
    pub(super) fn empty(seq: u64, directive: Directive) -> Self {
        Self {
            seq,
            grants: Arc::default(),
            accepted: Vec::new(),
            stale: Vec::new(),
            unreadable: Vec::new(),
            cancel: Vec::new(),
            directive,
            offered: 0,
            bodies: BTreeMap::new(),
        }
    }

    pub(super) fn with_verdict(self, accepted: Vec<Token>, stale: Vec<Token>, unreadable: Vec<String>) -> Self {
        Self { accepted, stale, unreadable, ..self }
    }

    /// Fetches the bodies that the core does not keep.
    pub(super) async fn with_bodies(mut self, reader: &dyn Reader) -> Result<Self, CallError> {
        let large: Vec<Key> =
            self.grants.iter().filter(|grant| grant.spec.body.is_empty()).map(|grant| grant.token.task).collect();
        if large.is_empty() {
            return Ok(self);
        }
        let rows = reader.tasks_by_key(large).await.map_err(|error| CallError::Unavailable(error.to_string()))?;
        self.bodies = rows.into_iter().filter_map(|row| Some((row.key, row.spec?.body.clone()))).collect();
        Ok(self)
    }

    /// The body of a granted task: the text of one JSON object. `None` if the task was deleted meanwhile.
    pub fn body<'a>(&'a self, grant: &'a Grant) -> Option<&'a str> {
        if grant.spec.body.is_empty() {
            self.bodies.get(&grant.token.task).map(|body| &**body)
        } else {
            Some(&grant.spec.body)
        }
    }

    /// The grants as JSON texts with their tokens.
    pub(super) fn grants_as_json(&self) -> Vec<(Token, Vec<u8>)> {
        let text = |grant: &Grant| {
            // A task that is gone by now is nobody's to run.
            let body = self.body(grant)?;
            let mut out = Vec::with_capacity(320 + body.len());
            write(&mut out, grant, body);
            Some((grant.token, out))
        };
        self.grants.iter().filter_map(text).collect()
    }

    /// The answer as JSON. Bodies are copied, not parsed.
    pub fn to_json(&self) -> Vec<u8> {
        let bodies: usize = self.grants.iter().map(|grant| 320 + grant.spec.body.len()).sum();
        let tokens = self.accepted.len() + self.stale.len() + self.cancel.len();
        let mut out = Vec::with_capacity(128 + bodies + 40 * tokens);
        out.extend_from_slice(b"{\"seq\":");
        out.extend_from_slice(self.seq.to_string().as_bytes());
        out.extend_from_slice(b",\"grants\":[");
        let mut first = true;
        for grant in self.grants.iter() {
            // A task that is gone by now is nobody's to run.
            let Some(body) = self.body(grant) else { continue };
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            write(&mut out, grant, body);
        }
        out.push(b']');
        write_tokens(&mut out, "accepted", &self.accepted, &[]);
        write_tokens(&mut out, "stale", &self.stale, &self.unreadable);
        write_tokens(&mut out, "cancel", &self.cancel, &[]);
        out.extend_from_slice(b",\"directive\":\"");
        out.extend_from_slice(DirectiveName::from(self.directive).word().as_bytes());
        out.extend_from_slice(b"\"}");
        out
    }

    /// The answer as the wire's type, for a worker in this process.
    pub fn to_reply(&self) -> ExchangeReply {
        serde_json::from_slice(&self.to_json()).expect("what was written as an exchange reply reads as one")
    }
}

fn write(out: &mut Vec<u8>, grant: &Grant, body: &str) {
    let token = token::encode(grant.token);
    let own_id;
    let task_id = match &grant.given_id {
        Some(id) => &**id,
        None => {
            own_id = grant.token.task.id(IdKind::Task);
            &own_id
        }
    };
    let own_job_id;
    let job_id = match &grant.job {
        Some((_, Some(id))) => Some(&**id),
        Some((key, None)) => {
            own_job_id = key.id(IdKind::Job);
            Some(own_job_id.as_str())
        }
        None => None,
    };
    let policy = &grant.spec.policy;
    let head = GrantHead {
        token: &token,
        task_id,
        job_id,
        tenant: &grant.tenant,
        generation: grant.generation,
        attempt: grant.attempt,
        kind: &grant.spec.kind,
        queue: &grant.spec.queue,
        lease_ms: grant.lease_ms,
        timeout_ms: policy.timeout_ms,
        heartbeat_timeout_ms: policy.heartbeat_timeout_ms,
        fence: grant.token.lease,
        checkpoint: grant.checkpoint.as_deref(),
        ..GrantHead::default()
    };
    write_grant(out, &head, body);
}

pub(super) fn write_tokens(out: &mut Vec<u8>, name: &str, tokens: &[Token], texts: &[String]) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":[");
    for (index, token) in tokens.iter().enumerate() {
        out.extend_from_slice(if index > 0 { b",\"" } else { b"\"" });
        out.extend_from_slice(token::encode(*token).as_bytes());
        out.push(b'"');
    }
    for (index, text) in texts.iter().enumerate() {
        if index > 0 || !tokens.is_empty() {
            out.push(b',');
        }
        serde_json::to_writer(&mut *out, text).expect("a string serializes into memory");
    }
    out.push(b']');
}
