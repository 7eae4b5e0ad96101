//! The server's side of the WebSocket opening handshake (RFC 6455 section 4.2), on plain header
//! values: it knows no HTTP library.

mod extensions;

use aws_lc_rs::digest;

pub use extensions::{Deflate, accept_deflate};

/// The text that both sides append to the key (RFC 6455 section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Bytes of a key before base64.
const KEY_LENGTH: usize = 16;

/// The one version of the protocol there is.
pub const VERSION: &str = "13";

/// The parts of a request that ask for a WebSocket. Where a header came in several lines, they are
/// joined with commas.
#[derive(Clone, Copy, Debug, Default)]
pub struct Upgrade<'a> {
    /// Request method.
    pub method: &'a str,
    /// `Connection` header.
    pub connection: Option<&'a [u8]>,
    /// `Upgrade` header.
    pub upgrade: Option<&'a [u8]>,
    /// `Sec-WebSocket-Version` header.
    pub version: Option<&'a [u8]>,
    /// `Sec-WebSocket-Key` header.
    pub key: Option<&'a [u8]>,
}

/// Reasons why a request is not a WebSocket handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// Another method than GET.
    #[error("a websocket is opened with GET")]
    Method,
    /// `Connection` lacks the token `upgrade`.
    #[error("header connection does not include upgrade")]
    Connection,
    /// `Upgrade` lacks the token `websocket`.
    #[error("header upgrade does not include websocket")]
    Upgrade,
    /// Another version than 13, or none.
    #[error("header sec-websocket-version is not 13")]
    Version,
    /// The key is not the base64 text of 16 bytes.
    #[error("header sec-websocket-key is not 16 bytes in base64")]
    Key,
}

impl HandshakeError {
    /// Returns the HTTP status to refuse with. With 426 the answer has to carry `Sec-WebSocket-Version: 13`
    /// (RFC 6455 section 4.2.2).
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Method => 405,
            Self::Version => 426,
            Self::Connection | Self::Upgrade | Self::Key => 400,
        }
    }
}

impl Upgrade<'_> {
    /// Checks the request (RFC 6455 section 4.2.1) and returns the `Sec-WebSocket-Accept` of the
    /// answer.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`] names the first thing that is wrong.
    pub fn accept(&self) -> Result<String, HandshakeError> {
        if self.method != "GET" {
            return Err(HandshakeError::Method);
        }
        if !has_token(self.connection, "upgrade") {
            return Err(HandshakeError::Connection);
        }
        if !has_token(self.upgrade, "websocket") {
            return Err(HandshakeError::Upgrade);
        }
        if self.version.map(<[u8]>::trim_ascii) != Some(VERSION.as_bytes()) {
            return Err(HandshakeError::Version);
        }
        accept_key(self.key.unwrap_or_default())
    }
}

/// Returns the `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key` (RFC 6455 section 4.2.2).
///
/// # Errors
///
/// [`HandshakeError::Key`] if the key is not the base64 text of 16 bytes.
pub fn accept_key(key: &[u8]) -> Result<String, HandshakeError> {
    let key = key.trim_ascii();
    match base64_simd::STANDARD.decode_to_vec(key) {
        Ok(decoded) if decoded.len() == KEY_LENGTH => {}
        _ => return Err(HandshakeError::Key),
    }
    let mut sha1 = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    sha1.update(key);
    sha1.update(GUID);
    Ok(base64_simd::STANDARD.encode_to_string(sha1.finish()))
}

/// Reports whether a comma-separated header has `token`, in any case.
fn has_token(header: Option<&[u8]>, token: &str) -> bool {
    header
        .unwrap_or_default()
        .split(|&byte| byte == b',')
        .any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The request of RFC 6455 section 1.3.
    const SAMPLE: Upgrade<'_> = Upgrade {
        method: "GET",
        connection: Some(b"keep-alive, Upgrade"),
        upgrade: Some(b"WebSocket"),
        version: Some(b"13"),
        key: Some(b"dGhlIHNhbXBsZSBub25jZQ=="),
    };

    #[test]
    fn the_request_of_the_rfc_gets_its_answer() {
        assert_eq!(SAMPLE.accept().as_deref(), Ok("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    }

    #[test]
    fn a_request_that_is_no_handshake_is_refused_with_the_first_mistake() {
        let key = |key: &'static [u8]| Upgrade { key: Some(key), ..SAMPLE };
        let cases: &[(Upgrade<'_>, HandshakeError, u16)] = &[
            (Upgrade { method: "POST", ..SAMPLE }, HandshakeError::Method, 405),
            (Upgrade { connection: None, ..SAMPLE }, HandshakeError::Connection, 400),
            (Upgrade { connection: Some(b"upgraded"), ..SAMPLE }, HandshakeError::Connection, 400),
            (Upgrade { upgrade: Some(b"h2c"), ..SAMPLE }, HandshakeError::Upgrade, 400),
            (Upgrade { version: None, ..SAMPLE }, HandshakeError::Version, 426),
            (Upgrade { version: Some(b"8"), ..SAMPLE }, HandshakeError::Version, 426),
            (Upgrade { version: Some(b"013"), ..SAMPLE }, HandshakeError::Version, 426),
            (Upgrade { key: None, ..SAMPLE }, HandshakeError::Key, 400),
            (key(b""), HandshakeError::Key, 400),
            (key(b"c2hvcnQ="), HandshakeError::Key, 400),
            (key(b"dGhlIHNhbXBsZSBub25jZQ"), HandshakeError::Key, 400),
            (key(b"dGhlIHNhbXBsZSBub25jZTE3"), HandshakeError::Key, 400),
            (key(b"dGhlIHNhbXBsZSBub25!ZQ=="), HandshakeError::Key, 400),
            (key(b"\xFF\xFE"), HandshakeError::Key, 400),
        ];
        for (request, error, status) in cases {
            assert_eq!(request.accept(), Err(*error), "{request:?}");
            assert_eq!(error.status(), *status);
        }
    }
}
