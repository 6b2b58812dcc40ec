//! What is settled when a database is made: its format, how many shards it has, and the key by which its nodes know each
//! other.

use std::hash::{BuildHasher, RandomState};

use mainspring_store::Error;

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

/// Finds out how many shards the database has; makes it if there is none. `link` is the control shard's.
///
/// # Errors
/// `Incompatible` if it has another number than the one wanted, or a newer format.
pub(crate) async fn open(link: &Link, wanted: Option<u16>) -> Result<u16, Failure> {
    let mut tries = 2;
    let answer = loop {
        tries -= 1;
        match ask(link, wanted).await {
            // The connection may have been lost long ago, unseen; to ask twice does no harm.
            Err(failure) if failure.ends_the_connection() && tries > 0 => {}
            answer => break answer?,
        }
    };
    match (answer.0.as_str(), answer.1.parse::<u16>()) {
        ("open", Ok(shards)) if shards > 0 => Ok(shards),
        ("shards", Ok(shards)) => Err(Error::Incompatible(format!(
            "this database has {shards} shards, which was settled when it was made: leave `shards=` out of the URL; \
             for another number, copy it to another `prefix=` with `mainspring migrate-store`"
        ))
        .into()),
        ("schema", _) => Err(newer(&answer.1).into()),
        _ => Err(Error::Corrupt("the record of the database cannot be read".to_owned()).into()),
    }
}

async fn ask(link: &Link, wanted: Option<u16>) -> Result<(String, String), Failure> {
    let (meta, shard, key) = (link.keys().one("meta"), link.keys().one("shard"), random()?);
    let answer = Script::open()
        .run(link, &|command| {
            command.arg(2).arg(&meta).arg(&shard).arg(SCHEMA);
            command.arg(wanted.map_or_else(String::new, |number| number.to_string()));
            command.arg(wanted.unwrap_or(SHARDS)).arg(&key[..]);
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
