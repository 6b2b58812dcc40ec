//! When a schedule is due.

use std::time::Duration;

use mainspring_calendar::{
    Calendar, CatchUp, Cron, DstPolicy, Exclusions, MisfirePolicy, Plan, Timestamp as Instant, Zone,
};
use mainspring_core::id::Name;
use mainspring_core::limits::{DELAY_MS_MAX, FOLLOWED_DEFINITIONS_MAX};
use mainspring_core::schedule::{Next, Overlap};
use mainspring_core::time::Timestamp;

use crate::pointer::Pointer;
use crate::problem::Code;
use crate::submit::members::Members;
use crate::submit::read::{Findings, Rule as NameRule, Value};

/// Fields of a rule.
pub(super) const KNOWN: [&str; 14] = [
    "cron", "every", "at", "after", "timezone", "dst", "jitter", "start", "end", "exclude", "misfire", "burst",
    "grace", "overlap",
];
const MISFIRES: [(MisfirePolicy, &str); 3] =
    [(MisfirePolicy::Skip, "skip"), (MisfirePolicy::Latest, "latest"), (MisfirePolicy::All, "all")];
/// Occurrences that a schedule may catch up with at once.
const BURST_MAX: u64 = 1_000;
/// Longest jitter, and longest grace, in milliseconds.
const DAY_MS: u64 = 86_400_000;
/// Holiday calendars of a schedule, and dates of each.
const CALENDARS_MAX: usize = 32;
const DATES_MAX: usize = 1_000;

/// When a schedule is due, compiled.
#[derive(Clone, Debug)]
pub struct Rule {
    plan: Plan,
    catch_up: CatchUp,
    overlap: Overlap,
    words: String,
    after: Vec<Name>,
}

/// The fields as they are found.
#[derive(Default)]
struct Draft {
    cron: Option<(Cron, String)>,
    every: Option<Duration>,
    at: Option<Timestamp>,
    after: Vec<Name>,
    zone: Option<Zone>,
    dst: Option<DstPolicy>,
    jitter: Option<Duration>,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    exclude: Option<Exclusions>,
    catch_up: CatchUp,
    overlap: Overlap,
    /// Ways of saying when, as they were written.
    ways: Vec<String>,
    /// Fields about instants, which only a way with instants knows.
    about_time: Vec<String>,
}

impl Rule {
    pub(super) fn read(members: &Members<'_>, at: &Pointer<'_>, findings: &mut Findings) -> Option<Self> {
        let mut draft = Draft::default();
        let before = findings.len();
        for (name, raw) in &members.0 {
            if *raw != "null" {
                draft.take(name, &Value { raw, at: at.member(name) }, findings);
            }
        }
        if draft.ways.len() != 1 {
            let (code, detail) = match &draft.ways[..] {
                [] => (Code::MissingField, "it does not say when: one of `cron`, `every`, `at`, `after`".to_owned()),
                ways => (Code::ConflictingFields, format!("`{}` exclude each other", ways.join("` and `"))),
            };
            findings.add(code, at, detail);
        }
        if findings.len() > before {
            return None;
        }
        draft.compile(at, findings)
    }

    /// What is done while earlier work runs.
    pub fn overlap(&self) -> Overlap {
        self.overlap
    }

    /// What was said, in words.
    pub fn describe(&self) -> &str {
        &self.words
    }

    /// The definitions whose jobs it follows; empty: it goes by its plan.
    pub fn after(&self) -> &[Name] {
        &self.after
    }

    /// Its plan; without any instant for one that follows jobs.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How it catches up.
    pub fn catch_up(&self) -> &CatchUp {
        &self.catch_up
    }

    /// What comes after an instant, and when it fires. `seed`: of the schedule, for its jitter.
    pub fn next_after(&self, instant: Timestamp, seed: u64) -> Next {
        match self.plan.next_after(outside(instant)) {
            Some(next) => Next::At { instant: inside(next), due: inside(self.plan.fire_at(next, seed)) },
            None => Next::Never,
        }
    }
}

/// A core's instant as the calendar knows it.
pub(crate) fn outside(at: Timestamp) -> Instant {
    Instant::from_millisecond(at.as_millis()).unwrap_or(if at.as_millis() < 0 { Instant::MIN } else { Instant::MAX })
}

