//! What must be stored beside the rows, and in time: output, logs, the feed (I1, I15, I24).

use mainspring_core::id::Token;
use mainspring_core::row::{Changes, TransitionKind};
use mainspring_core::task::{Outcome, TaskStatus};

use super::asked::Said;
use super::{Checker, Touched, Verdict, ensure, moves};

/// How late a task may become ready in a world without faults, where pages of one timer each may come one by one.
const LATE_MS_MAX: u64 = 8_000;
/// The same where a commit may take 400 ms.
const LATE_MS_MAX_OF_SLOW: u64 = 60_000;

impl Checker {
    /// I24: the feed of a commit tells what became of each task in it.
    pub(super) fn check_told(&self, changes: &Changes, touched: &Touched) -> Verdict {
        let state = &self.model.tasks[&touched.key].state;
        let was = touched.old.as_ref().map(|old| &old.state);
        let is_new = was.is_none_or(|was| was.status != state.status || was.generation != state.generation);
        let kind = match state.status {
            TaskStatus::Completed => TransitionKind::TaskComplete,
            TaskStatus::Cancelled => TransitionKind::TaskCancelled,
            TaskStatus::Skipped => TransitionKind::TaskSkipped,
            TaskStatus::Failed => TransitionKind::TaskDead,
            TaskStatus::Running => TransitionKind::TaskStarted,
            TaskStatus::Ready => TransitionKind::TaskReady,
            TaskStatus::Pending | TaskStatus::Scheduled | TaskStatus::Waiting => return Ok(()),
        };
        let told = changes.feed.iter().any(|told| told.kind == kind && told.task == Some(touched.key));
        ensure(!is_new || told, "I24", || format!("the feed does not tell that task {:?} is {kind:?}", touched.key))
    }

    /// L1 without faults: what is due becomes ready soon.
    pub(super) fn check_late(&self, touched: &Touched) -> Verdict {
        let state = &self.model.tasks[&touched.key].state;
        let Some(was) = touched.old.as_ref().map(|old| &old.state) else { return Ok(()) };
        let waited = was.status == TaskStatus::Scheduled && was.due == state.due;
        let (Some(due), Some(ready), true) = (state.due, state.ready_at, waited && self.config.calm) else {
            return Ok(());
        };
        let most = if self.config.commit_ms.1 < 100 { LATE_MS_MAX } else { LATE_MS_MAX_OF_SLOW };
        ensure(ready.since(due) <= most, "L1", || {
            format!("task {:?} is ready {} ms after it was due", touched.key, ready.since(due))
        })
    }

    /// I1: what an attempt printed is stored before the exchange that brought it is answered.
    pub(super) fn check_logs(&self, said: &Said, stale: &[Token]) -> Verdict {
        for (token, number) in &said.logs {
            let Some(attempt) = self.model.attempt_of(token.task, token.lease).filter(|_| !stale.contains(token))
            else {
                continue;
            };
            let stored = self.model.logs.contains(&(token.task, attempt.number, *number));
            ensure(stored, "I1", || format!("chunk {number} of {token:?} was taken and is not stored"))?;
        }
        Ok(())
    }

    /// I1: the output of an acknowledged success is stored, as long as no later attempt has another.
    pub(super) fn check_output(&self, token: Token) -> Verdict {
        let row = self.model.tasks.get(&token.task);
        let last = row.and_then(|row| row.state.last.as_ref()).filter(|last| last.lease == token.lease);
        let ended = last.filter(|last| last.outcome == Some(Outcome::Success));
        let standing = row.is_some_and(|row| moves::is_terminal(row.state.status));
        let reports = self.asked.reports.get(&token.lease).map(|(_, reports)| reports.as_slice()).unwrap_or_default();
        let report = reports.iter().find(|report| report.outcome == Outcome::Success);
        let (Some(_), true, Some(output)) = (ended, standing, report.and_then(|report| report.output.as_ref())) else {
            return Ok(());
        };
        let stored = self.model.outputs.get(&token.task);
        ensure(stored == Some(output), "I1", || format!("{token:?} put out {output}, stored is {stored:?}"))
    }
}
