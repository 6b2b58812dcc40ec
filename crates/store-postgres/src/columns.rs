//! Many rows in one statement: each column is one array, and a column that is the same in all rows is one value. Batches
//! are mostly alike (tenant, queue, type, status), so this spares the larger part of encoding and decoding.

use std::borrow::Cow;
use std::fmt::Write as _;

use tokio_postgres::types::Type;

use crate::sql::{Bound, Statement};
use crate::text::stored;

/// The values of a column.
enum Values<'a> {
    Ints(Vec<Option<i64>>),
    Texts(Vec<Option<Cow<'a, str>>>),
    Bytes(Vec<Option<Cow<'a, [u8]>>>),
    Flags(Vec<Option<bool>>),
}

/// Rows to write.
pub(crate) struct Columns<'a> {
    rows: usize,
    columns: Vec<(&'static str, Values<'a>)>,
}

/// A number that is unsigned here, in a column of 32 bits.
pub(crate) fn small(number: u32) -> Option<i64> {
    Some(i64::from(number as i32))
}

impl<'a> Columns<'a> {
    pub(crate) fn new(rows: usize) -> Self {
        Self { rows, columns: Vec::with_capacity(36) }
    }

    pub(crate) fn ints(&mut self, name: &'static str, values: impl Iterator<Item = Option<i64>>) {
        self.columns.push((name, Values::Ints(values.collect())));
    }

    pub(crate) fn texts(&mut self, name: &'static str, values: impl Iterator<Item = Option<&'a str>>) {
        self.columns.push((name, Values::Texts(values.map(|text| text.map(stored)).collect())));
    }

    /// Texts made for this statement.
    pub(crate) fn made(&mut self, name: &'static str, values: impl Iterator<Item = Option<String>>) {
        let form = |text: String| match stored(&text) {
            Cow::Owned(form) => Cow::Owned(form),
            Cow::Borrowed(_) => Cow::Owned(text),
        };
        self.columns.push((name, Values::Texts(values.map(|text| text.map(form)).collect())));
    }

    pub(crate) fn bytes(&mut self, name: &'static str, values: impl Iterator<Item = Cow<'a, [u8]>>) {
        self.columns.push((name, Values::Bytes(values.map(Some).collect())));
    }

    pub(crate) fn flags(&mut self, name: &'static str, values: impl Iterator<Item = bool>) {
        self.columns.push((name, Values::Flags(values.map(Some).collect())));
    }

    /// `INSERT INTO table … tail`; the tail says what follows a conflict.
    pub(crate) fn insert(self, table: &str, tail: &str) -> Statement<'a> {
        let names: Vec<_> = self.columns.iter().map(|(name, _)| *name).collect();
        let written = self.write();
        let sql = format!(
            "INSERT INTO {table} ({}) SELECT {}{} {tail}",
            names.join(", "),
            written.expressions.join(", "),
            written.from("FROM")
        );
        Statement::with(sql, written.values)
    }

    /// An insert that overwrites the row with the same `keys`.
    pub(crate) fn put(self, table: &str, keys: &str) -> Statement<'a> {
        let names = self.columns.iter().map(|(name, _)| *name).filter(|name| !keys.split(", ").any(|key| key == *name));
        let sets: Vec<_> = names.map(|name| format!("{name} = excluded.{name}")).collect();
        let tail = format!("ON CONFLICT ({keys}) DO UPDATE SET {}", sets.join(", "));
        self.insert(table, &tail)
    }

    /// Updates the rows whose key is in the first column. `computed` gives another expression for a column, from its own
    /// (`{}`).
    pub(crate) fn update(self, table: &str, computed: &[(&str, &str)]) -> Statement<'a> {
        let names: Vec<_> = self.columns.iter().map(|(name, _)| *name).collect();
        let written = self.write();
        let mut sets = Vec::with_capacity(names.len());
        for (name, expression) in names.iter().zip(&written.expressions).skip(1) {
            match computed.iter().find(|(column, _)| column == name) {
                Some((_, formula)) => sets.push(format!("{name} = {}", formula.replace("{}", expression))),
                None => sets.push(format!("{name} = {expression}")),
            }
        }
        let (from, key) = (written.from("FROM"), &written.expressions[0]);
        let sql = format!("UPDATE {table} AS t SET {}{from} WHERE t.{} = {key}", sets.join(", "), names[0]);
        Statement::with(sql, written.values)
    }

    /// Deletes the rows that equal one of these in every column.
    pub(crate) fn delete(self, table: &str) -> Statement<'a> {
        let names: Vec<_> = self.columns.iter().map(|(name, _)| *name).collect();
        let written = self.write();
        let equal: Vec<_> =
            names.iter().zip(&written.expressions).map(|(name, value)| format!("t.{name} = {value}")).collect();
        let sql = format!("DELETE FROM {table} AS t{} WHERE {}", written.from("USING"), equal.join(" AND "));
        Statement::with(sql, written.values)
    }

    fn write(self) -> Written<'a> {
        let mut out = Written::default();
        for (name, values) in self.columns {
            match values {
                Values::Ints(values) => out.column(name, values, (Type::INT8, Type::INT8_ARRAY)),
                Values::Texts(values) => out.column(name, values, (Type::TEXT, Type::TEXT_ARRAY)),
                Values::Bytes(values) => out.column(name, values, (Type::BYTEA, Type::BYTEA_ARRAY)),
                Values::Flags(values) => out.column(name, values, (Type::BOOL, Type::BOOL_ARRAY)),
            }
        }
        debug_assert!(self.rows < 2 || !out.arrays.is_empty(), "two rows of one statement are never equal");
        out
    }
}

/// Columns as SQL.
#[derive(Default)]
struct Written<'a> {
    values: Vec<Bound<'a>>,
    /// One per column.
    expressions: Vec<String>,
    /// Parameters that are arrays, and their columns.
    arrays: Vec<String>,
    names: Vec<&'static str>,
}

impl<'a> Written<'a> {
    fn column<T>(&mut self, name: &'static str, mut values: Vec<Option<T>>, (one, many): (Type, Type))
    where
        T: tokio_postgres::types::ToSql + PartialEq + Send + Sync + 'a,
    {
        if values.iter().all(|value| *value == values[0]) {
            match values.swap_remove(0) {
                None => self.expressions.push(format!("NULL::{}", one.name())),
                Some(value) => {
                    self.values.push((Box::new(value), one.clone()));
                    self.expressions.push(format!("${}::{}", self.values.len(), one.name()));
                }
            }
            return;
        }
        self.values.push((Box::new(values), many));
        let mut array = String::new();
        _ = write!(array, "${}::{}[]", self.values.len(), one.name());
        self.arrays.push(array);
        self.names.push(name);
        self.expressions.push(format!("v.{name}"));
    }

    fn from(&self, word: &str) -> String {
        if self.arrays.is_empty() {
            return String::new();
        }
        format!(" {word} unnest({}) AS v({})", self.arrays.join(", "), self.names.join(", "))
    }
}
