//! From query parameters and the query language to what a store filters by.

use mainspring_core::id::{Bucket, Key, Name};
use mainspring_core::job::JobStatus;
use mainspring_core::task::TaskStatus;
use mainspring_core::time::Timestamp;
use mainspring_protocol::problem::{Code, Problem};
use mainspring_protocol::query;
use mainspring_store::{Compare, Field, JobFilter, TaskFilter, Term, Test};

use super::address;
use super::call::{Call, Refused};
use super::params::{bad, cut, did_you_mean};
use super::route::Param;
use super::state::Api;

/// Parameters that filter tasks.
pub(crate) const TASK_FILTERS: [Param; 6] = [
    super::params::STATUS,
    Param { name: "queue", kind: "string", about: "A queue, or several with commas between them." },
    Param { name: "type", kind: "string", about: "A type, or several with commas between them." },
    Param { name: "jobId", kind: "string", about: "Only tasks of this job." },
    Param { name: "tag", kind: "string", about: "A tag, or several with commas between them." },
    super::params::Q,
];
/// Parameters that filter jobs.
pub(crate) const JOB_FILTERS: [Param; 3] = [
    super::params::STATUS,
    Param { name: "tag", kind: "string", about: "A tag, or several with commas between them." },
    super::params::Q_JOBS,
];

impl Call {
    /// The filter that the query parameters of a list of tasks make. `None`: nothing can match.
    pub(crate) async fn task_filter(&self) -> Result<TaskFilter, Refused> {
        let mut filter = tasks(&self.api, self.params.text("q").unwrap_or(""), self.tenant()).await?;
        for word in self.params.words("status") {
            filter.statuses.push(task_status(word)?);
        }
        for (name, field) in [("queue", Field::Queue), ("type", Field::Kind), ("tag", Field::Tag)] {
            filter.terms.extend(any_of(field, self.params.words(name)));
        }
        if let Some(id) = self.params.text("jobId") {
            filter.job = Some(address::job(&self.api, id, self.tenant().as_ref()).await?.key);
        }
        Ok(filter)
    }

    /// The filter that the query parameters of a list of jobs make.
    pub(crate) async fn job_filter(&self) -> Result<JobFilter, Refused> {
        let mut filter = jobs(&self.api, self.params.text("q").unwrap_or(""), self.tenant()).await?;
        for word in self.params.words("status") {
            filter.statuses.push(job_status(word)?);
        }
        filter.terms.extend(any_of(Field::Tag, self.params.words("tag")));
        Ok(filter)
    }
}

/// The tasks that a query means.
pub(crate) async fn tasks(api: &Api, q: &str, tenant: Option<Name>) -> Result<TaskFilter, Refused> {
    let mut filter = TaskFilter { tenant, ..TaskFilter::default() };
    for term in query::parse(q).map_err(Problem::from)? {
        match (&term.field, &term.test) {
            (query::Field::Status, query::Test::AnyOf(words)) if !term.negated && filter.statuses.is_empty() => {
                filter.statuses = words.iter().map(|word| task_status(word)).collect::<Result<_, _>>()?;
            }
            (query::Field::User, query::Test::AnyOf(names)) => narrow_tenant(&mut filter.tenant, &term, names)?,
            (query::Field::Job, query::Test::AnyOf(ids)) => match ids.as_slice() {
                [id] if !term.negated && filter.job.is_none() => {
                    filter.job = Some(address::job(api, id, filter.tenant.as_ref()).await?.key);
                }
                _ => return Err(not_yet("a query takes one job: `job:ID`")),
            },
            (query::Field::Dead, query::Test::AnyOf(words)) => match words.as_slice() {
                [word] if word == "true" && !term.negated => filter.dead = true,
                _ => return Err(not_yet("`dead` can only be asked as `dead:true`")),
            },
            _ => filter.terms.push(to_store(term)?),
        }
    }
    Ok(filter)
}

