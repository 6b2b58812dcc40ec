//! What attempts printed: in order, bounded, with the cut marked.

use mainspring_core::row::{Changes, LogRow, LogStream};

use super::make::{key, log, task};
use super::{Factory, Shard};
use crate::logs::{LOG_HEAD_BYTES, LOG_TAIL_BYTES};
use crate::reader::LogPage;

fn printing(open: Factory<'_>, rows: Vec<LogRow>) -> Shard {
    let mut shard = Shard::new(open);
    shard.commit(Changes { insert_tasks: vec![task(1), task(2)], ..Changes::default() });
    shard.commit(Changes { insert_logs: rows, ..Changes::default() });
    shard
}

fn page(shard: &Shard, attempt: u32, after: u64, limit: usize) -> LogPage {
    shard.ask(|reader| reader.logs(key(1), attempt, after, limit))
}

fn line(number: u64, data: &str) -> LogRow {
    log(key(1), 1, number, data)
}

pub fn logs_come_in_order_of_their_numbers(open: Factory<'_>) {
    let mut shard = printing(open, vec![line(0, "a"), line(7, "b")]);
    shard.commit(Changes { insert_logs: vec![line(9, "c"), line(10, "d")], ..Changes::default() });
    let all = page(&shard, 1, 0, 10);
    assert_eq!((all.items, all.next), (vec![line(0, "a"), line(7, "b"), line(9, "c"), line(10, "d")], 11));
}

pub fn a_repeated_log_chunk_is_ignored(open: Factory<'_>) {
    let mut shard = printing(open, vec![line(0, "a"), line(1, "b")]);
    shard.commit(Changes { insert_logs: vec![line(1, "other"), line(2, "c")], ..Changes::default() });
    assert_eq!(page(&shard, 1, 0, 10).items, [line(0, "a"), line(1, "b"), line(2, "c")]);
}

pub fn logs_go_on_after_a_page(open: Factory<'_>) {
    let shard = printing(open, (0..7).map(|number| line(number * 10, "x")).collect());
    let first = page(&shard, 1, 0, 3);
    assert_eq!((first.items.len(), first.next), (3, 21));
    let second = page(&shard, 1, first.next, 3);
    assert_eq!(second.items.iter().map(|row| row.number).collect::<Vec<_>>(), [30, 40, 50]);
    let last = page(&shard, 1, 61, 3);
    assert_eq!((last.items, last.next), (vec![], 61));
}

pub fn logs_of_attempts_are_apart(open: Factory<'_>) {
    let shard = printing(open, vec![line(0, "one"), log(key(1), 2, 0, "two"), log(key(2), 1, 0, "three")]);
    assert_eq!(page(&shard, 1, 0, 9).items, [line(0, "one")]);
    assert_eq!(page(&shard, 2, 0, 9).items, [log(key(1), 2, 0, "two")]);
    assert_eq!(page(&shard, 3, 0, 9).items, []);
}

pub fn every_stream_reads_back(open: Factory<'_>) {
    let streams = [LogStream::Stdout, LogStream::Stderr, LogStream::System];
    let rows: Vec<_> =
        streams.into_iter().zip(0..).map(|(stream, number)| LogRow { stream, ..line(number, "é\n") }).collect();
    let shard = printing(open, rows.clone());
    assert_eq!(page(&shard, 1, 0, 9).items, rows);
}

pub fn a_large_log_chunk_reads_back(open: Factory<'_>) {
    let row = line(0, &"zeile\u{1F980}\n".repeat(6_000));
    let shard = printing(open, vec![row.clone(), line(1, "")]);
    assert_eq!(page(&shard, 1, 0, 9).items, [row, line(1, "")]);
}

/// So many chunks of 16 KiB, in commits of eight.
fn flood(open: Factory<'_>, chunks: u64) -> Shard {
    let mut shard = printing(open, Vec::new());
    let data = "x".repeat(16 << 10);
    let rows: Vec<_> = (0..chunks).map(|number| line(number, &data)).collect();
    for some in rows.chunks(8) {
        shard.commit(Changes { insert_logs: some.to_vec(), ..Changes::default() });
    }
    shard
}

pub fn a_flood_of_output_keeps_its_head_and_tail(open: Factory<'_>) {
    let shard = flood(open, 200);
    let kept: Vec<u64> = page(&shard, 1, 0, 1_000)
        .items
        .iter()
        .filter(|row| row.stream != LogStream::System)
        .map(|row| row.number)
        .collect();
    let head = LOG_HEAD_BYTES / (16 << 10);
    assert_eq!(kept[..head as usize], (0..head).collect::<Vec<_>>());
    assert_eq!(kept.last(), Some(&199));
    let bytes = kept.len() as u64 * (16 << 10);
    assert!((LOG_HEAD_BYTES + LOG_TAIL_BYTES - (16 << 10)..=1 << 20).contains(&bytes), "{bytes} bytes are kept");
}

pub fn the_cut_of_a_flood_is_marked_once(open: Factory<'_>) {
    let shard = flood(open, 200);
    let items = page(&shard, 1, 0, 1_000).items;
    let marks: Vec<_> = items.iter().filter(|row| row.stream == LogStream::System).collect();
    let cut = 200 - (items.len() as u64 - 1);
    assert_eq!(marks.len(), 1);
    assert!(marks[0].data.contains(&(cut * (16 << 10)).to_string()), "{:?} chunks were cut: {}", cut, marks[0].data);
}

pub fn logs_of_a_deleted_task_are_gone(open: Factory<'_>) {
    let mut shard = printing(open, vec![line(0, "one"), log(key(2), 1, 0, "two")]);
    shard.commit(Changes { delete_tasks: vec![key(1)], ..Changes::default() });
    assert_eq!(page(&shard, 1, 0, 9).items, []);
    assert_eq!(shard.ask(|reader| reader.logs(key(2), 1, 0, 9)).items, [log(key(2), 1, 0, "two")]);
}

pub fn a_log_tail_is_the_end_of_what_was_printed(open: Factory<'_>) {
    let shard = printing(open, vec![line(0, "one "), line(1, "two "), line(2, "three")]);
    let tail = |bytes| shard.ask(|reader| reader.log_tail(key(1), 1, bytes));
    assert_eq!((tail(7), tail(1_000), tail(0)), ("o three".to_owned(), "one two three".to_owned(), String::new()));
    assert_eq!(shard.ask(|reader| reader.log_tail(key(1), 2, 9)), "");
}

pub fn a_log_tail_keeps_whole_characters(open: Factory<'_>) {
    let shard = printing(open, vec![line(0, "a\u{1F980}b")]);
    let tail = |bytes| shard.ask(|reader| reader.log_tail(key(1), 1, bytes));
    assert_eq!((tail(3), tail(5)), ("b".to_owned(), "\u{1F980}b".to_owned()));
}
