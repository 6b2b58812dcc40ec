//! Crontabs: a user's own, and the system's (`/etc/crontab`, `/etc/cron.d`) with a column for the user.
//!
//! The reading follows Debian's cron: an environment line holds for the lines below it, the first unescaped `%` ends the command and each further
//! one is a line break of what the command reads.

use std::collections::BTreeMap;

use mainspring_calendar::{Cron, Zone};

use super::{Imported, Job, Task, Work, name};

/// Whether lines have a column for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    User,
    System,
}

/// Users that a Debian machine has, to recognise the column by.
const USERS: [&str; 20] = [
    "root", "daemon", "bin", "sys", "games", "man", "lp", "mail", "news", "uucp", "proxy", "www-data", "backup",
    "list", "irc", "nobody", "postgres", "mysql", "redis", "git",
];

/// Variables that cron itself sets for each user.
const SET_BY_CRON: [&str; 2] = ["LOGNAME", "USER"];

/// What holds for the lines below.
#[derive(Default)]
struct Surroundings {
    env: BTreeMap<String, String>,
    shell: Option<String>,
    mail: Option<String>,
    home: Option<String>,
    timezone: Option<String>,
}

/// Reads a crontab. Times are those of `timezone` unless a line `CRON_TZ` says otherwise.
pub(crate) fn import(text: &str, form: Form, timezone: &str, origin: &str) -> Imported {
    let mut found = Imported::default();
    let mut around = Surroundings::default();
    let mut remarks: Vec<&str> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() {
            remarks.clear();
        } else if let Some(remark) = line.strip_prefix('#') {
            let names_columns = remark.contains(" dow");
            remarks.extend(Some(remark.trim()).filter(|remark| !names_columns && !remark.is_empty()));
        } else if let Some((variable, value)) = variable(line) {
            set(&mut around, &mut found, number, variable, value);
            remarks.clear();
        } else {
            let mut comments = vec![format!("{origin}:{number}")];
            comments.extend(remarks.drain(..).map(str::to_owned));
            entry(line, number, form, timezone, &around, comments, &mut found);
        }
    }
    if found.jobs.iter().any(|job| job.tasks[0].working_dir.is_none()) {
        found.review(
            0,
            "cron starts programs in the user's home, here it is an empty folder; write `workingDir` where it matters",
        );
    }
    found
}

/// The form that a crontab most likely has.
pub(crate) fn form(text: &str) -> Form {
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    // Debian writes the columns above the entries.
    let header = text.lines().filter(|line| line.starts_with('#')).map(words);
    if header.into_iter().any(|words| words.windows(2).any(|pair| pair[0] == "dow" && pair[1].starts_with("user"))) {
        return Form::System;
    }
    let is_entry = |line: &&str| !line.is_empty() && !line.starts_with('#') && variable(line).is_none();
    let mut entries = text.lines().map(str::trim).filter(is_entry).peekable();
    let has_user = |line: &str| {
        let words = words(line);
        let user = if line.starts_with('@') { 1 } else { 5 };
        let command = words.get(user + 1).is_some_and(|word| !word.starts_with('-'));
        command && words.get(user).is_some_and(|word| USERS.contains(&word.as_str()))
    };
    if entries.peek().is_some() && entries.all(has_user) { Form::System } else { Form::User }
}

/// `NAME = value`, with or without quotes.
fn variable(line: &str) -> Option<(&str, &str)> {
    let unquoted = |text: &'_ str| -> Option<(usize, usize)> {
        let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        (text.len() > 1 && text.ends_with(quote)).then_some((1, text.len() - 1))
    };
    let strip = |text: &'_ str| unquoted(text).map_or((0, text.len()), |inner| inner);
    let (name, value) = line.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let [(from, to), (first, last)] = [strip(name), strip(value)];
    let name = &name[from..to];
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then_some((name, &value[first..last]))
}

fn set(around: &mut Surroundings, found: &mut Imported, line: usize, name: &str, value: &str) {
    let some = Some(value.to_owned()).filter(|value| !value.is_empty());
    match name {
        "SHELL" => around.shell = some.filter(|shell| shell != "/bin/sh" && shell != "/usr/bin/sh"),
        "MAILTO" => {
            if some.is_some() {
                found.review(line, "cron mails all output; a rule can mail on failure, see the comments");
            }
            around.mail = some;
        }
        "MAILFROM" | "RANDOM_DELAY" | "START_HOURS_RANGE" | "CRON_WITHIN" => {
            found.lost(line, format!("`{name}` has no equal here"));
        }
        "CRON_TZ" => match Zone::get(value) {
            Ok(zone) => around.timezone = Some(zone.name().to_owned()),
            Err(error) => found.lost(line, error.to_string()),
        },
        "HOME" => around.home = some,
        name if SET_BY_CRON.contains(&name) => found.lost(line, format!("cron sets `{name}` itself")),
        name if name.starts_with("MAINSPRING_") => found.lost(line, format!("`{name}` is a name of Mainspring's own")),
        name if value.contains("${{") => {
            found.lost(line, format!("`${{{{` in `{name}` would be taken for an expression"));
        }
        name => {
            around.env.insert(name.to_owned(), value.to_owned());
        }
    }
}

