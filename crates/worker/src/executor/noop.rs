//! Does nothing, for tests, benchmarks and joints of a graph. Its payload may say otherwise:
//!
//! ```json
//! {"sleepMs": 250, "fail": true, "output": {"any": "value"}}
//! ```
//! `sleepMs` waits first. `fail` fails: `true`, or a text that becomes the error's message, or a number `n`, which
//! fails the attempts 1 to `n`. `output` is returned on success. Anything else in the payload is ignored.

use std::time::Duration;

use futures_util::FutureExt as _;
use mainspring_protocol::exchange::GrantMessage;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Choice, OUTPUT_BYTES_MAX, guarded, output_too_large};
use crate::attempt::AttemptEnd;

#[derive(Default, Deserialize)]
struct Wish {
    #[serde(rename = "sleepMs", default)]
    sleep_ms: u64,
    #[serde(default)]
    fail: Option<Fail>,
    #[serde(default)]
    output: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Fail {
    Flag(bool),
    Attempts(u32),
    Message(String),
}

/// Ends at once unless it shall sleep.
pub(super) fn run(grant: &GrantMessage) -> Choice {
    let payload = grant.payload.as_ref().map_or("", |payload| payload.get());
    if !payload.starts_with('{') {
        return Choice::Done(AttemptEnd::success(None));
    }
    let wish: Wish = match serde_json::from_str(payload) {
        Ok(wish) => wish,
        Err(error) => {
            let message = format!("the payload of a `noop` task does not fit: {error}");
            return Choice::Done(AttemptEnd::failure("bad_payload", message).retryable(false));
        }
    };
    let sleep = Duration::from_millis(wish.sleep_ms);
    let end = end(wish, grant.attempt);
    if sleep.is_zero() {
        return Choice::Done(end);
    }
    Choice::Small(Box::new(move |seat| {
        let work = move |_| async move {
            tokio::time::sleep(sleep).await;
            end
        };
        guarded(seat, work).boxed()
    }))
}

fn end(wish: Wish, attempt: u32) -> AttemptEnd {
    let message = match wish.fail {
        Some(Fail::Flag(true)) => "asked to fail".to_owned(),
        Some(Fail::Attempts(count)) if attempt <= count => format!("asked to fail {count} times"),
        Some(Fail::Message(message)) => message,
        _ => match wish.output {
            Some(output) if output.get().len() > OUTPUT_BYTES_MAX => return output_too_large(output.get().len()),
            output => return AttemptEnd::success(output),
        },
    };
    AttemptEnd::failure("noop_failed", message)
}
