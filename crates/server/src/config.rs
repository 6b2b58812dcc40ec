//! Configuration in layers: what is built in < `mainspring.toml` < its overlay `[env.NAME]` < the environment < flags.
//!
//! Each value knows where it comes from. A layer with anything wrong in it gives no settings at all, and every problem is
//! named with its place.

mod file;
mod keys;
mod reload;
mod schema;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mainspring_protocol::nearest::did_you_mean as near;

pub use keys::{KEYS, Key, Kind, PREFIX, Value};
use keys::{Raw, read};
pub(crate) use reload::Reloader;
pub use reload::{LevelSetter, Reloading};
pub use schema::config_schema;

use crate::serve::ServeConfig;

/// The file that is read where none is named.
pub const FILE: &str = "mainspring.toml";
/// Variables with our prefix that are no keys: those of clients, of tests, and those that tasks are given.
const OTHER_VARIABLES: [&str; 4] = ["URL", "TOKEN", "CONFIG", "ENV"];
/// Bytes of the file, and of a secret.
const BYTES_MAX: u64 = 1 << 20;

/// Where settings are looked for.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// The file; it must be there. `None`: [`FILE`] in the current folder, if it is there.
    pub file: Option<PathBuf>,
    /// Which `[env.NAME]` holds.
    pub env: Option<String>,
    /// The environment, as it was when the process started.
    pub variables: Vec<(String, String)>,
    /// What flags say: the key and the value as it was typed.
    pub flags: Vec<(&'static str, String)>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The file.
    File {
        /// Its path as it was given.
        path: String,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// The overlay it stands in.
        env: Option<String>,
    },
    /// A variable of the environment.
    Variable(String),
    /// A file that a variable names.
    Secret {
        /// The variable.
        variable: String,
        /// The file.
        path: String,
    },
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line, env: None, .. } => write!(f, "{path}:{line}"),
            Self::File { path, line, env: Some(env), .. } => write!(f, "{path}:{line} [env.{env}]"),
            Self::Variable(name) => write!(f, "{name}"),
            Self::Secret { variable, path } => write!(f, "{variable}={path}"),
            Self::Flag(flag) => write!(f, "{flag}"),
        }
    }
}

/// A value of a layer, unread.
#[derive(Debug)]
struct Found {
    key: &'static Key,
    raw: Raw,
    origin: Origin,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// `FILE:LINE:COLUMN`, a variable or a flag.
    pub place: String,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub hint: Option<String>,
}

/// Why there are no settings. Nothing of them holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// Each problem.
    pub troubles: Vec<Trouble>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, trouble) in self.troubles.iter().enumerate() {
            let hint = trouble.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            let separator = if index > 0 { "; " } else { "" };
            write!(f, "{separator}{}: {}{hint}", trouble.place, trouble.what)?;
        }
        Ok(())
    }
}

/// What holds: each key with its value, if it has one, and where that comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<&'static str, (Value, Origin)>);

impl Layers {
    /// The variables of this process, and the file and overlay that they choose where the flags do not.
    #[must_use]
    pub fn of_this_process(file: Option<PathBuf>, env: Option<String>, flags: Vec<(&'static str, String)>) -> Self {
        // What is not UTF-8 is no value of ours.
        let variables: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with(PREFIX))
            .collect();
        let variable = |name: &str| {
            let full = format!("{PREFIX}{name}");
            variables.iter().find(|(name, value)| *name == full && !value.is_empty()).map(|(_, value)| value.clone())
        };
        let file = file.or_else(|| variable("CONFIG").map(PathBuf::from));
        let env = env.or_else(|| variable("ENV"));
        Self { file, env, variables, flags }
    }

    /// The file that is read, if there is one.
    pub fn path(&self) -> Option<PathBuf> {
        match &self.file {
            Some(file) => Some(file.clone()),
            None => Some(PathBuf::from(FILE)).filter(|file| file.exists()),
        }
    }

