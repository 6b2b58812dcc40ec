//! Definitions and the audit log.

use mainspring_core::row::{AuditRow, DefinitionKind, DefinitionRow};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::time::Rfc3339;

/// One version of a definition.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DefinitionView {
    /// `task` or `job`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Whom it belongs to.
    pub user_id: String,
    /// 1, 2, …
    pub version: u32,
    /// When it was applied.
    pub applied_at: Rfc3339,
    /// What was applied; `null` if this version deleted it.
    pub body: Option<Box<RawValue>>,
}

impl DefinitionView {
    /// Shows a row.
    pub fn from_row(row: &DefinitionRow) -> Self {
        Self {
            kind: match row.kind {
                DefinitionKind::Task => "task",
                DefinitionKind::Job => "job",
            }
            .to_owned(),
            name: row.name.to_string(),
            user_id: row.tenant.to_string(),
            version: row.version,
            applied_at: Rfc3339(row.at),
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
