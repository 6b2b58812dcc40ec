//! The store on a real PostgreSQL: the conformance suite, and what only a database server can do to a store.

mod conformance;
mod faults;
mod held;
mod history;
mod inbox;
mod joining;
mod lists;
mod opening;
mod ownership;
mod pooler;
mod server;
mod spread;
mod tls;
