//! The answers of several shards as one.

use std::collections::BTreeMap;

use mainspring_core::effect::{Answer, Figures, SessionView};
use mainspring_core::id::SessionId;
use mainspring_core::row::Directive;
use mainspring_core::schedule::ScheduleFigures;

use crate::node::CallError;

/// Puts answers of one kind together.
pub(super) fn answers(parts: Vec<Answer>) -> Result<Answer, CallError> {
    let mut parts = parts.into_iter();
    // No shard was concerned: nothing was taken.
    let Some(first) = parts.next() else { return Ok(Answer::Took(Vec::new())) };
    Ok(parts.fold(first, |sum, part| match (sum, part) {
        (Answer::Took(mut sum), Answer::Took(part)) => {
            sum.extend(part);
            Answer::Took(sum)
        }
        (Answer::Figures(sum), Answer::Figures(part)) => Answer::Figures(Box::new(figures(*sum, *part))),
        (Answer::Sessions(sum), Answer::Sessions(part)) => Answer::Sessions(sessions(sum, part)),
        (sum, _) => sum,
    }))
}

fn figures(sum: Figures, part: Figures) -> Figures {
    let add = |sum: Vec<u64>, part: Vec<u64>| {
        let (mut long, short) = if sum.len() >= part.len() { (sum, part) } else { (part, sum) };
        long.iter_mut().zip(short).for_each(|(sum, part)| *sum += part);
        long
    };
    let mut paused = sum.paused_queues;
    paused.extend(part.paused_queues);
    paused.sort_unstable();
    paused.dedup();
    let resident =
        (sum.resident.0 + part.resident.0, sum.resident.1 + part.resident.1, sum.resident.2 + part.resident.2);
    Figures {
        tasks: by_name(sum.tasks.into_iter().chain(part.tasks).map(|(a, b, n)| ((a, b), n)), |a, b| a + b)
            .map(|((a, b), n)| (a, b, n))
            .collect(),
        attempts: by_name(sum.attempts.into_iter().chain(part.attempts).map(|(a, b, c, n)| ((a, b, c), n)), |a, b| {
            a + b
        })
        .map(|((a, b, c), n)| (a, b, c, n))
        .collect(),
        retries: by_name(sum.retries.into_iter().chain(part.retries).map(|(a, b, n)| ((a, b), n)), |a, b| a + b)
            .map(|((a, b), n)| (a, b, n))
            .collect(),
        ready_age_ms: by_name(sum.ready_age_ms.into_iter().chain(part.ready_age_ms), u64::max).collect(),
        resident,
        leases: sum.leases + part.leases,
        paused_queues: paused,
        // All shards follow the control shard, which answers first.
        limits: if sum.limits.is_empty() { part.limits } else { sum.limits },
        start_latency: add(sum.start_latency, part.start_latency),
        start_latency_sum_ms: sum.start_latency_sum_ms + part.start_latency_sum_ms,
        duration: add(sum.duration, part.duration),
        duration_sum_ms: sum.duration_sum_ms + part.duration_sum_ms,
        schedules: schedules(sum.schedules, &part.schedules),
    }
}

fn schedules(mut sum: ScheduleFigures, part: &ScheduleFigures) -> ScheduleFigures {
    let counts = [(&mut sum.active, part.active), (&mut sum.paused, part.paused), (&mut sum.fired, part.fired)];
    counts.into_iter().for_each(|(sum, part)| *sum += part);
    sum.passed.iter_mut().zip(part.passed).for_each(|(sum, part)| *sum += part);
    sum.lag.iter_mut().zip(part.lag).for_each(|(sum, part)| *sum += part);
    sum.lag_sum_ms += part.lag_sum_ms;
    sum
}

fn by_name<K: Ord>(
    entries: impl Iterator<Item = (K, u64)>,
    join: fn(u64, u64) -> u64,
) -> impl Iterator<Item = (K, u64)> {
    let mut sums: BTreeMap<K, u64> = BTreeMap::new();
    for (name, number) in entries {
        sums.entry(name).and_modify(|sum| *sum = join(*sum, number)).or_insert(number);
    }
    sums.into_iter()
}

/// A session is known to several shards: it runs what it runs in each of them.
fn sessions(sum: Vec<SessionView>, part: Vec<SessionView>) -> Vec<SessionView> {
    let mut all: BTreeMap<SessionId, SessionView> = sum.into_iter().map(|view| (view.session.clone(), view)).collect();
    for view in part {
        let Some(known) = all.get_mut(&view.session) else {
            all.insert(view.session.clone(), view);
            continue;
        };
        known.running.extend(view.running);
        known.credits = known.credits.saturating_add(view.credits);
        known.since = known.since.min(view.since);
        known.directive = stronger(known.directive, view.directive);
        if view.heard_at > known.heard_at {
            known.heard_at = view.heard_at;
            known.offer = view.offer;
        }
    }
    all.into_values().collect()
}

/// What counts where shards say different things: the last word reaches them one after the other.
pub(super) fn stronger(a: Directive, b: Directive) -> Directive {
    match (a, b) {
        (Directive::Drain, _) | (_, Directive::Drain) => Directive::Drain,
        (Directive::Pause, _) | (_, Directive::Pause) => Directive::Pause,
        (Directive::Run, Directive::Run) => Directive::Run,
    }
}

#[cfg(test)]
mod tests {
    use mainspring_core::task::TaskStatus;

    use super::*;

    #[test]
    fn figures_of_shards_add_up() {
        let of = |queue: &str, ready, age| Figures {
            tasks: vec![(queue.into(), TaskStatus::Ready, ready)],
            ready_age_ms: vec![(queue.into(), age)],
            paused_queues: vec!["p".into()],
            start_latency: vec![1, 2],
            leases: 3,
            ..Figures::default()
        };
        let sum = figures(figures(of("a", 2, 5), of("a", 3, 4)), of("b", 7, 1));
        assert_eq!(sum.tasks, [("a".into(), TaskStatus::Ready, 5), ("b".into(), TaskStatus::Ready, 7)]);
        assert_eq!(sum.ready_age_ms, [("a".into(), 5), ("b".into(), 1)]);
        assert_eq!((sum.paused_queues, sum.start_latency, sum.leases), (vec!["p".into()], vec![3, 6], 9));
    }
}
