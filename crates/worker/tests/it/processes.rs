//! Looks for what an attempt left behind.

use std::collections::BTreeSet;
use std::time::Duration;

/// The zombies there were before, so that only new ones count.
pub(crate) struct Zombies(BTreeSet<u32>);

impl Zombies {
    pub(crate) fn before() -> Self {
        Self(zombies())
    }

    /// Waits for a moment without new zombies. Those of attempts that end just now pass; one that stays does not.
    pub(crate) async fn none_are_new(&self) {
        eventually("no new zombie", || zombies().is_subset(&self.0)).await;
    }
}

/// Zombies that this process or the system's first one would have to reap.
fn zombies() -> BTreeSet<u32> {
    let own = std::process::id();
    let stats = pids().filter_map(|pid| Some((pid, std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)));
    stats
        .filter(|(_, stat)| {
            let mut fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ');
            let (state, parent) = (fields.next(), fields.next().and_then(|parent| parent.parse::<u32>().ok()));
            state == Some("Z") && (parent == Some(own) || parent == Some(1))
        })
        .map(|(pid, _)| pid)
        .collect()
}

/// Live processes that carry this text in their command line or environment.
pub(crate) fn carrying(text: &str) -> Vec<u32> {
    let carries = |pid: &u32| {
        *pid != std::process::id()
            && ["cmdline", "environ"].iter().any(|file| {
                std::fs::read(format!("/proc/{pid}/{file}"))
                    .is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(text))
            })
    };
    pids().filter(carries).collect()
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").expect("a Linux system").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Looks again and again until it holds; a minute is too long.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let looks = async {
        let mut pause = tokio::time::interval(Duration::from_millis(5));
        while !holds() {
            pause.tick().await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(60), looks).await.is_ok(), "{what}");
}
