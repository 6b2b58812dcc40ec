//! What strangers may try: no text panics, overflows the stack, or runs beyond its budget.

use mainspring_expression::{
    Budget, Context, EvalErrorKind, Program, Scope, Spent, Spread, TaskView, Template, limits,
};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::world::{World, scope, tasks};

/// Runs on a stack of 512 KiB, a quarter of what threads have.
fn on_a_small_stack<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(512 * 1024).spawn_scoped(scope, run);
        thread.expect("a thread starts").join().expect("it does not panic")
    })
}

fn code_of(text: &str, context: &Context<'_>, scope: &Scope<'_>) -> &'static str {
    match Program::compile(text, scope) {
        Err(error) => error.kind.code(),
        Ok(program) => match program.evaluate(context, Budget::default()) {
            Err(error) => error.kind.code(),
            Ok(_) => "ok",
        },
    }
}

/// The longest program that repeats something around a middle.
fn filled(open: &str, middle: &str, close: &str) -> String {
    let count = (limits::PROGRAM_BYTES_MAX - middle.len()) / (open.len() + close.len());
    [open.repeat(count), middle.to_owned(), close.repeat(count)].concat()
}

#[test]
fn no_shape_of_a_long_program_overflows_the_stack() {
    for (open, middle, close, code) in [
        ("(", "1", ")", "too_deep"),
        ("[", "1", "]", "too_deep"),
        ("{'a':", "1", "}", "too_deep"),
        ("size(", "1", ")", "too_deep"),
        ("[1].map(x,", "1", ")", "too_deep"),
        ("true?1:", "1", "", "too_deep"),
        ("true?", "1", ":1", "too_deep"),
        ("[0][", "0", "]", "too_deep"),
        ("default(1,", "1", ")", "too_deep"),
        ("!", "true", "", "ok"),
        ("-", "1", "", "ok"),
        ("- -", "1", "", "ok"),
        ("1+", "1", "", "ok"),
        ("1*", "1", "", "ok"),
        ("(1)+", "1", "", "ok"),
        ("[1].all(x,true)&&", "true", "", "ok"),
        ("true||", "true", "", "ok"),
        ("true&&", "true", "", "ok"),
        ("true==", "true", "", "ok"),
        ("", "params", ".a", "missing_field"),
        ("", "[1]", ".map(a,[a])", "too_deep"),
        ("", "[]", "[0]", "out_of_range"),
        ("", "'a'", ".lower()", "ok"),
        ("", "'a'", ".split('')", "wrong_type"),
    ] {
        let text = filled(open, middle, close);
        let found = on_a_small_stack(|| code_of(&text, &World::new().context(), &Scope::default()));
        assert_eq!(found, code, "{}", &text[..40]);
    }
}

#[test]
fn bounds_hold_to_the_byte() {
    let text = |bytes| format!("'{}'", "a".repeat(bytes - 2));
    let most = limits::PROGRAM_BYTES_MAX;
    assert!(Program::compile(&text(most), &Scope::default()).is_ok());
    assert_eq!(Program::compile(&text(most + 1), &Scope::default()).unwrap_err().kind.code(), "too_long");
    let in_braces = |bytes| Template::parse_str(&format!("x${{{{{}}}}}", text(bytes)), &Scope::default());
    assert!(in_braces(most).is_ok());
    assert_eq!(in_braces(most + 1).unwrap_err().kind.code(), "too_long");
    let nested = |depth| Program::compile(&format!("{}1{}", "(".repeat(depth), ")".repeat(depth)), &Scope::default());
    assert!(nested(limits::PROGRAM_DEPTH_MAX as usize - 1).is_ok());
    assert!(nested(limits::PROGRAM_DEPTH_MAX as usize).is_err());

    let tasks = tasks();
    let program = Program::compile("tasks.load.output", &scope(&tasks)).expect("it compiles");
    let code = |output: &Json| {
        let view = TaskView { status: "completed", output: Some(output), outputs: None };
        let context = Context { tasks: [("load", view)].into(), ..Context::default() };
        program.evaluate(&context, Budget::default()).map_or_else(|error| error.kind.code(), |_| "ok")
    };
    assert_eq!(code(&json!("é\n".repeat((limits::RESULT_BYTES_MAX - 2) / 4))), "ok");
    assert_eq!(code(&json!("é\n".repeat(limits::RESULT_BYTES_MAX / 4))), "result_too_large");
    assert_eq!(code(&json!(vec![0; limits::RESULT_BYTES_MAX / 2 + 1])), "result_too_large");
    let deep = |depth| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(code(&deep(limits::VALUE_DEPTH_MAX as usize)), "ok");
    assert_eq!(code(&deep(limits::VALUE_DEPTH_MAX as usize + 1)), "too_deep");
    assert!(Template::parse(&deep(limits::VALUE_DEPTH_MAX as usize + 1), &Scope::default()).is_err());
}

