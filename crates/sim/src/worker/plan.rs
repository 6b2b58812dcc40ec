//! What an attempt will do: decided when it is granted.

use mainspring_core::effect::Grant;
use mainspring_core::task::{Failure, Outcome};

use super::{Run, Worker, ended};
use crate::rng::Rng;
use crate::workload::ERRORS;

impl Worker {
    /// Decides what this attempt will do.
    pub(super) fn plan(&mut self, grant: &Grant, now_ms: i64) -> Run {
        let rng = &mut self.rng;
        let token = grant.token;
        let policy = &grant.spec.policy;
        let mut end = ended(token, Outcome::Success);
        let mut lasts_ms = Some(rng.range(0, 40) as i64);
        let fails = match &*grant.spec.kind {
            "flaky" => rng.percent(50),
            "bad" => rng.percent(90),
            _ => false,
        };
        if fails {
            end.outcome = Outcome::Failure;
            end.error = Some(failure(rng));
            end.retryable = *rng.pick(&[None, None, None, Some(true), Some(false)]);
            end.retry_after_ms = rng.percent(20).then(|| rng.below(4_000));
        } else if &*grant.spec.kind == "snooze" && rng.percent(50) {
            end.outcome = Outcome::Snoozed;
            end.retry_after_ms = Some(rng.range(1, 4_000));
        } else if rng.percent(40) {
            end.output = Some(format!("{{\"n\":{}}}", rng.below(100)).into());
        }
        if &*grant.spec.kind == "slow" {
            lasts_ms = Some(rng.range(10, self.lease_ms * 2) as i64);
        }
        if &*grant.spec.kind == "hang" {
            lasts_ms = None;
        }
        if let Some(timeout) = policy.timeout_ms
            && lasts_ms.is_none_or(|ms| ms > timeout as i64)
        {
            // Now and then the worker fails to see to it, and the core has to.
            lasts_ms = rng.percent(80).then_some(timeout as i64);
            end = ended(token, Outcome::Timeout);
            end.error = Some(Failure { kind: "timeout".into(), message: "too long".into(), trace: None });
        }
        let every_ms = policy.heartbeat_timeout_ms.map_or(700, |ms| (ms / 4).max(1) as i64);
        let beats = if policy.heartbeat_timeout_ms.is_some() { rng.percent(75) } else { rng.percent(15) };
        Run {
            ends_ms: lasts_ms.map(|ms| now_ms + ms),
            ended: end,
            beats,
            next_beat_ms: now_ms + every_ms,
            beat_every_ms: every_ms,
            chunks: 0,
        }
    }
}

fn failure(rng: &mut Rng) -> Failure {
    Failure { kind: (*rng.pick(&ERRORS)).into(), message: "it failed".into(), trace: None }
}
