//! Claims about input that nobody wrote in good faith: it is accepted or refused with code and place, soon, and never
//! panics.

use std::time::{Duration, Instant};

use mainspring_core::row::DefinitionKind;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::problem::Problem;

const TASK: &str = r#"{"taskId":"a-1","taskName":"Näme","type":"t","payload":{"n":[1,0.5,1e9],"s":"\u00e9\ud83d\ude00"},
"env":{"A":"x","B":2},"queue":"q","priority":9,"delaySeconds":"1h30m","retries":5,"backoff":{"type":"linear","initial":"2s",
"factor":1.5},"timeout":1.5,"onWorkerLost":"hold","tags":["a","b"],"labels":{"zone":"eu"},"idempotencyKey":"k",
"retryOn":"F","successExitCodes":[0,3],"userId":"u","x-note":null}"#;
const JOB: &str = r#"{"jobId":"j","jobName":"n","userId":"u","failurePolicy":"fail_fast","defaults":{"retries":1,"env":{"A":"1"}},
"tasks":["known",{"taskId":"b","command":"echo 'x y'","needs":"known"},{"taskId":"c","http":{"url":"http://x","json":{"a":[1]}},
"needs":["b","known"],"trigger":"all_done"}],"dependencies":{"c":["b"]},"tags":["t"],"priority":3}"#;
const YAML: &str = "\
job: daily # comment
defaults: {retries: 3, timeout: 10m, env: {A: base}}
x-note: &later {delaySeconds: 5, tags: [a, \"b\"]}
tasks:
  hello: echo \"one line\"
  extract: {command: [python, extract.py, 7], env: {A: own}}
  clean:
    <<: *later
    needs: [extract, hello]
    run: |
      rm -rf work
      exit 0
dependencies: {extract: hello}
";
/// What mutations put in.
const WORDS: &[&str] = &[
    "\"",
    "'",
    "{",
    "}",
    "[",
    "]",
    ":",
    ": ",
    ",",
    "\n",
    "\n  ",
    "\t",
    "- ",
    "? ",
    "&a ",
    "*a",
    "<<: *later",
    "|",
    ">-",
    "---\n",
    "...",
    "%YAML 1.1\n",
    "#",
    "!!str ",
    "!!binary ",
    "!",
    "null",
    "~",
    "yes",
    "true",
    "-1",
    "1e400",
    "0.1000",
    "NaN",
    ".inf",
    "99999999999999999999",
    "\\u0000",
    "\\ud800",
    "\\",
    "\u{0}",
    "\u{feff}",
    "\u{202e}",
    "é",
    "😀",
    "${{ x }}",
    "\"retries\":",
    "\"retrys\":1,",
    "\"a\":",
    "x-",
    "needs: [clean]",
    "\"needs\":[\"c\"],",
    "{\"a\":1,\"a\":2}",
    "\r\n",
    " ",
    "\u{7f}",
    "\u{85}",
];
const BYTES: usize = 64 << 10;
/// Longest time for one text in a build without optimisation, on a machine with other work. Time that grows with the
/// square of the text is far beyond it.
const LIMIT: Duration = Duration::from_secs(3);

fn known(_: DefinitionKind, name: &str) -> Option<Found> {
    (name == "known").then(|| Found { text: r#"{"taskId":"known","run":"ls","retries":2}"#.into(), version: None })
}

/// Reads a text in one way; gives the refusals.
type Reader = fn(&[u8]) -> Vec<Problem>;

/// All ways to read a text, with the kind of places they name.
const READERS: &[(&str, Reader)] = &[
    ("json", |bytes| parse_task(bytes, &defaults()).err().into_iter().collect()),
    ("json", |bytes| submitted(bytes, false)),
    ("lines", |bytes| submitted(bytes, true)),
    ("json", |bytes| parse_job(bytes, Format::Json, &defaults(), &known).err().into_iter().collect()),
    ("yaml", |bytes| parse_job(bytes, Format::Yaml, &defaults(), &known).err().into_iter().collect()),
    ("json", |bytes| defined(DefinitionKind::Task, bytes, Format::Json)),
    ("json", |bytes| defined(DefinitionKind::Job, bytes, Format::Json)),
    ("yaml", |bytes| defined(DefinitionKind::Task, bytes, Format::Yaml)),
    ("yaml", |bytes| defined(DefinitionKind::Job, bytes, Format::Yaml)),
    ("json", |bytes| {
        referenced_tasks(bytes, Format::Json);
        Vec::new()
    }),
    ("yaml", |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return Vec::new() };
        match parse_definition_file(text, &known) {
            Ok(documents) => documents.into_iter().filter_map(|document| document.job.err()).collect(),
            Err(problem) => vec![problem],
        }
    }),
];

fn defaults() -> Defaults {
    Defaults { idempotency_key: Some("key".into()), ..Defaults::default() }
}

fn submitted(bytes: &[u8], lines: bool) -> Vec<Problem> {
    match parse_submission(bytes, lines, &defaults()) {
        Ok(Submission::One(_)) => Vec::new(),
        Ok(Submission::Many(tasks)) => tasks.into_iter().filter_map(Result::err).collect(),
        Err(problem) => vec![problem],
    }
}

fn defined(kind: DefinitionKind, bytes: &[u8], format: Format) -> Vec<Problem> {
    parse_definition(kind, "a-1", bytes, format, &known).err().into_iter().collect()
}

/// Reads a text in every way and checks each refusal.
fn judge(bytes: &[u8]) {
    for (places, read) in READERS {
        check_all(bytes, places, &read(bytes));
    }
}

fn check_all(bytes: &[u8], places: &str, problems: &[Problem]) {
    let mut value = serde_json::from_slice::<serde_json::Value>(bytes).ok();
    if let Some(object) = value.as_mut().filter(|value| places == "lines" && !value.is_array()) {
        // One line.
        *object = serde_json::json!([object.take()]);
    }
    problems.iter().for_each(|problem| check(value.as_ref(), places, problem));
}

/// Whether a refusal says what is wrong, and where; without items it is about the whole body.
fn check(body: Option<&serde_json::Value>, places: &str, problem: &Problem) {
    let shown = || format!("{places}: {problem:?}").chars().take(600).collect::<String>();
    assert!((400..500).contains(&problem.status) && !problem.detail.is_empty(), "{}", shown());
    assert!(problem.errors.len() <= 100 && problem.detail.len() < 1_200, "{}", shown());
    for item in &problem.errors {
        assert!(item.code.is_some() && !item.detail.is_empty(), "{}", shown());
        assert!(item.detail.len() + item.pointer.len() < 2_100, "{}", shown());
        assert!(item.pointer.is_empty() || item.pointer.starts_with('/'), "{}", shown());
        if places == "yaml" {
            assert!(item.line.is_some_and(|line| line > 0) && item.column.is_some(), "{}", shown());
        } else if let (Some(body), Some((around, _))) = (body, item.pointer.rsplit_once('/')) {
            assert!(body.pointer(around).is_some(), "it points nowhere: {}", shown());
        }
    }
}

fn mutated(start: &str, edits: &[(u8, Index, Index, Index)]) -> Vec<u8> {
    let mut bytes = start.as_bytes().to_vec();
    for (kind, at, length, word) in edits {
        let from = at.index(bytes.len() + 1);
        let to = (from + length.index(12)).min(bytes.len());
        match kind % 4 {
            0 => drop(bytes.splice(from..from, word.get(WORDS).bytes())),
            1 => drop(bytes.splice(from..to, word.get(WORDS).bytes())),
            2 => drop(bytes.drain(from..to)),
            _ => {
                let copy = bytes[from..to].to_vec();
                let other = word.index(bytes.len() + 1);
                drop(bytes.splice(other..other, copy));
            }
        }
    }
    bytes
}

proptest! {
    #[test]
    fn what_was_valid_once_is_accepted_or_refused_with_its_place(
        start in prop::sample::select(&[TASK, JOB, YAML][..]),
        edits in prop::collection::vec(any::<(u8, Index, Index, Index)>(), 1..6),
    ) {
        judge(&mutated(start, &edits));
    }

    #[test]
    fn any_text_of_words_is_accepted_or_refused_with_its_place(
        words in prop::collection::vec(prop::sample::select(WORDS), 0..40),
    ) {
        judge(words.concat().as_bytes());
    }

    #[test]
    fn any_bytes_are_accepted_or_refused_with_a_code(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        judge(&bytes);
    }
}

#[test]
fn what_the_mutations_start_from_is_valid() {
    assert!(parse_task(TASK.as_bytes(), &Defaults::default()).is_ok());
    for (text, format) in [(JOB, Format::Json), (YAML, Format::Yaml)] {
        let job = parse_job(text.as_bytes(), format, &Defaults::default(), &known);
        assert!(job.is_ok(), "{job:?}");
    }
}

/// Texts of 64 KiB that each make one thing large.
fn large_texts() -> Vec<String> {
    let wrap = |before: &str, unit: &dyn Fn(usize) -> String, after: &str| {
        let mut text = before.to_owned();
        for n in 0.. {
            let next = unit(n);
            if text.len() + next.len() + after.len() > BYTES {
                break;
            }
            text.push_str(&next);
        }
        text.push_str(after);
        text
    };
    let mut texts: Vec<String> = WORDS.iter().map(|word| word.repeat(BYTES / word.len())).collect();
    texts.extend(
        [
            "[[",
            "{a: ",
            "{\"a\":",
            "- - ",
            "[a, ",
            "a: b\n",
            "a:\n  ",
            "\"a\" ",
            "''",
            "[*a,",
            "&a &b ",
            "[]{}",
            "? a\n: b\n",
        ]
        .map(|word| word.repeat(BYTES / word.len())),
    );
    for (before, after) in [(r#"{"type":"a","#, r#""x":1}"#), (r#"{"tasks":{"a":"ls"},"#, r#""x":1}"#)] {
        texts.push(wrap(before, &|n| format!("\"f{n}\":1,"), after));
        texts.push(wrap(before, &|_| "\"retries\":1,".to_owned(), after));
    }
    for field in
        ["payload", "env", "labels", "http", "backoff", "tags", "command", "needs", "defaults", "tasks", "dependencies"]
    {
        texts.push(wrap(&format!(r#"{{"type":"a","{field}":{{"#), &|n| format!("\"f{n}\":1,"), r#""x":1}}"#));
        texts.push(wrap(&format!(r#"{{"type":"a","{field}":["#), &|n| format!("\"f{n}\","), r#""x"]}"#));
    }
    texts.push(wrap("[", &|_| r#"{"a":1,"b":2,"retrys":3},"#.to_owned(), "{}]"));
    texts.push(wrap(r#"{"tasks":{"#, &|n| format!("\"t{n}\":\"ls\","), r#""x":"ls"}}"#));
    texts.push(wrap(
        r#"{"tasks":{"#,
        &|n| format!("\"t{n}\":{{\"run\":\"ls\",\"needs\":[\"u{n}\",\"t{}\"]}},", n + 1),
        r#""x":"ls"}}"#,
    ));
    texts.push(wrap(r#"{"tasks":{"a":"ls"},"dependencies":{"#, &|n| format!("\"u{n}\":\"a\","), r#""a":"x"}}"#));
    texts.push(wrap("tasks:\n", &|n| format!("  t{n}: ls\n"), ""));
    texts.push(wrap("b: &b {retries: 1}\ntasks:\n", &|n| format!("  t{n}: {{run: ls, <<: *b}}\n"), ""));
    texts.push(wrap("a0: &a0 [x]\n", &|n| format!("a{}: &a{} [*a{n}, *a{n}]\n", n + 1, n + 1), ""));
    texts.push(wrap("b: &b {x: 1}\n", &|n| format!("c{n}: &c{n} {{<<: [*b, *b, *b]}}\n"), ""));
    texts.push(wrap("a: [", &|_| "'yes', ".to_owned(), "no]"));
    texts.push(wrap("a: \"", &|_| "\\u00e9".to_owned(), "\""));
    texts
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the claim is about time")]
fn sixty_four_kibibytes_of_anything_are_judged_within_seconds() {
    for text in large_texts() {
        for (places, read) in READERS {
            // The fastest of three: other work on the machine is not what is judged.
            let mut took = Duration::MAX;
            let mut problems = Vec::new();
            for _ in 0..3 {
                let start = Instant::now();
                problems = read(text.as_bytes());
                took = took.min(start.elapsed());
                if took < LIMIT {
                    break;
                }
            }
            assert!(took < LIMIT, "{places}: {took:?} for {:?}…", text.chars().take(60).collect::<String>());
            check_all(text.as_bytes(), places, &problems);
        }
    }
}
