//! Bodies that may hold many tasks: arrays and NDJSON. Each element is judged alone; one bad element spoils no other.

use mainspring_core::event::NewTask;
use mainspring_core::id::Name;
use mainspring_core::limits::BATCH_TASKS_MAX;
use serde_json::value::RawValue;

use crate::decode::{not_json, without_place};
use crate::pointer::Pointer;
use crate::problem::{Code, Problem};
use crate::submit::Defaults;
use crate::submit::intern::Interner;
use crate::submit::library::{Definitions, NoDefinitions};
use crate::submit::members::Elements;
use crate::submit::read::Findings;
use crate::submit::task::{parse_task, read_element, utf8};

/// Problems listed for all elements of a batch; beyond them each bad element names its first one only.
const BATCH_FINDINGS_MAX: usize = 1_000;

/// Reads a batch whose tasks refer to nothing by name, see [`parse_tasks_with`].
///
/// # Errors
/// See there.
pub fn parse_tasks(bytes: &[u8], defaults: &Defaults) -> Result<Vec<Result<NewTask, Problem>>, Problem> {
    parse_tasks_with(bytes, defaults, &NoDefinitions)
}

/// Reads a batch: a JSON array, or JSON texts one after the other (NDJSON). Each element is judged alone; problems point
/// into the batch (`/3/retries`). An idempotency key becomes `key/index`. `definitions` finds the profiles of tasks.
///
/// # Errors
/// What spoils the whole batch: not JSON, no body at all, or more than 10,000 elements. An array without elements is a
/// batch like any other.
pub fn parse_tasks_with(
    bytes: &[u8],
    defaults: &Defaults,
    definitions: Definitions<'_>,
) -> Result<Vec<Result<NewTask, Problem>>, Problem> {
    let text = utf8(bytes)?;
    let elements: Vec<&str> = if text.trim_ascii_start().starts_with('[') {
        serde_json::from_str::<Elements<'_>>(text).map_err(|error| whole_batch(bytes, &error))?.0
    } else {
        text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
    };
    check_batch(elements.len(), bytes)?;
    let mut names = Interner::default();
    let mut listed = 0;
    let read = |(index, element): (usize, &str)| {
        let key = defaults.idempotency_key.as_ref().map(|key| Name::from(format!("{key}/{index}")));
        let findings = Findings::listing(BATCH_FINDINGS_MAX.saturating_sub(listed).max(1));
        let task =
            read_element(element, &Pointer::ROOT.index(index), (defaults, definitions), key, (&mut names, findings));
        listed += task.as_ref().map_or_else(|problem| problem.errors.len(), |_| 0);
        task
    };
    Ok(elements.into_iter().enumerate().map(read).collect())
}

fn whole_batch(bytes: &[u8], error: &serde_json::Error) -> Problem {
    if error.is_data() {
        return Problem::new(Code::LimitExceeded, without_place(error)).with_hint("send several batches");
    }
    not_json(bytes, error)
}

/// What a body for `POST /api/v1/tasks` holds.
#[derive(Debug)]
pub enum Submission {
    /// One object: answered by one object.
    One(Box<NewTask>),
    /// An array or NDJSON: answered by a list.
    Many(Vec<Result<NewTask, Problem>>),
}

/// Reads an object, an array or NDJSON. `lines`: the media type says NDJSON, so that even one object is a batch.
///
/// # Errors
/// As [`parse_task`] and [`parse_tasks`].
pub fn parse_submission(bytes: &[u8], lines: bool, defaults: &Defaults) -> Result<Submission, Problem> {
    let array = bytes.trim_ascii_start().starts_with(b"[");
    if !lines && !array {
        // Several objects one after the other are NDJSON, whatever the media type says.
        let mut texts = serde_json::Deserializer::from_slice(bytes).into_iter::<&RawValue>();
        if !matches!((texts.next(), texts.next()), (Some(Ok(_)), Some(Ok(_)))) {
            return parse_task(bytes, defaults).map(|task| Submission::One(Box::new(task)));
        }
    }
    parse_tasks(bytes, defaults).map(Submission::Many)
}

fn check_batch(count: usize, bytes: &[u8]) -> Result<(), Problem> {
    if count > BATCH_TASKS_MAX {
        let detail = format!("the batch has {count} tasks, the limit is {BATCH_TASKS_MAX}");
        return Err(Problem::new(Code::LimitExceeded, detail).with_hint("send several batches"));
    }
    if bytes.trim_ascii().is_empty() {
        let hint = "an empty batch is `[]`";
        return Err(Problem::new(Code::InvalidJson, "the body is empty").with_hint(hint));
    }
    Ok(())
}
