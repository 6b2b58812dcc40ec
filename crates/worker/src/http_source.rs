//! The exchange over HTTP.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use mainspring_client::{Client, Error};
use mainspring_protocol::exchange::{ExchangeReply, ExchangeRequest};

use crate::source::{SourceError, TaskSource};

/// Pause after an answer that says "too much" without saying how long.
const OVERLOADED_PAUSE: Duration = Duration::from_millis(500);

/// Tasks from a server, by `POST /api/v1/workers/exchange`.
#[derive(Clone, Debug)]
pub struct HttpSource {
    client: Client,
}

impl HttpSource {
    /// Tasks from the server that this client talks to.
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

impl TaskSource for HttpSource {
    fn exchange(&self, request: ExchangeRequest) -> BoxFuture<'_, Result<ExchangeReply, SourceError>> {
        async move { self.client.exchange(&request).await.map_err(|error| judge(&error)) }.boxed()
    }
}

/// What an error means for the session. Only a refusal of the request itself ends it: a server that restarts, is
/// overloaded, or sits behind a proxy that answers for it, is asked again.
fn judge(error: &Error) -> SourceError {
    let message = error.to_string();
    match error.problem() {
        Some(problem) if matches!(problem.status, 429 | 503) => {
            let retry_after = problem.retry_after_ms.map_or(OVERLOADED_PAUSE, Duration::from_millis);
            SourceError::Overloaded { retry_after, message }
        }
        Some(problem) if problem.status == 413 => SourceError::TooLarge(message),
        Some(problem) if (400..500).contains(&problem.status) && problem.status != 408 => {
            SourceError::Refused { code: problem.code.word().to_owned(), message }
        }
        _ => match error {
            Error::Address { .. } => SourceError::Refused { code: "address".to_owned(), message },
            _ => SourceError::Unreachable(message),
        },
    }
}

#[cfg(test)]
mod tests {
    use mainspring_protocol::code::Code;
    use mainspring_protocol::problem::Problem;

    use super::*;

    fn judged(problem: Problem) -> SourceError {
        judge(&Error::Problem(Box::new(problem)))
    }

    #[test]
    fn only_a_refusal_of_the_request_itself_ends_the_session() {
        for code in [Code::WorkerIdInUse, Code::StaleSession, Code::NotFound, Code::InvalidValue] {
            let judged = judged(Problem::new(code, "no"));
            assert!(matches!(&judged, SourceError::Refused { code: word, .. } if word == code.word()), "{judged}");
        }
        for code in [Code::Overloaded, Code::Stopping, Code::StoreUnavailable, Code::OutcomeUnknown] {
            let asked = judged(Problem::new(code, "later").retry_after_ms(1_234));
            let after = Duration::from_millis(1_234);
            assert!(matches!(asked, SourceError::Overloaded { retry_after, .. } if retry_after == after), "{asked}");
            let silent = judged(Problem::new(code, "later"));
            assert!(matches!(silent, SourceError::Overloaded { retry_after: OVERLOADED_PAUSE, .. }), "{silent}");
        }
        assert!(matches!(judged(Problem::new(Code::BodyTooLarge, "no")), SourceError::TooLarge(_)));
        let proxy = Error::Decode { address: "a".to_owned(), reason: "status 404".to_owned() };
        assert!(matches!(judge(&proxy), SourceError::Unreachable(_)));
    }
}
