//! From text to tokens. Stops at the end, or, inside a template, at the `}}` that no bracket of the expression opened.

use crate::error::{CompileError, CompileErrorKind as Kind};
use crate::limits::PROGRAM_BYTES_MAX;

mod literal;

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind {
    /// A whole number without its sign; 2^63 is allowed, for the smallest integer.
    Int(u64),
    Double(f64),
    Text(Box<str>),
    Name,
    Symbol(&'static str),
    End,
}

/// A token and the bytes it stands on.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Longer ones first, so that `<=` is not read as `<`.
const SYMBOLS: [&str; 25] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", ",", ".", "(", ")", "[", "]",
    "{", "}", ";",
];

/// The tokens of the text from a byte on, the last one being `End`; and where the text after them goes on.
pub(crate) fn lex(text: &str, from: usize, in_template: bool) -> Result<(Vec<Token>, usize), CompileError> {
    let mut lexer = Lexer { text, at: from };
    let mut tokens = Vec::new();
    let mut braces = 0u32;
    loop {
        lexer.skip_spaces();
        if lexer.at - from > PROGRAM_BYTES_MAX {
            return Err(CompileError::new(Kind::TooLong, from).hint("do the work in a task, and use its output"));
        }
        let start = lexer.at;
        if start == text.len() || (in_template && braces == 0 && text[start..].starts_with("}}")) {
            tokens.push(Token { kind: TokenKind::End, start, end: start });
            return match (in_template, start == text.len()) {
                (true, true) => Err(CompileError::new(Kind::UnclosedExpression, from.saturating_sub(3))
                    .hint("end it with `}}`, or write `$${{` for the characters themselves")),
                (true, false) => Ok((tokens, start + 2)),
                (false, _) => Ok((tokens, start)),
            };
        }
        let kind = lexer.token()?;
        match kind {
            TokenKind::Symbol("{") => braces += 1,
            TokenKind::Symbol("}") => braces = braces.saturating_sub(1),
            _ => {}
        }
        tokens.push(Token { kind, start, end: lexer.at });
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn byte(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    fn skip_spaces(&mut self) {
        while matches!(self.byte(0), b' ' | b'\t' | b'\n' | b'\r' | b'\x0c') {
            self.at += 1;
        }
    }

    fn skip_while(&mut self, keep: impl Fn(u8) -> bool) {
        while self.at < self.text.len() && keep(self.byte(0)) {
            self.at += 1;
        }
    }

    fn token(&mut self) -> Result<TokenKind, CompileError> {
        let first = self.byte(0);
        if first.is_ascii_digit() || (first == b'.' && self.byte(1).is_ascii_digit()) {
            return self.number();
        }
        if first == b'"' || first == b'\'' {
            return self.string(false);
        }
        if matches!(self.byte(1), b'"' | b'\'') {
            match first {
                b'r' | b'R' => {
                    self.at += 1;
                    return self.string(true);
                }
                b'b' | b'B' => {
                    return Err(CompileError::new(Kind::Unsupported("bytes"), self.at).hint("leave out the `b`"));
                }
                _ => {}
            }
        }
        if first.is_ascii_alphabetic() || first == b'_' {
            self.skip_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            return Ok(TokenKind::Name);
        }
        if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| self.rest().starts_with(symbol)) {
            self.at += symbol.len();
            return Ok(TokenKind::Symbol(symbol));
        }
        let character = self.rest().chars().next().unwrap_or('\0');
        let error = CompileError::new(Kind::UnexpectedCharacter(character), self.at);
        Err(match character {
            '=' => error.hint("write `==` to compare"),
            '&' => error.hint("write `&&` for and"),
            '|' => error.hint("write `||` for or"),
            '“' | '”' | '‘' | '’' | '`' => error.hint("strings stand in \"…\" or '…'"),
            _ => error,
        })
    }
}
