//! What is told about mistakes: the kind, the byte, the way out.

use mainspring_expression::{Budget, Condition, Program, Scope, Spread};
use serde_json::json;

use crate::world::{World, scope, tasks};

/// The code, the byte and the hint of the mistake.
fn refused(text: &str) -> (&'static str, usize, String) {
    let tasks = tasks();
    let error = Program::compile(text, &scope(&tasks)).map(|_| ()).expect_err(text);
    (error.kind.code(), error.offset, error.hint.unwrap_or_default())
}

fn failed(text: &str) -> (&'static str, usize, String) {
    let (tasks, world) = (tasks(), World::new());
    let program = Program::compile(text, &scope(&tasks)).unwrap_or_else(|error| panic!("`{text}`: {error}"));
    let error = program.evaluate(&world.context(), Budget::default()).expect_err(text);
    (error.kind.code(), error.offset, format!("{} | {}", error.kind, error.hint.unwrap_or_default()))
}

#[test]
fn a_mistake_in_the_text_says_where_and_how_to_mend_it() {
    for (text, code, offset, hint) in [
        ("", "syntax", 0, ""),
        ("1 +", "syntax", 3, ""),
        ("a and b", "unknown_name", 0, "quotes"),
        ("true and false", "syntax", 5, "&&"),
        ("true or false", "syntax", 5, "||"),
        ("not true", "unknown_name", 0, ""),
        ("(1", "syntax", 2, ""),
        ("1)", "syntax", 1, ""),
        ("[1 2]", "syntax", 3, ""),
        ("{'a' 1}", "syntax", 5, ""),
        ("params.region = 'eu'", "unexpected_character", 14, "=="),
        ("'eu", "unclosed_string", 0, ""),
        ("'e\nu'", "unclosed_string", 0, "\\n"),
        (r"'\d'", "unknown_escape", 1, "r'"),
        (r"'\uD800'", "unknown_escape", 1, ""),
        ("9223372036854775808", "bad_number", 0, "64 bits"),
        ("1e999", "bad_number", 0, "finite"),
        ("12ab", "bad_number", 0, ""),
        ("1u", "unsupported", 0, "leave out"),
        ("b'x'", "unsupported", 0, "leave out"),
        ("params.regoin", "unknown_parameter", 7, "`region`"),
        ("tasks.lod.output", "unknown_task", 6, "`load`"),
        ("tasks.a-b.output", "unknown_task", 6, "tasks['a-b']"),
        ("tasks.v1.2.output", "unknown_task", 6, "tasks['v1.2']"),
        ("tasks.later.output", "not_an_ancestor", 6, "needs"),
        ("tasks.load.outptu", "unknown_field", 11, "`output`"),
        ("tasks.load.rows", "unknown_field", 11, "tasks.load.output"),
        ("tasks.load", "not_a_value", 0, "tasks.load.output"),
        ("tasks", "not_a_value", 0, "tasks.NAME"),
        ("tasks[params.region].output", "computed_name", 6, "tasks['NAME']"),
        ("tasks['a' + 'b'].output", "computed_name", 6, "tasks['NAME']"),
        ("load.output", "unknown_name", 0, "tasks.load.output"),
        ("region", "unknown_name", 0, "params.region"),
        ("parms.region", "unknown_name", 0, "`params`"),
        ("env.HOME", "unknown_name", 0, "parameter"),
        ("schedule.now", "unknown_field", 9, "`instant`"),
        ("secrets.HOOK + 'x'", "secret_in_expression", 0, "alone"),
        ("secrets.HOOK", "secret_in_expression", 0, "alone"),
        ("size(secrets.HOOK)", "secret_in_expression", 0, "alone"),
        ("len([1])", "unknown_function", 0, "`size`"),
        ("'a'.startWith('b')", "unknown_function", 4, "`startsWith`"),
        ("now()", "unknown_function", 0, "schedule.instant"),
        ("map([1], 2)", "unknown_function", 0, "list.map"),
        ("size(1, 2)", "argument_count", 0, ""),
        ("has(params.region, 1)", "argument_count", 0, ""),
        ("has(1)", "has_needs_field", 4, "null"),
        ("[1].map(x)", "argument_count", 4, ""),
        ("[1].map(params, 1)", "bad_variable", 8, "list.map"),
        ("[1].map(1, 1)", "bad_variable", 8, "list.map"),
        ("'a'.matches('(')", "bad_pattern", 12, ""),
        ("'a'.matches('(a{500}){500}')", "bad_pattern", 12, ""),
    ] {
        let found = refused(text);
        assert_eq!((found.0, found.1), (code, offset), "`{text}`: {found:?}");
        assert!(found.2.contains(hint), "`{text}`: {found:?}");
    }
}

