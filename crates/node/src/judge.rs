//! Who of the nodes lives: whose beat has stood still for too long is dead, whatever any wall clock says.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mainspring_core::id::SessionId;
use mainspring_store::{NodeRow, Roster};

/// How long a beat must stand still before its node counts as dead.
pub const STILL: Duration = Duration::from_secs(3);

/// Judges the others.
#[derive(Debug, Default)]
pub struct Judge {
    seen: BTreeMap<SessionId, (u64, Duration)>,
}

impl Judge {
    /// Who of the roster is dead at this instant of the monotonic clock. `is_gone`: whose process has surely ended.
    pub fn judge(
        &mut self,
        roster: &Roster,
        me: &SessionId,
        now: Duration,
        is_gone: impl Fn(&NodeRow) -> bool,
    ) -> BTreeSet<SessionId> {
        self.seen.retain(|id, _| roster.nodes.iter().any(|(node, _)| node.id == *id));
        for (node, beat) in &roster.nodes {
            let entry = self.seen.entry(node.id.clone()).or_insert((*beat, now));
            if entry.0 != *beat {
                *entry = (*beat, now);
            }
        }
        let silent = |node: &NodeRow| now.saturating_sub(self.seen[&node.id].1) >= STILL;
        let dead = |node: &NodeRow| node.id != *me && (silent(node) || is_gone(node));
        let mut all: BTreeSet<SessionId> =
            roster.nodes.iter().map(|(node, _)| node).filter(|node| dead(node)).map(|node| node.id.clone()).collect();
        // Whoever owns a shard and does not take part has left in a hurry, or was taken off as dead.
        let owners = roster.shards.iter().filter_map(|held| held.owner.as_ref()).filter(|owner| *owner != me);
        all.extend(owners.filter(|owner| roster.nodes.iter().all(|(node, _)| node.id != **owner)).cloned());
        all
    }

    /// How long each beat has stood still.
    pub fn silence(&self, now: Duration) -> BTreeMap<SessionId, Duration> {
        self.seen.iter().map(|(id, (_, at))| (id.clone(), now.saturating_sub(*at))).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mainspring_store::{Holding, ShardId};

    use super::*;

    fn roster(nodes: &[(&str, u64)], owner: Option<&str>) -> Roster {
        let node = |(id, beat): &(&str, u64)| {
            let row =
                NodeRow { id: (*id).into(), address: None, about: "".into(), process: "".into(), version: "".into() };
            (row, *beat)
        };
        Roster {
            limits: Vec::new(),
            nodes: nodes.iter().map(node).collect(),
            shards: vec![Holding { shard: ShardId(0), epoch: 1, owner: owner.map(SessionId::from), commit: None }],
            key: Arc::new([1; 32]),
            queues: Vec::new(),
            workers: Vec::new(),
        }
    }

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_node_is_dead_once_its_beat_has_stood_still() {
        let (mut judge, me) = (Judge::default(), SessionId::from("me"));
        let mut dead = |beats: &[(&str, u64)], ms| judge.judge(&roster(beats, None), &me, at(ms), |_| false).len();
        assert_eq!(dead(&[("me", 1), ("other", 5)], 0), 0);
        assert_eq!(dead(&[("me", 1), ("other", 6)], 2_000), 0);
        assert_eq!(dead(&[("me", 1), ("other", 6)], 4_999), 0);
        assert_eq!(dead(&[("me", 1), ("other", 6)], 5_000), 1, "and not this node, whose beat it does not watch");
        assert_eq!(dead(&[("me", 1), ("other", 7)], 5_500), 0, "it was only slow");
    }

    #[test]
    fn an_owner_that_takes_no_part_is_dead() {
        let (mut judge, me) = (Judge::default(), SessionId::from("me"));
        let dead = judge.judge(&roster(&[("me", 1)], Some("gone")), &me, at(0), |_| false);
        assert_eq!(dead.into_iter().collect::<Vec<_>>(), [SessionId::from("gone")]);
        assert!(judge.judge(&roster(&[("me", 1)], Some("me")), &me, at(0), |_| false).is_empty());
    }
}
