//! The signature of requests.

use aws_lc_rs::hmac;

use crate::alert::hex;

/// The header with the signature: `t=TIME,v1=SIGNATURE`.
pub const HEADER: &str = "certstream-signature";

/// Returns the value of [`HEADER`]: the time in Unix seconds, and the HMAC-SHA-256, in hexadecimal, of the
/// time as it is written there, a dot and the body. A receiver compares the signature, and refuses times
/// that are long past, so that a request that was recorded is of no use.
#[must_use]
pub fn sign(key: &[u8], time: u64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("{time}.").as_bytes());
    context.update(body);
    format!("t={time},v1={}", hex(context.sign().as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `printf '1795000000.{}' | openssl dgst -sha256 -hmac key`.
    #[test]
    fn a_signature_is_that_of_another_program() {
        let expected =
            "t=1795000000,v1=71f6cd81e7ac967a6bfd8d621347e9ee7792b1fde3a9a64c3161a631437c7fb6";
        assert_eq!(sign(b"key", 1_795_000_000, b"{}"), expected);
        assert_ne!(sign(b"other", 1_795_000_000, b"{}"), expected);
        assert_ne!(sign(b"key", 1_795_000_001, b"{}"), expected);
        assert_ne!(sign(b"key", 1_795_000_000, b"[]"), expected);
    }
}
