//! The schedule that a job definition installs, changes or removes when it is applied.
//!
//! Definition and schedule live in different shards, so one commit cannot hold both. What can be refused is refused before
//! either is written; after that, applying the same again completes what a cut connection left half done.

use mainspring_core::effect::Refusal;
use mainspring_core::id::Name;
use mainspring_core::row::DefinitionKind;
use mainspring_core::schedule::{Expect, ScheduleName, ScheduleOrder, ScheduleRow};
use mainspring_protocol::problem::Problem;
use mainspring_protocol::submit::{read_stored_schedule, schedule_of_definition};
use mainspring_store::ScheduleFilter;

use super::call::Refused;
use super::loops::{self, Following};
use super::reply::{internal, not_read};
use super::schedules::carry_out;
use super::state::Api;

/// What is to be done with the schedule of a definition.
pub(crate) struct Installed(Option<ScheduleOrder>);

impl Installed {
    /// Finds out, and refuses what would be refused.
    pub(crate) async fn check(
        api: &Api,
        kind: DefinitionKind,
        id: &ScheduleName,
        rule: Option<&str>,
    ) -> Result<Self, Refused> {
        if kind != DefinitionKind::Job {
            return Ok(Self(None));
        }
        let filter = ScheduleFilter { tenant: Some(id.tenant.clone()), name: Some(id.name.clone()) };
        let known = api.reader.schedules(filter, None, 1).await.map_err(not_read)?;
        let known: Option<&ScheduleRow> = known.first();
        let Some(rule) = rule else {
            let own = known.is_some_and(|row| row.of_definition);
            return Ok(Self(own.then_some(ScheduleOrder::Delete { of_definition: true })));
        };
        if known.is_some_and(|row| !row.of_definition) {
            let problem = Problem::from(&Refusal::ScheduleTaken { of_definition: false });
            let detail = format!("a schedule `{}` exists that no definition has installed", id.name);
            return Err(Box::new(
                problem.at("/schedule", detail).with_hint("delete that one, or rename the definition"),
            ));
        }
        let body = schedule_of_definition(rule, &id.name);
        let parsed = read_stored_schedule(&body, &id.tenant).map_err(|problem| internal(&problem))?;
        let (expect, overlap) = (Expect::Any, parsed.overlap);
        let after = parsed.rule.after().to_vec();
        let new = Self(Some(ScheduleOrder::Put { expect, of_definition: true, overlap, body: body.into(), after }));
        match loops::find(&*api.reader, &[new.following(id)]).await.map_err(not_read)? {
            Some(problem) => Err(Box::new(problem)),
            None => Ok(new),
        }
    }

    /// What it follows.
    pub(crate) fn following(&self, id: &ScheduleName) -> Following {
        let after = match &self.0 {
            Some(ScheduleOrder::Put { after, .. }) => after.clone(),
            _ => Vec::new(),
        };
        Following { id: id.clone(), after, runs: id.name.clone() }
    }

    /// Does it.
    pub(crate) async fn carry_out(self, api: &Api, actor: Name, id: &ScheduleName) -> Result<(), Refused> {
        if let Some(order) = self.0 {
            carry_out(api, actor, id, order).await?;
        }
        Ok(())
    }
}
