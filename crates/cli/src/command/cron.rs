//! `mainspring schedules next`: when a cron expression is due, and why a change of the clock makes it so.

use mainspring_calendar::{Cron, DstPolicy, Note, Occurrence, Plan, Timestamp, Zone};
use serde::Serialize;

use crate::args::Next;
use crate::clock;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Listed, say};

/// More gaps than this are not told: somebody who asks for so many occurrences reads them by a program.
const GAPS_TOLD: usize = 20;

/// An occurrence as it is printed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    /// The instant.
    at: String,
    /// The same instant with the zone's offset.
    local: String,
    /// What a clock of the zone shows then, for people.
    #[serde(skip)]
    shown: String,
    /// `gap`, `fold_first`, `fold_second`, or nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
    /// The local time that a gap has moved here.
    #[serde(skip_serializing_if = "Option::is_none")]
    wanted: Option<String>,
}

impl Row {
    fn new(found: Occurrence, zone: &Zone) -> Self {
        let (note, wanted) = match found.note {
            Note::Plain => (None, None),
            Note::Gap(wanted) => (Some("gap"), Some(wanted.to_string())),
            Note::FoldFirst => (Some("fold_first"), None),
            Note::FoldSecond => (Some("fold_second"), None),
        };
        Self { at: found.at.to_string(), local: zone.local(found.at), shown: zone.show(found.at), note, wanted }
    }
}

impl Listed for Row {
    const COLUMNS: &'static [&'static str] = &["AT", "LOCAL", "NOTE"];

    fn name(&self) -> String {
        self.at.clone()
    }

    fn cells(&self) -> Vec<String> {
        let note = match (self.note, &self.wanted) {
            (Some("gap"), Some(wanted)) => {
                format!("for {}, which the clock passes over", wanted.replace('T', " "))
            }
            (Some("fold_first"), _) => "the first of two such times".to_owned(),
            (Some("fold_second"), _) => "the second of two such times".to_owned(),
            _ => String::new(),
        };
        vec![self.at.clone(), self.shown.clone(), note]
    }
}

pub(crate) fn next(args: &Next, quiet: bool) -> Outcome {
    let refused = |text: String| Failure::new(Exit::Invalid, text);
    let cron = Cron::parse(&args.expression).map_err(|error| {
        let mut failure = refused(format!("the cron expression is refused: {error}"));
        failure.details = vec![args.expression.clone(), error.carets(&args.expression)];
        failure
    })?;
    let zone = Zone::get(&args.timezone).map_err(|error| refused(error.to_string()))?;
    let dst: DstPolicy =
        args.dst.parse().map_err(|error: mainspring_calendar::UnknownDstPolicy| refused(error.to_string()))?;
    let from = match &args.from {
        None => Timestamp::from_millisecond(clock::now().as_millis()).expect("this century is within its range"),
        Some(text) => zone.instant(text).ok_or_else(|| {
            refused(format!("`{text}` is no time"))
                .hint("write 2026-03-28T00:00:00Z, or 2026-03-28 or 2026-03-28T00:00 in the zone")
        })?,
    };
    let plan = Plan::cron(&cron, zone.clone(), dst);
    let rows: Vec<Row> = plan.preview(from).take(args.count as usize).map(|found| Row::new(found, &zone)).collect();
    let told = matches!(args.output.output, crate::args::Format::Table | crate::args::Format::Wide) && !quiet;
    if told {
        say(format_args!("{}, in {} (dst: {dst})", cron.describe(), zone.name()));
    }
    output::list(&rows, &rows, args.output.output)?;
    if told && rows.is_empty() {
        say("never again");
    }
    if told && let Some(last) = rows.last() {
        let last: Timestamp = last.at.parse().expect("it was printed by the same library");
        for (at, wanted) in plan.lost_in_gaps(from, last, GAPS_TOLD) {
            let wanted = wanted.to_string().replace('T', " ");
            say(format_args!("note: no run for {wanted}, which the clock passes over at {at}"));
        }
    }
    Ok(())
}
