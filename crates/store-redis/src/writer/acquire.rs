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
    Taken { incarnation: u32, epoch: u64, commit: u64, went_back: bool },
    Held { epoch: String, who: String },
    Schema(String),
}

impl Writer {
    pub(super) async fn acquire(&mut self, owner: SessionId, dead: Option<u64>) -> Result<Fence, Error> {
        self.forget();
        // The connection may have been lost long ago, unseen; to take the shard twice does no harm.
        let tried = match self.try_acquire(&owner, dead).await {
            Err(failure) if failure.ends_the_connection() => self.try_acquire(&owner, dead).await?,
            tried => tried?,
        };
        match tried {
            Try::Taken { incarnation, epoch, commit, went_back } => {
                if went_back {
                    tracing::error!(
                        shard = self.shard.0,
                        known = self.stored,
                        found = commit,
                        incarnation,
                        "Redis went back behind a commit that it had acknowledged (a fail-over to a replica that \
                         lagged, or a lost append-only file): what was committed in between is lost; a new \
                         incarnation begins, and no older lease is valid"
                    );
                }
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

    async fn try_acquire(&mut self, owner: &SessionId, dead: Option<u64>) -> Result<Try, Failure> {
        if self.shard == ShardId::CONTROL {
            // After a fail-over to an empty replica the database must be made anew.
            meta::open(&self.link, Some(self.shards), &self.part).await?;
        }
        let (shard, lease) = (self.link.keys().one("shard"), self.link.keys().one("owner"));
        let known = self.fence.as_ref().map_or((0, 0), |fence| (fence.incarnation, fence.epoch));
        let dead = dead.map_or_else(String::new, |epoch| epoch.to_string());
        let answer = Script::acquire()
            .run(&self.link, &|command| {
                command.arg(2).arg(&shard).arg(&lease);
                command.arg(&self.holder.instance).arg(&self.holder.who).arg(&**owner).arg(&dead);
                command.arg(SCHEMA).arg(known.0).arg(known.1).arg(self.stored);
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
                Try::Taken { incarnation, epoch, commit, went_back: answer == "went back" }
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
