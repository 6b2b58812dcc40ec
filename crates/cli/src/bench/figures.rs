//! What a scenario found: its figures, and everything that must stand beside them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::clock;

/// The report of one scenario, as it is printed.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub scenario: &'static str,
    pub store: String,
    pub durability: String,
    pub cores: usize,
    pub config: Map<String, Value>,
    pub figures: Map<String, Value>,
}

impl Report {
    /// The report for people: figures first, then the circumstances.
    pub(super) fn table(&self) -> String {
        let mut text = format!("{}  {} ({})  {} cores\n", self.scenario, self.store, self.durability, self.cores);
        let width = self.figures.keys().map(String::len).max().unwrap_or(0);
        for (name, value) in &self.figures {
            match value {
                Value::Object(by_size) => {
                    let values: Vec<_> =
                        by_size.iter().map(|(size, value)| format!("{size}: {}", plain(value))).collect();
                    let _ = writeln!(text, "  {name:width$}  {}", values.join("   "));
                }
                value => {
                    let _ = writeln!(text, "  {name:width$}  {}", plain(value));
                }
            }
        }
        let config: Vec<_> = self.config.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect();
        let _ = writeln!(text, "  with {}", config.join(" "));
        text
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// A number with three digits that count, as JSON.
pub(super) fn number(value: f64) -> Value {
    if value >= 100.0 {
        return json!(value.round() as u64);
    }
    let digits = if value >= 10.0 {
        10.0
    } else if value >= 1.0 {
        100.0
    } else {
        1000.0
    };
    json!((value * digits).round() / digits)
}

/// How many per second.
pub(super) fn rate(count: u64, took: Duration) -> Value {
    number(count as f64 / took.as_secs_f64())
}

/// Milliseconds.
pub(super) fn ms(took: Duration) -> Value {
    number(took.as_secs_f64() * 1000.0)
}

/// The value below which this share of the sorted values lies (nearest rank).
pub(super) fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// The middle one of some values.
pub(super) fn median(values: &mut [Duration]) -> Duration {
    values.sort_unstable();
    percentile(values, 0.5)
}

/// The filesystem's own speed: the median time of `fdatasync` after a write of 4 KiB, in milliseconds.
pub(super) fn fsync_p50(folder: &Path) -> anyhow::Result<Duration> {
    let path = folder.join("fsync.probe");
    let mut file = fs::File::create(&path)?;
    let block = [7_u8; 4096];
    let mut took = Vec::new();
    for _ in 0..200 {
        let started = clock::instant();
        file.write_all(&block)?;
        file.sync_data()?;
        took.push(started.elapsed());
    }
    fs::remove_file(path)?;
    Ok(median(&mut took))
}

/// The type of the filesystem that a folder is on.
pub(super) fn filesystem(folder: &Path) -> String {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let by_length: BTreeMap<usize, &str> = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (point, kind) = (fields.next()?, fields.next()?);
            folder.starts_with(point).then_some((point.len(), kind))
        })
        .collect();
    by_length.last_key_value().map_or("unknown", |(_, kind)| kind).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let sorted: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(percentile(&sorted, 0.5), Duration::from_millis(50));
        assert_eq!(percentile(&sorted, 0.99), Duration::from_millis(99));
        assert_eq!(percentile(&sorted[..1], 0.99), Duration::from_millis(1));
    }

    #[test]
    fn numbers_keep_three_digits() {
        assert_eq!(number(123_456.7), json!(123_457));
        assert_eq!(number(12.345), json!(12.3));
        assert_eq!(number(0.12345), json!(0.123));
    }
}
