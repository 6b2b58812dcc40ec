//! `mainspring redis-key`: the key under which Redis has a task's status.

use crate::args::RedisKey;

/// Prints it.
pub(crate) fn run(args: &RedisKey) {
    let job = Some(args.job.as_str()).filter(|job| *job != "-");
    println!("{}", mainspring_store_redis::status_key(&args.prefix, args.shards, &args.tenant, job, &args.task));
}
