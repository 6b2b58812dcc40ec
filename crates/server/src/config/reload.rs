//! Reading the configuration again while the server runs: all of it or nothing; what was good stays.

use std::fmt;
use std::sync::Arc;

use mainspring_core::event::Order;
use mainspring_core::id::Name;
use mainspring_protocol::problem::{Code, Problem, ProblemItem};
use mainspring_protocol::view::ReloadView;
use tokio::sync::{Mutex, Notify};

use super::{ConfigError, Key, Layers, Settings};
use crate::api::Api;
use crate::node::CallError;

/// Changes what is logged, or says why it cannot.
pub type LevelSetter = Arc<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

/// What a server needs to read its configuration again.
#[derive(Clone)]
pub struct Reloading {
    /// Where settings are looked for.
    pub layers: Layers,
    /// Those that it was started with.
    pub settings: Settings,
    /// Changes what is logged.
    pub level: Option<LevelSetter>,
    /// Whoever wants a reload notifies it.
    pub asked: Arc<Notify>,
}

impl fmt::Debug for Reloading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloading").field("layers", &self.layers.file).finish_non_exhaustive()
    }
}

/// Why nothing was reloaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReloadError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("`log.level`: {0}")]
    Level(String),
    #[error("the audit record could not be written: {0}")]
    Call(#[from] CallError),
}

/// The settings that hold.
pub(crate) struct Reloader {
    pub(crate) reloading: Reloading,
    current: Mutex<Settings>,
}

impl Reloader {
    pub(crate) fn new(reloading: Reloading) -> Self {
        Self { current: Mutex::new(reloading.settings.clone()), reloading }
    }

    /// Reads everything again. What a reload can change holds at once; what needs a restart is named.
    pub(crate) async fn reload(&self, api: &Api, actor: Name) -> Result<ReloadView, ReloadError> {
        let mut current = self.current.lock().await;
        let layers = self.reloading.layers.clone();
        let loading = tokio::task::spawn_blocking(move || layers.load());
        let next = loading.await.expect("reading a configuration does not panic")?;
        let (live, fixed): (Vec<&Key>, Vec<&Key>) = next.changed(&current).into_iter().partition(|key| key.live);
        let names = |keys: &[&Key]| keys.iter().map(|key| key.name.to_owned()).collect::<Vec<_>>();
        let started = next.changed(&self.reloading.settings);
        let view = ReloadView {
            changed: names(&live),
            needs_restart: started.into_iter().filter(|key| !key.live).map(|key| key.name.to_owned()).collect(),
        };
        let new_level = live.iter().any(|key| key.name == "log.level");
        if let (true, Some(level), Some(set)) = (new_level, next.text("log.level"), &self.reloading.level) {
            set(level).map_err(ReloadError::Level)?;
        }
        let detail = serde_json::json!({"changed": view.changed, "needsRestart": names(&fixed)}).to_string().into();
        let order = Order::Record { action: "config.reload".into(), target: "config".into(), detail };
        if let Err(error) = api.node.order(actor, order).await {
            if let (true, Some(level), Some(set)) = (new_level, current.text("log.level"), &self.reloading.level) {
                // It was good before.
                let _ = set(level);
            }
            return Err(error.into());
        }
        let mut limits = (*api.limits()).clone();
        next.set_limits(&mut limits);
        api.set_limits(limits);
        api.folder.point_to(next.definitions_dir());
        tracing::info!(changed = ?view.changed, needs_restart = ?view.needs_restart, "the configuration was reloaded");
        *current = next;
        Ok(view)
    }
}

impl From<&ReloadError> for Problem {
    fn from(error: &ReloadError) -> Self {
        match error {
            ReloadError::Config(error) => {
                let item = |trouble: &super::Trouble| {
                    let item =
                        ProblemItem::new(Code::InvalidConfig, "", format!("{}: {}", trouble.place, trouble.what));
                    match &trouble.hint {
                        Some(hint) => item.with_hint(hint.clone()),
                        None => item,
                    }
                };
                Self::of_items(error.troubles.iter().map(item).collect()).with_hint("what was good before still holds")
            }
            ReloadError::Level(_) => Self::new(Code::InvalidConfig, error.to_string()),
            ReloadError::Call(CallError::Refused(refusal)) => refusal.into(),
            ReloadError::Call(_) => Self::new(Code::StoreUnavailable, error.to_string()).retry_after_ms(1_000),
        }
    }
}
