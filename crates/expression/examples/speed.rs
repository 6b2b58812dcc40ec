//! How long the guide's expressions take, and how long runaway ones take until their budget stops them.
//!
//! `cargo run --release -p mainspring-expression --example speed`

#![expect(clippy::disallowed_methods, reason = "this program measures time")]

use std::collections::BTreeMap;

use mainspring_expression::{Budget, Context, Program, ScheduleView, Scope, Standing, TaskView};
use serde_json::json;

fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// What the guide shows, each function and each macro among it.
const EXAMPLES: [&str; 41] = [
    "params.region",
    "tasks.extract.output.files",
    "item",
    "index + 1",
    "tasks.each.outputs",
    "tasks.load.output.rows",
    "tasks.load.output.rows > 0",
    "tasks.load.status == 'completed' && params.region in ['eu', 'us']",
    "tasks['a-b'].output.x",
    "schedule.instant",
    "schedule.previousInstant == null || schedule.manual",
    "size(tasks.each.outputs) == 5",
    "tasks.each.outputs[4].sq",
    "params.region.contains('e')",
    "params.region.startsWith('e') || params.region.endsWith('u')",
    "params.day.matches('^[0-9]{4}-[0-9]{2}-[0-9]{2}$')",
    "params.day.matches(r'^\\d+-\\d+-\\d+$')",
    "params.day.matches('^' + '[0-9]{4}-[0-9]{2}')",
    "int('12') + int(2.5)",
    "double(1) + 1.0",
    "string(tasks.load.output.rows) + ' rows'",
    "bool('true')",
    "type(tasks.load.output.rows) == int",
    "tasks.extract.output.files.join(', ')",
    "params.day.split('-')",
    "params.region.upper() + params.region.lower()",
    "json(tasks.load.output)",
    "json(tasks.extract.output)",
    "parseJson('{\"rows\": 12}').rows",
    "has(tasks.load.output.rows)",
    "default(tasks.skipped.output.rows, 0) + 1",
    "default(tasks.each.outputs[9], -1)",
    "tasks.each.outputs.all(e, e.sq > 0)",
    "tasks.each.outputs.exists(e, e.sq == 25)",
    "tasks.each.outputs.exists_one(e, e.sq == 25)",
    "tasks.each.outputs.map(e, e.sq * 2)",
    "tasks.each.outputs.map(e, e.sq > 4, e.sq)",
    "tasks.extract.output.files.filter(f, f.endsWith('.csv'))",
    "{'rows': tasks.load.output.rows, 'region': params.region.upper()}",
    "tasks.load.output.rows == 0 ? 0 : 100 / tasks.load.output.rows",
    "string(item) != null ? tasks.load.output.rows : 0",
];

const RUNAWAYS: [&str; 9] = [
    "tasks.list.output.map(a, tasks.list.output.map(b, a + b))",
    "tasks.list.output.all(a, tasks.list.output.all(b, b == b))",
    "tasks.list.output.map(a, 'x' in tasks.list.output)",
    "tasks.list.output.map(a, tasks.long.output.matches('(a|aa|a?)*b'))",
    "tasks.list.output.map(a, tasks.long.output.matches('(a?){30}(a?){30}b'))",
    "tasks.list.output.map(a, ''.matches('(a{9}|b{9}){9}' + a))",
    "tasks.list.output.map(a, tasks.list.output.filter(b, default({}.missing, true)))",
    "tasks.list.output.map(a, parseJson(json(tasks.list.output)))",
    "tasks.list.output.map(a, tasks.long.output.upper())",
];

fn main() {
    let outputs = BTreeMap::from([
        ("load", json!({"rows": 12, "ok": true})),
        ("extract", json!({"files": ["a.csv", "b.csv", "c.txt", "d.csv", "e.txt"]})),
        ("each", json!([{"sq": 1}, {"sq": 4}, {"sq": 9}, {"sq": 16}, {"sq": 25}])),
        ("list", json!(vec!["some text of an item"; 10_000])),
        ("long", json!("a".repeat(100_000))),
        ("skipped", json!(null)),
        ("a-b", json!({"x": 1})),
    ]);
    let standings: BTreeMap<&str, Standing> = outputs.keys().map(|name| (*name, Standing::Ancestor)).collect();
    let scope = Scope { tasks: Some(&standings), item: true, schedule: true, ..Scope::default() };
    let params = json!({"region": "eu", "day": "2026-11-25"});
    let tasks = outputs
        .iter()
        .map(|(name, output)| (*name, TaskView { status: "completed", output: Some(output), outputs: Some(output) }))
        .collect();
    let item = json!("b.csv");
    let schedule = ScheduleView { instant: Some("2026-11-25T06:00:00Z"), previous_instant: None, manual: false };
    let context = Context {
        tasks,
        params: Some(&params),
        item: Some(&item),
        index: Some(1),
        schedule: Some(schedule),
        ..Context::default()
    };
    println!("{:>9} {:>9} {:>8}  expression", "compile", "evaluate", "steps");
    for (text, rounds) in EXAMPLES.iter().map(|text| (text, 20_000)).chain(RUNAWAYS.iter().map(|text| (text, 3))) {
        let start = now();
        let mut program = Program::compile(text, &scope).expect("it compiles");
        for _ in 1..rounds {
            program = Program::compile(text, &scope).expect("it compiles");
        }
        let compile = start.elapsed().as_secs_f64() * 1e6 / f64::from(rounds);
        let start = now();
        let mut steps = 0;
        let mut told = String::new();
        for _ in 0..rounds {
            let (result, taken) = program.measure(&context, Budget::default());
            steps = taken;
            told = result.map_or_else(|error| error.kind.code().to_owned(), |_| String::new());
        }
        let evaluate = start.elapsed().as_secs_f64() * 1e6 / f64::from(rounds);
        println!("{compile:>7.2}µs {evaluate:>7.2}µs {steps:>8}  {text}  {told}");
    }
}
