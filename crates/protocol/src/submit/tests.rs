//! Claims about submissions: what is read, and what is refused with which words at which place.

use std::sync::Arc;

use mainspring_core::event::{NewTask, Start};
use mainspring_core::id::{Bucket, IdKind, Key};
use mainspring_core::job::FailurePolicy;
use mainspring_core::row::DefinitionKind;
use mainspring_core::spec::{BackoffShape, OnWorkerLost, Trigger};
use mainspring_core::time::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::problem::{Code, Problem};

fn task(json: &str) -> Result<NewTask, Problem> {
    parse_task(json.as_bytes(), &Defaults::default())
}

fn good(json: &str) -> NewTask {
    task(json).unwrap_or_else(|problem| panic!("{json}: {problem:?}"))
}

/// Code and place of each problem.
fn bad(json: &str) -> Vec<(Code, String)> {
    places(&task(json).expect_err(json))
}

fn places(problem: &Problem) -> Vec<(Code, String)> {
    problem.errors.iter().map(|item| (item.code.expect("has a code"), item.pointer.clone())).collect()
}

fn no_definitions(_: DefinitionKind, _: &str) -> Option<Found> {
    None
}

/// A definition that is there.
fn found(text: impl Into<Arc<str>>) -> Option<Found> {
    Some(Found { text: text.into(), version: Some(1) })
}

fn job(text: &str, format: Format) -> Result<ParsedJob, Problem> {
    parse_job(text.as_bytes(), format, &Defaults::default(), &no_definitions)
}

fn bad_job(json: &str) -> Vec<(Code, String)> {
    places(&job(json, Format::Json).expect_err(json))
}

