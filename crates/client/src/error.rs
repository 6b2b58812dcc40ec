//! What can go wrong with a call, by what the caller can do about it.

use mainspring_protocol::problem::Problem;

/// Why a call did not give what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address of the server is not one. Nothing was sent.
    #[error("`{address}` is not the address of a server: {reason}")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answered, or the connection broke before the answer was complete. Whether the call was carried out is
    /// not known; every call that creates something is safe to repeat with the same id or idempotency key.
    #[error("cannot reach {address}: {reason}")]
    Unreachable {
        /// The server's address.
        address: String,
        /// What the network said, outermost cause first.
        reason: String,
    },
    /// The server refused, and says why.
    #[error("{}", .0.detail)]
    Problem(Box<Problem>),
    /// The answer cannot be read: the other side is not a Mainspring server, or of another version.
    #[error("the answer of {address} cannot be read: {reason}")]
    Decode {
        /// The server's address.
        address: String,
        /// What was wrong.
        reason: String,
    },
}

impl Error {
    /// The problem, if the server refused.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// Whether the same call may succeed a little later: the server cannot be reached, is overloaded or does not know
    /// the outcome.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Problem(problem) => matches!(problem.status, 429 | 502..=504),
            Self::Address { .. } | Self::Decode { .. } => false,
        }
    }
}
