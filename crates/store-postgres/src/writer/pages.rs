//! Pages of cold tasks, read from where they begin.
//!
//! A task that leaves the cold leaves an index entry behind, and as long as anybody holds a transaction open the entry
//! cannot be skipped. Those of a backlog that is drained stand exactly in front of the next page: read from the start, each
//! page would pass all that were there before it. So this remembers where the first cold row may stand. All rows of the
//! shard come and go through its owner, who therefore knows when one goes cold in front of that.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use mainspring_core::id::Key;
use mainspring_core::row::{Changes, LanePage, ReadSet, TimerPage};
use mainspring_core::task::{LaneId, Place, TaskState};
use mainspring_store::ShardId;
use tokio_postgres::Row;

use super::prune::of_shard;
use crate::failure::Failure;
use crate::rows::{Bodies, task_columns};
use crate::sql::Statement;

/// Ranks of cold ready tasks: `9 − priority`.
const RANKS: usize = 10;

/// When the next timer is due; `#` stands for the shard.
pub(super) const FIRST_TIMER: &str = "SELECT rank FROM @tasks WHERE place = 2 AND shard = # ORDER BY rank, key LIMIT 1";

/// Where the cold rows of one shard may begin. Only a shortcut: without it pages are read from the start.
#[derive(Debug)]
pub(super) struct Fronts {
    /// The lowest key of each rank; `i64::MAX`: there is none.
    lanes: HashMap<LaneId, [i64; RANKS]>,
    /// The lowest (due, key).
    timers: (i64, i64),
}

impl Default for Fronts {
    fn default() -> Self {
        Self { lanes: HashMap::new(), timers: (i64::MIN, i64::MIN) }
    }
}

impl Fronts {
    /// Takes in what goes cold in a commit.
    pub(super) fn note(&mut self, changes: &Changes) {
        for row in &changes.insert_tasks {
            let rank = row.spec.as_ref().map(|spec| usize::from(9_u8.saturating_sub(spec.priority)));
            let ranks = rank.filter(|rank| *rank < RANKS).map_or(0..=RANKS - 1, |rank| rank..=rank);
            self.lower(row.key, &row.state, ranks);
        }
        for (key, state) in &changes.update_tasks {
            // An update does not carry the priority.
            self.lower(*key, state, 0..=RANKS - 1);
        }
    }

    fn lower(&mut self, key: Key, state: &TaskState, ranks: RangeInclusive<usize>) {
        let key = key.raw() as i64;
        match state.place {
            Place::ColdReady { lane } => {
                for front in self.lanes.get_mut(&lane).into_iter().flat_map(|fronts| &mut fronts[ranks.clone()]) {
                    *front = (*front).min(key);
                }
            }
            Place::ColdTimer => {
                self.timers = self.timers.min((state.due.unwrap_or_default().as_millis(), key));
            }
            Place::Hot | Place::Rest => {}
        }
    }

    /// The ranks of a lane that may have rows, and from which key on.
    fn of_lane(&self, lane: LaneId) -> Vec<(usize, i64)> {
        let fronts = self.lanes.get(&lane).copied().unwrap_or([i64::MIN; RANKS]);
        fronts.into_iter().enumerate().filter(|(_, key)| *key < i64::MAX).collect()
    }

    /// Learns from an answer where the rows begin now.
    pub(super) fn learn(&mut self, asked: &Asked, rows: &[Row]) -> Result<(), Failure> {
        let mut places = Vec::with_capacity(rows.len());
        for row in rows {
            // The rank stands behind the columns of the task.
            places.push((row.try_get::<_, i64>(row.len() - 1)?, row.try_get::<_, i64>(0)?));
        }
        match asked {
            Asked::Lane { lane, ranks, limit } => {
                // A page that is full says nothing of the ranks behind its last row.
                let is_full = limit.is_some_and(|limit| places.len() >= limit as usize);
                let last = if is_full { places.last().map_or(0, |(rank, _)| *rank as usize) } else { RANKS };
                let fronts = self.lanes.entry(*lane).or_insert([i64::MIN; RANKS]);
                for rank in ranks.iter().filter(|rank| **rank <= last) {
                    let first = places.iter().find(|(of, _)| *of as usize == *rank);
                    fronts[*rank] = first.map_or(i64::MAX, |(_, key)| *key);
                }
            }
            Asked::Timers => {
                self.timers = places.first().copied().unwrap_or(self.timers);
            }
        }
        Ok(())
    }

