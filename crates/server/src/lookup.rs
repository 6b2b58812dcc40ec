//! Definitions by kind and name, read from the store as a parse asks for them.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use mainspring_core::id::Name;
use mainspring_core::limits::NAME_CHARS_MAX;
use mainspring_core::row::{DefinitionKind, DefinitionRow};
use mainspring_protocol::submit::{DEFAULT_TENANT, Found};
use mainspring_store::{DefinitionFilter, Error, Reader};

/// Looks definitions up, each once.
pub(crate) struct Lookup {
    reader: Arc<dyn Reader>,
    /// Whose definitions count, the first first.
    tenants: Vec<Name>,
    found: HashMap<(DefinitionKind, String), Option<Found>>,
}

impl Lookup {
    /// For a tenant; where it has no definition, that of the default one counts.
    pub(crate) fn of(reader: &Arc<dyn Reader>, tenant: &Name) -> Self {
        let mut tenants = vec![tenant.clone()];
        if **tenant != *DEFAULT_TENANT {
            tenants.push(DEFAULT_TENANT.into());
        }
        Self { reader: Arc::clone(reader), tenants, found: HashMap::new() }
    }

    /// Runs `parse` until it has asked for nothing that was not looked up: once, or a few times where names occur.
    ///
    /// # Errors
    /// As the store.
    pub(crate) async fn parse<T>(
        &mut self,
        parse: impl Fn(&dyn Fn(DefinitionKind, &str) -> Option<Found>) -> T,
    ) -> Result<T, Error> {
        loop {
            let (parsed, asked) = {
                let asked: RefCell<BTreeSet<(DefinitionKind, String)>> = RefCell::default();
                let find = |kind, name: &str| {
                    let name = (kind, name.to_owned());
                    if let Some(known) = self.found.get(&name) {
                        return known.clone();
                    }
                    asked.borrow_mut().insert(name);
                    None
                };
                let parsed = parse(&find);
                (parsed, asked.into_inner())
            };
            if asked.is_empty() {
                return Ok(parsed);
            }
            for (kind, name) in asked {
                let found = self.version(kind, &name, None).await?;
                self.found.insert((kind, name), found);
            }
        }
    }

    /// One version of a definition, or the newest. What was deleted is not there, but its versions are.
    ///
    /// # Errors
    /// As the store.
    pub(crate) async fn version(
        &self,
        kind: DefinitionKind,
        name: &str,
        version: Option<u32>,
    ) -> Result<Option<Found>, Error> {
        let rows = versions(&self.reader, kind, name, None).await?;
        for tenant in &self.tenants {
            let own = rows.iter().filter(|row| row.tenant == *tenant);
            let row =
                own.filter(|row| version.is_none_or(|version| row.version == version)).max_by_key(|row| row.version);
            if let Some((text, version)) = row.and_then(|row| Some((row.body.clone()?, row.version))) {
                return Ok(Some(Found { text, version: Some(version) }));
            }
        }
        Ok(None)
    }
}

/// Every version of a definition, of one tenant or of all.
///
/// # Errors
/// As the store.
pub(crate) async fn versions(
    reader: &Arc<dyn Reader>,
    kind: DefinitionKind,
    name: &str,
    tenant: Option<Name>,
) -> Result<Vec<DefinitionRow>, Error> {
    if name.len() > NAME_CHARS_MAX {
        return Ok(Vec::new());
    }
    reader.definitions(DefinitionFilter { kind, tenant, name: Some(name.into()) }).await
}
