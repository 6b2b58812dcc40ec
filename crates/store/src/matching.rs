//! Whether a row fits a filter: the one place that gives a [`Term`] its meaning, for every store.

use mainspring_core::id::IdKind;
use mainspring_core::job::JobRow;
use mainspring_core::row::TaskRow;
use mainspring_core::time::Timestamp;

use crate::reader::{Compare, Field, JobFilter, TaskFilter, Term, Test};

/// Whether a whole task row fits every condition of a filter.
pub fn task_matches(row: &TaskRow, filter: &TaskFilter, now: Timestamp) -> bool {
    filter.tenant.as_ref().is_none_or(|tenant| *tenant == row.tenant)
        && (filter.statuses.is_empty() || filter.statuses.contains(&row.state.status))
        && filter.job.is_none_or(|job| row.job == Some(job))
        && (!filter.standalone || row.job.is_none())
        && (!filter.dead || row.state.dead)
        && filter.terms.iter().all(|term| task_term(row, term, now) != term.negated)
}

/// Whether a job row fits every condition of a filter.
pub fn job_matches(row: &JobRow, filter: &JobFilter, now: Timestamp) -> bool {
    filter.tenant.as_ref().is_none_or(|tenant| *tenant == row.tenant)
        && (filter.statuses.is_empty() || filter.statuses.contains(&row.state.status))
        && (!filter.submitted || row.parent.is_none())
        && filter.inside.is_none_or(|job| row.ancestors.last() == Some(&job))
        && filter.terms.iter().all(|term| job_term(row, term, now) != term.negated)
}

fn task_term(row: &TaskRow, term: &Term, now: Timestamp) -> bool {
    let spec = row.spec.as_deref();
    let last = row.state.last.as_ref();
    let error = row.state.failure.as_ref().or(last.and_then(|attempt| attempt.error.as_ref()));
    let test = &term.test;
    match term.field {
        Field::Id => text(&task_id(row), test),
        Field::Title => spec.and_then(|spec| spec.title.as_deref()).is_some_and(|title| text(title, test)),
        Field::Status => text(row.state.status.word(), test),
        Field::Queue => spec.is_some_and(|spec| text(&spec.queue, test)),
        Field::Kind => spec.is_some_and(|spec| text(&spec.kind, test)),
        Field::Tag => spec.is_some_and(|spec| spec.tags.iter().any(|tag| text(tag, test))),
        Field::Worker => last.is_some_and(|attempt| text(&attempt.worker, test)),
        Field::Error => error.is_some_and(|error| text(&error.kind, test)),
        Field::Duration => {
            last.is_some_and(|attempt| number(attempt.ended_at.unwrap_or(now).since(attempt.started_at), test))
        }
        Field::Age => number(now.since(row.created_at), test),
        Field::Attempt => number(u64::from(row.state.attempt), test),
        Field::Priority => spec.is_some_and(|spec| number(u64::from(spec.priority), test)),
        Field::Text => {
            let texts = [
                spec.and_then(|spec| spec.title.as_deref()),
                spec.map(|spec| &*spec.kind),
                spec.map(|spec| &*spec.queue),
                error.map(|error| &*error.message),
            ];
            text(&task_id(row), test) || texts.into_iter().flatten().any(|value| text(value, test))
        }
    }
}

fn job_term(row: &JobRow, term: &Term, now: Timestamp) -> bool {
    let test = &term.test;
    let id = || row.given_id.as_deref().map_or_else(|| row.key.id(IdKind::Job), str::to_owned);
    match term.field {
        Field::Id => text(&id(), test),
        Field::Title => row.title.as_deref().is_some_and(|title| text(title, test)),
        Field::Status => text(row.state.status.word(), test),
        Field::Tag => row.tags.iter().any(|tag| text(tag, test)),
        Field::Duration => {
            row.state.started_at.is_some_and(|from| number(row.state.ended_at.unwrap_or(now).since(from), test))
        }
        Field::Age => number(now.since(row.created_at), test),
        Field::Text => text(&id(), test) || row.title.as_deref().is_some_and(|title| text(title, test)),
        Field::Queue | Field::Kind | Field::Worker | Field::Error | Field::Attempt | Field::Priority => false,
    }
}

fn task_id(row: &TaskRow) -> String {
    row.given_id.as_deref().map_or_else(|| row.key.id(IdKind::Task), str::to_owned)
}

fn text(value: &str, test: &Test) -> bool {
    match test {
        Test::AnyOf(patterns) => patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => value.starts_with(start),
            None => value == pattern,
        }),
        Test::Contains(part) => value.to_lowercase().contains(&part.to_lowercase()),
        Test::Number(..) => false,
    }
}

fn number(value: u64, test: &Test) -> bool {
    match test {
        Test::Number(Compare::Equal, bound) => value == *bound,
        Test::Number(Compare::Greater, bound) => value > *bound,
        Test::Number(Compare::Less, bound) => value < *bound,
        Test::AnyOf(_) | Test::Contains(_) => text(&value.to_string(), test),
    }
}
