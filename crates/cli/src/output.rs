//! How results are printed: columns for people, the API's own JSON for programs. Data goes to standard output,
//! everything said about it to standard error.

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use comfy_table::{Cell, Color, ContentArrangement, Table, presets};
use mainspring_core::task::TaskStatus;
use mainspring_core::time::Timestamp;
use serde::Serialize;

use crate::args::Format;
use crate::clock;
use crate::exit::{Exit, Failure, Outcome};

static COLOURS: AtomicBool = AtomicBool::new(false);

/// Decides once whether output is coloured: only on a terminal, and if nobody objects.
pub(crate) fn colours(wanted: bool) {
    let objection = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    COLOURS.store(wanted && !objection, Ordering::Relaxed);
}

/// Whether standard output may be coloured.
fn coloured_stdout() -> bool {
    COLOURS.load(Ordering::Relaxed) && std::io::stdout().is_terminal()
}

/// Whether standard error may be coloured.
pub(crate) fn coloured_stderr() -> bool {
    COLOURS.load(Ordering::Relaxed) && std::io::stderr().is_terminal()
}

/// Standard error that cannot fail: where it cannot be written, as on a full disk, what it was told is lost and the
/// program goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stderr;

impl std::io::Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // Lost, as said above; a server whose log is gone still has its work to do.
        let _ = std::io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Says a line on standard error.
pub(crate) fn say(text: impl std::fmt::Display) {
    Stderr.write_all(format!("{text}\n").as_bytes()).expect("it swallows what fails");
}

/// Something that stands in a list.
pub(crate) trait Listed: Serialize {
    /// The columns' headings; those of [`Listed::WIDE`] follow with `-o wide`.
    const COLUMNS: &'static [&'static str];
    /// More columns.
    const WIDE: &'static [&'static str] = &[];
    /// What names it: printed by `-o name`.
    fn name(&self) -> String;
    /// The cells of all columns, wide ones included.
    fn cells(&self) -> Vec<String>;
}

/// Prints items in one of the formats. `document` is the API's own answer, for JSON and YAML.
pub(crate) fn list<T: Listed>(items: &[T], document: &impl Serialize, format: Format) -> Outcome {
    match format {
        Format::Json | Format::Yaml => print_document(document, format),
        Format::Name => items.iter().try_for_each(|item| line(&item.name())),
        Format::Table | Format::Wide => {
            let wide = format == Format::Wide;
            let headings = T::COLUMNS.iter().chain(if wide { T::WIDE } else { &[] });
            let shown = T::COLUMNS.len() + if wide { T::WIDE.len() } else { 0 };
            let rows = items.iter().map(|item| item.cells().into_iter().take(shown).collect());
            line(&table(headings.copied(), rows))
        }
    }
}

/// Prints one thing: `text` for people, the document for programs.
pub(crate) fn one(document: &impl Serialize, name: &str, format: Format, text: impl FnOnce() -> String) -> Outcome {
    match format {
        Format::Json | Format::Yaml => print_document(document, format),
        Format::Name => line(name),
        Format::Table | Format::Wide => line(&text()),
    }
}

fn print_document(document: &impl Serialize, format: Format) -> Outcome {
    let broken = |error: String| Failure::new(Exit::Failure, format!("cannot write the answer: {error}"));
    if format == Format::Yaml {
        // By way of a JSON value, so that both spell numbers and raw JSON alike.
        let value = serde_json::to_value(document).map_err(|error| broken(error.to_string()))?;
        let text = serde_saphyr::to_string(&value).map_err(|error| broken(error.to_string()))?;
        return line(text.trim_end());
    }
    line(&serde_json::to_string_pretty(document).map_err(|error| broken(error.to_string()))?)
}

/// Prints a line to standard output; a closed pipe ends the program quietly.
pub(crate) fn line(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// Lays out columns; never cuts what they hold when it does not go to a terminal.
pub(crate) fn table<'a>(headings: impl Iterator<Item = &'a str>, rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let colours = coloured_stdout();
    if std::io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    } else {
        table.force_no_tty();
    }
    table.set_header(headings.map(Cell::new));
    for row in rows {
        table.add_row(row.into_iter().map(|text| cell(text, colours)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

fn cell(text: String, colours: bool) -> Cell {
    let colour = colours.then(|| state_colour(text.rsplit(' ').next().unwrap_or_default())).flatten();
    match colour {
        Some(colour) => Cell::new_owned(text).fg(colour),
        None => Cell::new_owned(text),
    }
}

fn state_colour(word: &str) -> Option<Color> {
    Some(match word {
        "completed" | "success" | "run" => Color::Green,
        "failed" | "failure" | "timeout" | "lost" => Color::Red,
        "running" => Color::Cyan,
        "cancelled" | "skipped" | "snoozed" | "interrupted" => Color::DarkGrey,
        "paused" | "pause" | "drain" | "waiting" => Color::Yellow,
        _ => return None,
    })
}

/// A task's state as an icon; the word always stands beside it.
pub(crate) fn icon(status: TaskStatus) -> &'static str {
    match status {
        TaskStatus::Pending => "·",
        TaskStatus::Scheduled => "◷",
        TaskStatus::Waiting => "‖",
        TaskStatus::Ready => "○",
        TaskStatus::Running => "●",
        TaskStatus::Completed => "✔",
        TaskStatus::Failed => "✖",
        TaskStatus::Cancelled => "⊘",
        TaskStatus::Skipped => "↷",
    }
}

/// A state's word in its colour, for standard error.
pub(crate) fn paint(status: TaskStatus, text: &str) -> String {
    let code = match status {
        TaskStatus::Completed => 32,
        TaskStatus::Failed => 31,
        TaskStatus::Running => 36,
        TaskStatus::Waiting => 33,
        TaskStatus::Cancelled | TaskStatus::Skipped => 90,
        TaskStatus::Pending | TaskStatus::Scheduled | TaskStatus::Ready => return text.to_owned(),
    };
    if coloured_stderr() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// A length of time as people read it: `340ms`, `12.4s`, `3m05s`, `2h10m`, `4d03h`.
pub(crate) fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms}ms"),
        1..=59 => format!("{}.{}s", seconds, ms % 1000 / 100),
        60..=3599 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..=86_399 => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// How long ago an instant was, or how far away it is.
pub(crate) fn ago(at: Timestamp) -> String {
    let now = clock::now();
    if at > now { format!("in {}", span(at.since(now))) } else { span(now.since(at)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_well_at_every_size() {
        let spans: Vec<_> = [0, 340, 12_400, 185_000, 7_800_000, 356_400_000].map(span).into();
        assert_eq!(spans, ["0ms", "340ms", "12.4s", "3m05s", "2h10m", "4d03h"]);
    }

    #[test]
    fn a_piped_table_is_plain_and_uncut() {
        let text = table(["ID", "STATUS"].into_iter(), [vec!["x".repeat(300), "completed".to_owned()]].into_iter());
        assert!(text.contains(&"x".repeat(300)), "{text}");
        assert!(!text.contains('\u{1b}'));
    }
}
