//! A JSON text in one spelling: what means the same has the same canonical form, what differs does not.
//!
//! White space is gone, members are sorted by name (repeats keep their order), texts have only the escapes they need, and
//! a number is its exact decimal value: digits without zeros at either end, and a power of ten (`10.50` is `105e-1`).
//! Nothing goes through floating point, so no two numbers fall together.

use std::borrow::Cow;

use crate::submit::members::{Elements, Members};

/// Appends the canonical form of a JSON text that nests at most [`NESTING_MAX`](super::NESTING_MAX) levels deep. `None`
/// for what is not JSON, or has escapes that are no characters.
pub(super) fn write(json: &str, out: &mut String) -> Option<()> {
    let json = json.trim_ascii();
    match json.as_bytes().first()? {
        b'{' => write_members(&serde_json::from_str(json).ok()?, out)?,
        b'[' => {
            out.push('[');
            for (index, value) in serde_json::from_str::<Elements<'_>>(json).ok()?.0.into_iter().enumerate() {
                separate(index, out);
                write(value, out)?;
            }
            out.push(']');
        }
        b'"' if json.contains('\\') => write_text(&serde_json::from_str::<Cow<'_, str>>(json).ok()?, out),
        b'-' | b'0'..=b'9' => write_number(json, out),
        _ => out.push_str(json),
    }
    Some(())
}

/// The same for an object that was taken apart.
pub(super) fn write_members(members: &Members<'_>, out: &mut String) -> Option<()> {
    let mut sorted: Vec<&(Cow<'_, str>, &str)> = members.0.iter().collect();
    sorted.sort_by(|(left, _), (right, _)| left.cmp(right));
    out.push('{');
    for (index, (name, value)) in sorted.into_iter().enumerate() {
        separate(index, out);
        write_text(name, out);
        out.push(':');
        write(value, out)?;
    }
    out.push('}');
    Some(())
}

fn separate(index: usize, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
}

fn write_text(text: &str, out: &mut String) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        out.push('"');
        out.push_str(text);
        out.push('"');
        return;
    }
    out.push_str(&serde_json::to_string(text).expect("a text serializes"));
}

fn write_number(raw: &str, out: &mut String) {
    if raw.bytes().all(|byte| byte.is_ascii_digit()) && !raw.ends_with('0') {
        out.push_str(raw);
        return;
    }
    let (sign, number) = raw.strip_prefix('-').map_or(("", raw), |rest| ("-", rest));
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        out.push('0');
        return;
    }
    let zeros = digits.len() - digits.trim_end_matches('0').len();
    let shift = i64::try_from(zeros).ok().zip(i64::try_from(fraction.len()).ok()).map(|(up, down)| up - down);
    let exponent = exponent.parse::<i64>().ok().zip(shift).and_then(|(exponent, shift)| exponent.checked_add(shift));
    out.push_str(sign);
    match exponent {
        Some(0) => out.push_str(significant),
        Some(exponent) => out.push_str(&format!("{significant}e{exponent}")),
        // Beyond any number that somebody computes with; its own spelling does.
        None => out.push_str(number),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(json: &str) -> String {
        let mut out = String::new();
        write(json, &mut out).unwrap_or_else(|| panic!("{json}"));
        out
    }

    #[test]
    fn what_means_the_same_is_written_alike() {
        for (spellings, form) in [
            (&["1", "1.0", "1e0", "10e-1", "0.1E1", "1.000"][..], "1"),
            (&["0", "-0", "0.0", "0e9", "-0.00"], "0"),
            (&["10.50", "1.05e+1", "1050e-2"], "105e-1"),
            (&["100", "1e2", "1E+2"], "1e2"),
            (&[r#""é\/""#, r#""\u00e9/""#, r#""\u00E9\u002f""#], r#""é/""#),
            (&[r#""\ud83d\ude00""#, r#""😀""#], r#""😀""#),
            (&[r#"{"b":1,"a":[ ]}"#, r#"{ "\u0061" : [] , "b" : 1.0 }"#], r#"{"a":[],"b":1}"#),
            (&["[true, null,\tfalse]"], "[true,null,false]"),
        ] {
            for spelling in spellings {
                assert_eq!(canonical(spelling), form, "{spelling}");
            }
        }
    }

    #[test]
    fn what_differs_is_written_apart() {
        let texts = [
            "1",
            "\"1\"",
            "-1",
            "1e1",
            "1e400",
            "1e401",
            "12345678901234567890123",
            "12345678901234567890124",
            "0.1",
            "0.10000000000000000001",
            "true",
            "\"true\"",
            "null",
            "\"\"",
            "[]",
            "{}",
            "[[]]",
            "[[],[]]",
            r#"{"a":1,"a":2}"#,
            r#"{"a":2,"a":1}"#,
            r#"{"a":2}"#,
            r#"["a,b"]"#,
            r#"["a","b"]"#,
            r#"{"a":{"b":1}}"#,
            r#"{"a":{},"b":1}"#,
            "1e99999999999999999999",
            "1e99999999999999999998",
        ];
        let forms: std::collections::BTreeSet<String> = texts.iter().map(|text| canonical(text)).collect();
        assert_eq!(forms.len(), texts.len(), "{forms:?}");
    }

    proptest! {
        #[test]
        fn a_canonical_form_is_its_own(text in r#"(-?[0-9]{1,20}(\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?)"#) {
            prop_assume!(serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok());
            let form = canonical(&text);
            prop_assert_eq!(canonical(&form), form.clone());
            let (text, form): (f64, f64) = (text.parse().expect("a number"), form.parse().expect("a number"));
            prop_assert!(text == form, "{} is not {}", text, form);
        }
    }
}
