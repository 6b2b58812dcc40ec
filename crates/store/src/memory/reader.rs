//! The read side of the in-memory store, over its [`State`].

use std::sync::Arc;

use mainspring_core::id::{Key, Name};
use mainspring_core::job::{GraphChunk, JobRow, JobStatus};
use mainspring_core::row::{
    AuditRow, ClaimKind, ClaimName, ClaimRow, DefinitionRow, FeedPosition, TaskRow, Transition,
};
use mainspring_core::schedule::{OccurrenceRow, ScheduleName, ScheduleRow};
use mainspring_core::task::{Attempt, TaskStatus};
use mainspring_core::time::Timestamp;

use super::state::{State, StoredTask, bodiless};
use crate::logs::{log_cut, text_tail};
use crate::matching::{job_matches, task_matches};
use crate::reader::{
    DefinitionFilter, FeedPage, JobFilter, LogPage, OccurrenceFilter, Page, ScheduleFilter, TaskFilter,
};

impl State {
    pub(super) fn find(&self, kind: ClaimKind, text: &str) -> Vec<(Name, Key)> {
        let fits = |row: &&ClaimRow| row.name.kind == kind && &*row.name.text == text && !self.is_staged(row.target);
        self.claims.values().filter(fits).map(|row| (row.name.tenant.clone(), row.target)).collect()
    }

    pub(super) fn claims_of(&self, keys: &[Key]) -> Vec<ClaimRow> {
        self.claims.values().filter(|row| keys.contains(&row.target)).cloned().collect()
    }

    pub(super) fn find_in_job(&self, job: Key, name: &str) -> Option<Key> {
        self.tasks_of(job).find(|task| task.row.given_id.as_deref() == Some(name)).map(|task| task.row.key)
    }

    fn tasks_of(&self, job: Key) -> impl Iterator<Item = &StoredTask> {
        let last = self.jobs.get(&job).map_or(job, |row| row.key.task_of_job(row.tasks.saturating_sub(1)));
        let staged = self.is_staged(job);
        self.tasks.range(job..=last).map(|(_, task)| task).filter(move |task| task.row.job == Some(job) && !staged)
    }

    fn is_shown(&self, row: &TaskRow) -> bool {
        row.job.is_none_or(|job| !self.is_staged(job))
    }

    pub(super) fn tasks_by_key(&self, keys: &[Key]) -> Vec<TaskRow> {
        let stored = keys.iter().filter_map(|key| self.tasks.get(key));
        stored.map(|task| task.row.clone()).filter(|row| self.is_shown(row)).collect()
    }

    pub(super) fn jobs_by_key(&self, keys: &[Key]) -> Vec<JobRow> {
        keys.iter().filter(|key| !self.is_staged(**key)).filter_map(|key| self.jobs.get(key)).cloned().collect()
    }

    pub(super) fn list_tasks(&self, filter: &TaskFilter, after: Option<Key>, limit: usize) -> Page<TaskRow> {
        let below = after.unwrap_or(Key::from_raw(u64::MAX));
        let rows = self.tasks.range(..below).rev().map(|(_, task)| &task.row);
        let fits = |row: &&TaskRow| self.is_shown(row) && task_matches(row, filter, self.high_water.time);
        let mut items: Vec<_> = rows.filter(fits).take(limit.saturating_add(1)).map(without_body).collect();
        let next = cut_page(&mut items, limit, |row| row.key);
        Page { items, next }
    }

    pub(super) fn list_jobs(&self, filter: &JobFilter, after: Option<Key>, limit: usize) -> Page<JobRow> {
        let below = after.unwrap_or(Key::from_raw(u64::MAX));
        let rows = self.jobs.range(..below).rev().map(|(_, row)| row);
        let fits = |row: &&JobRow| !self.is_staged(row.key) && job_matches(row, filter, self.high_water.time);
        let mut items: Vec<_> = rows.filter(fits).take(limit.saturating_add(1)).cloned().collect();
        let next = cut_page(&mut items, limit, |row| row.key);
        Page { items, next }
    }

    pub(super) fn job_tasks(&self, job: Key, from: u32, limit: usize) -> Vec<TaskRow> {
        let first = job.task_of_job(from);
        self.tasks_of(job)
            .filter(|task| task.row.key >= first)
            .take(limit)
            .map(|task| without_body(&task.row))
            .collect()
    }

