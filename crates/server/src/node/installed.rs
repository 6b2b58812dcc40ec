//! Keeps the schedules that job definitions install as the newest versions of those say.
//!
//! A definition lives in the control shard, its schedule in the shard of its name, so no commit holds both. The definition is
//! the truth. Whoever applies one has its schedule follow at once; and the core of the control shard says after each change,
//! and for every definition after each load, that a schedule is to follow. So whatever was cut off between the two is made
//! good by whoever serves the control shard then.
//!
//! *Invariants:* what is written is derived from the newest version, and the version is looked at again afterwards: whoever
//! brings an older one too late sees that, and writes the newer one over it. A schedule that no definition has installed is
//! left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use mainspring_core::effect::Refusal;
use mainspring_core::event::Order;
use mainspring_core::id::Name;
use mainspring_core::row::{DefinitionKind, DefinitionRow};
use mainspring_core::schedule::{Expect, ScheduleName, ScheduleOrder, ScheduleRow};
use mainspring_protocol::submit::{read_stored_schedule, rule_of_definition, schedule_of_definition};
use mainspring_store::{Error, ScheduleFilter};
use tokio::time::Instant;

use super::CallError;
use super::cluster::Cluster;
use crate::library::versions;
use crate::loops::{self, Following};

/// How long whoever has applied a definition has the schedule to himself.
const LOOK_AFTER: Duration = Duration::from_secs(1);
/// How long after a failure the same is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// How often a schedule is looked at whose definition goes on changing, or whose job is being published.
const TRIES: usize = 20;
const BUSY_WAIT: Duration = Duration::from_millis(50);

/// Looks after what the control shard names, until it is aborted.
pub(super) async fn run(cluster: Arc<Cluster>) {
    let Some(mut asked) = cluster.wakes.installs.take() else { return };
    let mut due: BTreeSet<ScheduleName> = BTreeSet::new();
    let mut failed: BTreeMap<ScheduleName, String> = BTreeMap::new();
    let mut at: Option<Instant> = None;
    loop {
        let look = async move {
            match at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            id = asked.recv() => {
                let Some(id) = id else { return };
                due.insert(id);
                let soon = Instant::now() + LOOK_AFTER;
                at = Some(at.map_or(soon, |at| at.min(soon)));
            }
            () = look => {
                for id in std::mem::take(&mut due) {
                    let Err(error) = follow(&cluster, &"system".into(), &id).await else {
                        failed.remove(&id);
                        continue;
                    };
                    let error = error.to_string();
                    if failed.get(&id) != Some(&error) {
                        tracing::warn!(schedule = &*id.name, error, "a schedule does not follow its definition yet");
                        failed.insert(id.clone(), error);
                    }
                    due.insert(id);
                }
                at = (!due.is_empty()).then(|| Instant::now() + AGAIN);
            }
        }
    }
}

/// Has a schedule follow the newest version of its definition.
///
/// # Errors
/// Why it does not. What was written before that stands.
pub(super) async fn follow(cluster: &Cluster, actor: &Name, id: &ScheduleName) -> Result<(), CallError> {
    let mut followed = None;
    for _ in 0..TRIES {
        let newest = newest(cluster, id).await.map_err(unavailable)?;
        let version = newest.as_ref().map(|row| row.version);
        if followed == Some(version) {
            return Ok(());
        }
        match follow_version(cluster, actor, id, newest.as_ref()).await {
            Err(CallError::Refused(Refusal::Busy)) => tokio::time::sleep(BUSY_WAIT).await,
            done => {
                done?;
                followed = Some(version);
            }
        }
    }
    Err(CallError::Refused(Refusal::Busy))
}

async fn follow_version(
    cluster: &Cluster,
    actor: &Name,
    id: &ScheduleName,
    definition: Option<&DefinitionRow>,
) -> Result<(), CallError> {
    let filter = ScheduleFilter { tenant: Some(id.tenant.clone()), name: Some(id.name.clone()) };
    let known = cluster.reader.schedules(filter, None, 1).await.map_err(unavailable)?;
    let rule = definition.and_then(|row| rule_of_definition(row.body.as_deref()?));
    let order = match (rule, known.first()) {
        (None, Some(row)) if row.of_definition => ScheduleOrder::Delete { of_definition: true },
        (None, _) => return Ok(()),
        (Some(rule), known) => match put(cluster, id, &rule, known).await? {
            Some(order) => order,
            None => return Ok(()),
        },
    };
    match cluster.order(actor.clone(), Order::Schedule(id.clone(), order)).await {
        // Somebody else has done it.
        Ok(_) | Err(CallError::Refused(Refusal::NoSchedule)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The order that makes the schedule what the rule says; `None` if it is.
async fn put(
    cluster: &Cluster,
    id: &ScheduleName,
    rule: &str,
    known: Option<&ScheduleRow>,
) -> Result<Option<ScheduleOrder>, CallError> {
    let body = schedule_of_definition(rule, &id.name);
    if known.is_some_and(|row| row.of_definition && *row.body == *body) {
        return Ok(None);
    }
    let parsed = read_stored_schedule(&body, &id.tenant).map_err(|problem| CallError::Invalid(problem.to_string()))?;
    let after = parsed.rule.after().to_vec();
    // A schedule that no definition installs may have closed a loop since the definition was checked.
    let new = [Following { id: id.clone(), after: after.clone(), runs: id.name.clone() }];
    if let Some(problem) = loops::look(&*cluster.reader, &new).await.map_err(unavailable)?.problem {
        return Err(CallError::Invalid(problem.detail));
    }
    let (expect, overlap) = (Expect::Any, parsed.overlap);
    Ok(Some(ScheduleOrder::Put { expect, of_definition: true, overlap, body: body.into(), after }))
}

async fn newest(cluster: &Cluster, id: &ScheduleName) -> Result<Option<DefinitionRow>, Error> {
    let rows = versions(&*cluster.reader, DefinitionKind::Job, &id.name, Some(id.tenant.clone())).await?;
    Ok(rows.into_iter().max_by_key(|row| row.version))
}

fn unavailable(error: Error) -> CallError {
    CallError::Unavailable(error.to_string())
}
