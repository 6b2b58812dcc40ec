//! Random names. Nothing here is a secret, but two workers must never choose the same.

use std::fmt::Write as _;

/// `N` random bytes in hexadecimal digits.
pub(crate) fn hex<const N: usize>() -> String {
    let mut bytes = [0_u8; N];
    let mut filled = 0;
    while filled < N {
        match rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("the system has no randomness: {error}"),
        }
    }
    bytes.iter().fold(String::with_capacity(2 * N), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string");
        text
    })
}

/// A fresh W3C trace context, sampled.
pub(crate) fn traceparent() -> String {
    format!("00-{}-{}-01", hex::<16>(), hex::<8>())
}
