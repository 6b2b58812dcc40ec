//! Reads Rust source roughly: enough to tell code from comments and text, and to find where functions end.

/// The source with the inside of comments, strings and characters blanked out. Lines and columns stay.
pub(crate) fn code_only(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let bytes: Vec<char> = source.chars().collect();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            '/' if bytes.get(at + 1) == Some(&'/') => line_end(&bytes, at),
            '/' if bytes.get(at + 1) == Some(&'*') => comment_end(&bytes, at),
            '"' => string_end(&bytes, at + 1),
            'r' | 'b' | 'c' if !follows_word(&bytes, at) => raw_string_end(&bytes, at).unwrap_or(at),
            '\'' => character_end(&bytes, at).unwrap_or(at),
            _ => at,
        };
        if end == at {
            out.push(bytes[at]);
            at += 1;
        } else {
            out.extend(bytes[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

fn line_end(bytes: &[char], from: usize) -> usize {
    bytes[from..].iter().position(|c| *c == '\n').map_or(bytes.len(), |length| from + length)
}

fn comment_end(bytes: &[char], from: usize) -> usize {
    let mut depth = 0;
    let mut at = from;
    while at + 1 < bytes.len() {
        match (bytes[at], bytes[at + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

fn string_end(bytes: &[char], from: usize) -> usize {
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `r"…"`, `r#"…"#`, `br"…"`, `b"…"`, `c"…"`: the end, if a string starts here.
fn raw_string_end(bytes: &[char], from: usize) -> Option<usize> {
    let mut at = from;
    while matches!(bytes.get(at), Some('b' | 'c')) {
        at += 1;
    }
    let raw = bytes.get(at) == Some(&'r');
    at += usize::from(raw);
    let hashes = bytes[at..].iter().take_while(|c| **c == '#').count();
    at += hashes;
    if bytes.get(at) != Some(&'"') || (!raw && hashes > 0) {
        return None;
    }
    if !raw {
        return Some(string_end(bytes, at + 1));
    }
    let mut closing = vec!['"'];
    closing.resize(hashes + 1, '#');
    let rest = &bytes[at + 1..];
    let length = rest.windows(closing.len()).position(|window| window == closing).unwrap_or(rest.len());
    Some((at + 1 + length + closing.len()).min(bytes.len()))
}

/// The end of a character literal; `None` for a lifetime.
fn character_end(bytes: &[char], from: usize) -> Option<usize> {
    if bytes.get(from + 1) == Some(&'\\') {
        let length = bytes[from + 3..].iter().take(12).position(|c| *c == '\'')?;
        return Some(from + 3 + length + 1);
    }
    (bytes.get(from + 2) == Some(&'\'')).then_some(from + 3)
}

fn follows_word(bytes: &[char], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_alphanumeric() || bytes[at - 1] == '_')
}

/// A function: its name, the line it starts at (from 1), and how many lines it has.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

/// The functions of a source that went through [`code_only`].
pub(crate) fn functions(code: &str) -> Vec<Function> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        if let Some(length) = body_lines(&lines[index..]) {
            found.push(Function { name, line: index + 1, lines: length });
        }
    }
    found
}

fn function_name(line: &str) -> Option<String> {
    let (before, after) = line.split_once("fn ")?;
    let starts_a_word = before.is_empty() || before.ends_with(' ') || before.ends_with('(');
    let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (starts_a_word && !name.is_empty()).then_some(name)
}

/// How many lines until the braces of what starts here close; `None` for a declaration without a body.
fn body_lines(lines: &[&str]) -> Option<usize> {
    let mut depth = 0_u32;
    let mut brackets = 0_u32;
    for (index, line) in lines.iter().enumerate() {
        for c in line.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth <= 1 => return Some(index + 1),
                '}' => depth -= 1,
                '(' | '[' => brackets += 1,
                ')' | ']' => brackets = brackets.saturating_sub(1),
                ';' if depth == 0 && brackets == 0 => return None,
                _ => {}
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_blanked_and_lines_stay() {
        let source =
            "let a = \"todo!()\"; // dbg!\nlet b = r#\"x \" y\"#; /* a /* b */ c */ let c = '\"';\nlet d: &'a str;";
        let code = code_only(source);
        assert!(!code.contains("todo") && !code.contains("dbg") && !code.contains('y'));
        assert!(code.contains("let c =") && code.contains("&'a str"));
        assert_eq!(code.lines().count(), source.lines().count());
    }

    #[test]
    fn an_escaped_quote_does_not_end_a_string() {
        assert_eq!(code_only(r#"f("a\"b", '\'', b"x")"#).trim(), "f(      ,     ,     )");
    }

    #[test]
    fn functions_are_measured_to_their_closing_brace() {
        let code = "fn a() {\n    if x {\n    }\n}\ntrait T {\n    fn b(&self, x: [u8; 4]) -> u8;\n}\nfn c() {}\n";
        let found: Vec<(String, usize)> =
            functions(code).into_iter().map(|function| (function.name, function.lines)).collect();
        assert_eq!(found, [("a".to_owned(), 4), ("c".to_owned(), 1)]);
    }
}
