//! Compares a core that is loaded from the store with the live one (I4).

use mainspring_core::driver::{Driver, Io};
use mainspring_core::time::Timestamp;

use super::World;
use super::node::IOS_MAX;
use crate::check::{Verdict, ensure};

impl World {
    /// I4: a driver loaded from the store now says the same of itself as the live one.
    pub(super) fn compare_recovery(&mut self, index: usize) -> Verdict {
        let shard = self.shard_of(index);
        let due = self.config.recovery_always || self.rng.permille(30);
        if !due || index != self.shards[shard].owner {
            return Ok(());
        }
        let node = &self.posts[index];
        let Some(live) = node.driver.as_ref().filter(|driver| driver.is_idle()).and_then(Driver::canonical) else {
            return Ok(());
        };
        let time = Timestamp::from_millis(node.latest_ms);
        let mut fresh = Driver::new(self.config.shard_config(shard), self.shards[shard].store.snapshot(), time);
        let mut loaded = None;
        let mut read = None;
        for _ in 0..IOS_MAX {
            let io = fresh.poll(time);
            // Taken as soon as the hot rows are in: later pages may bring what expired while it was cold.
            loaded = loaded.or_else(|| fresh.canonical());
            match (io, read.take()) {
                (None, None) => break,
                (None, Some((ticket, set))) => fresh.loaded(ticket, self.shards[shard].store.rows(&set)),
                (Some(Io::Read { ticket, set }), _) => read = Some((ticket, set)),
                (Some(Io::Release(_)), waiting) => read = waiting,
                (Some(Io::Commit { changes, .. }), _) => {
                    self.shards[shard].checker.check_only_expires(&changes)?;
                    break;
                }
            }
        }
        self.shards[shard].checker.sometimes.hit("recovery.compared");
        ensure(loaded.is_some(), "I4", || format!("a loaded core never gets ready: {fresh:?}"))?;
        let (loaded, live) = match shard {
            0 => (loaded, live),
            // What it follows comes with the next beat.
            _ => (loaded.map(without_settings), without_settings(live)),
        };
        ensure(loaded.as_ref() == Some(&live), "I4", || {
            let loaded = loaded.unwrap_or_default();
            let differs = live.lines().zip(loaded.lines()).find(|(live, loaded)| live != loaded);
            format!(
                "a loaded core differs (live, loaded): {differs:?}, {} and {} lines",
                live.lines().count(),
                loaded.lines().count()
            )
        })
    }
}

fn is_setting(line: &str) -> bool {
    line.starts_with("paused ") || line.starts_with("limits ")
}

fn without_settings(text: String) -> String {
    text.lines().filter(|line| !is_setting(line)).map(|line| format!("{line}\n")).collect()
}

/// What a core believes of the settings of the control shard; `None` while anything is under way.
pub(super) fn settings_of(driver: &Driver) -> Option<Vec<String>> {
    let text = driver.canonical()?;
    let lines = text.lines().filter(|line| is_setting(line));
    Some(lines.map(|line| line.split(" running ").next().unwrap_or(line).to_owned()).collect())
}
