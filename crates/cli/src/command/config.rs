//! `mainspring config`: what holds and where it comes from; how a server is configured and reads it again.

use std::sync::Arc;

use mainspring_server::ServeConfig;
use mainspring_server::config::{ConfigError, Key, LevelSetter, Reloading, Settings};
use serde::Serialize;

use crate::args::{Config, Serving};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Listed, line};
use crate::remote;

/// A setting as it is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Setting {
    key: &'static str,
    value: Option<String>,
    origin: String,
    variable: String,
    /// Whether a reload changes it.
    live: bool,
}

impl Listed for Setting {
    const COLUMNS: &'static [&'static str] = &["KEY", "VALUE", "FROM"];
    const WIDE: &'static [&'static str] = &["CHANGES WITH", "VARIABLE"];

    fn name(&self) -> String {
        self.key.to_owned()
    }

    fn cells(&self) -> Vec<String> {
        let value = self.value.clone().unwrap_or_else(|| "-".to_owned());
        let with = if self.live { "reload" } else { "restart" };
        vec![self.key.to_owned(), value, self.origin.clone(), with.to_owned(), self.variable.clone()]
    }
}

pub(crate) async fn run(command: Config, quiet: bool) -> Outcome {
    match command {
        Config::Show { serving, output } => {
            let settings = load(&serving)?;
            let items: Vec<Setting> = mainspring_server::config::KEYS.iter().map(|key| shown(key, &settings)).collect();
            output::list(&items, &items, output.output)
        }
        Config::Validate { serving } => {
            load(&serving)?;
            let file = serving.layers().path();
            line(&format!("{}: valid", file.map_or_else(|| "no file".to_owned(), |file| file.display().to_string())))
        }
        Config::Reload { remote, output } => {
            let view = remote::client(&remote)?.reload_config().await?;
            output::one(&view, "config", output.output, || {
                match (view.changed.as_slice(), view.needs_restart.as_slice()) {
                    ([], []) => "nothing has changed".to_owned(),
                    (changed, []) => format!("changed: {}", changed.join(", ")),
                    ([], fixed) => format!("needs a restart: {}", fixed.join(", ")),
                    (changed, fixed) => {
                        format!("changed: {}; needs a restart: {}", changed.join(", "), fixed.join(", "))
                    }
                }
            })?;
            remote::follow_up(quiet, "mainspring doctor");
            Ok(())
        }
    }
}

fn shown(key: &'static Key, settings: &Settings) -> Setting {
    let found = settings.get(key.name);
    Setting {
        key: key.name,
        value: found.map(|(value, _)| value.shown(key.kind)),
        origin: found.map_or_else(|| "not set".to_owned(), |(_, origin)| origin.to_string()),
        variable: key.variable(),
        live: key.live,
    }
}

fn load(serving: &Serving) -> Outcome<Settings> {
    serving.layers().load().map_err(|error| wrong(&error))
}

fn wrong(error: &ConfigError) -> Failure {
    for trouble in &error.troubles {
        eprintln!("error[invalid_config]: {}\n --> {}", trouble.what, trouble.place);
        if let Some(hint) = &trouble.hint {
            eprintln!("  = hint: {hint}");
        }
    }
    let count = error.troubles.len();
    Failure::new(Exit::Invalid, format!("{count} problem{} in the configuration", if count == 1 { "" } else { "s" }))
}

/// How a server is run: its settings, and how it reads them again. `level` changes what is logged.
pub(crate) fn configured(serving: &Serving, level: Option<LevelSetter>) -> Outcome<(ServeConfig, Settings)> {
    let layers = serving.layers();
    let settings = layers.load().map_err(|error| wrong(&error))?;
    let mut config = settings.serve_config();
    let asked = Arc::default();
    config.reloading = Some(Reloading { layers, settings: settings.clone(), level, asked });
    Ok((config, settings))
}
