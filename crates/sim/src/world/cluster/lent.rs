//! I12 over all shards, read from the rows: no shard has borrowed more than was lent to it, and once a limit has held for a
//! while, whoever starts finds fewer running in all shards than it allows.

use std::collections::BTreeMap;

use mainspring_core::id::{Bucket, Name};
use mainspring_core::loan::LoanRow;
use mainspring_core::permit::LimitScope;
use mainspring_core::row::Changes;
use mainspring_core::spec::TaskSpec;
use mainspring_store::ShardId;

use crate::check::{Verdict, ensure};
use crate::world::World;

/// After which time without faults every shard has heard of a limit, and its home of what ran already: a shard is opened and
/// follows the settings within seconds, and a word that got lost is said again after one.
const SPOKEN_MS: i64 = 20_000;

/// How many may run, by what is limited, and since when that is so.
#[derive(Debug, Default)]
pub(super) struct Totals {
    set: BTreeMap<(LimitScope, Name), (Option<u32>, i64)>,
    calm_since: Option<i64>,
}

impl World {
    /// A commit of a shard was applied; until then its newest lease was `leases`.
    pub(in crate::world) fn check_lent(&mut self, shard: usize, leases: u64, changes: &Changes) -> Verdict {
        if self.cluster.is_none() {
            return Ok(());
        }
        changes.put_loans.iter().try_for_each(|row| self.check_loan(shard, row))?;
        self.note_limits(shard, changes);
        self.check_starts(leases, shard, changes)
    }

    /// Each side makes its own total durable before the other hears of it.
    fn check_loan(&mut self, shard: usize, row: &LoanRow) -> Verdict {
        let shards = self.config.shards();
        let home = usize::from(ShardId::of(Bucket::of_text(&row.of.name), shards).0);
        let peer = usize::from(row.peer);
        let (owner, borrower) = if home == shard { (shard, peer) } else { (peer, shard) };
        ensure(owner == home && owner != borrower, "I12", || {
            format!("shard {shard} keeps {row:?}, at home in {home}")
        })?;
        let side = |of: usize, with: usize| {
            let row = self.shards[of].checker.model.loans.get(&(row.of.clone(), with as u16));
            row.map_or((0, 0), |row| (row.given, row.returned))
        };
        let ((lent, back), (borrowed, returned)) = (side(owner, borrower), side(borrower, owner));
        ensure(borrowed <= lent && back <= returned, "I12", || {
            format!(
                "of {:?} shard {owner} gave {borrower} {lent} and has {back} back, which had {borrowed} and gave {returned}",
                row.of
            )
        })?;
        self.hit("cluster.limit_lent");
        Ok(())
    }

    fn note_limits(&mut self, shard: usize, changes: &Changes) {
        let (now_ms, faulty) = (self.now_ms, self.faulty);
        let totals = &mut self.cluster().totals;
        totals.calm_since = if faulty { None } else { totals.calm_since.or(Some(now_ms)) };
        for row in changes.put_limits.iter().filter(|_| shard == 0) {
            let entry = totals.set.entry((row.scope, row.name.clone())).or_insert((None, now_ms));
            if entry.0 != row.limits.concurrency {
                *entry = (row.limits.concurrency, now_ms);
            }
        }
    }

    /// Judges what started with this commit. What ended in the same one ran, perhaps, when that started; so it may be as many
    /// as now at the least.
    fn check_starts(&mut self, leases: u64, shard: usize, changes: &Changes) -> Verdict {
        let keys =
            changes.insert_tasks.iter().map(|row| row.key).chain(changes.update_tasks.iter().map(|(key, _)| *key));
        let model = &self.shards[shard].checker.model;
        let started = keys
            .filter_map(|key| model.tasks.get(&key))
            .filter(|row| row.state.lease.as_ref().is_some_and(|lease| lease.number > leases));
        let specs: Vec<_> = started.filter_map(|row| row.spec.clone()).collect();
        for spec in specs {
            for (scope, name) in [(LimitScope::Queue, &spec.queue), (LimitScope::Type, &spec.kind)] {
                self.check_total(scope, name)?;
            }
        }
        Ok(())
    }

    fn check_total(&mut self, scope: LimitScope, name: &Name) -> Verdict {
        let now_ms = self.now_ms;
        let totals = &self.cluster().totals;
        let Some((Some(max), since)) = totals.set.get(&(scope, name.clone())).copied() else { return Ok(()) };
        let since = totals.calm_since.map(|calm| calm.max(since));
        if since.is_none_or(|since| now_ms - since < SPOKEN_MS) {
            return Ok(());
        }
        let is_under = |spec: &TaskSpec| match scope {
            LimitScope::Queue => spec.queue == *name,
            _ => spec.kind == *name,
        };
        let rows = self.shards.iter().flat_map(|shard| shard.checker.model.tasks.values());
        let running = rows.filter(|row| row.state.lease.is_some() && row.spec.as_deref().is_some_and(is_under)).count();
        self.hit("cluster.limit_total_checked");
        ensure(running <= max as usize, "I12", || {
            format!("{running} tasks run in all shards under {} `{name}`, which allows {max}", scope.word())
        })
    }
}
