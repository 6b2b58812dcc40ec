//! A name for a job whose scheduler knew only its command line.

/// Longer names are cut.
const LENGTH_MAX: usize = 60;

/// Programs that only start others, and words of the shell.
const BEFORE_THE_PROGRAM: [&str; 29] = [
    "sleep",
    "run-parts",
    "cd",
    "test",
    "[",
    "env",
    "nice",
    "ionice",
    "sudo",
    "flock",
    "timeout",
    "command",
    "exec",
    "sh",
    "bash",
    "python",
    "python3",
    "perl",
    "php",
    "node",
    "ruby",
    "chronic",
    "then",
    "if",
    "nohup",
    "time",
    "dash",
    "java",
    "export",
];

/// A name from the program that a shell script runs.
pub(super) fn of_command(command: &str) -> String {
    let mut skipped = None;
    for part in command.split([';', '|', '&']) {
        let mut tested = false;
        for word in part.split_whitespace() {
            let word = word.trim_matches(['(', '{', '"', '\'', '`']);
            tested |= word == "[" || word == "test" || word == "cd";
            let base = slug(word.rsplit('/').next().unwrap_or_default());
            let is_number = word.bytes().all(|byte| byte.is_ascii_digit() || b"smhd.".contains(&byte));
            if word.starts_with('-') || word.contains('=') || is_number || base.is_empty() {
                continue;
            }
            if tested || BEFORE_THE_PROGRAM.contains(&base.as_str()) || BEFORE_THE_PROGRAM.contains(&word) {
                skipped = skipped.or(Some(base));
                continue;
            }
            return base;
        }
    }
    skipped.unwrap_or_else(|| "job".to_owned())
}

/// Letters, digits and hyphens of a text, without a script's ending.
pub(super) fn slug(text: &str) -> String {
    let stem = [".sh", ".py", ".pl", ".rb", ".php", ".js", ".jar"].iter().find_map(|ending| text.strip_suffix(ending));
    let mut name = String::new();
    for c in stem.unwrap_or(text).chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_lowercase());
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    name.truncate(LENGTH_MAX);
    name.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_names_the_job_whatever_stands_before_it() {
        for (command, name) in [
            ("/usr/local/bin/backup.sh --full", "backup"),
            ("cd / && run-parts --report /etc/cron.hourly", "cron-hourly"),
            ("test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }", "cron-daily"),
            ("[ -x /usr/lib/php/sessionclean ] && /usr/lib/php/sessionclean", "sessionclean"),
            ("LANG=C nice -n 19 python3 -u /opt/report.py > /dev/null 2>&1", "report"),
            ("timeout 5m bash -c 'echo hi'", "echo"),
            ("sleep 5; /srv/app/start", "start"),
            ("cd /srv/app", "cd"),
            ("%%%", "job"),
        ] {
            assert_eq!(of_command(command), name, "{command}");
        }
    }
}