    /// What stands behind a page that had no timer.
    pub(super) fn learn_next_timer(&mut self, due: Option<i64>) {
        self.timers = (due.unwrap_or(i64::MAX), i64::MIN);
    }
}

/// What a statement of a read set asks for, beside tasks by key.
pub(super) enum Asked {
    /// Rows of a lane, of these ranks; at most `limit` in all, or so many of each rank.
    Lane { lane: LaneId, ranks: Vec<usize>, limit: Option<u32> },
    /// Timers.
    Timers,
}

/// Asks for the pages of a read set, and says what each statement is about. Where timers are asked for, one more statement
/// follows, which gives the next one.
pub(super) fn ask(shard: ShardId, set: &ReadSet, fronts: &Fronts, out: &mut Vec<Statement<'_>>) -> Vec<Asked> {
    let mut asked = Vec::new();
    for page in &set.lanes {
        lane(shard, page, &fronts.of_lane(page.lane), &mut asked, out);
    }
    if let Some(page) = &set.timers {
        timers(shard, page, fronts.timers, out);
        asked.push(Asked::Timers);
    }
    asked
}

/// One part for each rank, in their order, so that reading ends where the page is full.
fn lane(shard: ShardId, page: &LanePage, ranks: &[(usize, i64)], asked: &mut Vec<Asked>, out: &mut Vec<Statement<'_>>) {
    const COLD: &str = "SELECT * FROM @tasks WHERE place = 1 AND shard = # AND lane = $1::bigint::integer";
    if ranks.is_empty() {
        return;
    }
    let columns = task_columns(Bodies::Resident);
    let of_lane = |sql: String| of_shard(&sql, shard).int(i64::from(page.lane.0 as i32));
    let parts = ranks
        .iter()
        .map(|(rank, key)| format!("({COLD} AND rank = {rank} AND key >= '{key}'::bigint ORDER BY key LIMIT $2)"));
    let parts = parts.collect::<Vec<_>>().join(" UNION ALL ");
    let first = format!(
        "SELECT {columns}, t.rank FROM (SELECT * FROM ({parts}) AS parts LIMIT $2) AS t ORDER BY t.rank, t.key"
    );
    out.push(of_lane(first).int(i64::from(page.limit)));
    let named = |limit| Asked::Lane { lane: page.lane, ranks: ranks.iter().map(|(rank, _)| *rank).collect(), limit };
    asked.push(named(Some(page.limit)));
    if page.oldest > 0 {
        let oldest = format!(
            "SELECT {columns}, t.rank FROM unnest($3, $4) AS r(rank, key),
                LATERAL ({COLD} AND rank = r.rank AND tasks.key >= r.key ORDER BY tasks.key LIMIT $2) AS t
            ORDER BY t.rank, t.key"
        );
        let (ranks, keys) = ranks.iter().map(|(rank, key)| (*rank as i64, *key)).unzip();
        out.push(of_lane(oldest).int(i64::from(page.oldest)).ints(ranks).ints(keys));
        asked.push(named(None));
    }
}

fn timers(shard: ShardId, page: &TimerPage, (due, key): (i64, i64), out: &mut Vec<Statement<'_>>) {
    let due_then = format!("place = 2 AND shard = # AND (rank, key) >= ('{due}'::bigint, '{key}'::bigint)");
    let bound = |sql: String| of_shard(&sql, shard).int(page.until.as_millis()).int(i64::from(page.limit));
    out.push(bound(format!(
        "SELECT {}, t.rank FROM @tasks AS t WHERE {due_then} AND rank <= $1 ORDER BY rank, key LIMIT $2",
        task_columns(Bodies::Resident)
    )));
    out.push(bound(format!(
        "SELECT rank FROM @tasks WHERE {due_then} ORDER BY rank, key LIMIT 1 OFFSET (SELECT count(*) FROM (
            SELECT 1 FROM @tasks WHERE {due_then} AND rank <= $1 ORDER BY rank, key LIMIT $2) AS page)"
    )));
}
