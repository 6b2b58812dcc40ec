//! Which shards an order concerns: one answer for whoever passes orders on.

use std::collections::BTreeMap;

use crate::event::{KeyClaim, Order};
use crate::id::{Bucket, Key};

/// Where an order goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// To the shard of this bucket.
    Of(Bucket),
    /// To the shards of the rows or keys that it names, each of which is told of its own: [`Order::split`].
    OfRows,
    /// To the control shard.
    Control,
    /// To the control shard, which keeps it; the others are told.
    Setting,
    /// To every shard, also to those on their way to another node.
    Every,
    /// To every shard that is served just now: a question, whose answers are put together.
    Served,
}

impl Order {
    /// Where it goes.
    pub fn home(&self) -> Home {
        match self {
            Self::CancelTask(key)
            | Self::CancelJob(key)
            | Self::PauseJob(key)
            | Self::ResumeJob(key)
            | Self::RetryTask(key)
            | Self::RerunJob(key, _)
            | Self::Why(key)
            | Self::Signal { task: key, .. }
            | Self::EditBody { task: key, .. } => Home::Of(key.bucket()),
            Self::Schedule(id, _) => Home::Of(id.bucket()),
            Self::Redrive { .. }
            | Self::Discard(_)
            | Self::Delete { .. }
            | Self::DeleteOld { .. }
            | Self::ClaimKeys(_) => Home::OfRows,
            Self::Define(_) | Self::Record { .. } => Home::Control,
            Self::PauseQueue { .. } | Self::SetLimits { .. } | Self::DirectWorker { .. } => Home::Setting,
            Self::JobsEnded { .. } => Home::Every,
            Self::Figures | Self::Sessions => Home::Served,
        }
    }

    /// The parts of an order that names rows or keys ([`Home::OfRows`]), by what `of` makes of their buckets; any other order has
    /// none. Claims to forget go with every part: only those that lead to something deleted there are forgotten.
    pub fn split<T: Ord>(self, of: impl Fn(Bucket) -> T) -> BTreeMap<T, Self> {
        let sort = |keys: Vec<Key>| {
            let mut parts: BTreeMap<T, Vec<Key>> = BTreeMap::new();
            keys.into_iter().for_each(|key| parts.entry(of(key.bucket())).or_default().push(key));
            parts
        };
        let pair = |tasks: Vec<Key>, jobs: Vec<Key>| {
            let mut parts: BTreeMap<T, (Vec<Key>, Vec<Key>)> = BTreeMap::new();
            sort(tasks).into_iter().for_each(|(home, tasks)| parts.entry(home).or_default().0 = tasks);
            sort(jobs).into_iter().for_each(|(home, jobs)| parts.entry(home).or_default().1 = jobs);
            parts.into_iter().map(|(home, (tasks, jobs))| (home, tasks, jobs))
        };
        match self {
            Self::Redrive { tasks, spacing_ms } => {
                sort(tasks).into_iter().map(|(home, tasks)| (home, Self::Redrive { tasks, spacing_ms })).collect()
            }
            Self::Discard(tasks) => sort(tasks).into_iter().map(|(home, tasks)| (home, Self::Discard(tasks))).collect(),
            Self::Delete { tasks, jobs, forget } => pair(tasks, jobs)
                .map(|(home, tasks, jobs)| (home, Self::Delete { tasks, jobs, forget: forget.clone() }))
                .collect(),
            Self::DeleteOld { tasks, jobs, forget } => pair(tasks, jobs)
                .map(|(home, tasks, jobs)| (home, Self::DeleteOld { tasks, jobs, forget: forget.clone() }))
                .collect(),
            Self::ClaimKeys(claims) => {
                let mut parts: BTreeMap<T, Vec<KeyClaim>> = BTreeMap::new();
                claims.into_iter().for_each(|claim| parts.entry(of(claim.bucket())).or_default().push(claim));
                parts.into_iter().map(|(home, claims)| (home, Self::ClaimKeys(claims))).collect()
            }
            _ => BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64, bucket: u16) -> Key {
        Key::new(number, Bucket::new(bucket))
    }

    #[test]
    fn an_order_of_many_rows_goes_to_the_shard_of_each() {
        let order = Order::Delete {
            tasks: vec![key(3, 9), key(2, 1), key(1, 9)],
            jobs: vec![key(5, 1), key(4, 7)],
            forget: Vec::new(),
        };
        assert_eq!(order.home(), Home::OfRows);
        let parts = order.split(|bucket| bucket.number());
        let parts: Vec<(u16, Vec<Key>, Vec<Key>)> = parts
            .into_iter()
            .map(|(home, part)| match part {
                Order::Delete { tasks, jobs, .. } => (home, tasks, jobs),
                other => panic!("it stays what it is: {other:?}"),
            })
            .collect();
        let wanted = [
            (1, vec![key(2, 1)], vec![key(5, 1)]),
            (7, vec![], vec![key(4, 7)]),
            (9, vec![key(3, 9), key(1, 9)], vec![]),
        ];
        assert_eq!(parts, wanted);
    }

    #[test]
    fn an_order_about_one_thing_goes_where_that_is() {
        let order = Order::CancelJob(key(1, 77));
        assert_eq!(order.home(), Home::Of(Bucket::new(77)));
        assert!(order.split(|bucket| bucket).is_empty());
    }
}
