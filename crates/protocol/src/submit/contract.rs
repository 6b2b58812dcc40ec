//! Claims about the contract: every field that it names is read or refused as not built yet, every limit is enforced at
//! its edge and named with the value.

use mainspring_core::row::DefinitionKind;

use super::*;
use crate::problem::{Code, Problem};

fn task(json: &str) -> Result<(), Problem> {
    parse_task(json.as_bytes(), &Defaults::default()).map(drop)
}

fn job(json: &str) -> Result<(), Problem> {
    parse_job(json.as_bytes(), Format::Json, &Defaults::default(), &nothing).map(drop)
}

fn nothing(_: DefinitionKind, _: &str) -> Option<Found> {
    None
}

/// The code of the only problem, at the field.
fn at(field: &str, read: Result<(), Problem>) -> Option<Code> {
    let problem = read.err()?;
    assert_eq!(problem.errors.len(), 1, "{field}: {problem:?}");
    assert!(problem.errors[0].pointer.ends_with(&format!("/{field}")), "{field}: {problem:?}");
    problem.errors[0].code
}

#[test]
fn every_field_of_a_task_is_read_or_not_built_yet() {
    for (field, value) in [
        ("taskId", r#""x""#),
        ("taskName", r#""X x""#),
        ("payload", "null"),
        ("env", r#"{"A":"b"}"#),
        ("queue", r#""q""#),
        ("priority", "9"),
        ("delaySeconds", "1"),
        ("runAt", r#""2027-01-01T00:00:00Z""#),
        ("expiresAt", r#""2027-01-01T00:00:00+01:00""#),
        ("retries", "1000"),
        ("backoff", r#""fixed""#),
        ("timeout", r#""30d""#),
        ("heartbeatTimeout", "1"),
        ("onWorkerLost", r#""fail""#),
        ("idempotencyKey", r#""k""#),
        ("tags", r#"["t"]"#),
        ("labels", r#"{"a":"b"}"#),
        ("nonRetryable", r#"["E"]"#),
        ("retryOn", r#"["E"]"#),
        ("successExitCodes", "[0]"),
        ("skipExitCodes", "99"),
        ("group", r#""g""#),
        ("workingDir", r#""/tmp""#),
        ("concurrencyKey", r#""k""#),
        ("rateLimit", r#""1/s""#),
    ] {
        let json = format!(r#"{{"type":"a","{field}":{value}}}"#);
        assert!(task(&json).is_ok(), "{json}: {:?}", task(&json));
    }
    for (field, value) in [("if", "\"true\""), ("forEach", "[1]"), ("params", "{}")] {
        let inside = format!(r#"{{"tasks":{{"t":{{"type":"a","{field}":{value}}}}}}}"#);
        assert!(field == "params" || job(&inside).is_ok(), "{inside}: {:?}", job(&inside));
        assert_eq!(at(field, task(&format!(r#"{{"type":"a","{field}":{value}}}"#))), Some(Code::InvalidValue));
    }
    assert_eq!(task(r#"{"command":"a b","until":"output != null","every":"5s"}"#), Ok(()));
    assert_eq!(job(r#"{"tasks":{"t":{"approval":{"timeout":"8h"}}}}"#), Ok(()));
    for json in [r#"{"command":"a b"}"#, r#"{"run":"a"}"#, r#"{"http":{"url":"https://x"}}"#] {
        assert!(task(json).is_ok(), "{json}");
    }
    let later = "email retention schedule";
    for field in later.split(' ') {
        let json = |value| format!(r#"{{"type":"a","{field}":{value}}}"#);
        assert_eq!(at(field, task(&json("{}"))), Some(Code::NotSupportedYet));
        assert_eq!(task(&json("null")), Ok(()), "{field}: null counts as absent");
        let inside = format!(r#"{{"tasks":{{"t":{}}}}}"#, json("1"));
        assert_eq!(at(field, job(&inside)), Some(Code::NotSupportedYet));
        let defaults = format!(r#"{{"tasks":{{"t":"ls"}},"defaults":{{"{field}":1}}}}"#);
        assert_eq!(at(field, job(&defaults)), Some(Code::NotSupportedYet));
    }
    for field in ["retrys", "Type", "depends_on", "x", "", "jobId", "😀"] {
        assert_eq!(at(field, task(&format!(r#"{{"type":"a","{field}":null}}"#))), Some(Code::UnknownField));
    }
    assert_eq!(task(r#"{"type":"a","x-anything":[1],"x-":2}"#), Ok(()));
}

#[test]
fn every_field_of_a_job_is_read_or_not_built_yet() {
    for (field, value) in [
        ("jobId", r#""j""#),
        ("jobName", r#""J""#),
        ("job", r#""j""#),
        ("userId", r#""u""#),
        ("defaults", r#"{"retries":1}"#),
        ("dependencies", r#"{"b":"a"}"#),
        ("priority", "0"),
        ("failurePolicy", r#""continue""#),
        ("tags", r#"["t"]"#),
        ("idempotencyKey", r#""k""#),
        ("params", r#"{"region":"eu"}"#),
        ("deadline", r#""2h""#),
        ("onSuccess", r#""ls""#),
        ("onFailed", r#"{"command":["a","${{ 1 }}"]}"#),
        ("onCancelled", r#"{"type":"noop"}"#),
        ("onComplete", r#"{"http":{"url":"https://x"}}"#),
        ("schedule", r#"{"cron":"0 6 * * *"}"#),
        ("x-note", "1"),
    ] {
        let json = format!(r#"{{"tasks":{{"a":"ls","b":"ls"}},"{field}":{value}}}"#);
        assert!(job(&json).is_ok(), "{json}: {:?}", job(&json));
    }
    let later = "notify";
    for field in later.split(' ') {
        let json = |value| format!(r#"{{"tasks":{{"a":"ls"}},"{field}":{value}}}"#);
        assert_eq!(at(field, job(&json("[]"))), Some(Code::NotSupportedYet));
        assert_eq!(job(&json("null")), Ok(()), "{field}: null counts as absent");
    }
    for field in ["taskId", "steps", "timeout"] {
        assert_eq!(at(field, job(&format!(r#"{{"tasks":{{"a":"ls"}},"{field}":1}}"#))), Some(Code::UnknownField));
    }
}

#[test]
fn each_limit_is_enforced_at_its_edge_and_named_with_the_value() {
    let text = |count: usize| format!("\"{}\"", "x".repeat(count));
    let list = |count: usize| format!("[{}]", vec!["\"t\""; count].join(","));
    let labels = |count: usize| {
        let each: Vec<String> = (0..count).map(|n| format!("\"l{n}\":\"v\"")).collect();
        format!("{{{}}}", each.join(","))
    };
    let nested = |count: usize| ["[".repeat(count), "]".repeat(count)].concat();
    for (field, at_most, beyond, value, limit) in [
        ("taskId", text(128), text(129), "129", "128"),
        ("queue", text(128), text(129), "129", "128"),
        ("taskName", text(256), text(257), "257", "256"),
        ("idempotencyKey", text(256), text(257), "257", "256"),
        ("userId", text(256), text(257), "257", "256"),
        ("payload", text((1 << 20) - 2), text((1 << 20) - 1), "1048577", "1048576"),
        ("retries", "1000".into(), "1001".into(), "1001", "1000"),
        ("priority", "9".into(), "10".into(), "10", "9"),
        ("delaySeconds", "\"3650d\"".into(), "\"3651d\"".into(), "3651d", "3650d"),
        ("timeout", "2592000".into(), "2592000.001".into(), "2592000.001", "30d"),
        ("tags", list(32), list(33), "33", "32"),
        ("labels", labels(32), labels(33), "33", "32"),
        ("payload", nested(63), nested(64), "65", "64"),
    ] {
        let json = |value: &str| format!(r#"{{"type":"a","{field}":{value}}}"#);
        assert_eq!(task(&json(&at_most)), Ok(()), "{field}");
        let problem = task(&json(&beyond)).expect_err(field);
        assert_eq!(problem.code, Code::LimitExceeded, "{field}: {problem:?}");
        assert!(problem.detail.contains(value) && problem.detail.contains(limit), "{field}: {}", problem.detail);
    }
}

#[test]
fn batches_and_jobs_have_their_limits() {
    let named = |problem: Problem, value: &str, limit: &str| {
        assert_eq!(problem.code, Code::LimitExceeded, "{problem:?}");
        assert!(problem.detail.contains(value) && problem.detail.contains(limit), "{}", problem.detail);
    };
    let batch = |count: usize| format!("[{}]", vec![r#"{"type":"a"}"#; count].join(","));
    assert!(parse_tasks(batch(10_000).as_bytes(), &Defaults::default()).is_ok());
    named(parse_tasks(batch(10_001).as_bytes(), &Defaults::default()).expect_err("is refused"), "10001", "10000");
    named(parse_tasks(batch(100_001).as_bytes(), &Defaults::default()).expect_err("is refused"), "100001", "100000");

    let tasks = |count: usize| (0..count).map(|n| format!("\"t{n}\":\"ls\"")).collect::<Vec<_>>().join(",");
    let many = |count: usize| format!(r#"{{"tasks":{{{}}}}}"#, tasks(count));
    assert_eq!(job(&many(100_000)), Ok(()));
    named(job(&many(100_001)).expect_err("is refused"), "100001", "100000");

    // 1,001 tasks that wait for 1,000 others each.
    let parents = (0..1_000).map(|n| format!("\"t{n}\"")).collect::<Vec<_>>().join(",");
    let edges = |children: usize| {
        let each = (0..children).map(|n| format!(r#","c{n}":{{"run":"ls","needs":[{parents}]}}"#)).collect::<String>();
        format!(r#"{{"tasks":{{{}{each}}}}}"#, tasks(1_000))
    };
    assert_eq!(job(&edges(1_000)), Ok(()));
    named(job(&edges(1_001)).expect_err("is refused"), "1001000", "1000000");
}

#[test]
fn an_id_has_only_the_letters_of_ids() {
    for id in ["a", "0", "a.b_c-D", "9-", &"x".repeat(128)] {
        assert_eq!(task(&format!(r#"{{"type":"a","taskId":"{id}"}}"#)), Ok(()), "{id}");
    }
    for id in ["", "-a", ".a", "_a", "a b", "a/b", "a~1", "é", "a\\u0000", "a\\n", "\\ud800", "a:b", "٣"] {
        assert_eq!(at("taskId", task(&format!(r#"{{"type":"a","taskId":"{id}"}}"#))), Some(Code::InvalidValue), "{id}");
        let json = format!(r#"{{"tasks":[{{"taskId":"{id}","run":"ls"}}]}}"#);
        assert!(job(&json).is_err(), "{id}");
    }
}

#[test]
fn a_job_mixes_references_objects_and_scripts() {
    let text = r#"{"taskId":"ref","command":["ls","-l"],"retries":2}"#;
    let known = |_: DefinitionKind, name: &str| (name == "ref").then(|| Found { text: text.into(), version: None });
    let read = |json: &str| parse_job(json.as_bytes(), Format::Json, &Defaults::default(), &known).expect(json);
    let list = read(r#"{"tasks":["ref",{"taskId":"own","run":"a","needs":"ref"}],"dependencies":{"own":["ref"]}}"#);
    let names: Vec<&str> = list.graph.tasks().iter().map(|task| &*task.name).collect();
    assert_eq!(
        (names.as_slice(), list.graph.tasks()[1].parents.as_slice()),
        (["ref", "own"].as_slice(), [0].as_slice())
    );
    assert_eq!(
        (&*list.graph.tasks()[0].spec.body, list.graph.tasks()[0].spec.policy.retries),
        (r#"{"command":["ls","-l"]}"#, 2)
    );
    // In a map a string is a script, whatever its words.
    assert_eq!(&*read(r#"{"tasks":{"a":"ref"}}"#).graph.tasks()[0].spec.body, r#"{"run":"ref"}"#);
}

#[test]
fn a_command_is_split_as_a_shell_would() {
    for (command, argv) in [
        (r#""python  send.py --to 'a b'""#, r#"["python","send.py","--to","a b"]"#),
        (r#""a \"b c\" d\\ e ''""#, r#"["a","b c","d e",""]"#),
        (r#""echo $HOME | *""#, r#"["echo","$HOME","|","*"]"#),
        (r#"["a b", 1, true]"#, r#"["a b","1","true"]"#),
    ] {
        let task = parse_task(format!(r#"{{"command":{command}}}"#).as_bytes(), &Defaults::default()).expect(command);
        assert_eq!(&*task.spec.body, format!(r#"{{"command":{argv}}}"#));
    }
}

#[test]
fn a_duration_is_a_number_or_a_text_with_units() {
    let delay =
        |value: &str| task(&format!(r#"{{"type":"a","delaySeconds":{value}}}"#)).map_err(|problem| problem.code);
    for good in ["0", "-0", "1.5", "1e3", r#""90s""#, r#""5m""#, r#""1h30m""#, r#""2d""#, r#""500ms""#, r#""60""#] {
        assert_eq!(delay(good), Ok(()), "{good}");
    }
    for bad in [
        "-1",
        "-1e-3",
        "true",
        "[]",
        "{}",
        r#""""#,
        r#""-5s""#,
        r#""5 m""#,
        r#""1m1h""#,
        r#""NaN""#,
        r#""1e3""#,
        r#""\ud800""#,
    ] {
        assert_eq!(delay(bad), Err(Code::InvalidValue), "{bad}");
    }
    for large in ["1e400", "99999999999999999999", r#""99999999999999999999w""#, "315360001"] {
        assert_eq!(delay(large), Err(Code::LimitExceeded), "{large}");
    }
}
