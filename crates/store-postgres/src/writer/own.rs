//! Ownership of a shard among servers: an epoch that every commit checks, and a lease row whose beat shows that its holder
//! lives.
//!
//! On the machine of the holder it is enough that its process has ended. Elsewhere the beat decides.
//! The beat is judged by the watcher's own monotonic clock: who sees it stand still for [`STILL`] takes over. No wall
//! clock is compared, and a holder that was only slow is kept out by its old epoch.

use std::time::Duration;

use mainspring_core::id::SessionId;
use mainspring_store::{Error, Fence, ShardId};
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;

use super::Writer;
use crate::clock::Stopwatch;
use crate::connect;
use crate::failure::Failure;
use crate::process;
use crate::rows::Cells;
use crate::sql::{BEGIN_WRITING, Session, Statement};
use crate::url::Target;

/// How often a holder shows that it lives.
const BEAT_EVERY: Duration = Duration::from_millis(500);
/// How long a beat must stand still before its holder counts as dead.
const STILL: Duration = Duration::from_secs(3);
/// How often a watcher looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Longest wait for one beat; then it is tried anew over a fresh connection.
const BEAT_MAX: Duration = Duration::from_secs(2);
/// Longest time a store that closes takes to give its shard back.
pub(super) const GIVE_BACK_MAX: Duration = Duration::from_secs(2);

/// A beat need not survive the server: a lost one is followed by the next.
const BEGIN_BEATING: &str = "BEGIN; SET LOCAL synchronous_commit = off; SET LOCAL lock_timeout = '1s'; \
    SET LOCAL idle_in_transaction_session_timeout = '1s'";

/// Shows that a holder lives, until it is dropped.
pub(super) struct Beat(JoinHandle<()>);

impl Drop for Beat {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A lease as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Lease {
    holder: Option<String>,
    about: Option<String>,
    beat: i64,
}

impl Lease {
    /// Whether its holder was a process of this machine that has ended.
    fn is_of_the_dead(&self) -> bool {
        let name = self.holder.as_deref().and_then(|holder| holder.split_once(' ')).map(|(_, process)| process);
        name.is_some_and(process::is_gone)
    }
}

/// Whether a transaction failed because its fence is not in force.
pub(super) fn is_lost(failure: &Failure) -> bool {
    failure.is(&SqlState::DIVISION_BY_ZERO)
}

impl Writer {
    pub(super) async fn acquire(&mut self, shard: ShardId, owner: SessionId) -> Result<Fence, Error> {
        if shard != ShardId(0) {
            return Err(Error::Incompatible(format!("shard {} does not exist: there is only shard 0", shard.0)));
        }
        self.disown();
        let still = self.outlast().await?;
        let origin = connect::origin(self.session().await?).await.map_err(|failure| self.failed(failure))?;
        let taken = self.take(&owner, still, &origin).await;
        let (incarnation, epoch, last) = taken.map_err(|failure| {
            // The transaction may still be open: its connection goes with it.
            self.session = None;
            self.failed(failure)
        })?;
        let fence = Fence { shard, incarnation, epoch, owner };
        self.seen = (incarnation, epoch);
        self.last = last;
        self.fence = Some(fence.clone());
        self.beat = Some(Beat(tokio::spawn(beat(self.target.clone(), self.holder.clone(), epoch))));
        Ok(fence)
    }

    /// Waits until nobody else holds the shard; `Conflict` if somebody does and lives. Gives the lease to replace.
    async fn outlast(&mut self) -> Result<Lease, Error> {
        let first = self.lease().await?;
        if first.holder.as_ref().is_none_or(|holder| *holder == self.holder) {
            return Ok(first);
        }
        if first.is_of_the_dead() {
            return Ok(first);
        }
        let about = first.about.as_deref().unwrap_or("unknown");
        tracing::info!(holder = about, "another server holds the database; looking whether it lives");
        let watch = Stopwatch::start();
        while watch.elapsed() < STILL {
            tokio::time::sleep(LOOK_EVERY).await;
            let lease = self.lease().await?;
            if lease.holder.is_none() {
                return Ok(lease);
            }
            if lease != first {
                return Err(alive(&self.target, &lease));
            }
        }
        tracing::warn!(holder = about, "taking the database over: its server has shown no life for 3 s");
        Ok(first)
    }

    async fn lease(&mut self) -> Result<Lease, Error> {
        let asked = Statement::new("SELECT holder, about, beat FROM @leases WHERE shard = 0");
        let answer = self.session().await?.query(asked).await.and_then(|rows| lease(&rows));
        answer.map_err(|failure| self.failed(failure))
    }

