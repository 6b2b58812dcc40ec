//! Texts as PostgreSQL takes them. It knows every character but U+0000, which a program's error message may well contain;
//! so that one and the character that stands for it are written as two.

use std::borrow::Cow;

/// Begins a replacement; not a character that anybody assigns a meaning to.
const ESCAPE: char = '\u{fffe}';

/// The form in which a text is stored.
pub(crate) fn stored(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        match letter {
            '\0' => out.extend([ESCAPE, '0']),
            ESCAPE => out.extend([ESCAPE, '1']),
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

/// The text of a stored form.
pub(crate) fn plain(stored: &str) -> Cow<'_, str> {
    if !stored.contains(ESCAPE) {
        return Cow::Borrowed(stored);
    }
    let mut out = String::with_capacity(stored.len());
    let mut letters = stored.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ESCAPE => out.push(if letters.next() == Some('0') { '\0' } else { ESCAPE }),
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_reads_back_and_none_is_stored_with_a_nul() {
        for text in ["", "plain", "a\0b", "\0", "\u{fffe}", "\u{fffe}0", "\0\u{fffe}\u{fffe}1\0", "größe"] {
            let form = stored(text);
            assert!(!form.contains('\0'));
            assert_eq!(plain(&form), text);
        }
    }
}
