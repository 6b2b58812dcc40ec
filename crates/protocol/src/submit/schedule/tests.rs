//! What a schedule may say, and how each mistake is named.

use super::*;
use mainspring_core::row::DefinitionKind;

use crate::submit::{NoDefinitions, ParsedJob, parse_definition, parse_job};

fn parse(json: &str) -> Result<ParsedSchedule, Problem> {
    parse_schedule(None, json.as_bytes(), Format::Json, &Defaults::default(), &|_, _: &str| None)
}

fn job(json: &str) -> Result<ParsedJob, Problem> {
    parse_job(json.as_bytes(), Format::Json, &Defaults::default(), &|_, _: &str| None)
}

#[test]
fn every_field_is_read_and_stored() {
    let json = r#"{"name":"a","userId":"u","cron":"0 6 * * MON-FRI","timezone":"Europe/Berlin","dst":"once","jitter":"30s",
        "start":"2026-01-01T00:00:00Z","end":"2027-01-01T00:00:00Z","exclude":{"xmas":["*-12-25"],"fair":["2026-05-01"]},
        "misfire":"all","burst":7,"grace":"5m","overlap":"buffer_one","job":"report","params":{"region":"eu"}}"#;
    let parsed = parse(json).expect("it is valid");
    assert_eq!((&*parsed.name, &*parsed.tenant, parsed.overlap), ("a", "u", Overlap::BufferOne));
    assert!(parsed.body.starts_with(r#"{"cron":"0 6 * * MON-FRI","timezone""#), "{}", parsed.body);
    assert_eq!((parsed.rule.catch_up().burst, parsed.rule.catch_up().grace.as_secs()), (7, 330));
    let stored = read_stored_schedule(&parsed.body, &parsed.tenant).expect("it was stored by us");
    assert_eq!(
        stored.rule.plan().preview(mainspring_calendar::Timestamp::MIN).take(9).collect::<Vec<_>>(),
        parsed.rule.plan().preview(mainspring_calendar::Timestamp::MIN).take(9).collect::<Vec<_>>()
    );
    for when in [r#""every":"90s""#, r#""at":"2026-12-24T18:00:00Z""#, r#""cron":"*/5 0 6 * * *""#] {
        parse(&format!(r#"{{"name":"a",{when},"task":{{"command":"ls -l"}}}}"#)).expect(when);
        parse(&format!(r#"{{"name":"a",{when},"job":{{"tasks":{{"x":"ls"}}}}}}"#)).expect(when);
    }
}

#[test]
fn each_mistake_is_named_at_its_place() {
    let at = |json: &str| {
        let problem = parse(json).expect_err(json);
        let item = problem.errors.first().unwrap_or_else(|| panic!("{json}: {problem:?}"));
        (
            item.code.expect("each has one"),
            item.pointer.clone(),
            format!("{} {}", item.detail, item.hint.clone().unwrap_or_default()),
        )
    };
    let work = r#""job":"j""#;
    for (fields, code, place, words) in [
        (r#""cron":"0 0 30 2 *""#, Code::InvalidValue, "/cron", "never"),
        (r#""cron":"0 6 * *""#, Code::InvalidValue, "/cron", "expected"),
        (
            r#""cron":"0 6 * * *","timezone":"Europe/Berln""#,
            Code::InvalidValue,
            "/timezone",
            "did you mean `Europe/Berlin`",
        ),
        (r#""cron":"0 6 * * *","every":"1h""#, Code::ConflictingFields, "", "exclude each other"),
        (r#""timezone":"UTC""#, Code::MissingField, "", "does not say when"),
        (r#""every":"1h","dst":"skip""#, Code::ConflictingFields, "/dst", "cron"),
        (r#""every":"100ms""#, Code::InvalidValue, "/every", "at least 1 s"),
        (
            r#""cron":"0 6 * * *","start":"2027-01-01T00:00:00Z","end":"2026-01-01T00:00:00Z""#,
            Code::ConflictingFields,
            "/end",
            "before",
        ),
        (
            r#""cron":"0 6 * * *","exclude":{"a":["*-12-25"],"b":["2026-12-25"]}"#,
            Code::InvalidValue,
            "/exclude",
            "excludes already",
        ),
        (r#""cron":"0 6 * * *","exclude":["25.12."]"#, Code::InvalidValue, "/exclude", "is no date"),
        (r#""cron":"0 6 25 12 *","exclude":["*-12-25"]"#, Code::InvalidValue, "", "never due"),
        (r#""cron":"0 6 * * *","overlap":"buffer""#, Code::InvalidValue, "/overlap", "buffer_one"),
        (r#""cron":"0 6 * * *","burst":0"#, Code::InvalidValue, "/burst", "at least one"),
        (r#""crn":"0 6 * * *","every":"1h""#, Code::UnknownField, "/crn", "cron"),
        (r#""every":"1h","after":["x"]"#, Code::ConflictingFields, "", "`every` and `after` exclude each other"),
        (r#""after":["x"],"timezone":"UTC""#, Code::ConflictingFields, "/timezone", "has no instants"),
        (r#""after":["x"],"misfire":"all""#, Code::ConflictingFields, "/misfire", "has no instants"),
        (r#""after":[]"#, Code::InvalidValue, "/after", "follows nothing"),
        (r#""after":["x","a b"]"#, Code::InvalidValue, "/after/1", "a b"),
    ] {
        let (found, pointer, text) = at(&format!(r#"{{"name":"a",{fields},{work}}}"#));
        assert_eq!((found, pointer.as_str()), (code, place), "{fields}: {text}");
        assert!(text.contains(words), "{fields}: {text}");
    }
    for (fields, code, place) in [
        (r#""name":"a""#, Code::MissingField, "/job"),
        (r#""job":"j""#, Code::MissingField, "/name"),
        (r#""name":"a","job":"j","task":{"run":"ls"}"#, Code::ConflictingFields, "/task"),
        (r#""name":"a","task":{"run":"ls"},"params":{}"#, Code::ConflictingFields, "/params"),
        (r#""name":"a","job":"j","params":[]"#, Code::InvalidValue, "/params"),
        (r#""name":"a","job":{"jobId":"x","tasks":{"a":"ls"}}"#, Code::InvalidValue, "/job/jobId"),
        (r#""name":"a","task":{"taskId":"x","run":"ls"}"#, Code::InvalidValue, "/task/taskId"),
        (r#""name":"a","job":{"tasks":{}}"#, Code::InvalidValue, "/job/tasks"),
        (r#""name":"a","task":{"run":""}"#, Code::InvalidValue, "/task/run"),
        (r#""name":"a b","job":"j""#, Code::InvalidValue, "/name"),
    ] {
        let (found, pointer, text) = at(&format!(r#"{{"every":"1h",{fields}}}"#));
        assert_eq!(pointer.as_str(), place, "{fields}: {text}");
        assert!(found == code || place == "/job/tasks", "{fields}: {found} {text}");
    }
}

#[test]
fn a_job_says_when_it_runs_as_a_definition() {
    let parsed = job(r#"{"job":"a","schedule":{"cron":"0 6 * * *"},"tasks":{"x":"ls"}}"#).expect("it is valid");
    let rule = parsed.schedule.expect("it has one");
    assert_eq!(schedule_of_definition(&rule, "a"), r#"{"job":"a","cron":"0 6 * * *"}"#);
    read_stored_schedule(&schedule_of_definition(&rule, "a"), &"t".into()).expect("it is one");
}

#[test]
fn scheduled_work_knows_its_instant() {
    use mainspring_core::schedule::Work;
    let parsed = job(r#"{"job":"a","tasks":{"x":{"run":"ls","env":{"A":"b"}},"y":{"type":"email","needs":"x"}}}"#)
        .expect("valid");
    let work = Work::Job(Box::new(parsed.into_submit(0, mainspring_core::id::Bucket::CONTROL)));
    let (at, before) =
        (mainspring_core::time::Timestamp::from_millis(60_000), mainspring_core::time::Timestamp::from_millis(0));
    let Work::Job(job) = with_schedule(work, "s", at, Some(before), true) else { panic!("it stays a job") };
    let body: serde_json::Value = serde_json::from_str(&job.body).expect("it is JSON");
    assert_eq!(body["schedule"]["instant"], "1970-01-01T00:01:00.000Z");
    assert_eq!(body["schedule"]["previousInstant"], "1970-01-01T00:00:00.000Z");
    assert_eq!((&body["schedule"]["manual"], &body["definition"]), (&true.into(), &"a".into()));
    let bodies: Vec<_> = job.graph.tasks().iter().map(|task| task.spec.body.to_string()).collect();
    assert!(
        bodies[0].contains(r#""env":{"A":"b","MAINSPRING_SCHEDULED_AT":"1970-01-01T00:01:00.000Z"}"#),
        "{}",
        bodies[0]
    );
    assert!(!bodies[1].contains("MAINSPRING"), "{}", bodies[1]);
}

#[test]
fn the_rule_of_a_stored_definition_is_what_was_applied() {
    let text =
        r#"{"job":"etl", "schedule" : {"cron": "0 6 * * *" , "overlap":"skip"},"tasks":{"a":"x","schedule":"y"}}"#;
    let (stored, rule) = parse_definition(DefinitionKind::Job, "etl", text.as_bytes(), Format::Json, &NoDefinitions)
        .expect("it is a definition");
    assert_eq!(rule.as_deref(), Some(r#"{"cron":"0 6 * * *","overlap":"skip"}"#));
    assert_eq!(rule_of_definition(&stored), rule);
    let without = with_rule(&stored, None);
    assert_eq!(without, r#"{"job":"etl","tasks":{"a":"x","schedule":"y"}}"#);
    assert_eq!(rule_of_definition(&without), None);
    let other = with_rule(&stored, Some(r#"{"every":"1h"}"#));
    assert_eq!(other, r#"{"job":"etl","tasks":{"a":"x","schedule":"y"},"schedule":{"every":"1h"}}"#);
    assert_eq!(with_rule(&with_rule(&other, None), rule.as_deref()), with_rule(&stored, rule.as_deref()));
    assert_eq!(rule_of_definition(r#"{"schedule":null,"tasks":{}}"#), None);
}
