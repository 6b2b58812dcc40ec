//! What a core was told of the settings that the control shard keeps. It learns them from orders, which tell it at once, and
//! from what the store says with each beat. The two must not overtake each other: a beat that was asked for before an order
//! came may say what was before it.

use std::time::Duration;

use mainspring_core::event::Settings;

/// See the module.
#[derive(Debug)]
pub struct Followed {
    settings: Option<Settings>,
    /// What the store was asked for before then counts no more, by the monotonic clock.
    since: Duration,
}

impl Default for Followed {
    /// Of a shard that does not serve yet.
    fn default() -> Self {
        Self { settings: None, since: Duration::MAX }
    }
}

impl Followed {
    /// Whether the core is to be told what the store was asked for at `asked_at`.
    pub fn lacks(&self, settings: &Settings, asked_at: Duration) -> bool {
        asked_at >= self.since && self.settings.as_ref() != Some(settings)
    }

    /// It was told.
    pub fn told(&mut self, settings: &Settings) {
        self.settings = Some(settings.clone());
    }

    /// The shard begins to serve, its core was loaded anew, or it was ordered to change a setting: what the store is asked for
    /// from now on is told in any case.
    pub fn anew(&mut self, now: Duration) {
        *self = Self { settings: None, since: now };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn what_was_asked_for_before_an_order_is_not_told_after_it() {
        let (before, mut after) = (Settings::default(), Settings::default());
        after.paused_queues.insert("q".into());
        let mut followed = Followed::default();
        assert!(!followed.lacks(&before, AT(1)), "it does not serve yet");
        followed.anew(AT(10));
        assert!(!followed.lacks(&before, AT(9)));
        assert!(followed.lacks(&before, AT(10)));
        followed.told(&before);
        assert!(!followed.lacks(&before, AT(11)));
        followed.anew(AT(20));
        assert!(!followed.lacks(&before, AT(19)), "an order came meanwhile");
        assert!(followed.lacks(&before, AT(20)), "whatever became of the order, the store's word is told");
        followed.told(&before);
        assert!(followed.lacks(&after, AT(21)));
    }
}
