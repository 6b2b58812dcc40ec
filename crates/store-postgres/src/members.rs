//! Who takes part: a row for each node, with a beat. One statement over a connection of its own enters the beat and tells how
//! things stand, as of one moment.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use mainspring_core::id::SessionId;
use mainspring_core::permit::LimitRow;
use mainspring_core::row::{Directive, QueueRow, WorkerRow};
use mainspring_store::record::Unreadable;
use mainspring_store::{BoxFuture, Error, Holding, Members, NodeRow, Roster, ShardId};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::connect;
use crate::failure::Failure;
use crate::inbox::Waits;
use crate::rows::{Cells, directive};
use crate::sql::{Session, Statement};
use crate::url::Target;

/// A beat need not survive the server: a lost one is followed by the next.
const BEGIN_BEATING: &str = "BEGIN; SET LOCAL synchronous_commit = off; SET LOCAL lock_timeout = '1s'; \
    SET LOCAL idle_in_transaction_session_timeout = '1s'; SET LOCAL jit = off";

/// Longest wait for one beat; the next is tried over a fresh connection.
const BEAT_MAX: Duration = Duration::from_millis(1_100);

/// Rows of six kinds, told apart by the first column. A statement does not see its own insert: hence the union.
const BEAT: &str = "WITH mine AS (
        INSERT INTO @nodes AS n (id, address, about, process, version, beat) VALUES ($1, $2, $3, $4, $5, 1)
        ON CONFLICT (id) DO UPDATE SET address = excluded.address, about = excluded.about, process = excluded.process,
            version = excluded.version, beat = n.beat + 1
        RETURNING id, address, about, process, version, beat
    )
    SELECT 0 AS kind, beat AS number, id, address, about, process, version, NULL::bytea AS key FROM mine
    UNION ALL SELECT 0, beat, id, address, about, process, version, NULL FROM @nodes WHERE id <> $1
    UNION ALL SELECT 1, epoch, id::text, owner,
        CASE WHEN EXISTS (SELECT 1 FROM @inbox AS i WHERE i.shard = s.id) THEN 'inbox' END,
        greatest(f.folded, (SELECT max(number) FROM @feed WHERE shard = s.id))::text, NULL, NULL
        FROM @shards AS s JOIN @folds AS f ON f.shard = s.id
    UNION ALL SELECT 2, 0, NULL, NULL, NULL, NULL, NULL, key FROM @cluster
    UNION ALL SELECT 3, 0, name, NULL, NULL, NULL, NULL, NULL FROM @queues WHERE paused
    UNION ALL SELECT 4, directive, worker, NULL, NULL, NULL, NULL, NULL FROM @workers WHERE directive <> 0
    UNION ALL SELECT 5, scope, name, data, NULL, NULL, NULL, NULL FROM @limits";

/// See [`Members`].
pub(crate) struct PostgresMembers {
    runtime: Handle,
    line: Arc<Line>,
    /// Told with each beat.
    waits: Waits,
}

/// The connection; whoever beats waits for whoever beats already.
struct Line {
    target: Target,
    session: Mutex<Option<Session>>,
}

impl PostgresMembers {
    pub(crate) fn new(runtime: Handle, target: Target, waits: Waits) -> Self {
        Self { runtime, line: Arc::new(Line { target, session: Mutex::default() }), waits }
    }

    fn ask<T: Send + 'static>(
        &self,
        statement: Statement<'static>,
        read: impl FnOnce(&[Row]) -> Result<T, Failure> + Send + 'static,
    ) -> BoxFuture<Result<T, Error>> {
        let line = self.line.clone();
        let asking = self.runtime.spawn(async move {
            let late =
                |_| Error::Unavailable(format!("the database did not answer within {} ms", BEAT_MAX.as_millis()));
            let rows = tokio::time::timeout(BEAT_MAX, line.ask(statement)).await.map_err(late)??;
            read(&rows).map_err(Error::from)
        });
        let ended = |_| Err(Error::Unavailable("the store is closed".to_owned()));
        Box::pin(async move { asking.await.unwrap_or_else(ended) })
    }
}

