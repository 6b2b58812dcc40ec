//! The event feed as server-sent events: resumed from any id that is still kept, with a `gap` where it is not.

use std::sync::Arc;

use futures_util::future::try_join_all;
use mainspring_core::id::{Key, Name};
use mainspring_core::row::{FeedPosition, Transition, TransitionKind};
use mainspring_core::time::Timestamp;
use mainspring_protocol::problem::{Code, Problem};
use mainspring_protocol::view::{EventView, GapView, event_id, event_word, parse_stream_position, stream_position};
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
/// Events that a stream may start before the present.
const BACK_MAX: u64 = 1_000;
const BACK: Param = Param {
    name: "back",
    kind: "integer",
    about: "Without `after`: starts with up to this many events (1 to 1000) of before, not only with what comes next.",
};
const TYPE: Param =
    Param { name: "type", kind: "string", about: "Only events of these types, with commas between them." };

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/events", "events", "What happens, as server-sent events", |call| Box::pin(all(call)))
            .query(&[Param { name: "jobId", kind: "string", about: "Only events of this job." }, TYPE, AFTER, BACK])
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
    let shards = shards_of(&call.api, job);
    let from = match resumed(&call)? {
        Some(known) => resume(&call.api, &shards, &known).await?,
        None => {
            let back = call.params.number("back", 1, BACK_MAX)?.map(|events| events.div_ceil(shards.len() as u64));
            try_join_all(shards.into_iter().map(|shard| end_of(&call.api, shard, back))).await?
        }
    };
    open(&call, from, job, false)
}

async fn of_job(call: Call) -> Answer {
    let job = call.job().await?;
    let shards = shards_of(&call.api, Some(job.key));
    let from = match resumed(&call)? {
        Some(known) => resume(&call.api, &shards, &known).await?,
        None => {
            let before = shards.into_iter().map(|shard| position_before(&call.api, shard, job.created_at));
            try_join_all(before).await?
        }
    };
    open(&call, from, Some(job.key), true)
}

/// A place in the feed of a shard.
type At = (ShardId, FeedPosition);

/// The shards whose events are wanted: a job's are all of one.
fn shards_of(api: &Api, job: Option<Key>) -> Vec<ShardId> {
    let shards = api.node.shards();
    job.map_or_else(|| (0..shards).map(ShardId).collect(), |job| vec![ShardId::of_key(job, shards)])
}

/// The end of a shard's feed, or so many events before it.
async fn end_of(api: &Api, shard: ShardId, back: Option<u64>) -> Result<At, Refused> {
    let page = api.reader.feed(shard, START, 1).await.map_err(not_read)?;
    match back {
        Some(events) => Ok((shard, earlier(api, shard, &page, events).await?)),
        None => Ok((shard, page.latest)),
    }
}

/// Goes on after what the client knows. Whoever knows one event only wants, of other shards, what came after its time.
async fn resume(api: &Api, shards: &[ShardId], known: &[At]) -> Result<Vec<At>, Refused> {
    let mut time = None;
    if let [(shard, position)] = known
        && shards.len() > 1
    {
        let before = FeedPosition { index: position.index.saturating_sub(1), ..*position };
        let page = api.reader.feed(*shard, before, 2).await.map_err(not_read)?;
        time = page.items.iter().find(|(at, _)| at == position).map(|(_, event)| event.at);
    }
    let place = |shard: ShardId| async move {
        match (known.iter().find(|(of, _)| *of == shard), time) {
            (Some(at), _) => Ok(*at),
            (None, Some(time)) => position_before(api, shard, time).await,
            // An event that is no longer kept, or never was: there is no telling what the client has missed elsewhere.
            (None, None) if known.len() == 1 => end_of(api, shard, None).await,
            (None, None) => Ok((shard, START)),
        }
    };
    try_join_all(shards.iter().map(|shard| place(*shard))).await
}

