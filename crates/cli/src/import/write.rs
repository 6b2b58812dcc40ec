//! Jobs as YAML for people to review: one document each, with a comment that says where it comes from.

use std::fmt::Write as _;

use super::{Job, Task, Work};

/// All jobs as one file.
pub(crate) fn yaml(jobs: &[Job], heading: &str) -> String {
    let mut out = String::new();
    for line in heading.lines() {
        let _ = writeln!(out, "# {line}");
    }
    for job in jobs {
        out.push_str("---\n");
        document(&mut out, job);
    }
    out
}

fn document(out: &mut String, job: &Job) {
    for comment in job.comments.iter().flat_map(|comment| comment.lines()) {
        let _ = writeln!(out, "# {}", printable(comment));
    }
    let _ = writeln!(out, "job: {}", scalar(&job.name));
    if !job.schedule.is_empty() {
        let is_number = |value: &str| value.bytes().all(|byte| byte.is_ascii_digit());
        let word = |value: &str| if is_number(value) { value.to_owned() } else { scalar(value) };
        let fields = job.schedule.iter().map(|(field, value)| format!("{field}: {}", word(value)));
        let _ = writeln!(out, "schedule: {{{}}}", fields.collect::<Vec<_>>().join(", "));
    }
    out.push_str("tasks:\n");
    for task in &job.tasks {
        write_task(out, task);
    }
}

fn write_task(out: &mut String, task: &Task) {
    let _ = writeln!(out, "  {}:", scalar(&task.name));
    match &task.work {
        Work::Run(script) => text(out, "run", script),
        Work::Command(arguments) => {
            let arguments = arguments.iter().map(|argument| quoted(argument)).collect::<Vec<_>>().join(", ");
            let _ = writeln!(out, "    command: [{arguments}]");
        }
        Work::Handler { kind, payload } => {
            let _ = writeln!(out, "    type: {}\n    payload: {payload}", scalar(kind));
        }
    }
    if !task.needs.is_empty() {
        let needs = task.needs.iter().map(|name| scalar(name)).collect::<Vec<_>>().join(", ");
        let _ = writeln!(out, "    needs: [{needs}]");
    }
    for (field, value) in &task.fields {
        let _ = writeln!(out, "    {field}: {value}");
    }
    for (field, value) in [("workingDir", &task.working_dir), ("queue", &task.queue)] {
        if let Some(value) = value {
            let _ = writeln!(out, "    {field}: {}", quoted(value));
        }
    }
    for (field, entries) in [("env", &task.env), ("labels", &task.labels)] {
        if !entries.is_empty() {
            let _ = writeln!(out, "    {field}:");
            for (name, value) in entries {
                let _ = writeln!(out, "      {}: {}", scalar(name), quoted(value));
            }
        }
    }
}

/// A script: as a block if it can be read as one, else quoted.
fn text(out: &mut String, field: &str, script: &str) {
    let plain = |c: char| {
        c == '\n' || (' '..='~').contains(&c) || (c > '\u{a0}' && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}'))
    };
    if script.starts_with([' ', '\n']) || script.ends_with(['\n', ' ']) || !script.chars().all(plain) {
        let _ = writeln!(out, "    {field}: {}", quoted(script));
        return;
    }
    let _ = writeln!(out, "    {field}: |-");
    for line in script.lines() {
        let _ = writeln!(out, "{}{line}", if line.is_empty() { "" } else { "      " });
    }
}

/// A word that needs no quotes, or a quoted text.
fn scalar(text: &str) -> String {
    let means_something = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_/.".contains(&byte))
        && !means_something.iter().any(|word| text.eq_ignore_ascii_case(word));
    if plain { text.to_owned() } else { quoted(text) }
}

/// JSON's quotes are YAML's.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text can be written").replace('\u{7f}', "\\u007f")
}

fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
