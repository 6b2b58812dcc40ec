//! Reads the folder: which files there are, and what they define.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use mainspring_core::id::Name;
use mainspring_core::row::DefinitionKind;
use mainspring_protocol::problem::Problem;
use mainspring_protocol::submit::{
    Definitions, Format, Found, Library, ParsedDefinition, parse_definition, parse_definition_file,
};

use super::tenant;
use crate::api::Api;
use crate::applied::{Change, OnlyIf};
use crate::library::Known;

/// Files that are read.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];
/// Files of a folder.
const FILES_MAX: usize = 1_000;
/// Bytes of all files.
const BYTES_MAX: u64 = 16 << 20;
/// Problems that are named.
const PROBLEMS_MAX: usize = 20;

/// The files by their path in the folder, each with what changes when it does: time, length and, behind all links, number.
pub(super) type Files = BTreeMap<PathBuf, (Option<SystemTime>, u64, PathBuf)>;

/// A definition of the folder.
#[derive(Debug)]
pub(super) struct Wanted {
    kind: DefinitionKind,
    tenant: Name,
    name: Name,
    body: Arc<str>,
    /// The rule of the schedule that it installs.
    pub(super) rule: Option<Arc<str>>,
}

impl Wanted {
    pub(super) fn id(&self) -> (DefinitionKind, Name, Name) {
        (self.kind, self.tenant.clone(), self.name.clone())
    }

    pub(super) fn into_change(self) -> Change {
        let Self { kind, tenant, name, body, .. } = self;
        Change { kind, tenant, name, body: Some(body), only_if: OnlyIf::Anything, seen: Vec::new() }
    }
}

/// Which files there are. Folders inside are looked into; what begins with a dot is left out, so that a folder that is
/// swapped by a link (`..data`) is seen once.
pub(super) fn look(dir: &Path) -> Result<Files, String> {
    let mut files = Files::new();
    let mut bytes = 0;
    let mut folders = vec![dir.to_path_buf()];
    let mut seen = HashSet::new();
    while let Some(folder) = folders.pop() {
        let cannot = |error: std::io::Error| format!("cannot read `{}`: {error}", folder.display());
        // A link to a folder above would never end.
        if !seen.insert(folder.canonicalize().map_err(cannot)?) {
            continue;
        }
        for entry in std::fs::read_dir(&folder).map_err(cannot)? {
            let path = entry.map_err(cannot)?.path();
            if path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.')) {
                continue;
            }
            let about =
                std::fs::metadata(&path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
            if about.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known)) {
                let real = path.canonicalize().unwrap_or_else(|_| path.clone());
                bytes += about.len();
                files.insert(path, (about.modified().ok(), about.len(), real));
            }
        }
        if files.len() > FILES_MAX || bytes > BYTES_MAX {
            let limits = format!("the limits are {FILES_MAX} files and {BYTES_MAX} bytes");
            return Err(format!("`{}` has more than {} files or {bytes} bytes; {limits}", dir.display(), files.len()));
        }
    }
    Ok(files)
}

/// What the files define, or everything that is wrong with them. The outer error says that the store cannot be read.
pub(super) async fn parse(
    api: &Api,
    dir: &Path,
    files: &Files,
    present: &[(DefinitionKind, Name, Name)],
) -> Result<Result<Vec<Wanted>, String>, String> {
    let mut texts = Vec::new();
    let mut troubles = Vec::new();
    for path in files.keys() {
        let shown = path.strip_prefix(dir).unwrap_or(path).display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => texts.push((shown, text)),
            Err(error) => troubles.push(format!("{shown}: cannot be read: {error}")),
        }
    }
    let mut own = HashMap::new();
    for (_, text) in &texts {
        for document in parse_definition_file(text, &mainspring_protocol::submit::NoDefinitions).unwrap_or_default() {
            if !document.name.is_empty() {
                own.insert((document.kind, document.name.clone()), document.json);
            }
        }
    }
    let present: HashSet<(DefinitionKind, Name)> =
        present.iter().map(|(kind, _, name)| (*kind, name.clone())).collect();
    let read = |store: Definitions<'_>| {
        let library = Folder { own: &own, present: &present, store };
        judge(&texts, &library)
    };
    let mut known = Known::of(None);
    let judged = known.parse(&*api.reader, read).await.map_err(|error| error.to_string())?;
    Ok(match judged {
        Ok(wanted) if troubles.is_empty() => Ok(wanted),
        Ok(_) => Err(troubles.join("; ")),
        Err(more) => {
            troubles.extend(more);
            let left = troubles.len().saturating_sub(PROBLEMS_MAX);
            troubles.truncate(PROBLEMS_MAX);
            let more = if left > 0 { format!("; and {left} more") } else { String::new() };
            Err(format!("{}{more}", troubles.join("; ")))
        }
    })
}

