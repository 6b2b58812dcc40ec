//! Reads what a program prints: bytes to text, piece by piece, without ever falling behind.

use std::sync::Arc;

use mainspring_protocol::exchange::StreamName;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::feed::Feed;

/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;
/// Bytes of the last line that are kept for an error message.
const LAST_LINE_BYTES: usize = 400;

/// Reads to the end and returns the last line that is not blank.
pub(super) async fn capture(mut from: impl AsyncRead + Unpin, stream: StreamName, feed: Arc<Feed>) -> String {
    let (mut buffer, mut start) = (vec![0; READ_BYTES], 0);
    let mut last = LastLine::default();
    loop {
        // An error is an end: the other side is gone.
        let read = from.read(&mut buffer[start..]).await.unwrap_or(0);
        let all = &buffer[..start + read];
        let keep = if read == 0 { 0 } else { incomplete_suffix(all) };
        let text = String::from_utf8_lossy(&all[..all.len() - keep]);
        if !text.is_empty() {
            last.see(&text);
            feed.push(stream, &text);
        }
        if read == 0 {
            return last.text();
        }
        let end = all.len();
        buffer.copy_within(end - keep..end, 0);
        start = keep;
    }
}

/// How many bytes at the end begin a character whose rest may still come (0 to 3).
fn incomplete_suffix(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let byte = bytes[bytes.len() - back];
        let whole = match byte {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            0x80..=0xbf => continue,
            _ => return 0,
        };
        return if whole > back { back } else { 0 };
    }
    0
}

/// The last line of a text that comes in pieces.
#[derive(Default)]
struct LastLine {
    line: String,
    open: String,
}

impl LastLine {
    fn see(&mut self, text: &str) {
        let (closed, open) = text.rsplit_once('\n').map_or((None, text), |(closed, open)| (Some(closed), open));
        if let Some(closed) = closed {
            let first_line_end = closed.find('\n').unwrap_or(closed.len());
            push_bounded(&mut self.open, &closed[..first_line_end]);
            let opened = std::mem::take(&mut self.open);
            let newest = closed[first_line_end..].lines().rev().find(|line| !line.trim().is_empty());
            if let Some(line) = newest.or_else(|| Some(opened.as_str()).filter(|line| !line.trim().is_empty())) {
                self.line.clear();
                push_bounded(&mut self.line, line);
            }
        }
        push_bounded(&mut self.open, open);
    }

    fn text(self) -> String {
        let line = if self.open.trim().is_empty() { self.line } else { self.open };
        line.trim().to_owned()
    }
}

fn push_bounded(line: &mut String, text: &str) {
    let room = LAST_LINE_BYTES.saturating_sub(line.len());
    line.push_str(&text[..text.floor_char_boundary(room)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_cut_at_the_end_waits_for_its_rest() {
        for (bytes, keep) in [
            (&b"abc"[..], 0),
            ("é".as_bytes(), 0),
            (&"é".as_bytes()[..1], 1),
            (&"€".as_bytes()[..2], 2),
            (&"😀".as_bytes()[..3], 3),
            (b"\x80\x80\x80\x80", 0),
            (b"\xff", 0),
            (b"", 0),
        ] {
            assert_eq!(incomplete_suffix(bytes), keep, "{bytes:?}");
        }
    }

    #[test]
    fn the_last_line_is_found_whatever_the_pieces() {
        for pieces in [&["one\ntwo\n"][..], &["one\nt", "wo"], &["one\n", "two\n\n", "  \n"], &["on", "e\ntwo", "\n"]] {
            let mut last = LastLine::default();
            pieces.iter().for_each(|piece| last.see(piece));
            assert_eq!(last.text(), "two", "{pieces:?}");
        }
    }
}
