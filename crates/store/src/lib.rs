//! The seam between the engine and whatever keeps its rows: the [`Store`] trait, the read side, an in-memory store
//! with fault injection, and the conformance suite that every store must pass.
//!
//! A store commits the row changes that the core decided, atomically and fenced, loads rows back, and answers list
//! queries. It makes no scheduling decision.

#[expect(missing_docs, reason = "the name of each case says what it is about")]
pub mod conformance;
mod ids;
mod inbox;
mod logs;
mod matching;
mod members;
mod memory;
mod merged;
mod part;
mod reader;
pub mod record;
mod sharded;
mod store;

pub use ids::{Ids, text_end};
pub use inbox::{Dismissed, Inbox, InboxRow};
pub use logs::{LOG_HEAD_BYTES, LOG_TAIL_BYTES, LogTrim, log_cut, log_trim, text_tail};
pub use matching::{job_matches, task_matches};
pub use members::{Holding, Members, NodeRow, Roster};
pub use memory::{CommitFault, FaultRates, Faults, MemoryMembers, MemoryStore, State};
pub use merged::{MergedReader, merge_pages};
pub use part::{Cluster, Part};
pub use reader::{
    Compare, DefinitionFilter, Ended, FeedPage, Field, JobFilter, LogPage, OccurrenceFilter, Page, Reader,
    ScheduleFilter, TaskCount, TaskFilter, TaskMark, TaskOutput, Term, Test,
};
pub use sharded::Sharded;
pub use store::{BoxFuture, CommitAnswer, Description, Durability, Error, Fence, History, ShardCommit, ShardId, Store};
