//! What happened so far, and the rules that it must keep. Knows only what was written and what was said, never what a
//! node has in memory.

use std::collections::{BTreeMap, BTreeSet};

use mainspring_core::id::{Key, Token};
use mainspring_core::row::TaskRow;
use mainspring_core::task::{Attempt, Outcome, TaskStatus};
use mainspring_store::State;

/// A rule of `docs/reliability.md`, as far as it can be broken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// What was acknowledged is written, and stays.
    DurableAck,
    /// Commits follow each other, epochs never decrease.
    Order,
    /// Nothing is written but by the newest load of the shard.
    Fencing,
    /// What has ended stays as it is.
    LegalMoves,
    /// Attempts are numbered without gaps, and one at most runs.
    Attempts,
    /// Lease numbers rise.
    Token,
    /// An attempt ends once, as its own worker said.
    OneOutcome,
    /// A key gives one task.
    IdempotentSubmit,
    /// No lease after an acknowledged cancel.
    Cancel,
    /// A worker process starts what it is granted under a token once.
    StartsOnce,
    /// A grant leaves after a commit, and only while its lease was in force at that commit.
    GrantedByCommit,
    /// Once nothing goes wrong any more, everything ends.
    Ends,
}

impl Rule {
    /// All of them, in the order of their numbers.
    pub const ALL: [Rule; 12] = [
        Self::DurableAck,
        Self::Order,
        Self::Fencing,
        Self::LegalMoves,
        Self::Attempts,
        Self::Token,
        Self::OneOutcome,
        Self::IdempotentSubmit,
        Self::Cancel,
        Self::StartsOnce,
        Self::GrantedByCommit,
        Self::Ends,
    ];

    /// Its name in reports: the number of the invariant, or a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::DurableAck => "I1 durable ack",
            Self::Order => "I2 order",
            Self::Fencing => "I3 fencing",
            Self::LegalMoves => "I5 legal moves",
            Self::Attempts => "I6 attempts",
            Self::Token => "I7 token",
            Self::OneOutcome => "I8 one outcome",
            Self::IdempotentSubmit => "I16 idempotent submit",
            Self::Cancel => "I20 cancel",
            Self::StartsOnce => "starts once",
            Self::GrantedByCommit => "granted by a commit",
            Self::Ends => "ends",
        }
    }
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct History {
    /// The first rule that was broken.
    pub broken: Option<Rule>,
    /// How often the shard was loaded: the newest load has this number.
    pub loads: u32,
    epoch: u64,
    /// The first task and the second, once acknowledged.
    pub acknowledged: [Option<Key>; 2],
    /// The first task's cancel was acknowledged.
    pub cancelled: bool,
    reported: BTreeSet<(Token, Outcome)>,
    starts: BTreeSet<Token>,
}

impl History {
    /// Notes that a rule is broken, the first one only.
    pub fn ensure(&mut self, holds: bool, rule: Rule) {
        if !holds && self.broken.is_none() {
            self.broken = Some(rule);
        }
    }

    /// A commit was applied: of the load with this number, under `epoch` while `in_force` was in force.
    pub fn applied(&mut self, before: &State, after: &State, load: u32, (epoch, in_force): (u64, u64)) {
        self.ensure(epoch == in_force && load == self.loads, Rule::Fencing);
        self.ensure(epoch >= self.epoch && after.high_water().commit == before.high_water().commit + 1, Rule::Order);
        self.epoch = self.epoch.max(epoch);
        let old: BTreeMap<Key, &TaskRow> = before.every_task().map(|row| (row.key, row)).collect();
        for row in after.every_task() {
            self.moved(old.get(&row.key).copied(), row);
            let attempts = (before.attempts_of(row.key), after.attempts_of(row.key));
            self.tried(row, &attempts.0, &attempts.1, before.high_water().lease);
        }
        let here = |key: &Key| after.every_task().any(|row| row.key == *key);
        let kept = self.acknowledged.iter().flatten().all(here);
        self.ensure(kept, Rule::DurableAck);
    }

    fn moved(&mut self, old: Option<&TaskRow>, new: &TaskRow) {
        let Some(old) = old else { return };
        let absorbed = !old.state.status.is_terminal() || old.state == new.state;
        self.ensure(absorbed, Rule::LegalMoves);
    }

    fn tried(&mut self, row: &TaskRow, before: &[Attempt], after: &[Attempt], last_lease: u64) {
        let numbered = (1..).zip(after).all(|(number, attempt)| attempt.number == number);
        let open: Vec<u32> = after.iter().filter(|attempt| attempt.outcome.is_none()).map(|open| open.number).collect();
        let running = row.state.status == TaskStatus::Running;
        let fits = open.len() == usize::from(running) && open.iter().all(|number| *number == row.state.attempt);
        self.ensure(numbered && fits && after.len() >= before.len(), Rule::Attempts);
        let rising = after.windows(2).all(|pair| pair[0].lease < pair[1].lease);
        let fresh = after.iter().skip(before.len()).all(|attempt| attempt.lease > last_lease);
        self.ensure(rising && fresh, Rule::Token);
        for (index, attempt) in after.iter().enumerate() {
            let earlier = before.get(index).and_then(|attempt| attempt.outcome);
            if let Some(earlier) = earlier {
                self.ensure(attempt.outcome == Some(earlier), Rule::OneOutcome);
            } else if let Some(outcome @ (Outcome::Success | Outcome::Failure)) = attempt.outcome {
                let said = (Token { incarnation: 1, task: row.key, lease: attempt.lease }, outcome);
                self.ensure(self.reported.contains(&said), Rule::OneOutcome);
            }
        }
        if self.cancelled && self.acknowledged[0] == Some(row.key) {
            self.ensure(after.len() == before.len(), Rule::Cancel);
        }
    }

    /// A worker ended an attempt.
    pub fn reported(&mut self, token: Token, outcome: Outcome) {
        self.reported.insert((token, outcome));
    }

    /// A worker process started an attempt.
    pub fn started(&mut self, token: Token) {
        let first = self.starts.insert(token);
        self.ensure(first, Rule::StartsOnce);
    }

    /// The submission of a task was acknowledged.
    pub fn submitted(&mut self, which: usize, key: Key, rows: &State) {
        let earlier = *self.acknowledged[which].get_or_insert(key);
        self.ensure(earlier == key, Rule::IdempotentSubmit);
        self.ensure(rows.every_task().any(|row| row.key == key), Rule::DurableAck);
    }

    /// The cancel of the first task was acknowledged.
    pub fn cancel_acknowledged(&mut self, rows: &State) {
        self.cancelled = true;
        let ended = rows
            .every_task()
            .any(|row| Some(row.key) == self.acknowledged[0] && row.state.status == TaskStatus::Cancelled);
        self.ensure(ended, Rule::DurableAck);
    }

    /// An outcome was acknowledged to its worker.
    pub fn outcome_acknowledged(&mut self, token: Token, rows: &State) {
        let written = rows.attempts_of(token.task).into_iter().find(|attempt| attempt.lease == token.lease);
        let outcome = written.and_then(|attempt| attempt.outcome);
        let same = outcome.is_some_and(|outcome| self.reported.contains(&(token, outcome)));
        self.ensure(same, Rule::DurableAck);
    }
}