/// The jobs that a query means.
pub(crate) async fn jobs(api: &Api, q: &str, tenant: Option<Name>) -> Result<JobFilter, Refused> {
    let mut filter = JobFilter { tenant, submitted: true, ..JobFilter::default() };
    for mut term in query::parse(q).map_err(Problem::from)? {
        match (&term.field, &term.test) {
            (query::Field::Status, query::Test::AnyOf(words)) if !term.negated && filter.statuses.is_empty() => {
                filter.statuses = words.iter().map(|word| job_status(word)).collect::<Result<_, _>>()?;
            }
            (query::Field::User, query::Test::AnyOf(names)) => narrow_tenant(&mut filter.tenant, &term, names)?,
            (query::Field::Parent, query::Test::AnyOf(ids)) => match ids.as_slice() {
                [id] if !term.negated && filter.inside.is_none() => {
                    filter.inside = Some(address::job(api, id, filter.tenant.as_ref()).await?.key);
                    filter.submitted = false;
                }
                _ => return Err(not_yet("a query takes one job around: `parent:ID`")),
            },
            (query::Field::Job, _) => {
                term.field = query::Field::Id;
                filter.terms.push(to_store(term)?);
            }
            (
                query::Field::Queue
                | query::Field::Type
                | query::Field::Worker
                | query::Field::Error
                | query::Field::Attempt
                | query::Field::Priority
                | query::Field::Dead,
                _,
            ) => {
                let detail = "a job has no such field; ask for it among tasks";
                return Err(Box::new(Problem::new(Code::InvalidQuery, detail)));
            }
            _ => filter.terms.push(to_store(term)?),
        }
    }
    Ok(filter)
}

/// How far a key may stand ahead of the instant at which it was minted, in milliseconds: a burst borrows from the time to
/// come, a millisecond for each 1,024 keys. What a larger one minted enters the lists of what is older that much later.
const KEY_AHEAD_MS: u64 = 1_000;

/// The part of a list that conditions on the age leave. Keys grow with time, so neither end costs a look at what is beyond.
pub(crate) struct Reach {
    /// It starts below this.
    pub(crate) start: Option<Key>,
    /// Nothing below this fits.
    end: Option<Key>,
}

impl Reach {
    /// Where the next page starts, if it may have anything.
    pub(crate) fn next(&self, next: Option<Key>) -> Option<Key> {
        next.filter(|next| self.end.is_none_or(|end| *next > end))
    }
}

/// How far a list reaches that goes on below `after`.
pub(crate) fn reach(after: Option<Key>, terms: &[Term], now: Timestamp) -> Reach {
    let ages = |wanted: Compare| {
        terms.iter().filter(|term| term.field == Field::Age).filter_map(move |term| match term.test {
            Test::Number(Compare::Equal, _) => None,
            // What is not older is younger.
            Test::Number(compare, age_ms) if (compare == wanted) != term.negated => Some(age_ms),
            _ => None,
        })
    };
    let key = |at: Timestamp, age_ms: u64| {
        let at = Timestamp::from_millis(at.as_millis().saturating_sub_unsigned(age_ms));
        Key::new(Key::first_sequence_at(at), Bucket::CONTROL)
    };
    let oldest = ages(Compare::Greater).max().map(|age_ms| key(now.plus_ms(KEY_AHEAD_MS), age_ms));
    let start = after.map_or(oldest, |after| Some(oldest.map_or(after, |oldest| after.min(oldest))));
    Reach { start, end: ages(Compare::Less).min().map(|age_ms| key(now, age_ms)) }
}

fn narrow_tenant(tenant: &mut Option<Name>, term: &query::Term, names: &[String]) -> Result<(), Refused> {
    match names {
        [name] if !term.negated && tenant.as_ref().is_none_or(|tenant| **tenant == **name) => {
            *tenant = Some(name.as_str().into());
            Ok(())
        }
        _ => Err(not_yet("a query takes one user: `user:ID`")),
    }
}

fn to_store(term: query::Term) -> Result<Term, Refused> {
    let field = match term.field {
        query::Field::Id => Field::Id,
        query::Field::Name => Field::Title,
        query::Field::Status => Field::Status,
        query::Field::Queue => Field::Queue,
        query::Field::Type => Field::Kind,
        query::Field::Tag => Field::Tag,
        query::Field::Worker => Field::Worker,
        query::Field::Error => Field::Error,
        query::Field::Duration => Field::Duration,
        query::Field::Created => Field::Age,
        query::Field::Attempt => Field::Attempt,
        query::Field::Priority => Field::Priority,
        query::Field::Text => Field::Text,
        query::Field::Parent => return Err(not_yet("`parent` is asked of jobs: `parent:ID`")),
        query::Field::Job | query::Field::User | query::Field::Dead => {
            return Err(not_yet("this field can only be compared with one value"));
        }
    };
    let test = match term.test {
        query::Test::AnyOf(words) => Test::AnyOf(words),
        query::Test::Any => Test::AnyOf(vec!["*".to_owned()]),
        query::Test::Equal(number) => Test::Number(Compare::Equal, number),
        query::Test::Greater(number) => Test::Number(Compare::Greater, number),
        query::Test::Less(number) => Test::Number(Compare::Less, number),
        query::Test::Contains(text) => Test::Contains(text),
    };
    Ok(Term { field, negated: term.negated, test })
}

