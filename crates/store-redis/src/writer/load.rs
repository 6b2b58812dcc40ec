//! Everything that must be in memory, and, before it is read, the removal of what was never published.

use std::collections::{BTreeMap, BTreeSet};

use mainspring_core::id::{Key, Name};
use mainspring_core::row::{DefinitionKind, HighWater, Snapshot, TaskRow};
use mainspring_core::task::{LaneId, TaskStatus};
use mainspring_core::time::Timestamp;
use mainspring_store::record::Unreadable;
use mainspring_store::{Error, Fence};
use redis::Pipeline;

use super::Writer;
use super::ask::Asked;
use super::plan::Plan;
use crate::failure::Failure;
use crate::fetch;
use crate::keys::member;
use crate::record::{
    Take, decode_definition_name, decode_lane, decode_limit, decode_loan, decode_queue, decode_worker,
};

/// Hot tasks that are read at a time.
const HOT_AT_ONCE: usize = 2_000;
/// Tasks of a staged job that are removed at a time.
const STAGED_AT_ONCE: u32 = 1_000;

impl Writer {
    pub(super) async fn load(&mut self, fence: &Fence) -> Result<Snapshot, Failure> {
        self.cache.clear();
        self.check(fence).await?;
        self.remove_staged().await?;
        let tasks = self.hot().await?;
        let swept = fetch::all_of(&self.link, "jobs:swept").await?;
        let watched = fetch::all_of(&self.link, "jobs:watched").await?;
        let jobs: BTreeSet<Key> = tasks.iter().filter_map(|row| row.job).chain(swept).chain(watched).collect();
        let jobs = fetch::jobs(&self.link, &jobs.into_iter().collect::<Vec<_>>()).await?;
        let schedules = fetch::schedules(&self.link).await?;
        let rest = self.settings().await?;
        Ok(Snapshot { incarnation: fence.incarnation, tasks, jobs, schedules, ..rest })
    }

