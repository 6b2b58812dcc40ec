//! Pages of lists: keys from the indexes, newest first, and the budget within which rows are looked at.

use std::time::Duration;

use mainspring_core::id::Key;
use mainspring_store::Page;
use redis::Pipeline;

use super::Side;
use crate::clock::Deadline;
use crate::failure::Failure;
use crate::fetch;
use crate::keys::member;

/// Rows that one page may look at.
const SCAN_ROWS_MAX: usize = 50_000;
/// Longest time that one page may look.
const SCAN_TIME_MAX: Duration = Duration::from_millis(50);
/// Rows that are read at a time.
pub(super) const ROWS_AT_ONCE: usize = 1_000;

/// A page in the making.
pub(super) struct Scan<T> {
    pub(super) items: Vec<T>,
    limit: usize,
    seen: usize,
    deadline: Deadline,
    /// The last key that was looked at.
    at: Option<Key>,
}

impl<T> Scan<T> {
    pub(super) fn new(limit: usize) -> Self {
        Self { items: Vec::new(), limit, seen: 0, deadline: Deadline::after(SCAN_TIME_MAX), at: None }
    }

    /// Rows to read next: few, while few may do.
    pub(super) fn step(&self) -> usize {
        if self.seen == 0 { self.limit.saturating_add(1).clamp(20, ROWS_AT_ONCE) } else { ROWS_AT_ONCE }
    }

    /// Whether to look at no further row: the page is full, with one item more to know that there is a next, or the
    /// budget is spent.
    pub(super) fn is_over(&self) -> bool {
        self.items.len() > self.limit || self.is_spent()
    }

    fn is_spent(&self) -> bool {
        self.seen >= SCAN_ROWS_MAX || (self.seen > 0 && self.deadline.has_passed())
    }

    /// Looks at a row.
    pub(super) fn look(&mut self, key: Key) {
        self.pass(1, key);
    }

    /// Looks at so many rows at once, the last of them here.
    pub(super) fn pass(&mut self, rows: usize, at: Key) {
        self.seen += rows;
        self.at = Some(at);
    }

    /// The page; `ended` if every row was looked at.
    pub(super) fn page(mut self, ended: bool, key: impl Fn(&T) -> Key) -> Page<T> {
        let next = if self.items.len() > self.limit {
            self.items.truncate(self.limit);
            self.items.last().map(key)
        } else if ended {
            None
        } else {
            self.at
        };
        Page { items: self.items, next }
    }
}

impl Side {
    /// The next keys of several indexes together, newest first, as of one moment.
    pub(super) async fn keys_below(
        &self,
        indexes: &[&str],
        below: Option<Key>,
        number: usize,
    ) -> Result<Vec<Key>, Failure> {
        let below = below.map_or_else(|| "+".to_owned(), |key| format!("({}", member(key)));
        let mut pipeline = Pipeline::new();
        pipeline.atomic();
        for index in indexes {
            let ask = pipeline.cmd("ZREVRANGEBYLEX").arg(self.link.keys().one(index)).arg(&below).arg("-");
            ask.arg("LIMIT").arg(0).arg(number);
        }
        let mut keys = Vec::new();
        for answer in self.link.read(&pipeline).await? {
            keys.extend(fetch::keys_of(fetch::take(answer)?));
        }
        keys.sort_unstable_by(|a, b| b.cmp(a));
        keys.dedup();
        keys.truncate(number);
        Ok(keys)
    }
}