fn any_of<'a>(field: Field, words: impl Iterator<Item = &'a str>) -> Option<Term> {
    let words: Vec<String> = words.map(str::to_owned).collect();
    (!words.is_empty()).then_some(Term { field, negated: false, test: Test::AnyOf(words) })
}

fn task_status(word: &str) -> Result<TaskStatus, Refused> {
    TaskStatus::from_word(word).ok_or_else(|| no_status(word, TaskStatus::ALL.map(TaskStatus::word).as_slice()))
}

fn job_status(word: &str) -> Result<JobStatus, Refused> {
    JobStatus::from_word(word).ok_or_else(|| no_status(word, JobStatus::ALL.map(JobStatus::word).as_slice()))
}

fn no_status(word: &str, known: &[&str]) -> Refused {
    let hint =
        did_you_mean(word, known.iter().copied()).unwrap_or_else(|| format!("it is one of {}", known.join(", ")));
    bad("status", format!("`{}` is not a status", cut(word)), Some(hint))
}

fn not_yet(detail: &str) -> Refused {
    Box::new(Problem::new(Code::NotSupportedYet, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn age(compare: Compare, age_ms: u64, negated: bool) -> Term {
        Term { field: Field::Age, negated, test: Test::Number(compare, age_ms) }
    }

    const NOW: Timestamp = Timestamp::from_millis(1_900_000_000_000);

    fn minted(ms_ago: i64) -> Key {
        let at = Timestamp::from_millis(NOW.as_millis() - ms_ago);
        Key::new(Key::first_sequence_at(at), Bucket::CONTROL)
    }

    #[test]
    fn a_list_of_what_is_old_starts_below_the_keys_of_that_time_and_above_every_row_that_fits() {
        let older = |age_ms| age(Compare::Greater, age_ms, false);
        let start = |after, terms: &[Term]| reach(after, terms, NOW).start;
        let from = start(None, &[older(3_600_000), older(60_000)]).unwrap();
        assert!(minted(3_600_001) < from && from < minted(3_600_000 - 2 * KEY_AHEAD_MS as i64));
        assert_eq!(start(Some(minted(7_200_000)), &[older(3_600_000)]), Some(minted(7_200_000)), "a page further on");
        assert_eq!(start(Some(minted(0)), &[older(3_600_000)]), Some(from), "a page before");
        assert_eq!(start(None, &[age(Compare::Less, 3_600_000, true)]), Some(from), "not younger");
        assert_eq!(start(None, &[age(Compare::Greater, 3_600_000, true)]), None, "not older: from the newest");
        assert_eq!(start(None, &[older(u64::MAX)]).map(Key::raw), Some(0), "older than time");
        assert_eq!(start(Some(minted(5)), &[]), Some(minted(5)));
    }

    #[test]
    fn a_list_of_what_is_young_ends_where_everything_is_older() {
        let younger = |age_ms| age(Compare::Less, age_ms, false);
        let next = |terms: &[Term], key| reach(None, terms, NOW).next(Some(key));
        let hour = [younger(3_600_000), younger(7_200_000)];
        assert_eq!(next(&hour, minted(3_599_999)), Some(minted(3_599_999)));
        assert_eq!(next(&hour, minted(3_600_000)), None);
        assert_eq!(next(&[age(Compare::Greater, 3_600_000, true)], minted(3_600_001)), None, "not older");
        assert_eq!(next(&[younger(u64::MAX)], minted(9)), Some(minted(9)));
        assert_eq!(reach(None, &hour, NOW).next(None), None);
        for term in [age(Compare::Less, 1, true), age(Compare::Equal, 1, false), age(Compare::Equal, 1, true)] {
            assert_eq!(next(&[term], minted(1_000_000)), Some(minted(1_000_000)));
        }
    }
}
