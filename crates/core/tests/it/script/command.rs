//! The commands of transcripts.
//!
//! ```text
//!  submit NAME… [n=COUNT] [id= key= hash= tenant=] [delay= at= expires=] [type= queue= labels= priority= body= large=BYTES]
//!               [retries= backoff=SHAPE:MS factor= cap= jitter=full] [timeout= heartbeat= lost= never= only=]
//!               [unique=KEY:POLICY window=MS] [running=KEY:MAX starts=KEY:RATE]
//!  job NAME [policy=fail_fast] [id= key= hash= tenant=] [deadline=MS active=NAME:LIMIT]   then one indented line per task:
//!    NAME [n=COUNT] [needs=a,b] [trigger=] [delay=] [flow=[evaluated:]approval[:MS]|group] and everything as above
//!  verdict TASK run|skip|fail|complete|child [generation= body= output= instances=yes policy=], then a child's tasks;
//!    the child of `j/t` is `j/t!`, its tasks are `j/t!/…` · signal T yes|no [output=]
//!  worker W [session= credits= lease= queues= executors= labels=] [resume=yes]
//!         [ok=TASK:OUTPUT fail=TASK:KIND snooze=TASK:MS interrupt=TASK cancelled=TASK timeout=TASK lost=TASK]
//!         [retryable=yes|no after=MS] [running=TASK progress=TASK:PERCENT checkpoint=TASK:TEXT log=TASK:TEXT remark=TASK:TEXT]
//!  leave SESSION · lose SESSION
//!  cancel T · cancel-job J · pause J · resume J · retry T · rerun J failed|start|TASK · redrive T… [spacing=]
//!  discard T… · edit T BODY [before=] · delete (or delete-old) [task= job= forget-task= forget-job=] · why T · sessions
//!  limit queue|type|tenant NAME [concurrency= rate=LIMIT/MS/BURST weight= backlog= submit=]
//!  pause-queue Q · resume-queue Q · tell W run|pause|drain · define NAME [body=]
//!  config … · show NAME… · quietly (nothing but what `show` says) · advance MS · stall MS (the driver sees only its end)
//!  commits N (and no more) · crash · repeat N (the rest of the block; only the last time is shown)
//! ```

use std::sync::Arc;

use mainspring_core::event::{
    AttemptEnded, Command, Define, EndSession, Event, Exchange, LogLine, NewTask, Offer, Order, Progress, SessionEnd,
    SubmitJob, SubmitTasks,
};
use mainspring_core::id::{Bucket, Key, Name};
use mainspring_core::job::RerunFrom;
use mainspring_core::permit::LimitScope;
use mainspring_core::row::{ClaimKind, ClaimName, DefinitionKind, Directive, LogStream};
use mainspring_core::task::{Failure, Outcome};

use super::Script;
use super::flow::{graph, policy};
use crate::words::Words;

impl Script {
    /// The events that a command stands for.
    pub(super) fn events(&mut self, verb: &str, words: &Words<'_>, nested: &[&str]) -> Vec<Event> {
        self.requests += 1;
        let event = match verb {
            "submit" => self.submit(words),
            "job" => self.job(words, nested),
            "worker" => self.worker(words),
            "verdict" => self.verdict(words, nested),
            "leave" => end_session(words, SessionEnd::Left),
            "lose" => end_session(words, SessionEnd::Lost),
            verb => {
                Event::Command(Command { to: self.requests, actor: "operator".into(), order: self.order(verb, words) })
            }
        };
        vec![event]
    }

    fn submit(&mut self, words: &Words<'_>) -> Event {
        let names = numbered(words);
        let spec = words.spec();
        let several = names.len() > 1;
        let tasks = names.iter().enumerate().map(|(index, _)| NewTask {
            tenant: words.name("tenant", "default"),
            given_id: words.get("id").map(Name::from),
            idempotency_key: words
                .get("key")
                .map(|key| if several { format!("{key}/{index}").into() } else { key.into() }),
            body_hash: u128::from(words.number("hash").unwrap_or(1)),
            spec: spec.clone(),
            start: words.start(),
            unique: words.unique(),
        });
        let event = SubmitTasks { to: self.requests, bucket: Bucket::new(5), tasks: tasks.collect() };
        self.submitted.push((self.requests, names));
        Event::SubmitTasks(event)
    }

