//! Tests of the calendar from outside.

#![allow(clippy::unwrap_used, reason = "helpers of tests are not marked as tests themselves")]

mod catching_up;
mod clock_changes;
mod expressions;
mod naive;
mod oracle;
mod random;
