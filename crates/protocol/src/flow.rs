//! What of a task is decided only when its turn comes: its condition, its instances, its sub-job, the values of its
//! fields.
//!
//! A submission that was checked leaves it as [`Logic`] beside the task. [`Plan`] is the same compiled, and answers one
//! [`Decision`] from what the job knows by then. Nothing here does I/O: whoever evaluates has loaded what [`Plan::reads`]
//! names.
//!
//! *Invariant:* what an expression gave is never read as an expression again.

mod child;
mod decide;
mod logic;
mod plan;
mod until;

pub(crate) use child::flow_of;
pub use child::{SUB_JOB_DEPTH_MAX, SubJob};
pub(crate) use decide::as_texts;
pub use decide::{Decision, EXPRESSION_FAILED, Failed};
pub use logic::{ApprovalLogic, Logic};
pub use plan::Plan;
pub(crate) use plan::WIDE;
pub use until::until_holds;

/// Bytes of a task's logic as JSON text: its condition, its `forEach` and its fields with expressions.
pub const LOGIC_BYTES_MAX: usize = 64 << 10;
/// Bytes that the bodies of all instances of one `forEach` may have together.
pub const INSTANCES_BYTES_MAX: usize = 64 << 20;
