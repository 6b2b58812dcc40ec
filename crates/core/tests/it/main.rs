//! Tests of the core from outside: transcripts, properties, and the work that large graphs cost.

mod arithmetic;
mod batches;
mod followers;
mod graphs;
mod keys;
mod lending;
mod names;
mod permits;
mod render;
mod scale;
mod schedules;
mod script;
mod store;
mod streams;
mod transcripts;
mod words;
mod world;
