//! The commands, one file each.

pub(crate) mod acting;
pub(crate) mod backup;
pub(crate) mod definition;
pub(crate) mod dev;
pub(crate) mod dlq;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod graph;
pub(crate) mod import;
pub(crate) mod jobs;
pub(crate) mod logs;
pub(crate) mod migrate_store;
pub(crate) mod plan;
pub(crate) mod queues;
pub(crate) mod redis_key;
pub(crate) mod run;
pub(crate) mod schedules;
pub(crate) mod serve;
pub(crate) mod signals;
pub(crate) mod submit;
pub(crate) mod tasks;
pub(crate) mod validate;
pub(crate) mod watching;
pub(crate) mod why;
pub(crate) mod worker;
pub(crate) mod workers;
