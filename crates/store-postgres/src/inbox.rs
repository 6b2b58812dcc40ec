//! The inbox: what applications enqueued with the function `enqueue` inside transactions of their own.

use std::sync::{Arc, Mutex, PoisonError};

use mainspring_store::{BoxFuture, CommitAnswer, Dismissed, Error, Fence, Inbox, InboxRow, ShardCommit, ShardId};
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::Row;

use crate::failure::Failure;
use crate::read::PostgresReader;
use crate::rows::Cells;
use crate::sql::{Session, Statement};
use crate::writer::{Call, Reply, Request};

/// The shards for which something waited as of the last beat.
pub(crate) type Waits = Arc<Mutex<Vec<ShardId>>>;

/// See [`Inbox`].
pub(crate) struct PostgresInbox {
    /// Weak, so that it does not keep the store's queue open.
    requests: mpsc::WeakUnboundedSender<Request>,
    reader: Arc<PostgresReader>,
    waits: Waits,
}

impl PostgresInbox {
    pub(crate) fn new(requests: &mpsc::UnboundedSender<Request>, reader: Arc<PostgresReader>, waits: Waits) -> Self {
        Self { requests: requests.downgrade(), reader, waits }
    }

    fn ask<T: Send + 'static>(
        &self,
        request: impl FnOnce(Reply<T>) -> Request,
        closed: impl FnOnce(String) -> T + Send + 'static,
    ) -> BoxFuture<T> {
        let (reply, answer) = oneshot::channel();
        if let Some(requests) = self.requests.upgrade() {
            // Where the task has ended, the request is dropped with its reply, and the caller hears so.
            _ = requests.send(request(reply));
        }
        Box::pin(async move { answer.await.unwrap_or_else(|_| closed("the store is closed".to_owned())) })
    }
}

impl Inbox for PostgresInbox {
    fn waits_for(&self) -> Vec<ShardId> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn waiting(&self, shard: ShardId, after: i64, limit: usize) -> BoxFuture<Result<Vec<InboxRow>, Error>> {
        self.reader.ask(move |db| async move { waiting(&db, shard, after, limit).await })
    }

    fn commit(&self, commit: ShardCommit, taken: Vec<i64>) -> BoxFuture<Vec<CommitAnswer>> {
        let call = |reply| Request::Commit(Call { commits: vec![commit], taken, reply });
        self.ask(call, |reason| vec![CommitAnswer::Unknown { reason }])
    }

    fn dismiss(&self, fence: Fence, rows: Vec<Dismissed>) -> BoxFuture<Result<(), Error>> {
        self.ask(|reply| Request::Dismiss(fence, rows, reply), |reason| Err(Error::Unavailable(reason)))
    }
}

async fn waiting(db: &Session, shard: ShardId, after: i64, limit: usize) -> Result<Vec<InboxRow>, Failure> {
    let sql = "SELECT number, floor(extract(epoch FROM at) * 1000)::bigint, task_id, task::text FROM @inbox
        WHERE shard = $1 AND number > $2 ORDER BY number LIMIT $3";
    let asked = Statement::new(sql).int(i64::from(shard.0)).int(after);
    let read = |row: &Row| {
        let mut cells = Cells::of(row);
        let (number, at) = (cells.int()?, cells.instant()?);
        // Written by the database itself, so nothing in these texts stands for anything else.
        Ok(InboxRow { number, at, task_id: row.try_get::<_, &str>(2)?.into(), body: row.try_get::<_, &str>(3)?.into() })
    };
    db.query(asked.int(i64::try_from(limit).unwrap_or(i64::MAX))).await?.iter().map(read).collect()
}
