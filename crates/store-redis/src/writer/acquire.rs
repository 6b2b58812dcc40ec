//! Takes the shard over and gives it back.

use mainspring_core::id::SessionId;
use mainspring_store::{Error, Fence, ShardId};

use super::Writer;
use crate::clock::Deadline;
use crate::failure::Failure;
use crate::fetch::take;
use crate::lease::{LEASE_MS, SILENCE};
use crate::script::Script;

/// The version of what is stored.
const SCHEMA: u32 = 1;
/// How often the beat of another owner is looked at.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(200);

/// What came of one try.
enum Try {
    Taken { incarnation: u32, epoch: u64, commit: u64, went_back: bool },
    Held { beat: String, who: String },
    Schema(String),
}

impl Writer {
    pub(super) async fn acquire(&mut self, shard: ShardId, owner: SessionId) -> Result<Fence, Error> {
        if shard != ShardId(0) {
            return Err(Error::Incompatible(format!("shard {} does not exist: Redis has only shard 0", shard.0)));
        }
        self.forget();
        let mut watched: Option<(String, Deadline)> = None;
        let mut overruled = String::new();
        // The connection may have been lost long ago, unseen; to take the shard twice does no harm.
        let mut tries = 2;
        loop {
            tries -= 1;
            let attempt = match self.try_acquire(&owner, &overruled).await {
                Err(failure) if failure.ends_the_connection() && tries > 0 => continue,
                attempt => attempt?,
            };
            tries = 1;
            match attempt {
                Try::Taken { incarnation, epoch, commit, went_back } => {
                    if went_back {
                        tracing::error!(
                            known = self.stored,
                            found = commit,
                            incarnation,
                            "Redis went back behind a commit that it had acknowledged (a fail-over to a replica that \
                             lagged, or a lost append-only file): what was committed in between is lost; a new \
                             incarnation begins, and no older lease is valid"
                        );
                    }
                    let fence = Fence { shard, incarnation, epoch, owner };
                    self.fence = Some(fence.clone());
                    self.in_force = true;
                    self.stored = commit;
                    self.lease.hold(Some(epoch));
                    self.lease.look(&self.link).await?;
                    return Ok(fence);
                }
                Try::Schema(version) => {
                    return Err(Error::Incompatible(format!(
                        "Redis holds schema version {version}, this program knows versions up to {SCHEMA}; \
                         use the newer program"
                    )));
                }
                Try::Held { beat, who } => match &watched {
                    Some((seen, _)) if *seen != beat => {
                        return Err(Error::Conflict(format!(
                            "another server ({who}) has this Redis; stop it, or give this one another `?prefix=`"
                        )));
                    }
                    Some((_, silence)) if silence.has_passed() => {
                        tracing::warn!(who, "taking the shard over from a server that fell silent");
                        overruled = beat;
                        continue;
                    }
                    Some(_) => {}
                    None => {
                        tracing::info!(who, "another server has the shard; waiting to see whether it lives");
                        watched = Some((beat, Deadline::after(SILENCE)));
                    }
                },
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn try_acquire(&self, owner: &SessionId, overruled: &str) -> Result<Try, Failure> {
        let (shard, lease) = (self.link.keys().one("shard"), self.link.keys().one("owner"));
        let known = self.fence.as_ref().map_or((0, 0), |fence| (fence.incarnation, fence.epoch));
        let answer = Script::acquire()
            .run(&self.link, &|command| {
                command.arg(2).arg(&shard).arg(&lease);
                command.arg(&self.lease.instance).arg(&self.lease.who).arg(&**owner).arg(LEASE_MS).arg(overruled);
                command.arg(SCHEMA).arg(known.0).arg(known.1).arg(self.stored);
            })
            .await?;
        let mut words = take::<Vec<String>>(answer)?.into_iter();
        let answer = words.next().unwrap_or_default();
        let mut word = || words.next().unwrap_or_default();
        Ok(match answer.as_str() {
            "held" => Try::Held { beat: word(), who: word() },
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
        self.lease.hold(None);
        let (shard, owner) = (self.link.keys().one("shard"), self.link.keys().one("owner"));
        let release = Script::release()
            .run(&self.link, &|command| {
                command.arg(2).arg(&shard).arg(&owner).arg(&self.lease.instance).arg(fence.epoch);
            })
            .await;
        release.map(|_| ()).map_err(Error::from)
    }
}
