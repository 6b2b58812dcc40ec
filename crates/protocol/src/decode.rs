//! Bodies other than submissions: any `Deserialize` type, and a refusal that names the place.

use serde::de::DeserializeOwned;

use crate::nearest::did_you_mean;
use crate::problem::{Code, Problem, ProblemItem};
use crate::submit::NESTING_MAX;

/// Reads a JSON body.
///
/// # Errors
/// Not JSON, an unknown, missing or repeated field, or a value of the wrong type: with its JSON pointer.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let depth = depth(bytes);
    if depth > NESTING_MAX {
        return Err(too_deep(depth));
    }
    match serde_json::from_slice(bytes) {
        Ok(value) => Ok(value),
        Err(error) if error.is_data() => Err(explain::<T>(bytes)),
        Err(error) => Err(not_json(bytes, &error)),
    }
}

/// Reads a JSON body; an empty one reads as `{}`.
///
/// # Errors
/// As [`from_slice`].
pub fn from_slice_or_empty<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    from_slice(if bytes.iter().all(u8::is_ascii_whitespace) { b"{}" } else { bytes })
}

/// How deep the brackets of a JSON text nest, strings left out. Also sensible for a text that is not JSON.
pub fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in json {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The refusal of a text that nests too deeply.
pub(crate) fn too_deep(depth: usize) -> Problem {
    Problem::new(Code::LimitExceeded, format!("the body nests {depth} levels deep, the limit is {NESTING_MAX}"))
}

/// The refusal of a text that is not JSON.
pub(crate) fn not_json(bytes: &[u8], error: &serde_json::Error) -> Problem {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Problem::new(Code::InvalidJson, "the body is empty").with_hint("send a JSON object");
    }
    let mut item = ProblemItem::new(Code::InvalidJson, "", without_place(error));
    item.line = Some(error.line() as u64);
    item.column = Some(error.column() as u64);
    let mut problem = Problem::of_items(vec![item]);
    problem.detail = format!("{} at line {} column {}", without_place(error), error.line(), error.column());
    problem
}

pub(crate) fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rfind(" at line ").map_or(text.clone(), |end| text[..end].to_owned())
}

fn explain<T: DeserializeOwned>(bytes: &[u8]) -> Problem {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let Err(error) = serde_path_to_error::deserialize::<_, T>(&mut reader) else {
        return Problem::new(Code::InvalidJson, "there is more after the end of the body");
    };
    let mut pointer = pointer_of(error.path());
    let detail = without_place(error.inner());
    let mut quoted = detail.split('`').skip(1).step_by(2);
    let (code, hint) = if detail.starts_with("unknown field") {
        let unknown = quoted.next().unwrap_or_default();
        (Code::UnknownField, did_you_mean(unknown, quoted))
    } else if detail.starts_with("missing field") {
        (Code::MissingField, None)
    } else if detail.starts_with("duplicate field") {
        (Code::DuplicateKey, None)
    } else {
        (Code::InvalidValue, None)
    };
    if code == Code::UnknownField && !pointer.ends_with(&format!("/{}", detail.split('`').nth(1).unwrap_or_default())) {
        pointer.push('/');
        pointer.push_str(detail.split('`').nth(1).unwrap_or_default());
    }
    let mut item = ProblemItem::new(code, pointer, detail.clone());
    item.hint = hint;
    Problem::of_items(vec![item])
}

fn pointer_of(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        pointer.push('/');
        match segment {
            Segment::Seq { index } => pointer.push_str(&index.to_string()),
            Segment::Map { key } => pointer.push_str(&key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => pointer.push_str(variant),
            Segment::Unknown => pointer.push('?'),
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::ExchangeRequest;

    #[test]
    fn a_wrong_type_is_named_with_its_place() {
        let problem = from_slice::<ExchangeRequest>(b"{\"workerId\":1}").expect_err("is refused");
        assert_eq!(problem.code, Code::InvalidValue);
        assert_eq!(problem.errors[0].pointer, "/workerId");
    }

    #[test]
    fn an_unknown_field_gets_the_nearest_known_one() {
        let body =
            br#"{"workerId":"w","sessionId":"s","seq":1,"outcomes":[{"token":"t","status":"success","outptu":1}]}"#;
        let problem = from_slice::<ExchangeRequest>(body).expect_err("is refused");
        assert_eq!(problem.code, Code::UnknownField);
        assert_eq!(problem.errors[0].pointer, "/outcomes/0/outptu");
        assert_eq!(problem.hint.as_deref(), Some("did you mean `output`?"));
    }

    #[test]
    fn deep_nesting_is_refused_not_overflowed() {
        let deep = ["[".repeat(20_000), "]".repeat(20_000)].concat();
        let problem = from_slice::<serde_json::Value>(deep.as_bytes()).expect_err("is refused");
        assert_eq!(problem.code, Code::LimitExceeded);
    }

    #[test]
    fn an_empty_body_says_so() {
        assert_eq!(from_slice::<serde_json::Value>(b" ").expect_err("is refused").detail, "the body is empty");
    }
}