/// A calendar's instant as the core knows it.
pub(crate) fn inside(at: Instant) -> Timestamp {
    Timestamp::from_millis(at.as_millisecond())
}

impl Draft {
    fn take(&mut self, name: &str, value: &Value<'_, '_>, findings: &mut Findings) {
        let length = |value: &Value<'_, '_>, max, findings: &mut Findings| {
            value.duration(max, findings).map(|length| Duration::from_millis(length.ms()))
        };
        match name {
            "cron" => self.cron = read_cron(value, findings),
            "every" => self.every = length(value, DELAY_MS_MAX, findings),
            "at" => self.at = value.instant(findings),
            "after" => self.after = read_after(value, findings),
            "timezone" => self.zone = read_zone(value, findings),
            "dst" => {
                let words = DstPolicy::ALL.map(|policy| (policy, policy.word()));
                self.dst = value.word(&words, findings);
            }
            "jitter" => self.jitter = length(value, DAY_MS, findings),
            "start" => self.start = value.instant(findings),
            "end" => self.end = value.instant(findings),
            "exclude" => self.exclude = read_exclusions(value, findings),
            "misfire" => self.catch_up.policy = value.word(&MISFIRES, findings).unwrap_or_default(),
            "burst" => match value.number(BURST_MAX, findings) {
                Some(0) => findings.add(Code::InvalidValue, &value.at, "at least one must be allowed to run"),
                Some(burst) => self.catch_up.burst = burst as usize,
                None => {}
            },
            "grace" => {
                if let Some(grace) = length(value, DAY_MS, findings) {
                    self.catch_up.grace = grace;
                }
            }
            "overlap" => {
                let words = Overlap::ALL.map(|overlap| (overlap, overlap.word()));
                self.overlap = value.word(&words, findings).unwrap_or_default();
            }
            _ => return,
        }
        match name {
            "cron" | "every" | "at" | "after" => self.ways.push(name.to_owned()),
            "overlap" => {}
            _ => self.about_time.push(name.to_owned()),
        }
    }

    fn compile(self, at: &Pointer<'_>, findings: &mut Findings) -> Option<Rule> {
        if self.ways == ["after"] {
            return self.following(at, findings);
        }
        let zone = self.zone.clone().unwrap_or_else(Zone::utc);
        let (plan, words) = if let Some((cron, text)) = &self.cron {
            if cron.is_never() {
                let detail = format!("`{text}` names a date that no calendar has: it is never due");
                findings.add(Code::InvalidValue, &at.member("cron"), detail);
                return None;
            }
            let words = format!("{}, in {}", cron.describe(), zone.name());
            (Plan::cron(cron, zone, self.dst.unwrap_or_default()), words)
        } else {
            if self.dst.is_some() {
                findings.add(Code::ConflictingFields, &at.member("dst"), "`dst` goes with `cron` only");
                return None;
            }
            self.without_cron(zone, at, findings)?
        };
        if let (Some(start), Some(end)) = (self.start, self.end)
            && start > end
        {
            findings.add(Code::ConflictingFields, &at.member("end"), "it ends before it starts");
            return None;
        }
        let mut plan = plan;
        if let Some(start) = self.start {
            plan = plan.starting(outside(start));
        }
        if let Some(end) = self.end {
            plan = plan.ending(outside(end));
        }
        if let Some(exclude) = self.exclude {
            plan = plan.excluding(exclude);
        }
        let mut catch_up = self.catch_up;
        if let Some(jitter) = self.jitter {
            plan = plan.jittered(jitter);
            // What waits for its jitter is not late.
            catch_up.grace += jitter;
        }
        if plan.next_after(Instant::MIN).is_none() {
            findings.add(
                Code::InvalidValue,
                at,
                "it is never due: nothing is left between its start, its end and what it excludes",
            );
            return None;
        }
        Some(Rule { plan, catch_up, overlap: self.overlap, words, after: Vec::new() })
    }

