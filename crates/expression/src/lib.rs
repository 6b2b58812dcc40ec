//! The expressions of Mainspring: `${{ … }}` in the fields of a task, its `if` and its `forEach`.
//!
//! The language is CEL, less what has no place here (bytes, unsigned integers, time) and plus a few functions; `docs/guide/expressions.md`
//! is its reference. What this crate promises to everybody who lets strangers write expressions:
//!
//! - *Total.* No text and no value makes it panic or overflow the stack: depth is counted while parsing, chains are flat.
//! - *Bounded.* A program is at most 4 KiB, an evaluation takes a counted number of steps, makes a counted number of bytes, and results in at
//!   most 256 KiB. All is counted before it is done.
//! - *Deterministic.* No clock, no randomness, no order that differs between runs; the same evaluation takes the same number of steps.
//! - *Static reads.* [`ReadSet`] says what an evaluation will look at before it runs; a computed name is refused.
//! - *No secrets.* A secret is a place beside the rendered value ([`SecretPlace`]), which the worker fills in.
//!
//! ```
//! use mainspring_expression::{Budget, Context, Scope, Template};
//! use serde_json::json;
//!
//! let scope = Scope::default();
//! let template = Template::parse(&json!({"url": "https://${{ params.host }}/", "port": "${{ params.port }}"}), &scope)?;
//! let params = json!({"host": "example.com", "port": 443});
//! let context = Context { params: Some(&params), ..Context::default() };
//! let rendered = template.render(&context, Budget::default()).expect("both parameters are there");
//! assert_eq!(rendered.value, json!({"url": "https://example.com/", "port": 443}));
//! # Ok::<(), Vec<mainspring_expression::TemplateError>>(())
//! ```

mod compare;
mod context;
mod error;
mod eval;
mod fault;
mod function;
mod json;
mod lexer;
pub mod limits;
mod meter;
mod nearest;
mod parser;
mod pattern;
mod program;
mod reads;
mod rendered;
mod scope;
mod spread;
mod syntax;
mod template;
mod value;

pub use context::{Context, ScheduleView, TaskView};
pub use error::{CompileError, CompileErrorKind};
pub use fault::{EvalError, EvalErrorKind};
pub use meter::{Budget, Spent};
pub use program::{Condition, Program};
pub use reads::{ReadSet, TaskReads};
pub use rendered::{FillError, Rendered, SecretPlace};
pub use scope::{Scope, Standing, Tasks};
pub use spread::Spread;
pub use template::{RenderError, Template, TemplateError, contains_expression};