    pub(super) fn chunks_of(&self, job: Key) -> Vec<GraphChunk> {
        let chunks = self.chunks.range((job, 0)..=(job, u32::MAX)).filter(|_| !self.is_staged(job));
        chunks.map(|(_, chunk)| chunk.clone()).collect()
    }

    /// All attempts of a task, in the order of their numbers.
    pub fn attempts_of(&self, task: Key) -> Vec<Attempt> {
        let earlier = self.attempts.range((task, 0)..=(task, u32::MAX)).map(|(_, attempt)| attempt);
        let last = self.tasks.get(&task).and_then(|stored| stored.row.state.last.as_ref());
        earlier.chain(last).cloned().collect()
    }

    pub(super) fn output_of(&self, task: Key) -> Option<Arc<str>> {
        self.outputs.get(&task).cloned()
    }

    pub(super) fn outputs_of(&self, tasks: &[Key]) -> Vec<(Key, Arc<str>)> {
        tasks.iter().filter_map(|task| Some((*task, self.output_of(*task)?))).collect()
    }

    pub(super) fn logs_of(&self, task: Key, attempt: u32, after: u64, limit: usize) -> LogPage {
        let before = self.logs.range((task, attempt, 0)..(task, attempt, after)).next_back();
        let mut total = before.map_or(0, |(_, log)| log.total);
        let (mut items, mut next) = (Vec::new(), after);
        for (_, log) in self.logs.range((task, attempt, after)..=(task, attempt, u64::MAX)).take(limit) {
            let cut = log.total.saturating_sub(log.row.data.len() as u64).saturating_sub(total);
            if cut > 0 {
                items.push(log_cut(task, attempt, log.row.number, log.row.at, cut));
            }
            items.push(log.row.clone());
            total = log.total;
            next = log.row.number + 1;
        }
        LogPage { items, next }
    }

    pub(super) fn log_tail(&self, task: Key, attempt: u32, bytes: usize) -> String {
        let (mut parts, mut length) = (Vec::new(), 0);
        for (_, log) in self.logs.range((task, attempt, 0)..=(task, attempt, u64::MAX)).rev() {
            if length >= bytes {
                break;
            }
            length += log.row.data.len();
            parts.push(&*log.row.data);
        }
        parts.reverse();
        text_tail(&parts.concat(), bytes).to_owned()
    }

    pub(super) fn feed_after(&self, after: FeedPosition, limit: usize) -> FeedPage {
        let at = |commit: u64, feed: &[Transition]| -> Vec<_> {
            let position = |index: usize| FeedPosition { commit, index: index as u32 };
            feed.iter().enumerate().map(|(index, event)| (position(index), event.clone())).collect()
        };
        let events = self.feed.range(after.commit..).flat_map(|(commit, feed)| at(*commit, feed));
        let items = events.filter(|(position, _)| *position > after).take(limit).collect();
        let earliest = if self.pruned == 0 { 0 } else { self.pruned + 1 };
        let commit = self.high_water.commit;
        let last = self.feed.get(&commit).map_or(0, |feed| feed.len().saturating_sub(1));
        FeedPage {
            items,
            earliest: FeedPosition { commit: earliest, index: 0 },
            latest: FeedPosition { commit, index: last as u32 },
        }
    }

    pub(super) fn list_definitions(&self, filter: &DefinitionFilter) -> Vec<DefinitionRow> {
        let fits = |row: &&DefinitionRow| {
            row.kind == filter.kind
                && filter.tenant.as_ref().is_none_or(|tenant| *tenant == row.tenant)
                && filter.name.as_ref().is_none_or(|name| *name == row.name)
        };
        let mut rows: Vec<_> = self.definitions.values().filter(fits).cloned().collect();
        rows.sort_by(|a, b| (&a.tenant, &a.name, b.version).cmp(&(&b.tenant, &b.name, a.version)));
        if filter.name.is_none() {
            rows.dedup_by(|later, kept| (&later.tenant, &later.name) == (&kept.tenant, &kept.name));
            rows.retain(|row| row.body.is_some());
        }
        rows
    }

