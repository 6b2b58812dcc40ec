//! The rows that stand beside tasks and jobs.

use mainspring_core::id::{Key, Name};
use mainspring_core::permit::KeyLimits;
use mainspring_core::row::{
    AuditRow, ClaimKind, ClaimName, ClaimRow, DefinitionKind, DefinitionRow, LaneName, LaneRow, LogRow, LogStream,
};
use mainspring_core::schedule::ScheduleName;
use mainspring_core::spec::Class;
use mainspring_core::task::{Attempt, LaneId};
use mainspring_core::time::Timestamp;
use mainspring_store::record::{Unreadable, decode_key_limits, encode_key_limits};

use super::task::{course, take_course};
use super::{FORMAT, Names, Put, Take};

const CLAIM_KINDS: [ClaimKind; 4] = [ClaimKind::TaskId, ClaimKind::JobId, ClaimKind::IdempotencyKey, ClaimKind::Unique];
const STREAMS: [LogStream; 3] = [LogStream::Stdout, LogStream::Stderr, LogStream::System];

fn whole<T>(bytes: &[u8], what: &'static str, read: impl FnOnce(&mut Take<'_>) -> Option<T>) -> Result<T, Unreadable> {
    let mut from = Take::new(bytes);
    let checked = from.byte().filter(|format| *format == FORMAT);
    checked.and_then(|_| read(&mut from)).ok_or(Unreadable(what))
}

pub(crate) fn encode_attempt(attempt: &Attempt) -> Vec<u8> {
    let mut out = vec![FORMAT];
    out.number(u64::from(attempt.number));
    out.number(u64::from(attempt.generation));
    course(&mut out, attempt);
    out
}

pub(crate) fn decode_attempt(bytes: &[u8], names: &mut Names) -> Result<Attempt, Unreadable> {
    whole(bytes, "attempt", |from| {
        let (number, generation) = (from.small()?, from.small()?);
        take_course(from, names, number, generation)
    })
}

/// A claim without its name.
pub(crate) fn encode_claim(row: &ClaimRow) -> Vec<u8> {
    let mut out = vec![FORMAT];
    out.number(row.target.raw());
    out.extend_from_slice(&row.body_hash.to_be_bytes());
    out.signed_or_none(row.expires_at.map(Timestamp::as_millis));
    out
}

pub(crate) fn decode_claim(name: ClaimName, bytes: &[u8]) -> Result<ClaimRow, Unreadable> {
    whole(bytes, "claim", |from| {
        let target = Key::from_raw(from.number()?);
        let (hash, rest) = from.rest().split_first_chunk::<16>()?;
        let expires_at = Take::new(rest).signed_or_none()?.map(Timestamp::from_millis);
        Some(ClaimRow { name, target, body_hash: u128::from_be_bytes(*hash), expires_at })
    })
}

/// The name of a claim, behind what is there.
pub(crate) fn encode_name(out: &mut Vec<u8>, name: &ClaimName) {
    out.push(name.kind as u8);
    out.text(&name.tenant);
    out.text(&name.text);
}

pub(crate) fn decode_name(bytes: &[u8]) -> Result<ClaimName, Unreadable> {
    let mut from = Take::new(bytes);
    let mut read = || {
        let kind = from.one_of(&CLAIM_KINDS)?;
        Some(ClaimName { kind, tenant: from.text()?.into(), text: from.text()?.into() })
    };
    read().ok_or(Unreadable("name of a claim"))
}

/// The name of a schedule.
pub(crate) fn encode_schedule_name(id: &ScheduleName) -> Vec<u8> {
    let mut out = Vec::new();
    out.text(&id.tenant);
    out.text(&id.name);
    out
}

pub(crate) fn decode_schedule_name(bytes: &[u8]) -> Result<ScheduleName, Unreadable> {
    let mut from = Take::new(bytes);
    let mut read = || Some(ScheduleName { tenant: from.text()?.into(), name: from.text()?.into() });
    read().ok_or(Unreadable("name of a schedule"))
}