/// Cuts the first words off a line; the rest keeps its spaces.
fn cut(line: &str, words: usize) -> Option<(String, &str)> {
    let mut rest = line;
    let mut head = Vec::new();
    for _ in 0..words {
        let (word, after) = rest.split_once([' ', '\t'])?;
        head.push(word);
        rest = after.trim_start();
    }
    Some((head.join(" "), rest))
}

fn entry(
    line: &str,
    number: usize,
    form: Form,
    timezone: &str,
    around: &Surroundings,
    mut comments: Vec<String>,
    found: &mut Imported,
) {
    let line = line.strip_prefix('-').unwrap_or(line); // SUSE: do not log this entry.
    let Some((when, rest)) = cut(line, if line.starts_with('@') { 1 } else { 5 }) else {
        return found.lost(number, "it is neither an entry nor a variable");
    };
    let (user, command) = match (form, cut(rest, 1)) {
        (Form::User, _) => (None, rest),
        (Form::System, Some((user, command))) => (Some(user), command),
        (Form::System, None) => return found.lost(number, "there is no command behind the user"),
    };
    if command.is_empty() {
        return found.lost(number, "there is no command");
    }
    if command.contains("${{") {
        return found.lost(number, "`${{` would be taken for an expression; move the command into a script");
    }
    let mut schedule = Vec::new();
    if when == "@reboot" {
        found.review(number, "`@reboot` has no equal: the job has no schedule; submit it from a unit of the system");
        comments.push("@reboot: no schedule".to_owned());
    } else {
        if let Err(error) = Cron::parse(&when) {
            return found.lost(number, format!("`{when}`: {error}"));
        }
        let zone = around.timezone.as_deref().unwrap_or(timezone);
        // As cron does it: what was missed is gone, and a run does not wait for the one before.
        schedule =
            [("cron", when.as_str()), ("timezone", zone), ("misfire", "skip"), ("overlap", "allow"), ("dst", "vixie")]
                .map(|(field, value)| (field, value.to_owned()))
                .to_vec();
    }
    if let Some(mail) = &around.mail {
        comments.push(format!("notify: [{{when: [failed], email: [{mail}]}}]"));
    }
    if let Some(user) = &user {
        let needs = format!("runs as `{user}`: start a worker as that user with `--shell --label user={user}`");
        found.review(number, needs);
    }
    let script = script(command);
    let name = name::of_command(command);
    let task = Task {
        name: name.clone(),
        work: match &around.shell {
            None => Work::Run(script),
            Some(shell) => Work::Command(vec![shell.clone(), "-c".to_owned(), script]),
        },
        env: around.env.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        labels: user.map(|user| ("user".to_owned(), user)).into_iter().collect(),
        working_dir: around.home.clone(),
        ..Task::default()
    };
    found.add(number, Job { name, comments, schedule, tasks: vec![task] });
}

/// A command with its `%` as cron takes them: the first ends it, what follows is what it reads.
fn script(command: &str) -> String {
    let mut parts = vec![String::new()];
    let mut characters = command.trim_end().chars().peekable();
    while let Some(c) = characters.next() {
        let part = parts.last_mut().expect("it begins with one");
        match c {
            '\\' if characters.peek() == Some(&'%') => part.extend(characters.next()),
            '%' => parts.push(String::new()),
            _ => part.push(c),
        }
    }
    let command = parts.remove(0);
    if parts.is_empty() {
        return command;
    }
    if parts.len() > 1 && parts.last().is_some_and(String::is_empty) {
        parts.pop(); // The last line break ends a line and begins none.
    }
    let input = parts.join("\n");
    let end = (0..).map(|number| if number == 0 { "INPUT".to_owned() } else { format!("INPUT{number}") });
    let end = end.into_iter().find(|end| !input.lines().any(|line| line == end)).expect("numbers do not end");
    format!("{{\n{}\n}} <<'{end}'\n{input}\n{end}", command.trim_end())
}

#[cfg(test)]
#[path = "crontab_tests.rs"]
mod tests;
