//! `mainspring events`: the feed, as lines or as JSON.

use std::time::Duration;

use anyhow::Context as _;
use mainspring_client::{Client, Message, Stream};
use mainspring_protocol::view::EventView;

use crate::args::{Events, Format};
use crate::exit::Outcome;
use crate::output::line;
use crate::remote;

/// A position before the first event.
const BEGINNING: &str = "e0-0";
/// Silence after which everything that had happened counts as read.
const CAUGHT_UP: Duration = Duration::from_millis(500);

pub(crate) async fn run(args: &Events) -> Outcome {
    let client = remote::client(&args.remote)?;
    if let Some(job) = &args.job {
        let job = remote::job(&client, job).await?;
        return of_job(&client, &job.job_id, args.follow, args.output.output).await;
    }
    // Following starts now; looking back starts at the first event that is kept.
    let after = args.after.clone().or_else(|| (!args.follow).then(|| BEGINNING.to_owned()));
    let stream = client.events(after).await?;
    print(stream, args.follow, args.output.output).await
}

/// The events of one job.
pub(crate) async fn of_job(client: &Client, job: &str, follow: bool, format: Format) -> Outcome {
    print(client.job_events(job).await?, follow, format).await
}

async fn print(mut stream: Stream, follow: bool, format: Format) -> Outcome {
    loop {
        let next = if follow {
            stream.next().await?
        } else {
            match tokio::time::timeout(CAUGHT_UP, stream.next()).await {
                Ok(next) => next?,
                Err(_) => None,
            }
        };
        match next {
            Some(message) => print_one(&message, format)?,
            None => return Ok(()),
        }
    }
}

fn print_one(message: &Message, format: Format) -> Outcome {
    if message.event == "gap" {
        eprintln!("earlier events are no longer kept");
        return Ok(());
    }
    let event: EventView = serde_json::from_str(&message.data).context("cannot read an event")?;
    line(&match format {
        Format::Json => message.data.clone(),
        Format::Yaml => {
            let text = serde_saphyr::to_string(&event).context("cannot write an event")?;
            format!("---\n{}", text.trim_end())
        }
        Format::Name => event.event_id,
        Format::Table | Format::Wide => text(&event, format == Format::Wide),
    })
}

fn text(event: &EventView, wide: bool) -> String {
    let subject = match (&event.job_id, &event.task_id) {
        (Some(job), Some(task)) => format!("{job}/{task}"),
        (Some(id), None) | (None, Some(id)) => id.clone(),
        (None, None) => event.queue.clone().or_else(|| event.worker_id.clone()).unwrap_or_default(),
    };
    let mut text = format!("{}  {:<15}  {subject}  {}", event.timestamp, event.event_type, event.status);
    if let Some(attempt) = event.attempt {
        text.push_str(&format!("  attempt {attempt}"));
    }
    if let (true, Some(worker)) = (wide, &event.worker_id) {
        text.push_str(&format!("  on {worker}"));
    }
    if let Some(message) = &event.message {
        text.push_str(&format!("  {message}"));
    }
    if wide {
        text.push_str(&format!("  {}", event.event_id));
    }
    text
}
