//! Every bound of the language, so that no text and no value makes an evaluation run long or grow large.

/// Longest program, in bytes of source.
pub const PROGRAM_BYTES_MAX: usize = 4 * 1024;
/// Deepest nesting of brackets, calls and conditional branches in a program.
pub const PROGRAM_DEPTH_MAX: u32 = 32;
/// Deepest nesting of a template, of what an expression results in, and of what it compares.
pub const VALUE_DEPTH_MAX: u32 = 64;
/// Largest result of one expression, in bytes of compact JSON.
pub const RESULT_BYTES_MAX: usize = 256 * 1024;
/// Largest rendered template, in bytes of compact JSON.
pub const RENDERED_BYTES_MAX: usize = 1024 * 1024;
/// Largest list that a `forEach` may spread, in bytes of compact JSON.
pub const SPREAD_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most items that a `forEach` may spread.
pub const SPREAD_ITEMS_MAX: usize = 10_000;
/// Steps of one evaluation: about one for each node that is evaluated, value that is compared, and 64 bytes that are read.
pub const STEPS_MAX: u64 = 250_000;
/// Bytes of strings, lists and maps that one evaluation may make on its way.
pub const MADE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Longest regular expression, in bytes.
pub const PATTERN_BYTES_MAX: usize = 256;
/// Names that are looked at for a "did you mean".
pub(crate) const HINT_NAMES_MAX: usize = 1_000;
