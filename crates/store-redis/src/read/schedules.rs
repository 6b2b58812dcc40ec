//! Lists schedules and their ledger.

use mainspring_core::id::Key;
use mainspring_core::schedule::{OccurrenceRow, ScheduleName, ScheduleRow};
use mainspring_core::time::Timestamp;
use mainspring_store::{OccurrenceFilter, Page, ScheduleFilter};
use redis::Pipeline;

use super::Side;
use crate::failure::Failure;
use crate::fetch;
use crate::keys::member;

impl Side {
    pub(super) async fn schedules(
        &self,
        filter: ScheduleFilter,
        after: Option<ScheduleName>,
        limit: usize,
    ) -> Result<Vec<ScheduleRow>, Failure> {
        let place = |id: &ScheduleName| (id.name.clone(), id.tenant.clone());
        let mut rows = fetch::schedules(&self.link).await?;
        rows.retain(|row| {
            filter.tenant.as_ref().is_none_or(|tenant| *tenant == row.id.tenant)
                && filter.name.as_ref().is_none_or(|name| *name == row.id.name)
                && after.as_ref().is_none_or(|after| place(&row.id) > place(after))
        });
        rows.sort_by_key(|row| place(&row.id));
        rows.truncate(limit);
        Ok(rows)
    }

    pub(super) async fn occurrences(
        &self,
        filter: OccurrenceFilter,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Page<OccurrenceRow>, Failure> {
        let mut keys = match filter.instant {
            Some(instant) => self.keys_at(&filter.schedule, instant).await?,
            None => self.newest(&filter.schedule, after, limit.saturating_add(1)).await?,
        };
        keys.retain(|key| after.is_none_or(|after| *key < after));
        keys.sort_unstable_by(|a, b| b.cmp(a));
        let more = keys.len() > limit;
        keys.truncate(limit);
        let next = keys.last().copied().filter(|_| more);
        Ok(Page { items: fetch::occurrences(&self.link, &keys).await?, next })
    }

    async fn newest(&self, id: &ScheduleName, after: Option<Key>, limit: usize) -> Result<Vec<Key>, Failure> {
        let mut pipeline = Pipeline::new();
        let from = after.map_or_else(|| "+".to_owned(), |key| format!("({}", member(key)));
        let ask = pipeline.cmd("ZREVRANGEBYLEX").arg(self.link.keys().ledger(id)).arg(from).arg("-");
        ask.arg("LIMIT").arg(0).arg(limit);
        let mut answers = self.link.read(&pipeline).await?.into_iter();
        Ok(fetch::keys_of(fetch::next(&mut answers)?))
    }

    async fn keys_at(&self, id: &ScheduleName, instant: Timestamp) -> Result<Vec<Key>, Failure> {
        let mut pipeline = Pipeline::new();
        let at = instant.as_millis();
        pipeline.cmd("ZRANGEBYSCORE").arg(self.link.keys().ledger_by_instant(id)).arg(at).arg(at);
        let mut answers = self.link.read(&pipeline).await?.into_iter();
        Ok(fetch::keys_of(fetch::next(&mut answers)?))
    }
}
