//! Writes commits and effects the way transcripts show them.

use std::collections::BTreeMap;
use std::fmt::Write;

use mainspring_core::effect::{Answer, Effect, Gate, Grant, Refusal};
use mainspring_core::id::{Key, Token};
use mainspring_core::job::{JobState, SweepKind};
use mainspring_core::row::{Changes, ClaimName};
use mainspring_core::task::{Place, Settling, TaskState};
use mainspring_core::time::Timestamp;

use crate::names::Names;
use crate::world::START;

/// More rows than this are shown as counts.
const ROWS_SHOWN_MAX: usize = 12;

/// An instant, in milliseconds after the start.
pub(crate) fn instant(at: Timestamp) -> String {
    match at.as_millis() {
        i64::MAX => "@never".to_owned(),
        ms => format!("@{}", ms - START.as_millis()),
    }
}

/// A task's state: what is not as it was born.
pub(crate) fn task_state(state: &TaskState) -> String {
    let mut text = state.status.word().to_owned();
    match state.place {
        Place::Hot | Place::Rest => {}
        Place::ColdReady { .. } | Place::ColdTimer => text.push_str(" cold"),
    }
    let mut say = |what: std::fmt::Arguments<'_>| write!(text, " {what}").expect("a string takes it");
    if let (Some(due), "scheduled" | "waiting") = (state.due, state.status.word()) {
        say(format_args!("until {}", instant(due)));
    }
    if let Some(lease) = &state.lease {
        say(format_args!("on {}", lease.worker));
    }
    for (what, count) in [
        ("generation", state.generation.saturating_sub(1)),
        ("attempt", state.attempt),
        ("failures", state.failures),
        ("losses", state.losses),
        ("snoozes", state.snoozes),
    ] {
        if count > 0 {
            let count = if what == "generation" { count + 1 } else { count };
            say(format_args!("{what}={count}"));
        }
    }
    if let Some(last) = state.last.as_ref()
        && let (Some(outcome), None) = (last.outcome, &state.lease)
    {
        let kind = last.error.as_ref().map_or(String::new(), |error| format!(":{}", error.kind));
        say(format_args!("last={}{kind}", outcome.word()));
    }
    if state.parents.ended() > 0 {
        let parents = state.parents;
        say(format_args!("parents={}+{}+{}", parents.completed, parents.failed, parents.skipped));
    }
    if let Some(reason) = state.skip_reason {
        say(format_args!("({})", reason.word()));
    }
    match state.settling {
        Some(Settling::Children(next)) => say(format_args!("settling={next}")),
        Some(Settling::Parents(next)) => say(format_args!("settling_parents={next}")),
        None => {}
    }
    if let Some(failure) = &state.failure {
        say(format_args!("failure={}:{}", failure.kind, failure.message.replace(' ', "_")));
    }
    if let Some(checkpoint) = &state.checkpoint {
        say(format_args!("checkpoint={checkpoint}"));
    }
    if state.child.is_some() {
        say(format_args!("child"));
    }
    for (what, is) in
        [("evaluating", state.evaluating), ("held", state.held), ("handled", state.handled), ("dead", state.dead)]
    {
        if is {
            say(format_args!("{what}"));
        }
    }
    text
}

/// A job's state.
pub(crate) fn job_state(state: &JobState) -> String {
    let mut text = state.status.word().to_owned();
    let mut say = |what: std::fmt::Arguments<'_>| write!(text, " {what}").expect("a string takes it");
    let counts = state.counts;
    for (what, count) in [
        ("completed", counts.completed),
        ("failed", counts.failed),
        ("cancelled", counts.cancelled),
        ("skipped", counts.skipped),
        ("unhandled", state.unhandled),
    ] {
        if count > 0 {
            say(format_args!("{what}={count}"));
        }
    }
    if state.generation > 1 {
        say(format_args!("generation={}", state.generation));
    }
    for (what, is) in [
        ("paused", state.paused),
        ("cancelled!", state.cancelled),
        ("failing_fast", state.failing_fast),
        ("exceeded", state.exceeded),
        ("queued", state.queued),
    ] {
        if is {
            say(format_args!("{what}"));
        }
    }
    if let Some(sweep) = &state.sweep {
        let kind = match sweep.kind {
            SweepKind::Rerunning(_) => "rerunning".to_owned(),
            ref kind => format!("{kind:?}").to_lowercase(),
        };
        say(format_args!("{kind}={}", sweep.next));
    }
    text
}

