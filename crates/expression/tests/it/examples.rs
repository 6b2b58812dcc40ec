//! Expressions and their values. The first table is the guide's.

use mainspring_expression::{Budget, Condition, Program, Spread};
use serde_json::{Value as Json, json};

use crate::world::{World, scope, tasks};

fn value(text: &str) -> Json {
    let (tasks, world) = (tasks(), World::new());
    let program = Program::compile(text, &scope(&tasks)).unwrap_or_else(|error| panic!("`{text}`: {error}"));
    program.evaluate(&world.context(), Budget::default()).unwrap_or_else(|error| panic!("`{text}`: {error}"))
}

fn table(rows: &[(&str, Json)]) {
    for (text, expected) in rows {
        assert_eq!(&value(text), expected, "`{text}`");
    }
}

#[test]
fn references_read_what_the_job_has() {
    table(&[
        ("params.region", json!("eu")),
        ("params['region']", json!("eu")),
        ("tasks.load.output.rows > 0", json!(true)),
        ("tasks.load.status == 'completed'", json!(true)),
        ("tasks['a-b'].output['c-d']", json!("hyphens")),
        ("tasks['v1.2'].output", json!("dots")),
        ("size(tasks.each.outputs) == 5", json!(true)),
        ("tasks.each.outputs[4]", json!(5)),
        ("tasks.extract.output.files", json!(["b.csv", "a.csv", "c.txt"])),
        ("item.name", json!("b.csv")),
        ("index + 1", json!(3)),
        ("schedule.instant", json!("2026-03-01T06:00:00Z")),
        ("schedule.previousInstant", json!(null)),
        ("schedule.manual", json!(false)),
        ("tasks.skipped.output", json!(null)),
        ("tasks.skipped.status", json!("skipped")),
        ("size(params)", json!(4)),
    ]);
}

