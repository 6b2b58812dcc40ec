//! Lease tokens on the wire: opaque text, at most 40 characters.

use mainspring_core::id::{Key, Token};

/// Version and kind of the text; the rest is hex of incarnation, lease and task.
const PREFIX: &str = "L";
const INCARNATION_DIGITS: usize = 8;
const NUMBER_DIGITS: usize = 13;

/// The text of a token: 35 characters of letters and digits.
pub fn encode(token: Token) -> String {
    let mut text = String::with_capacity(1 + INCARNATION_DIGITS + 2 * NUMBER_DIGITS);
    text.push_str(PREFIX);
    push_hex(&mut text, token.incarnation);
    push_base32(&mut text, token.lease);
    push_base32(&mut text, token.task.raw());
    text
}

/// Reads what [`encode`] writes, and nothing else.
pub fn decode(text: &str) -> Option<Token> {
    let digits = text.strip_prefix(PREFIX).filter(|digits| digits.is_ascii())?;
    if digits.len() != INCARNATION_DIGITS + 2 * NUMBER_DIGITS {
        return None;
    }
    let (incarnation, numbers) = digits.split_at(INCARNATION_DIGITS);
    let (lease, task) = numbers.split_at(NUMBER_DIGITS);
    let token = Token {
        incarnation: u32::from_str_radix(incarnation, 16).ok()?,
        lease: read_base32(lease)?,
        task: Key::from_raw(read_base32(task).filter(|raw| *raw < 1 << 63)?),
    };
    // One text per token: capitals and signs that the readers above let through are refused here.
    (encode(token) == text).then_some(token)
}

fn push_hex(text: &mut String, number: u32) {
    for place in (0..INCARNATION_DIGITS).rev() {
        text.push(char::from(DIGITS[((number >> (4 * place)) & 15) as usize]));
    }
}

fn push_base32(text: &mut String, number: u64) {
    for place in (0..NUMBER_DIGITS).rev() {
        text.push(char::from(DIGITS[((number >> (5 * place)) & 31) as usize]));
    }
}

fn read_base32(text: &str) -> Option<u64> {
    text.bytes().try_fold(0_u64, |number, byte| {
        let digit = DIGITS.iter().position(|digit| *digit == byte)? as u64;
        number.checked_mul(32)?.checked_add(digit)
    })
}

const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_token_reads_back(incarnation: u32, lease: u64, task in 0..1_u64 << 63) {
            let token = Token { incarnation, lease, task: Key::from_raw(task) };
            let text = encode(token);
            prop_assert!(text.len() <= 40);
            prop_assert_eq!(decode(&text), Some(token));
        }

        #[test]
        fn no_other_text_is_a_token(text in "L?[0-9a-z+ ]{0,36}") {
            if let Some(token) = decode(&text) {
                prop_assert_eq!(encode(token), text);
            }
        }
    }
}
