//! Calls that concern several shards: split by shard, carried out side by side, put together again.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use mainspring_core::effect::{Answer, Refusal, Submitted};
use mainspring_core::event::{NewTask, Order, SubmitJob};
use mainspring_core::home::Home;
use mainspring_core::id::{Key, Name};
use mainspring_core::job::JobStatus;
use mainspring_store::ShardId;

use super::{Cluster, merge};
use crate::node::CallError;
use crate::node::wire::Ask;

/// How long a change of a setting waits for a shard that nobody serves just now. It hears of it before it starts anything.
const HEAR_MAX: Duration = Duration::from_millis(500);

type Results = Vec<Result<Submitted, Refusal>>;

impl Cluster {
    /// Standalone tasks, each to its shard.
    pub(in crate::node) async fn submit_tasks(&self, tasks: Vec<NewTask>) -> Result<Results, CallError> {
        if self.shards == 1 {
            return self.submit_to(ShardId(0), tasks).await;
        }
        let favourite = self.favourite();
        let count = tasks.len();
        let mut results: Vec<Option<Result<Submitted, Refusal>>> = vec![None; count];
        let claims = tasks.iter().enumerate().filter_map(|(place, task)| Some((place, task.key_claim()?)));
        for (place, error) in self.claim_keys(claims).await {
            if count == 1 && !matches!(error, CallError::Refused(_)) {
                return Err(error);
            }
            results[place] = Some(Err(refusal(error)));
        }
        let mut groups: BTreeMap<ShardId, (Vec<usize>, Vec<NewTask>)> = BTreeMap::new();
        for (place, task) in tasks.into_iter().enumerate().filter(|(place, _)| results[*place].is_none()) {
            let shard = task.home().map_or(favourite, |bucket| ShardId::of(bucket, self.shards));
            let group = groups.entry(shard).or_default();
            group.0.push(place);
            group.1.push(task);
        }
        if groups.len() == 1 && results.iter().all(Option::is_none) {
            let (shard, (_, tasks)) = groups.pop_first().expect("there is one");
            return self.submit_to(shard, tasks).await;
        }
        let parts = groups
            .into_iter()
            .map(|(shard, (places, tasks))| async move { (places, self.submit_to(shard, tasks).await) });
        for (places, part) in join_all(parts).await {
            // What one shard cannot take must not hide what others have taken.
            let part = part.unwrap_or_else(|error| vec![Err(refusal(error)); places.len()]);
            for (place, result) in places.into_iter().zip(part) {
                results[place] = Some(result);
            }
        }
        Ok(results.into_iter().map(|result| result.unwrap_or(Err(Refusal::OutcomeUnknown))).collect())
    }

    async fn submit_to(&self, shard: ShardId, tasks: Vec<NewTask>) -> Result<Results, CallError> {
        match self.ask(shard, Ask::Tasks(tasks)).await? {
            Answer::Tasks(results) => Ok(results),
            other => unreachable!("tasks were answered by {other:?}"),
        }
    }

    /// A job, to its shard.
    pub(in crate::node) async fn submit_job(&self, job: SubmitJob) -> Result<(Key, JobStatus, bool), CallError> {
        if self.shards > 1
            && let Some((_, error)) =
                self.claim_keys(job.key_claim().into_iter().map(|claim| (0, claim))).await.pop_first()
        {
            return Err(error);
        }
        let shard = job.home().map_or_else(|| self.favourite(), |bucket| ShardId::of(bucket, self.shards));
        match self.ask(shard, Ask::Job(Box::new(job))).await? {
            Answer::Job { key, status, repeated } => Ok((key, status, repeated)),
            other => unreachable!("a job was answered by {other:?}"),
        }
    }

    /// An order, to whichever shards it concerns.
    pub(in crate::node) async fn order(&self, actor: Name, order: Order) -> Result<Answer, CallError> {
        let ask = |order: Order| Ask::Order { actor: actor.clone(), order };
        if self.shards == 1 {
            return self.ask(ShardId(0), ask(order)).await;
        }
        let of = |bucket| ShardId::of(bucket, self.shards);
        match order.home() {
            Home::Of(bucket) => self.ask(of(bucket), ask(order)).await,
            Home::OfRows => self.ask_each(&actor, order.split(of)).await,
            Home::Control => self.ask(ShardId::CONTROL, ask(order)).await,
            Home::Setting => self.everywhere(&actor, order).await,
            Home::Every => {
                let asked = (0..self.shards).map(|shard| self.ask(ShardId(shard), ask(order.clone())));
                try_join_all(asked).await.map(|_| Answer::Done)
            }
            Home::Served => merge::answers(self.of_all(&actor, &order).await?),
        }
    }

    /// One order per shard; what they took is put together.
    async fn ask_each(&self, actor: &Name, parts: BTreeMap<ShardId, Order>) -> Result<Answer, CallError> {
        let parts = parts.into_iter().map(|(shard, order)| self.ask(shard, Ask::Order { actor: actor.clone(), order }));
        merge::answers(try_join_all(parts).await?)
    }

    /// A setting: the control shard keeps it, the others hear of it at once. Whoever does not, learns it with a beat.
    async fn everywhere(&self, actor: &Name, order: Order) -> Result<Answer, CallError> {
        let answer = self.ask(ShardId::CONTROL, Ask::Order { actor: actor.clone(), order: order.clone() }).await?;
        let rest = (0..self.shards).map(ShardId).filter(|shard| *shard != ShardId::CONTROL);
        let told = rest.map(|shard| {
            let told = self.ask(shard, Ask::Order { actor: actor.clone(), order: order.clone() });
            tokio::time::timeout(HEAR_MAX, told)
        });
        for outcome in join_all(told).await {
            if let Ok(Err(error)) = outcome {
                tracing::warn!(%error, "a shard has not heard of a setting; the next beat tells it");
            }
        }
        self.hurry.notify_one();
        // The nodes themselves look at the settings with each beat.
        self.call_on_peers().await;
        Ok(answer)
    }

    /// Asks every shard that is served now.
    async fn of_all(&self, actor: &Name, order: &Order) -> Result<Vec<Answer>, CallError> {
        let asked = (0..self.shards)
            .map(|shard| self.ask_if_served(ShardId(shard), Ask::Order { actor: actor.clone(), order: order.clone() }));
        Ok(try_join_all(asked).await?.into_iter().flatten().collect())
    }
}

/// What an element of a batch is told whose shard failed it.
fn refusal(error: CallError) -> Refusal {
    match error {
        CallError::Refused(refusal) => refusal,
        CallError::OutcomeUnknown => Refusal::OutcomeUnknown,
        _ => Refusal::NotServed,
    }
}
