//! Reads rows back into the core's own types.

mod job;
mod record;
mod schedule;
mod task;

use std::collections::HashSet;
use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use mainspring_core::id::{Key, Name};
use mainspring_core::time::Timestamp;
use mainspring_store::record::Unreadable;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

pub(crate) use job::{JOB_COLUMNS, job};
pub(crate) use record::{
    ATTEMPT_COLUMNS, CLAIM_COLUMNS, LOG_COLUMNS, attempt, claim, definition_kind, directive, lane, limits, limits_of,
    loan, log,
};
pub(crate) use schedule::{OCCURRENCE_COLUMNS, SCHEDULE_COLUMNS, occurrence, schedule};
pub(crate) use task::{Bodies, TaskDecoder, columns as task_columns};

use crate::failure::Failure;
use crate::text::plain;

/// The body that is stored as NULL.
pub(crate) const EMPTY_BODY: &str = "{}";

/// `place` of a row in the core's memory.
pub(crate) const HOT: i64 = 0;
/// `place` of a cold ready row.
pub(crate) const COLD_READY: i64 = 1;
/// `place` of a cold timer.
pub(crate) const COLD_TIMER: i64 = 2;
/// `place` of a row at rest that has not ended.
pub(crate) const RESTING: i64 = 3;
/// `place` of a row at rest that failed.
pub(crate) const FAILED: i64 = 4;

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
pub(crate) fn inflate(data: &[u8], deflated: bool) -> Result<String, Failure> {
    let unreadable = Failure::Unreadable(Unreadable("log chunk"));
    if !deflated {
        return String::from_utf8(data.to_vec()).map_err(|_| unreadable);
    }
    let mut text = String::new();
    DeflateDecoder::new(data).read_to_string(&mut text).map_err(|_| unreadable)?;
    Ok(text)
}

/// Names that were read before, so that equal ones share their text.
#[derive(Debug, Default)]
pub(crate) struct Names(HashSet<Name>);

impl Names {
    pub(crate) fn get(&mut self, text: &str) -> Name {
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
    row: &'a Row,
    at: usize,
}

impl<'a> Cells<'a> {
    pub(crate) fn of(row: &'a Row) -> Self {
        Self { row, at: 0 }
    }

    fn step(&mut self) -> usize {
        self.at += 1;
        self.at - 1
    }

    pub(crate) fn skip(&mut self, columns: usize) {
        self.at += columns;
    }

    /// A number, whatever its width.
    pub(crate) fn int_or_null(&mut self) -> Result<Option<i64>, Failure> {
        let at = self.step();
        let kind = self.row.columns()[at].type_();
        Ok(if *kind == Type::INT8 {
            self.row.try_get(at)?
        } else if *kind == Type::INT4 {
            self.row.try_get::<_, Option<i32>>(at)?.map(i64::from)
        } else {
            self.row.try_get::<_, Option<i16>>(at)?.map(i64::from)
        })
    }

    pub(crate) fn int(&mut self) -> Result<i64, Failure> {
        Ok(self.int_or_null()?.ok_or(Unreadable("number"))?)
    }

    /// A number that is unsigned here.
    pub(crate) fn wide(&mut self) -> Result<u64, Failure> {
        Ok(self.int()? as u64)
    }

    /// A number of 32 bits that is unsigned here.
    pub(crate) fn small(&mut self) -> Result<u32, Failure> {
        Ok(self.int()? as u32)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Failure> {
        let at = self.step();
        Ok(self.row.try_get::<_, Option<bool>>(at)?.unwrap_or_default())
    }

    /// A text, or NULL.
    pub(crate) fn text(&mut self) -> Result<Option<std::borrow::Cow<'a, str>>, Failure> {
        let at = self.step();
        Ok(self.row.try_get::<_, Option<&str>>(at)?.map(plain))
    }

    pub(crate) fn name(&mut self) -> Result<Name, Failure> {
        Ok(self.name_or_null()?.ok_or(Unreadable("name"))?)
    }

    pub(crate) fn name_or_null(&mut self) -> Result<Option<Name>, Failure> {
        Ok(self.text()?.map(|text| Name::from(&*text)))
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Failure> {
        let at = self.step();
        Ok(self.row.try_get::<_, Option<&[u8]>>(at)?.unwrap_or_default())
    }

    pub(crate) fn key(&mut self) -> Result<Key, Failure> {
        Ok(Key::from_raw(self.wide()?))
    }

    pub(crate) fn time(&mut self) -> Result<Option<Timestamp>, Failure> {
        Ok(self.int_or_null()?.map(Timestamp::from_millis))
    }

    pub(crate) fn instant(&mut self) -> Result<Timestamp, Failure> {
        Ok(Timestamp::from_millis(self.int()?))
    }

    /// One of a closed list, by its stored number.
    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T], what: &'static str) -> Result<T, Failure> {
        Ok(self.one_of_or_null(all, what)?.ok_or(Unreadable(what))?)
    }

    /// One of a closed list, or NULL.
    pub(crate) fn one_of_or_null<T: Copy>(&mut self, all: &[T], what: &'static str) -> Result<Option<T>, Failure> {
        let Some(number) = self.int_or_null()? else { return Ok(None) };
        let found = usize::try_from(number).ok().and_then(|number| all.get(number)).copied();
        Ok(Some(found.ok_or(Unreadable(what))?))
    }
}
