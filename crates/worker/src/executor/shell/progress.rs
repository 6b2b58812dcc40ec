//! What a command says about itself while it runs: the last line of the file that `MAINSPRING_PROGRESS` names, a JSON
//! object `{"percent", "message", "checkpoint"}`. It may be written anew each time, or grow by a line.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::feed::{CHECKPOINT_BYTES_MAX, Feed, Step};

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Bytes of the file's end that are read: a checkpoint, a message and their line break.
const TAIL_BYTES: u64 = CHECKPOINT_BYTES_MAX as u64 * 2;

/// One line of the file.
#[derive(Deserialize)]
struct Line {
    percent: Option<f64>,
    message: Option<String>,
    checkpoint: Option<Box<RawValue>>,
}

/// The eye on the file.
pub(super) struct Watcher {
    path: PathBuf,
    feed: Arc<Feed>,
    /// Length and time of the file when it was read last.
    seen: Option<(u64, Option<SystemTime>)>,
}

impl Watcher {
    pub(super) fn new(path: &Path, feed: &Arc<Feed>) -> Self {
        Self { path: path.to_owned(), feed: Arc::clone(feed), seen: None }
    }

    /// Looks again and again; never resolves.
    pub(super) async fn watch(&mut self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            self.look();
        }
    }

    /// Passes on what the file says, if it has changed. It is the program's, so anything may stand there: what is no such
    /// line, perhaps half written, says nothing.
    pub(super) fn look(&mut self) {
        let Ok(found) = std::fs::symlink_metadata(&self.path) else { return };
        let now = (found.len(), found.modified().ok());
        if !found.is_file() || found.len() == 0 || self.seen == Some(now) {
            return;
        }
        if let Some(line) = last_line(&self.path, found.len()) {
            self.seen = Some(now);
            let percent = line.percent.map(|percent| percent.clamp(0.0, 100.0));
            self.feed.progress(Step { percent, message: line.message, checkpoint: line.checkpoint });
        }
    }
}

fn last_line(path: &Path, bytes: u64) -> Option<Line> {
    let mut file = File::open(path).ok()?;
    file.seek(SeekFrom::Start(bytes.saturating_sub(TAIL_BYTES))).ok()?;
    let mut tail = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut tail).ok()?;
    let text = String::from_utf8_lossy(&tail);
    let whole = serde_json::from_str(text.trim()).ok();
    whole.or_else(|| text.lines().rev().take(2).find_map(|line| serde_json::from_str(line.trim()).ok()))
}
