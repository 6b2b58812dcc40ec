//! What an answer means for the attempt.

use std::time::{Duration, SystemTime};

use mainspring_protocol::exchange::StreamName;
use reqwest::header::RETRY_AFTER;
use reqwest::{Response, StatusCode};
use serde_json::value::RawValue;

use crate::attempt::AttemptEnd;
use crate::clock;
use crate::executor::OUTPUT_BYTES_MAX;
use crate::feed::Feed;

/// Bytes of a body that are read; the rest is left.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Bytes of a body that an error message repeats.
const EXCERPT_BYTES: usize = 200;
/// The longest `Retry-After` that is believed.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(86_400);

/// A good status is a success: its body is the output if it is JSON and small, else a log. 408, 429 and 5xx may go
/// better another time, after `Retry-After` if it is there; any other status will not.
pub(super) async fn judge(mut answer: Response, success_status: &[u16], feed: &Feed) -> AttemptEnd {
    let status = answer.status();
    let fine = if success_status.is_empty() { status.is_success() } else { success_status.contains(&status.as_u16()) };
    let retry_after =
        answer.headers().get(RETRY_AFTER).and_then(|value| parse_retry_after(value.to_str().ok()?, clock::wall()));
    let (body, whole) = match read(&mut answer).await {
        Ok(read) => read,
        Err(error) => return AttemptEnd::failure("http_unreachable", format!("the answer broke off: {error}")),
    };
    let text = String::from_utf8_lossy(&body);
    if fine {
        if whole
            && text.len() <= OUTPUT_BYTES_MAX
            && let Ok(output) = serde_json::from_str::<Box<RawValue>>(text.trim())
        {
            return AttemptEnd::success(Some(output));
        }
        feed.push(StreamName::Stdout, &text);
        if !whole {
            feed.push(StreamName::System, &format!("… the body was cut after {BODY_BYTES_MAX} bytes …\n"));
        }
        return AttemptEnd::success(None);
    }
    feed.push(StreamName::Stdout, &text);
    let mut end = AttemptEnd::failure("http_status", describe(status, &text)).retryable(may_pass(status));
    end.retry_after = retry_after.filter(|_| may_pass(status));
    end
}

fn may_pass(status: StatusCode) -> bool {
    status == StatusCode::REQUEST_TIMEOUT || status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

fn describe(status: StatusCode, body: &str) -> String {
    let excerpt = body.trim();
    let excerpt = &excerpt[..excerpt.floor_char_boundary(EXCERPT_BYTES)];
    if excerpt.is_empty() { status.to_string() } else { format!("{status}: {excerpt}") }
}

async fn read(answer: &mut Response) -> reqwest::Result<(Vec<u8>, bool)> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        let room = BODY_BYTES_MAX - body.len();
        if piece.len() > room {
            body.extend_from_slice(&piece[..room]);
            return Ok((body, false));
        }
        body.extend_from_slice(&piece);
    }
    Ok((body, true))
}

/// RFC 9110 §10.2.3: seconds, or a date.
fn parse_retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let wait = match text.trim().parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text.trim()).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (text, wait) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("99999999999", Some(86_400)),
            ("-5", None),
            ("soon", None),
        ] {
            assert_eq!(parse_retry_after(text, now), wait.map(Duration::from_secs), "{text}");
        }
    }
}