    /// Looks whether the shard is still ours, in Redis.
    async fn check(&self, fence: &Fence) -> Result<(), Failure> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("HMGET").arg(self.link.keys().one("shard")).arg("incarnation").arg("epoch").arg("owner");
        let mut answers = self.link.read(&pipeline).await?.into_iter();
        let found: Vec<Option<String>> = fetch::next(&mut answers)?;
        let ours = [fence.incarnation.to_string(), fence.epoch.to_string(), fence.owner.to_string()];
        if found.iter().map(Option::as_deref).eq(ours.iter().map(|part| Some(part.as_str()))) {
            return Ok(());
        }
        Err(Error::Conflict("another server has taken the shard over".to_owned()).into())
    }

    async fn hot(&mut self) -> Result<Vec<TaskRow>, Failure> {
        let mut tasks = Vec::new();
        let mut from = "-".to_owned();
        loop {
            let mut pipeline = Pipeline::new();
            let ask = pipeline.cmd("ZRANGEBYLEX").arg(self.link.keys().one("hot")).arg(&from).arg("+");
            ask.arg("LIMIT").arg(0).arg(HOT_AT_ONCE);
            let mut answers = self.link.read(&pipeline).await?.into_iter();
            let keys = fetch::keys_of(fetch::next(&mut answers)?);
            tasks.extend(self.residents(&keys).await?);
            match keys.last() {
                Some(last) if keys.len() == HOT_AT_ONCE => from = format!("({}", member(*last)),
                _ => return Ok(tasks),
            }
        }
    }

    /// The high waters, lanes, counts, settings and definitions.
    async fn settings(&self) -> Result<Snapshot, Failure> {
        let keys = self.link.keys();
        let mut pipeline = Pipeline::new();
        let ask = pipeline.cmd("HMGET").arg(keys.one("shard"));
        ask.arg("time").arg("sequence").arg("lease").arg("commit");
        for name in ["lanes", "queues", "limits", "loans", "counts:tasks", "workers"] {
            pipeline.cmd("HGETALL").arg(keys.one(name));
        }
        pipeline.cmd("HKEYS").arg(keys.one("definitions"));
        pipeline.cmd("ZCARD").arg(keys.one("timers"));
        pipeline.cmd("ZRANGE").arg(keys.one("timers")).arg(0).arg(0).arg("WITHSCORES");
        pipeline.cmd("SMEMBERS").arg(keys.one("lanes:cold"));
        let mut answers = self.link.read(&pipeline).await?.into_iter();
        let mut high_water = HighWater::default();
        let numbers: Vec<Option<i64>> = fetch::next(&mut answers)?;
        if let [time, sequence, lease, commit] = *numbers {
            let number = |value: Option<i64>| value.unwrap_or_default() as u64;
            high_water.time = Timestamp::from_millis(time.unwrap_or_default());
            (high_water.sequence, high_water.lease, high_water.commit) =
                (number(sequence), number(lease), number(commit));
        }
        let lanes: BTreeMap<u32, Vec<u8>> = fetch::next(&mut answers)?;
        let lanes = lanes.into_iter().map(|(lane, record)| decode_lane(LaneId(lane), &record));
        let lanes = lanes.collect::<Result<_, _>>()?;
        let queues: BTreeMap<Vec<u8>, Vec<u8>> = fetch::next(&mut answers)?;
        let queues = queues.into_iter().map(decode_queue).collect();
        let limits: BTreeMap<Vec<u8>, Vec<u8>> = fetch::next(&mut answers)?;
        let mut limits = limits.into_iter().map(decode_limit).collect::<Result<Vec<_>, _>>()?;
        limits.sort_by(|a, b| (a.scope, &a.name).cmp(&(b.scope, &b.name)));
        let loans: BTreeMap<Vec<u8>, Vec<u8>> = fetch::next(&mut answers)?;
        let mut loans = loans.into_iter().map(decode_loan).collect::<Result<Vec<_>, _>>()?;
        loans.sort_by(|a, b| (&a.of, a.peer).cmp(&(&b.of, b.peer)));
        let backlog = backlog(fetch::next(&mut answers)?)?;
        let workers: BTreeMap<Vec<u8>, Vec<u8>> = fetch::next(&mut answers)?;
        let workers = workers.into_iter().map(decode_worker).collect::<Result<_, _>>()?;
        let definitions = newest(fetch::next(&mut answers)?)?;
        let cold_timers: u64 = fetch::next(&mut answers)?;
        let first: Vec<(Vec<u8>, f64)> = fetch::next(&mut answers)?;
        let next_timer = first.first().map(|(_, due)| Timestamp::from_millis(*due as i64));
        let cold: BTreeSet<u32> = fetch::next(&mut answers)?;
        let cold_ready = self.cold_ready(cold).await?;
        let rest = Snapshot::default();
        Ok(Snapshot {
            high_water,
            lanes,
            cold_ready,
            cold_timers,
            next_timer,
            queues,
            limits,
            loans,
            backlog,
            workers,
            definitions,
            ..rest
        })
    }

    async fn cold_ready(&self, lanes: BTreeSet<u32>) -> Result<Vec<(LaneId, u64)>, Failure> {
        let mut pipeline = Pipeline::new();
        lanes.iter().for_each(|lane| _ = pipeline.cmd("ZCARD").arg(self.link.keys().lane(*lane)));
        let mut found = Vec::new();
        for (lane, answer) in lanes.into_iter().zip(self.link.read(&pipeline).await?) {
            let number = fetch::take(answer)?;
            if number > 0 {
                found.push((LaneId(lane), number));
            }
        }
        Ok(found)
    }

    /// Deletes jobs that were never published, with their tasks, graphs and claims; the job goes last.
    async fn remove_staged(&mut self) -> Result<(), Failure> {
        for row in fetch::jobs(&self.link, &fetch::all_of(&self.link, "jobs:staged").await?).await? {
            for from in (0..row.tasks).step_by(STAGED_AT_ONCE as usize) {
                let to = row.tasks.min(from + STAGED_AT_ONCE);
                let keys: Vec<Key> = (from..to).map(|index| row.key.task_of_job(index)).collect();
                let known = self.ask_tasks(&keys).await?;
                let ours: Vec<Key> =
                    known.iter().filter(|(_, stored)| stored.job == Some(row.key)).map(|(key, _)| *key).collect();
                self.remove(&ours, None).await?;
            }
            self.cache.job(&row);
            self.remove(&[], Some(row.key)).await?;
        }
        Ok(())
    }

    async fn remove(&mut self, tasks: &[Key], job: Option<Key>) -> Result<(), Failure> {
        let named: Vec<Key> = tasks.iter().copied().chain(job).collect();
        let names: Vec<_> = fetch::claims_to(&self.link, &named).await?.into_iter().flatten().collect();
        let mut asked = Asked::default();
        let claims = fetch::claims(&self.link, &names).await?;
        asked.claims.extend(claims.into_iter().map(|row| (row.name.clone(), row)));
        let mut plan = Plan::new(self.link.keys(), &mut self.cache, asked);
        tasks.iter().for_each(|key| plan.delete_task(*key));
        names.iter().for_each(|name| plan.delete_claim(name));
        if let Some(job) = job {
            plan.delete_job(job);
        }
        let ops = plan.finish();
        self.keep_house(&ops).await
    }
}

/// Unfinished tasks by tenant, from the counts by queue and status.
fn backlog(counts: BTreeMap<Vec<u8>, i64>) -> Result<Vec<(Name, u64)>, Failure> {
    let mut unfinished: BTreeMap<Name, i64> = BTreeMap::new();
    for (field, number) in counts {
        let mut from = Take::new(&field);
        let (Some(tenant), Some(_), Some(status)) = (from.text(), from.text(), from.one_of(&TaskStatus::ALL)) else {
            return Err(Unreadable("count of tasks").into());
        };
        if !status.is_terminal() {
            *unfinished.entry(tenant.into()).or_default() += number;
        }
    }
    Ok(unfinished
        .into_iter()
        .filter(|(_, number)| *number > 0)
        .map(|(tenant, number)| (tenant, number as u64))
        .collect())
}

/// The newest version of each definition.
fn newest(names: Vec<Vec<u8>>) -> Result<Vec<(DefinitionKind, Name, Name, u32)>, Failure> {
    let mut newest = BTreeMap::new();
    for name in names {
        let (kind, tenant, name, version) = decode_definition_name(&name)?;
        let known = newest.entry((kind, tenant, name)).or_insert(version);
        *known = version.max(*known);
    }
    Ok(newest.into_iter().map(|((kind, tenant, name), version)| (kind, tenant, name, version)).collect())
}
