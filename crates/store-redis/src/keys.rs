//! The names of the keys in Redis. Those of a shard carry its number as their hash tag, so that a cluster keeps them together
//! and one script may write them; see the page of the guide on Redis.
//!
//! ```text
//! ms:{b00}:meta                                how many shards there are, the key of the cluster
//! ms:{b00}:nodes                               who takes part
//! ms:{b00}:shard                               the fence and who holds it, the high waters, the schema's version
//! ms:{b00}:<tenant>:<job or ->:<task>:status   the status word of a task
//! ms:{b00}:t…:spec  :state  :body  :output     a task
//! ms:{b00}:j…:spec  :state  :graph  :names     a job
//! ms:{b00}:schedules  :schedules:rules         schedules; their ledger in :occurrences, :ledger:<tenant>:<name>
//! ms:{b00}:hot  :quiet  :ended  :lane:3  …     what orders them
//! ```

use mainspring_core::id::{Bucket, IdKind, Key};
use mainspring_core::schedule::ScheduleName;
use mainspring_store::ShardId;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What would blur where a part of a status key ends.
const BLURRED: &AsciiSet = &CONTROLS.add(b':').add(b'{').add(b'}').add(b'%').add(b' ').add(b'*').add(b'?').add(b'[');

/// The prefix of all keys where the URL names no other.
pub const PREFIX: &str = "ms";

/// Shards of a database where the URL names no other number.
pub const SHARDS: u16 = 16;
/// The most shards that a database may have.
pub const SHARDS_MAX: u16 = 256;

/// The key of a task's status in a database of so many shards, 1 to [`SHARDS_MAX`]: `job` is the job's id, `None` for a task
/// without one.
pub fn status_key(prefix: &str, shards: u16, tenant: &str, job: Option<&str>, task: &str) -> String {
    let shard = ShardId::of(Bucket::of_id(job.unwrap_or(task)), shards);
    Keys::new(prefix, shard).status(tenant, job, task)
}

/// Makes the names of a shard's keys.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    base: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str, shard: ShardId) -> Self {
        Self { base: format!("{prefix}:{{b{:02}}}:", shard.0) }
    }

    /// A key that exists once: `shard`, `hot`, …
    pub(crate) fn one(&self, name: &str) -> String {
        [&self.base, name].concat()
    }

    /// A part of a task.
    pub(crate) fn task(&self, key: Key, part: &str) -> String {
        [&self.base, &*key.id(IdKind::Task), ":", part].concat()
    }

    /// A part of a job.
    pub(crate) fn job(&self, key: Key, part: &str) -> String {
        [&self.base, &*key.id(IdKind::Job), ":", part].concat()
    }

    /// The cold tasks of a lane.
    pub(crate) fn lane(&self, lane: u32) -> String {
        format!("{}lane:{lane}", self.base)
    }

    /// The claims of one text.
    pub(crate) fn claims(&self, kind: u8, text: &str) -> String {
        format!("{}claim:{kind}:{text}", self.base)
    }

    /// The records of a schedule's ledger by key.
    pub(crate) fn ledger(&self, id: &ScheduleName) -> String {
        format!("{}ledger:{}:{}", self.base, blurred(&id.tenant), blurred(&id.name))
    }

    /// The same by instant.
    pub(crate) fn ledger_by_instant(&self, id: &ScheduleName) -> String {
        format!("{}:at", self.ledger(id))
    }

    pub(crate) fn status(&self, tenant: &str, job: Option<&str>, task: &str) -> String {
        format!("{}{}:{}:{}:status", self.base, blurred(tenant), blurred(job.unwrap_or("-")), blurred(task))
    }
}

fn blurred(text: &str) -> percent_encoding::PercentEncode<'_> {
    utf8_percent_encode(text, BLURRED)
}

/// The member that stands for a key in a sorted set; members are in the order of their keys.
pub(crate) fn member(key: Key) -> String {
    key.id(IdKind::Task)
}

/// Reads [`member`].
pub(crate) fn of_member(member: &[u8]) -> Option<Key> {
    Key::parse(std::str::from_utf8(member).ok()?).map(|(_, key)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_key_is_made_of_names_that_a_person_knows() {
        assert_eq!(
            status_key("ms", 1, "default", Some("job_202"), "task_101"),
            "ms:{b00}:default:job_202:task_101:status"
        );
        assert_eq!(status_key("ms", 1, "default", None, "task_101"), "ms:{b00}:default:-:task_101:status");
    }

    #[test]
    fn a_status_key_names_the_shard_that_the_id_leads_to() {
        let key = Key::new(1 << 40, Bucket::new(4_095));
        let (task, job) = (key.id(IdKind::Task), key.id(IdKind::Job));
        assert_eq!(status_key("ms", 16, "default", None, &task), format!("ms:{{b15}}:default:-:{task}:status"));
        assert_eq!(status_key("ms", 256, "default", Some(&job), "a"), format!("ms:{{b255}}:default:{job}:a:status"));
        let shard = ShardId::of(Bucket::of_text("job_202"), 16).0;
        let named = status_key("ms", 16, "default", Some("job_202"), "task_101");
        assert_eq!(named, format!("ms:{{b{shard:02}}}:default:job_202:task_101:status"));
    }

    #[test]
    fn odd_names_blur_no_boundary() {
        assert_ne!(status_key("ms", 1, "a:b", None, "c"), status_key("ms", 1, "a", Some("b:-"), "c"));
        assert_eq!(status_key("ms", 1, "a:b", None, "{c}"), "ms:{b00}:a%3Ab:-:%7Bc%7D:status");
    }

    #[test]
    fn members_are_in_the_order_of_their_keys() {
        let keys = [0, 1, 31, 32, 1 << 40, (1 << 63) - 1].map(Key::from_raw);
        let members = keys.map(member);
        assert!(members.is_sorted());
        assert_eq!(members.map(|member| of_member(member.as_bytes()).expect("it is one")), keys);
    }
}
