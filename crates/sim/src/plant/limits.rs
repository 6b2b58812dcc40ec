//! Bugs about limits: the core is told looser ones than are written.

use std::sync::Arc;

use mainspring_core::permit::{KeyBound, KeyLimits, Rate};
use mainspring_core::spec::TaskSpec;

use super::{Plant, Planted};

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