    /// Raises the epoch, if the lease is still the one that was judged. Waits for a commit under the old epoch that is on
    /// its way: after this, none can land.
    async fn take(&mut self, owner: &SessionId, judged: Lease, origin: &str) -> Result<(u32, u64, u64), Failure> {
        let (target, holder) = (self.target.clone(), self.holder.clone());
        let session = self.session().await?;
        session.script(BEGIN_WRITING).await?;
        let asked = "SELECT incarnation, epoch, origin,
                greatest(folded, (SELECT max(number) FROM @feed WHERE shard = 0))
            FROM @shards WHERE id = 0 FOR UPDATE";
        let rows = session.query(Statement::new(asked)).await?;
        let row = rows.first().ok_or_else(|| Failure::Diverged("the row of the shard is gone".to_owned()))?;
        let mut cells = Cells::of(row);
        let (incarnation, epoch, known) = (cells.small()?, cells.wide()?, cells.text()?);
        let last = cells.wide()?;
        let now =
            lease(&session.query(Statement::new("SELECT holder, about, beat FROM @leases WHERE shard = 0")).await?)?;
        if now != judged && now.holder.as_ref().is_some_and(|other| *other != holder) {
            return Err(alive(&target, &now).into());
        }
        let moved = known.as_deref().is_some_and(|known| known != origin);
        if moved {
            tracing::warn!("the database was restored or failed over; leases of before are void");
        }
        let (incarnation, epoch) = (incarnation + u32::from(moved), epoch + 1);
        let raise = "UPDATE @shards SET incarnation = $1, epoch = $2, owner = $3, origin = $4 WHERE id = 0";
        let raise = Statement::new(raise).int(i64::from(incarnation)).int(epoch as i64).text(owner);
        session.query(raise.text(origin)).await?;
        let hold = "UPDATE @leases SET holder = $1, about = $2, epoch = $3, beat = beat + 1 WHERE shard = 0";
        session.query(Statement::new(hold).text(&holder).text(&about()).int(epoch as i64)).await?;
        session.script("COMMIT").await?;
        Ok((incarnation, epoch, last))
    }

    pub(super) async fn release(&mut self, fence: &Fence) -> Result<(), Error> {
        self.owned(fence)?;
        self.disown();
        let holder = self.holder.clone();
        let statements = vec![
            super::fence_check(fence),
            Statement::new("UPDATE @shards SET owner = NULL WHERE id = 0"),
            Statement::new("UPDATE @leases SET holder = NULL, about = NULL WHERE shard = 0 AND holder = $1")
                .text(&holder),
        ];
        let done = self.session().await?.transact(BEGIN_WRITING, statements).await;
        done.map(|_| ()).map_err(|failure| self.failed(failure))
    }
}

fn lease(rows: &[tokio_postgres::Row]) -> Result<Lease, Failure> {
    let row = rows.first().ok_or_else(|| Failure::Diverged("the lease of the shard is gone".to_owned()))?;
    let mut cells = Cells::of(row);
    let (holder, about) = (cells.text()?.map(Into::into), cells.text()?.map(Into::into));
    Ok(Lease { holder, about, beat: cells.int()? })
}

fn alive(target: &Target, lease: &Lease) -> Error {
    Error::Conflict(format!(
        "another server ({}) has the schema `{}` of this database and lives; stop it, or start this one with another \
         `?schema=`",
        lease.about.as_deref().unwrap_or("unknown"),
        target.schema
    ))
}

/// Where this process is, for people.
fn about() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("host {host}, process {}", std::process::id())
}

/// Beats until somebody else holds the shard.
async fn beat(target: Target, holder: String, epoch: u64) {
    let mut session = None;
    loop {
        tokio::time::sleep(BEAT_EVERY).await;
        match tokio::time::timeout(BEAT_MAX, beat_once(&target, &mut session, &holder, epoch)).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => return,
            Ok(Err(error)) => {
                tracing::warn!(%error, "cannot show the database that this server lives");
                session = None;
            }
            Err(_) => {
                tracing::warn!("cannot show the database that this server lives: it does not answer");
                session = None;
            }
        }
    }
}

async fn beat_once(target: &Target, session: &mut Option<Session>, holder: &str, epoch: u64) -> Result<bool, Failure> {
    if session.as_ref().is_none_or(Session::is_closed) {
        *session = Some(connect::session(target).await?);
    }
    let session = session.as_ref().expect("it was just opened");
    let beat = "UPDATE @leases SET beat = beat + 1 WHERE shard = 0 AND holder = $1 AND epoch = $2 RETURNING beat";
    let answers = session.transact(BEGIN_BEATING, vec![Statement::new(beat).text(holder).int(epoch as i64)]).await?;
    Ok(answers.first().is_some_and(|rows| !rows.is_empty()))
}
