//! Cursors: opaque texts around a position, with check digits, so that a foreign text is refused and not taken for another
//! position.

use mainspring_core::id::Key;
use mainspring_core::schedule::ScheduleName;
use mainspring_core::time::Timestamp;
use mainspring_protocol::problem::{Code, Problem};

use super::call::Refused;
use super::params::cut;

/// More than a list tells of one instant.
const TOLD_MAX: u64 = 100_000;

/// The cursor of a page that starts below this key.
pub(crate) fn of_key(key: Key) -> String {
    format!("k{:016x}{:02x}", key.raw(), check(key.raw()))
}

/// Reads [`of_key`].
pub(crate) fn to_key(text: &str) -> Result<Key, Refused> {
    let raw = split(text, 'k').ok_or_else(|| foreign(text))?;
    if raw < 1 << 63 { Ok(Key::from_raw(raw)) } else { Err(foreign(text)) }
}

/// The cursor of a list that is read by index.
pub(crate) fn of_index(index: u64) -> String {
    format!("i{index:016x}{:02x}", check(index))
}

/// Reads [`of_index`].
pub(crate) fn to_index(text: &str) -> Result<u64, Refused> {
    split(text, 'i').ok_or_else(|| foreign(text))
}

/// The cursor of a list by instants: this many of the instant were told.
pub(crate) fn of_instant(at: Timestamp, told: usize) -> String {
    let (at, told) = (at.as_millis() as u64, told as u64);
    format!("a{at:016x}{told:08x}{:02x}", check(at ^ told.rotate_left(40)))
}

/// Reads [`of_instant`].
pub(crate) fn to_instant(text: &str) -> Result<(Timestamp, usize), Refused> {
    let digits = text.strip_prefix('a').filter(|digits| digits.len() == 26);
    let parts = digits.and_then(|digits| Some((digits.get(..16)?, digits.get(16..24)?, digits.get(24..)?)));
    let number = |part: &str| u64::from_str_radix(part, 16).ok();
    let read = parts.and_then(|(at, told, given)| Some((number(at)?, number(told)?, number(given)?)));
    let (at, told, given) = read.ok_or_else(|| foreign(text))?;
    if given != u64::from(check(at ^ told.rotate_left(40))) || told > TOLD_MAX {
        return Err(foreign(text));
    }
    Ok((Timestamp::from_millis(at as i64), told as usize))
}

/// The cursor of a list by name and tenant.
pub(crate) fn of_name(id: &ScheduleName) -> String {
    format!("n{:02x}{}/{}", check_text(&id.name, &id.tenant), id.name, id.tenant)
}

/// Reads [`of_name`].
pub(crate) fn to_name(text: &str) -> Result<ScheduleName, Refused> {
    let parts = text.strip_prefix('n').and_then(|rest| Some((rest.get(..2)?, rest.get(2..)?.split_once('/')?)));
    let (digits, (name, tenant)) = parts.ok_or_else(|| foreign(text))?;
    if u8::from_str_radix(digits, 16).ok() != Some(check_text(name, tenant)) {
        return Err(foreign(text));
    }
    Ok(ScheduleName { tenant: tenant.into(), name: name.into() })
}

fn check_text(name: &str, tenant: &str) -> u8 {
    let bytes = name.bytes().chain([0]).chain(tenant.bytes());
    check(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)))
}

fn split(text: &str, kind: char) -> Option<u64> {
    let digits = text.strip_prefix(kind)?;
    if digits.len() != 18 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let number = u64::from_str_radix(&digits[..16], 16).ok()?;
    let given = u8::from_str_radix(&digits[16..], 16).ok()?;
    (given == check(number)).then_some(number)
}

fn check(number: u64) -> u8 {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 56) as u8 ^ (mixed >> 24) as u8
}

fn foreign(text: &str) -> Refused {
    Box::new(
        Problem::new(Code::InvalidCursor, format!("`{}` was not made by this server", cut(text)))
            .with_hint("use the `nextCursor` of an earlier answer as it is"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_a_foreign_one_is_refused() {
        let key = Key::from_raw(0x1234_5678_9abc);
        assert_eq!(to_key(&of_key(key)).unwrap(), key);
        assert_eq!(to_index(&of_index(7)).unwrap(), 7);
        let at = Timestamp::from_millis(1_795_000_000_000);
        assert_eq!(to_instant(&of_instant(at, 12)).unwrap(), (at, 12));
        for text in ["a", &of_index(7), &of_instant(at, 100_001), &of_instant(at, 12).replace("c", "d")] {
            assert!(to_instant(text).is_err(), "{text}");
        }
        for text in
            ["", "garbage", "k", "kzzzzzzzzzzzzzzzz00", "k000000000000000100", &of_index(7), "é00000000000000000"]
        {
            assert!(to_key(text).is_err(), "{text}");
        }
    }
}
