//! Ownership of a shard among the stores that have the database open: an epoch that every commit checks, raised only by
//! whoever may. Whether a holder lives is not judged here; whoever asks says under which epoch it saw it dead.

use std::time::Duration;

use mainspring_core::id::SessionId;
use mainspring_store::{Error, Fence, ShardId};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::{Part, Writer, fence_check};
use crate::connect;
use crate::failure::Failure;
use crate::rows::Cells;
use crate::sql::{BEGIN_WRITING, Statement};

/// Longest time a store that closes takes to give its shards back.
pub(super) const GIVE_BACK_MAX: Duration = Duration::from_secs(2);

const LOOK: &str = "SELECT incarnation, epoch, owner, holder FROM @shards WHERE id = $1";

/// Conditional, since what was looked at may have changed meanwhile. `$6` to `$8` are the incarnation, the epoch and the commit
/// that this store knows of: where less is stored, the database went back behind what it had acknowledged.
const RAISE: &str = "UPDATE @shards
    SET incarnation = greatest(incarnation, $6) + CASE WHEN origin <> $4 OR epoch < $7 OR $8 >
            (SELECT greatest(folded, (SELECT max(number) FROM @feed WHERE shard = $1)) FROM @folds WHERE shard = $1)
            THEN 1 ELSE 0 END,
        epoch = greatest(epoch, $7) + 1, owner = $2, holder = $3, origin = $4
    WHERE id = $1 AND (holder IS NULL OR holder = $3 OR epoch = $5)
    RETURNING incarnation, epoch";

/// A statement of its own, so that it sees the commit that the lock was waited for.
const LAST: &str =
    "SELECT greatest(folded, (SELECT max(number) FROM @feed WHERE shard = $1)) FROM @folds WHERE shard = $1";

/// A shard as it stands.
struct Held {
    incarnation: u32,
    epoch: u64,
    owner: Option<String>,
    holder: Option<String>,
}

impl Held {
    fn read(rows: &[Row]) -> Result<Self, Failure> {
        let row = rows.first().ok_or_else(|| Failure::Diverged("the row of the shard is gone".to_owned()))?;
        let mut cells = Cells::of(row);
        Ok(Self {
            incarnation: cells.small()?,
            epoch: cells.wide()?,
            owner: cells.text()?.map(Into::into),
            holder: cells.text()?.map(Into::into),
        })
    }

    fn may_be_taken(&self, holder: &str, dead: Option<u64>) -> bool {
        self.holder.as_ref().is_none_or(|other| other == holder) || dead == Some(self.epoch)
    }

    fn conflict(&self, shard: ShardId) -> Error {
        let owner = self.owner.as_deref().unwrap_or("unknown");
        Error::Conflict(format!("shard {} is held by {owner} under epoch {}", shard.0, self.epoch))
    }
}

/// Whether a transaction failed because its fence is not in force.
pub(super) fn is_lost(failure: &Failure) -> bool {
    failure.is(&SqlState::DIVISION_BY_ZERO)
}

impl Writer {
    pub(super) async fn acquire(
        &mut self,
        shard: ShardId,
        owner: SessionId,
        dead: Option<u64>,
    ) -> Result<Fence, Error> {
        self.exists(shard)?;
        self.disown(shard);
        let taken = self.take(shard, &owner, dead).await;
        let (incarnation, epoch, last) = taken.map_err(|failure| self.failed(shard, failure))?;
        let fence = Fence { shard, incarnation, epoch, owner };
        let part = self.part(shard);
        (part.seen, part.last, part.fence) = ((incarnation, epoch), last, Some(fence.clone()));
        Ok(fence)
    }

    /// Raises the epoch, if the shard may be taken. Waits for a commit under the old epoch that is on its way: after this,
    /// none can land. A shard that may not be taken is refused without a wait.
    async fn take(&mut self, shard: ShardId, owner: &SessionId, dead: Option<u64>) -> Result<(u32, u64, u64), Failure> {
        let (id, holder) = (i64::from(shard.0), self.holder.clone());
        let Part { seen: (incarnation, epoch), last: known, .. } = *self.part(shard);
        let session = self.session().await?;
        let seen = Held::read(&session.query(Statement::new(LOOK).int(id)).await?)?;
        if !seen.may_be_taken(&holder, dead) {
            return Err(seen.conflict(shard).into());
        }
        let origin = connect::origin(session).await?;
        let raise = Statement::new(RAISE).int(id).text(owner).text(&holder).text(&origin);
        let statements = vec![
            Statement::new(format!("{LOOK} FOR UPDATE")).int(id),
            raise
                .bind(dead.map(|epoch| epoch as i64), Type::INT8)
                .int(i64::from(incarnation))
                .int(epoch as i64)
                .int(known as i64),
            Statement::new(LAST).int(id),
        ];
        let answers = session.transact(BEGIN_WRITING, statements).await?;
        let before = Held::read(&answers[0])?;
        let Some(row) = answers[1].first() else { return Err(before.conflict(shard).into()) };
        let mut cells = Cells::of(row);
        let taken: (u32, u64) = (cells.small()?, cells.wide()?);
        let last = answers[2].first().map(|row| Cells::of(row).wide()).transpose()?;
        let last = last.ok_or_else(|| Failure::Diverged("the row of the shard is gone".to_owned()))?;
        if before.epoch < epoch || last < known {
            tracing::error!(
                shard = shard.0,
                known,
                found = last,
                incarnation = taken.0,
                "the database went back behind a commit that it had acknowledged (a crash under `synchronous_commit=off`, or a \
                 fail-over to a standby that lagged): what was committed in between is lost; a new incarnation begins, and no \
                 older lease is valid"
            );
        } else if taken.0 != before.incarnation {
            tracing::warn!(shard = shard.0, "the database was restored or failed over; leases of before are void");
        }
        Ok((taken.0, taken.1, last))
    }

    pub(super) async fn release(&mut self, fence: &Fence) -> Result<(), Error> {
        self.owned(fence)?;
        self.disown(fence.shard);
        let free = "UPDATE @shards SET owner = NULL, holder = NULL WHERE id = $1";
        let statements = vec![fence_check(fence), Statement::new(free).int(i64::from(fence.shard.0))];
        let done = self.session().await?.transact(BEGIN_WRITING, statements).await;
        done.map(|_| ()).map_err(|failure| self.failed(fence.shard, failure))
    }

    /// Gives back whatever this store holds.
    pub(super) async fn release_all(&mut self) -> Result<(), Error> {
        let holder = self.holder.clone();
        let free = Statement::new("UPDATE @shards SET owner = NULL, holder = NULL WHERE holder = $1").text(&holder);
        self.session().await?.transact(BEGIN_WRITING, vec![free]).await?;
        Ok(())
    }
}
