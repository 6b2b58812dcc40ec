//! Takes the shard over and gives it back.

use mainspring_core::id::SessionId;
use mainspring_store::{Error, Fence, ShardId};

use super::Writer;
use crate::failure::Failure;
use crate::fetch::take;
use crate::meta::{self, SCHEMA};
use crate::script::Script;

/// What came of one try.
enum Try {
    Taken { incarnation: u32, epoch: u64, commit: u64, how: String },
    Held { epoch: String, who: String },
    Schema(String),
}

impl Writer {
    /// To take the shard twice does no harm; here, because another run of the server has answered than the one that was named.
    async fn acquire_from_this_run(&mut self, owner: &SessionId, dead: Option<u64>) -> Result<Try, Failure> {
        loop {
            if self.shard == ShardId::CONTROL {
                // After a fail-over to an empty replica the database must be made anew.
                meta::open(&self.link, Some(self.shards), &self.part).await?;
            }
            let run = self.link.open().await?.run;
            let tried = self.try_acquire(owner, dead, &run).await?;
            if self.link.open().await?.run == run {
                return Ok(tried);
            }
        }
    }

    pub(super) async fn acquire(&mut self, owner: SessionId, dead: Option<u64>) -> Result<Fence, Error> {
        self.forget();
        // The connection may have been lost long ago, unseen.
        let tried = match self.acquire_from_this_run(&owner, dead).await {
            Err(failure) if failure.ends_the_connection() => self.acquire_from_this_run(&owner, dead).await?,
            tried => tried?,
        };
        match tried {
            Try::Taken { incarnation, epoch, commit, how } => {
                self.tell_incarnation(&how, commit, incarnation);
                let fence = Fence { shard: self.shard, incarnation, epoch, owner };
                self.fence = Some(fence.clone());
                (self.in_force, self.held) = (true, true);
                self.stored = commit;
                self.memory.look(&self.link).await?;
                Ok(fence)
            }
            Try::Schema(version) => Err(meta::newer(&version)),
            Try::Held { epoch, who } => {
                self.held = false;
                Err(Error::Conflict(format!(
                    "another server ({who}) has shard {} of this Redis under epoch {epoch}",
                    self.shard.0
                )))
            }
        }
    }

    fn tell_incarnation(&self, how: &str, commit: u64, incarnation: u32) {
        match how {
            "went back" => tracing::error!(
                shard = self.shard.0,
                known = self.stored,
                found = commit,
                incarnation,
                "Redis went back behind a commit that it had acknowledged (a fail-over to a replica that lagged, or a lost \
                 end of the append-only file): what was committed in between is lost; a new incarnation begins, and no \
                 older lease is valid"
            ),
            "another run" => tracing::warn!(
                shard = self.shard.0,
                found = commit,
                incarnation,
                "Redis was started anew since an owner that did not give the shard back, and may have lost the last \
                 second of it; a new incarnation begins, and no older lease is valid"
            ),
            _ => {}
        }
    }

    async fn try_acquire(&mut self, owner: &SessionId, dead: Option<u64>, run: &str) -> Result<Try, Failure> {
        let (shard, lease) = (self.link.keys().one("shard"), self.link.keys().one("owner"));
        let known = self.fence.as_ref().map_or((0, 0), |fence| (fence.incarnation, fence.epoch));
        let dead = dead.map_or_else(String::new, |epoch| epoch.to_string());
        let answer = Script::acquire()
            .run(&self.link, &|command| {
                command.arg(2).arg(&shard).arg(&lease);
                command.arg(&self.holder.instance).arg(&self.holder.who).arg(&**owner).arg(&dead);
                command.arg(SCHEMA).arg(known.0).arg(known.1).arg(self.stored).arg(run);
            })
            .await?;
        let mut words = take::<Vec<String>>(answer)?.into_iter();
        let answer = words.next().unwrap_or_default();
        let mut word = || words.next().unwrap_or_default();
        Ok(match answer.as_str() {
            "held" => Try::Held { epoch: word(), who: word() },
            "schema" => Try::Schema(word()),
            _ => {
                let damaged = || Error::Corrupt("the shard's record cannot be read".to_owned());
                let incarnation = word().parse().map_err(|_| damaged())?;
                let epoch = word().parse().map_err(|_| damaged())?;
                let commit = word().parse().map_err(|_| damaged())?;
                Try::Taken { incarnation, epoch, commit, how: answer }
            }
        })
    }

    pub(super) async fn release(&mut self, fence: &Fence) -> Result<(), Error> {
        self.owned(fence)?;
        self.forget();
        self.give_back(fence).await.map_err(Error::from)
    }

    /// Leaves the shard to others, also where an unknown commit put the fence out of force.
    pub(super) async fn give_back(&mut self, fence: &Fence) -> Result<(), Failure> {
        self.held = false;
        let shard = self.link.keys().one("shard");
        let release = Script::release()
            .run(&self.link, &|command| {
                command.arg(1).arg(&shard).arg(&self.holder.instance).arg(fence.epoch);
            })
            .await;
        release.map(|_| ())
    }
}