    /// Reads all layers.
    ///
    /// # Errors
    /// Everything that is wrong with any of them.
    pub fn load(&self) -> Result<Settings, ConfigError> {
        let (mut found, mut troubles) = (Vec::new(), Vec::new());
        for key in KEYS {
            found.extend(key.default.map(|text| Found {
                key,
                raw: Raw::Text(text.to_owned()),
                origin: Origin::Default,
            }));
        }
        match self.path() {
            Some(path) => match text_of(&path) {
                Ok(text) => match file::read(&text, &path, self.env.as_deref()) {
                    Ok(said) => found.extend(said),
                    Err(wrong) => troubles.extend(wrong),
                },
                Err(what) => troubles.push(Trouble { place: path.display().to_string(), what, hint: None }),
            },
            None => troubles.extend(self.env.as_ref().map(|env| Trouble {
                place: "--env".to_owned(),
                what: format!("there is no `{FILE}` that could have `[env.{env}]`"),
                hint: Some("name the file with --config".to_owned()),
            })),
        }
        self.add_environment(&mut found, &mut troubles);
        for (name, text) in &self.flags {
            let key = Key::find(name).expect("flags are keys");
            let flag = format!("--{}", name.replace(['.', '_'], "-"));
            found.push(Found { key, raw: Raw::Text(text.clone()), origin: Origin::Flag(flag) });
        }
        let mut settings = Settings::default();
        for Found { key, raw, origin } in found {
            match read(key.kind, &raw) {
                Ok(value) => drop(settings.0.insert(key.name, (value, origin))),
                Err(what) => {
                    let place = match &origin {
                        Origin::File { path, line, column, .. } => format!("{path}:{line}:{column}"),
                        other => other.to_string(),
                    };
                    let what = if key.kind == Kind::Store { "this is no URL of a store".to_owned() } else { what };
                    troubles.push(Trouble { place, what: format!("`{}`: {what}", key.name), hint: None });
                }
            }
        }
        if troubles.is_empty() { Ok(settings) } else { Err(ConfigError { troubles }) }
    }

    fn add_environment(&self, found: &mut Vec<Found>, troubles: &mut Vec<Trouble>) {
        for (variable, value) in self.variables.iter().filter(|(_, value)| !value.is_empty()) {
            let Some(name) = variable.strip_prefix(PREFIX) else { continue };
            let by_name = |name: &str| KEYS.iter().find(|key| key.variable()[PREFIX.len()..] == *name);
            let trouble = |what: String, hint| Trouble { place: variable.clone(), what, hint };
            if let Some(key) = by_name(name) {
                found.push(Found { key, raw: Raw::Text(value.clone()), origin: Origin::Variable(variable.clone()) });
            } else if let Some(key) = name.strip_suffix("_FILE").and_then(by_name) {
                let twice = self.variables.iter().any(|(other, value)| *other == key.variable() && !value.is_empty());
                match text_of(Path::new(value)) {
                    _ if twice => troubles
                        .push(trouble(format!("`{}` is set too", key.variable()), Some("set one of them".to_owned()))),
                    Ok(text) => {
                        let origin = Origin::Secret { variable: variable.clone(), path: value.clone() };
                        found.push(Found { key, raw: Raw::Text(text.trim_end().to_owned()), origin });
                    }
                    Err(what) => troubles.push(trouble(what, None)),
                }
            } else if !OTHER_VARIABLES.contains(&name) {
                // Their common beginning is no likeness.
                let known: Vec<String> = KEYS.iter().map(|key| key.variable()[PREFIX.len()..].to_owned()).collect();
                let hint = near(name, known.iter().map(String::as_str));
                // Clusters of containers and tasks have variables of their own that begin like ours.
                if name.contains("__") || hint.is_some() {
                    troubles.push(trouble("no key has this variable".to_owned(), hint));
                }
            }
        }
    }
}

fn text_of(path: &Path) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    let bytes = std::fs::metadata(path).map_err(cannot)?.len();
    if bytes > BYTES_MAX {
        return Err(format!("{bytes} bytes exceed the limit of {BYTES_MAX}"));
    }
    std::fs::read_to_string(path).map_err(cannot)
}

