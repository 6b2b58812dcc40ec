//! The worker from outside: a scripted task source in this process, real programs in others.

mod bench;
mod evil;
mod exchange;
mod http;
mod processes;
mod server;
mod shell;
mod siege;
