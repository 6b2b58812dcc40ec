//! The feed row of one commit: about seven bytes an event.

use mainspring_core::id::Key;
use mainspring_core::row::{Transition, TransitionKind};
use mainspring_core::time::Timestamp;

use super::Unreadable;
use super::bytes::{Reader, Writer};

const WITH_TASK: u8 = 1 << 5;
const WITH_JOB: u8 = 1 << 6;
const WITH_SUBJECT: u8 = 1 << 7;

/// Writes the events of a commit. Instants and keys are written as differences to the event before.
pub fn encode_feed(events: &[Transition]) -> Vec<u8> {
    let mut out = Writer::default();
    out.bytes.reserve(events.len() * 8);
    let (mut at, mut task, mut job) = (0, 0, 0);
    for event in events {
        let mut head = event.kind as u8;
        head |= if event.task.is_some() { WITH_TASK } else { 0 };
        head |= if event.job.is_some() { WITH_JOB } else { 0 };
        head |= if event.subject.is_some() { WITH_SUBJECT } else { 0 };
        out.bytes.push(head);
        out.signed(event.at.as_millis().wrapping_sub(at));
        at = event.at.as_millis();
        if let Some(key) = event.task {
            out.signed((key.raw() as i64).wrapping_sub(task));
            task = key.raw() as i64;
        }
        if let Some(key) = event.job {
            out.signed((key.raw() as i64).wrapping_sub(job));
            job = key.raw() as i64;
        }
        out.number(u64::from(event.attempt));
        if let Some(subject) = &event.subject {
            out.text(subject);
        }
    }
    out.bytes
}

/// Reads what [`encode_feed`] wrote.
///
/// # Errors
/// If these bytes are something else.
pub fn decode_feed(bytes: &[u8]) -> Result<Vec<Transition>, Unreadable> {
    let mut from = Reader::new(bytes);
    let mut events = Vec::new();
    let (mut at, mut task, mut job) = (0, 0, 0);
    while !from.is_empty() {
        let event = decode_event(&mut from, &mut at, &mut task, &mut job).ok_or(Unreadable("feed row"))?;
        events.push(event);
    }
    Ok(events)
}

fn decode_event(from: &mut Reader<'_>, at: &mut i64, task: &mut i64, job: &mut i64) -> Option<Transition> {
    let head = from.byte()?;
    let kind = *TransitionKind::ALL.get(usize::from(head & 0x1f))?;
    *at = at.wrapping_add(from.signed()?);
    let key = |last: &mut i64, present: u8, from: &mut Reader<'_>| {
        if head & present == 0 {
            return Some(None);
        }
        *last = last.wrapping_add(from.signed()?);
        Some(Some(Key::from_raw(*last as u64)))
    };
    let task = key(task, WITH_TASK, from)?;
    let job = key(job, WITH_JOB, from)?;
    let attempt = from.small()?;
    let subject = if head & WITH_SUBJECT == 0 { None } else { Some(from.text()?) };
    Some(Transition { kind, at: Timestamp::from_millis(*at), task, job, attempt, subject })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events() -> Vec<Transition> {
        let of = |index: usize, kind| Transition {
            kind,
            at: Timestamp::from_millis(1_795_000_000_000 - index as i64 * 7),
            task: (!index.is_multiple_of(3)).then(|| Key::from_raw(u64::MAX / 2 - index as u64)),
            job: index.is_multiple_of(2).then(|| Key::from_raw(index as u64)),
            attempt: index as u32 * 1_000,
            subject: index.is_multiple_of(5).then(|| "größe".into()),
        };
        TransitionKind::ALL.into_iter().enumerate().map(|(index, kind)| of(index, kind)).collect()
    }

    #[test]
    fn every_kind_of_event_reads_back() {
        assert_eq!(decode_feed(&encode_feed(&events())), Ok(events()));
        assert_eq!(decode_feed(&[]), Ok(Vec::new()));
    }

    #[test]
    fn a_damaged_row_is_refused_and_never_panics() {
        let bytes = encode_feed(&events());
        assert!(decode_feed(&bytes[..bytes.len() - 1]).is_err());
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0xff;
            _ = decode_feed(&damaged);
        }
    }
}
