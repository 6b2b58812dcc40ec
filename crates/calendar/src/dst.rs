//! What becomes of occurrences when a zone's clock is put forward or back.

use std::fmt;
use std::str::FromStr;

use jiff::civil::DateTime;

/// What happens to a local time that the clock passes over (a gap) or shows twice (a fold).
///
/// | policy | gap | fold | each local time runs |
/// |---|---|---|---|
/// | `skip` | not at all | the first time | at most once |
/// | `once` | at once after the gap | the first time | exactly once |
/// | `twice` | at once after the gap | both times | at least once |
/// | `vixie`, times of day | at once after the gap | the first time | like `once` |
/// | `vixie`, a rhythm | not at all | both times | as the clock shows |
///
/// Several local times in one gap become one occurrence, because they would run at the same instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DstPolicy {
    /// As Paul Vixie's cron: times of day run exactly once; an expression whose minute or hour starts with `*` follows the clock.
    #[default]
    Vixie,
    /// A local time runs at most once.
    Skip,
    /// A local time runs exactly once.
    Once,
    /// A local time runs whenever the clock shows it, and after a gap if it never does.
    Twice,
}

/// A word that names no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no DST policy is named `{0}`; expected vixie, skip, once or twice")]
pub struct UnknownDstPolicy(pub String);

impl DstPolicy {
    /// All policies.
    pub const ALL: [DstPolicy; 4] = [DstPolicy::Vixie, DstPolicy::Skip, DstPolicy::Once, DstPolicy::Twice];

    /// Its word in definitions.
    pub const fn word(self) -> &'static str {
        match self {
            DstPolicy::Vixie => "vixie",
            DstPolicy::Skip => "skip",
            DstPolicy::Once => "once",
            DstPolicy::Twice => "twice",
        }
    }

    /// What the policy means for an expression.
    pub(crate) fn rules(self, fixed_time: bool) -> Rules {
        match self {
            DstPolicy::Vixie => Rules { after_gap: fixed_time, repeat_fold: !fixed_time },
            DstPolicy::Skip => Rules { after_gap: false, repeat_fold: false },
            DstPolicy::Once => Rules { after_gap: true, repeat_fold: false },
            DstPolicy::Twice => Rules { after_gap: true, repeat_fold: true },
        }
    }
}

impl FromStr for DstPolicy {
    type Err = UnknownDstPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownDstPolicy> {
        Self::ALL.into_iter().find(|policy| policy.word() == text).ok_or_else(|| UnknownDstPolicy(text.to_owned()))
    }
}

impl fmt::Display for DstPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A policy applied to one expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    /// A reading that the clock passes over runs at once after the gap.
    pub after_gap: bool,
    /// A reading that comes again runs again.
    pub repeat_fold: bool,
}

/// What a change of the clock has to do with an occurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// Nothing.
    Plain,
    /// It stands for this local time, which the clock passed over.
    Gap(DateTime),
    /// The clock will show this local time again.
    FoldFirst,
    /// The clock shows this local time for the second time.
    FoldSecond,
}
