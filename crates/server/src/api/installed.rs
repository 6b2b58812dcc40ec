//! What a change of a job definition may say about its schedule. It is checked before the definition is applied; after that the
//! schedule follows, whatever happens (`node/installed.rs`).

use mainspring_core::effect::Refusal;
use mainspring_core::id::Name;
use mainspring_core::row::DefinitionKind;
use mainspring_core::schedule::ScheduleName;
use mainspring_protocol::problem::Problem;
use mainspring_protocol::submit::{read_stored_schedule, schedule_of_definition};
use mainspring_store::ScheduleFilter;

use super::call::Refused;
use super::reply::{internal, not_called, not_read};
use super::state::Api;
use crate::loops::{self, Following};

/// The schedule that a definition will have; refuses what could not be installed, but for loops.
pub(crate) async fn check(
    api: &Api,
    kind: DefinitionKind,
    id: &ScheduleName,
    rule: Option<&str>,
) -> Result<Following, Refused> {
    let mut following = Following { id: id.clone(), after: Vec::new(), runs: id.name.clone() };
    let Some(rule) = rule.filter(|_| kind == DefinitionKind::Job) else { return Ok(following) };
    let filter = ScheduleFilter { tenant: Some(id.tenant.clone()), name: Some(id.name.clone()) };
    let known = api.reader.schedules(filter, None, 1).await.map_err(not_read)?;
    if known.first().is_some_and(|row| !row.of_definition) {
        let problem = Problem::from(&Refusal::ScheduleTaken { of_definition: false });
        let detail = format!("a schedule `{}` exists that no definition has installed", id.name);
        return Err(Box::new(problem.at("/schedule", detail).with_hint("delete that one, or rename the definition")));
    }
    let body = schedule_of_definition(rule, &id.name);
    let parsed = read_stored_schedule(&body, &id.tenant).map_err(|problem| internal(&problem))?;
    following.after = parsed.rule.after().to_vec();
    Ok(following)
}

/// The definitions that were looked at to see that what it follows closes no loop, and their versions.
pub(crate) async fn check_loops(api: &Api, following: Following) -> Result<Vec<(Name, u32)>, Refused> {
    let looked = loops::look(&*api.reader, &[following]).await.map_err(not_read)?;
    looked.problem.map_or(Ok(looked.seen), |mut problem| {
        problem.errors.iter_mut().for_each(|item| item.pointer = format!("/schedule{}", item.pointer));
        Err(Box::new(problem))
    })
}

/// Has the schedule of a definition follow it, which was just applied.
pub(crate) async fn carry_out(api: &Api, actor: Name, kind: DefinitionKind, id: &ScheduleName) -> Result<(), Refused> {
    if kind != DefinitionKind::Job {
        return Ok(());
    }
    api.node.install(actor, id).await.map_err(|error| {
        let mut problem = not_called(error);
        problem.hint = Some("the definition is applied; its schedule follows as soon as it can".to_owned());
        problem
    })
}