#[test]
fn runaway_expressions_end_with_their_budget() {
    let many = json!(vec!["some text of an item"; 10_000]);
    let long = json!("a".repeat(100_000));
    let view = |output| TaskView { status: "completed", output: Some(output), outputs: None };
    let world = World::new();
    let context = Context { tasks: [("list", view(&many)), ("load", view(&long))].into(), ..world.context() };
    let tasks = tasks();
    for text in [
        "tasks.list.output.map(a, tasks.list.output.map(b, tasks.list.output.map(c, a + b + c)))",
        "tasks.list.output.all(a, tasks.list.output.all(b, a == b))",
        "tasks.list.output.exists(a, a + 1 == 2 || tasks.list.output.exists(b, b == 1))",
        "tasks.list.output.map(a, 'x' in tasks.list.output)",
        "tasks.list.output.map(a, tasks.load.output.matches('(a|aa|a?)*b'))",
        "tasks.list.output.map(a, a.matches(a))",
        "tasks.list.output.map(a, tasks.load.output.upper())",
        "tasks.list.output.map(a, tasks.load.output.split(''))",
        "tasks.list.output.map(a, json(tasks.list.output))",
        "tasks.list.output.map(a, parseJson(json(tasks.list.output)))",
        "tasks.list.output.map(a, default({}.x, tasks.list.output.join(',')))",
        "tasks.list.output.map(a, tasks.list.output + tasks.list.output)",
        "tasks.list.output.map(a, tasks.load.output + tasks.load.output)",
        "tasks.list.output.map(a, tasks.load.output.contains('b'))",
        "tasks.list.output.map(a, size(tasks.load.output))",
        "[1].map(a,[a,a]).map(a,[a,a]).map(a,[a,a]).map(a,[a,a]).map(a,[a,a]).map(a,[a,a]).map(a,[a,a]).map(a,[a,a])\
         .map(a,[a,a]).map(a,[a,a]).map(a,[a,a]).map(a,[a,a]).map(a,[a,a]).map(a,[a,a]).map(a,[a,a]).map(a,[a,a])\
         .map(a,[a,a]).map(a,[a,a])",
    ] {
        let program = Program::compile(text, &scope(&tasks)).expect(text);
        let (result, steps) = program.measure(&context, Budget::default());
        let found = result.map_or_else(|error| error.kind.code(), |_| "ok");
        let growing = text.starts_with("[1].map(a,[a,a])");
        assert!(found == "budget_exceeded" || growing && found == "result_too_large", "`{text}`: {found}");
        assert!(steps <= limits::STEPS_MAX);
        assert_eq!(program.measure(&context, Budget::default()).1, steps, "`{text}` takes the same steps again");
    }
}

#[test]
fn everything_that_is_made_is_counted() {
    let many = json!(vec!["0123456789"; 1_000]);
    let map: Json = (0..1_000).map(|key| (format!("key-{key}"), json!(1))).collect::<serde_json::Map<_, _>>().into();
    let view = |output| TaskView { status: "completed", output: Some(output), outputs: None };
    let context = Context { tasks: [("list", view(&many)), ("load", view(&map))].into(), ..Context::default() };
    let tasks = tasks();
    for text in [
        "size(tasks.list.output.map(x, 1))",
        "size(tasks.list.output.filter(x, true))",
        "tasks.load.output.all(key, true)",
        "size(tasks.list.output + tasks.list.output)",
        "size(tasks.list.output.join())",
        "tasks.list.output.all(x, size([x, x, x, x]) == 4)",
        "tasks.list.output.all(x, size({'a': x}) == 1)",
        "tasks.list.output.all(x, x + x != '')",
        "tasks.list.output.all(x, x.upper() == x)",
        "tasks.list.output.all(x, size(x.split('')) == 10)",
        "tasks.list.output.all(x, json(x) != '')",
        "tasks.list.output.all(x, parseJson('[1, 2]') != null)",
        "tasks.list.output.all(x, string(123456789) != '')",
    ] {
        let program = Program::compile(text, &scope(&tasks)).expect(text);
        assert!(program.evaluate(&context, Budget::default()).is_ok(), "`{text}`");
        let error = program.evaluate(&context, Budget { made_bytes: 8_000, ..Budget::default() }).expect_err(text);
        assert_eq!(error.kind, EvalErrorKind::BudgetExceeded { spent: Spent::MadeBytes, limit: 8_000 }, "`{text}`");
    }
}

#[test]
fn a_budget_is_for_a_whole_template() {
    let world = World::new();
    let template = json!(vec!["${{ [1, 2, 3].map(x, x + 1) }}"; 10]);
    let template = Template::parse(&template, &Scope::default()).expect("it compiles");
    let render = |steps| template.render(&world.context(), Budget { steps, ..Budget::default() });
    assert!(render(1_000).is_ok());
    assert_eq!(render(100).unwrap_err().error.kind.code(), "budget_exceeded");
    let large = Template::parse(&json!(vec!["${{ params.x }}"; 9]), &Scope::default()).expect("it compiles");
    let params = json!({"x": "a".repeat(200_000)});
    let context = Context { params: Some(&params), ..Context::default() };
    assert_eq!(large.render(&context, Budget::default()).unwrap_err().error.kind.code(), "result_too_large");
}

