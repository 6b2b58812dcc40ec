//! Binds the parameters of a statement that is run for many rows: what did not change since the row before is not bound
//! again.

use mainspring_core::id::Name;
use mainspring_core::time::Timestamp;
use rusqlite::types::Null;
use rusqlite::{CachedStatement, Connection, Result, ToSql};

/// More than any statement has parameters.
const PARAMETERS_MAX: usize = 40;

/// A prepared statement and what its parameters are bound to. Parameters are bound in order, from the first.
pub(super) struct Rows<'a> {
    statement: CachedStatement<'a>,
    at: usize,
    /// Which parameters are not NULL, by number.
    set: u64,
    /// The name a parameter is bound to, where it is one.
    names: [Option<Name>; PARAMETERS_MAX],
}

impl<'a> Rows<'a> {
    pub(super) fn prepare(db: &'a Connection, sql: &str) -> Result<Self> {
        Ok(Self { statement: db.prepare_cached(sql)?, at: 0, set: 0, names: [const { None }; PARAMETERS_MAX] })
    }

    fn bind(&mut self, value: impl ToSql) -> Result<()> {
        self.at += 1;
        self.set |= 1 << self.at;
        self.statement.raw_bind_parameter(self.at, value)
    }

    fn null(&mut self) -> Result<()> {
        self.at += 1;
        if self.set & (1 << self.at) == 0 {
            return Ok(());
        }
        self.set &= !(1 << self.at);
        self.names[self.at] = None;
        self.statement.raw_bind_parameter(self.at, Null)
    }

    /// A number.
    pub(super) fn int(&mut self, value: impl Into<i64>) -> Result<()> {
        self.bind(value.into())
    }

    /// A number below 2^63.
    pub(super) fn wide(&mut self, value: u64) -> Result<()> {
        self.bind(value as i64)
    }

    /// A number or NULL.
    pub(super) fn int_or_null(&mut self, value: Option<impl Into<i64>>) -> Result<()> {
        match value {
            Some(value) => self.bind(value.into()),
            None => self.null(),
        }
    }

    /// An instant or NULL.
    pub(super) fn time(&mut self, value: Option<Timestamp>) -> Result<()> {
        self.int_or_null(value.map(Timestamp::as_millis))
    }

    /// 1 or NULL.
    pub(super) fn flag(&mut self, value: bool) -> Result<()> {
        self.int_or_null(value.then_some(1))
    }

    /// A text or NULL.
    pub(super) fn text(&mut self, value: Option<&str>) -> Result<()> {
        match value {
            Some(value) => self.bind(value),
            None => self.null(),
        }
    }

    /// A name; one that is the same as in the row before costs nothing.
    pub(super) fn name(&mut self, value: &Name) -> Result<()> {
        let next = self.at + 1;
        if self.names[next].as_ref().is_some_and(|bound| std::sync::Arc::ptr_eq(bound, value)) {
            self.at = next;
            return Ok(());
        }
        self.bind(&**value)?;
        self.names[next] = Some(value.clone());
        Ok(())
    }

    /// A name or NULL.
    pub(super) fn name_or_null(&mut self, value: Option<&Name>) -> Result<()> {
        match value {
            Some(value) => self.name(value),
            None => self.null(),
        }
    }

    /// Runs the statement with what is bound; the next parameter is the first again.
    pub(super) fn run(&mut self) -> Result<usize> {
        self.at = 0;
        self.statement.raw_execute()
    }
}
