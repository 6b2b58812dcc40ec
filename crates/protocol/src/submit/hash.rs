//! The hash by which a repeated submission is recognised. Part of the stored format: it never changes.

use crate::submit::canonical;
use crate::submit::members::Members;

/// Texts up to this many bytes are hashed in canonical form; longer ones without their white space only, which any client
/// that repeats itself reproduces.
const CANONICAL_BYTES_MAX: usize = 64 << 10;

/// The first 128 bits of the BLAKE3 hash of a JSON object, given as its text and its members: the same for all spellings
/// of one value (up to 64 KiB), another one for any other value.
pub(super) fn body_hash(json: &str, members: &Members<'_>) -> u128 {
    let mut text = String::with_capacity(json.len());
    if json.len() > CANONICAL_BYTES_MAX || canonical::write_members(members, &mut text).is_none() {
        text.clear();
        compact(json, &mut text);
    }
    text_hash(&text)
}

/// The first 128 bits of the BLAKE3 hash of a text.
pub(super) fn text_hash(text: &str) -> u128 {
    let hash = blake3::hash(text.as_bytes());
    let mut first = [0_u8; 16];
    first.copy_from_slice(&hash.as_bytes()[..16]);
    u128::from_le_bytes(first)
}

/// Appends a JSON text without the white space between its tokens.
pub(super) fn compact(json: &str, out: &mut String) {
    let bytes = json.as_bytes();
    if memchr::memchr3(b' ', b'\n', b'\t', bytes).is_none() && memchr::memchr(b'\r', bytes).is_none() {
        out.push_str(json);
        return;
    }
    let (mut in_string, mut escaped, mut from) = (false, false, 0);
    for (index, byte) in bytes.iter().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
        } else if *byte == b'"' {
            in_string = true;
        } else if byte.is_ascii_whitespace() {
            out.push_str(&json[from..index]);
            from = index + 1;
        }
    }
    out.push_str(&json[from..]);
}

/// Whether an escape in a JSON text stands for half a character (a lone surrogate), which most readers refuse.
pub(super) fn has_lone_surrogate(json: &str) -> bool {
    if memchr::memmem::find(json.as_bytes(), b"\\u").is_none() {
        return false;
    }
    let unit = |at: usize| -> Option<u16> {
        let digits = json.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let bytes = json.as_bytes();
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', &bytes[at..]) {
        at += found;
        match unit(at) {
            Some(0xd800..=0xdbff) if matches!(unit(at + 6), Some(0xdc00..=0xdfff)) => at += 12,
            Some(0xd800..=0xdfff) => return true,
            Some(_) => at += 6,
            None => at += 2,
        }
        if at >= bytes.len() {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body_hash(json: &str) -> u128 {
        super::body_hash(json, &serde_json::from_str(json).expect("is an object"))
    }

    #[test]
    fn the_hash_ignores_spelling_and_nothing_else() {
        let hash = body_hash(r#"{"a":1,"b":[1,{"c":"x y"}]}"#);
        assert_eq!(body_hash("{ \"b\": [1, {\"c\": \"x y\"}],\n \"a\": 1 }"), hash);
        assert_eq!(body_hash(r#"{"a":1.0,"\u0062":[10e-1,{"c":"x\u0020y"}]}"#), hash);
        for other in [
            r#"{"a":1,"b":[1,{"c":"xy"}]}"#,
            r#"{"a":"1","b":[1,{"c":"x y"}]}"#,
            r#"{"a":1,"b":[{"c":"x y"},1]}"#,
            r#"{"a":1,"b":[1,{"c":"x y"}],"a":1}"#,
            r#"{"a":1,"b":[1,{"c":"x y"}],"d":null}"#,
        ] {
            assert_ne!(body_hash(other), hash, "{other}");
        }
        let long = |number: &str| body_hash(&format!(r#"{{"a":{number},"b":"{}"}}"#, "x".repeat(CANONICAL_BYTES_MAX)));
        assert_ne!(long("12345678901234567890123"), long("12345678901234567890124"));
        assert_eq!(hash, 0x9623_6e13_c4ff_3b54_6335_9661_9857_55cd, "part of the stored format: {hash:#034x}");
    }

    #[test]
    fn white_space_inside_strings_stays() {
        let mut out = String::new();
        compact("{ \"a b\" : [ 1 ,\t\"\\\" x\" ] }\r\n", &mut out);
        assert_eq!(out, r#"{"a b":[1,"\" x"]}"#);
    }

    #[test]
    fn lone_surrogates_are_found_and_pairs_are_not() {
        for bad in [r#""\ud800""#, r#""\udc00""#, r#""\ud800\ud800""#, r#""\ud83dx\ude00""#] {
            assert!(has_lone_surrogate(bad), "{bad}");
        }
        for good in [r#""\ud83d\ude00""#, r#""\u0041""#, r#""\\ud800""#, r#""x""#, r#""\n\u00e9""#] {
            assert!(!has_lone_surrogate(good), "{good}");
        }
    }
}
