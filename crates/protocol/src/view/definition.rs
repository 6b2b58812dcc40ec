//! Definitions and the audit log.

use mainspring_core::row::{AuditRow, DefinitionRow};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::time::Rfc3339;

/// One version of a definition.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DefinitionView {
    /// `task`, `job` or `profile`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Whom it belongs to.
    pub user_id: String,
    /// 1, 2, …
    pub version: u32,
    /// When it was applied.
    pub applied_at: Rfc3339,
    /// Who applied it; absent for what was applied before this was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_by: Option<String>,
    /// What was applied; `null` if this version deleted it.
    pub body: Option<Box<RawValue>>,
}

impl DefinitionView {
    /// Shows a row.
    pub fn from_row(row: &DefinitionRow) -> Self {
        Self {
            kind: row.kind.word().to_owned(),
            name: row.name.to_string(),
            user_id: row.tenant.to_string(),
            version: row.version,
            applied_at: Rfc3339(row.at),
            applied_by: (!row.actor.is_empty()).then(|| row.actor.to_string()),
            body: row.body.as_deref().and_then(|text| RawValue::from_string(text.to_owned()).ok()),
        }
    }
}

/// The answer to an applied or deleted definition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppliedView {
    /// Its name.
    pub name: String,
    /// The version that holds now.
    pub version: u32,
    /// Whether nothing had to be done: the newest version was the same already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unchanged: bool,
}

/// The definition that a job was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DefinitionRef {
    /// Its name.
    pub name: String,
    /// The version that the job keeps; `null` if the job only bears the name and was not made from a stored definition.
    pub version: Option<u32>,
}

/// A record of an operator's action.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditView {
    /// When.
    pub timestamp: Rfc3339,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// On what.
    pub target: String,
    /// What was before, or why.
    pub detail: Option<Box<RawValue>>,
}

impl AuditView {
    /// Shows a row.
    pub fn from_row(row: &AuditRow) -> Self {
        Self {
            timestamp: Rfc3339(row.at),
            actor: row.actor.to_string(),
            action: row.action.to_string(),
            target: row.target.to_string(),
            detail: RawValue::from_string(row.detail.to_string()).ok(),
        }
    }
}

/// What differs between two versions of a definition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DefinitionDiffView {
    /// `task`, `job` or `profile`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The earlier version; 0 stands for nothing at all.
    pub from: u32,
    /// The later version.
    pub to: u32,
    /// What was changed, in the order of the later document; what is gone comes last at its place.
    pub changes: Vec<DifferenceView>,
}

/// One place at which two documents differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DifferenceView {
    /// `add`, `remove` or `replace`.
    pub op: String,
    /// A JSON pointer.
    pub path: String,
    /// What stood there before; absent for what was added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What stands there now; absent for what was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// Every place at which two documents differ. Lists are compared element by element.
pub fn differences(before: &Value, after: &Value) -> Vec<DifferenceView> {
    let mut found = Vec::new();
    compare("", before, after, &mut found);
    found
}

fn compare(path: &str, before: &Value, after: &Value, found: &mut Vec<DifferenceView>) {
    let at = |name: &str| format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (name, value) in after {
                pair(at(name), before.get(name), Some(value), found);
            }
            for (name, value) in before.iter().filter(|(name, _)| !after.contains_key(*name)) {
                pair(at(name), Some(value), None, found);
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            for index in 0..before.len().max(after.len()) {
                pair(at(&index.to_string()), before.get(index), after.get(index), found);
            }
        }
        (before, after) if before == after => {}
        (before, after) => found.push(DifferenceView {
            op: "replace".to_owned(),
            path: path.to_owned(),
            before: Some(before.clone()),
            after: Some(after.clone()),
        }),
    }
}

fn pair(path: String, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<DifferenceView>) {
    let op = match (before, after) {
        (Some(before), Some(after)) => return compare(&path, before, after, found),
        (None, _) => "add",
        (_, None) => "remove",
    };
    found.push(DifferenceView { op: op.to_owned(), path, before: before.cloned(), after: after.cloned() });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_place_that_differs_is_named_with_what_was_and_what_is() {
        let before = json!({"a": {"b/c": 1, "d": [1, 2]}, "gone": true, "same": null});
        let after = json!({"a": {"b/c": 2, "d": [1]}, "new": "x", "same": null});
        let lines: Vec<String> = differences(&before, &after)
            .iter()
            .map(|change| format!("{} {} {:?} {:?}", change.op, change.path, change.before, change.after))
            .collect();
        assert_eq!(
            lines,
            [
                "replace /a/b~1c Some(Number(1)) Some(Number(2))",
                "remove /a/d/1 Some(Number(2)) None",
                "add /new None Some(String(\"x\"))",
                "remove /gone Some(Bool(true)) None",
            ]
        );
        assert_eq!(differences(&before, &before), []);
        assert_eq!(differences(&Value::Null, &json!(1)).len(), 1);
    }
}
