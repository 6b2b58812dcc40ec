//! What attempts printed: pages of stored chunks, or a live stream of them.

use std::sync::Arc;

use mainspring_core::id::Key;
use mainspring_protocol::view::{LogView, Page};
use serde_json::json;

use super::call::{Answer, Call, Refused};
use super::cursor;
use super::params::bad;
use super::reply::{not_read, ok};
use super::state::Api;
use super::stream::{self, Closed, Listener};
use super::tasks::again;
use super::wait::Wakes;

/// Chunks read at once by a stream.
const CHUNKS_PER_READ: usize = 64;

/// `GET …/logs`
pub(crate) async fn get(call: Call) -> Answer {
    let follow = call.params.flag("follow")?;
    let wanted = call.params.number("attempt", 1, u64::from(u32::MAX))?.map(|number| number as u32);
    let limit = call.params.limit()?;
    let found = call.task().await?;
    let resumed = call.header("last-event-id")?.filter(|id| !id.is_empty()).map(to_place).transpose()?;
    let streams = follow || call.header("accept")?.is_some_and(|accept| accept.contains("text/event-stream"));
    if !streams {
        let after = call.params.text("cursor").map(cursor::to_index).transpose()?.unwrap_or(0);
        let attempt = wanted.unwrap_or(found.row.state.attempt);
        let page = call.api.reader.logs(found.row.key, attempt, after, limit).await.map_err(not_read)?;
        let more = page.items.len() >= limit;
        let items = page.items.iter().map(LogView::from_row).collect();
        return ok(&Page { items, next_cursor: more.then(|| cursor::of_index(page.next)) });
    }
    let api = Arc::clone(&call.api);
    let (attempt, after) = resumed.unwrap_or((wanted.unwrap_or(found.row.state.attempt), 0));
    let tail = Tail { api, task: found.row.key, only: wanted.is_some(), follow, attempt, after };
    stream::open(&call.api, |listener| tail.run(listener))
}

/// A stream of one task's output.
struct Tail {
    api: Arc<Api>,
    task: Key,
    /// Ends with this attempt, not with the task.
    only: bool,
    follow: bool,
    attempt: u32,
    after: u64,
}

impl Tail {
    async fn run(mut self, listener: Listener) -> Result<(), Closed> {
        let mut wakes = Wakes::new(&self.api.node);
        loop {
            // The row is read first: once it says that the attempt has ended, what is read then is all there is.
            let Ok(row) = again(&self.api, self.task).await else { break };
            let last = row.state.attempt;
            let terminal = row.state.status.is_terminal();
            let running = row.state.last.as_ref().is_none_or(|attempt| attempt.ended_at.is_none());
            let over = if self.only {
                self.attempt < last || self.attempt == last && !running || terminal && self.attempt > last
            } else {
                terminal && self.attempt >= last
            };
            self.send_stored(&listener).await?;
            if !self.follow || over {
                break;
            }
            if !self.only && self.attempt < last {
                self.attempt += 1;
                self.after = 0;
                continue;
            }
            if !listener.until(wakes.next()).await? {
                return Ok(());
            }
        }
        let mut out = Vec::new();
        stream::message(&mut out, None, Some("end"), &json!({}));
        listener.send(out).await
    }

    async fn send_stored(&mut self, listener: &Listener) -> Result<(), Closed> {
        loop {
            let read = self.api.reader.logs(self.task, self.attempt, self.after, CHUNKS_PER_READ).await;
            let page = match read {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(%error, "a log stream was cut off");
                    return Err(Closed);
                }
            };
            if page.items.is_empty() {
                return Ok(());
            }
            let first = page.next - page.items.len() as u64;
            let mut out = Vec::new();
            for (row, place) in page.items.iter().zip(first + 1..) {
                stream::message(&mut out, Some(&of_place(self.attempt, place)), Some("log"), &LogView::from_row(row));
            }
            self.after = page.next;
            listener.send(out).await?;
        }
    }
}

/// The id of a chunk in a stream: its attempt, and how many chunks came up to it.
fn of_place(attempt: u32, after: u64) -> String {
    format!("l{attempt}-{after}")
}

fn to_place(text: &str) -> Result<(u32, u64), Refused> {
    let place = text.strip_prefix('l').and_then(|rest| rest.split_once('-'));
    place
        .and_then(|(attempt, after)| Some((attempt.parse().ok()?, after.parse().ok()?)))
        .ok_or_else(|| bad("Last-Event-ID", "it was not made by this server", None))
}
