//! Bytes of the compact records: variable-length integers, and texts that are written once and then named by number.

use std::collections::HashMap;
use std::sync::Arc;

/// Writes a record.
#[derive(Default)]
pub(super) struct Writer<'a> {
    pub(super) bytes: Vec<u8>,
    texts: HashMap<&'a str, u64>,
}

impl<'a> Writer<'a> {
    /// An unsigned number, seven bits a byte, lowest first.
    pub(super) fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// A signed number, small when it is near zero.
    pub(super) fn signed(&mut self, value: i64) {
        self.number(((value << 1) ^ (value >> 63)) as u64);
    }

    /// A text: 0, length and bytes where it is new, otherwise the number of its first use.
    pub(super) fn text(&mut self, text: &'a str) {
        let known = self.texts.len() as u64 + 1;
        if let Some(number) = self.texts.get(text) {
            self.number(*number);
            return;
        }
        self.texts.insert(text, known);
        self.number(0);
        self.number(text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
    }
}

/// Reads what a [`Writer`] wrote; `None` if it is no such record.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    texts: Vec<Arc<str>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, texts: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn small(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        let value = self.number()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub(super) fn text(&mut self) -> Option<Arc<str>> {
        let number = self.number()?;
        if let Some(index) = number.checked_sub(1) {
            return self.texts.get(usize::try_from(index).ok()?).cloned();
        }
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        let text: Arc<str> = std::str::from_utf8(text).ok()?.into();
        self.texts.push(text.clone());
        Some(text)
    }
}
