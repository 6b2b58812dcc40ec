//! Names of things: buckets, keys and the text of ids.
//!
//! A [`Key`] names a task or a job inside the engine: a time-ordered number that carries its bucket, so
//! that a store can be re-sharded or split without touching a key. Its text (`t…` for tasks, `j…` for jobs)
//! is the id of whatever the server named itself; an id that a client chose lives beside the key.

use std::fmt;
use std::sync::Arc;

use crate::time::Timestamp;

/// A short immutable string that is cheap to clone: names of tenants, queues, types, tasks.
pub type Name = Arc<str>;

/// How many buckets the id space has. A shard is a range of them.
pub const BUCKETS: u16 = 4096;

/// One of the [`BUCKETS`] slices of the id space, the unit in which work is spread over shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(u16);

impl Bucket {
    /// The bucket of shard settings: definitions, queue and worker pauses, profiles.
    pub const CONTROL: Bucket = Bucket(0);

    /// Wraps a number, modulo [`BUCKETS`].
    pub fn new(number: u16) -> Self {
        Self(number % BUCKETS)
    }

    /// The bucket that an id or a key chosen by a client hashes to (FNV-1a, folded to 12 bits).
    /// Part of the stored format: it never changes.
    pub fn of_text(text: &str) -> Self {
        let hash = text
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self(((hash ^ (hash >> 24) ^ (hash >> 48)) % u64::from(BUCKETS)) as u16)
    }

    /// The bucket that an id of a task or job lives in: written inside a server-made id, hashed from any other.
    pub fn of_id(id: &str) -> Self {
        Key::parse(id).map_or_else(|| Self::of_text(id), |(_, key)| key.bucket())
    }

    /// The number, 0 to 4,095.
    pub fn number(self) -> u16 {
        self.0
    }
}

/// Milliseconds of 2020-01-01T00:00:00Z since the Unix epoch: key time starts there.
const KEY_EPOCH_MS: i64 = 1_577_836_800_000;
const BUCKET_BITS: u32 = 12;
/// Sequence numbers minted per millisecond before minting borrows from the next one.
const COUNTER_BITS: u32 = 10;

/// The engine's own name of a task or a job: 51 bits of sequence (milliseconds since 2020 and a counter) above
/// 12 bits of bucket. Keys minted later are larger. A job takes one key and one for each of its tasks, in
/// order: see [`Key::task_of_job`]. Always positive as an `i64`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(u64);

/// What a server-made id names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdKind {
    /// `t…`
    Task,
    /// `j…`
    Job,
}

impl Key {
    /// The key with this sequence number in this bucket.
    pub fn new(sequence: u64, bucket: Bucket) -> Self {
        debug_assert!(sequence < 1 << 51);
        Self((sequence << BUCKET_BITS) | u64::from(bucket.0))
    }

    /// Below every key.
    pub(crate) const ZERO: Key = Key(0);

    /// The key stored as this number.
    pub fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The number a store keeps; below 2^63.
    pub fn raw(self) -> u64 {
        self.0
    }

    /// The bucket the key lives in.
    pub fn bucket(self) -> Bucket {
        Bucket((self.0 & ((1 << BUCKET_BITS) - 1)) as u16)
    }

    /// The sequence number.
    pub fn sequence(self) -> u64 {
        self.0 >> BUCKET_BITS
    }

    /// The lowest sequence number that may be minted at this instant.
    pub fn first_sequence_at(now: Timestamp) -> u64 {
        let ms = now.as_millis().saturating_sub(KEY_EPOCH_MS).max(0) as u64;
        ms.min((1 << 41) - 1) << COUNTER_BITS
    }

    /// The key of the task at `index` (0-based, in the stored topological order) of the job with this key.
    pub fn task_of_job(self, index: u32) -> Self {
        Self(self.0 + ((u64::from(index) + 1) << BUCKET_BITS))
    }

