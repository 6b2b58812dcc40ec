//! What a running attempt says: its output on the way to the server, in bounded memory and without ever making the
//! attempt wait.
//!
//! ```text
//!  first 256 KiB: all of it, in order │ then: the newest 256 KiB not yet sent, and a remark on what was cut
//! ```
//! While it runs, at most 64 KiB of the second part leave in 100 ms, so a program that prints without end costs the
//! server little. Whoever reads it takes chunks of at most 64 KiB, numbered from 0.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use mainspring_protocol::exchange::StreamName;
use serde_json::value::RawValue;
use tokio::sync::mpsc::UnboundedSender;

use crate::attempt::Event;
use crate::clock;

/// Bytes that are kept whatever follows.
const HEAD_BYTES: usize = 256 << 10;
/// Bytes behind the head that wait at most.
const TAIL_BYTES: usize = 704 << 10;
/// Bytes of one chunk.
const CHUNK_BYTES: usize = 64 << 10;
/// Bytes of one checkpoint, as JSON.
pub(crate) const CHECKPOINT_BYTES_MAX: usize = 64 << 10;
/// Pause between two takings of the tail while the attempt runs.
const TAIL_PAUSE: Duration = Duration::from_millis(100);

/// A piece of log on its way.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) seq: u64,
    pub(crate) stream: StreamName,
    pub(crate) data: String,
}

/// How far an attempt says it got, and what the next one may go on from.
#[derive(Debug, Default)]
pub(crate) struct Step {
    pub(crate) percent: Option<f64>,
    pub(crate) message: Option<String>,
    pub(crate) checkpoint: Option<Box<RawValue>>,
}

/// One attempt's mouth.
pub(crate) struct Feed {
    pub(crate) token: Arc<str>,
    state: Mutex<State>,
    events: UnboundedSender<Event>,
}

#[derive(Default)]
struct State {
    head: VecDeque<(StreamName, String)>,
    head_bytes: usize,
    tail: VecDeque<(StreamName, String)>,
    tail_bytes: usize,
    cut_bytes: u64,
    tail_taken: Option<Instant>,
    step: Option<Step>,
    next_seq: u64,
    /// The loop was told that there is something to take.
    announced: bool,
    ended: bool,
    last_sign: Option<Instant>,
}

impl Feed {
    pub(crate) fn new(token: Arc<str>, events: UnboundedSender<Event>) -> Self {
        Self { token, state: Mutex::default(), events }
    }

    /// Adds output. Cheap, never waits.
    pub(crate) fn push(&self, stream: StreamName, text: &str) {
        let mut rest = text;
        let mut state = self.lock();
        if stream != StreamName::System {
            state.last_sign = Some(clock::now());
        }
        while !rest.is_empty() {
            let (piece, left) = rest.split_at(floor_boundary(rest, CHUNK_BYTES));
            state.add(stream, piece);
            rest = left;
        }
        self.announce(state);
    }

