//! Applies definitions: what is unchanged makes no new version, and nothing is overwritten that was not seen before.

use std::sync::Arc;

use mainspring_core::effect::{Answer, Refusal};
use mainspring_core::event::{Define, Order};
use mainspring_core::id::Name;
use mainspring_core::row::{DefinitionKind, DefinitionRow};
use mainspring_store::Error;

use crate::library::versions;
use crate::node::{CallError, Node};

/// How often a definition is read again because somebody else was faster.
pub(crate) const TRIES: usize = 8;

/// What a definition shall become.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) kind: DefinitionKind,
    pub(crate) tenant: Name,
    pub(crate) name: Name,
    /// JSON text; `None` deletes it.
    pub(crate) body: Option<Arc<str>>,
    pub(crate) only_if: OnlyIf,
    /// See [`Define::seen`].
    pub(crate) seen: Vec<(Name, u32)>,
}

/// What must be there for a change to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnlyIf {
    /// Whatever is there.
    #[default]
    Anything,
    /// There is one.
    Exists,
    /// There is none.
    Missing,
    /// The newest version is one of these.
    Version(Vec<u32>),
}

/// What a change came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    /// The version that holds.
    pub(crate) version: u32,
    /// It held already.
    pub(crate) unchanged: bool,
}

/// Why nothing was applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    /// What must be there is not.
    #[error("`{name}` {}", describe(.version))]
    Other {
        /// The definition.
        name: Name,
        /// Its newest version, if there is one.
        version: Option<u32>,
    },
    /// Another definition is no longer what this one was checked against.
    #[error("`{0}` was changed meanwhile")]
    Overtaken(Name),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Read(#[from] Error),
}

fn describe(version: &Option<u32>) -> String {
    version.map_or_else(|| "does not exist".to_owned(), |version| format!("has version {version}"))
}

/// Makes all changes in one commit, or none.
///
/// # Errors
/// Nothing was applied, except where the outcome of the call is unknown.
pub(crate) async fn apply(node: &Node, actor: Name, changes: &[Change]) -> Result<Vec<Applied>, ApplyError> {
    let mut tries = 1;
    loop {
        match try_once(node, &actor, changes).await {
            Err(ApplyError::Call(CallError::Refused(Refusal::OtherVersion { name, .. })))
                if changes.iter().any(|change| change.seen.iter().any(|(seen, _)| *seen == name)) =>
            {
                return Err(ApplyError::Overtaken(name));
            }
            // Whoever says what must be there is told; all others want what they apply to be the newest.
            Err(ApplyError::Call(CallError::Refused(Refusal::OtherVersion { .. }))) if tries < TRIES => tries += 1,
            done => return done,
        }
    }
}

async fn try_once(node: &Node, actor: &Name, changes: &[Change]) -> Result<Vec<Applied>, ApplyError> {
    let mut applied = Vec::with_capacity(changes.len());
    let mut order = Vec::new();
    for change in changes {
        let newest = newest(node, change).await?;
        let version = newest.as_ref().map_or(0, |row| row.version);
        let body = newest.and_then(|row| row.body);
        let fits = match &change.only_if {
            OnlyIf::Anything => true,
            OnlyIf::Exists => body.is_some(),
            OnlyIf::Missing => body.is_none(),
            OnlyIf::Version(versions) => body.is_some() && versions.contains(&version),
        };
        if !fits {
            return Err(ApplyError::Other { name: change.name.clone(), version: body.is_some().then_some(version) });
        }
        let unchanged = body == change.body;
        applied.push(Applied { version: if unchanged { version } else { version + 1 }, unchanged });
        if !unchanged {
            let Change { kind, tenant, name, body, seen, .. } = change.clone();
            order.push(Define { kind, tenant, name, body, after: Some(version), seen });
        }
    }
    if !order.is_empty() {
        match node.order(actor.clone(), Order::Define(order)).await? {
            Answer::Versions(_) => {}
            other => unreachable!("definitions were answered by {other:?}"),
        }
    }
    Ok(applied)
}

async fn newest(node: &Node, change: &Change) -> Result<Option<DefinitionRow>, Error> {
    let rows = versions(&*node.reader(), change.kind, &change.name, Some(change.tenant.clone())).await?;
    Ok(rows.into_iter().max_by_key(|row| row.version))
}