fn open(call: &Call, after: Vec<At>, job: Option<Key>, until_end: bool) -> Answer {
    let follow = Follow {
        api: Arc::clone(&call.api),
        names: Names::default(),
        after: after.into_iter().map(|at| Reading { at, read_to: None }).collect(),
        job,
        tenant: call.tenant(),
        kinds: kinds(call)?,
        until_end,
    };
    stream::open(&call.api, |listener| follow.run(listener))
}

/// The earliest position, of those few that are looked at, with at most `events` events behind it: whole commits, and as
/// far back as events are kept.
async fn earlier(api: &Api, shard: ShardId, newest: &FeedPage, events: u64) -> Result<FeedPosition, Refused> {
    let kept_from = newest.earliest.commit.saturating_sub(1);
    let mut found = newest.latest;
    let mut commits = 1;
    while found.commit > kept_from && commits <= BACK_MAX {
        let commit = newest.latest.commit.saturating_sub(commits).max(kept_from);
        let from = FeedPosition { commit, index: u32::MAX };
        let page = api.reader.feed(shard, from, events as usize + 1).await.map_err(not_read)?;
        if page.items.len() as u64 > events {
            break;
        }
        found = from;
        commits *= 2;
    }
    Ok(found)
}

/// Where the client wants to go on.
fn resumed(call: &Call) -> Result<Option<Vec<At>>, Refused> {
    let text = match call.params.text("after") {
        Some(text) => Some(text),
        None => call.header("last-event-id")?.map(str::trim).filter(|text| !text.is_empty()),
    };
    let Some(text) = text else { return Ok(None) };
    let known = parse_stream_position(text).ok_or_else(|| {
        let problem = Problem::new(Code::InvalidCursor, format!("`{}` is not the id of an event", cut(text)));
        Box::new(problem.with_hint("send the `eventId` of an event, or the `id` of a message, as it is"))
    })?;
    Ok(Some(known.into_iter().map(|(shard, position)| (ShardId(shard), position)).collect()))
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
async fn position_before(api: &Api, shard: ShardId, at: Timestamp) -> Result<At, Refused> {
    let first = api.reader.feed(shard, START, 1).await.map_err(not_read)?;
    let (mut low, mut high) = (first.earliest.commit.saturating_sub(1), first.latest.commit);
    while low < high {
        let middle = low + (high - low) / 2;
        // The first event after `middle`: if it is early enough, the wanted position is not before it.
        let after = FeedPosition { commit: middle, index: u32::MAX };
        let page = api.reader.feed(shard, after, 1).await.map_err(not_read)?;
        match page.items.first() {
            Some((position, event)) if event.at < at => low = position.commit.max(middle + 1).min(high),
            _ => high = middle,
        }
    }
    // One commit earlier, since the events of one commit need not be of one instant.
    let commit = low.saturating_sub(1).max(first.earliest.commit.saturating_sub(1));
    Ok((shard, FeedPosition { commit, index: u32::MAX }))
}

/// How far one shard's feed was read.
struct Reading {
    at: At,
    /// The newest commit of the shard when it was last read to its end, as far as this node knew.
    read_to: Option<u64>,
}

/// One client that follows the feed.
struct Follow {
    api: Arc<Api>,
    names: Names,
    after: Vec<Reading>,
    job: Option<Key>,
    tenant: Option<Name>,
    kinds: Vec<TransitionKind>,
    /// Ends once the job has ended and its last event was sent.
    until_end: bool,
}

impl Follow {
    async fn run(mut self, listener: Listener) -> Result<(), Closed> {
        let mut wakes = Wakes::new(&self.api.node);
        loop {
            // Read before the feed, so that an ended job's last event is in what is read then.
            let over = self.is_over().await;
            let (mut out, mut items, mut more) = (Vec::new(), Vec::new(), false);
            for (shard, page) in self.read().await? {
                self.gap(&mut out, shard, &page);
                more |= page.items.len() >= EVENTS_PER_READ;
                items.extend(page.items.into_iter().map(|(position, event)| (shard, position, event)));
            }
            // Of one shard they are in order already.
            items.sort_by_key(|(.., event)| event.at);
            self.write(&mut out, items).await?;
            listener.send(out).await?;
            if more {
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

    /// What is new, by shard.
    async fn read(&mut self) -> Result<Vec<(ShardId, FeedPage)>, Closed> {
        let mut asked = Vec::new();
        for (place, reading) in self.after.iter().enumerate() {
            let head = self.api.node.head(reading.at.0.0);
            if head.is_none() || head != reading.read_to {
                asked.push((place, head, self.api.reader.feed(reading.at.0, reading.at.1, EVENTS_PER_READ)));
            }
        }
        let read = asked.into_iter().map(|(place, head, page)| async move { Ok((place, head, page.await?)) });
        let pages = try_join_all(read).await.map_err(|error: mainspring_store::Error| {
            tracing::warn!(%error, "an event stream was cut off");
            Closed
        })?;
        let of = |(place, head, page): (usize, Option<u64>, FeedPage)| {
            let reading = &mut self.after[place];
            reading.read_to = head.filter(|_| page.items.len() < EVENTS_PER_READ);
            (reading.at.0, page)
        };
        Ok(pages.into_iter().map(of).collect())
    }

    fn at(&mut self, shard: ShardId) -> &mut FeedPosition {
        let of = self.after.iter_mut().find(|reading| reading.at.0 == shard);
        &mut of.expect("only what is followed is read").at.1
    }

    /// Says so if events between what the client has and what is kept are gone.
    fn gap(&mut self, out: &mut Vec<u8>, shard: ShardId, page: &FeedPage) {
        let after = self.at(shard);
        // A position behind the last event of its commit has missed nothing as long as the next commit is kept.
        let first_wanted = after.commit.saturating_add(u64::from(after.index == u32::MAX));
        let lost = after.commit > 0 && page.earliest.commit > first_wanted;
        let ahead = after.commit > page.latest.commit;
        if lost || ahead {
            let earliest = if ahead { page.latest } else { page.earliest };
            stream::message(out, None, Some("gap"), &GapView { earliest: event_id(shard.0, earliest) });
            if ahead {
                *after = page.latest;
            }
        }
    }

    async fn write(
        &mut self,
        out: &mut Vec<u8>,
        items: Vec<(ShardId, FeedPosition, Transition)>,
    ) -> Result<(), Closed> {
        let (job, kinds) = (self.job, self.kinds.clone());
        let fits = |event: &Transition| {
            job.is_none_or(|job| event.job == Some(job)) && (kinds.is_empty() || kinds.contains(&event.kind))
        };
        let wanted = items.iter().map(|(.., event)| event).filter(|event| fits(event));
        let tasks: Vec<Key> = wanted.clone().filter_map(|event| event.task).collect();
        let jobs: Vec<Key> = wanted.filter_map(|event| event.job).collect();
        self.names.learn(&self.api, tasks.into_iter(), jobs.into_iter()).await.map_err(|_| Closed)?;
        for (shard, position, event) in &items {
            *self.at(*shard) = *position;
            if !fits(event) {
                continue;
            }
            if let Some(tenant) = &self.tenant
                && event.task.or(event.job).is_some()
                && self.names.tenant(event.task, event.job) != Some(tenant)
            {
                continue;
            }
            let task = event.task.and_then(|key| self.names.task(key));
            let job = event.job.and_then(|key| self.names.job(key));
            let view = EventView::from_transition((shard.0, *position), event, task, job);
            let place = self.after.iter().map(|reading| (reading.at.0.0, reading.at.1));
            let place: Vec<_> = place.filter(|(_, position)| position.commit > 0).collect();
            stream::message(out, Some(&stream_position(&place)), None, &view);
        }
        Ok(())
    }
}
