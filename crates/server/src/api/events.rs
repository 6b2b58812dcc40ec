//! The event feed as server-sent events: resumed from any id that is still kept, with a `gap` where it is not.

use std::sync::Arc;

use mainspring_core::id::{Key, Name};
use mainspring_core::row::{FeedPosition, Transition, TransitionKind};
use mainspring_core::time::Timestamp;
use mainspring_protocol::problem::{Code, Problem};
use mainspring_protocol::view::{EventView, GapView, event_id, event_word, parse_event_id};
use mainspring_store::{FeedPage, ShardId};
use serde_json::json;

use super::call::{Answer, Call, Refused};
use super::jobs;
use super::names::Names;
use super::params::{bad, cut, did_you_mean};
use super::reply::not_read;
use super::route::{AnswerKind, Param, Route};
use super::state::Api;
use super::stream::{self, Closed, Listener};
use super::wait::Wakes;

/// Events read at once.
const EVENTS_PER_READ: usize = 500;
/// The beginning of the feed.
const START: FeedPosition = FeedPosition { commit: 0, index: 0 };
const AFTER: Param =
    Param { name: "after", kind: "string", about: "Starts after this event, as the header `Last-Event-ID` does." };
const TYPE: Param =
    Param { name: "type", kind: "string", about: "Only events of these types, with commas between them." };

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/events", "events", "What happens, as server-sent events", |call| Box::pin(all(call)))
            .query(&[Param { name: "jobId", kind: "string", about: "Only events of this job." }, TYPE, AFTER])
            .answers(AnswerKind::Events),
        Route::get(
            "/api/v1/jobs/{jobId}/events",
            "eventsOfJob",
            "What happens to a job, from its submission to its end, as server-sent events",
            |call| Box::pin(of_job(call)),
        )
        .query(&[TYPE, AFTER])
        .answers(AnswerKind::Events),
    ]
}

async fn all(call: Call) -> Answer {
    let job = match call.params.text("jobId") {
        Some(id) => Some(super::address::job(&call.api, id, call.tenant().as_ref()).await?.key),
        None => None,
    };
    let from = match resumed(&call)? {
        Some(position) => position,
        None => call.api.reader.feed(ShardId::CONTROL, START, 1).await.map_err(not_read)?.latest,
    };
    open(&call, from, job, false)
}

async fn of_job(call: Call) -> Answer {
    let job = call.job().await?;
    let from = match resumed(&call)? {
        Some(position) => position,
        None => position_before(&call.api, job.created_at).await?,
    };
    open(&call, from, Some(job.key), true)
}

fn open(call: &Call, after: FeedPosition, job: Option<Key>, until_end: bool) -> Answer {
    let follow = Follow {
        api: Arc::clone(&call.api),
        names: Names::default(),
        after,
        job,
        tenant: call.tenant(),
        kinds: kinds(call)?,
        until_end,
    };
    stream::open(&call.api, |listener| follow.run(listener))
}

/// Where the client wants to go on.
fn resumed(call: &Call) -> Result<Option<FeedPosition>, Refused> {
    let text = match call.params.text("after") {
        Some(text) => Some(text),
        None => call.header("last-event-id")?.map(str::trim).filter(|text| !text.is_empty()),
    };
    let Some(text) = text else { return Ok(None) };
    let position = parse_event_id(text).ok_or_else(|| {
        let problem = Problem::new(Code::InvalidCursor, format!("`{}` is not the id of an event", cut(text)));
        Box::new(problem.with_hint("send the `eventId` of an event as it is"))
    })?;
    Ok(Some(position))
}

fn kinds(call: &Call) -> Result<Vec<TransitionKind>, Refused> {
    let find = |word: &str| {
        TransitionKind::ALL.into_iter().find(|kind| event_word(*kind).eq_ignore_ascii_case(word)).ok_or_else(|| {
            let hint = did_you_mean(&word.to_uppercase(), TransitionKind::ALL.into_iter().map(event_word));
            bad("type", format!("`{}` is not a type of event", cut(word)), hint)
        })
    };
    call.params.words("type").map(find).collect()
}

