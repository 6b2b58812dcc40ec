//! The one place that declares the bounds of the core; the API schema and the stores use these.

/// Characters in an id of a task, job, queue, worker: `[A-Za-z0-9][A-Za-z0-9._-]*`.
pub const ID_CHARS_MAX: usize = 128;
/// Characters in a human name (`taskName`, `jobName`), a tag, a label, a type.
pub const NAME_CHARS_MAX: usize = 256;
/// Bytes of one task's payload.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;
/// Definitions that are applied at once: each is two rows of a step.
pub const DEFINITIONS_MAX: usize = 1_000;
/// Tasks in one batch.
pub const BATCH_TASKS_MAX: usize = 10_000;
/// Tasks in one job.
pub const JOB_TASKS_MAX: usize = 100_000;
/// Edges in one job.
pub const JOB_EDGES_MAX: usize = 1_000_000;
/// Retries of one task.
pub const RETRIES_MAX: u32 = 1_000;
/// Ten years of delay, in milliseconds.
pub const DELAY_MS_MAX: u64 = 10 * 365 * 86_400_000;
/// Thirty days of run time, in milliseconds.
pub const TIMEOUT_MS_MAX: u64 = 30 * 86_400_000;
/// Tags, and labels, of one task or job.
pub const TAGS_MAX: usize = 32;
/// Limits by key that one task carries.
pub const KEY_LIMITS_MAX: usize = 4;
/// The longest period of a rate, in milliseconds: a day.
pub const RATE_PERIOD_MS_MAX: u64 = 86_400_000;
/// The largest number in a rate, as its limit and as its burst.
pub const RATE_MAX: u32 = 1_000_000;
/// The largest quota of unfinished tasks of a tenant.
pub const BACKLOG_MAX: u64 = 1_000_000_000_000;
/// The largest weight of a tenant.
pub const WEIGHT_MAX: u32 = 100;
/// Priorities run from 0 to this; the highest goes first.
pub const PRIORITY_MAX: u8 = 9;
/// Losses of a worker after which a task is poison and goes to the dead letters.
pub const LOSSES_MAX: u32 = 3;
/// Snoozes (`retryAfter` with outcome `snoozed`) of one generation.
pub const SNOOZES_MAX: u32 = 1_000;
/// Bytes of the JSON text of one checkpoint.
pub const CHECKPOINT_BYTES_MAX: usize = 64 << 10;
/// Jobs around a job: groups inside groups.
pub const NESTING_MAX: usize = 8;
/// Instances of one `forEach`.
pub const INSTANCES_MAX: usize = 10_000;
/// Bytes of one output.
pub const OUTPUT_BYTES_MAX: usize = 256 << 10;
/// Rows that one step may change. Larger work continues in later steps behind a durable marker.
pub const STEP_ROWS_MAX: usize = 4_000;
/// Tasks of a job above which its submission is staged invisibly and published by its last commit.
pub const STAGED_TASKS_MIN: usize = 2_000;
/// Tasks in one stored chunk of a job's graph.
pub const GRAPH_CHUNK_TASKS: u32 = 256;
/// Bytes of a task's body above which it is not kept in memory while the task waits.
pub const RESIDENT_BODY_BYTES_MAX: usize = 4 << 10;
/// Bytes of the old body that the audit of an edit keeps; of a larger one it keeps so much, and its length.
pub const AUDIT_BODY_BYTES_MAX: usize = 64 << 10;
/// Idempotency keys that are claimed at once for what stands in other shards: each is a row of a step.
pub const KEY_CLAIMS_MAX: usize = 1_000;
/// Days for which an idempotency key is remembered, in milliseconds.
pub const IDEMPOTENCY_MS: u64 = 7 * 86_400_000;
/// Bytes of a schedule's body: its times and its inline work. Larger work is a definition that it names.
pub const SCHEDULE_BODY_BYTES_MAX: usize = 64 << 10;
/// Work of one schedule that is watched at a time.
pub const SCHEDULE_RUNS_MAX: usize = 1_000;
/// Occurrences that a backfill may run side by side.
pub const BACKFILL_CONCURRENCY_MAX: u32 = 100;
/// Lease time when a worker does not ask for another, in milliseconds.
pub const LEASE_MS_DEFAULT: u64 = 15_000;

/// Completed jobs that a shard announces at once.
pub const ANNOUNCED_AT_ONCE: usize = 256;
/// Schedules of one shard that follow jobs.
pub const FOLLOWING_SCHEDULES_MAX: usize = 2_000;
/// Definitions that one schedule follows.
pub const FOLLOWED_DEFINITIONS_MAX: usize = 32;
/// Occurrences of a schedule that follows jobs, that wait to be fired; what comes beyond is taken together with the last of them.
pub const FOLLOWING_DUE_MAX: usize = 100;
