//! `mainspring.toml`: its keys with their places, the overlay of an environment on top.

use std::path::Path;

use mainspring_protocol::nearest::did_you_mean as near;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{KEYS, Key, Raw};
use super::{Found, Origin, Trouble};

/// The table of overlays.
const OVERLAYS: &str = "env";

/// What a file says: first what holds everywhere, then what `env` says differently.
///
/// # Errors
/// Every problem of the file, also in overlays that were not asked for.
pub(super) fn read(text: &str, path: &Path, env: Option<&str>) -> Result<Vec<Found>, Vec<Trouble>> {
    let shown = path.display().to_string();
    let mut file = File { text, path: shown, found: Vec::new(), troubles: Vec::new() };
    let table = match DeTable::parse(text) {
        Ok(table) => table.into_inner(),
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            return Err(vec![file.trouble(at, error.message().to_owned(), None)]);
        }
    };
    let mut chosen = Vec::new();
    let mut overlays: Vec<String> = Vec::new();
    for (name, value) in &table {
        let DeValue::Table(inner) = value.get_ref() else {
            file.entry("", name, value, None);
            continue;
        };
        if name.get_ref() != OVERLAYS {
            file.table(name, inner, None);
            continue;
        }
        for (overlay, value) in inner {
            overlays.push(overlay.get_ref().to_string());
            let before = file.found.len();
            file.overlay(overlay, value);
            let said = file.found.split_off(before);
            if env == Some(overlay.get_ref()) {
                chosen = said;
            }
        }
    }
    if let Some(env) = env.filter(|env| !overlays.iter().any(|overlay| overlay == env)) {
        let known =
            if overlays.is_empty() { "it has none".to_owned() } else { format!("it has {}", overlays.join(", ")) };
        let hint = near(env, overlays.iter().map(String::as_str));
        file.complain(0, format!("there is no `[{OVERLAYS}.{env}]` in it; {known}"), hint);
    }
    file.found.extend(chosen);
    if file.troubles.is_empty() {
        return Ok(file.found);
    }
    file.troubles.sort_by_key(|(at, _)| *at);
    Err(file.troubles.into_iter().map(|(_, trouble)| trouble).collect())
}

struct File<'a> {
    text: &'a str,
    path: String,
    found: Vec<Found>,
    /// With their places, to be named in the order of the file.
    troubles: Vec<(usize, Trouble)>,
}

impl File<'_> {
    fn place(&self, at: usize) -> (usize, usize) {
        let before = &self.text[..at.min(self.text.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
        (line, column)
    }

    fn trouble(&self, at: usize, what: String, hint: Option<String>) -> Trouble {
        let (line, column) = self.place(at);
        Trouble { place: format!("{}:{line}:{column}", self.path), what, hint }
    }

    fn complain(&mut self, at: usize, what: String, hint: Option<String>) {
        let trouble = self.trouble(at, what, hint);
        self.troubles.push((at, trouble));
    }

    fn overlay(&mut self, name: &Spanned<std::borrow::Cow<'_, str>>, value: &Spanned<DeValue<'_>>) {
        let DeValue::Table(inner) = value.get_ref() else {
            let what = format!("`{OVERLAYS}.{}` must be a table of keys", name.get_ref());
            self.complain(value.span().start, what, None);
            return;
        };
        for (key, value) in inner {
            match value.get_ref() {
                DeValue::Table(table) => self.table(key, table, Some(name.get_ref())),
                _ => self.entry("", key, value, Some(name.get_ref())),
            }
        }
    }

    fn table(&mut self, name: &Spanned<std::borrow::Cow<'_, str>>, table: &DeTable<'_>, env: Option<&str>) {
        let prefix = format!("{}.", name.get_ref());
        if !KEYS.iter().any(|key| key.name.starts_with(&prefix)) {
            let tables = KEYS.iter().filter_map(|key| key.name.split_once('.')).map(|(table, _)| table);
            let hint = near(name.get_ref(), tables.chain([OVERLAYS]));
            let what = format!("unknown table `{}`", name.get_ref());
            self.complain(name.span().start, what, hint);
            return;
        }
        for (key, value) in table {
            self.entry(&prefix, key, value, env);
        }
    }

    fn entry(
        &mut self,
        prefix: &str,
        name: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
        env: Option<&str>,
    ) {
        let full = format!("{prefix}{}", name.get_ref());
        let Some(key) = Key::find(&full) else {
            let hint = near(&full, KEYS.iter().map(|key| key.name));
            self.complain(name.span().start, format!("unknown key `{full}`"), hint);
            return;
        };
        let raw = match value.get_ref() {
            DeValue::String(text) => Raw::Text(text.to_string()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Raw::Other("a number of that size"), Raw::Number),
            DeValue::Float(_) => Raw::Other("a number with a point"),
            DeValue::Boolean(_) => Raw::Other("a truth value"),
            DeValue::Datetime(_) => Raw::Other("a date"),
            DeValue::Array(_) => Raw::Other("a list"),
            DeValue::Table(_) => Raw::Other("a table"),
        };
        let (line, column) = self.place(value.span().start);
        let origin = Origin::File { path: self.path.clone(), line, column, env: env.map(str::to_owned) };
        self.found.push(Found { key, raw, origin });
    }
}
