//! Definitions as submissions refer to them: tasks, jobs and profiles by name, read from the store as a parse asks for
//! them. So what was applied on any node holds on every node at once.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use mainspring_core::id::Name;
use mainspring_core::limits::NAME_CHARS_MAX;
use mainspring_core::row::{DefinitionKind, DefinitionRow};
use mainspring_protocol::submit::{DEFAULT_TENANT, Definitions, Found, Library};
use mainspring_store::{DefinitionFilter, Error, Reader};

/// A definition that is asked for: what, whose, and its name.
type Wanted = (DefinitionKind, Name, Name);

/// What was looked up. A tenant's own definitions go before the default tenant's.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Whose definitions count, whatever the text says.
    tenant: Option<Name>,
    found: HashMap<Wanted, Option<Found>>,
    /// Names of a kind, once one was not found.
    names: HashMap<DefinitionKind, Vec<String>>,
    asked: RefCell<BTreeSet<Wanted>>,
}

impl Library for Known {
    fn find(&self, kind: DefinitionKind, tenant: &str, name: &str) -> Option<Found> {
        let wanted = (kind, self.tenant.clone().unwrap_or_else(|| tenant.into()), name.into());
        match self.found.get(&wanted) {
            Some(found) => found.clone(),
            None => {
                self.asked.borrow_mut().insert(wanted);
                None
            }
        }
    }

    fn names(&self, kind: DefinitionKind) -> Vec<String> {
        self.names.get(&kind).cloned().unwrap_or_default()
    }
}

impl Known {
    /// Definitions of this tenant, or of the one that the text names.
    pub(crate) fn of(tenant: Option<Name>) -> Self {
        Self { tenant, ..Self::default() }
    }

    /// Runs `parse` until it has asked for nothing that was not looked up: once, or twice where names occur.
    pub(crate) async fn parse<T>(
        &mut self,
        reader: &dyn Reader,
        parse: impl Fn(Definitions<'_>) -> T,
    ) -> Result<T, Error> {
        loop {
            let parsed = parse(self);
            if !self.learn(reader).await? {
                return Ok(parsed);
            }
        }
    }

    /// Looks up what was asked for; whether there was anything.
    pub(crate) async fn learn(&mut self, reader: &dyn Reader) -> Result<bool, Error> {
        let asked = std::mem::take(self.asked.get_mut());
        let any = !asked.is_empty();
        for (kind, tenant, name) in asked {
            let found = version(reader, (kind, &tenant, &name), None).await?;
            if found.is_none() && !self.names.contains_key(&kind) {
                let rows = reader.definitions(DefinitionFilter { kind, tenant: None, name: None }).await?;
                let usable = |row: &&DefinitionRow| row.tenant == tenant || &*row.tenant == DEFAULT_TENANT;
                self.names.insert(kind, rows.iter().filter(usable).map(|row| row.name.to_string()).collect());
            }
            self.found.insert((kind, tenant, name), found);
        }
        Ok(any)
    }
}

/// One version of a definition, or the newest, that counts for a tenant: its own, or else the default tenant's. What was
/// deleted is not there, but its versions are.
pub(crate) async fn version(
    reader: &dyn Reader,
    (kind, tenant, name): (DefinitionKind, &str, &str),
    version: Option<u32>,
) -> Result<Option<Found>, Error> {
    let rows = versions(reader, kind, name, None).await?;
    let of = |tenant: &str| {
        let own = rows.iter().filter(|row| &*row.tenant == tenant);
        let row = own.filter(|row| version.is_none_or(|version| row.version == version)).max_by_key(|row| row.version);
        row.and_then(|row| Some(Found { text: row.body.clone()?, version: Some(row.version) }))
    };
    Ok(of(tenant).or_else(|| of(DEFAULT_TENANT)))
}

/// Every version of a definition, newest first for each tenant.
pub(crate) async fn versions(
    reader: &dyn Reader,
    kind: DefinitionKind,
    name: &str,
    tenant: Option<Name>,
) -> Result<Vec<DefinitionRow>, Error> {
    if name.len() > NAME_CHARS_MAX {
        return Ok(Vec::new());
    }
    reader.definitions(DefinitionFilter { kind, tenant, name: Some(name.into()) }).await
}
