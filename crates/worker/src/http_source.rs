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
            SourceError::Overloaded { retry_after: OVERLOADED_PAUSE, message }
        }
        Some(problem) if (400..500).contains(&problem.status) && problem.status != 408 => {
            SourceError::Refused { code: problem.code.word().to_owned(), message }
        }
        _ => match error {
            Error::Address { .. } => SourceError::Refused { code: "address".to_owned(), message },
            _ => SourceError::Unreachable(message),
        },
    }
}
