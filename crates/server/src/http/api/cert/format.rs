//! The formats of a certificate.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use base64_simd::STANDARD;
use bytes::Bytes;

/// Characters of base64 on a line (RFC 7468 section 2).
const LINE: usize = 64;

/// A format of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, utoipa::ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum Format {
    Json,
    Der,
    Pem,
}

impl Format {
    /// Reads the parameter. The error is the answer to the client.
    pub(super) fn read(name: Option<&str>) -> Result<Self, String> {
        match name {
            None | Some("" | "json") => Ok(Self::Json),
            Some("der") => Ok(Self::Der),
            Some("pem") => Ok(Self::Pem),
            Some(other) => Err(format!("format={other}: must be json, der or pem\n")),
        }
    }
}

/// Returns a certificate in DER.
pub(super) fn der(certificate: Bytes) -> Response {
    ([(CONTENT_TYPE, "application/pkix-cert")], certificate).into_response()
}

/// Returns a certificate in PEM.
pub(super) fn pem(certificate: &[u8]) -> Response {
    ([(CONTENT_TYPE, "application/x-pem-file")], pem_text(certificate)).into_response()
}

fn pem_text(certificate: &[u8]) -> String {
    let base64: Vec<char> = STANDARD.encode_to_string(certificate).chars().collect();
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in base64.chunks(LINE) {
        text.extend(line);
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_has_lines_of_64_characters() {
        let text = pem_text(&[0; 60]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert_eq!((lines[1].len(), lines[2].len()), (64, 16));
        assert_eq!(lines[0], "-----BEGIN CERTIFICATE-----");
        assert_eq!(lines[3], "-----END CERTIFICATE-----");
    }

    #[test]
    fn other_formats_are_refused() {
        assert_eq!(Format::read(Some("pem")), Ok(Format::Pem));
        assert_eq!(Format::read(None), Ok(Format::Json));
        assert!(
            Format::read(Some("xml")).is_err_and(|problem| problem.contains("json, der or pem"))
        );
    }
}
