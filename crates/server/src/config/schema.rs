//! The JSON Schema of `mainspring.toml`, for editors that know TOML.

use serde_json::{Map, Value, json};

use super::keys::{KEYS, Key, Kind};

/// The schema: the same keys and kinds that are read.
pub fn config_schema() -> Value {
    let own = tables();
    let mut properties = own.clone();
    properties.insert(
        "env".to_owned(),
        json!({
            "type": "object",
            "description": "Overlays: `[env.production]` holds with `--env production`.",
            "additionalProperties": {"type": "object", "properties": own, "additionalProperties": false},
        }),
    );
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Mainspring's configuration, mainspring.toml",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}

fn tables() -> Map<String, Value> {
    let mut properties = Map::new();
    for key in KEYS {
        match key.name.split_once('.') {
            None => drop(properties.insert(key.name.to_owned(), of(key))),
            Some((table, name)) => {
                let empty = || json!({"type": "object", "properties": {}, "additionalProperties": false});
                properties.entry(table).or_insert_with(empty)["properties"][name] = of(key);
            }
        }
    }
    properties
}

fn of(key: &Key) -> Value {
    let mut schema = match key.kind {
        Kind::Address | Kind::Store | Kind::Path | Kind::Level => json!({"type": "string", "minLength": 1}),
        Kind::Url => json!({"type": "string", "pattern": "^http://"}),
        Kind::Count => json!({"type": "integer", "minimum": 1}),
        Kind::Bytes => json!({"type": ["integer", "string"], "minimum": 1, "pattern": "^[0-9]+ *(KiB|MiB|GiB)?$"}),
        Kind::Duration | Kind::DurationOrNever => json!({"type": ["integer", "string"], "minimum": 1, "minLength": 1}),
    };
    let reload = if key.live { "A reload changes it." } else { "It needs a restart." };
    schema["description"] = format!("{} {reload}", key.about).into();
    if let Some(default) = key.default {
        schema["default"] = default.into();
    }
    schema
}
