//! Bugs to plant: each breaks one rule on purpose, and the model must find it.

use crate::bounds::Bounds;
use crate::history::Rule;

/// Each bug that the model knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Plant {
    /// The store does not look at the epoch of a commit.
    NoEpochCheck,
    /// The store takes a commit that its node has given up, whoever owns the shard by now.
    LateCommitTaken,
    /// After an unknown commit the node writes the same changes again, under its new epoch.
    BlindRetry,
    /// After an unknown commit the node loads again under its old epoch.
    ReloadWithoutEpoch,
    /// An unknown commit counts as done.
    UnknownIsCommitted,
    /// A refused commit counts as done.
    RefusedIsCommitted,
    /// Grants leave before their commit.
    GrantBeforeCommit,
    /// Replies leave before their commit.
    ReplyBeforeCommit,
    /// An outcome is taken for the attempt that runs now, whatever its token says.
    OldTokenTaken,
    /// A worker runs whatever it is granted, seen or not.
    RunsTwice,
    /// A load does not bring the number of the last lease.
    LeaseNumberForgotten,
    /// A cancel is answered and not written.
    CancelNotWritten,
    /// A node grants again what its memory says, without asking the store.
    GrantedFromMemory,
    /// A load does not bring tasks that run.
    RunningNotLoaded,
    /// What was claimed under a key is not read.
    IdempotencyForgotten,
}

impl Plant {
    /// All of them.
    pub const ALL: [Plant; 15] = [
        Self::NoEpochCheck,
        Self::LateCommitTaken,
        Self::BlindRetry,
        Self::ReloadWithoutEpoch,
        Self::UnknownIsCommitted,
        Self::RefusedIsCommitted,
        Self::GrantBeforeCommit,
        Self::ReplyBeforeCommit,
        Self::OldTokenTaken,
        Self::RunsTwice,
        Self::LeaseNumberForgotten,
        Self::CancelNotWritten,
        Self::GrantedFromMemory,
        Self::RunningNotLoaded,
        Self::IdempotencyForgotten,
    ];

    /// Its name on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::NoEpochCheck => "no-epoch-check",
            Self::LateCommitTaken => "late-commit-taken",
            Self::BlindRetry => "blind-retry",
            Self::ReloadWithoutEpoch => "reload-without-epoch",
            Self::UnknownIsCommitted => "unknown-is-committed",
            Self::RefusedIsCommitted => "refused-is-committed",
            Self::GrantBeforeCommit => "grant-before-commit",
            Self::ReplyBeforeCommit => "reply-before-commit",
            Self::OldTokenTaken => "old-token-taken",
            Self::RunsTwice => "runs-twice",
            Self::LeaseNumberForgotten => "lease-number-forgotten",
            Self::CancelNotWritten => "cancel-not-written",
            Self::GrantedFromMemory => "granted-from-memory",
            Self::RunningNotLoaded => "running-not-loaded",
            Self::IdempotencyForgotten => "idempotency-forgotten",
        }
    }

    /// Reads [`Plant::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|plant| plant.word() == word)
    }

    /// The least that must happen for it to show.
    pub fn bounds(self) -> Bounds {
        let once = Bounds { submissions: 1, ..Bounds::NOTHING };
        match self {
            Self::NoEpochCheck | Self::RefusedIsCommitted => Bounds { suspicions: 1, ..once },
            Self::LateCommitTaken | Self::ReloadWithoutEpoch | Self::UnknownIsCommitted => {
                Bounds { unknown: 1, ..once }
            }
            Self::BlindRetry => Bounds { cancels: 1, calls: 1, unknown: 1, suspicions: 2, ..once },
            Self::GrantBeforeCommit => Bounds { calls: 1, ..once },
            Self::ReplyBeforeCommit => once,
            Self::OldTokenTaken => Bounds { calls: 2, ticks: 1, ..once },
            Self::RunsTwice => Bounds { calls: 1, doubled: 1, ..once },
            Self::LeaseNumberForgotten => Bounds { others: 1, calls: 1, crashes: 1, ..once },
            Self::CancelNotWritten => Bounds { cancels: 1, ..once },
            Self::GrantedFromMemory => Bounds::AGAIN,
            Self::RunningNotLoaded => Bounds { calls: 1, crashes: 1, ..once },
            Self::IdempotencyForgotten => Bounds { submissions: 2, crashes: 1, ..once },
        }
    }

    /// The rule that it breaks first.
    pub fn breaks(self) -> Rule {
        match self {
            Self::NoEpochCheck | Self::LateCommitTaken | Self::ReloadWithoutEpoch => Rule::Fencing,
            Self::BlindRetry => Rule::LegalMoves,
            Self::UnknownIsCommitted | Self::RefusedIsCommitted | Self::ReplyBeforeCommit | Self::CancelNotWritten => {
                Rule::DurableAck
            }
            Self::GrantBeforeCommit | Self::GrantedFromMemory => Rule::GrantedByCommit,
            Self::OldTokenTaken => Rule::OneOutcome,
            Self::RunsTwice => Rule::StartsOnce,
            Self::LeaseNumberForgotten => Rule::Token,
            Self::RunningNotLoaded => Rule::Ends,
            Self::IdempotencyForgotten => Rule::IdempotentSubmit,
        }
    }
}