    pub(super) fn list_schedules(
        &self,
        filter: &ScheduleFilter,
        after: Option<&ScheduleName>,
        limit: usize,
    ) -> Vec<ScheduleRow> {
        let place = |id: &ScheduleName| (id.name.clone(), id.tenant.clone());
        let fits = |row: &&ScheduleRow| {
            filter.tenant.as_ref().is_none_or(|tenant| *tenant == row.id.tenant)
                && filter.name.as_ref().is_none_or(|name| *name == row.id.name)
                && after.is_none_or(|after| place(&row.id) > place(after))
        };
        let mut rows: Vec<_> = self.schedules.values().filter(fits).cloned().collect();
        rows.sort_by_key(|row| place(&row.id));
        rows.truncate(limit);
        rows
    }

    pub(super) fn list_occurrences(
        &self,
        filter: &OccurrenceFilter,
        after: Option<Key>,
        limit: usize,
    ) -> Page<OccurrenceRow> {
        let fits = |row: &&OccurrenceRow| {
            row.schedule == filter.schedule
                && filter.instant.is_none_or(|instant| row.first == instant)
                && after.is_none_or(|after| row.key < after)
        };
        let mut items: Vec<_> =
            self.occurrences.values().rev().filter(fits).take(limit.saturating_add(1)).cloned().collect();
        let next = cut_page(&mut items, limit, |row| row.key);
        Page { items, next }
    }

    pub(super) fn counts_of_tasks(&self, tenant: Option<&Name>, bound: u64) -> Vec<(Name, TaskStatus, u64)> {
        let mut counts = std::collections::BTreeMap::<_, u64>::new();
        for ((whose, queue, status), number) in &self.task_counts {
            if tenant.is_none_or(|tenant| tenant == whose) {
                *counts.entry((queue.clone(), *status)).or_default() += number;
            }
        }
        counts.into_iter().map(|((queue, status), number)| (queue, status, number.min(bound))).collect()
    }

    pub(super) fn counts_of_jobs(&self, tenant: Option<&Name>, bound: u64) -> Vec<(JobStatus, u64)> {
        let mut counts = std::collections::BTreeMap::<_, u64>::new();
        for ((whose, status), number) in &self.job_counts {
            if tenant.is_none_or(|tenant| tenant == whose) {
                *counts.entry(*status).or_default() += number;
            }
        }
        counts.into_iter().map(|(status, number)| (status, number.min(bound))).collect()
    }

    pub(super) fn newest_audit(&self, until: Option<Timestamp>, limit: usize) -> Vec<AuditRow> {
        let fits = |row: &&AuditRow| until.is_none_or(|until| row.at <= until);
        self.audit.iter().rev().filter(fits).take(limit).cloned().collect()
    }

    pub(super) fn ended_tasks(&self, before: Timestamp, limit: usize) -> Vec<(Key, Vec<ClaimName>)> {
        let ended = |row: &&TaskRow| {
            let state = &row.state;
            row.job.is_none() && state.status.is_terminal() && state.ended_at.is_some_and(|at| at < before)
        };
        let rows = self.tasks.values().map(|task| &task.row).filter(ended).take(limit);
        rows.map(|row| (row.key, self.claims_to(row.key))).collect()
    }

    pub(super) fn ended_jobs(&self, before: Timestamp, limit: usize) -> Vec<(Key, Vec<ClaimName>)> {
        let ended = |row: &&JobRow| {
            row.parent.is_none() && row.state.status.is_terminal() && row.state.ended_at.is_some_and(|at| at < before)
        };
        let rows = self.jobs.values().filter(ended).filter(|row| row.state.sweep.is_none()).take(limit);
        rows.map(|row| (row.key, self.claims_to(row.key))).collect()
    }
}

fn without_body(row: &TaskRow) -> TaskRow {
    let spec = row.spec.as_deref().map(bodiless);
    TaskRow { spec, ..row.clone() }
}

/// Cuts a list that was read one item further than asked for; the last item left is where the next page starts.
fn cut_page<T>(items: &mut Vec<T>, limit: usize, key: impl Fn(&T) -> Key) -> Option<Key> {
    if items.len() <= limit {
        return None;
    }
    items.truncate(limit);
    items.last().map(key)
}