impl Settings {
    /// The value of a key and where it comes from.
    pub fn get(&self, name: &str) -> Option<&(Value, Origin)> {
        self.0.get(name)
    }

    /// Each key that has a value.
    pub fn all(&self) -> impl Iterator<Item = (&'static Key, &Value, &Origin)> {
        KEYS.iter().filter_map(|key| self.0.get(key.name).map(|(value, origin)| (key, value, origin)))
    }

    /// The text of a key.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name) {
            Some((Value::Text(text), _)) => Some(text),
            _ => None,
        }
    }

    fn number(&self, name: &str) -> Option<usize> {
        match self.0.get(name) {
            Some((Value::Number(number), _)) => usize::try_from(*number).ok(),
            _ => None,
        }
    }

    fn span(&self, name: &str) -> Option<Duration> {
        match self.0.get(name) {
            Some((Value::Duration(Some(ms)), _)) => Some(Duration::from_millis(*ms)),
            _ => None,
        }
    }

    /// Keys whose values differ.
    pub(crate) fn changed(&self, other: &Self) -> Vec<&'static Key> {
        let value = |settings: &Self, key: &Key| settings.0.get(key.name).map(|(value, _)| value.clone());
        KEYS.iter().filter(|key| value(self, key) != value(other, key)).collect()
    }

    /// How a server with these settings is run.
    pub fn serve_config(&self) -> ServeConfig {
        let listen = |name| self.text(name).and_then(|text| text.parse().ok());
        let address = listen("listen").unwrap_or_else(|| ([127, 0, 0, 1], 7070).into());
        let mut config = ServeConfig::new(address, self.text("store").unwrap_or("sqlite:mainspring.db"));
        config.cluster_listen = listen("cluster_listen");
        config.node.advertise = self.text("advertise").map(str::to_owned);
        config.definitions_dir = self.definitions_dir();
        config.node.retention_ms = self.span("retention").map(|span| span.as_millis() as u64);
        config.node.wait_ms_max =
            self.span("node.wait_max").map_or(config.node.wait_ms_max, |span| span.as_millis() as u64);
        let keep = |field: &mut usize, name| *field = self.number(name).unwrap_or(*field);
        keep(&mut config.node.mailbox_bytes_max, "node.mailbox_bytes_max");
        self.set_limits(&mut config.http);
        config
    }

    /// The folder of definitions.
    pub(crate) fn definitions_dir(&self) -> Option<PathBuf> {
        self.text("definitions_dir").map(PathBuf::from)
    }

    /// Sets what these settings say of the HTTP side.
    pub(crate) fn set_limits(&self, http: &mut crate::serve::HttpLimits) {
        for (field, name) in [
            (&mut http.connections_max, "http.connections_max"),
            (&mut http.streams_max, "http.streams_max"),
            (&mut http.submit_bytes_max, "http.submit_bytes_max"),
            (&mut http.body_bytes_max, "http.body_bytes_max"),
            (&mut http.bytes_in_flight_max, "http.bytes_in_flight_max"),
        ] {
            *field = self.number(name).unwrap_or(*field);
        }
        for (field, name) in [
            (&mut http.head_timeout, "http.head_timeout"),
            (&mut http.body_timeout, "http.body_timeout"),
            (&mut http.write_timeout, "http.write_timeout"),
            (&mut http.keep_alive, "http.keep_alive"),
        ] {
            *field = self.span(name).unwrap_or(*field);
        }
    }
}

impl Value {
    /// As it would be written; a password is hidden.
    pub fn shown(&self, kind: Kind) -> String {
        match self {
            Self::Text(text) if kind == Kind::Store => crate::open::without_password(text),
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Duration(None) => "never".to_owned(),
            Self::Duration(Some(ms)) => mainspring_protocol::duration::WireDuration::from_ms(*ms).to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