#[test]
fn literals_mean_what_they_mean_in_cel() {
    table(&[
        ("[1, 0x1F, -9223372036854775808, 1.5, .5, 2e3, -1.0,]", json!([1, 31, i64::MIN, 1.5, 0.5, 2000.0, -1.0])),
        (
            r#"['a\n\x41é\U0001F600\101', "it's", r'\d', '''two
lines''', "\\"]"#,
            json!(["a\nAé😀A", "it's", "\\d", "two\nlines", "\\"]),
        ),
        ("{'a': {'b': 1}, \"c\": [true, null],}", json!({"a": {"b": 1}, "c": [true, null]})),
    ]);
}

#[test]
fn operators_keep_integers_and_doubles_apart() {
    table(&[
        ("1 + 2 * 3 - 4", json!(3)),
        ("7 / 2", json!(3)),
        ("-7 % 3", json!(-1)),
        ("7.0 / 2.0", json!(3.5)),
        ("10 - 2 - 3", json!(5)),
        ("--3", json!(3)),
        ("!!true", json!(true)),
        ("!false && 1 < 2", json!(true)),
        ("1 == 1.0", json!(true)),
        ("9007199254740993 == 9007199254740992.0", json!(false)),
        ("tasks.load.output.big > 9223372036854775806", json!(true)),
        ("type(tasks.load.output.beyond) == double", json!(true)),
        ("type(params.ratio) == double", json!(true)),
        ("1 < 1.5 && 2 > 1.5 && -1e300 < -9223372036854775808", json!(true)),
        ("1 == '1'", json!(false)),
        ("null == null", json!(true)),
        ("[1, {'a': 2.0}] == [1.0, {'a': 2}]", json!(true)),
        ("'a' + 'b' < 'b'", json!(true)),
        ("[1] + [2, 3]", json!([1, 2, 3])),
        ("2 in [1, 2] && 'rows' in tasks.load.output && !(3 in [])", json!(true)),
        ("true ? 1 : false ? 2 : 3", json!(1)),
        ("params.region == 'eu' ? 'Europe' : 'elsewhere'", json!("Europe")),
    ]);
}

#[test]
fn what_decides_wins_over_an_error_beside_it() {
    table(&[
        ("true || 1 / 0 > 0", json!(true)),
        ("1 / 0 > 0 || true", json!(true)),
        ("1 / 0 > 0 && false", json!(false)),
        ("[0, 1].exists(x, 1 / x == 1)", json!(true)),
        ("[0, 2].all(x, 1 / x == 1)", json!(false)),
    ]);
}

#[test]
fn absence_has_an_answer() {
    table(&[
        ("has(tasks.load.output.rows)", json!(true)),
        ("has(tasks.load.output.note)", json!(true)),
        ("has(tasks.load.output.nothing)", json!(false)),
        ("has(tasks.skipped.output.rows)", json!(false)),
        ("has(tasks.load.output.a.b)", json!(false)),
        ("default(tasks.skipped.output.rows, 0)", json!(0)),
        ("default(tasks.load.output.note, 'none')", json!("none")),
        ("default(tasks.load.output.rows, 0)", json!(12)),
        ("default(tasks.each.outputs[9], -1)", json!(-1)),
    ]);
}

#[test]
fn functions_do_what_the_guide_says() {
    table(&[
        ("size('häh') + size([1]) + size({'a': 1})", json!(5)),
        ("'hello'.size()", json!(5)),
        ("'hello'.contains('ell') && contains('hello', '')", json!(true)),
        ("'hello'.startsWith('he') && 'hello'.endsWith('lo')", json!(true)),
        ("'2026-11'.matches('^[0-9]{4}-[0-9]+$') && !'a'.matches('b')", json!(true)),
        ("'b.csv'.matches(params.region + '|csv')", json!(true)),
        ("[int('7'), int(-1.9), int(3)]", json!([7, -1, 3])),
        ("[double('1.5'), double(2)]", json!([1.5, 2.0])),
        (
            "string(1) + string(1.0) + string(true) + string(1e300) + string(0.1) + string(int)",
            json!("11true1e3000.1int"),
        ),
        ("[bool('true'), bool('0')]", json!([true, false])),
        (
            "[type(1), type(1.0), type(''), type([]), type({}), type(null), type(true), type(type(1))]",
            json!(["int", "double", "string", "list", "map", "null_type", "bool", "type"]),
        ),
        ("['a', 'b'].join(', ') + ['a', 'b'].join() + join([], ',')", json!("a, bab")),
        ("'a,b,,c'.split(',')", json!(["a", "b", "", "c"])),
        ("'né'.split('')", json!(["n", "é"])),
        ("'Straße'.upper() + 'ÄB'.lower()", json!("STRASSEäb")),
        ("json({'b': [1, 2.0, null], 'a': 'x\"'})", json!("{\"a\":\"x\\\"\",\"b\":[1,2.0,null]}")),
        ("parseJson('{\"a\": [1, 1.5]}').a[0] + 1", json!(2)),
    ]);
}

#[test]
fn macros_visit_items_and_keys() {
    table(&[
        ("[1, 2, 3].all(x, x > 0) && [].all(x, false)", json!(true)),
        ("[1, 2, 3].exists(x, x == 2) && ![].exists(x, true)", json!(true)),
        ("[[1, 2, 2].exists_one(x, x == 2), [1, 2].exists_one(x, x == 2)]", json!([false, true])),
        ("[1, 2, 3].map(x, x * x)", json!([1, 4, 9])),
        ("[1, 2, 3].map(x, x > 1, x * x)", json!([4, 9])),
        ("tasks.extract.output.files.filter(f, f.endsWith('.csv'))", json!(["b.csv", "a.csv"])),
        ("tasks.list.output.by_name.map(k, k + string(tasks.list.output.by_name[k]))", json!(["x1", "y2"])),
        ("[[1, 2], [3]].map(x, x.map(y, y + size(x)))", json!([[3, 4], [4]])),
        ("[1].map(x, [2].map(x, x))", json!([[2]])),
    ]);
}

#[test]
fn a_condition_may_stand_in_braces() {
    let (tasks, world) = (tasks(), World::new());
    for text in ["tasks.load.output.ok", "${{ tasks.load.output.ok }}", " ${{ {'a': {'b': true}}.a.b }} "] {
        let condition = Condition::compile(text, &scope(&tasks)).expect(text);
        assert_eq!(condition.evaluate(&world.context(), Budget::default()), Ok(true), "`{text}`");
    }
}

#[test]
fn for_each_spreads_lists_and_maps() {
    let (tasks, world) = (tasks(), World::new());
    for (each, items) in [
        (json!("${{ tasks.list.output.files }}"), json!([1, 2, 3, 4, 5])),
        (json!("${{ tasks.list.output.by_name }}"), json!([{"key": "x", "value": 1}, {"key": "y", "value": 2}])),
        (json!(["a", "${{ params.region }}"]), json!(["a", "eu"])),
        (json!({"b": 2, "a": 1}), json!([{"key": "a", "value": 1}, {"key": "b", "value": 2}])),
        (json!([]), json!([])),
    ] {
        let spread = Spread::compile(&each, &scope(&tasks)).expect("it can be spread");
        assert_eq!(Json::Array(spread.items(&world.context(), Budget::default()).expect("it has items")), items);
    }
}

#[test]
fn the_read_set_names_all_that_is_read_and_nothing_else() {
    let tasks = tasks();
    let text = "params.limit > 0 && tasks.load.output.x == tasks.load.status || size(tasks['a-b'].outputs) > index \
                && schedule.manual && [1].exists(item_, item.x == schedule.instant)";
    let reads = Program::compile(text, &scope(&tasks)).expect("it compiles").reads().clone();
    assert_eq!(reads.tasks.keys().collect::<Vec<_>>(), ["a-b", "load"]);
    assert!(reads.tasks["load"].output && reads.tasks["load"].status && !reads.tasks["load"].outputs);
    assert!(reads.tasks["a-b"].outputs && !reads.tasks["a-b"].output && !reads.tasks["a-b"].status);
    assert_eq!(reads.params.iter().collect::<Vec<_>>(), ["limit"]);
    assert!(!reads.all_params && reads.item && reads.index);
    assert!(reads.schedule_manual && reads.schedule_instant && !reads.schedule_previous_instant);
    let whole = Program::compile("params[params.region]", &scope(&tasks)).expect("it compiles");
    assert!(whole.reads().all_params, "a computed parameter reads all of them");
}
