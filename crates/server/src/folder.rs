//! The watched folder of definitions: what stands in its files holds, as a whole or not at all.
//!
//! The node that serves the control shard looks at the folder once a second. What has changed, and has not changed again
//! for a second, is read; if every file is good, all changes go in one commit. What is wrong is named, and what was good
//! before stays. A definition whose file is gone is deleted if it came from the folder.

mod read;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mainspring_core::id::Name;
use mainspring_core::limits::DEFINITIONS_MAX;
use mainspring_core::row::DefinitionKind;
use mainspring_core::schedule::ScheduleName;
use mainspring_protocol::submit::DEFAULT_TENANT;
use mainspring_store::DefinitionFilter;

use crate::api::Api;
use crate::api::installed;
use crate::applied::{Change, OnlyIf, apply};
use crate::loops::{self, Following};
use read::{Files, Wanted, look, parse};

/// Who applies what stands in the folder, for the audit and for the versions.
pub(crate) const ACTOR: &str = "definitions_dir";
/// From one look to the next.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is known of the folder.
#[derive(Debug, Default)]
pub(crate) struct Folder(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    dir: Option<PathBuf>,
    /// What was there at the last look.
    seen: Option<Files>,
    /// What was read last, good or not.
    read: Option<Files>,
    standing: Standing,
}

/// How the folder stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Where it is; `None`: there is none.
    pub(crate) dir: Option<PathBuf>,
    /// Definitions that hold because of it.
    pub(crate) definitions: usize,
    /// How often it was applied since the server started.
    pub(crate) applied: u64,
    /// What is wrong with it, as far as that is known.
    pub(crate) trouble: Option<String>,
}

impl Folder {
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches this folder from now on.
    pub(crate) fn point_to(&self, dir: Option<PathBuf>) {
        let mut known = self.known();
        if known.dir != dir {
            let applied = known.standing.applied;
            *known = Known::default();
            known.standing = Standing { dir: dir.clone(), applied, ..Standing::default() };
            known.dir = dir;
        }
    }

    /// How it stands.
    pub(crate) fn standing(&self) -> Standing {
        self.known().standing.clone()
    }

    /// The folder, if it has to be read now: its files are other ones than those read last, and were the same at two looks.
    fn due(&self) -> Option<(PathBuf, Files)> {
        let dir = self.known().dir.clone()?;
        let now = look(&dir);
        let mut known = self.known();
        let now = match now {
            Ok(now) => now,
            Err(trouble) => {
                known.complain(trouble);
                (known.seen, known.read) = (None, None);
                return None;
            }
        };
        let still = known.seen.as_ref() == Some(&now) && known.dir.as_ref() == Some(&dir);
        known.seen = Some(now.clone());
        (still && known.read.as_ref() != Some(&now)).then_some((dir, now))
    }

    fn read(&self, files: Files, done: Result<usize, String>) {
        let mut known = self.known();
        known.read = Some(files);
        match done {
            Ok(definitions) => {
                let (dir, applied) = (known.dir.clone(), known.standing.applied + 1);
                known.standing = Standing { dir, definitions, applied, trouble: None };
            }
            Err(trouble) => known.complain(trouble),
        }
    }

    /// Looks at it anew the next time, because another node has cared for it meanwhile.
    fn forget(&self) {
        let mut known = self.known();
        (known.seen, known.read, known.standing.trouble) = (None, None, None);
    }
}

impl Known {
    fn complain(&mut self, trouble: String) {
        if self.standing.trouble.as_ref() != Some(&trouble) {
            tracing::error!(trouble, "the folder of definitions is not applied; what was good before still holds");
        }
        self.standing.trouble = Some(trouble);
    }
}

/// Looks at the folder until the server stops.
pub(crate) fn keep(api: &Arc<Api>) {
    let api = Arc::clone(api);
    let producers = api.producers.clone();
    producers.spawn(async move {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = api.stop.cancelled() => return,
                _ = looks.tick() => {}
            }
            tokio::select! {
                biased;
                () = api.stop.cancelled() => return,
                () = turn(&api) => {}
            }
        }
    });
}

async fn turn(api: &Arc<Api>) {
    if !api.node.serves_control() {
        return api.folder.forget();
    }
    let aside = Arc::clone(api);
    let due = tokio::task::spawn_blocking(move || aside.folder.due()).await;
    let Ok(Some((dir, files))) = due else { return };
    match sync(api, &dir, &files).await {
        Ok(done) => api.folder.read(files, done),
        // The store or the node cannot answer now: the next look tries again.
        Err(error) => tracing::warn!(error, "the folder of definitions could not be applied yet"),
    }
}

