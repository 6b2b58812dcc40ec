//! Numbers and strings.

use super::{Lexer, TokenKind};
use crate::error::{CompileError, CompileErrorKind as Kind};
use crate::nearest::clip;

impl Lexer<'_> {
    pub(super) fn number(&mut self) -> Result<TokenKind, CompileError> {
        let start = self.at;
        if self.byte(0) == b'0' && matches!(self.byte(1), b'x' | b'X') {
            self.skip_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            let read = u64::from_str_radix(&self.text[start + 2..self.at], 16).ok();
            return read.filter(|number| *number <= 1 << 63).map(TokenKind::Int).ok_or_else(|| self.bad_number(start));
        }
        self.skip_while(|byte| byte.is_ascii_digit());
        let mut whole = true;
        if self.byte(0) == b'.' && self.byte(1).is_ascii_digit() {
            whole = false;
            self.at += 1;
            self.skip_while(|byte| byte.is_ascii_digit());
        }
        if matches!(self.byte(0), b'e' | b'E') {
            whole = false;
            self.at += if matches!(self.byte(1), b'+' | b'-') { 2 } else { 1 };
            self.skip_while(|byte| byte.is_ascii_digit());
        }
        if matches!(self.byte(0), b'u' | b'U') && whole {
            return Err(CompileError::new(Kind::Unsupported("unsigned integers"), start).hint("leave out the `u`"));
        }
        if self.byte(0).is_ascii_alphanumeric() || self.byte(0) == b'_' {
            self.skip_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            return Err(self.bad_number(start));
        }
        let written = &self.text[start..self.at];
        let token = if whole {
            written.parse().ok().filter(|number: &u64| *number <= 1 << 63).map(TokenKind::Int)
        } else {
            written.parse().ok().filter(|number: &f64| number.is_finite()).map(TokenKind::Double)
        };
        token.ok_or_else(|| self.bad_number(start))
    }

    fn bad_number(&self, start: usize) -> CompileError {
        CompileError::new(Kind::BadNumber(clip(&self.text[start..self.at])), start)
            .hint("integers have 64 bits, doubles are finite")
    }

    /// A string from its opening quote on: `'…'`, `"…"`, or three of them, which may span lines.
    pub(super) fn string(&mut self, raw: bool) -> Result<TokenKind, CompileError> {
        let start = self.at;
        let quote = &self.text[start..=start];
        let triple = quote.repeat(3);
        let long = self.rest().starts_with(&triple);
        let closing = if long { &triple } else { quote };
        self.at += closing.len();
        let mut text = String::new();
        loop {
            if self.rest().starts_with(closing) {
                self.at += closing.len();
                return Ok(TokenKind::Text(text.into_boxed_str()));
            }
            match self.rest().chars().next() {
                None => return Err(CompileError::new(Kind::UnclosedString, start)),
                Some('\n' | '\r') if !long => {
                    return Err(CompileError::new(Kind::UnclosedString, start).hint("a line break is written `\\n`"));
                }
                Some('\\') if !raw => text.push(self.escape()?),
                Some(character) => {
                    text.push(character);
                    self.at += character.len_utf8();
                }
            }
        }
    }

    /// One backslash sequence.
    fn escape(&mut self) -> Result<char, CompileError> {
        let (start, letter) = (self.at, self.byte(1));
        self.at += 2;
        let plain = match letter {
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'a' => '\x07',
            b'b' => '\x08',
            b'f' => '\x0c',
            b'v' => '\x0b',
            b'\\' | b'\'' | b'"' | b'`' | b'?' => char::from(letter),
            b'x' | b'X' => return self.code_point(start, 2, 16),
            b'u' => return self.code_point(start, 4, 16),
            b'U' => return self.code_point(start, 8, 16),
            b'0'..=b'3' => {
                self.at -= 1;
                return self.code_point(start, 3, 8);
            }
            _ => {
                let written: String = self.text[start..].chars().take(2).collect();
                return Err(CompileError::new(Kind::UnknownEscape(written), start)
                    .hint("a backslash itself is written `\\\\`, or the string r'…'"));
            }
        };
        Ok(plain)
    }

    fn code_point(&mut self, start: usize, digits: usize, radix: u32) -> Result<char, CompileError> {
        let written = self.text.get(self.at..self.at + digits);
        let read = written
            .filter(|digits| digits.bytes().all(|byte| char::from(byte).is_digit(radix)))
            .and_then(|digits| char::from_u32(u32::from_str_radix(digits, radix).ok()?));
        self.at += digits;
        read.ok_or_else(|| {
            let written = self.text[start..].chars().take(4).collect();
            CompileError::new(Kind::UnknownEscape(written), start)
        })
    }
}