/// Programs as the grammar makes them, most of them with types that do not fit.
fn program() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("1"),
        Just("-9223372036854775808"),
        Just("9223372036854775807"),
        Just("0"),
        Just("0.0"),
        Just("1e308"),
        Just("''"),
        Just("'a,b'"),
        Just("true"),
        Just("null"),
        Just("[]"),
        Just("{}"),
        Just("x"),
        Just("y"),
        Just("item"),
        Just("index"),
        Just("params"),
        Just("params.tags"),
        Just("tasks.load.output"),
        Just("tasks.list.output.files"),
        Just("tasks.skipped.output"),
        Just("tasks['a-b'].output"),
        Just("schedule.instant"),
        Just("int"),
        Just("'(a*)*b'"),
    ]
    .prop_map(str::to_owned);
    leaf.prop_recursive(6, 60, 4, |inner| {
        let operator =
            prop::sample::select(vec!["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "in", "&&", "||"]);
        let function = prop::sample::select(vec![
            "size",
            "int",
            "double",
            "string",
            "bool",
            "type",
            "lower",
            "upper",
            "json",
            "parseJson",
            "join",
        ]);
        let method = prop::sample::select(vec!["contains", "startsWith", "endsWith", "matches", "split", "join"]);
        let each = prop::sample::select(vec!["map", "filter", "all", "exists", "exists_one"]);
        let two = (inner.clone(), inner.clone());
        prop_oneof![
            (two.clone(), operator).prop_map(|((a, b), o)| format!("({a}) {o} {b}")),
            (two.clone(), each).prop_map(|((a, b), e)| format!("({a}).{e}(x, {b})")),
            (two.clone(), method).prop_map(|((a, b), m)| format!("({a}).{m}({b})")),
            (inner.clone(), function).prop_map(|(a, f)| format!("{f}({a})")),
            two.clone().prop_map(|(a, b)| format!("({a})[{b}]")),
            two.clone().prop_map(|(a, b)| format!("default({a}, {b})")),
            two.clone().prop_map(|(a, b)| format!("{{string({a}): {b}}}")),
            two.prop_map(|(a, b)| format!("[{a}, {b}]")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a}) ? {b} : {c}")),
            inner.clone().prop_map(|a| format!("has(({a}).rows)")),
            inner.clone().prop_map(|a| format!("!({a})")),
            inner.prop_map(|a| format!("-({a})")),
        ]
    })
    // `x` and `y` exist then.
    .prop_map(|text| format!("[1, 'b', [2.5]].map(x, {{'k': 3}}.map(y, {text}))"))
}

/// A text with a few bytes changed, so that it is nearly a program.
fn mutated() -> impl Strategy<Value = String> {
    let change = (
        any::<prop::sample::Index>(),
        prop::sample::select(" '\"\\(){}[]$.,:?!=<>&|-+*/%0xeé~\0\n\u{2028}".chars().collect::<Vec<_>>()),
        0..3u8,
    );
    (program(), prop::collection::vec(change, 1..6)).prop_map(|(text, changes)| {
        let mut text: Vec<char> = text.chars().collect();
        for (index, new, how) in changes {
            let at = index.index(text.len());
            match how {
                0 => text[at] = new,
                1 => text.insert(at, new),
                _ if text.len() > 1 => drop(text.remove(at)),
                _ => {}
            }
        }
        text.into_iter().collect()
    })
}

/// Everything that can be done with a text, twice.
fn survives(text: &str) -> bool {
    let (tasks, world) = (tasks(), World::new());
    let (scope, budget) = (scope(&tasks), Budget { steps: 200, made_bytes: 1 << 20, result_bytes: 1_000 });
    let context = world.context();
    let mut compiled = false;
    if let Ok(program) = Program::compile(text, &scope) {
        compiled = true;
        let (result, steps) = program.measure(&context, budget);
        assert!(steps <= budget.steps, "`{text}` took {steps} steps");
        assert_eq!(program.measure(&context, budget), (result.clone(), steps), "`{text}`");
        match result {
            Ok(value) => assert!(value.to_string().len() <= budget.result_bytes, "`{text}`"),
            Err(error) => assert!(text.is_char_boundary(error.offset), "`{text}`: {error}"),
        }
    }
    for text in [text.to_owned(), format!("a ${{{{ {text} }}}} b"), format!("${{{{{text}}}}}")] {
        if let Ok(template) = Template::parse_str(&text, &scope) {
            let first = template.render(&context, budget);
            assert_eq!(first, template.render(&context, budget), "`{text}`");
        }
        let _ = Spread::compile(&json!(text), &scope).map(|spread| spread.items(&context, budget));
    }
    if let Err(error) = Program::compile(text, &scope) {
        assert!(text.is_char_boundary(error.offset), "`{text}`: {error}");
    }
    compiled
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn programs_of_the_grammar_compile_and_stay_within_their_budget(text in program()) {
        prop_assert!(text.len() > limits::PROGRAM_BYTES_MAX || survives(&text) || text.contains("(a*)*b"), "{}", text);
    }

    #[test]
    fn mutated_programs_panic_nowhere(text in mutated()) {
        survives(&text);
    }

    #[test]
    fn bytes_panic_nowhere(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        survives(&String::from_utf8_lossy(&bytes));
    }
}
