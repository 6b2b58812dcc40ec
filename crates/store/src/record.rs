//! Stored forms of what does not fit plain columns, the same in every store. They are part of the stored format: old
//! records must stay readable.

mod bytes;
mod feed;
mod graph;
mod job;
mod json;
mod limits;
mod schedule;
mod spec;

pub use feed::{decode_feed, encode_feed};
pub use graph::{decode_graph, encode_graph};
pub use job::{RareJob, job_flags, set_job_flags};
pub use json::{RareState, SweepRecord, decode_names, encode_names};
pub use limits::{decode_key_limits, decode_limits, encode_key_limits, encode_limits};
pub use schedule::{
    decode_occurrence, decode_result, decode_schedule, decode_schedule_state, encode_occurrence, encode_result,
    encode_schedule_rule, encode_schedule_state, first_key_at,
};
pub use spec::RareSpec;

/// A stored record that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stored {0} cannot be read")]
pub struct Unreadable(pub &'static str);
