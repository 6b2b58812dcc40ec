//! Where tasks come from: the seam between the loop and whoever grants.

use std::time::Duration;

use futures_util::future::BoxFuture;
use mainspring_protocol::exchange::{ExchangeReply, ExchangeRequest};

/// One side of the exchange: HTTP to a server, a node in the same process, a broker.
///
/// Several calls may be under way at once: a later one (a higher `seq`) ends the waiting of the earlier.
pub trait TaskSource: Send + Sync {
    /// Hands over what the worker has to say and brings back what it shall do.
    fn exchange(&self, request: ExchangeRequest) -> BoxFuture<'_, Result<ExchangeReply, SourceError>>;
}

/// Why an exchange brought nothing back. The worker says everything again in the next call unless it was refused.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Nobody answered; whether the call was taken is not known. Tried again.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// Too much to do. Tried again, not before this time.
    #[error("overloaded: {message}")]
    Overloaded {
        /// How long to wait.
        retry_after: Duration,
        /// What the other side said.
        message: String,
    },
    /// The call was larger than the other side, or something on the way, takes. Tried again with less in it.
    #[error("too large: {0}")]
    TooLarge(String),
    /// No later call of this session can go better: the worker ends.
    #[error("refused ({code}): {message}")]
    Refused {
        /// The stable word of the problem.
        code: String,
        /// What the other side said.
        message: String,
    },
}
