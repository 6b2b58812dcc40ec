//! Query parameters: only known ones, each at most once, each of its type.

use mainspring_protocol::duration;
use mainspring_protocol::problem::{Code, Problem, ProblemItem};
use percent_encoding::percent_decode;

use super::call::Refused;
use super::route::{Param, Route};

/// Items of a page when nothing else is asked for.
const LIMIT_DEFAULT: usize = 100;
/// Items of a page at most.
pub(crate) const LIMIT_MAX: usize = 1_000;
/// Longest `?wait=`, in milliseconds.
const WAIT_MS_MAX: u64 = 300_000;
/// Bytes of a query string.
const QUERY_BYTES_MAX: usize = 8 << 10;

/// The tenant, which every operation below `/api/v1` takes.
pub(crate) const USER_ID: Param = Param { name: "userId", kind: "string", about: "Only what belongs to this tenant." };
pub(crate) const LIMIT: Param =
    Param { name: "limit", kind: "integer", about: "At most this many items, 1 to 1000. Default 100." };
pub(crate) const CURSOR: Param = Param { name: "cursor", kind: "string", about: "`nextCursor` of the page before." };
pub(crate) const SORT: Param = Param { name: "sort", kind: "string", about: "The order: `-createdAt`, newest first." };
pub(crate) const Q: Param = Param {
    name: "q",
    kind: "string",
    about: "The query language: `status:failed queue:email -type:noop created:>24h`. A page may be short, even empty, and go on.",
};
pub(crate) const Q_JOBS: Param = Param {
    name: "q",
    kind: "string",
    about: "The query language: `status:failed -tag:nightly created:>24h`. A page may be short, even empty, and go on.",
};
pub(crate) const STATUS: Param =
    Param { name: "status", kind: "string", about: "A status word, or several with commas between them." };
pub(crate) const WAIT: Param = Param {
    name: "wait",
    kind: "string",
    about: "Answers once it has ended, or after this long (`30s`, at most five minutes) as it is then.",
};

