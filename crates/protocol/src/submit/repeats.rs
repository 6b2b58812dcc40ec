//! Finds a member that occurs twice in one object, however deep in a JSON text. Readers disagree about what such an
//! object means, so none is let in.

use std::borrow::Cow;
use std::collections::HashSet;

/// Objects with more members than this are searched by hash.
const FEW: usize = 16;

/// An array or object that is open.
#[derive(Default)]
struct Open<'a> {
    /// Names of an object's members so far, while they are few.
    few: Vec<Cow<'a, str>>,
    /// The same once they are many.
    many: Option<HashSet<Cow<'a, str>>>,
    /// The member, or the index of the element, that is being read.
    name: Cow<'a, str>,
    index: usize,
    is_object: bool,
}

impl<'a> Open<'a> {
    /// Whether the name is new here.
    fn enter(&mut self, name: Cow<'a, str>) -> bool {
        self.name = name.clone();
        if let Some(many) = &mut self.many {
            return many.insert(name);
        }
        if self.few.contains(&name) {
            return false;
        }
        self.few.push(name);
        if self.few.len() > FEW {
            self.many = Some(self.few.drain(..).collect());
        }
        true
    }
}

/// The JSON pointer of the first member of a valid JSON text that repeats another one of its object.
pub(super) fn first_repeat(json: &str) -> Option<String> {
    let bytes = json.as_bytes();
    memchr::memchr(b'{', bytes)?;
    let mut open: Vec<Open<'_>> = Vec::new();
    let (mut at, mut is_name) = (0, false);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let end = end_of_text(bytes, at + 1);
                if std::mem::take(&mut is_name)
                    && let Some(object) = open.last_mut()
                    && !object.enter(name(&json[at..end]))
                {
                    return Some(pointer(&open));
                }
                at = end;
                continue;
            }
            b'{' => {
                open.push(Open { is_object: true, ..Open::default() });
                is_name = true;
            }
            b'[' => open.push(Open::default()),
            b'}' | b']' => {
                open.pop();
                is_name = false;
            }
            b',' => {
                if let Some(around) = open.last_mut() {
                    around.index += 1;
                    is_name = around.is_object;
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Just behind the closing quote.
fn end_of_text(bytes: &[u8], mut at: usize) -> usize {
    while let Some(found) = memchr::memchr2(b'"', b'\\', &bytes[at..]) {
        at += found;
        if bytes[at] == b'"' {
            return at + 1;
        }
        at = (at + 2).min(bytes.len());
    }
    bytes.len()
}

fn name(quoted: &str) -> Cow<'_, str> {
    if quoted.contains('\\')
        && let Ok(name) = serde_json::from_str::<String>(quoted)
    {
        return Cow::Owned(name);
    }
    Cow::Borrowed(quoted.trim_matches('"'))
}

fn pointer(open: &[Open<'_>]) -> String {
    let mut pointer = String::new();
    for around in open {
        pointer.push('/');
        if around.is_object {
            pointer.push_str(&around.name.replace('~', "~0").replace('/', "~1"));
        } else {
            pointer.push_str(&around.index.to_string());
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_is_found_at_any_depth() {
        for (json, place) in [
            (r#"{"a":1,"a":2}"#, "/a"),
            (r#"{"a":1,"\u0061":2}"#, "/a"),
            (r#"[1,{"b":[{},{"x":0,"c/d":1,"c/d":{}}]}]"#, "/1/b/1/c~1d"),
            (r#"{"a":{"a":1},"b":"a","c":["a","a"],"b":1}"#, "/b"),
        ] {
            assert_eq!(first_repeat(json).as_deref(), Some(place), "{json}");
        }
        let many: String = (0..1_000).map(|n| format!("\"k{n}\":{n},")).collect();
        assert_eq!(first_repeat(&format!("{{{many}\"k500\":1}}")).as_deref(), Some("/k500"));
        assert_eq!(first_repeat(&format!("{{{many}\"k\":1}}")), None);
    }

    #[test]
    fn what_only_looks_like_a_repeat_is_none() {
        for json in [
            "1",
            "\"{\"",
            r#"{"a":"a","b":["a","a"]}"#,
            r#"{"a":{"a":{"a":1}}}"#,
            r#"[{"a":1},{"a":1}]"#,
            r#"{"x":"\"a\":1,\"a\":2","a\\":1,"a":2}"#,
            r#"{"a":"}","b":"{","c":"]"}"#,
        ] {
            assert_eq!(first_repeat(json), None, "{json}");
        }
    }
}
