//! Which session speaks for a `workerId`, and what to do about two live processes that use one.
//!
//! A new session replaces the old one, as after a restart. If the replaced one turns out to be alive it may take its
//! place back, but only twice a minute: after that the one that lost the place stays out, so that the two do not end each
//! other's work for ever.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use mainspring_core::id::{Name, SessionId};

/// Swaps within [`WINDOW`] after which a replaced session stays out.
const SWAPS_MAX: usize = 2;
const WINDOW: Duration = Duration::from_secs(60);
/// How long a replaced session is remembered after it was last heard of.
const REPLACED_FOR: Duration = Duration::from_secs(600);

/// What becomes of a session that was not known.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It speaks for its worker.
    Fresh,
    /// It speaks for its worker in place of this one, whose work ends.
    Replaces(SessionId),
    /// Another live process speaks for the worker.
    Refused,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Workers {
    by_id: HashMap<Name, Place>,
}

#[derive(Debug, Default)]
struct Place {
    current: Option<SessionId>,
    replaced: Vec<(SessionId, Duration)>,
    swaps: VecDeque<Duration>,
}

impl Workers {
    /// A session that was not known calls.
    pub(super) fn arrive(&mut self, worker: &Name, session: &SessionId, now: Duration) -> Arrival {
        let place = self.by_id.entry(worker.clone()).or_default();
        while place.swaps.front().is_some_and(|at| *at + WINDOW < now) {
            place.swaps.pop_front();
        }
        let Some(old) = place.current.take_if(|current| current != session) else {
            place.current = Some(session.clone());
            return Arrival::Fresh;
        };
        let seen = place.replaced.iter_mut().find(|(replaced, _)| replaced == session);
        if let Some((_, heard_at)) = seen
            && place.swaps.len() >= SWAPS_MAX
        {
            // As long as the loser keeps knocking, it stays the loser.
            *heard_at = now;
            place.swaps.iter_mut().for_each(|at| *at = now);
            place.current = Some(old);
            return Arrival::Refused;
        }
        place.replaced.retain(|(replaced, _)| replaced != session);
        place.replaced.push((old.clone(), now));
        place.swaps.push_back(now);
        place.current = Some(session.clone());
        Arrival::Replaces(old)
    }

    /// A session left, or fell silent.
    pub(super) fn leave(&mut self, worker: &Name, session: &SessionId) {
        if let Some(place) = self.by_id.get_mut(worker)
            && place.current.as_ref() == Some(session)
        {
            place.current = None;
        }
    }

    /// Forgets what no longer matters.
    pub(super) fn sweep(&mut self, now: Duration) {
        self.by_id.retain(|_, place| {
            place.replaced.retain(|(_, heard_at)| *heard_at + REPLACED_FOR > now);
            place.current.is_some() || !place.replaced.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn two_live_processes_of_one_worker_are_told_apart_after_two_swaps() {
        let mut workers = Workers::default();
        let (worker, a, b): (Name, Name, Name) = ("w".into(), "a".into(), "b".into());
        assert_eq!(workers.arrive(&worker, &a, seconds(0)), Arrival::Fresh);
        assert_eq!(workers.arrive(&worker, &b, seconds(1)), Arrival::Replaces(a.clone()));
        assert_eq!(workers.arrive(&worker, &a, seconds(2)), Arrival::Replaces(b.clone()));
        for second in [3, 30, 59, 80, 119, 150] {
            assert_eq!(workers.arrive(&worker, &b, seconds(second)), Arrival::Refused, "after {second} s");
        }
        workers.leave(&worker, &a);
        assert_eq!(workers.arrive(&worker, &b, seconds(160)), Arrival::Fresh);
    }

    #[test]
    fn a_worker_that_restarts_again_and_again_is_let_in() {
        let mut workers = Workers::default();
        let worker: Name = "w".into();
        workers.arrive(&worker, &"s0".into(), seconds(0));
        for second in 1..20 {
            let arrival = workers.arrive(&worker, &format!("s{second}").into(), seconds(second));
            assert_eq!(arrival, Arrival::Replaces(format!("s{}", second - 1).into()));
        }
    }

    #[test]
    fn the_present_session_may_resume() {
        let mut workers = Workers::default();
        let worker: Name = "w".into();
        workers.arrive(&worker, &"s".into(), seconds(0));
        assert_eq!(workers.arrive(&worker, &"s".into(), seconds(1)), Arrival::Fresh);
    }
}
