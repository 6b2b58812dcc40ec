//! What is settled when a database is made: its format, how many shards it has, and the key by which its nodes know each
//! other.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use mainspring_store::{Cluster, Error, Part};

use crate::connect::Link;
use crate::failure::Failure;
use crate::fetch::take;
use crate::keys::SHARDS;
use crate::script::Script;

/// The version of what is stored.
pub(crate) const SCHEMA: u32 = 2;

/// Who this process is to others.
#[derive(Debug)]
pub(crate) struct Holder {
    /// Names this store value; random.
    pub(crate) instance: String,
    /// For people: process and host.
    pub(crate) who: String,
}

impl Holder {
    pub(crate) fn new() -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = host.trim();
        let host = if host.is_empty() { "unknown host" } else { host };
        Self {
            instance: format!("{:016x}", RandomState::new().hash_one(std::thread::current().id())),
            who: format!("process {} on {host}", std::process::id()),
        }
    }
}

/// What was settled, and which of the shards are here.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) cluster: Cluster,
    pub(crate) holds: Range<u16>,
    /// Its place, to make it again after a fail-over to an empty replica.
    pub(crate) part: Part,
}

/// Finds out what was settled; makes the database if there is none. `link` is the control shard's.
///
/// # Errors
/// `Incompatible` if it has another number of shards than the one wanted, a newer format, or is another part of the cluster, or
/// part of another one.
pub(crate) async fn open(link: &Link, wanted: Option<u16>, part: &Part) -> Result<Made, Failure> {
    let mut tries = 2;
    let (word, shards, key, holds) = loop {
        tries -= 1;
        match ask(link, wanted, part).await {
            // The connection may have been lost long ago, unseen; to ask twice does no harm.
            Err(failure) if failure.ends_the_connection() && tries > 0 => {}
            answer => break answer?,
        }
    };
    let refused = |reason: String| Err(Error::Incompatible(reason).into());
    match word.as_str() {
        "shards" => refused(format!(
            "this database has {shards} shards, which was settled when it was made: leave `shards=` out of the URL; \
             for another number, copy it to another `prefix=` with `mainspring migrate-store`"
        )),
        "cluster" => refused(format!(
            "the database at {} belongs to another cluster than the first of the list: name a new one with `prefix=`, or the \
             databases that belong together",
            link.place()
        )),
        "schema" => Err(newer(&shards).into()),
        _ => {
            let made = made(&shards, &key, &holds, part).ok_or_else(damaged)?;
            let expected = part.range(made.cluster.shards);
            if made.holds == expected {
                return Ok(made);
            }
            refused(format!(
                "the database at {} holds the shards {} to {} of {shards}, which does not fit its place, {} of {}: name all \
                 databases of the cluster in the order in which they were first named",
                link.place(),
                made.holds.start,
                made.holds.end.saturating_sub(1),
                part.place + 1,
                part.of
            ))
        }
    }
}

fn damaged() -> Error {
    Error::Corrupt("the record of the database cannot be read".to_owned())
}

fn made(shards: &str, key: &[u8], holds: &str, part: &Part) -> Option<Made> {
    let (first, end) = holds.split_once('-')?;
    let cluster = Cluster { shards: shards.parse().ok().filter(|shards| *shards > 0)?, key: key.try_into().ok()? };
    let part = Part { cluster: Some(cluster.clone()), ..part.clone() };
    Some(Made { cluster, holds: first.parse().ok()?..end.parse().ok()?, part })
}

/// A word, the number of shards, the key, and the range that is here.
type Settled = (String, String, Vec<u8>, String);

async fn ask(link: &Link, wanted: Option<u16>, part: &Part) -> Result<Settled, Failure> {
    let (meta, shard) = (link.keys().one("meta"), link.keys().one("shard"));
    let (key, known) = match &part.cluster {
        Some(cluster) => (cluster.key, "known"),
        None => (random()?, ""),
    };
    let new = part.cluster.as_ref().map_or(wanted.unwrap_or(SHARDS), |cluster| cluster.shards);
    let wanted = part.cluster.as_ref().filter(|_| wanted.is_none()).map(|cluster| cluster.shards).or(wanted);
    let answer = Script::open()
        .run(link, &|command| {
            command.arg(2).arg(&meta).arg(&shard).arg(SCHEMA);
            command.arg(wanted.map_or_else(String::new, |number| number.to_string()));
            command.arg(new).arg(&key[..]).arg(known).arg(part.place).arg(part.of);
        })
        .await?;
    take(answer)
}

/// What is stored is newer than this program.
pub(crate) fn newer(version: &str) -> Error {
    Error::Incompatible(format!(
        "Redis holds schema version {version}, this program knows versions up to {SCHEMA}; use the newer program"
    ))
}

/// Bytes that nobody can guess.
fn random() -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    let mut filled = 0;
    while filled < bytes.len() {
        let got = rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty());
        filled += got.map_err(|error| Error::Unavailable(format!("no random number can be had: {error}")))?;
    }
    Ok(bytes)
}
