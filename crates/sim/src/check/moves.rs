//! Legal moves (I5), written a second time from the drawing in `architecture.md`.
//!
//! A commit shows only where a row stands after a batch, so a move is legal if some path of single moves with the
//! recorded number of starts and generations leads there.

use mainspring_core::task::TaskStatus;
use mainspring_core::task::TaskStatus::{
    Cancelled, Completed, Failed, Pending, Ready, Running, Scheduled, Skipped, Waiting,
};

/// Single moves inside a generation.
const MOVES: &[(TaskStatus, &[TaskStatus])] = &[
    (Pending, &[Scheduled, Waiting, Ready, Completed, Cancelled, Skipped, Failed]),
    (Scheduled, &[Ready, Cancelled, Failed]),
    (Waiting, &[Ready, Scheduled, Completed, Failed, Cancelled]),
    (Ready, &[Running, Scheduled, Cancelled, Failed]),
    (Running, &[Completed, Failed, Cancelled, Scheduled, Ready, Waiting]),
];

/// Where a redrive or rerun may lead from a terminal state.
const REOPENS: &[TaskStatus] = &[Pending, Scheduled, Waiting, Ready, Skipped];

/// Terminal states.
pub fn is_terminal(status: TaskStatus) -> bool {
    matches!(status, Completed | Failed | Cancelled | Skipped)
}

/// Whether a path leads from one status to the other with exactly so many starts and new generations.
pub fn leads(from: TaskStatus, to: TaskStatus, starts: u32, generations: u32) -> bool {
    let mut seen = vec![(from, starts, generations)];
    let mut open = seen.clone();
    while let Some((here, starts, generations)) = open.pop() {
        if here == to && starts == 0 && generations == 0 {
            return true;
        }
        let steps = MOVES.iter().filter(|(status, _)| *status == here).flat_map(|(_, next)| next.iter());
        let within = steps.filter_map(|next| match (*next == Running, starts) {
            (false, _) => Some((*next, starts, generations)),
            (true, 0) => None,
            (true, left) => Some((*next, left - 1, generations)),
        });
        let reopened = if is_terminal(here) && generations > 0 { REOPENS } else { Default::default() };
        let next: Vec<_> =
            within.chain(reopened.iter().map(|next| (*next, starts, generations.saturating_sub(1)))).collect();
        for place in next {
            if !seen.contains(&place) {
                seen.push(place);
                open.push(place);
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_states_absorb_within_a_generation() {
        for terminal in [Completed, Failed, Cancelled, Skipped] {
            for next in TaskStatus::ALL {
                assert_eq!(leads(terminal, next, 0, 0), terminal == next, "{terminal:?} to {next:?}");
            }
        }
    }

    #[test]
    fn a_start_is_never_free_and_a_generation_needs_an_end() {
        assert!(leads(Ready, Completed, 1, 0));
        assert!(!leads(Ready, Completed, 0, 0));
        assert!(leads(Running, Running, 1, 0), "a retry in the same batch");
        assert!(!leads(Running, Pending, 0, 0));
        assert!(leads(Running, Pending, 0, 1));
    }
}