impl Line {
    async fn ask(&self, statement: Statement<'_>) -> Result<Vec<Row>, Error> {
        let mut place = self.session.lock().await;
        // Taken out, so that a call that is dropped halfway leaves no connection in the middle of a transaction.
        let session = match place.take().filter(|session| !session.is_closed()) {
            Some(session) => session,
            None => connect::session(&self.target).await?,
        };
        let answer = session.transact(BEGIN_BEATING, vec![statement]).await;
        if !answer.as_ref().is_err_and(Failure::ends_connection) {
            *place = Some(session);
        }
        Ok(answer?.pop().unwrap_or_default())
    }
}

impl Members for PostgresMembers {
    fn beat(&self, node: NodeRow) -> BoxFuture<Result<Roster, Error>> {
        let owned = |text: &str| crate::text::stored(text).into_owned();
        let beat = Statement::new(BEAT)
            .bind(owned(&node.id), Type::TEXT)
            .bind(node.address.as_deref().map(owned), Type::TEXT)
            .bind(owned(&node.about), Type::TEXT)
            .bind(owned(&node.process), Type::TEXT)
            .bind(owned(&node.version), Type::TEXT);
        let waits = self.waits.clone();
        self.ask(beat, move |rows| {
            let (roster, waiting) = roster(rows)?;
            *waits.lock().unwrap_or_else(PoisonError::into_inner) = waiting;
            Ok(roster)
        })
    }

    fn leave(&self, node: SessionId) -> BoxFuture<Result<(), Error>> {
        let node = crate::text::stored(&node).into_owned();
        let leave = Statement::new("DELETE FROM @nodes WHERE id = $1").bind(node, Type::TEXT);
        self.ask(leave, |_| Ok(()))
    }
}

/// Reads the rows of [`BEAT`]: the roster, and the shards for which the inbox holds something.
fn roster(rows: &[Row]) -> Result<(Roster, Vec<ShardId>), Failure> {
    let (mut key, mut waiting) = (None, Vec::new());
    let (mut nodes, mut shards) = (Vec::new(), Vec::new());
    let (mut queues, mut workers, mut limits) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        let mut cells = Cells::of(row);
        match cells.int()? {
            0 => {
                let beat = cells.wide()?;
                let (id, address) = (cells.name()?, cells.name_or_null()?);
                let (about, process, version) = (cells.name()?, cells.name()?, cells.name()?);
                nodes.push((NodeRow { id, address, about, process, version }, beat));
            }
            1 => {
                let (epoch, number) = (cells.wide()?, cells.name()?);
                let shard = ShardId(number.parse().map_err(|_| Unreadable("number of a shard"))?);
                let owner = cells.name_or_null()?;
                waiting.extend(cells.text()?.map(|_| shard));
                let commit = cells.name()?.parse().map_err(|_| Unreadable("number of a commit"))?;
                shards.push(Holding { shard, epoch, owner, commit: Some(commit) });
            }
            2 => {
                cells.skip(6);
                key = <[u8; 32]>::try_from(cells.bytes()?).ok();
            }
            3 => {
                cells.skip(1);
                queues.push(QueueRow { name: cells.name()?, paused: true });
            }
            5 => limits.push(crate::rows::limits_of(&mut cells)?),
            _ => {
                let directive: Directive = directive(&mut cells)?;
                workers.push(WorkerRow { worker: cells.name()?, directive });
            }
        }
    }
    nodes.sort_by(|a, b| a.0.id.cmp(&b.0.id));
    shards.sort_by_key(|held| held.shard);
    queues.sort_by(|a, b| a.name.cmp(&b.name));
    limits.sort_by(|a: &LimitRow, b| (a.scope, &a.name).cmp(&(b.scope, &b.name)));
    workers.sort_by(|a, b| a.worker.cmp(&b.worker));
    let key = Arc::new(key.ok_or(Unreadable("key of the cluster"))?);
    Ok((Roster { nodes, shards, key, queues, limits, workers }, waiting))
}