/// Applies the folder. The inner result is about its files; the outer one says that nobody could tell.
async fn sync(api: &Api, dir: &std::path::Path, files: &Files) -> Result<Result<usize, String>, String> {
    let present = ours(api).await?;
    let wanted = match parse(api, dir, files, &present).await? {
        Ok(wanted) => wanted,
        Err(trouble) => return Ok(Err(trouble)),
    };
    let count = wanted.len();
    let is_wanted = |of: &(DefinitionKind, Name, Name)| wanted.iter().any(|one| one.id() == *of);
    let gone = present.iter().filter(|of| !is_wanted(of)).cloned();
    let gone = gone.map(|(kind, tenant, name)| Change {
        kind,
        tenant,
        name,
        body: None,
        only_if: OnlyIf::Anything,
        seen: Vec::new(),
    });
    let gone: Vec<Change> = gone.collect();
    let rules = wanted.iter().map(|one| (one.id(), one.rule.clone()));
    let seen = match check_schedules(api, rules.collect()).await {
        Ok(seen) => seen,
        Err(trouble) => return Ok(Err(trouble)),
    };
    let mut changes: Vec<Change> = wanted.into_iter().map(Wanted::into_change).chain(gone).collect();
    if changes.len() > DEFINITIONS_MAX {
        let detail = format!("{} definitions exceed the limit of {DEFINITIONS_MAX} for one folder", changes.len());
        return Ok(Err(detail));
    }
    for change in &mut changes {
        let id = ScheduleName { tenant: change.tenant.clone(), name: change.name.clone() };
        if change.kind == DefinitionKind::Job
            && let Some(seen) = seen.get(&id)
        {
            change.seen.clone_from(seen);
        }
    }
    // What was overtaken is checked anew at the next look.
    let applied = apply(&api.node, ACTOR.into(), &changes).await.map_err(|error| error.to_string())?;
    for change in changes.iter().filter(|change| change.kind == DefinitionKind::Job) {
        let id = ScheduleName { tenant: change.tenant.clone(), name: change.name.clone() };
        api.node.install(ACTOR.into(), &id).await.map_err(|error| error.to_string())?;
    }
    let changed = applied.iter().filter(|applied| !applied.unchanged).count();
    tracing::info!(definitions = count, changed, dir = %dir.display(), "the folder of definitions is applied");
    Ok(Ok(count))
}

/// A definition's kind, tenant and name.
type Defined = (DefinitionKind, Name, Name);

/// Whether these schedules can be installed, together, and against which versions of other definitions that was found out, by
/// those that follow any; an error says which cannot.
async fn check_schedules(
    api: &Api,
    rules: Vec<(Defined, Option<Arc<str>>)>,
) -> Result<BTreeMap<ScheduleName, Vec<(Name, u32)>>, String> {
    let mut by_tenant: BTreeMap<Name, Vec<Following>> = BTreeMap::new();
    for ((kind, tenant, name), rule) in rules {
        let id = ScheduleName { tenant, name };
        let following = installed::check(api, kind, &id, rule.as_deref()).await;
        let following = following.map_err(|problem| format!("{}: {problem}", id.name))?;
        if kind == DefinitionKind::Job {
            by_tenant.entry(id.tenant.clone()).or_default().push(following);
        }
    }
    let mut all = BTreeMap::new();
    for new in by_tenant.into_values() {
        let looked = loops::look(&*api.reader, &new).await.map_err(|error| error.to_string())?;
        if let Some(problem) = looked.problem {
            return Err(problem.to_string());
        }
        let follow = new.into_iter().filter(|new| !new.after.is_empty());
        all.extend(follow.map(|new| (new.id, looked.seen.clone())));
    }
    Ok(all)
}

/// The definitions that the folder applied and that are not deleted.
async fn ours(api: &Api) -> Result<Vec<(DefinitionKind, Name, Name)>, String> {
    let mut all = Vec::new();
    for kind in DefinitionKind::ALL {
        let filter = DefinitionFilter { kind, tenant: None, name: None };
        let rows = api.reader.definitions(filter).await.map_err(|error| error.to_string())?;
        all.extend(rows.into_iter().filter(|row| &*row.actor == ACTOR).map(|row| (row.kind, row.tenant, row.name)));
    }
    Ok(all)
}

/// Whose a document is: that of its `userId`, or the default tenant's.
fn tenant(json: &str) -> Name {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Peek {
        user_id: Option<String>,
    }
    let peek = serde_json::from_str::<Peek>(json).ok().and_then(|peek| peek.user_id);
    peek.as_deref().unwrap_or(DEFAULT_TENANT).into()
}
