//! The last hour in figures: every few seconds what ended, how long it waited, what stands. Kept in memory, so that the
//! dashboard shows a course without any other program.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mainspring_core::effect::{DURATION_BOUNDS_MS, Figures, START_LATENCY_BOUNDS_MS};
use mainspring_core::task::TaskStatus;
use mainspring_protocol::time::Rfc3339;
use mainspring_protocol::view::{HistoryPointView, HistoryView, QuantilesView};

use super::call::{Answer, Call};
use super::metrics::figures;
use super::reply::ok;
use super::route::Route;
use super::state::Api;

/// From one point to the next.
const STEP: Duration = Duration::from_secs(5);
/// Points that are kept: an hour.
const POINTS_MAX: usize = 720;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/stats/history", "statsHistory", "The last hour in figures", |call| Box::pin(get(call)))
            .gives::<HistoryView>(),
    ]
}

async fn get(call: Call) -> Answer {
    ok(&HistoryView { step_seconds: STEP.as_secs(), points: call.api.history.points() })
}

/// The points, and the totals behind the last of them.
#[derive(Default)]
pub(crate) struct History(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    points: VecDeque<HistoryPointView>,
    last: Option<Totals>,
}

/// Totals since the server started, of which points are the differences.
#[derive(Clone, Default)]
struct Totals {
    ended: BTreeMap<String, u64>,
    start_latency: Vec<u64>,
    duration: Vec<u64>,
}

impl History {
    fn points(&self) -> Vec<HistoryPointView> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).points.iter().cloned().collect()
    }

    fn add(&self, at: Rfc3339, figures: &Figures) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Totals::of(figures);
        let before = kept.last.replace(now.clone());
        // The first look only says where counting starts.
        let Some(before) = before else { return };
        let count = |wanted| figures.tasks.iter().filter(|(_, status, _)| *status == wanted).map(|(.., n)| n).sum();
        let ended = now
            .ended
            .iter()
            .map(|(word, total)| (word.clone(), total.saturating_sub(before.ended.get(word).copied().unwrap_or(0))));
        kept.points.push_back(HistoryPointView {
            at,
            ended: ended.filter(|(_, count)| *count > 0).collect(),
            ready: count(TaskStatus::Ready),
            running: figures.leases,
            start_latency: quantiles(&START_LATENCY_BOUNDS_MS, &since(&before.start_latency, &now.start_latency)),
            duration: quantiles(&DURATION_BOUNDS_MS, &since(&before.duration, &now.duration)),
        });
        while kept.points.len() > POINTS_MAX {
            kept.points.pop_front();
        }
    }
}

impl Totals {
    fn of(figures: &Figures) -> Self {
        let mut ended: BTreeMap<String, u64> = BTreeMap::new();
        for (_, _, outcome, count) in &figures.attempts {
            *ended.entry(outcome.word().to_owned()).or_default() += count;
        }
        Self { ended, start_latency: figures.start_latency.clone(), duration: figures.duration.clone() }
    }
}

/// Looks at the figures until the server stops.
pub(crate) fn keep(api: &Arc<Api>) {
    let api = Arc::clone(api);
    let producers = api.producers.clone();
    producers.spawn(async move {
        let mut steps = tokio::time::interval(STEP);
        steps.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = api.stop.cancelled() => return,
                _ = steps.tick() => {}
            }
            tokio::select! {
                biased;
                () = api.stop.cancelled() => return,
                // A shard that does not answer now leaves a gap.
                figures = figures(&api) => if let Ok(figures) = figures {
                    api.history.add(Rfc3339(api.now()), &figures);
                }
            }
        }
    });
}

fn since(before: &[u64], now: &[u64]) -> Vec<u64> {
    now.iter().enumerate().map(|(place, n)| n.saturating_sub(before.get(place).copied().unwrap_or(0))).collect()
}

fn quantiles(bounds: &[u64], buckets: &[u64]) -> Option<QuantilesView> {
    let of = |share| quantile(bounds, buckets, share);
    Some(QuantilesView { p50: of(0.5)?, p95: of(0.95)?, p99: of(0.99)? })
}

/// A quantile by a straight line through its bucket; of the open last bucket, its lower bound. `None`: nothing was counted.
fn quantile(bounds: &[u64], buckets: &[u64], share: f64) -> Option<f64> {
    let total: u64 = buckets.iter().sum();
    let wanted = share * total as f64;
    let mut passed = 0.0;
    let mut lower = 0.0;
    for (place, count) in buckets.iter().enumerate().filter(|_| total > 0) {
        let upper = bounds.get(place).map_or(lower, |bound| *bound as f64);
        let count = *count as f64;
        if count > 0.0 && passed + count >= wanted {
            return Some(lower + (upper - lower) * ((wanted - passed) / count).clamp(0.0, 1.0));
        }
        passed += count;
        lower = upper;
    }
    None
}

#[cfg(test)]
mod tests {
    use mainspring_core::task::Outcome;
    use mainspring_core::time::Timestamp;

    use super::*;

    #[test]
    fn a_quantile_lies_in_its_bucket() {
        assert_eq!(quantile(&[10, 100], &[0, 0, 0], 0.5), None);
        assert_eq!(quantile(&[10, 100], &[4, 0, 0], 0.5), Some(5.0));
        assert_eq!(quantile(&[10, 100], &[1, 9, 0], 0.95), Some(10.0 + 90.0 * 8.5 / 9.0));
        assert_eq!(quantile(&[10, 100], &[0, 0, 3], 0.99), Some(100.0));
    }

    #[test]
    fn points_are_differences_and_at_most_an_hour_of_them() {
        let history = History::default();
        let at = |second: i64| Rfc3339(Timestamp::from_millis(second * 1_000));
        let figures = |count| Figures {
            attempts: vec![("q".into(), "t".into(), Outcome::Success, count)],
            start_latency: vec![count],
            leases: 3,
            ..Figures::default()
        };
        history.add(at(0), &figures(10));
        assert!(history.points().is_empty());
        history.add(at(5), &figures(14));
        history.add(at(10), &figures(14));
        let points = history.points();
        assert_eq!((points[0].ended["success"], points[0].running), (4, 3));
        assert!(points[0].start_latency.is_some() && points[1].start_latency.is_none() && points[1].ended.is_empty());
        for second in 0..1_000 {
            history.add(at(second), &figures(14));
        }
        assert_eq!(history.points().len(), POINTS_MAX);
    }
}