/// Every definition of the files, or every problem with its place.
fn judge(texts: &[(String, String)], library: &dyn Library) -> Result<Vec<Wanted>, Vec<String>> {
    let (mut wanted, mut troubles): (Vec<Wanted>, Vec<String>) = Default::default();
    let mut places: HashMap<(DefinitionKind, Name, Name), String> = HashMap::new();
    for (file, text) in texts {
        let documents = match parse_definition_file(text, library) {
            Ok(documents) => documents,
            Err(problem) => {
                troubles.extend(explain(&problem, file, 1));
                continue;
            }
        };
        for document in documents {
            match check(&document, library) {
                Err(problem) => troubles.extend(explain(&problem, file, document.line)),
                Ok(one) => {
                    let place = format!("{file}:{}", document.line);
                    match places.insert(one.id(), place.clone()) {
                        Some(before) => troubles.push(format!(
                            "{place}:1: {} `{}` is defined at {before} too",
                            one.kind.word(),
                            one.name
                        )),
                        None => wanted.push(one),
                    }
                }
            }
        }
    }
    if troubles.is_empty() { Ok(wanted) } else { Err(troubles) }
}

fn check(document: &ParsedDefinition, library: &dyn Library) -> Result<Wanted, Problem> {
    if let Err(problem) = &document.job {
        return Err(problem.clone());
    }
    // The same checks as of a definition that is put: a name of its own, and nothing that only one instance has.
    let (kind, json) = (document.kind, document.json.as_bytes());
    let (body, rule) = parse_definition(kind, &document.name, json, Format::Json, library)?;
    Ok(Wanted { kind, tenant: tenant(&body), name: document.name.clone(), body, rule })
}

/// Each problem as `FILE:LINE:COLUMN: what`.
fn explain(problem: &Problem, file: &str, line: u64) -> Vec<String> {
    if problem.errors.is_empty() {
        return vec![format!("{file}:{line}:1: {}", problem.detail)];
    }
    let each = problem.errors.iter().map(|item| {
        let (line, column) = (item.line.unwrap_or(line), item.column.unwrap_or(1));
        let hint = item.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{file}:{line}:{column}: {}{hint}", item.detail)
    });
    each.collect()
}

/// What the folder defines, before what the store has beside it. What the folder has defined before and has no more is
/// about to go.
struct Folder<'a> {
    own: &'a HashMap<(DefinitionKind, Name), Arc<str>>,
    present: &'a HashSet<(DefinitionKind, Name)>,
    store: Definitions<'a>,
}

impl Library for Folder<'_> {
    fn find(&self, kind: DefinitionKind, tenant: &str, name: &str) -> Option<Found> {
        let id = (kind, Name::from(name));
        if let Some(own) = self.own.get(&id) {
            return Some(Found { text: own.clone(), version: None });
        }
        if self.present.contains(&id) { None } else { self.store.find(kind, tenant, name) }
    }

    fn names(&self, kind: DefinitionKind) -> Vec<String> {
        let own = self.own.keys().filter(|(of, _)| *of == kind).map(|(_, name)| name.to_string());
        own.chain(self.store.names(kind)).collect()
    }
}
