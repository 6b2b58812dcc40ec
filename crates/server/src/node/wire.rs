//! What one node asks of another that owns a shard, and what that one answers, as JSON.
//!
//! The core's types have no wire format of their own; each gets a [`Form`] here. What is read equals what was written:
//! bodies to the byte, keys and hashes to the bit. What was not written by [`write_ask`] or [`write_answer`] is an error,
//! never a panic, and nothing gets through that the core relies on never to meet.

use mainspring_core::effect::Answer;
use mainspring_core::event::{NewTask, Order, SubmitJob};
use mainspring_core::id::Name;
use serde::{Deserialize, Serialize};

use super::CallError;

mod answer;
mod fault;
mod form;
mod job;
mod limits;
mod loan;
mod order;
mod policy;
mod schedule;
mod task;
#[cfg(test)]
mod tests;

use fault::FaultForm;
use form::As;
use job::JobForm;
pub(crate) use loan::{read_loan, write_loan};
use task::BatchForm;

/// What is asked of the owner of a shard.
#[derive(Debug, Clone)]
pub(crate) enum Ask {
    /// Accept standalone tasks.
    Tasks(Vec<NewTask>),
    /// Accept a job.
    Job(Box<SubmitJob>),
    /// Carry out an operator's order.
    Order {
        /// Who orders it.
        actor: Name,
        /// What.
        order: Order,
    },
}

/// What was read is not what one node writes to another.
#[derive(Debug, thiserror::Error)]
#[error("failed to read {0}")]
pub(crate) struct WireError(String);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum AskForm<'a> {
    #[serde(borrow)]
    Tasks(BatchForm<'a>),
    #[serde(borrow)]
    Job(Box<JobForm<'a>>),
    Order {
        actor: Name,
        order: As<Order>,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum AskRef<'a> {
    Tasks(BatchForm<'a>),
    Job(Box<JobForm<'a>>),
    Order { actor: &'a Name, order: As<&'a Order> },
}

/// Writes what is asked.
pub(crate) fn write_ask(ask: &Ask) -> Vec<u8> {
    let (form, bytes) = match ask {
        Ask::Tasks(tasks) => (AskRef::Tasks(BatchForm::of(tasks)), task::bytes(tasks)),
        Ask::Job(job) => (AskRef::Job(Box::new(JobForm::of(job))), job::bytes(job)),
        Ask::Order { actor, order } => (AskRef::Order { actor, order: As(order) }, 256),
    };
    write(&form, bytes)
}

/// Reads what [`write_ask`] wrote.
///
/// # Errors
/// If these bytes are something else.
pub(crate) fn read_ask(bytes: &[u8]) -> Result<Ask, WireError> {
    let form = serde_json::from_slice(bytes).map_err(|error| WireError(format!("what a node asks: {error}")))?;
    match form {
        AskForm::Tasks(batch) => batch.into_tasks().map(Ask::Tasks),
        AskForm::Job(job) => job.into_job().map(|job| Ask::Job(Box::new(job))),
        AskForm::Order { actor, order: As(order) } => Ok(Ask::Order { actor, order }),
    }
}

/// Writes an answer.
pub(crate) fn write_answer(answer: &Result<Answer, CallError>) -> Vec<u8> {
    let bytes = match answer {
        Ok(Answer::Tasks(results)) => 80 * results.len(),
        _ => 256,
    };
    write(&answer.as_ref().map(As).map_err(FaultForm::of), bytes)
}

/// Reads what [`write_answer`] wrote.
///
/// # Errors
/// If these bytes are something else.
pub(crate) fn read_answer(bytes: &[u8]) -> Result<Result<Answer, CallError>, WireError> {
    let answer: Result<As<Answer>, FaultForm> =
        serde_json::from_slice(bytes).map_err(|error| WireError(format!("what a node answers: {error}")))?;
    Ok(answer.map(|As(answer)| answer).map_err(FaultForm::into_error))
}

/// Writes a form into a buffer of about the right size.
fn write(form: &impl Serialize, bytes: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes);
    serde_json::to_writer(&mut out, form).expect("forms are plain data with text for keys, written to memory");
    out
}