    fn job(&mut self, words: &Words<'_>, nested: &[&str]) -> Event {
        self.submitted.push((self.requests, vec![words.names[0].to_owned()]));
        Event::SubmitJob(Box::new(SubmitJob {
            tenant: words.name("tenant", "default"),
            given_id: words.get("id").map(Name::from),
            idempotency_key: words.get("key").map(Name::from),
            body_hash: u128::from(words.number("hash").unwrap_or(1)),
            failure_policy: policy(words),
            deadline_ms: words.number("deadline"),
            active_key: words.get("active").map(|text| {
                let (name, limit) = text.split_once(':').expect("name:limit");
                (name.into(), limit.parse().expect("a limit"))
            }),
            ..SubmitJob::new(self.requests, Bucket::new(6), graph(nested))
        }))
    }

    fn worker(&mut self, words: &Words<'_>) -> Event {
        let worker: Name = words.names[0].into();
        let mut executors = words.list("executors");
        if executors.is_empty() {
            executors.push("*".into());
        }
        let parted = |text: &str| -> (String, Option<String>) {
            text.split_once(':').map_or((text.to_owned(), None), |(task, more)| (task.into(), Some(more.into())))
        };
        let printed = words.all("log").map(|text| (LogStream::Stdout, text));
        let remarked = words.all("remark").map(|text| (LogStream::System, text));
        let logs = printed.chain(remarked).enumerate().map(|(number, (stream, text))| {
            let (task, data) = parted(text);
            let token = self.names.token(&task);
            LogLine { token, number: number as u64, stream, data: data.unwrap_or_default().into() }
        });
        let progress = words.all("progress").map(|text| {
            let (task, percent) = parted(text);
            let percent = percent.map(|percent| percent.parse().expect("percent"));
            Progress { token: self.names.token(&task), percent, message: None, checkpoint: None }
        });
        let noted = words.all("checkpoint").map(|text| {
            let (task, checkpoint) = parted(text);
            let checkpoint = checkpoint.map(Into::into);
            Progress { token: self.names.token(&task), percent: None, message: None, checkpoint }
        });
        let progress = progress.chain(noted);
        Event::Exchange(Exchange {
            to: self.requests,
            session: words.get("session").map_or_else(|| worker.clone(), Name::from),
            worker,
            offer: Arc::new(Offer { queues: words.list("queues"), executors, labels: words.list("labels") }),
            credits: words.number("credits").unwrap_or(0) as u32,
            lease_ms: words.number("lease").unwrap_or(15_000),
            outcomes: self.outcomes(words),
            running: words.all("running").map(|task| self.names.token(task)).collect(),
            logs: logs.collect(),
            progress: progress.collect(),
            resume: words.get("resume").is_some(),
        })
    }

    fn outcomes(&self, words: &Words<'_>) -> Vec<AttemptEnded> {
        let mut ended = Vec::new();
        for (option, outcome) in [
            ("ok", Outcome::Success),
            ("fail", Outcome::Failure),
            ("timeout", Outcome::Timeout),
            ("lost", Outcome::Lost),
            ("cancelled", Outcome::Cancelled),
            ("snooze", Outcome::Snoozed),
            ("interrupt", Outcome::Interrupted),
        ] {
            for text in words.all(option) {
                let (task, more) = text.split_once(':').map_or((text, None), |(task, more)| (task, Some(more)));
                let kind = more.filter(|_| outcome == Outcome::Failure);
                ended.push(AttemptEnded {
                    token: self.names.token(task),
                    outcome,
                    output: more.filter(|_| outcome == Outcome::Success).map(Into::into),
                    error: kind.map(|kind| Failure { kind: kind.into(), message: "it broke".into(), trace: None }),
                    retryable: words.get("retryable").map(|word| word == "yes"),
                    retry_after_ms: match outcome {
                        Outcome::Snoozed => more.map(|ms| if ms == "max" { u64::MAX } else { ms.parse().expect("ms") }),
                        _ => words.number("after"),
                    },
                });
            }
        }
        ended
    }

