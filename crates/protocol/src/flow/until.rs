//! The condition that ends the waiting of a sensor. Workers evaluate it over what their own attempt returned.

use mainspring_expression::{Budget, Condition, Context};
use serde_json::Value;

use crate::submit::UNTIL_SCOPE;

/// Whether the condition of a sensor holds over the JSON text of an output; no output is null.
///
/// # Errors
/// Why that cannot be said: it is not retried.
pub fn until_holds(condition: &str, output: Option<&str>) -> Result<bool, String> {
    let told = |error: String| format!("`until`: `{condition}`: {error}");
    let compiled = Condition::compile(condition, &UNTIL_SCOPE).map_err(|error| told(error.to_string()))?;
    let output: Value = serde_json::from_str(output.unwrap_or("null")).map_err(|error| told(error.to_string()))?;
    let context = Context { output: Some(&output), ..Context::default() };
    compiled.evaluate(&context, Budget::default()).map_err(|error| told(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sensor_asks_its_own_output() {
        assert_eq!(until_holds("output.ready", Some(r#"{"ready":true}"#)), Ok(true));
        assert_eq!(until_holds("output != null", None), Ok(false));
        assert_eq!(until_holds("default(output.n, 0) > 1", None), Ok(false));
        let error = until_holds("output.ready", None).expect_err("null has no fields");
        assert!(error.starts_with("`until`: `output.ready`: "), "{error}");
    }
}