pub(crate) fn encode_lane(row: &LaneRow) -> Vec<u8> {
    let mut out = vec![FORMAT];
    let name = &row.name;
    out.text(&name.queue);
    out.text(&name.tenant);
    out.text(&name.class.executor);
    out.number(name.class.labels.len() as u64);
    name.class.labels.iter().for_each(|label| out.text(label));
    let limits = encode_key_limits(&name.limits);
    if name.kind != name.class.executor || limits.is_some() {
        out.text(&name.kind);
        out.text(limits.as_deref().unwrap_or_default());
    }
    out
}

pub(crate) fn decode_lane(lane: LaneId, bytes: &[u8]) -> Result<LaneRow, Unreadable> {
    whole(bytes, "lane", |from| {
        let (queue, tenant, executor) = (from.text()?.into(), from.text()?.into(), from.text()?.into());
        let labels = (0..from.number()?).map(|_| from.text().map(Name::from)).collect::<Option<Vec<_>>>()?;
        let class = Class { executor, labels: labels.into() };
        // Left out where the type is the executor and there are no limits.
        let (kind, limits) = match from.rest().is_empty() {
            true => (class.executor.clone(), KeyLimits::default()),
            false => {
                let kind = from.text()?.into();
                let limits = Some(from.text()?).filter(|text| !text.is_empty());
                (kind, decode_key_limits(limits).ok()?)
            }
        };
        Some(LaneRow { lane, name: LaneName { queue, tenant, class, kind, limits } })
    })
}

/// What names a version of a definition.
pub(crate) fn encode_definition_name(row: &DefinitionRow) -> Vec<u8> {
    let mut out = vec![row.kind as u8];
    out.text(&row.tenant);
    out.text(&row.name);
    out.number(u64::from(row.version));
    out
}

pub(crate) fn decode_definition_name(bytes: &[u8]) -> Result<(DefinitionKind, Name, Name, u32), Unreadable> {
    let mut from = Take::new(bytes);
    let mut read =
        || Some((from.one_of(&DefinitionKind::ALL)?, from.text()?.into(), from.text()?.into(), from.small()?));
    read().ok_or(Unreadable("name of a definition"))
}

pub(crate) fn encode_definition(row: &DefinitionRow) -> Vec<u8> {
    let mut out = vec![FORMAT];
    out.signed(row.at.as_millis());
    out.text_or_none(row.body.as_deref());
    out.text(&row.actor);
    out
}

pub(crate) fn decode_definition(name: &[u8], bytes: &[u8]) -> Result<DefinitionRow, Unreadable> {
    let (kind, tenant, name, version) = decode_definition_name(name)?;
    whole(bytes, "definition", |from| {
        let at = Timestamp::from_millis(from.signed()?);
        let body = from.text_or_none()?.map(Into::into);
        // Records of before end here.
        let actor = if from.rest().is_empty() { "" } else { from.text()? }.into();
        Some(DefinitionRow { kind, tenant, name, version, at, body, actor })
    })
}

pub(crate) fn encode_audit(row: &AuditRow) -> Vec<u8> {
    let mut out = vec![FORMAT];
    out.signed(row.at.as_millis());
    for text in [&row.actor, &row.action, &row.target, &row.detail] {
        out.text(text);
    }
    out
}

pub(crate) fn decode_audit(bytes: &[u8]) -> Result<AuditRow, Unreadable> {
    whole(bytes, "audit record", |from| {
        let at = Timestamp::from_millis(from.signed()?);
        let mut text = || from.text().map(Name::from);
        Some(AuditRow { at, actor: text()?, action: text()?, target: text()?, detail: text()? })
    })
}

/// A log chunk, and the attempt's bytes up to its end.
pub(crate) fn encode_log(row: &LogRow, total: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(row.data.len() + 24);
    out.push(FORMAT);
    out.push(row.stream as u8);
    out.signed(row.at.as_millis());
    out.number(total);
    out.text(&row.data);
    out
}

pub(crate) fn decode_log(task: Key, attempt: u32, number: u64, bytes: &[u8]) -> Result<(LogRow, u64), Unreadable> {
    whole(bytes, "log chunk", |from| {
        let stream = from.one_of(&STREAMS)?;
        let at = Timestamp::from_millis(from.signed()?);
        let total = from.number()?;
        Some((LogRow { task, attempt, number, stream, at, data: from.text()?.into() }, total))
    })
}
