//! Reloads the configuration when somebody asks for it, or when its file has changed.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::api::Api;
use crate::config::Reloader;

/// From one look at the file to the next.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Watches until the server stops.
pub(crate) fn keep(api: &Arc<Api>) {
    if api.reloader.is_none() {
        return;
    }
    let api = Arc::clone(api);
    let producers = api.producers.clone();
    producers.spawn(async move {
        let Some(reloader) = &api.reloader else { return };
        let path = reloader.reloading.layers.path();
        let look = || path.as_deref().and_then(state_of);
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut loaded, mut seen) = (look(), look());
        loop {
            tokio::select! {
                biased;
                () = api.stop.cancelled() => return,
                () = reloader.reloading.asked.notified() => {
                    loaded = look();
                    reload(&api, reloader, "signal").await;
                }
                _ = looks.tick() => {
                    let now = look();
                    // What is being written still changes from one look to the next.
                    let still = now == seen && now.is_some();
                    seen = now;
                    if still && now != loaded {
                        loaded = now;
                        reload(&api, reloader, "file").await;
                    }
                }
            }
        }
    });
}

async fn reload(api: &Api, reloader: &Reloader, actor: &str) {
    if let Err(error) = reloader.reload(api, actor.into()).await {
        tracing::error!(%error, "the configuration was not reloaded; what was good before still holds");
    }
}

/// What changes when the file does, behind all links.
fn state_of(path: &Path) -> Option<(SystemTime, u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let about = std::fs::metadata(path).ok()?;
    Some((about.modified().ok()?, about.len(), about.ino()))
}
