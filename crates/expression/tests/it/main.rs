//! The language as its users meet it: examples, mistakes, templates, and what strangers may try.

mod examples;
mod guide;
mod hostile;
mod mistakes;
mod templates;
mod world;
