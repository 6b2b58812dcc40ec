//! Who of the nodes lives: whose beat has stood still for too long is dead, whatever any wall clock says.
//!
//! A silence counts only as far as somebody looked: while the store answers nobody, nobody can beat either.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mainspring_core::id::SessionId;
use mainspring_store::{NodeRow, Roster};

/// How long a beat must stand still before its node counts as dead.
pub const STILL: Duration = Duration::from_millis(2_500);
/// How long nobody may have looked before that time counts for nothing: twice what lies between two beats.
const BLIND: Duration = Duration::from_secs(1);

/// Judges the others.
#[derive(Debug, Default)]
pub struct Judge {
    /// The beat of each node, and since when it has stood still.
    seen: BTreeMap<SessionId, (u64, Duration)>,
    /// When the last roster was asked for.
    asked_at: Duration,
}

impl Judge {
    /// Who of the roster is dead. `asked` and `now`: when it was asked for, and when it came, by the monotonic clock; how
    /// things stood in between it does not say. `is_gone`: whose process has surely ended.
    pub fn judge(
        &mut self,
        roster: &Roster,
        me: &SessionId,
        (asked, now): (Duration, Duration),
        is_gone: impl Fn(&NodeRow) -> bool,
    ) -> BTreeSet<SessionId> {
        let blind = asked.saturating_sub(self.asked_at + BLIND);
        self.asked_at = asked;
        let since = |(node, beat): &(NodeRow, u64)| {
            let since = match self.seen.get(&node.id) {
                Some((known, since)) if known == beat => *since + blind,
                _ => now,
            };
            (node.id.clone(), (*beat, since))
        };
        self.seen = roster.nodes.iter().map(since).collect();
        let silent = |node: &NodeRow| asked.saturating_sub(self.seen[&node.id].1) >= STILL;
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
        self.seen.iter().map(|(id, (_, since))| (id.clone(), now.saturating_sub(*since))).collect()
    }

    /// In how long the next of the others counts as dead, should its beat stand still until then.
    pub fn due(&self, me: &SessionId, now: Duration) -> Option<Duration> {
        let dues = self.seen.iter().filter(|(id, _)| *id != me).map(|(_, (_, since))| *since + STILL);
        // Those before are dead by now, unless the store has lost them.
        dues.filter(|due| *due > self.asked_at).min().map(|due| due.saturating_sub(now))
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
        let mut dead =
            |beats: &[(&str, u64)], ms| judge.judge(&roster(beats, None), &me, (at(ms), at(ms)), |_| false).len();
        assert_eq!(dead(&[("me", 1), ("other", 5)], 0), 0);
        assert_eq!([1_000, 2_000, 3_000, 3_499].map(|ms| dead(&[("me", 1), ("other", 6)], ms)), [0; 4]);
        assert_eq!(dead(&[("me", 1), ("other", 6)], 3_500), 1, "and not this node, whose beat it does not watch");
        assert_eq!(dead(&[("me", 1), ("other", 7)], 4_000), 0, "it was only slow");
    }

    #[test]
    fn nobody_is_dead_because_nobody_could_look() {
        let (mut judge, me) = (Judge::default(), SessionId::from("me"));
        let mut dead = |asked, now| judge.judge(&roster(&[("other", 5)], None), &me, (at(asked), at(now)), |_| false);
        assert!(dead(0, 100).is_empty());
        assert!(dead(9_000, 9_100).is_empty(), "the store has answered again, this node first of all");
        assert!(dead(9_600, 12_000).is_empty(), "how things stand when the answer comes it does not say");
        assert!(dead(10_599, 10_600).is_empty());
        assert_eq!(dead(10_600, 10_700).len(), 1);
    }

    #[test]
    fn it_is_known_when_to_look_again() {
        let (mut judge, me) = (Judge::default(), SessionId::from("me"));
        assert_eq!(judge.due(&me, at(0)), None);
        let mut due = |other, ms| {
            let _ = judge.judge(&roster(&[("me", 1), ("other", other)], None), &me, (at(ms), at(ms + 9)), |_| false);
            judge.due(&me, at(ms + 9))
        };
        assert_eq!(due(5, 0), Some(STILL));
        assert_eq!(due(5, 700), Some(STILL - at(700)));
        assert_eq!(due(6, 1_200), Some(STILL));
        assert_eq!([2_200, 3_200, 3_708].map(|ms| due(6, ms)), [Some(at(1_500)), Some(at(500)), Some(at(0))]);
        assert_eq!(due(6, 3_709), None, "it counts as dead by now");
    }

    #[test]
    fn an_owner_that_takes_no_part_is_dead() {
        let (mut judge, me) = (Judge::default(), SessionId::from("me"));
        let dead = judge.judge(&roster(&[("me", 1)], Some("gone")), &me, (at(0), at(0)), |_| false);
        assert_eq!(dead.into_iter().collect::<Vec<_>>(), [SessionId::from("gone")]);
        assert!(judge.judge(&roster(&[("me", 1)], Some("me")), &me, (at(0), at(0)), |_| false).is_empty());
    }
}
