//! What became of a configuration that was read again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The answer to a reload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReloadView {
    /// Keys that hold with their new values from now on.
    pub changed: Vec<String>,
    /// Keys whose values differ from those that the server was started with, and that need a restart.
    pub needs_restart: Vec<String>,
}
