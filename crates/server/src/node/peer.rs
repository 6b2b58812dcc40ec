//! The authenticated channel between the nodes of one cluster: sealed requests and sealed answers over plain HTTP/1.1.
//!
//! All nodes know one key. A seal is a keyed hash over everything that means something, so that nobody without the key can
//! ask, answer or change a word; it hides nothing. A request carries its time and a number used once, which its answer is
//! sealed with in turn: an answer fits one request, and a request is taken once.
//!
//! ```text
//!  mainspring-at: unix ms      ┐
//!  mainspring-nonce: 32 hex    ├─ request:  seal(method, path, at, nonce, body)
//!  mainspring-seal: 64 hex     ┘
//!  mainspring-seal: 64 hex     ── answer:   seal(nonce, status, body)
//! ```

use std::fmt;

mod client;
mod door;
#[cfg(test)]
mod tests;

pub(crate) use client::{PeerError, Peers};
pub(crate) use door::Door;

/// What all nodes of a cluster know, and nobody else.
pub(crate) type Key = [u8; 32];

/// The header of a seal.
pub(crate) const SEAL: &str = "mainspring-seal";
/// The header of a request's number.
pub(crate) const NONCE: &str = "mainspring-nonce";
/// The header of a request's time, in milliseconds since the Unix epoch.
pub(crate) const AT: &str = "mainspring-at";

/// Drawn for one request, and never again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Nonce(u128);

impl Nonce {
    /// Draws one from the operating system.
    fn draw() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }

    fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        u128::from_str_radix(text, 16).ok().filter(|_| is_hex).map(Self)
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

fn seal_request(key: &Key, method: &str, path: &str, at_ms: i64, nonce: Nonce, body: &[u8]) -> blake3::Hash {
    let (at, nonce) = (at_ms.to_be_bytes(), nonce.0.to_be_bytes());
    seal(key, &[b"mainspring request 1", method.as_bytes(), path.as_bytes(), &at, &nonce, body])
}

/// The value of the header [`SEAL`] of the answer to the request that had this number.
pub(crate) fn seal_answer(key: &Key, nonce: &Nonce, status: u16, body: &[u8]) -> String {
    answer_hash(key, *nonce, status, body).to_hex().to_string()
}

fn answer_hash(key: &Key, nonce: Nonce, status: u16, body: &[u8]) -> blake3::Hash {
    seal(key, &[b"mainspring answer 1", &nonce.0.to_be_bytes(), &status.to_be_bytes(), body])
}

/// Each part with its length before it, so that no two lists of parts hash the same bytes.
fn seal(key: &Key, parts: &[&[u8]]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_keyed(key);
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize()
}

/// Reads a seal. Two of them are compared in constant time.
fn parse_seal(text: &str) -> Option<blake3::Hash> {
    blake3::Hash::from_hex(text).ok()
}
