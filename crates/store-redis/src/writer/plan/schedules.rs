//! Plans what changes of schedules and their ledger.
//!
//! A schedule is a field of `schedules` (its state) and of `schedules:rules` (the rest). A record of the ledger is a field of
//! `occurrences`; three indexes order them: all by key, those of a schedule by key, and those of a schedule by instant.

use mainspring_core::row::Changes;
use mainspring_core::schedule::OccurrenceRow;
use mainspring_store::record::{encode_occurrence, encode_schedule_rule, encode_schedule_state};

use super::Plan;
use crate::keys::{Keys, member};
use crate::ops::Ops;
use crate::record::encode_schedule_name;

impl Plan<'_> {
    pub(super) fn schedules(&mut self, changes: &Changes) {
        for id in &changes.delete_schedules {
            let field = encode_schedule_name(id);
            for hash in ["schedules", "schedules:rules"] {
                self.rest.one(&[b"HDEL", self.keys.one(hash).as_bytes(), &field]);
            }
        }
        for row in &changes.put_schedules {
            let field = encode_schedule_name(&row.id);
            self.put("schedules", &field, encode_schedule_state(&row.state).as_bytes());
            self.put("schedules:rules", &field, encode_schedule_rule(row).as_bytes());
        }
        for (id, state) in &changes.update_schedules {
            self.put("schedules", &encode_schedule_name(id), encode_schedule_state(state).as_bytes());
        }
        for row in &changes.insert_occurrences {
            let name = member(row.key);
            self.put("occurrences", name.as_bytes(), encode_occurrence(row).as_bytes());
            for (index, score) in indexes(self.keys, row) {
                self.rest.one(&[b"ZADD", index.as_bytes(), score.to_string().as_bytes(), name.as_bytes()]);
            }
        }
    }
}

/// The sorted sets that a record stands in, and its scores there.
fn indexes(keys: &Keys, row: &OccurrenceRow) -> [(String, i64); 3] {
    [
        (keys.one("ledger"), 0),
        (keys.ledger(&row.schedule), 0),
        (keys.ledger_by_instant(&row.schedule), row.first.as_millis()),
    ]
}

/// Forgets a record of the ledger.
pub(in super::super) fn forget(keys: &Keys, row: &OccurrenceRow, ops: &mut Ops) {
    let name = member(row.key);
    ops.one(&[b"HDEL", keys.one("occurrences").as_bytes(), name.as_bytes()]);
    for (index, _) in indexes(keys, row) {
        ops.one(&[b"ZREM", index.as_bytes(), name.as_bytes()]);
    }
}
