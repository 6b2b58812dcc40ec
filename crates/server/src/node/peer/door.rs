//! The side that is asked: takes each request of somebody who knows the key, once, and no other.
//!
//! A request is good for [`SKEW_MS_MAX`] on either side of its time, so its number is remembered for twice that.

use std::collections::HashSet;
use std::mem;
use std::sync::{Mutex, PoisonError};

use hyper::HeaderMap;

use super::{AT, Key, NONCE, Nonce, SEAL, parse_seal, seal_request};

/// How far the clocks of two nodes may be apart, in milliseconds, the time that a request travels included.
pub(super) const SKEW_MS_MAX: u64 = 5 * 60_000;
/// How long a number is remembered at least, in milliseconds.
pub(super) const REMEMBERED_MS: u64 = 2 * SKEW_MS_MAX;
/// Numbers in one of the two generations, about 40 MB.
const GENERATION_MAX: usize = 1 << 21;

/// Why a request was not let in. Nothing of it was carried out now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct Denied {
    reason: Reason,
    nonce: Option<Nonce>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Reason {
    #[error("the request has no seal, or no readable one")]
    Unsealed,
    #[error("the seal is wrong: the request was changed, or this node has another cluster key")]
    Seal,
    #[error("the clocks of the nodes are {skew_ms} ms apart, the limit is {SKEW_MS_MAX} ms")]
    Clock { skew_ms: u64 },
    #[error("the request is too old for a node under this load")]
    Forgotten,
    #[error("the request was taken before")]
    Replay,
}

impl Denied {
    #[cfg(test)]
    pub(super) fn reason(&self) -> &Reason {
        &self.reason
    }

    /// With which status to say so: 401, or 409 for what was taken before, of which nobody can say here that nothing was
    /// carried out.
    pub(crate) fn status(&self) -> u16 {
        if self.reason == Reason::Replay { 409 } else { 401 }
    }

    /// What to seal the answer with, if the request named a number.
    pub(crate) fn nonce(&self) -> Option<&Nonce> {
        self.nonce.as_ref()
    }
}

/// Lets requests in.
#[derive(Debug, Default)]
pub(crate) struct Door {
    seen: Mutex<Seen>,
}

/// The numbers of the requests that were let in, in two generations: the older one is dropped when the younger one is old
/// enough to be all that must be remembered.
#[derive(Debug, Default)]
struct Seen {
    young: Generation,
    old: Generation,
    /// When `young` began, in milliseconds since the Unix epoch.
    since_ms: i64,
    /// Numbers of requests from this time and before may have been dropped too early.
    forgotten_at_ms: Option<i64>,
}

#[derive(Debug, Default)]
struct Generation {
    nonces: HashSet<Nonce>,
    /// The newest time of a request in it.
    newest_ms: Option<i64>,
}

impl Door {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Checks the seal of a request; gives what its answer must be sealed with.
    ///
    /// # Errors
    /// If the request is not to be carried out.
    pub(crate) fn admit(
        &self,
        key: &Key,
        method: &str,
        path: &str,
        headers: &HeaderMap,
        body: &[u8],
        now_ms: i64,
    ) -> Result<Nonce, Denied> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let nonce = text(NONCE).and_then(Nonce::parse);
        let denied = |reason| Denied { reason, nonce };
        let at_ms = text(AT).and_then(|at| at.parse::<i64>().ok());
        let (Some(nonce), Some(at_ms), Some(seal)) = (nonce, at_ms, text(SEAL).and_then(parse_seal)) else {
            return Err(denied(Reason::Unsealed));
        };
        if seal != seal_request(key, method, path, at_ms, nonce, body) {
            return Err(denied(Reason::Seal));
        }
        let skew_ms = at_ms.abs_diff(now_ms);
        if skew_ms > SKEW_MS_MAX {
            return Err(denied(Reason::Clock { skew_ms }));
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.take(nonce, at_ms, now_ms, GENERATION_MAX).map_err(denied)?;
        Ok(nonce)
    }
}

impl Seen {
    fn take(&mut self, nonce: Nonce, at_ms: i64, now_ms: i64, generation_max: usize) -> Result<(), Reason> {
        if self.young.nonces.contains(&nonce) || self.old.nonces.contains(&nonce) {
            return Err(Reason::Replay);
        }
        if self.forgotten_at_ms.is_some_and(|forgotten| at_ms <= forgotten) {
            return Err(Reason::Forgotten);
        }
        let is_over = now_ms.saturating_sub(self.since_ms) >= REMEMBERED_MS as i64;
        if is_over || self.young.nonces.len() >= generation_max {
            let dropped = mem::replace(&mut self.old, mem::take(&mut self.young));
            if !is_over {
                self.forgotten_at_ms = self.forgotten_at_ms.max(dropped.newest_ms);
            }
            self.since_ms = now_ms;
        }
        self.young.nonces.insert(nonce);
        self.young.newest_ms = self.young.newest_ms.max(Some(at_ms));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_795_000_000_000;

    #[test]
    fn a_number_is_remembered_for_as_long_as_its_request_is_good() {
        let mut seen = Seen::default();
        seen.take(Nonce(1), NOW_MS + SKEW_MS_MAX as i64, NOW_MS, 10).expect("it is new");
        for (number, after_ms) in (10..).zip((0..=REMEMBERED_MS as i64).step_by(60_000)) {
            seen.take(Nonce(number), NOW_MS + after_ms, NOW_MS + after_ms, 100).expect("it is new");
            let again = seen.take(Nonce(1), NOW_MS + SKEW_MS_MAX as i64, NOW_MS + after_ms, 100);
            assert_eq!(again, Err(Reason::Replay), "after {after_ms} ms");
        }
    }

    #[test]
    fn numbers_are_forgotten_when_their_requests_are_too_old() {
        let mut seen = Seen::default();
        for number in 0..1_000_u32 {
            let now_ms = NOW_MS + i64::from(number) * 60_000;
            seen.take(Nonce(number.into()), now_ms, now_ms, 1_000_000).expect("it is new");
            assert!(seen.young.nonces.len() + seen.old.nonces.len() <= 20, "two generations of ten minutes");
        }
        assert_eq!(seen.forgotten_at_ms, None);
    }

    #[test]
    fn a_flood_bounds_memory_and_lets_no_request_in_twice() {
        let mut seen = Seen::default();
        for number in 0..100_u32 {
            let at_ms = NOW_MS + i64::from(number);
            seen.take(Nonce(number.into()), at_ms, at_ms, 10).expect("it is new");
            assert!(seen.young.nonces.len() <= 10 && seen.old.nonces.len() <= 10);
        }
        for number in 0..100_u32 {
            let at_ms = NOW_MS + i64::from(number);
            seen.take(Nonce(number.into()), at_ms, NOW_MS + 100, 10).expect_err("it was taken before");
        }
    }
}