    /// A rule without instants.
    fn following(self, at: &Pointer<'_>, findings: &mut Findings) -> Option<Rule> {
        if let Some(field) = self.about_time.first() {
            let detail =
                format!("`{field}` goes with `cron`, `every` or `at`: a schedule that follows jobs has no instants");
            findings.add(Code::ConflictingFields, &at.member(field), detail);
            return None;
        }
        let names = self.after.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
        let words = match &names[..] {
            [name] => format!("whenever a job of {name} has completed"),
            names => format!("when a job of each of {} has completed since it fired last", names.join(", ")),
        };
        Some(Rule { plan: Plan::never(), catch_up: self.catch_up, overlap: self.overlap, words, after: self.after })
    }

    fn without_cron(&self, zone: Zone, at: &Pointer<'_>, findings: &mut Findings) -> Option<(Plan, String)> {
        if let Some(instant) = self.at {
            let words = format!("once, at {}", crate::time::format(instant));
            return Some((Plan::at(outside(instant)).in_zone(zone), words));
        }
        let every = self.every?;
        let anchor = self.start.unwrap_or_default();
        match Plan::every(every, outside(anchor)) {
            Ok(plan) => {
                let length = crate::duration::WireDuration::from_ms(every.as_millis() as u64);
                Some((plan.in_zone(zone), format!("every {length}")))
            }
            Err(error) => {
                findings.add(Code::InvalidValue, &at.member("every"), error.to_string());
                None
            }
        }
    }
}

/// A name or a list of names of definitions.
fn read_after(value: &Value<'_, '_>, findings: &mut Findings) -> Vec<Name> {
    let before = findings.len();
    let names = value.names(NameRule::Id, true, FOLLOWED_DEFINITIONS_MAX, findings);
    if names.is_empty() && findings.len() == before {
        findings.add(Code::InvalidValue, &value.at, "it follows nothing: name at least one definition");
    }
    names.iter().map(|name| Name::from(&**name)).collect()
}

fn read_cron(value: &Value<'_, '_>, findings: &mut Findings) -> Option<(Cron, String)> {
    let text = value.text(findings)?;
    match Cron::parse(&text) {
        Ok(cron) => Some((cron, text.into_owned())),
        Err(error) => {
            let detail = format!("`{text}` {error}");
            findings.add_with_hint(
                Code::InvalidValue,
                &value.at,
                detail,
                "`mainspring schedules next \"…\"` explains it",
            );
            None
        }
    }
}

fn read_zone(value: &Value<'_, '_>, findings: &mut Findings) -> Option<Zone> {
    let text = value.text(findings)?;
    match Zone::get(&text) {
        Ok(zone) => Some(zone),
        Err(error) => {
            let detail = format!("`{text}` is no time zone of the IANA database");
            match &error.nearest {
                Some(nearest) => {
                    findings.add_with_hint(Code::InvalidValue, &value.at, detail, format!("did you mean `{nearest}`?"));
                }
                None => findings.add_with_hint(Code::InvalidValue, &value.at, detail, "write it like `Europe/Berlin`"),
            }
            None
        }
    }
}

/// A list of dates, or a map of the names of calendars to their dates.
fn read_exclusions(value: &Value<'_, '_>, findings: &mut Findings) -> Option<Exclusions> {
    let mut calendars = Vec::new();
    if value.raw.starts_with('[') {
        calendars.push(read_calendar("exclude", value, findings)?);
    } else {
        let members = value.members(findings)?;
        if members.0.len() > CALENDARS_MAX {
            let detail = format!("{} calendars exceed the limit of {CALENDARS_MAX}", members.0.len());
            findings.add(Code::LimitExceeded, &value.at, detail);
            return None;
        }
        for (name, raw) in &members.0 {
            calendars.push(read_calendar(name, &Value { raw, at: value.at.member(name) }, findings)?);
        }
    }
    match Exclusions::of(&calendars.iter().collect::<Vec<_>>()) {
        Ok(exclusions) => Some(exclusions),
        Err(error) => {
            findings.add(Code::InvalidValue, &value.at, error.to_string());
            None
        }
    }
}

fn read_calendar(name: &str, value: &Value<'_, '_>, findings: &mut Findings) -> Option<Calendar> {
    let dates = value.names(NameRule::Name, false, DATES_MAX, findings);
    match Calendar::parse(name, dates.iter().map(|date| &**date)) {
        Ok(calendar) => Some(calendar),
        Err(error) => {
            findings.add(Code::InvalidValue, &value.at, error.to_string());
            None
        }
    }
}