#[test]
fn what_is_not_in_scope_does_not_exist() {
    for (text, code) in [
        ("item", "not_here"),
        ("index", "not_here"),
        ("schedule.instant", "not_here"),
        ("secrets.HOOK", "not_here"),
        ("tasks.load.output", "not_here"),
    ] {
        let error = Program::compile(text, &Scope::default()).map(|_| ()).expect_err(text);
        assert_eq!(error.kind.code(), code, "`{text}`");
    }
    assert!(Program::compile("params.anything", &Scope::default()).is_ok());
}

#[test]
fn an_evaluation_that_fails_names_the_path_and_the_nearest_key() {
    for (text, code, offset, told) in [
        ("tasks.load.output.row", "missing_field", 0, "`tasks.load.output` has no field `row` | did you mean `rows`?"),
        ("1 + item.size.x", "wrong_type", 4, "`.field` takes a map, found an int"),
        ("tasks.skipped.output.rows", "null_has_no_field", 0, "`tasks.skipped.output` is null"),
        ("tasks.load.output.note.x", "null_has_no_field", 0, "`tasks.load.output.note` is null"),
        ("{'a': 1}.b", "missing_field", 0, "there is `a`"),
        ("tasks.each.outputs[5]", "out_of_range", 0, "`tasks.each.outputs` has no item 5, its size is 5"),
        ("[1][-1]", "out_of_range", 0, "no item -1"),
        ("1 + 9223372036854775807", "overflow", 2, "`+`"),
        ("-9223372036854775808 / -1", "overflow", 21, "`/`"),
        ("-9223372036854775808 % -1", "overflow", 21, "`%`"),
        ("-(-9223372036854775808)", "overflow", 0, "`-`"),
        ("1 - 2 / 0", "division_by_zero", 6, "`/` by zero"),
        ("1 % 0", "division_by_zero", 2, "`%` by zero"),
        ("1.0 / 0.0", "division_by_zero", 4, "`/` by zero"),
        ("1e308 * 10.0", "not_finite", 6, "finite"),
        ("1 + 1.0", "wrong_type", 2, "an int and a double | `double(x)`"),
        ("'a' + 1", "wrong_type", 4, "string(x)"),
        ("'1' * 2", "wrong_type", 4, "int(x)"),
        ("tasks.skipped.output > 0", "wrong_type", 21, "default("),
        ("1.5 % 1.0", "wrong_type", 4, "two ints"),
        ("'a' in 'abc'", "wrong_type", 4, "contains"),
        ("1 ? 2 : 3", "wrong_type", 0, "a bool"),
        ("1 && true", "wrong_type", 0, "`&&` takes bools"),
        ("!1", "wrong_type", 0, "`!` takes a bool"),
        ("string([1])", "wrong_type", 0, "json(x)"),
        ("[1].join(',')", "wrong_type", 4, "map(x, string(x))"),
        ("[1].map(x, x)['a']", "wrong_type", 0, "an int for an item"),
        ("[1].filter(x, x)", "wrong_type", 14, "a bool as condition"),
        ("1.all(x, true)", "wrong_type", 2, "a list or a map"),
        ("{1: 2}", "wrong_type", 1, "a string as key"),
        ("{'a': 1, 'a': 2}", "duplicate_key", 9, "`a`"),
        ("int('x')", "unreadable", 0, "`int` cannot read `x`"),
        ("int(1e300)", "overflow", 0, ""),
        ("double('inf')", "not_finite", 0, ""),
        ("bool('yes')", "unreadable", 0, ""),
        ("parseJson('{')", "unreadable", 0, ""),
        ("'a'.matches('(' + 'a')", "bad_pattern", 4, ""),
    ] {
        let found = failed(text);
        assert_eq!((found.0, found.1), (code, offset), "`{text}`: {found:?}");
        assert!(found.2.contains(told), "`{text}`: {found:?}");
    }
}

