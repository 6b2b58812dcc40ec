//! Reads rows by key, many at a time, for the writer and the read side.

use std::collections::BTreeMap;

use mainspring_core::id::{Key, Name};
use mainspring_core::job::{GraphChunk, JobRow};
use mainspring_core::row::{ClaimName, ClaimRow};
use mainspring_core::schedule::{OccurrenceRow, ScheduleRow};
use mainspring_store::record::{decode_graph, decode_occurrence, decode_schedule};
use redis::{FromRedisValue, Pipeline, Value, from_redis_value};

use crate::connect::Link;
use crate::failure::Failure;
use crate::keys::{member, of_member};
use crate::record::{decode_claim, decode_job, decode_name, decode_schedule_name};

/// Rows that one command asks for.
const ROWS_AT_ONCE: usize = 500;

/// A stored record, if it exists.
pub(crate) type Record = Option<Vec<u8>>;

/// Reads an answer as what it should be.
pub(crate) fn take<T: FromRedisValue>(value: Value) -> Result<T, Failure> {
    Ok(from_redis_value(value).map_err(redis::RedisError::from)?)
}

/// The next answer of a pipeline.
pub(crate) fn next<T: FromRedisValue>(answers: &mut impl Iterator<Item = Value>) -> Result<T, Failure> {
    take(answers.next().unwrap_or_default())
}

/// Spec and state of tasks, in order; `None` for what does not exist.
pub(crate) async fn tasks(link: &Link, keys: &[Key]) -> Result<Vec<Option<[Vec<u8>; 2]>>, Failure> {
    pairs(link, keys, |key, part| link.keys().task(key, part)).await
}

async fn pairs(
    link: &Link,
    keys: &[Key],
    name: impl Fn(Key, &str) -> String,
) -> Result<Vec<Option<[Vec<u8>; 2]>>, Failure> {
    let mut pipeline = Pipeline::new();
    for keys in keys.chunks(ROWS_AT_ONCE) {
        let ask = pipeline.cmd("MGET");
        for key in keys {
            ask.arg(name(*key, "spec")).arg(name(*key, "state"));
        }
    }
    let mut found = Vec::with_capacity(keys.len());
    for answer in link.read(&pipeline).await? {
        let mut records = take::<Vec<Record>>(answer)?.into_iter();
        while let (Some(spec), Some(state)) = (records.next(), records.next()) {
            found.push(spec.zip(state).map(|(spec, state)| [spec, state]));
        }
    }
    Ok(found)
}

/// Jobs that exist, in order.
pub(crate) async fn jobs(link: &Link, keys: &[Key]) -> Result<Vec<JobRow>, Failure> {
    let found = pairs(link, keys, |key, part| link.keys().job(key, part)).await?;
    let rows = keys.iter().zip(found).filter_map(|(key, found)| found.map(|[spec, state]| (*key, spec, state)));
    rows.map(|(key, spec, state)| Ok(decode_job(key, &spec, &state)?)).collect()
}

/// Chunks of graphs that exist, in order.
pub(crate) async fn chunks(link: &Link, chunks: &[(Key, u32)]) -> Result<Vec<GraphChunk>, Failure> {
    let mut pipeline = Pipeline::new();
    for (job, number) in chunks {
        pipeline.cmd("HGET").arg(link.keys().job(*job, "graph")).arg(*number);
    }
    let answers = link.read(&pipeline).await?;
    let mut found = Vec::with_capacity(chunks.len());
    for ((job, number), answer) in chunks.iter().zip(answers) {
        if let Some(bytes) = take::<Record>(answer)? {
            found.push(decode_graph(*job, *number, &bytes)?);
        }
    }
    Ok(found)
}

/// Claims that exist, in order.
pub(crate) async fn claims(link: &Link, names: &[ClaimName]) -> Result<Vec<ClaimRow>, Failure> {
    let mut pipeline = Pipeline::new();
    for name in names {
        pipeline.cmd("HGET").arg(link.keys().claims(name.kind as u8, &name.text)).arg(&*name.tenant);
    }
    let answers = link.read(&pipeline).await?;
    let mut found = Vec::new();
    for (name, answer) in names.iter().zip(answers) {
        if let Some(bytes) = take::<Record>(answer)? {
            found.push(decode_claim(name.clone(), &bytes)?);
        }
    }
    Ok(found)
}

/// The names of the claims that lead to each of these keys, in their order.
pub(crate) async fn claims_to(link: &Link, keys: &[Key]) -> Result<Vec<Vec<ClaimName>>, Failure> {
    let mut pipeline = Pipeline::new();
    for key in keys {
        let from = member(*key);
        let ask = pipeline.cmd("ZRANGEBYLEX").arg(link.keys().one("claims:of"));
        ask.arg(format!("[{from}")).arg([b"(", from.as_bytes(), &[0xff]].concat());
    }
    let mut found = Vec::with_capacity(keys.len());
    for (key, answer) in keys.iter().zip(link.read(&pipeline).await?) {
        let length = member(*key).len();
        let members: Vec<Vec<u8>> = take(answer)?;
        let names = members.iter().map(|member| decode_name(member.get(length..).unwrap_or_default()));
        let mut names = names.collect::<Result<Vec<_>, _>>()?;
        names.sort_unstable();
        found.push(names);
    }
    Ok(found)
}

/// All schedules of the shard, by (tenant, name).
pub(crate) async fn schedules(link: &Link) -> Result<Vec<ScheduleRow>, Failure> {
    let mut pipeline = Pipeline::new();
    for hash in ["schedules", "schedules:rules"] {
        pipeline.cmd("HGETALL").arg(link.keys().one(hash));
    }
    let mut answers = link.read(&pipeline).await?.into_iter();
    let states: BTreeMap<Vec<u8>, String> = next(&mut answers)?;
    let rules: BTreeMap<Vec<u8>, String> = next(&mut answers)?;
    let mut rows = Vec::with_capacity(states.len());
    for (field, state) in &states {
        // An update of a schedule that is not there left a state alone: it means nothing.
        let Some(rule) = rules.get(field) else { continue };
        rows.push(decode_schedule(decode_schedule_name(field)?, rule, state)?);
    }
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(rows)
}

/// Records of the ledger that exist, in order.
pub(crate) async fn occurrences(link: &Link, keys: &[Key]) -> Result<Vec<OccurrenceRow>, Failure> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut pipeline = Pipeline::new();
    let ask = pipeline.cmd("HMGET").arg(link.keys().one("occurrences"));
    keys.iter().for_each(|key| _ = ask.arg(member(*key)));
    let mut answers = link.read(&pipeline).await?.into_iter();
    let records: Vec<Option<String>> = next(&mut answers)?;
    let found = keys.iter().zip(records).filter_map(|(key, record)| Some((*key, record?)));
    found.map(|(key, record)| Ok(decode_occurrence(key, &record)?)).collect()
}

/// The keys behind the members of a sorted set.
pub(crate) fn keys_of(members: Vec<Vec<u8>>) -> Vec<Key> {
    members.iter().filter_map(|member| of_member(member)).collect()
}

/// All keys of a sorted set that is never large.
pub(crate) async fn all_of(link: &Link, set: &str) -> Result<Vec<Key>, Failure> {
    let mut pipeline = Pipeline::new();
    pipeline.cmd("ZRANGE").arg(link.keys().one(set)).arg(0).arg(-1);
    let mut answers = link.read(&pipeline).await?.into_iter();
    Ok(keys_of(next(&mut answers)?))
}

/// A text from Redis.
pub(crate) fn text(bytes: &[u8]) -> Name {
    String::from_utf8_lossy(bytes).into()
}
