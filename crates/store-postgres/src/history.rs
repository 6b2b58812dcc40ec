//! Keeps the partitions of the history: made for the days ahead, dropped once they are past the retention. The database does
//! it, in the function `keep_history`; this sees to it that somebody asks, now and then.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mainspring_core::id::Key;
use mainspring_core::time::Timestamp;
use tokio_postgres::error::SqlState;

use crate::clock::Deadline;
use crate::failure::Failure;
use crate::rows::Cells;
use crate::sql::{Session, Statement};

/// How often a process asks. Partitions are made two days ahead.
const AGAIN: Duration = Duration::from_secs(600);

/// What a process knows of the partitions.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Before this nobody asks again.
    rests: Mutex<Option<Deadline>>,
    /// The role may not ask; then rows are deleted one by one.
    forbidden: AtomicBool,
    /// What belongs to tasks with lower keys goes with its partition.
    dropped_below: AtomicU64,
}

impl History {
    /// What is printed, tried and returned by tasks with lower keys need not be deleted with them: its partition is dropped.
    pub(crate) fn dropped_below(&self) -> Key {
        Key::from_raw(self.dropped_below.load(Ordering::Relaxed))
    }

    /// Whether it is time to ask; takes note that somebody does.
    pub(crate) fn is_due(&self) -> bool {
        let mut rests = self.rests.lock().unwrap_or_else(PoisonError::into_inner);
        if self.forbidden.load(Ordering::Relaxed) || rests.is_some_and(|until| !until.has_passed()) {
            return false;
        }
        *rests = Some(Deadline::after(AGAIN));
        true
    }

    /// Makes and drops partitions. What is not needed is of before `before`.
    pub(crate) async fn keep(
        self: Arc<Self>,
        db: Arc<Session>,
        now: Timestamp,
        before: Timestamp,
    ) -> Result<(), Failure> {
        let keep = Statement::new("SELECT made, dropped, left_over FROM @keep_history($1, $2)");
        let answer = db.query(keep.int(now.as_millis()).int(before.as_millis())).await;
        if let Err(failure) = &answer
            && failure.is(&SqlState::INSUFFICIENT_PRIVILEGE)
        {
            self.forbidden.store(true, Ordering::Relaxed);
            tracing::warn!(
                error = %failure,
                "this role may not make partitions, so old rows are deleted one by one; let the schema's owner grant \
                 EXECUTE on its function keep_history(bigint, bigint)"
            );
            return Ok(());
        }
        for row in &answer? {
            let mut cells = Cells::of(row);
            let (made, dropped, left) = (cells.int()?, cells.int()?, cells.int()?);
            tracing::debug!(made, dropped, left, "looked after the partitions of the history");
        }
        self.dropped_below.store(Key::first_sequence_at(before) << 12, Ordering::Relaxed);
        Ok(())
    }
}