#[test]
fn a_condition_is_a_bool_or_an_error() {
    let (tasks, world) = (tasks(), World::new());
    for text in ["'yes'", "1", "[true]", "tasks.load.status", "index", "null", "${{ 1 }}"] {
        let error = Condition::compile(text, &scope(&tasks)).map(|_| ()).expect_err(text);
        assert_eq!(error.kind.code(), "not_a_bool", "`{text}`");
    }
    let condition = Condition::compile("tasks.load.output.rows", &scope(&tasks)).expect("it may be a bool");
    let error = condition.evaluate(&world.context(), Budget::default()).expect_err("it is an int");
    assert_eq!(
        error.to_string(),
        "a condition must be true or false, this is an int at byte 0 (compare it, like `x != null` or `size(x) > 0`)"
    );
    for (text, code) in [
        ("${{ true }} && false", "syntax"),
        ("${{ true", "unclosed_expression"),
        ("${{ secrets.A }}", "secret_in_expression"),
    ] {
        let error = Condition::compile(text, &scope(&tasks)).map(|_| ()).expect_err(text);
        assert_eq!(error.kind.code(), code, "`{text}`");
    }
}

#[test]
fn a_for_each_that_has_no_items_names_the_type() {
    let (tasks, world) = (tasks(), World::new());
    for (each, code) in [
        (json!("a.csv"), "not_spreadable"),
        (json!("${{ params.region }}/x"), "not_spreadable"),
        (json!(3), "not_spreadable"),
        (json!("${{ item }}"), "not_here"),
        (json!(["${{ secrets.A }}"]), "not_here"),
    ] {
        let errors = Spread::compile(&each, &scope(&tasks)).map(|_| ()).expect_err("it cannot be spread");
        assert_eq!(errors[0].error.kind.code(), code, "{each}");
    }
    let items = |each: &str| {
        let spread = Spread::compile(&json!(each), &scope(&tasks)).expect("it compiles");
        spread.items(&world.context(), Budget::default()).expect_err("it has no items").to_string()
    };
    assert!(items("${{ params.region }}").starts_with("`forEach` takes a list or a map, this is a string at byte 4"));
    assert!(items("${{ tasks.skipped.output }}").contains("this is null"));
    let long = json!(vec![0; 10_001]);
    let spread = Spread::compile(&long, &scope(&tasks)).expect("it compiles");
    let error = spread.items(&world.context(), Budget::default()).expect_err("it is too long");
    assert_eq!(error.error.kind.code(), "too_many_items");
}

#[test]
fn what_was_not_loaded_is_an_error_and_not_null() {
    let tasks = tasks();
    for text in [
        "tasks.load.output",
        "params.region",
        "item",
        "index",
        "default(tasks.load.output.x, 1)",
        "true && tasks.load.output || true",
    ] {
        let program = Program::compile(text, &scope(&tasks)).expect(text);
        let error = program.evaluate(&Default::default(), Budget::default()).expect_err(text);
        assert_eq!(error.kind.code(), "not_loaded", "`{text}`");
    }
}
