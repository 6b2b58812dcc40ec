//! `mainspring dlq`: dead letters.

use mainspring_protocol::duration::WireDuration;
use mainspring_protocol::order::{DiscardRequest, EditRequest, RedriveRequest};
use serde_json::value::RawValue;

use crate::args::{Act, Dlq, Format, Listing};
use crate::command::acting::counted;
use crate::command::submit::read_json;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, line};
use crate::remote;

pub(crate) async fn run(command: Dlq, quiet: bool) -> Outcome {
    match command {
        Dlq::List(listing) => list(&listing, quiet).await,
        Dlq::Redrive { act, limit, spacing } => {
            let client = remote::client(&act.remote)?;
            let request = |dry_run| RedriveRequest {
                ids: act.ids.clone(),
                q: act.query.clone(),
                limit: limit.map(u64::from),
                spacing: spacing.map(|spacing| WireDuration::from_ms(spacing.as_millis() as u64)),
                dry_run,
            };
            let found = client.redrive(&request(true)).await?;
            if agreed(&act, &found, "redriven")? {
                done(&act, &client.redrive(&request(false)).await?, "redriven")?;
                remote::follow_up(quiet, "mainspring tasks list --status ready,running,failed");
            }
            Ok(())
        }
        Dlq::Discard { act, limit } => {
            let client = remote::client(&act.remote)?;
            let request = |dry_run| DiscardRequest {
                ids: act.ids.clone(),
                q: act.query.clone(),
                limit: limit.map(u64::from),
                dry_run,
            };
            let found = client.discard(&request(true)).await?;
            if agreed(&act, &found, "discarded")? {
                done(&act, &client.discard(&request(false)).await?, "discarded")?;
            }
            Ok(())
        }
        Dlq::Edit { one, payload } => {
            let client = remote::client(&one.remote)?;
            let payload = read_json(&payload)?;
            let payload = RawValue::from_string(payload.to_string()).map_err(anyhow::Error::from)?;
            client.edit_dead_letter(&one.id, &EditRequest { payload }).await?;
            line(&format!("dead letter {} edited", one.id))?;
            remote::follow_up(quiet, &format!("mainspring dlq redrive {}", one.id));
            Ok(())
        }
    }
}

/// Grouped by error for people, one by one with `-o wide`.
async fn list(listing: &Listing, quiet: bool) -> Outcome {
    let client = remote::client(&listing.remote)?;
    if !listing.status.is_empty() {
        return Err(Failure::new(Exit::Usage, "dead letters have no status to filter by").hint("leave --status out"));
    }
    let query = remote::list_query(listing);
    remote::watch(&client, listing.watch, async || {
        let page = client.dead_letters(&query).await?;
        match listing.output.output {
            Format::Table => output::list(&page.groups, &page, Format::Table)?,
            format => output::list(&page.items, &page, format)?,
        }
        remote::more(&page.next_cursor, quiet);
        Ok(())
    })
    .await
}

/// Says what would be done, and asks if it is more than what was named.
fn agreed(act: &Act, found: &mainspring_protocol::view::BulkView, done: &str) -> Outcome<bool> {
    if found.count == 0 {
        let what = act.query.clone().unwrap_or_else(|| act.ids.join(", "));
        return Err(
            Failure::new(Exit::NotFound, format!("no dead letter fits `{what}`")).hint("see `mainspring dlq list`")
        );
    }
    if act.dry_run {
        line(&format!("{} would be {done}", counted(found, "dead letter")))?;
        return Ok(false);
    }
    if act.query.is_some() && !act.yes {
        remote::confirm(&format!("{} will be {done}. Go on?", counted(found, "dead letter")))?;
    }
    Ok(true)
}

fn done(act: &Act, taken: &mainspring_protocol::view::BulkView, done: &str) -> Outcome {
    match act.output.output {
        Format::Name => taken.items.iter().try_for_each(|id| line(id)),
        Format::Json | Format::Yaml => output::one(taken, "", act.output.output, String::new),
        Format::Table | Format::Wide => {
            line(&format!("{} {done}", counted(taken, "dead letter")))?;
            if taken.more {
                eprintln!("there are more: repeat the command");
            }
            Ok(())
        }
    }
}
