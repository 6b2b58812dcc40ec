//! Bugs about limits: the core is told looser ones than are written.

use std::sync::Arc;

use mainspring_core::permit::{KeyBound, KeyLimits, LimitRow, LimitsPatch, Rate};
use mainspring_core::spec::TaskSpec;

use super::{Plant, Planted};

/// So much more than it says a quota lets in that is told too loose.
const LOOSE: u64 = 3;

impl Planted {
    /// What the core is told of a task's limits.
    pub(super) fn loosen(&mut self, spec: &mut Arc<TaskSpec>) {
        let limits: KeyLimits = spec
            .limits
            .iter()
            .cloned()
            .map(|mut limit| {
                limit.bound = match limit.bound {
                    KeyBound::Running(max) if self.strikes_often(Plant::LimitOffByOne, 100) => {
                        KeyBound::Running(max + 1)
                    }
                    KeyBound::Starts(rate) if self.strikes_often(Plant::OverfullBucket, 100) => {
                        KeyBound::Starts(Rate { burst: rate.burst + 1, ..rate })
                    }
                    bound => bound,
                };
                limit
            })
            .collect();
        if limits != spec.limits {
            *spec = Arc::new(TaskSpec { limits, ..TaskSpec::clone(spec) });
        }
    }

    /// What the core is told of a tenant's quota.
    pub(super) fn loosen_quota(&mut self, patch: &mut LimitsPatch) {
        if let Some(Some(max)) = &mut patch.max_backlog
            && self.strikes_often(Plant::LooseQuota, 100)
        {
            *max += LOOSE;
        }
    }

    /// What is written of it: as it was set.
    pub(super) fn tighten_quota(&self, row: &mut LimitRow) {
        if let Some(max) = row.limits.max_backlog.filter(|_| self.plant == Plant::LooseQuota) {
            row.limits.max_backlog = Some(max.saturating_sub(LOOSE));
        }
    }

    /// What is written of them: as they were submitted.
    pub(super) fn tighten(&self, spec: &mut Arc<TaskSpec>) {
        let limits: KeyLimits = spec
            .limits
            .iter()
            .cloned()
            .map(|mut limit| {
                limit.bound = match limit.bound {
                    KeyBound::Running(max) if self.plant == Plant::LimitOffByOne => KeyBound::Running(max - 1),
                    KeyBound::Starts(rate) if self.plant == Plant::OverfullBucket => {
                        KeyBound::Starts(Rate { burst: rate.burst - 1, ..rate })
                    }
                    bound => bound,
                };
                limit
            })
            .collect();
        if limits != spec.limits {
            *spec = Arc::new(TaskSpec { limits, ..TaskSpec::clone(spec) });
        }
    }
}