    /// Replaces what was said about progress and not yet taken, as far as it is said anew.
    pub(crate) fn progress(&self, step: Step) {
        let bytes = step.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.get().len());
        if bytes > CHECKPOINT_BYTES_MAX {
            let limit = CHECKPOINT_BYTES_MAX;
            let remark = format!("a checkpoint of {bytes} bytes is not kept, the limit is {limit}\n");
            self.push(StreamName::System, &remark);
            return self.progress(Step { checkpoint: None, ..step });
        }
        let mut state = self.lock();
        state.last_sign = Some(clock::now());
        let before = state.step.take().unwrap_or_default();
        state.step = Some(Step {
            percent: step.percent.or(before.percent),
            message: step.message.or(before.message),
            checkpoint: step.checkpoint.or(before.checkpoint),
        });
        self.announce(state);
    }

    /// Nothing more will be said: what waits may go without pause.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
    }

    /// When the attempt's own code last gave a sign of life.
    pub(crate) fn last_sign(&self) -> Option<Instant> {
        self.lock().last_sign
    }

    /// Whether everything was taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Takes pieces worth at most about `budget` bytes. The flag says whether something is left.
    pub(crate) fn take(&self, budget: usize) -> (Vec<Piece>, Option<Step>, bool) {
        let mut state = self.lock();
        let (mut pieces, mut bytes) = (Vec::new(), 0);
        while bytes < budget
            && let Some((stream, data)) = state.next()
        {
            bytes += escaped_len(&data);
            pieces.push(Piece { seq: state.next_seq, stream, data });
            state.next_seq += 1;
        }
        let step = state.step.take();
        let left = !state.is_empty();
        state.announced = left;
        (pieces, step, left)
    }

    fn announce(&self, mut state: MutexGuard<'_, State>) {
        if !std::mem::replace(&mut state.announced, true) {
            drop(state);
            // A loop that is gone needs no logs.
            let _ = self.events.send(Event::Said(self.token.clone()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code that can panic runs under this lock")
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.head.is_empty() && self.tail.is_empty() && self.step.is_none()
    }

    fn add(&mut self, stream: StreamName, piece: &str) {
        if self.head_bytes + piece.len() <= HEAD_BYTES && self.tail.is_empty() && self.cut_bytes == 0 {
            self.head_bytes += piece.len();
            append(&mut self.head, stream, piece);
            return;
        }
        self.head_bytes = HEAD_BYTES;
        self.tail_bytes += piece.len();
        append(&mut self.tail, stream, piece);
        while self.tail_bytes > TAIL_BYTES {
            let Some((_, cut)) = self.tail.pop_front() else { break };
            self.tail_bytes -= cut.len();
            self.cut_bytes += cut.len() as u64;
        }
    }

    fn next(&mut self) -> Option<(StreamName, String)> {
        if let Some(piece) = self.head.pop_front() {
            return Some(piece);
        }
        if self.tail.is_empty() {
            return None;
        }
        if !self.ended {
            let now = clock::now();
            if self.tail_taken.is_some_and(|taken| now < taken + TAIL_PAUSE) {
                return None;
            }
            if self.cut_bytes == 0 {
                self.tail_taken = Some(now);
            }
        }
        if self.cut_bytes > 0 {
            let cut = std::mem::take(&mut self.cut_bytes);
            return Some((StreamName::System, format!("… {cut} bytes of output cut …\n")));
        }
        let piece = self.tail.pop_front()?;
        self.tail_bytes -= piece.1.len();
        Some(piece)
    }
}

fn append(pieces: &mut VecDeque<(StreamName, String)>, stream: StreamName, piece: &str) {
    match pieces.back_mut() {
        Some((last, data)) if *last == stream && data.len() + piece.len() <= CHUNK_BYTES => data.push_str(piece),
        _ => pieces.push_back((stream, piece.to_owned())),
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    if text.len() <= at { text.len() } else { (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0) }
}

/// Bytes that a text takes as a JSON string.
pub(crate) fn escaped_len(text: &str) -> usize {
    let extra = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 1,
        0..=0x1f => 5,
        _ => 0,
    };
    2 + text.len() + text.bytes().map(extra).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    fn feed() -> (Feed, mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Feed::new(Arc::from("t"), sender), receiver)
    }

    fn text(pieces: &[Piece]) -> String {
        pieces.iter().map(|piece| piece.data.as_str()).collect()
    }

    #[test]
    fn what_is_said_once_is_announced_once_and_taken_once() {
        let (feed, mut events) = feed();
        feed.push(StreamName::Stdout, "a");
        feed.push(StreamName::Stdout, "b");
        feed.push(StreamName::Stderr, "c");
        assert!(matches!(events.try_recv(), Ok(Event::Said(_))));
        assert!(events.try_recv().is_err());
        let (pieces, _, left) = feed.take(1 << 20);
        assert_eq!(text(&pieces), "abc");
        assert_eq!(pieces.iter().map(|piece| piece.seq).collect::<Vec<_>>(), [0, 1]);
        assert!(!left && feed.is_empty());
        feed.push(StreamName::Stdout, "d");
        assert!(matches!(events.try_recv(), Ok(Event::Said(_))));
    }

    #[test]
    fn endless_output_keeps_its_head_and_its_newest_and_says_what_is_missing() {
        let (feed, _events) = feed();
        let line = format!("{}é\n", "x".repeat(1021));
        for _ in 0..10_000 {
            feed.push(StreamName::Stdout, &line);
        }
        feed.push(StreamName::Stdout, "the end\n");
        feed.end();
        let mut all = Vec::new();
        loop {
            let (pieces, _, left) = feed.take(100_000);
            assert!(pieces.iter().all(|piece| piece.data.len() <= CHUNK_BYTES));
            all.extend(pieces);
            if !left {
                break;
            }
        }
        let whole = text(&all);
        assert!(whole.len() <= HEAD_BYTES + TAIL_BYTES + 100, "{}", whole.len());
        assert!(whole.starts_with(&line) && whole.ends_with("the end\n"));
        let remark = all.iter().find(|piece| piece.stream == StreamName::System).expect("a remark");
        let cut: usize = remark.data.split(' ').nth(1).expect("a number").parse().expect("a number");
        assert_eq!(cut + whole.len() - remark.data.len(), 10_000 * line.len() + 8);
    }

    #[test]
    fn the_tail_of_a_running_attempt_is_taken_slowly() {
        let (feed, _events) = feed();
        feed.push(StreamName::Stdout, &"y".repeat(HEAD_BYTES + 3 * CHUNK_BYTES));
        let (pieces, _, left) = feed.take(1 << 20);
        assert!(text(&pieces).len() <= HEAD_BYTES + CHUNK_BYTES && left);
    }
}
