//! How much of an attempt's output is kept: the first 256 KiB and the newest part, together at most 1 MiB.
//!
//! Every stored chunk carries the running total of bytes up to its end. What was cut is then visible as a jump in the
//! totals, and a reader marks it with a chunk of the engine's own.

use mainspring_core::id::Key;
use mainspring_core::row::{LogRow, LogStream};
use mainspring_core::time::Timestamp;

/// Bytes from the start of an attempt's output that are always kept.
pub const LOG_HEAD_BYTES: u64 = 256 << 10;
/// Bytes from its end that are kept.
pub const LOG_TAIL_BYTES: u64 = 704 << 10;
/// The tail is trimmed when the total passes a multiple of this, so that trimming stays cheap.
const LOG_TRIM_STEP_BYTES: u64 = 64 << 10;

/// Which chunks go when the running total of an attempt grows: those that start at `from` or later and end at `to` or
/// before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogTrim {
    /// Chunks that start before this stay.
    pub from: u64,
    /// Chunks that end after this stay.
    pub to: u64,
}

/// What to trim when an attempt's total grows from `before` to `after`.
pub fn log_trim(before: u64, after: u64) -> Option<LogTrim> {
    let trim = LogTrim { from: LOG_HEAD_BYTES, to: after.saturating_sub(LOG_TAIL_BYTES) };
    (before / LOG_TRIM_STEP_BYTES != after / LOG_TRIM_STEP_BYTES && trim.to > trim.from).then_some(trim)
}

/// The mark that stands for chunks that were cut: `bytes` of them, between the chunk before `number` and that one.
pub fn log_cut(task: Key, attempt: u32, number: u64, at: Timestamp, bytes: u64) -> LogRow {
    let data = format!("[{bytes} bytes of output were cut here]\n").into();
    LogRow { task, attempt, number, stream: LogStream::System, at, data }
}

/// The last `bytes` bytes of a text, cut at a character.
pub fn text_tail(text: &str, bytes: usize) -> &str {
    let mut start = text.len().saturating_sub(bytes);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_cut_below_the_head_and_the_tail_together() {
        assert_eq!(log_trim(0, LOG_HEAD_BYTES + LOG_TAIL_BYTES), None);
        assert_eq!(log_trim(1_000_000, 1_000_001), None);
    }

    #[test]
    fn the_middle_is_cut_when_the_total_passes_a_step() {
        let trim = log_trim(LOG_HEAD_BYTES + LOG_TAIL_BYTES, (1 << 20) + 10);
        assert_eq!(trim, Some(LogTrim { from: LOG_HEAD_BYTES, to: (1 << 20) + 10 - LOG_TAIL_BYTES }));
    }

    #[test]
    fn a_tail_starts_at_a_character() {
        assert_eq!(text_tail("aé", 1), "");
        assert_eq!(text_tail("aé", 2), "é");
        assert_eq!(text_tail("ab", 9), "ab");
    }
}