/// The query parameters of one request.
#[derive(Debug, Default)]
pub(crate) struct Params(Vec<(&'static str, String)>);

impl Params {
    /// Reads the query string of a request to `route`.
    pub(crate) fn read(route: &Route, query: Option<&str>) -> Result<Self, Refused> {
        let Some(query) = query.filter(|query| !query.is_empty()) else { return Ok(Self::default()) };
        if query.len() > QUERY_BYTES_MAX {
            let detail = format!("the query has {} bytes, the limit is {QUERY_BYTES_MAX}", query.len());
            return Err(Box::new(Problem::new(Code::InvalidQuery, detail)));
        }
        let mut params = Self::default();
        let mut problems = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (Some(name), Some(value)) = (decode(name), decode(value)) else {
                problems.push(item(pair, "it is not UTF-8 once its escapes are read", None));
                continue;
            };
            match known(route).find(|known| *known == name) {
                Some(known) if params.text(known).is_some() => problems.push(item(known, "it is given twice", None)),
                Some(known) => params.0.push((known, value)),
                None => problems.push(item(&name, "this address does not take it", nearest(route, &name))),
            }
        }
        match problems.first() {
            None => Ok(params),
            Some(first) => {
                let mut problem = Problem::new(Code::InvalidQuery, first.detail.clone());
                problem.hint.clone_from(&first.hint);
                problem.errors = problems;
                Err(Box::new(problem))
            }
        }
    }

    /// The parameter as text. An empty one counts as not given.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// The parameter as words between commas.
    pub(crate) fn words(&self, name: &str) -> impl Iterator<Item = &str> {
        self.text(name).unwrap_or("").split(',').map(str::trim).filter(|word| !word.is_empty())
    }

    /// `limit`.
    pub(crate) fn limit(&self) -> Result<usize, Refused> {
        let Some(text) = self.text("limit") else { return Ok(LIMIT_DEFAULT) };
        text.parse()
            .ok()
            .filter(|limit| (1..=LIMIT_MAX).contains(limit))
            .ok_or_else(|| bad("limit", format!("`{}` is not a number from 1 to {LIMIT_MAX}", cut(text)), None))
    }

    /// A number within bounds.
    pub(crate) fn number(&self, name: &str, min: u64, max: u64) -> Result<Option<u64>, Refused> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|number| (min..=max).contains(number));
        number.map(Some).ok_or_else(|| bad(name, format!("`{}` is not a number from {min} to {max}", cut(text)), None))
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Refused> {
        match self.text(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(bad(name, format!("`{}` is neither `true` nor `false`", cut(other)), None)),
        }
    }

    /// `wait`, in milliseconds.
    pub(crate) fn wait_ms(&self) -> Result<Option<u64>, Refused> {
        let Some(text) = self.text("wait") else { return Ok(None) };
        let wait = match text.parse() {
            Ok(seconds) => duration::WireDuration::from_seconds(seconds),
            Err(_) => duration::parse(text),
        };
        match wait {
            Ok(wait) => Ok(Some(wait.ms().min(WAIT_MS_MAX))),
            Err(error) => Err(bad("wait", error.to_string(), Some("write `30s` or `5m`".to_owned()))),
        }
    }

    /// Refuses any order but the one lists are kept in.
    pub(crate) fn newest_first(&self) -> Result<(), Refused> {
        match self.text("sort") {
            None | Some("-createdAt") => Ok(()),
            Some("createdAt") => Err(Box::new(
                Problem::new(Code::NotSupportedYet, "lists cannot be sorted by `createdAt`, oldest first, yet")
                    .with_hint("leave `sort` out, or use `-createdAt`: newest first"),
            )),
            Some(other) => {
                let hint = "the orders known are `-createdAt`, newest first, and `createdAt`, which is not built yet";
                Err(bad("sort", format!("`{}` is not an order", cut(other)), Some(hint.to_owned())))
            }
        }
    }
}

/// A refusal of one parameter.
pub(crate) fn bad(name: &str, detail: impl Into<String>, hint: Option<String>) -> Refused {
    let item = item(name, &detail.into(), hint);
    let mut problem = Problem::new(Code::InvalidQuery, item.detail.clone());
    problem.hint.clone_from(&item.hint);
    problem.errors = vec![item];
    Box::new(problem)
}

/// The word of a closed list that is nearest to `given`, as a hint.
pub(crate) fn did_you_mean<'a>(given: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
    const CHARS_MAX: usize = 64;
    if given.chars().count() > CHARS_MAX {
        return None;
    }
    let near = known
        .map(|known| (strsim::damerau_levenshtein(given, known), known))
        .min()
        .filter(|(distance, known)| *distance <= 2.max(known.len() / 3))?;
    Some(format!("did you mean `{}`?", near.1))
}

/// At most 100 characters of what a client sent, for a message.
pub(crate) fn cut(text: &str) -> String {
    text.chars().take(100).collect()
}

fn known(route: &Route) -> impl Iterator<Item = &'static str> + Clone {
    let tenant = route.is_versioned().then_some(USER_ID.name);
    route.query.iter().map(|param| param.name).chain(tenant).collect::<Vec<_>>().into_iter()
}

fn nearest(route: &Route, name: &str) -> Option<String> {
    did_you_mean(name, known(route)).or_else(|| {
        let all: Vec<_> = known(route).map(|name| format!("`{name}`")).collect();
        (!all.is_empty()).then(|| format!("it takes {}", all.join(", ")))
    })
}

fn item(name: &str, detail: &str, hint: Option<String>) -> ProblemItem {
    let name = cut(name);
    let mut item =
        ProblemItem::new(Code::InvalidQuery, format!("?{name}"), format!("the query parameter `{name}`: {detail}"));
    item.hint = hint;
    item
}

fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode(spaced.as_bytes()).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}
