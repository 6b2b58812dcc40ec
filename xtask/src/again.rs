//! A test that failed runs again, alone. One that then passes each time is *flaky*: it is named in the closing lines and
//! counted by itself, so that nobody takes it for sound, but it does not stop a change that has nothing to do with it.
//!
//! Only tests of real processes, sockets and clocks get this chance, and few of them at once. A simulated world never does:
//! it does the same each time.

use anyhow::Result;

use crate::tally::Tally;

/// So many failures of one stage are looked at again; more mean that something is broken.
const FAILURES_MAX: usize = 2;
/// So often must a test pass in a row.
const TIMES: usize = 3;

/// Counts what tests print, and remembers which failed.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) tally: Tally,
    failed: Vec<String>,
}

impl Seen {
    /// Takes a line of output into account.
    pub(crate) fn see(&mut self, line: &str) {
        self.tally.see(line);
        if let Some((name, _)) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... FAILED")) {
            self.failed.push(name.to_owned());
        }
    }

    /// The verdict. `run` runs the tests of these names and nothing else, and says whether it succeeded.
    pub(crate) fn judge(
        mut self,
        succeeded: bool,
        mut run: impl FnMut(&[String], &mut Seen) -> Result<bool>,
    ) -> Result<Tally> {
        if succeeded {
            return Ok(self.tally);
        }
        // A command that fails without a failed test did not compile, or died.
        let all_told = self.tally.failed == self.failed.len() as i64;
        self.tally.failed = self.tally.failed.max(1);
        if !all_told || !(1..=FAILURES_MAX).contains(&self.failed.len()) {
            return Ok(self.tally);
        }
        for time in 1..=TIMES {
            println!("\n--- again, {time} of {TIMES}: {} ---", self.failed.join(", "));
            let mut again = Seen::default();
            let good = run(&self.failed, &mut again)?;
            if !good || again.tally.failed > 0 || again.tally.passed < self.tally.failed {
                return Ok(self.tally);
            }
        }
        for name in &self.failed {
            println!("flaky: {name}");
        }
        self.tally.flaky = std::mem::take(&mut self.tally.failed);
        Ok(self.tally)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(lines: &[&str]) -> Seen {
        let mut seen = Seen::default();
        lines.iter().for_each(|line| seen.see(line));
        seen
    }

    const ONE_OF_TWO: [&str; 3] =
        ["test a::b ... ok", "test a::c ... FAILED", "test result: FAILED. 1 passed; 1 failed; 0 ignored"];

    #[test]
    fn what_passes_each_time_afterwards_is_flaky() {
        let mut runs = Vec::new();
        let tally = seen(&ONE_OF_TWO).judge(false, |names, again| {
            runs.push(names.to_vec());
            again.see("test result: ok. 1 passed; 0 failed; 0 ignored");
            Ok(true)
        });
        assert_eq!(tally.unwrap(), Tally { passed: 1, flaky: 1, ..Tally::default() });
        assert_eq!(runs, vec![vec!["a::c".to_owned()]; TIMES]);
    }

    #[test]
    fn what_fails_once_more_or_was_not_found_has_failed() {
        for last in ["test result: FAILED. 0 passed; 1 failed;", "test result: ok. 0 passed; 0 failed;"] {
            let mut runs = 0;
            let tally = seen(&ONE_OF_TWO).judge(false, |_, again| {
                runs += 1;
                again.see(if runs < TIMES { "test result: ok. 1 passed; 0 failed;" } else { last });
                Ok(true)
            });
            assert_eq!(tally.unwrap(), Tally { passed: 1, failed: 1, ..Tally::default() });
        }
    }

    #[test]
    fn many_failures_and_a_program_that_died_are_final() {
        let mut many = ONE_OF_TWO.to_vec();
        many.extend(["test d ... FAILED", "test e ... FAILED", "test result: FAILED. 0 passed; 2 failed;"]);
        for (lines, failed) in [(many.as_slice(), 3), (&["error: could not compile"], 1), (&ONE_OF_TWO[..2], 1)] {
            let tally = seen(lines).judge(false, |_, _| panic!("it ran again")).unwrap();
            assert_eq!((tally.failed, tally.flaky), (failed, 0), "{lines:?}");
        }
    }
}
