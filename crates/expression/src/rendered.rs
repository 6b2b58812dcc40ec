//! What rendering gives: JSON, and beside it the places of secrets.
//!
//! *Invariant:* where a secret goes is said by the template alone. It stands beside the value and not in it, so that nothing a task
//! returned can pass for a reference to a secret.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// A rendered template. It contains no secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rendered {
    /// The value, with nothing where secrets go.
    pub value: Json,
    /// Where secrets go, in the order of the template.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretPlace>,
}

/// Where a secret goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretPlace {
    /// JSON pointer of the string in the value.
    pub pointer: String,
    /// The byte of that string before which the secret goes.
    pub at: usize,
    /// The name of the secret.
    pub name: String,
}

/// Why secrets cannot be put in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FillError {
    /// Nobody knows the secret.
    #[error("there is no secret `{0}`")]
    NoSuchSecret(String),
    /// The place is not in the value: the two do not belong together.
    #[error("there is no place for a secret at `{0}`")]
    NoSuchPlace(String),
}

impl Rendered {
    /// Puts the secrets in. For the worker only; what it gives must not be logged.
    ///
    /// # Errors
    /// The first secret that `reveal` does not know, or a place that is not in the value.
    pub fn fill(self, reveal: impl Fn(&str) -> Option<String>) -> Result<Json, FillError> {
        let Self { mut value, secrets } = self;
        // From the last to the first, so that the places before stay where they are.
        for place in secrets.into_iter().rev() {
            let secret = reveal(&place.name).ok_or(FillError::NoSuchSecret(place.name))?;
            match value.pointer_mut(&place.pointer) {
                Some(Json::String(text)) if text.is_char_boundary(place.at) => text.insert_str(place.at, &secret),
                _ => return Err(FillError::NoSuchPlace(place.pointer)),
            }
        }
        Ok(value)
    }
}