/// Lines `name: state`, or counts by state if there are many.
fn rows(out: &mut String, mark: &str, rows: Vec<(String, String)>) {
    if rows.len() <= ROWS_SHOWN_MAX {
        for (name, state) in rows {
            writeln!(out, "  {mark}{name}: {state}").expect("a string takes it");
        }
        return;
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (_, state) in rows {
        *counts.entry(state).or_default() += 1;
    }
    for (state, count) in counts {
        writeln!(out, "  {mark}{count} tasks: {state}").expect("a string takes it");
    }
}

fn list<T>(out: &mut String, what: &str, things: &[T], name: impl Fn(&T) -> String) {
    if !things.is_empty() {
        let shown: Vec<String> = things.iter().take(ROWS_SHOWN_MAX).map(name).collect();
        let more = things.len().saturating_sub(ROWS_SHOWN_MAX);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        writeln!(out, "  {what} {}{more}", shown.join(", ")).expect("a string takes it");
    }
}

fn claim(name: &ClaimName) -> String {
    format!("{:?} {}", name.kind, name.text)
}

/// A commit, its rows first.
pub(crate) fn commit(out: &mut String, changes: &Changes, names: &Names) {
    writeln!(out, "commit {} {}", changes.high_water.commit, instant(changes.high_water.time))
        .expect("a string takes it");
    let jobs = changes.insert_jobs.iter().map(|row| (names.of(row.key), job_state(&row.state))).collect();
    rows(out, "+", jobs);
    let jobs = changes.update_jobs.iter().map(|(key, state)| (names.of(*key), job_state(state))).collect();
    rows(out, "", jobs);
    let tasks = changes.insert_tasks.iter().map(|row| (names.of(row.key), task_state(&row.state))).collect();
    rows(out, "+", tasks);
    let tasks = changes.update_tasks.iter().map(|(key, state)| (names.of(*key), task_state(state))).collect();
    rows(out, "", tasks);
    list(out, "deleted", &changes.delete_tasks, |key| names.of(*key));
    list(out, "deleted", &changes.delete_jobs, |key| names.of(*key));
    list(out, "chunk", &changes.insert_chunks, |chunk| format!("{}#{}", names.of(chunk.job), chunk.number));
    list(out, "archived", &changes.insert_attempts, |row| format!("{}/{}", names.of(row.task), row.attempt.number));
    list(out, "output", &changes.put_outputs, |row| format!("{} {}", names.of(row.task), row.output));
    list(out, "log", &changes.insert_logs, |row| format!("{}/{} {}", names.of(row.task), row.attempt, row.data));
    list(out, "claimed", &changes.put_claims, |row| claim(&row.name));
    list(out, "forgot", &changes.delete_claims, claim);
    list(out, "body", &changes.rewrite_bodies, |(key, body)| format!("{} {body}", names.of(*key)));
    list(out, "queue", &changes.put_queues, |row| format!("{} paused={}", row.name, row.paused));
    list(out, "loan", &changes.put_loans, |row| format!("{:?}", row));
    list(out, "limits", &changes.put_limits, |row| format!("{} {} {:?}", row.scope.word(), row.name, row.limits));
    list(out, "worker", &changes.put_workers, |row| format!("{} {:?}", row.worker, row.directive));
    list(out, "audit", &changes.insert_audit, |row| match &*row.detail {
        "{}" => row.action.to_string(),
        detail => format!("{} {detail}", row.action),
    });
    list(out, "feed", &changes.feed, |event| {
        let about = event.task.or(event.job).map(|key| names.of(key));
        let subject = event.subject.as_deref().map(str::to_owned);
        let about = about.into_iter().chain(subject).collect::<Vec<_>>().join(" ");
        format!("{:?} {about}", event.kind)
    });
}

fn tokens(names: &Names, tokens: &[Token]) -> String {
    tokens.iter().map(|token| names.of_token(*token)).collect::<Vec<_>>().join(" ")
}

/// An effect.
pub(crate) fn effect(effect: &Effect, names: &Names) -> String {
    match effect {
        Effect::Reply { answer, .. } => match answer {
            Ok(answer) => format!("reply {}", reply(answer, names)),
            Err(refusal) => format!("refused: {refusal}"),
        },
        Effect::Exchanged { accepted, stale, directive, .. } => {
            let mut text = "exchanged".to_owned();
            for (what, list) in [("accepted", accepted), ("stale", stale)] {
                if !list.is_empty() {
                    write!(text, " {what}: {}", tokens(names, list)).expect("a string takes it");
                }
            }
            match directive {
                mainspring_core::row::Directive::Run => text,
                directive => format!("{text} directive: {directive:?}"),
            }
        }
        Effect::Grant(granted) => grant(granted, names),
        Effect::Revoke { session, token } => format!("revoke {} from {session}", names.of_token(*token)),
        Effect::Evaluate(ask) => {
            format!("evaluate {} (task {} of its job) generation {}", names.of(ask.task), ask.index, ask.generation)
        }
        Effect::Direct { session, directive } => format!("direct {session}: {directive:?}"),
        Effect::Hook(row) => format!("hook {}", row.key.id(mainspring_core::id::IdKind::Job)),
        Effect::Announce(jobs) => format!("announce {}", jobs.len()),
        Effect::Install(id) => format!("install {}", id.name),
        Effect::Loan(message) => format!("loan {message:?}"),
        Effect::Plan(ask) => format!("plan {} {:?}", ask.row.id.name, ask.want),
    }
}

fn grant(grant: &Grant, names: &Names) -> String {
    let body = if &*grant.spec.body == "{}" { String::new() } else { format!(" body {}", grant.spec.body) };
    let Grant { session, token, attempt, generation, lease_ms, .. } = grant;
    let generation = if *generation > 1 { format!(" generation {generation}") } else { String::new() };
    let checkpoint = grant.checkpoint.as_ref().map_or(String::new(), |text| format!(" checkpoint {text}"));
    format!("grant {}/{attempt} to {session} for {lease_ms} ms{generation}{body}{checkpoint}", names.of(token.task))
}

fn reply(answer: &Answer, names: &Names) -> String {
    match answer {
        Answer::Tasks(tasks) if tasks.len() > ROWS_SHOWN_MAX => format!("{} tasks", tasks.len()),
        Answer::Tasks(tasks) => {
            let one = |task: &Result<mainspring_core::effect::Submitted, Refusal>| match task {
                Ok(task) => {
                    let at = task.run_at.map_or(String::new(), |at| format!(" until {}", instant(at)));
                    let repeated = if task.repeated { " (repeated)" } else { "" };
                    format!("{} {}{at}{repeated}", names.of(task.key), task.status.word())
                }
                Err(refusal) => format!("refused: {refusal}"),
            };
            tasks.iter().map(one).collect::<Vec<_>>().join(", ")
        }
        Answer::Job { key, status, repeated } => {
            format!("{} {}{}", names.of(*key), status.word(), if *repeated { " (repeated)" } else { "" })
        }
        Answer::Done => "done".to_owned(),
        Answer::Took(keys) => format!("took {}", keys.iter().map(|key| names.of(*key)).collect::<Vec<_>>().join(" ")),
        Answer::Claimed(may) => may.iter().map(bool::to_string).collect::<Vec<_>>().join(" "),
        Answer::Versions(versions) => {
            let versions: Vec<_> = versions.iter().map(u32::to_string).collect();
            format!("version {}", versions.join(" "))
        }
        Answer::Version(version) => format!("version {version}"),
        Answer::Fired(target) => format!("fired {}", names.of(target.key())),
        Answer::Gates(gates) => gates.iter().map(|one| gate(one, names)).collect::<Vec<_>>().join(", "),
        Answer::Figures(figures) => format!("resident {:?}, leases {}", figures.resident, figures.leases),
        Answer::Sessions(views) => {
            let one = |view: &mainspring_core::effect::SessionView| {
                let told = match view.directive {
                    mainspring_core::row::Directive::Run => String::new(),
                    directive => format!(" {directive:?}"),
                };
                format!("{} credits={} running={}{told}", view.session, view.credits, view.running.len())
            };
            views.iter().map(one).collect::<Vec<_>>().join(", ")
        }
    }
}

fn gate(gate: &Gate, names: &Names) -> String {
    match gate {
        Gate::Parents { waiting_for, left } => {
            let named: Vec<String> = waiting_for.iter().map(|key: &Key| names.of(*key)).collect();
            format!("waits for {left} parents: {}", named.join(" "))
        }
        Gate::Scheduled { until, backoff } => format!("scheduled until {} backoff={backoff}", instant(*until)),
        Gate::Group { child } => format!("group {}", names.of(*child)),
        Gate::Approval { until } => {
            format!("approval{}", until.map_or(String::new(), |at| format!(" until {}", instant(at))))
        }
        Gate::QueueLimit { queue, max, holders, .. } => held("queue", queue, *max, holders, names),
        Gate::TypeLimit { kind, max, holders, .. } => held("type", kind, *max, holders, names),
        Gate::KeyLimit { key, max, holders } => held("key", key, *max, holders, names),
        Gate::RateLimit { of, name, rate, until } => {
            let (of, until) = (of.word(), until.map_or("never".to_owned(), instant));
            format!("{of} {name}: {} per {} ms, until {until}", rate.limit, rate.per_ms)
        }
        Gate::Running { worker, since } => format!("runs on {worker} since {}", instant(*since)),
        other => format!("{other:?}"),
    }
}

fn held(of: &str, name: &str, max: u32, holders: &[Key], names: &Names) -> String {
    let holders: Vec<String> = holders.iter().map(|key| names.of(*key)).collect();
    format!("{of} {name}: {max} may run: {}", holders.join(" "))
}
