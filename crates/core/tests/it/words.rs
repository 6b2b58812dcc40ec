//! Reads the words of a transcript's commands: `name name option=value …`.

use std::sync::Arc;

use mainspring_core::event::{Start, Unique, UniquePolicy};
use mainspring_core::id::Name;
use mainspring_core::permit::{KeyBound, KeyLimit, LimitsPatch, Rate};
use mainspring_core::spec::{Backoff, BackoffShape, Body, Class, OnWorkerLost, Policy, TaskSpec, Trigger};
use mainspring_core::time::Timestamp;

use crate::world::START;

/// `LIMIT/MS` or `LIMIT/MS/BURST`.
fn rate(text: &str) -> Rate {
    let numbers: Vec<u64> = text.split('/').map(|number| number.parse().expect("limit/ms/burst")).collect();
    let limit = numbers[0] as u32;
    Rate { limit, per_ms: numbers[1], burst: numbers.get(2).map_or(limit, |burst| *burst as u32) }
}

/// One line, taken apart.
#[derive(Debug)]
pub(crate) struct Words<'a> {
    pub(crate) names: Vec<&'a str>,
    options: Vec<(&'a str, &'a str)>,
}

impl<'a> Words<'a> {
    pub(crate) fn read(line: &'a str) -> Self {
        let (mut names, mut options) = (Vec::new(), Vec::new());
        for word in line.split_whitespace() {
            match word.split_once('=') {
                Some(option) => options.push(option),
                None => names.push(word),
            }
        }
        Self { names, options }
    }

    pub(crate) fn get(&self, option: &str) -> Option<&'a str> {
        self.options.iter().find(|(name, _)| *name == option).map(|(_, value)| *value)
    }

    pub(crate) fn all(&self, option: &str) -> impl Iterator<Item = &'a str> {
        let found = self.options.iter().filter(move |(name, _)| *name == option);
        found.map(|(_, value)| *value).collect::<Vec<_>>().into_iter()
    }

    pub(crate) fn number(&self, option: &str) -> Option<u64> {
        self.get(option).map(|value| match value {
            "max" => u64::MAX,
            value => value.parse().unwrap_or_else(|_| panic!("`{option}={value}` is no number")),
        })
    }

    pub(crate) fn list(&self, option: &str) -> Vec<Name> {
        self.get(option).map_or_else(Vec::new, |value| value.split(',').map(Name::from).collect())
    }

    pub(crate) fn name(&self, option: &str, default: &str) -> Name {
        self.get(option).unwrap_or(default).into()
    }

    /// An instant, in milliseconds after the start.
    fn instant(&self, option: &str) -> Option<Timestamp> {
        self.number(option).map(|ms| START.plus_ms(ms))
    }

    pub(crate) fn start(&self) -> Start {
        match (self.number("delay"), self.instant("at")) {
            (Some(ms), _) => Start::After(ms),
            (None, Some(at)) => Start::At(at),
            (None, None) => Start::Now,
        }
    }

    /// `unique=KEY:POLICY`, `window=MS`.
    pub(crate) fn unique(&self) -> Option<Unique> {
        let (key, policy) = self.get("unique")?.split_once(':').expect("key:policy");
        let policy = match policy {
            "reject" => UniquePolicy::Reject,
            "replace" => UniquePolicy::Replace,
            "debounce" => UniquePolicy::Debounce,
            other => panic!("no policy `{other}`"),
        };
        Some(Unique { key: key.into(), window_ms: self.number("window"), policy })
    }

    fn body(&self) -> Body {
        match self.number("large") {
            Some(bytes) => "x".repeat(bytes as usize).into(),
            None => self.get("body").unwrap_or("{}").into(),
        }
    }

    pub(crate) fn spec(&self) -> Arc<TaskSpec> {
        let kind = self.name("type", "noop");
        Arc::new(TaskSpec {
            title: None,
            queue: self.name("queue", "default"),
            class: Class { executor: kind.clone(), labels: self.list("labels").into() },
            kind,
            priority: self.number("priority").unwrap_or(0) as u8,
            expires_at_ms: self.instant("expires").map(Timestamp::as_millis),
            policy: Arc::new(self.policy()),
            limits: self.limits().into(),
            body: self.body(),
            tags: Arc::new([]),
        })
    }

    /// `running=KEY:MAX` and `starts=KEY:RATE`.
    fn limits(&self) -> Vec<KeyLimit> {
        let parted = |text: &'a str| text.split_once(':').expect("key:bound");
        let running = self.all("running").map(parted);
        let running = running.map(|(key, max)| (key, KeyBound::Running(max.parse().expect("a number"))));
        let starts = self.all("starts").map(parted).map(|(key, text)| (key, KeyBound::Starts(rate(text))));
        running.chain(starts).map(|(key, bound)| KeyLimit { key: key.into(), bound }).collect()
    }

    /// `concurrency= rate= weight= backlog= submit=`; `none` takes a limit away.
    pub(crate) fn limits_patch(&self) -> LimitsPatch {
        let number =
            |option| self.get(option).map(|text| (text != "none").then(|| text.parse::<u32>().expect("number")));
        let rate = |option| self.get(option).map(|text| (text != "none").then(|| rate(text)));
        LimitsPatch {
            concurrency: number("concurrency"),
            rate: rate("rate"),
            weight: number("weight"),
            max_backlog: number("backlog").map(|max| max.map(u64::from)),
            submit_rate: rate("submit"),
        }
    }

    fn policy(&self) -> Policy {
        Policy {
            retries: self.number("retries").unwrap_or(0) as u32,
            backoff: self.backoff(),
            timeout_ms: self.number("timeout"),
            heartbeat_timeout_ms: self.number("heartbeat"),
            on_worker_lost: match self.get("lost") {
                Some("fail") => OnWorkerLost::Fail,
                Some("hold") => OnWorkerLost::Hold,
                _ => OnWorkerLost::Retry,
            },
            non_retryable: self.list("never"),
            retry_on: self.list("only"),
        }
    }

    /// `backoff=linear:100`, without jitter.
    fn backoff(&self) -> Backoff {
        let (shape, initial) = self.get("backoff").unwrap_or("fixed:1000").split_once(':').expect("shape:initial");
        Backoff {
            shape: match shape {
                "linear" => BackoffShape::Linear,
                "exponential" => BackoffShape::Exponential,
                _ => BackoffShape::Fixed,
            },
            initial_ms: initial.parse().expect("milliseconds"),
            factor_milli: self.number("factor").unwrap_or(2_000),
            max_ms: self.number("cap").unwrap_or(300_000),
            full_jitter: self.get("jitter") == Some("full"),
        }
    }

    pub(crate) fn trigger(&self) -> Trigger {
        match self.get("trigger").unwrap_or("all_success") {
            "all_success" => Trigger::AllSuccess,
            "all_done" => Trigger::AllDone,
            "all_failed" => Trigger::AllFailed,
            "all_skipped" => Trigger::AllSkipped,
            "one_success" => Trigger::OneSuccess,
            "one_failed" => Trigger::OneFailed,
            "one_done" => Trigger::OneDone,
            "none_failed" => Trigger::NoneFailed,
            "none_failed_min_one_success" => Trigger::NoneFailedMinOneSuccess,
            "none_skipped" => Trigger::NoneSkipped,
            "always" => Trigger::Always,
            other => panic!("no trigger `{other}`"),
        }
    }
}
