//! Reads rows back into the core's own types.

mod job;
mod record;
mod schedule;
mod task;

use std::collections::HashSet;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use mainspring_core::id::{Key, Name};
use mainspring_core::time::Timestamp;
use mainspring_store::record::Unreadable;
use rusqlite::Row;
use rusqlite::types::{FromSql, ValueRef};

pub(crate) use job::{JOB_COLUMNS, job};
pub(crate) use record::{
    ATTEMPT_COLUMNS, CLAIM_COLUMNS, attempt, claim, definition_kind, directive, lane, limits, loan, log,
};
pub(crate) use schedule::{OCCURRENCE_COLUMNS, SCHEDULE_COLUMNS, occurrence, schedule};
pub(crate) use task::{Bodies, TaskDecoder};

use crate::failure::Failure;

/// The body that is stored as NULL.
pub(crate) const EMPTY_BODY: &str = "{}";

/// Texts below this are stored as they are.
const DEFLATE_MIN: usize = 256;

/// The deflated bytes of a text, where that is worth it.
pub(crate) fn deflate(text: &str) -> Option<Vec<u8>> {
    if text.len() < DEFLATE_MIN {
        return None;
    }
    let mut out = DeflateEncoder::new(Vec::new(), Compression::fast());
    out.write_all(text.as_bytes()).ok()?;
    out.finish().ok().filter(|bytes| bytes.len() < text.len())
}

/// Reads a text that [`deflate`] may have made smaller.
pub(crate) fn inflate(value: ValueRef<'_>) -> Result<String, Failure> {
    let unreadable = Failure::Unreadable(Unreadable("log chunk"));
    match value {
        ValueRef::Text(text) => String::from_utf8(text.to_vec()).map_err(|_| unreadable),
        ValueRef::Blob(bytes) => {
            let mut text = String::new();
            DeflateDecoder::new(bytes).read_to_string(&mut text).map_err(|_| unreadable)?;
            Ok(text)
        }
        _ => Err(unreadable),
    }
}

/// Names that were read before, so that equal ones share their text.
#[derive(Debug, Default)]
pub(crate) struct Names(HashSet<Name>);

impl Names {
    fn get(&mut self, text: &str) -> Name {
        if let Some(name) = self.0.get(text) {
            return name.clone();
        }
        let name: Name = text.into();
        self.0.insert(name.clone());
        name
    }
}

/// The columns of a row, one after the other.
pub(crate) struct Cells<'a> {
    row: &'a Row<'a>,
    at: usize,
}

impl<'a> Cells<'a> {
    pub(crate) fn of(row: &'a Row<'a>) -> Self {
        Self { row, at: 0 }
    }

    pub(crate) fn next<T: FromSql>(&mut self) -> Result<T, Failure> {
        self.at += 1;
        Ok(self.row.get(self.at - 1)?)
    }

    pub(crate) fn skip(&mut self) {
        self.at += 1;
    }

    pub(crate) fn raw(&mut self) -> Result<ValueRef<'a>, Failure> {
        self.at += 1;
        Ok(self.row.get_ref(self.at - 1)?)
    }

    pub(crate) fn text(&mut self) -> Result<Option<&'a str>, Failure> {
        self.at += 1;
        let value = self.row.get_ref(self.at - 1)?;
        value.as_str_or_null().map_err(|error| {
            Failure::Sqlite(rusqlite::Error::FromSqlConversionFailure(self.at - 1, value.data_type(), error.into()))
        })
    }

    pub(crate) fn name(&mut self, names: &mut Names) -> Result<Name, Failure> {
        Ok(names.get(self.text()?.ok_or(Unreadable("name"))?))
    }

    pub(crate) fn key(&mut self) -> Result<Key, Failure> {
        Ok(Key::from_raw(self.next::<i64>()? as u64))
    }

    pub(crate) fn time(&mut self) -> Result<Option<Timestamp>, Failure> {
        Ok(self.next::<Option<i64>>()?.map(Timestamp::from_millis))
    }

    pub(crate) fn instant(&mut self) -> Result<Timestamp, Failure> {
        Ok(Timestamp::from_millis(self.next()?))
    }

    /// One of a closed list, by its stored number.
    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T], what: &'static str) -> Result<T, Failure> {
        let number: u8 = self.next()?;
        all.get(usize::from(number)).copied().ok_or(Failure::Unreadable(Unreadable(what)))
    }

    /// One of a closed list, or NULL.
    pub(crate) fn one_of_or_null<T: Copy>(&mut self, all: &[T], what: &'static str) -> Result<Option<T>, Failure> {
        let Some(number) = self.next::<Option<u8>>()? else { return Ok(None) };
        all.get(usize::from(number)).copied().map(Some).ok_or(Failure::Unreadable(Unreadable(what)))
    }
}
