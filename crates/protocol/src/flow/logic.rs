//! The stored form of what is decided later. Part of what stores keep: members may be added, their meaning never changes.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What of a task is decided when its turn comes, as JSON: `{"if", "forEach", "with", "job", "version", "params",
/// "values", "approval", "skip"}`, each only where it is needed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Logic {
    /// `if`: the condition under which it runs.
    #[serde(rename = "if", skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// `forEach`: what it is spread over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub for_each: Option<Value>,
    /// The members of its body that have expressions: `command payload http env workingDir`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub with: Map<String, Value>,
    /// The definition of the sub-job that carries it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// The version of that definition; `None`: the newest when its turn comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// The sub-job's parameters, with expressions.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub params: Map<String, Value>,
    /// The same, evaluated: for an instance of a `forEach`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub values: Map<String, Value>,
    /// Each instance of its `forEach` is an approval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalLogic>,
    /// An instance whose condition did not hold.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub skip: bool,
}

/// How an approval in a `forEach` waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApprovalLogic {
    /// Milliseconds until it fails without an answer; `None`: it waits for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

impl Logic {
    /// Whether something must be evaluated before the task goes on.
    pub fn is_evaluated(&self) -> bool {
        *self != Self { approval: self.approval, ..Self::default() }
    }

    /// The text that is stored.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("logic is plain data")
    }

    /// Reads what is stored.
    ///
    /// # Errors
    /// If it is something else.
    pub fn from_text(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}
