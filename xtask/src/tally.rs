//! Counts what ran, from the lines that test programs print.
//!
//! A test that cannot run here writes `skipped: NAME: REASON` to standard error itself (past the capture of the test
//! harness) and returns. The harness counts it as passed; the tally moves it over.

/// How many checks passed, failed, were skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Signed, because a skip is often seen before the result that counted it as passed.
    pub(crate) passed: i64,
    pub(crate) failed: i64,
    pub(crate) skipped: i64,
    /// Failed, and passed each time afterwards.
    pub(crate) flaky: i64,
}

impl Tally {
    /// One check that passed or failed as a whole.
    pub(crate) fn one(passed: bool) -> Self {
        Self { passed: i64::from(passed), failed: i64::from(!passed), ..Self::default() }
    }

    /// Takes a line of output into account.
    pub(crate) fn see(&mut self, line: &str) {
        if line.trim_start().starts_with("skipped: ") {
            self.skipped += 1;
            self.passed -= 1;
        } else if let Some(rest) = line.trim_start().strip_prefix("test result: ") {
            self.passed += count(rest, "passed");
            self.failed += count(rest, "failed");
            self.skipped += count(rest, "ignored");
        }
    }

    /// The sum of two tallies.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
            flaky: self.flaky + other.flaky,
        }
    }
}

/// The number before `word` in `ok. 12 passed; 0 failed; …`.
fn count(text: &str, word: &str) -> i64 {
    let mut before = "";
    for part in text.split([' ', ';', '.']).filter(|part| !part.is_empty()) {
        if part == word {
            return before.parse().unwrap_or(0);
        }
        before = part;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_test_binaries_add_up() {
        let mut tally = Tally::default();
        tally.see("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s");
        tally.see("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.02s");
        tally.see("test a::passed ... ok");
        assert_eq!(tally, Tally { passed: 15, failed: 2, skipped: 1, flaky: 0 });
    }

    #[test]
    fn a_printed_skip_is_no_pass() {
        let mut tally = Tally::default();
        tally.see("skipped: a_full_disk_is_named: not root");
        tally.see("test result: ok. 2 passed; 0 failed; 0 ignored");
        assert_eq!(tally, Tally { passed: 1, skipped: 1, ..Tally::default() });
    }
}
