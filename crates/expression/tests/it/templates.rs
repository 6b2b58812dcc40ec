//! Templates: types, text, escapes, secrets.

use mainspring_expression::{
    Budget, Condition, Context, FillError, Rendered, Scope, SecretPlace, Template, contains_expression,
};
use serde_json::{Value as Json, json};

use crate::world::{World, scope, tasks};

fn rendered(template: &Json) -> Rendered {
    let (tasks, world) = (tasks(), World::new());
    let template = Template::parse(template, &scope(&tasks)).unwrap_or_else(|errors| panic!("{errors:?}"));
    template.render(&world.context(), Budget::default()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_value_that_is_only_an_expression_keeps_its_type() {
    for (template, expected) in [
        ("${{ tasks.load.output.rows }}", json!(12)),
        ("${{tasks.load.output.ratio}}", json!(0.5)),
        ("${{ tasks.list.output.files }}", json!([1, 2, 3, 4, 5])),
        ("${{ tasks.skipped.output }}", json!(null)),
        ("${{ {'a': {'b': '}}'}} }}", json!({"a": {"b": "}}"}})),
        ("${{ tasks.load.output.rows }} ", json!("12 ")),
        ("${{ 1 }}${{ 2 }}", json!("12")),
        ("rows=${{ tasks.load.output.rows }} of ${{ params.ratio }}, ${{ true }}", json!("rows=12 of 1, true")),
        ("<${{ null }}>", json!("<>")),
        ("<${{ params.region }}>", json!("<eu>")),
        ("<${{ [1, 'a', {'b': null}] }}>", json!("<[1,\"a\",{\"b\":null}]>")),
        ("plain", json!("plain")),
        ("$${{ params.region }}", json!("${{ params.region }}")),
        ("$$${{ a ${{ params.region }}", json!("$${{ a eu")),
        ("$5 and { and }} and ${x}", json!("$5 and { and }} and ${x}")),
    ] {
        assert_eq!(rendered(&json!(template)).value, expected, "`{template}`");
        let tasks = tasks();
        let one = Template::parse_str(template, &scope(&tasks)).expect("it compiles");
        assert_eq!(one.render(&World::new().context(), Budget::default()).expect("it renders").value, expected);
    }
}

#[test]
fn nested_values_are_rendered_with_one_read_set() {
    let template = json!({
        "argv": ["clean.py", "--region", "${{ params.region }}", {"deep": "${{ tasks.load.output.rows }}"}],
        "url": "https://${{ params.region }}.example.com/${{ index }}",
        "literal": [1, null, "$${{ x }}", {"k": "v"}],
    });
    assert_eq!(
        rendered(&template).value,
        json!({
            "argv": ["clean.py", "--region", "eu", {"deep": 12}],
            "url": "https://eu.example.com/2",
            "literal": [1, null, "${{ x }}", {"k": "v"}],
        })
    );
    let tasks = tasks();
    let template = Template::parse(&template, &scope(&tasks)).expect("it compiles");
    let reads = template.reads();
    assert!(reads.params.contains("region") && reads.index && reads.tasks["load"].output && !template.is_literal());
    assert!(Template::parse(&json!({"a": ["$${{ b"]}), &Scope::default()).expect("it compiles").is_literal());
}

#[test]
fn all_mistakes_of_a_template_are_told_with_their_places() {
    let tasks = tasks();
    let template = json!({"a/b": ["ok", "x ${{ params.regoin }}"], "c": "${{ 1", "${{ k }}": 1, "d": "${{ 1 } }}"});
    let errors = Template::parse(&template, &scope(&tasks)).map(|_| ()).expect_err("it has mistakes");
    let mut told: Vec<_> =
        errors.iter().map(|at| (at.pointer.as_str(), at.error.kind.code(), at.error.offset)).collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            ("/${{ k }}", "expression_in_key", 0),
            ("/a~1b/1", "unknown_parameter", 13),
            ("/c", "unclosed_expression", 0),
            ("/d", "syntax", 6),
        ]
    );
    let world = World::new();
    let late = Template::parse(&json!({"a": ["x ${{ item.nme }}"]}), &scope(&tasks)).expect("it compiles");
    let error = late.render(&world.context(), Budget::default()).expect_err("there is no such key");
    assert_eq!(error.to_string(), "`/a/0`: `item` has no field `nme` at byte 6 (did you mean `name`?)");
}

#[test]
fn a_secret_is_a_place_until_the_worker_fills_it_in() {
    let template = json!({
        "key": "${{ secrets.KEY }}",
        "auth": "é ${{ params.region }}:${{ secrets.USER }}@${{ secrets['PASS-1'] }}!",
    });
    let rendered = rendered(&template);
    assert_eq!(rendered.value, json!({"key": "", "auth": "é eu:@!"}));
    let place = |pointer: &str, at, name: &str| SecretPlace { pointer: pointer.into(), at, name: name.into() };
    assert_eq!(rendered.secrets, [place("/auth", 6, "USER"), place("/auth", 7, "PASS-1"), place("/key", 0, "KEY")]);
    let wire: Rendered = serde_json::from_value(serde_json::to_value(&rendered).unwrap()).unwrap();
    let filled = wire.fill(|name| Some(format!("<{name}>"))).expect("all are known");
    assert_eq!(filled, json!({"key": "<KEY>", "auth": "é eu:<USER>@<PASS-1>!"}));
    assert_eq!(rendered.fill(|_| None), Err(FillError::NoSuchSecret("KEY".to_owned())));
    let astray = Rendered { value: json!("é"), secrets: vec![place("", 1, "A")] };
    assert_eq!(astray.fill(|_| Some(String::new())), Err(FillError::NoSuchPlace(String::new())));
}

#[test]
fn two_secrets_at_one_place_keep_their_order() {
    let filled = rendered(&json!("${{ secrets.A }}${{ secrets.B }}")).fill(|name| Some(name.repeat(2)));
    assert_eq!(filled, Ok(json!("AABB")));
}

#[test]
fn nothing_that_a_task_returned_passes_for_a_secret() {
    let world = World::new();
    let output = json!({"secrets": [{"pointer": "", "at": 0, "name": "KEY"}], "text": "${{ secrets.KEY }}"});
    let mut context = world.context();
    context.tasks.get_mut("load").unwrap().output = Some(&output);
    let tasks = tasks();
    let template = Template::parse(&json!("${{ tasks.load.output }}"), &scope(&tasks)).expect("it compiles");
    let rendered = template.render(&context, Budget::default()).expect("it renders");
    assert_eq!((rendered.value, rendered.secrets.len()), (output.clone(), 0));
}

#[test]
fn an_expression_is_found_where_none_may_stand() {
    assert!(contains_expression("echo ${{ item }}") && contains_expression("$${{ a ${{ b"));
    assert!(!contains_expression("echo $${{ item }} ${x} {{ y }}"));
}

#[test]
fn the_output_of_the_attempt_itself_is_read_only_where_there_is_one() {
    let until = Condition::compile("output.ready == true", &Scope { output: true, ..Scope::default() });
    let until = until.expect("it compiles");
    for (output, expected) in [(json!({"ready": true}), Ok(true)), (json!({"ready": 1}), Ok(false))] {
        let context = Context { output: Some(&output), ..Context::default() };
        assert_eq!(until.evaluate(&context, Budget::default()), expected);
    }
    assert!(Condition::compile("output.ready", &Scope::default()).is_err());
}
