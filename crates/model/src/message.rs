//! What is on its way between workers and nodes. What clients say is not: to lose it, delay it or double it is the same as
//! not to say it, to say it later or twice.

use mainspring_core::id::Token;
use mainspring_core::task::Outcome;

/// One process of a worker: which worker, and which of its lives, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Life {
    /// Which worker.
    pub worker: u8,
    /// Which process of it.
    pub number: u8,
}

impl Life {
    /// The name of its session.
    pub fn session(self) -> mainspring_core::id::SessionId {
        format!("w{}-{}", self.worker, self.number).into()
    }

    /// Reads [`Life::session`].
    pub fn of_session(session: &str) -> Self {
        let numbers = session.strip_prefix('w').and_then(|rest| rest.split_once('-'));
        let (worker, number) = numbers.expect("sessions are named by `session`");
        let parse = |text: &str| text.parse().expect("sessions are named by `session`");
        Self { worker: parse(worker), number: parse(number) }
    }
}

/// What a worker says in one call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Call {
    /// Who.
    pub life: Life,
    /// The number of the call.
    pub seq: u8,
    /// Whether it has its one place free.
    pub idle: bool,
    /// What it runs.
    pub running: Vec<Token>,
    /// What has ended, and is not known to be known.
    pub ended: Vec<(Token, Outcome)>,
}

/// Something on its way. The network keeps them in no order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Message {
    /// A worker's call to a node.
    Call(u8, Call),
    /// The right to run an attempt.
    Grant(Life, Token),
    /// What became of a call.
    Verdict {
        /// To whom.
        life: Life,
        /// Outcomes that were taken.
        accepted: Vec<Token>,
        /// Tokens that are no longer good.
        stale: Vec<Token>,
    },
    /// The right is taken back.
    Revoke(Life, Token),
}

impl Message {
    /// The node that it is for; `None`: it is for a worker.
    pub fn node(&self) -> Option<usize> {
        match self {
            Self::Call(node, _) => Some(usize::from(*node)),
            Self::Grant(..) | Self::Verdict { .. } | Self::Revoke(..) => None,
        }
    }
}
