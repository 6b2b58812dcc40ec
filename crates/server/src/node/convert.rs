//! From the wire to the core: an exchange is read and bounded in its caller's task, off the shard's thread.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use mainspring_core::event::{AttemptEnded, LogLine, Offer, Progress};
use mainspring_core::id::{Name, Token};
use mainspring_core::limits::{ID_CHARS_MAX, LEASE_MS_DEFAULT, NAME_CHARS_MAX, OUTPUT_BYTES_MAX, TAGS_MAX};
use mainspring_core::task::{Failure, Outcome};
use mainspring_node::gateway::Call;
use mainspring_protocol::exchange::{ExchangeRequest, LogChunk, OutcomeReport, ProgressReport};
use mainspring_protocol::token;

use super::CallError;

/// Shortest and longest lease that a worker can ask for, in milliseconds.
const LEASE_MS: (u64, u64) = (1_000, 3_600_000);
/// Attempts that one session can be granted at a time.
const CAPACITY_MAX: u32 = 10_000;
/// Queues, or types, that one session can name.
const OFFER_NAMES_MAX: usize = 256;

/// Reads a request.
pub(super) fn call(request: ExchangeRequest, wait_ms_max: u64) -> Result<Call, CallError> {
    check_name("workerId", &request.worker_id)?;
    check_name("sessionId", &request.session_id)?;
    if request.seq == 0 {
        return Err(CallError::Invalid("`seq` counts from 1".to_owned()));
    }
    let digest = digest(&request);
    let mut unreadable = Vec::new();
    let mut outcomes = Vec::with_capacity(request.outcomes.len());
    for report in request.outcomes {
        match token::decode(&report.token) {
            Some(token) => outcomes.push(outcome(token, report)?),
            None => unreadable.push(report.token),
        }
    }
    let mut tokens = |texts: Vec<String>| -> Vec<Token> {
        let read = |text: String| token::decode(&text).ok_or(text);
        texts.into_iter().filter_map(|text| read(text).map_err(|text| unreadable.push(text)).ok()).collect()
    };
    let running = tokens(request.running);
    let logs = request.logs.into_iter().filter_map(|chunk| log_line(chunk, &mut unreadable)).collect();
    let progress = request.progress.into_iter().filter_map(|report| progress(report, &mut unreadable)).collect();
    unreadable.sort_unstable();
    unreadable.dedup();
    Ok(Call {
        worker: request.worker_id.into(),
        session: request.session_id.into(),
        seq: request.seq,
        ack: request.ack,
        digest,
        offer: Arc::new(offer(request.queues, request.types, request.labels)?),
        capacity: request.capacity.min(CAPACITY_MAX),
        wait: Duration::from_millis(request.wait_ms.min(wait_ms_max)),
        lease_ms: request.lease_ms.unwrap_or(LEASE_MS_DEFAULT).clamp(LEASE_MS.0, LEASE_MS.1),
        outcomes,
        running,
        logs,
        progress,
        unreadable,
        leaving: request.leaving,
        fresh: false,
        settle: false,
    })
}

pub(super) fn check_name(field: &str, value: &str) -> Result<(), CallError> {
    let chars = value.chars().count();
    if chars == 0 || chars > ID_CHARS_MAX {
        return Err(CallError::Invalid(format!("`{field}` has {chars} characters, it needs 1 to {ID_CHARS_MAX}")));
    }
    if value.chars().any(char::is_control) {
        return Err(CallError::Invalid(format!("`{field}` contains a control character")));
    }
    Ok(())
}

fn offer(
    queues: Vec<String>,
    types: Vec<String>,
    labels: std::collections::BTreeMap<String, String>,
) -> Result<Offer, CallError> {
    let names = |field: &str, names: Vec<String>| -> Result<Vec<Name>, CallError> {
        if names.len() > OFFER_NAMES_MAX {
            let count = names.len();
            return Err(CallError::Invalid(format!("`{field}` has {count} names, the limit is {OFFER_NAMES_MAX}")));
        }
        let too_long = names.iter().any(|name| name.is_empty() || name.chars().count() > NAME_CHARS_MAX);
        if too_long {
            return Err(CallError::Invalid(format!("a name in `{field}` needs 1 to {NAME_CHARS_MAX} characters")));
        }
        Ok(names.into_iter().map(Name::from).collect())
    };
    if labels.len() > TAGS_MAX {
        return Err(CallError::Invalid(format!("{} labels are too many, the limit is {TAGS_MAX}", labels.len())));
    }
    let labels = labels.iter().map(|(name, value)| format!("{name}={value}"));
    let mut offer = Offer {
        queues: names("queues", queues)?,
        executors: names("types", types)?,
        labels: names("labels", labels.collect())?,
    };
    offer.labels.sort_unstable();
    Ok(offer)
}

fn outcome(token: Token, report: OutcomeReport) -> Result<AttemptEnded, CallError> {
    let outcome = Outcome::from(report.status);
    let retry_after_ms = report.retry_after.map(|after| after.ms());
    if outcome == Outcome::Snoozed && retry_after_ms.is_none() {
        return Err(CallError::Invalid("an outcome `snoozed` needs `retryAfter`".to_owned()));
    }
    let ended = AttemptEnded {
        token,
        outcome,
        output: None,
        error: report.error.map(Failure::from),
        retryable: report.retryable,
        retry_after_ms,
    };
    let Some(output) = report.output.filter(|_| outcome == Outcome::Success) else { return Ok(ended) };
    let bytes = output.get().len();
    if bytes > OUTPUT_BYTES_MAX {
        // Refusing the whole exchange would hold up everything else the worker has to say, for ever.
        let message = format!("the output has {bytes} bytes, the limit is {OUTPUT_BYTES_MAX}");
        return Ok(AttemptEnded {
            outcome: Outcome::Failure,
            error: Some(Failure { kind: "output_too_large".into(), message: message.into(), trace: None }),
            retryable: Some(false),
            ..ended
        });
    }
    let output: Box<str> = output.into();
    Ok(AttemptEnded { output: Some(output.into()), ..ended })
}

fn log_line(chunk: LogChunk, unreadable: &mut Vec<String>) -> Option<LogLine> {
    let Some(token) = token::decode(&chunk.token) else {
        unreadable.push(chunk.token);
        return None;
    };
    Some(LogLine { token, number: chunk.seq, stream: chunk.stream.into(), data: chunk.data.into() })
}

fn progress(report: ProgressReport, unreadable: &mut Vec<String>) -> Option<Progress> {
    let Some(token) = token::decode(&report.token) else {
        unreadable.push(report.token);
        return None;
    };
    let percent = report.percent.map(|percent| percent.clamp(0.0, 100.0) as u8);
    let message = report.message.map(|message| message.chars().take(NAME_CHARS_MAX).collect::<String>().into());
    // One that is too large is left out by the core; a worker of ours says so before.
    let checkpoint = report.checkpoint.map(|json| Box::<str>::from(json).into());
    Some(Progress { token, percent, message, checkpoint })
}

/// Tells a repeated call from another one with the same `seq`. Only this process compares it.
pub(super) fn digest(request: &ExchangeRequest) -> u64 {
    let mut hasher = DefaultHasher::new();
    (request.ack, request.capacity, request.leaving, request.logs.len(), request.progress.len()).hash(&mut hasher);
    (&request.queues, &request.types, &request.labels, &request.running).hash(&mut hasher);
    for report in &request.outcomes {
        (&report.token, report.status).hash(&mut hasher);
    }
    hasher.finish()
}
