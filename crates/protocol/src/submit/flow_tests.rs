//! Claims about what is decided later: what of it is checked at submission, and what is decided when its turn comes.

use std::collections::BTreeMap;

use mainspring_core::job::{GraphTask, Step};
use mainspring_core::row::DefinitionKind;
use mainspring_expression::{Context, TaskView};
use serde_json::{Value as Json, json};

use super::*;
use crate::flow::{Decision, Plan};
use crate::problem::{Code, Problem};

fn known(kind: DefinitionKind, name: &str) -> Option<Found> {
    let text = match (kind, name) {
        (DefinitionKind::Job, "leaf") => {
            r#"{"params":{"day":{"type":"string","required":true},"n":1},"tasks":{"a":{"command":["x","${{ params.day }}"]}}}"#
        }
        (DefinitionKind::Job, "ring") => r#"{"tasks":{"a":{"job":"ring2"}}}"#,
        (DefinitionKind::Job, "ring2") => r#"{"tasks":{"a":{"job":"ring"}}}"#,
        _ => return None,
    };
    Some(Found { text: text.into(), version: Some(3) })
}

fn read(tasks: &str) -> Result<ParsedJob, Problem> {
    let text = format!(r#"{{"params":{{"region":"eu","limit":{{"type":"integer","default":3}}}},"tasks":{tasks}}}"#);
    parse_job(text.as_bytes(), Format::Json, &Defaults::default(), &known)
}

fn refused(tasks: &str) -> Vec<(Code, String, String)> {
    let problem = read(tasks).expect_err(tasks);
    let each = problem.errors.into_iter();
    each.map(|item| {
        (item.code.expect("has a code"), item.pointer, format!("{} {}", item.detail, item.hint.unwrap_or_default()))
    })
    .collect()
}

fn task(job: &ParsedJob, name: &str) -> GraphTask {
    job.graph.tasks().iter().find(|task| &*task.name == name).expect("is in the job").clone()
}

/// Decides about the only task with a flow, its parents having returned these outputs.
fn decide(tasks: &str, name: &str, outputs: &[(&str, Json)]) -> Result<Decision, String> {
    let job = read(tasks).unwrap_or_else(|problem| panic!("{tasks}: {problem:?}"));
    let task = task(&job, name);
    let flow = task.flow.clone().expect("it has a flow");
    let plan = Plan::compile(&flow.logic).unwrap_or_else(|error| panic!("{tasks}: {error}"));
    let views = outputs
        .iter()
        .map(|(name, output)| (*name, TaskView { status: "completed", output: Some(output), outputs: Some(output) }));
    let params = json!({"region": "eu", "limit": 3});
    let context = Context { tasks: views.collect(), params: Some(&params), ..Context::default() };
    plan.decide(&task, &task.spec.body, &context).map_err(|error| error.to_string())
}

fn body(decision: Decision) -> Json {
    match decision {
        Decision::Run(Some(body)) => serde_json::from_str(&body).expect("a body is JSON"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_has_no_expression_is_an_ordinary_task() {
    let job = read(r#"{"a":{"command":["a"],"env":{"A":"${x}"}},"b":{"needs":"a","run":"b"}}"#).expect("is a job");
    assert!(job.graph.tasks().iter().all(|task| task.flow.is_none()));
    assert_eq!(&*job.body, r#"{"params":{"limit":3,"region":"eu"}}"#);
}

#[test]
fn steps_follow_from_fields() {
    let job = read(
        r#"{"a":{"approval":{"timeout":"8h"}},"b":{"approval":true,"if":"params.limit > 2"},"c":{"job":"leaf","params":{"day":"x"}},
        "d":{"forEach":[1],"approval":{"timeout":1}},"e":{"command":["x","${{ params.region }}"]}}"#,
    )
    .expect("is a job");
    let flow = |name: &str| task(&job, name).flow.expect("it has a flow");
    let steps = ["a", "b", "c", "d", "e"].map(|name| (flow(name).step, flow(name).evaluated));
    assert_eq!(
        steps,
        [
            (Step::Approval { timeout_ms: Some(28_800_000) }, false),
            (Step::Approval { timeout_ms: None }, true),
            (Step::Group, true),
            (Step::Group, true),
            (Step::Attempt, true),
        ]
    );
    assert_eq!(&*flow("c").logic, r#"{"job":"leaf","version":3,"params":{"day":"x"}}"#);
    assert_eq!((&*task(&job, "a").spec.kind, &*task(&job, "c").spec.kind), ("approval", "job"));
}

#[test]
fn values_become_what_a_program_is_given() {
    let tasks = r#"{"a":"x","b":{"needs":"a","command":["p","--n",1,"${{ tasks.a.output.n }}","${{ tasks.a.output.list }}","${{ null }}","${{ 1.0 }}"],
        "env":{"A":"${{ params.region }}-${{ index_of }}"}}}"#.replace("-${{ index_of }}", "");
    let outputs = [("a", json!({"n": 7, "list": [1, "x"]}))];
    let decided = decide(&tasks, "b", &outputs).expect("it has values");
    assert_eq!(body(decided), json!({"command": ["p", "--n", "1", "7", "[1,\"x\"]", "", "1"], "env": {"A": "eu"}}));
    let tasks = r#"{"a":"x","b":{"needs":"a","type":"mine","payload":{"all":"${{ tasks.a.output }}","n":"${{ params.limit }}"},"retries":1,"group":"g"}}"#;
    let decided = decide(tasks, "b", &outputs).expect("it has values");
    assert_eq!(body(decided), json!({"group": "g", "payload": {"all": outputs[0].1, "n": 3}}));
}

#[test]
fn what_an_expression_gave_is_checked_and_never_evaluated_again() {
    let tasks = r#"{"a":"x","b":{"needs":"a","http":{"url":"${{ tasks.a.output.url }}","headers":{"X":"${{ tasks.a.output.x }}"}}}}"#;
    let with = |url: &str, x: &str| decide(tasks, "b", &[("a", json!({"url": url, "x": x}))]);
    assert_eq!(
        body(with("https://x/", "${{ params.region }}").expect("is good")),
        json!({"http": {"url": "https://x/", "headers": {"X": "${{ params.region }}"}}})
    );
    let error = with("ftp://x", "y").expect_err("is no address");
    assert!(error.starts_with("`http/url` as evaluated:"), "{error}");
    let error = with("https://x/", "a\r\nHost: b").expect_err("would be another header");
    assert!(error.contains("http/headers/X"), "{error}");
    let nul =
        decide(r#"{"a":"x","b":{"needs":"a","command":["${{ tasks.a.output }}"]}}"#, "b", &[("a", json!("a\u{0}b"))]);
    assert!(nul.expect_err("cannot be handed over").contains("command"));
}

#[test]
fn a_condition_skips_or_fails_with_its_place() {
    let tasks = r#"{"a":"x","b":{"needs":"a","run":"b","if":"tasks.a.output.rows > 0"}}"#;
    assert!(matches!(decide(tasks, "b", &[("a", json!({"rows": 0}))]), Ok(Decision::Skip)));
    assert!(matches!(decide(tasks, "b", &[("a", json!({"rows": 1}))]), Ok(Decision::Run(None))));
    let error = decide(tasks, "b", &[("a", json!({"row": 1}))]).expect_err("there is no such field");
    assert_eq!(
        error,
        "`if`: `tasks.a.output.rows > 0`: `tasks.a.output` has no field `rows` at byte 0 (did you mean `row`?)"
    );
}

#[test]
fn a_for_each_has_one_instance_for_each_item() {
    let tasks = r#"{"a":"x","b":{"needs":"a","forEach":"${{ tasks.a.output }}","if":"item != 2","priority":7,
        "command":["p","${{ item }}","${{ index }}","${{ params.region }}"],"retries":2,"workingDir":"/tmp"}}"#;
    let Ok(Decision::Spread(Some(graph))) = decide(tasks, "b", &[("a", json!([1, 2, "${{ item }}"]))]) else {
        panic!("it is spread")
    };
    let instances: Vec<_> =
        graph.tasks().iter().map(|task| (&*task.name, &*task.spec.body, task.spec.priority)).collect();
    let body = |item: &str, index: u32| format!(r#"{{"workingDir":"/tmp","command":["p","{item}","{index}","eu"]}}"#);
    assert_eq!(instances[0], ("b~0", &*body("1", 0), 7));
    assert_eq!(instances[2], ("b~2", &*body("${{ item }}", 2), 7));
    let skipped = graph.tasks()[1].flow.clone().expect("its condition does not hold");
    let plan = Plan::compile(&skipped.logic).expect("compiles");
    assert!(matches!(plan.decide(&graph.tasks()[1], "{}", &Context::default()), Ok(Decision::Skip)));
    assert_eq!((graph.tasks()[0].flow.is_none(), graph.tasks()[0].spec.policy.retries), (true, 2));
    assert!(matches!(decide(tasks, "b", &[("a", json!([]))]), Ok(Decision::Spread(None))));
    let error = decide(tasks, "b", &[("a", json!(1))]).expect_err("is no list");
    assert!(error.starts_with("`forEach`: `${{ tasks.a.output }}`: `forEach` takes a list or a map"), "{error}");
}

#[test]
fn a_sub_job_gets_values_that_are_not_evaluated_again() {
    let tasks = r#"{"a":"x","b":{"needs":"a","forEach":"${{ tasks.a.output }}","job":"leaf","params":{"day":"${{ item }}","n":2}}}"#;
    let Ok(Decision::Spread(Some(graph))) = decide(tasks, "b", &[("a", json!(["${{ 1 }}"]))]) else {
        panic!("it is spread")
    };
    let flow = graph.tasks()[0].flow.clone().expect("it is a group");
    assert_eq!((flow.step, flow.evaluated), (Step::Group, true));
    let plan = Plan::compile(&flow.logic).expect("compiles");
    let Ok(Decision::SubJob(sub)) = plan.decide(&graph.tasks()[0], "{}", &Context::default()) else {
        panic!("it is a sub-job")
    };
    assert_eq!(
        (sub.name.as_str(), sub.version, Json::Object(sub.params)),
        ("leaf", Some(3), json!({"day": "${{ 1 }}", "n": 2}))
    );
}

/// Each job is refused with this code at this place and with these words.
fn are_refused(cases: &[(&str, Code, &str, &str)]) {
    for (tasks, code, place, words) in cases {
        let found = refused(tasks);
        assert!(
            found.iter().any(|(is, at, detail)| is == code && at == place && detail.contains(words)),
            "{tasks}: {found:?}"
        );
    }
}

#[test]
fn mistakes_are_found_before_anything_runs() {
    are_refused(&[
        (
            r#"{"a":"x","b":{"run":"y","if":"tasks.a.output.n > 1"}}"#,
            Code::InvalidExpression,
            "/tasks/b/if",
            "add `a` to `needs`",
        ),
        (
            r#"{"load":"x","b":{"needs":"load","run":"y","if":"tasks.laod.output"}}"#,
            Code::InvalidExpression,
            "/tasks/b/if",
            "did you mean `load`",
        ),
        (
            r#"{"a":{"run":"x","if":"tasks.a.status == 'x'"}}"#,
            Code::InvalidExpression,
            "/tasks/a/if",
            "does not end before",
        ),
        (r#"{"a":{"command":["x",{},"${{ 1"]}}"#, Code::InvalidValue, "/tasks/a/command/1", "expected a string"),
        (
            r#"{"a":{"command":["x","${{ params.regoin }}"]}}"#,
            Code::InvalidExpression,
            "/tasks/a/command/1",
            "did you mean `region`",
        ),
        (
            r#"{"a":{"command":["x","${{ item }}"]}}"#,
            Code::InvalidExpression,
            "/tasks/a/command/1",
            "beside a `forEach`",
        ),
        (r#"{"a":{"command":"x ${{ params.region }}"}}"#, Code::InvalidValue, "/tasks/a/command", "as a list"),
        (r#"{"a":{"run":"x ${{ params.region }}"}}"#, Code::InvalidValue, "/tasks/a/run", "as a variable"),
        (
            r#"{"a":{"run":"x","queue":"${{ params.region }}"}}"#,
            Code::InvalidValue,
            "/tasks/a/queue",
            "cannot stand in this field",
        ),
        (r#"{"a":{"run":"x","env":{"K":"${{ secrets.K }}"}}}"#, Code::NotSupportedYet, "/tasks/a/env/K", "secrets"),
        (r#"{"a":{"run":"x","forEach":"abc"}}"#, Code::InvalidExpression, "/tasks/a/forEach", "write a list"),
        (
            r#"{"a":{"run":"x","forEach":[1]},"b":{"needs":"a","run":"x","if":"tasks.a.output == null"}}"#,
            Code::InvalidExpression,
            "/tasks/b",
            "tasks.a.outputs",
        ),
        (
            r#"{"a":"x","b":{"needs":"a","run":"x","if":"tasks.a.outputs == null"}}"#,
            Code::InvalidExpression,
            "/tasks/b",
            "tasks.a.output",
        ),
    ]);
}

#[test]
fn mistakes_in_sub_jobs_approvals_and_sensors_are_found_too() {
    are_refused(&[
        (r#"{"a":{"job":"laef"}}"#, Code::UnknownDefinition, "/tasks/a/job", "laef"),
        (r#"{"a":{"job":"leaf"}}"#, Code::MissingField, "/tasks/a/params/day", "requires"),
        (
            r#"{"a":{"job":"leaf","params":{"day":"x","dya":1}}}"#,
            Code::UnknownField,
            "/tasks/a/params/dya",
            "did you mean `day`",
        ),
        (r#"{"a":{"job":"ring"}}"#, Code::Cycle, "/tasks/a/job", "ring → ring2 → ring"),
        (r#"{"a":{"job":"leaf","run":"x","params":{"day":"x"}}}"#, Code::ConflictingFields, "/tasks/a", "excludes"),
        (r#"{"a":{"run":"x","params":{"day":"x"}}}"#, Code::MissingField, "/tasks/a/params", "goes with `job`"),
        (r#"{"a":{"approval":{"timeot":1}}}"#, Code::UnknownField, "/tasks/a/approval/timeot", "timeout"),
        (r#"{"a":{"type":"approval"}}"#, Code::MissingField, "/tasks/a/approval", "needs `approval`"),
        (r#"{"a":{"type":"mine","until":"output"}}"#, Code::InvalidValue, "/tasks/a/until", "goes with"),
        (r#"{"a":{"run":"x","until":"outptu.x"}}"#, Code::InvalidExpression, "/tasks/a/until", "unknown name"),
        (r#"{"a":{"run":"x","every":5}}"#, Code::MissingField, "/tasks/a/every", "until"),
    ]);
}

#[test]
fn parameters_are_checked_and_have_defaults() {
    let definition = r#"{"job":"d","params":{"region":"eu","limit":{"type":"integer","default":3},"day":{"required":true},
        "mode":{"enum":["full","delta"],"default":"full"},"on":true},"tasks":{"a":"ls"}}"#;
    let parse = |text: &str, definition| {
        let defaults = Defaults { definition, ..Defaults::default() };
        parse_job(text.as_bytes(), Format::Json, &defaults, &known)
    };
    assert!(parse(definition, true).is_ok());
    let missing = parse(definition, false).expect_err("`day` is required");
    assert_eq!((missing.code, missing.errors[0].pointer.as_str()), (Code::MissingField, "/params/day"));
    let texts = |pairs: &[(&str, &str)]| {
        let each = pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        with_params(definition, Values::Texts(each.collect()))
    };
    let text = texts(&[("day", "1"), ("limit", "5"), ("region", "7"), ("on", "false")]).expect("all are admitted");
    let body: Json = serde_json::from_str(&parse(&text, false).expect("is a job").body).expect("is JSON");
    assert_eq!(
        body,
        json!({"definition": "d", "params": {"day": 1, "limit": 5, "mode": "full", "region": "7", "on": false}})
    );
    for (name, value, code, words) in [
        ("limit", "x", Code::InvalidValue, "expected an integer"),
        ("limit", "1.5", Code::InvalidValue, "expected an integer"),
        ("on", "1", Code::InvalidValue, "expected a boolean"),
        ("mode", "half", Code::InvalidValue, "none of"),
        ("regoin", "us", Code::UnknownField, "no parameter"),
    ] {
        let problem = texts(&[(name, value)]).expect_err(name);
        assert_eq!((problem.code, problem.errors[0].pointer.clone()), (code, format!("/params/{name}")), "{name}");
        assert!(problem.errors[0].detail.contains(words), "{problem:?}");
    }
    let nothing: BTreeMap<String, Json> = BTreeMap::new();
    assert_eq!(with_params(definition, Values::Json(nothing.into_iter().collect())).expect("stays"), definition);
}

#[test]
fn hooks_are_checked_with_the_job() {
    let text = |hook: &str| {
        format!(r#"{{"params":{{"to":{{"type":"string","default":"x"}}}},"tasks":{{"a":"ls"}},"onFailed":{hook}}}"#)
    };
    let parse = |hook: &str| parse_job(text(hook).as_bytes(), Format::Json, &Defaults::default(), &known);
    let job = parse(r#"{"command":["mail","${{ params.to }}"]}"#).expect("is a job");
    let body: Json = serde_json::from_str(&job.body).expect("is JSON");
    let hook = parse_job(body["hooks"]["onFailed"].to_string().as_bytes(), Format::Json, &Defaults::default(), &known);
    assert_eq!(&*hook.expect("is a job of its own").graph.tasks()[0].name, "onFailed");
    let problem = parse(r#"{"command":["mail","${{ params.ot }}"]}"#).expect_err("there is no such parameter");
    assert_eq!(problem.errors[0].pointer, "/onFailed/command/1");
    assert_eq!(parse(r#"{"run":"x","needs":"a"}"#).expect_err("a hook has no parents").code, Code::UnknownDependency);
}

#[test]
fn a_long_chain_of_expressions_is_checked_in_time() {
    let each = (1..5_000).map(|n| {
        let before = n - 1;
        format!(r#","t{n}":{{"needs":"t{before}","run":"x","if":"tasks.t0.status == 'completed' && tasks.t{before}.status != 'failed'"}}"#)
    });
    let tasks = format!(r#"{{"t0":"x"{}}}"#, each.collect::<String>());
    assert!(read(&tasks).is_ok());
}
