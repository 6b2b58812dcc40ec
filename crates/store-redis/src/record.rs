//! Stored forms of rows. They begin with the number of their format; old formats stay readable.

mod bytes;
mod job;
mod rest;
mod settings;
mod task;

use std::collections::HashSet;

use mainspring_core::id::Name;

pub(crate) use bytes::{Put, Take};
pub(crate) use job::{JobSpec, decode_job, encode_job_spec, encode_job_state};
pub(crate) use rest::{
    decode_attempt, decode_audit, decode_claim, decode_definition, decode_definition_name, decode_lane, decode_log,
    decode_name, decode_schedule_name, encode_attempt, encode_audit, encode_claim, encode_definition,
    encode_definition_name, encode_lane, encode_log, encode_name, encode_schedule_name,
};
pub(crate) use settings::{
    decode_limit, decode_loan, decode_queue, decode_worker, encode_loan, encode_queue, encode_worker, limits_field,
    loan_field,
};
pub(crate) use task::{BodyAt, StoredSpec, decode_state, encode_spec, encode_state};

/// The format of all rows.
const FORMAT: u8 = 1;

/// Names that many rows share.
#[derive(Debug, Default)]
pub(crate) struct Names(HashSet<Name>);

impl Names {
    pub(crate) fn get(&mut self, text: &str) -> Name {
        if let Some(name) = self.0.get(text) {
            return name.clone();
        }
        let name: Name = text.into();
        // Ids would fill it without ever being asked for again.
        if self.0.len() < 1_000 {
            self.0.insert(name.clone());
        }
        name
    }
}
