//! A worker session's call in the core's terms, and its answer: as bytes for the wire, or typed for a worker in this process.

use std::collections::BTreeMap;
use std::ops::Deref;

use mainspring_core::effect::Grant;
use mainspring_core::id::{IdKind, Key, Token};
use mainspring_core::spec::Body;
use mainspring_node::gateway::{Answer, Caller, Refused};
use mainspring_protocol::exchange::{DirectiveName, ExchangeReply, GrantHead, write_grant};
use mainspring_protocol::token;
use mainspring_store::Reader;

use super::CallError;
use super::mailbox::ExchangeAnswers;

/// Whoever waits for a shard's answer to an exchange.
#[derive(Debug)]
pub(super) struct Waiter(pub(super) ExchangeAnswers);

impl Caller for Waiter {
    fn answer(self, answer: Result<Answer, Refused>) -> bool {
        let answer = answer.map_err(|refused| match refused {
            Refused::OtherWorker { session, worker } => {
                CallError::Invalid(format!("the session `{session}` belongs to another worker than `{worker}`"))
            }
            Refused::WorkerInUse(worker) => CallError::WorkerIdInUse(worker),
            Refused::OutcomeUnknown => CallError::OutcomeUnknown,
            Refused::Stopped => CallError::Stopped,
        });
        self.0.send(answer).is_ok()
    }
}

/// What an exchange brings back.
#[derive(Clone, Debug)]
pub struct ExchangeAnswer {
    answer: Answer,
    /// Bodies of the granted tasks that are too large to be kept in memory.
    bodies: BTreeMap<Key, Body>,
}

impl Deref for ExchangeAnswer {
    type Target = Answer;

    fn deref(&self) -> &Answer {
        &self.answer
    }
}

impl ExchangeAnswer {
    pub(super) fn new(answer: Answer) -> Self {
        Self { answer, bodies: BTreeMap::new() }
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
