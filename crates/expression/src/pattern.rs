//! Regular expressions whose time is linear in the text, and whose cost is known before they run.

use regex_lite::{Regex, RegexBuilder};

use crate::limits::PATTERN_BYTES_MAX;

/// A compiled regular expression.
#[derive(Debug)]
pub(crate) struct Pattern {
    regex: Regex,
    /// Steps for each 16 bytes of text.
    weight: u64,
}

/// The engine looks at every state of the compiled pattern for each byte, so what a text costs is a matter of the pattern's size.
/// The engine does not tell that size; the smallest of these limits that it accepts does.
const SIZES: [(usize, u64); 5] = [(1 << 10, 64), (4 << 10, 256), (16 << 10, 1024), (32 << 10, 2048), (64 << 10, 4096)];
const NESTING_MAX: u32 = 16;

impl Pattern {
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(format!("longer than {PATTERN_BYTES_MAX} bytes"));
        }
        let mut refused = String::new();
        for (size, weight) in SIZES {
            match RegexBuilder::new(text).size_limit(size).nest_limit(NESTING_MAX).build() {
                Ok(regex) => return Ok(Self { regex, weight }),
                Err(error) => refused = error.to_string(),
            }
        }
        Err(refused)
    }

    /// Steps that a search in a text of this length takes at most.
    pub(crate) fn cost(&self, bytes: usize) -> u64 {
        self.weight * (bytes as u64 / 16 + 1)
    }

    /// Whether the pattern matches anywhere in the text.
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}