    /// The index of `task` in the job with this key; the inverse of [`Key::task_of_job`].
    pub fn index_of(self, task: Key) -> u32 {
        ((task.0 - self.0) >> BUCKET_BITS) as u32 - 1
    }

    /// The id text of a task or job that the server named: `t` or `j` and 13 digits of Crockford's base 32.
    pub fn id(self, kind: IdKind) -> String {
        let mut text = [0_u8; 14];
        text[0] = match kind {
            IdKind::Task => b't',
            IdKind::Job => b'j',
        };
        for (place, digit) in text[1..].iter_mut().enumerate() {
            *digit = DIGITS[((self.0 >> (60 - 5 * place)) & 31) as usize];
        }
        text.iter().map(|byte| char::from(*byte)).collect()
    }

    /// Reads the text that [`Key::id`] writes; `None` for any other text, which then is an id a client chose.
    pub fn parse(id: &str) -> Option<(IdKind, Key)> {
        let (&first, digits) = id.as_bytes().split_first()?;
        let kind = match first {
            b't' => IdKind::Task,
            b'j' => IdKind::Job,
            _ => return None,
        };
        if digits.len() != 13 {
            return None;
        }
        let mut raw = 0_u64;
        for byte in digits {
            let value = DIGITS.iter().position(|digit| digit == byte)? as u64;
            raw = raw.checked_mul(32)?.checked_add(value)?;
        }
        (raw < 1 << 63).then_some((kind, Key(raw)))
    }
}

const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.sequence(), self.bucket().0)
    }
}

/// One process start of a worker. Chosen by the worker, at most 128 characters.
pub type SessionId = Name;

/// The right to run one attempt: a lease number that strictly increases over all leases of a shard, under the
/// incarnation of the store. The wire shows it as opaque text; it also serves as `MAINSPRING_FENCE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    /// New after a restore, a migration or a detected failover of the store.
    pub incarnation: u32,
    /// The task.
    pub task: Key,
    /// The number of the lease; larger than that of any earlier lease of this shard.
    pub lease: u64,
}

/// Leases of one incarnation, as a power of two; with 2^13 incarnations they are exact in any program that reads a fence.
const LEASES_BITS: u32 = 40;

impl Token {
    /// The largest number that a lease of an earlier incarnation may have. Where a store went back, it does not know all that it gave
    /// out; so a new incarnation begins above.
    pub fn lease_before(incarnation: u32) -> u64 {
        u64::from(incarnation.saturating_sub(1)) << LEASES_BITS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minted_id_reads_back_and_keeps_its_bucket() {
        let key = Key::new(Key::first_sequence_at(Timestamp::from_millis(1_795_000_000_000)) + 7, Bucket::new(4095));
        let id = key.id(IdKind::Job);
        assert_eq!(Key::parse(&id), Some((IdKind::Job, key)));
        assert_eq!(Bucket::of_id(&id), Bucket::new(4095));
        assert_eq!(key.index_of(key.task_of_job(99_999)), 99_999);
        assert_eq!(key.task_of_job(5).bucket(), key.bucket());
    }

    #[test]
    fn a_token_of_a_later_incarnation_has_a_larger_number() {
        assert_eq!([Token::lease_before(0), Token::lease_before(1)], [0, 0], "the first begins at one");
        assert!(Token::lease_before(2) > 1_000_000_000_000 && Token::lease_before(3) > Token::lease_before(2));
        assert!(Token::lease_before(1 << 13) < 1 << 53, "exact where numbers are doubles");
        assert!(Token::lease_before(u32::MAX) > Token::lease_before(1 << 13));
    }

    #[test]
    fn client_ids_are_not_mistaken_for_minted_ones() {
        for id in ["task_101", "t", "t0123456789abcu", "tzzzzzzzzzzzzz", "j012345678901", "x0123456789abc"] {
            assert_eq!(Key::parse(id), None, "{id}");
        }
    }
}
