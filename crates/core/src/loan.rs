//! What one shard lends another of a limit that holds for all of them.
//!
//! A limit has a *home*, the shard that its name leads to. The home keeps how much it has lent to each other shard, and
//! that one how much it has borrowed, each in a row of its own, so that both survive whoever serves them. The rows say how
//! much was *given* and how much was *returned* since ever, and neither number ever falls. So a message may come late, twice
//! or not at all: whoever hears of a larger number takes it over, and what both know differs only on the safe side, because
//! each side makes its own number durable BEFORE it tells the other.
//!
//! ```text
//!  home:      lent     = given − returned, as far as it has heard of returns
//!  borrower:  borrowed = given − returned, as far as it has heard of gifts      borrowed ≤ lent, Σ lent ≤ limit (I12)
//! ```

use crate::id::Name;
use crate::permit::LimitScope;
use crate::time::Timestamp;

/// What is lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LoanKind {
    /// Places: for running tasks of a queue or a type, for unfinished tasks of a tenant.
    Places,
    /// Parts of a rate whose burst is smaller than the number of shards: one part is one permit of the burst.
    Rate,
}

impl LoanKind {
    /// All kinds, in the order of their stored numbers.
    pub const ALL: [Self; 2] = [Self::Places, Self::Rate];
}

/// Names the limit that is lent of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoanName {
    /// What kind of thing is limited.
    pub scope: LimitScope,
    /// Which.
    pub name: Name,
    /// Which of its limits.
    pub kind: LoanKind,
}

/// What a shard knows of its dealings with another one about one limit. Kept for good: a message may be late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoanRow {
    /// The limit.
    pub of: LoanName,
    /// The other shard: the home of the limit, or one that borrows from this home.
    pub peer: u16,
    /// How much was given since ever.
    pub given: u64,
    /// How much of that was returned since ever; at most `given`.
    pub returned: u64,
}

/// What one shard tells another about one limit. Both totals are durable where it comes from BEFORE it leaves. It may be
/// lost, late or repeated: whoever needs an answer says it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoanMessage {
    /// Who says it.
    pub from: u16,
    /// To whom.
    pub to: u16,
    /// The limit.
    pub of: LoanName,
    /// See [`LoanRow::given`].
    pub given: u64,
    /// See [`LoanRow::returned`].
    pub returned: u64,
    /// When: of two words of a shard the later one counts, whichever arrives first.
    pub at: Timestamp,
    /// What else.
    pub word: LoanWord,
}

/// What is said beside the totals. It holds until the next word: nothing of it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoanWord {
    /// A borrower to the home.
    Asks {
        /// How much it could use, with what it uses.
        wants: u64,
        /// How much it uses; more than it has borrowed where the limit came later than what runs.
        uses: u64,
    },
    /// The home to a borrower.
    Lends {
        /// Others wait: it shall use no more than this, and return the rest as soon as that is unused. `None`: nobody waits.
        keep: Option<u64>,
        /// How much all shards together have, as far as the home knows.
        taken: u64,
    },
}