/// A position before the first event at or after an instant, found by halving: the feed's times never go back.
async fn position_before(api: &Api, at: Timestamp) -> Result<FeedPosition, Refused> {
    let first = api.reader.feed(ShardId::CONTROL, START, 1).await.map_err(not_read)?;
    let (mut low, mut high) = (first.earliest.commit.saturating_sub(1), first.latest.commit);
    while low < high {
        let middle = low + (high - low) / 2;
        // The first event after `middle`: if it is early enough, the wanted position is not before it.
        let after = FeedPosition { commit: middle, index: u32::MAX };
        let page = api.reader.feed(ShardId(0), after, 1).await.map_err(not_read)?;
        match page.items.first() {
            Some((position, event)) if event.at < at => low = position.commit.max(middle + 1).min(high),
            _ => high = middle,
        }
    }
    // One commit earlier, since the events of one commit need not be of one instant.
    Ok(FeedPosition { commit: low.saturating_sub(1).max(first.earliest.commit.saturating_sub(1)), index: u32::MAX })
}

/// One client that follows the feed.
struct Follow {
    api: Arc<Api>,
    names: Names,
    after: FeedPosition,
    job: Option<Key>,
    tenant: Option<Name>,
    kinds: Vec<TransitionKind>,
    /// Ends once the job has ended and its last event was sent.
    until_end: bool,
}

impl Follow {
    async fn run(mut self, listener: Listener) -> Result<(), Closed> {
        let mut wakes = Wakes::new(self.api.node.commits());
        loop {
            // Read before the feed, so that an ended job's last event is in what is read then.
            let over = self.is_over().await;
            let page = self.read().await?;
            let mut out = self.gap(&page);
            let read = page.items.len();
            self.write(&mut out, page.items).await?;
            listener.send(out).await?;
            if read >= EVENTS_PER_READ {
                continue;
            }
            if over {
                let mut out = Vec::new();
                stream::message(&mut out, None, Some("end"), &json!({}));
                return listener.send(out).await;
            }
            if !listener.until(wakes.next()).await? {
                return Ok(());
            }
        }
    }

    async fn is_over(&self) -> bool {
        match self.job {
            Some(job) if self.until_end => {
                // A job that was deleted is over as well.
                jobs::again(&self.api, job).await.map_or(true, |row| row.state.status.is_terminal())
            }
            _ => false,
        }
    }

    async fn read(&self) -> Result<FeedPage, Closed> {
        self.api.reader.feed(ShardId::CONTROL, self.after, EVENTS_PER_READ).await.map_err(|error| {
            tracing::warn!(%error, "an event stream was cut off");
            Closed
        })
    }

    /// Says so if events between what the client has and what is kept are gone.
    fn gap(&mut self, page: &FeedPage) -> Vec<u8> {
        let mut out = Vec::new();
        // A position behind the last event of its commit has missed nothing as long as the next commit is kept.
        let first_wanted = self.after.commit.saturating_add(u64::from(self.after.index == u32::MAX));
        let lost = self.after.commit > 0 && page.earliest.commit > first_wanted;
        let ahead = self.after.commit > page.latest.commit;
        if lost || ahead {
            let earliest = if ahead { page.latest } else { page.earliest };
            stream::message(&mut out, None, Some("gap"), &GapView { earliest: event_id(earliest) });
            if ahead {
                self.after = page.latest;
            }
        }
        out
    }

    async fn write(&mut self, out: &mut Vec<u8>, items: Vec<(FeedPosition, Transition)>) -> Result<(), Closed> {
        if let Some((last, _)) = items.last() {
            self.after = *last;
        }
        let fits = |event: &Transition| {
            self.job.is_none_or(|job| event.job == Some(job))
                && (self.kinds.is_empty() || self.kinds.contains(&event.kind))
        };
        let items: Vec<_> = items.into_iter().filter(|(_, event)| fits(event)).collect();
        let tasks = items.iter().filter_map(|(_, event)| event.task);
        let jobs = items.iter().filter_map(|(_, event)| event.job);
        self.names.learn(&self.api, tasks, jobs).await.map_err(|_| Closed)?;
        for (position, event) in &items {
            if let Some(tenant) = &self.tenant
                && event.task.or(event.job).is_some()
                && self.names.tenant(event.task, event.job) != Some(tenant)
            {
                continue;
            }
            let task = event.task.and_then(|key| self.names.task(key));
            let job = event.job.and_then(|key| self.names.job(key));
            let view = EventView::from_transition(*position, event, task, job);
            stream::message(out, Some(&view.event_id), None, &view);
        }
        Ok(())
    }
}
