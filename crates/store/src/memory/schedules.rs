//! How a commit changes schedules and their ledger.

use mainspring_core::row::Changes;
use mainspring_core::time::Timestamp;

use super::state::State;
use crate::record::first_key_at;

impl State {
    pub(super) fn apply_schedules(&mut self, changes: &Changes) {
        for id in &changes.delete_schedules {
            self.schedules.remove(id);
        }
        self.schedules.extend(changes.put_schedules.iter().map(|row| (row.id.clone(), row.clone())));
        for (id, state) in &changes.update_schedules {
            if let Some(row) = self.schedules.get_mut(id) {
                row.state = state.clone();
            }
        }
        self.occurrences.extend(changes.insert_occurrences.iter().map(|row| (row.key, row.clone())));
    }

    /// Forgets records that were made before an instant; says how many.
    pub(super) fn prune_ledger(&mut self, before: Timestamp, limit: usize) -> usize {
        let young = first_key_at(before);
        let records: Vec<_> = self.occurrences.range(..young).take(limit).map(|(key, _)| *key).collect();
        for key in &records {
            self.occurrences.remove(key);
        }
        records.len()
    }
}
