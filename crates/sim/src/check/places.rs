//! Where rows belong (I4): whatever will move by itself is loaded or paged in; nothing is left behind.

use mainspring_core::row::TaskRow;
use mainspring_core::spec::TaskSpec;
use mainspring_core::task::{Place, TaskStatus};

use super::{Checker, Verdict, ensure};

impl Checker {
    /// The place of one row fits its status.
    pub(super) fn check_place(&self, row: &TaskRow) -> Verdict {
        let state = &row.state;
        let wrong = || format!("task {:?} would be left behind: {:?} at {:?}", row.key, state.status, state.place);
        if state.settling.is_some() {
            return ensure(state.place == Place::Hot, "I4", wrong);
        }
        match (state.status, state.place) {
            (TaskStatus::Ready, Place::Hot) | (TaskStatus::Running, Place::Hot) => Ok(()),
            (TaskStatus::Scheduled, Place::Hot | Place::ColdTimer) => ensure(state.due.is_some(), "I4", wrong),
            (TaskStatus::Ready, Place::ColdReady { lane }) => {
                let spec = row.spec.as_ref();
                let fits = self.model.lanes.get(&lane).is_some_and(|lane| {
                    let name = &lane.name;
                    let same = |spec: &TaskSpec| {
                        spec.queue == name.queue && spec.class == name.class && spec.kind == name.kind
                    };
                    // Of a task with limits its own lane or the plain one that it belongs to.
                    let limits = |spec: &TaskSpec| name.limits.is_empty() || spec.limits == name.limits;
                    name.tenant == row.tenant && spec.is_some_and(|spec| same(spec) && limits(spec))
                });
                ensure(fits, "I4", || format!("task {:?} stands in the wrong lane {lane:?}", row.key))
            }
            // Set aside by a pause, a cancel or a sweep of its job; the job check sees that it is put back.
            (TaskStatus::Ready, Place::Rest) => ensure(row.job.is_some(), "I4", wrong),
            (TaskStatus::Ready | TaskStatus::Running | TaskStatus::Scheduled, _) => {
                Err(super::Violation { invariant: "I4", detail: wrong() })
            }
            // The check of approvals says which of these it is.
            (TaskStatus::Waiting, Place::Hot | Place::ColdTimer) => ensure(state.due.is_some(), "I4", wrong),
            (TaskStatus::Pending, Place::Hot) => ensure(state.evaluating, "I4", wrong),
            (TaskStatus::Pending, _) => ensure(!state.evaluating, "I4", wrong),
            (_, place) => ensure(matches!(place, Place::Rest | Place::Hot), "I4", wrong),
        }
    }
}