    fn order(&self, verb: &str, words: &Words<'_>) -> Order {
        let keys = || -> Vec<Key> { words.names.iter().map(|name| self.names.key(name)).collect() };
        let first = || self.names.key(words.names[0]);
        match verb {
            "cancel" => Order::CancelTask(first()),
            "cancel-job" => Order::CancelJob(first()),
            "pause" => Order::PauseJob(first()),
            "resume" => Order::ResumeJob(first()),
            "retry" => Order::RetryTask(first()),
            "signal" => Order::Signal {
                task: first(),
                approved: words.names[1] == "yes",
                output: words.get("output").map(Into::into),
            },
            "rerun" => Order::RerunJob(first(), self.rerun_from(words)),
            "redrive" => Order::Redrive { tasks: keys(), spacing_ms: words.number("spacing").unwrap_or(0) },
            "discard" => Order::Discard(keys()),
            "edit" => Order::EditBody {
                task: first(),
                body: words.names[1].into(),
                before: words.get("before").map(Into::into),
            },
            "delete" => self.delete(words),
            "delete-old" => match self.delete(words) {
                Order::Delete { tasks, jobs, forget } => Order::DeleteOld { tasks, jobs, forget },
                other => other,
            },
            "why" => Order::Why(first()),
            "sessions" => Order::Sessions,
            "figures" => Order::Figures,
            "pause-queue" => Order::PauseQueue { queue: words.names[0].into(), paused: true },
            "resume-queue" => Order::PauseQueue { queue: words.names[0].into(), paused: false },
            "limit" => Order::SetLimits {
                scope: LimitScope::from_word(words.names[0]).expect("queue, type or tenant"),
                name: words.names[1].into(),
                patch: words.limits_patch(),
            },
            "tell" => Order::DirectWorker {
                worker: words.names[0].into(),
                directive: match words.names[1] {
                    "pause" => Directive::Pause,
                    "drain" => Directive::Drain,
                    _ => Directive::Run,
                },
            },
            "define" => {
                let after = words.get("after").map(|after| after.parse().expect("a version is a number"));
                let body: Option<std::sync::Arc<str>> = words.get("body").map(Into::into);
                let define = |name: &&str| Define {
                    kind: DefinitionKind::Job,
                    tenant: "default".into(),
                    name: (*name).into(),
                    body: body.clone(),
                    after,
                    seen: words.get("seen").map(seen).into_iter().collect(),
                };
                Order::Define(words.names.iter().map(define).collect())
            }
            other => panic!("no command `{other}`"),
        }
    }

    fn rerun_from(&self, words: &Words<'_>) -> RerunFrom {
        match words.names[1] {
            "failed" => RerunFrom::Failed,
            "start" => RerunFrom::Start,
            task => RerunFrom::Task(self.names.key(words.names[0]).index_of(self.names.key(task))),
        }
    }

    fn delete(&self, words: &Words<'_>) -> Order {
        let claim = |kind, text: &str| ClaimName { kind, tenant: "default".into(), text: text.into() };
        let tasks = words.all("forget-task").map(|text| claim(ClaimKind::TaskId, text));
        let jobs = words.all("forget-job").map(|text| claim(ClaimKind::JobId, text));
        Order::Delete {
            tasks: words.all("task").map(|name| self.names.key(name)).collect(),
            jobs: words.all("job").map(|name| self.names.key(name)).collect(),
            forget: tasks.chain(jobs).collect(),
        }
    }
}

fn end_session(words: &Words<'_>, reason: SessionEnd) -> Event {
    Event::EndSession(EndSession { session: words.names[0].into(), reason })
}

/// The names of a line; `kids n=3` stands for `kids1 kids2 kids3`.
pub(super) fn numbered(words: &Words<'_>) -> Vec<String> {
    match words.number("n") {
        Some(count) => (1..=count).map(|number| format!("{}{number}", words.names[0])).collect(),
        None => words.names.iter().map(|name| (*name).to_owned()).collect(),
    }
}

/// `needs=a,b`; `needs=kids*3` stands for `kids1 kids2 kids3`.
pub(super) fn needs(words: &Words<'_>) -> Vec<Name> {
    let one = |need: Name| match need.split_once('*') {
        Some((name, count)) => {
            let count: u32 = count.parse().expect("a count");
            (1..=count).map(|number| format!("{name}{number}").into()).collect()
        }
        None => vec![need],
    };
    words.list("needs").into_iter().flat_map(one).collect()
}

/// `NAME:VERSION` of a definition that another was checked against.
fn seen(text: &str) -> (mainspring_core::id::Name, u32) {
    let (name, version) = text.split_once(':').expect("a name and a version");
    (name.into(), version.parse().expect("a version is a number"))
}