#[test]
fn the_missions_task_runs_as_a_shell_command() {
    let json = r#"{"taskId": "task_101", "taskName": "SendEmail", "type": "email", "command": "python send_email.py", "retries": 3, "timeout": 60}"#;
    let task = good(json);
    assert_eq!(&*task.spec.kind, "email");
    assert_eq!(&*task.spec.class.executor, "shell");
    assert_eq!(task.spec.title.as_deref(), Some("SendEmail"));
    assert_eq!(task.given_id.as_deref(), Some("task_101"));
    assert_eq!((task.spec.policy.retries, task.spec.policy.timeout_ms), (3, Some(60_000)));
    assert_eq!(&*task.spec.body, r#"{"command":["python","send_email.py"]}"#);
    assert_eq!((&*task.tenant, &*task.spec.queue), ("default", "default"));
    assert_ne!(task.body_hash, 0);
}

#[test]
fn the_missions_job_takes_its_tasks_from_definitions() {
    let json = r#"{"jobId": "job_202", "jobName": "DailyReportPipeline", "userId": "user_1",
        "tasks": ["task_101", "task_102", "task_103"], "dependencies": {"task_102": ["task_101"], "task_103": ["task_102"]}}"#;
    let find = |_: DefinitionKind, name: &str| {
        found(format!(r#"{{"taskId":"{name}","type":"email","command":"echo {name}"}}"#))
    };
    let job = parse_job(json.as_bytes(), Format::Json, &Defaults::default(), &find).expect("is a job");
    assert_eq!(
        (job.given_id.as_deref(), job.title.as_deref(), &*job.tenant),
        (Some("job_202"), Some("DailyReportPipeline"), "user_1")
    );
    let tasks = job.graph.tasks();
    assert_eq!(tasks.iter().map(|task| &*task.name).collect::<Vec<_>>(), ["task_101", "task_102", "task_103"]);
    assert_eq!(tasks[2].parents, [1]);
    assert_eq!(&*tasks[1].spec.body, r#"{"command":["echo","task_102"]}"#);
    assert_eq!(referenced_tasks(json.as_bytes(), Format::Json), ["task_101", "task_102", "task_103"]);
}

#[test]
fn every_field_of_a_task_arrives() {
    let task = good(
        r#"{"type":"mine","payload":{"n": [1, 2]},"env":{"A":"x","B":2},"workingDir":"/tmp","queue":"q-1","priority":9,
        "delaySeconds":"1h30m","expiresAt":"2027-01-01T00:00:00Z","retries":5,
        "backoff":{"type":"linear","initial":"2s","factor":1.5,"max":60,"jitter":"none"},"timeout":1.5,"heartbeatTimeout":"30s",
        "onWorkerLost":"hold","tags":["a","b"],"labels":{"zone":"eu","gpu":true},"idempotencyKey":"k","nonRetryable":["E"],
        "retryOn":"F","successExitCodes":[0,3],"skipExitCodes":99,"group":"g","userId":"u","x-note":"ignored","runAt":null}"#,
    );
    let policy = &task.spec.policy;
    assert_eq!(
        &*task.spec.body,
        r#"{"payload":{"n":[1,2]},"env":{"A":"x","B":"2"},"workingDir":"/tmp","successExitCodes":[0,3],"skipExitCodes":[99],"group":"g"}"#
    );
    assert_eq!(task.start, Start::After(5_400_000));
    assert_eq!(task.spec.priority, 9);
    assert_eq!(task.spec.expires_at_ms, Some(1_798_761_600_000));
    assert_eq!(
        (
            policy.backoff.shape,
            policy.backoff.initial_ms,
            policy.backoff.factor_milli,
            policy.backoff.max_ms,
            policy.backoff.full_jitter
        ),
        (BackoffShape::Linear, 2_000, 1_500, 60_000, false)
    );
    assert_eq!(
        (policy.timeout_ms, policy.heartbeat_timeout_ms, policy.on_worker_lost),
        (Some(1_500), Some(30_000), OnWorkerLost::Hold)
    );
    assert_eq!(task.spec.class.labels.iter().map(|label| &**label).collect::<Vec<_>>(), ["gpu=true", "zone=eu"]);
    assert_eq!((task.idempotency_key.as_deref(), &*task.tenant), (Some("k"), "u"));
    assert_eq!((policy.non_retryable.len(), policy.retry_on.len(), task.spec.tags.len()), (1, 1, 2));
}

#[test]
fn a_payload_keeps_every_digit_and_escape() {
    for payload in [
        "1e400",
        "-1E-400",
        "0.1000",
        "-0",
        "12345678901234567890123456789012345678901234567890",
        "2.324645480863859e225",
        r#""\u00e9\/\u0000\ud83d\ude00""#,
        r#"{"z":1,"a":[null,true],"":{}}"#,
    ] {
        let json = format!(r#"{{"type":"a","taskId":"t","payload": {payload} }}"#);
        assert_eq!(&*good(&json).spec.body, format!(r#"{{"payload":{payload}}}"#));
        let job = job(&format!(r#"{{"tasks":{{"t":{json}}}}}"#), Format::Json).expect("is a job");
        assert_eq!(&*job.graph.tasks()[0].spec.body, format!(r#"{{"payload":{payload}}}"#));
    }
}

#[test]
fn every_problem_of_a_task_is_named_at_once() {
    let found = bad(
        r#"{"type":"noop","retries":-1,"priority":10,"timeout":"soon","retrys":3,"queue":"a/../b","delaySeconds":-5}"#,
    );
    let expected = [
        (Code::UnknownField, "/retrys"),
        (Code::InvalidValue, "/delaySeconds"),
        (Code::InvalidValue, "/queue"),
        (Code::LimitExceeded, "/priority"),
        (Code::InvalidValue, "/retries"),
        (Code::InvalidValue, "/timeout"),
    ];
    assert_eq!(found, expected.map(|(code, place)| (code, place.to_owned())));
    let problem = task(r#"{"type":"noop","retrys":3}"#).expect_err("is refused");
    assert_eq!(problem.hint.as_deref(), Some("did you mean `retries`?"));
}

#[test]
fn each_bad_value_has_its_code() {
    for (json, code, place) in [
        (r#"{"type":"noop","retries":99999999999999999999}"#, Code::LimitExceeded, "/retries"),
        (r#"{"type":"noop","retries":1.5}"#, Code::InvalidValue, "/retries"),
        (r#"{"type":"noop","delaySeconds":1e400}"#, Code::LimitExceeded, "/delaySeconds"),
        (r#"{"type":"noop","delaySeconds":"20y"}"#, Code::InvalidValue, "/delaySeconds"),
        (r#"{"type":"noop","timeout":2592001}"#, Code::LimitExceeded, "/timeout"),
        (r#"{"type":"noop","runAt":"2025-13-45"}"#, Code::InvalidValue, "/runAt"),
        (r#"{"type":"noop","type":"noop"}"#, Code::DuplicateKey, "/type"),
        (r#"{"type":"\ud800"}"#, Code::InvalidValue, "/type"),
        (r#"{"type":"noop","payload":["\ud800"]}"#, Code::InvalidValue, "/payload"),
        (r#"{"type":"noop","payload":[{"a":1,"b":{"c":1,"\u0063":2}}]}"#, Code::DuplicateKey, "/payload/0/b/c"),
        (r#"{"http":{"url":"http://x","json":{"a":1,"a":1}}}"#, Code::DuplicateKey, "/http/json/a"),
        (r#"{"run":"echo ${{ x }}"}"#, Code::InvalidValue, "/run"),
        (r#"{"run":"echo $\u007b{ x }}"}"#, Code::InvalidValue, "/run"),
        (r#"{"type":"noop","payload":"\u0024{{ x }}"}"#, Code::InvalidValue, "/payload"),
        (r#"{"type":"noop","workingDir":""}"#, Code::InvalidValue, "/workingDir"),
        (r#"{"type":"noop","queue":"a\u0000"}"#, Code::InvalidValue, "/queue"),
        (r#"{"type":"a\u0007"}"#, Code::InvalidValue, "/type"),
        (r#"{"type":""}"#, Code::InvalidValue, "/type"),
        (r#"{"type":5}"#, Code::InvalidValue, "/type"),
        ("{}", Code::MissingField, "/type"),
        (r#"{"type":"shell"}"#, Code::MissingField, "/command"),
        (r#"{"type":"http"}"#, Code::MissingField, "/http"),
        (r#"{"http":{"url":"ftp://x"}}"#, Code::InvalidValue, "/http/url"),
        (r#"{"http":{"method":"GET"}}"#, Code::MissingField, "/http/url"),
        (r#"{"command":"a","run":"b"}"#, Code::ConflictingFields, ""),
        (r#"{"command":"a 'b"}"#, Code::InvalidValue, "/command"),
        (r#"{"command":[]}"#, Code::InvalidValue, "/command"),
        (r#"{"command":["a","b\u0000"]}"#, Code::InvalidValue, "/command/1"),
        (r#"{"run":" "}"#, Code::InvalidValue, "/run"),
        (r#"{"run":"a","env":{"MAINSPRING_TOKEN":"x"}}"#, Code::InvalidValue, "/env/MAINSPRING_TOKEN"),
        (r#"{"run":"a","env":{"A=B":"x"}}"#, Code::InvalidValue, "/env/A=B"),
        (r#"{"type":"noop","needs":["a"]}"#, Code::InvalidValue, "/needs"),
        (r#"{"type":"noop","if":"true"}"#, Code::InvalidValue, "/if"),
        (r#"{"type":"noop","email":{"to":"a@example.com"}}"#, Code::NotSupportedYet, "/email"),
        (r#"{"type":"noop","payload":{"a":["${{ x }}"]}}"#, Code::InvalidValue, "/payload/a/0"),
        (r#"{"type":"noop","tags":["a",7]}"#, Code::InvalidValue, "/tags/1"),
        (r#"{"type":"noop","backoff":{"factor":0.5}}"#, Code::InvalidValue, "/backoff/factor"),
        (r#"{"type":"noop","backoff":{"kind":"fixed"}}"#, Code::UnknownField, "/backoff/kind"),
        (r#"{"type":"noop","onWorkerLost":"cry"}"#, Code::InvalidValue, "/onWorkerLost"),
        (r#"{"type":"noop","delaySeconds":1,"runAt":"2027-01-01T00:00:00Z"}"#, Code::ConflictingFields, "/runAt"),
        ("[]", Code::InvalidValue, ""),
        ("null", Code::InvalidValue, ""),
    ] {
        assert_eq!(bad(json), [(code, place.to_owned())], "{json}");
    }
}

#[test]
fn limits_are_enforced() {
    let long = |count: usize| "x".repeat(count);
    assert!(task(&format!(r#"{{"type":"{}"}}"#, long(256))).is_ok());
    assert_eq!(bad(&format!(r#"{{"type":"{}"}}"#, long(257)))[0].0, Code::LimitExceeded);
    assert_eq!(bad(&format!(r#"{{"type":"a","taskId":"{}"}}"#, long(129)))[0].0, Code::LimitExceeded);
    assert_eq!(bad(&format!(r#"{{"type":"a","payload":"{}"}}"#, long(1 << 20)))[0].0, Code::LimitExceeded);
    assert_eq!(bad(&format!(r#"{{"type":"a","tags":[{}]}}"#, vec!["\"t\""; 33].join(",")))[0].0, Code::LimitExceeded);
    assert_eq!(bad(&format!(r#"{{"run":"{}"}}"#, long(300_000)))[0].0, Code::LimitExceeded);
    let deep = |depth: usize| format!(r#"{{"type":"a","payload":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert!(task(&deep(63)).is_ok());
    assert_eq!(task(&deep(64)).expect_err("is refused").code, Code::LimitExceeded);
    assert_eq!(task(&deep(20_000)).expect_err("is refused").code, Code::LimitExceeded);
    let now = Some(Timestamp::from_millis(0));
    let far = parse_task(br#"{"type":"a","runAt":"9999-01-01T00:00:00Z"}"#, &Defaults { now, ..Defaults::default() });
    assert_eq!(far.expect_err("is refused").code, Code::LimitExceeded);
}

#[test]
fn ids_of_the_servers_form_are_reserved() {
    let id =
        Key::new(Key::first_sequence_at(Timestamp::from_millis(1_795_000_000_000)), Bucket::new(7)).id(IdKind::Task);
    assert_eq!(bad(&format!(r#"{{"type":"a","taskId":"{id}"}}"#)), [(Code::InvalidValue, "/taskId".to_owned())]);
}

#[test]
fn what_is_no_json_says_where() {
    for text in ["", "{", "{\"type\":\"noop\"", "{\"type\":noop}", "{\"type\":\"noop\"} x", "[".repeat(20_000).as_str()]
    {
        let problem = task(text).expect_err(text);
        assert!(matches!(problem.code, Code::InvalidJson | Code::LimitExceeded), "{text}: {problem:?}");
    }
    let problem = parse_task(b"\xff\xfe", &Defaults::default()).expect_err("is refused");
    assert_eq!((problem.code, problem.status), (Code::InvalidJson, 400));
}

#[test]
fn a_bad_element_spoils_no_other() {
    let batch = br#"[{"type":"a"},{"type":"b","retries":-1},{"type":"a"},5]"#;
    let defaults = Defaults { idempotency_key: Some("k".into()), ..Defaults::default() };
    let read = parse_tasks(batch, &defaults).expect("is a batch");
    assert_eq!(read.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true, false]);
    assert_eq!(read[1].as_ref().expect_err("is refused").errors[0].pointer, "/1/retries");
    let (first, third) = (read[0].as_ref().expect("is read"), read[2].as_ref().expect("is read"));
    assert_eq!((first.idempotency_key.as_deref(), third.idempotency_key.as_deref()), (Some("k/0"), Some("k/2")));
    assert!(Arc::ptr_eq(&first.spec.policy, &third.spec.policy), "equal policies are shared");
    assert!(Arc::ptr_eq(&first.spec.kind, &third.spec.kind), "equal names are shared");
}

#[test]
fn an_object_is_one_and_lines_are_many() {
    let read = |text: &str, lines| parse_submission(text.as_bytes(), lines, &Defaults::default());
    assert!(matches!(read("{\n\"type\": \"a\"}", false), Ok(Submission::One(_))));
    assert!(matches!(read("{\"type\":\"a\"}", true), Ok(Submission::Many(tasks)) if tasks.len() == 1));
    assert!(
        matches!(read("{\"type\":\"a\"}\n\n{\"type\":\"b\"}\n", false), Ok(Submission::Many(tasks)) if tasks.len() == 2)
    );
    let Ok(Submission::Many(tasks)) = read("{\"type\":\"a\"}\n{\"type\n{\"type\":\"b\"}", true) else {
        panic!("is a batch")
    };
    assert_eq!(tasks.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert!(matches!(read("[]", false), Ok(Submission::Many(tasks)) if tasks.is_empty()));
    for empty in ["", " \n\n"] {
        assert_eq!(read(empty, true).expect_err("is refused").code, Code::InvalidJson);
    }
    let many = format!("[{}]", vec![r#"{"type":"a"}"#; 10_001].join(","));
    assert_eq!(read(&many, false).expect_err("is refused").code, Code::LimitExceeded);
}

#[test]
fn a_callers_tenant_holds() {
    let defaults = Defaults { tenant: Some("a".into()), ..Defaults::default() };
    assert_eq!(&*parse_task(br#"{"type":"x"}"#, &defaults).expect("is read").tenant, "a");
    assert!(parse_task(br#"{"type":"x","userId":"a"}"#, &defaults).is_ok());
    assert_eq!(
        parse_task(br#"{"type":"x","userId":"b"}"#, &defaults).expect_err("is refused").code,
        Code::ConflictingFields
    );
}

#[test]
fn a_yaml_job_in_the_short_spelling_is_read() {
    let text = "\
job: daily-report
failurePolicy: fail_fast
defaults: {retries: 3, timeout: 10m, env: {A: base, B: base}}
x-note: &later {delaySeconds: 5}
tasks:
  hello: echo \"one line is a whole task\"
  extract: {command: [python, extract.py, 7], env: {A: own}}
  load: {needs: extract, http: {method: POST, url: \"https://warehouse/load\", json: {rows: [1]}}}
  cleanup:
    <<: *later
    needs: [load, hello]
    trigger: all_done
    run: rm -rf work
dependencies: {load: hello}
";
    let job = job(text, Format::Yaml).expect("is a job");
    assert_eq!(
        (job.definition.as_deref(), job.title.as_deref(), job.failure_policy),
        (Some("daily-report"), Some("daily-report"), FailurePolicy::FailFast)
    );
    let tasks = job.graph.tasks();
    let names: Vec<&str> = tasks.iter().map(|task| &*task.name).collect();
    assert_eq!(names, ["hello", "extract", "load", "cleanup"]);
    assert_eq!(&*tasks[0].spec.body, r#"{"run":"echo \"one line is a whole task\"","env":{"A":"base","B":"base"}}"#);
    assert_eq!(&*tasks[1].spec.body, r#"{"command":["python","extract.py","7"],"env":{"A":"own","B":"base"}}"#);
    assert_eq!((tasks[2].parents.as_slice(), tasks[3].parents.as_slice()), ([0, 1].as_slice(), [0, 2].as_slice()));
    assert_eq!(
        (tasks[3].trigger, tasks[3].delay_ms, tasks[3].spec.policy.timeout_ms),
        (Trigger::AllDone, 5_000, Some(600_000))
    );
    assert!(Arc::ptr_eq(&tasks[0].spec.policy, &tasks[1].spec.policy));
}

#[test]
fn each_bad_job_is_refused_at_its_place() {
    for (json, code, place) in [
        (r#"{"tasks":["nope"]}"#, Code::UnknownTask, "/tasks/0"),
        (r#"{"tasks":[]}"#, Code::InvalidValue, "/tasks"),
        ("{}", Code::MissingField, "/tasks"),
        (r#"{"tasks":[{"type":"a"}]}"#, Code::MissingField, "/tasks/0/taskId"),
        (r#"{"tasks":[{"taskId":"a","type":"noop"},{"taskId":"a","type":"noop"}]}"#, Code::DuplicateTask, "/tasks/1"),
        (r#"{"tasks":{"a":"ls","a":"ls"}}"#, Code::DuplicateTask, "/tasks/a"),
        (r#"{"tasks":[{"taskId":"a","type":"noop","needs":["a"]}]}"#, Code::SelfDependency, "/tasks/0/needs/0"),
        (r#"{"tasks":{"a":{"run":"ls","needs":"a"}}}"#, Code::SelfDependency, "/tasks/a/needs"),
        (r#"{"tasks":[{"taskId":"a","type":"noop","needs":["b"]}]}"#, Code::UnknownDependency, "/tasks/0/needs/0"),
        (r#"{"tasks":{"a":"ls"},"dependencies":{"a":["b"]}}"#, Code::UnknownDependency, "/dependencies/a/0"),
        (r#"{"tasks":{"a":"ls"},"dependencies":{"b":["a"]}}"#, Code::UnknownDependency, "/dependencies/b"),
        (r#"{"tasks":{"a":"ls","b":"ls"},"dependencies":{"a":"b","b":"a"}}"#, Code::Cycle, "/dependencies/a"),
        (
            r#"{"tasks":{"x":"ls","a":{"run":"ls","needs":["x","b"]},"b":{"run":"ls","needs":"a"}}}"#,
            Code::Cycle,
            "/tasks/a/needs/1",
        ),
        (r#"{"tasks":{"a b":"ls"}}"#, Code::InvalidValue, "/tasks/a b"),
        (r#"{"tasks":{"a":{"run":"ls","taskId":"b"}}}"#, Code::ConflictingFields, "/tasks/a/taskId"),
        (r#"{"tasks":{"a":{"run":"ls","userId":"b"}}}"#, Code::InvalidValue, "/tasks/a/userId"),
        (r#"{"tasks":{"a":{"run":"ls","runAt":"2027-01-01T00:00:00Z"}}}"#, Code::NotSupportedYet, "/tasks/a/runAt"),
        (r#"{"tasks":{"a":7}}"#, Code::InvalidValue, "/tasks/a"),
        (r#"{"tasks":{"a":"echo ${{ params.x }}"}}"#, Code::InvalidValue, "/tasks/a/run"),
        (r#"{"tasks":{"a":"ls"},"schedule":{"cron":"* * * *"}}"#, Code::InvalidValue, "/schedule/cron"),
        (r#"{"tasks":{"a":"ls"},"schedule":{"every":"1h","after":["x"]}}"#, Code::ConflictingFields, "/schedule"),
        (r#"{"tasks":{"a":"ls"},"jobId":"j","schedule":{"every":"1h"}}"#, Code::InvalidValue, "/jobId"),
        (r#"{"tasks":{"a":"ls"},"retries":3}"#, Code::UnknownField, "/retries"),
        (r#"{"tasks":{"a":"ls"},"retrys":null}"#, Code::UnknownField, "/retrys"),
        (
            r#"{"tasks":{"a":{"run":"ls","env":{"B":"x"}}},"defaults":{"env":{"A":"${{ x }}"}}}"#,
            Code::InvalidExpression,
            "/defaults/env/A",
        ),
        (r#"{"tasks":{"a":"ls","b":"ls"},"defaults":{"retries":-1}}"#, Code::InvalidValue, "/defaults/retries"),
        (r#"{"tasks":{"a":"ls"},"defaults":{"needs":["a"]}}"#, Code::InvalidValue, "/defaults/needs"),
        (r#"{"tasks":{"a":"ls"},"failurePolicy":"panic"}"#, Code::InvalidValue, "/failurePolicy"),
        (r#"{"tasks":7}"#, Code::InvalidValue, "/tasks"),
    ] {
        let found = bad_job(json);
        assert!(found.contains(&(code, place.to_owned())), "{json}: {found:?}");
    }
    let problem = job(
        r#"{"tasks":{"a":"ls","b":{"run":"x","needs":"a"},"c":{"run":"x","needs":"b"}},"dependencies":{"a":"c"}}"#,
        Format::Json,
    )
    .expect_err("is a ring");
    assert_eq!(problem.detail, "the dependencies form a cycle: a → b → c → a");
    assert_eq!(problem.errors[0].pointer, "/dependencies/a");
}

#[test]
fn problems_in_yaml_have_line_and_column() {
    let problem = job("job: x\ntasks:\n  a:\n    run: ls\n    retries: many\n", Format::Yaml).expect_err("is refused");
    assert_eq!((problem.errors[0].line, problem.errors[0].column), (Some(5), Some(14)), "{problem:?}");
    let two = job("tasks: {a: ls}\n---\ntasks: {b: ls}\n", Format::Yaml).expect_err("is refused");
    assert_eq!(two.code, Code::InvalidYaml);
}

#[test]
fn definitions_are_named_by_their_path() {
    let put =
        |kind, name: &str, json: &str| parse_definition(kind, name, json.as_bytes(), Format::Json, &no_definitions);
    let stored = put(DefinitionKind::Task, "x", "{ \"taskId\": \"x\", \"run\": \"a  b\" }").expect("is a definition");
    assert_eq!(&*stored.0, r#"{"taskId":"x","run":"a  b"}"#);
    let other = put(DefinitionKind::Task, "x", r#"{"taskId":"y","type":"noop"}"#).expect_err("is refused");
    assert_eq!(places(&other), [(Code::ConflictingFields, "/taskId".to_owned())]);
    let instance = put(DefinitionKind::Job, "x", r#"{"jobId":"x","tasks":{"a":"ls"}}"#).expect_err("is refused");
    assert_eq!(places(&instance), [(Code::InvalidValue, "/jobId".to_owned())]);
    assert!(put(DefinitionKind::Job, "x", r#"{"job":"x","tasks":{"a":"ls"}}"#).is_ok());
    assert!(put(DefinitionKind::Job, "a/b", r#"{"tasks":{"a":"ls"}}"#).is_err());
}

#[test]
fn a_file_holds_tasks_and_the_jobs_that_use_them() {
    let text = "taskId: one\nrun: ls\n---\njob: pair\ntasks: [one, {taskId: two, needs: one, run: ls}]\n---\njob: broken\ntasks: [nobody]\n";
    let read = parse_definition_file(text, &no_definitions).expect("is YAML");
    assert_eq!(
        read.iter().map(|document| (&*document.name, document.line, document.job.is_ok())).collect::<Vec<_>>(),
        [("one", 1, true), ("pair", 4, true), ("broken", 7, false)]
    );
    let graph = &read[1].job.as_ref().expect("is good").as_ref().expect("is a job").graph;
    assert_eq!(graph.tasks().len(), 2);
    let problem = read[2].job.as_ref().expect_err("is refused");
    assert_eq!(problem.errors[0].line, Some(8));
}

#[test]
fn the_same_body_hashes_alike_in_json_and_yaml() {
    let json = job(r#"{"jobId":"x","tasks":{"a":{"run":"ls","retries":2}}}"#, Format::Json).expect("is a job");
    let yaml = job("tasks:\n  a: {retries: 2, run: ls}\njobId: x\n", Format::Yaml).expect("is a job");
    assert_eq!(json.body_hash, yaml.body_hash);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_submission(&bytes, false, &Defaults::default());
        let _ = parse_job(&bytes, Format::Json, &Defaults::default(), &no_definitions);
        let _ = parse_job(&bytes, Format::Yaml, &Defaults::default(), &no_definitions);
    }

    #[test]
    fn no_value_of_any_field_panics(field in 0..30_usize, value in r#"(\{"type":|\[|-?[0-9]{1,25}(\.[0-9])?(e[0-9]{1,3})?|"[a-z0-9\\"u ${.:-]{0,12}"|null|true|\{\}|\]){1,2}"#) {
        let name = task_field_names()[field % task_field_names().len()];
        let json = format!(r#"{{"type":"a","{name}":{value}}}"#);
        let _ = task(&json);
        let _ = job(&format!(r#"{{"tasks":{{"a":{json}}},"defaults":{json}}}"#), Format::Json);
    }

    #[test]
    fn any_payload_arrives_as_it_is(text in ".{0,60}", number: f64) {
        let payload = serde_json::json!({"t": text, "n": [number], "x": null});
        prop_assume!(!text.contains("${{"));
        let task = good(&serde_json::json!({"type": "a", "payload": payload}).to_string());
        prop_assert_eq!(&*task.spec.body, format!(r#"{{"payload":{payload}}}"#));
    }
}
