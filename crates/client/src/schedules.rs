//! Calls about schedules.

use mainspring_protocol::order::{BackfillRequest, TriggerRequest};
use mainspring_protocol::view::{
    BackfillPlanView, NextView, OccurrenceView, Page, ScheduleView, ScheduleWhyView, TriggeredView,
};
use reqwest::Method;
use serde::de::IgnoredAny;

use crate::client::{Call, Client, JSON};
use crate::error::Error;

/// # Errors
/// Every method: see [`Error`].
impl Client {
    /// A page of schedules, by name.
    pub async fn schedules(&self, limit: u32, cursor: Option<String>) -> Result<Page<ScheduleView>, Error> {
        let query = [("limit", Some(limit.to_string())), ("cursor", cursor)];
        let query = query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        self.get(vec!["schedules"], query).await
    }

    /// One schedule.
    pub async fn schedule(&self, name: &str) -> Result<ScheduleView, Error> {
        self.get(vec!["schedules", name], Vec::new()).await
    }

    /// Makes a schedule written in JSON; its name must be free.
    pub async fn create_schedule(&self, json: Vec<u8>) -> Result<ScheduleView, Error> {
        let body = Some((json, JSON));
        self.call(Method::POST, Call { path: vec!["schedules"], body, ..Call::default() }).await
    }

    /// Makes or changes a schedule written in JSON.
    pub async fn put_schedule(&self, name: &str, json: Vec<u8>) -> Result<ScheduleView, Error> {
        let body = Some((json, JSON));
        self.call(Method::PUT, Call { path: vec!["schedules", name], body, ..Call::default() }).await
    }

    /// Deletes a schedule. Its ledger stays.
    pub async fn delete_schedule(&self, name: &str) -> Result<(), Error> {
        let call = Call { path: vec!["schedules", name], ..Call::default() };
        self.call::<IgnoredAny>(Method::DELETE, call).await.map(drop)
    }

    /// Fires nothing until it is resumed.
    pub async fn pause_schedule(&self, name: &str) -> Result<ScheduleView, Error> {
        self.post(vec!["schedules", name, "pause"], &serde_json::Map::new()).await
    }

    /// Ends a pause.
    pub async fn resume_schedule(&self, name: &str) -> Result<ScheduleView, Error> {
        self.post(vec!["schedules", name, "resume"], &serde_json::Map::new()).await
    }

    /// Submits its work now.
    pub async fn trigger_schedule(&self, name: &str, request: &TriggerRequest) -> Result<TriggeredView, Error> {
        self.post(vec!["schedules", name, "trigger"], request).await
    }

    /// Makes up for a range of past instants, or counts them only.
    pub async fn backfill_schedule(&self, name: &str, request: &BackfillRequest) -> Result<BackfillPlanView, Error> {
        self.post(vec!["schedules", name, "backfill"], request).await
    }

    /// Ends a backfill.
    pub async fn stop_backfill(&self, name: &str) -> Result<(), Error> {
        let call = Call { path: vec!["schedules", name, "backfill"], ..Call::default() };
        self.call::<IgnoredAny>(Method::DELETE, call).await.map(drop)
    }

    /// A page of its ledger, newest first.
    pub async fn occurrences(
        &self,
        name: &str,
        limit: u32,
        cursor: Option<String>,
    ) -> Result<Page<OccurrenceView>, Error> {
        let query = [("limit", Some(limit.to_string())), ("cursor", cursor)];
        let query = query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        self.get(vec!["schedules", name, "occurrences"], query).await
    }

    /// Its next instants.
    pub async fn next_occurrences(&self, name: &str, count: u32) -> Result<Page<NextView>, Error> {
        self.get(vec!["schedules", name, "next"], vec![("n", count.to_string())]).await
    }

    /// Why it does what it does.
    pub async fn why_schedule(&self, name: &str) -> Result<ScheduleWhyView, Error> {
        self.get(vec!["schedules", name, "why"], Vec::new()).await
    }
}
