//! A page of a list in the making, and the budget within which rows are looked at.

use std::time::Duration;

use mainspring_core::id::Key;
use mainspring_store::Page;

use crate::clock::Deadline;

/// Rows that one page may look at.
const SCAN_ROWS_MAX: usize = 50_000;
/// Longest time that one page may look.
const SCAN_TIME_MAX: Duration = Duration::from_millis(50);
/// Rows after which the time is looked at again.
const ROWS_PER_LOOK: usize = 256;

/// A page in the making.
pub(super) struct Scan<T> {
    pub(super) items: Vec<T>,
    limit: usize,
    seen: usize,
    deadline: Deadline,
    is_spent: bool,
    /// Everything from here on was looked at.
    at: Option<Key>,
}

impl<T> Scan<T> {
    pub(super) fn new(limit: usize) -> Self {
        let deadline = Deadline::after(SCAN_TIME_MAX);
        Self { items: Vec::new(), limit, seen: 0, deadline, is_spent: false, at: None }
    }

    /// Whether to look at no further row: the page is full, with one item more to know that there is a next, or the
    /// budget is spent.
    pub(super) fn is_over(&self) -> bool {
        self.items.len() > self.limit || self.is_spent
    }

    /// Looks at a row.
    pub(super) fn look(&mut self, key: Key) {
        self.pass(1, key);
    }

    /// Looks at so many rows at once, the last of them here.
    pub(super) fn pass(&mut self, rows: usize, at: Key) {
        let looks = self.seen / ROWS_PER_LOOK;
        self.seen += rows;
        self.at = Some(at);
        let is_late = self.seen / ROWS_PER_LOOK > looks && self.deadline.has_passed();
        self.is_spent |= self.seen >= SCAN_ROWS_MAX || is_late;
    }

    pub(super) fn page(mut self, key: impl Fn(&T) -> Key) -> Page<T> {
        let next = if self.items.len() > self.limit {
            self.items.truncate(self.limit);
            self.items.last().map(key)
        } else if self.is_spent {
            self.at
        } else {
            None
        };
        Page { items: self.items, next }
    }
}
