//! The wire: what clients, workers and the server say to each other, and how it is read and refused.
//!
//! Everything a user or a worker can send is parsed and bounded here, so that behind this crate only valid values
//! exist: a submission becomes the core's own [`NewTask`](mainspring_core::event::NewTask) or
//! [`Graph`](mainspring_core::graph::Graph), a refusal becomes a [`Problem`](problem::Problem) with a stable code, the
//! place and a hint. Nothing here reads a clock or does I/O.

pub mod code;
pub mod decode;
pub mod duration;
pub mod exchange;
pub mod flow;
pub mod nearest;
pub mod order;
pub mod pointer;
pub mod problem;
pub mod query;
pub mod rate;
pub mod schema;
pub mod settings;
pub mod submit;
pub mod time;
pub mod token;
pub mod view;
pub mod yaml;
