//! The record of what operators ordered: who, what, on what, and what was there before.

use super::super::Shard;
use crate::id::{IdKind, Key, Name};
use crate::job::RerunFrom;
use crate::limits::AUDIT_BODY_BYTES_MAX;
use crate::row::AuditRow;

impl Shard {
    /// Records an order; `detail` is the text of a JSON object.
    pub(super) fn audit(&mut self, actor: &Name, action: &str, target: Name, detail: &str) {
        self.bytes += detail.len();
        self.changes.insert_audit.push(AuditRow {
            at: self.now,
            actor: actor.clone(),
            action: action.into(),
            target,
            detail: detail.into(),
        });
        self.rows += 1;
    }

    pub(super) fn audit_task(&mut self, actor: &Name, action: &str, key: Key, detail: &str) {
        self.audit(actor, action, key.id(IdKind::Task).into(), detail);
    }

    pub(super) fn audit_job(&mut self, actor: &Name, action: &str, key: Key, detail: &str) {
        self.audit(actor, action, key.id(IdKind::Job).into(), detail);
    }

    /// The answer to an approval, with what was said beside it.
    pub(in super::super) fn audit_signal(&mut self, actor: &Name, key: Key, approved: bool, output: Option<&str>) {
        let said = match output {
            Some(output) if output.len() <= AUDIT_BODY_BYTES_MAX => format!(r#","output":{output}"#),
            Some(output) => format!(r#","outputBytes":{}"#, output.len()),
            None => String::new(),
        };
        self.audit_task(actor, "task.signal", key, &format!(r#"{{"approved":{approved}{said}}}"#));
    }

    /// Where a rerun began: a word, and the task if it is one.
    pub(super) fn rerun_detail(&self, job: Key, from: &RerunFrom) -> String {
        match from {
            RerunFrom::Failed => r#"{"from":"failed"}"#.to_owned(),
            RerunFrom::Start => r#"{"from":"start"}"#.to_owned(),
            RerunFrom::Task(index) => {
                let key = job.task_of_job(*index);
                let name = self.tasks.get(&key).and_then(|task| task.row.given_id.clone());
                let name = name.unwrap_or_else(|| key.id(IdKind::Task).into());
                format!(r#"{{"from":"task","task":{}}}"#, quoted(&name))
            }
        }
    }
}

/// What stood there before: a status word or the like.
pub(super) fn before(word: &str) -> String {
    format!(r#"{{"before":{}}}"#, quoted(word))
}

/// The body that an edit replaces: whole, or its beginning and its length; `None`: nobody knows it any more.
pub(super) fn before_edit(body: Option<&str>) -> String {
    match body {
        Some(body) if body.len() <= AUDIT_BODY_BYTES_MAX => format!(r#"{{"before":{body}}}"#),
        Some(body) => {
            let cut = (0..=AUDIT_BODY_BYTES_MAX).rev().find(|at| body.is_char_boundary(*at)).unwrap_or(0);
            format!(r#"{{"beforeStart":{},"beforeBytes":{}}}"#, quoted(&body[..cut]), body.len())
        }
        None => r#"{"before":null}"#.to_owned(),
    }
}

/// A text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            '\0'..='\x1f' => out.push_str(&format!("\\u{:04x}", u32::from(char))),
            char => out.push(char),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_quoted_as_json() {
        assert_eq!(quoted("a\"b\\c\nd\u{1}é"), "\"a\\\"b\\\\c\\u000ad\\u0001é\"");
    }

    #[test]
    fn a_body_beyond_the_limit_is_cut_at_a_character_and_its_length_is_told() {
        let whole = format!("{{\"p\":\"{}\"}}", "é".repeat(AUDIT_BODY_BYTES_MAX / 2 - 4));
        assert_eq!(whole.len(), AUDIT_BODY_BYTES_MAX);
        assert_eq!(before_edit(Some(&whole)), format!("{{\"before\":{whole}}}"));
        let long = format!("{{\"p\":\"{}\"}}", "é".repeat(AUDIT_BODY_BYTES_MAX));
        let detail = before_edit(Some(&long));
        let start = "é".repeat(AUDIT_BODY_BYTES_MAX / 2 - 3);
        let expected = format!(r#"{{"beforeStart":"{{\"p\":\"{start}","beforeBytes":{}}}"#, long.len());
        assert_eq!(detail, expected);
        assert_eq!(before_edit(None), r#"{"before":null}"#);
    }
}
