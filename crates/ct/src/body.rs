//! Reading of JSON responses, common to all requests of RFC 6962.

use serde::{Deserialize, Deserializer};
use thiserror::Error;

use crate::Hash;
use crate::encoding::hash_from_base64;

/// An error in the body of a response.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BodyError {
    /// The body is a web page: a proxy or front end reporting some error.
    #[error("the answer is an HTML page, not JSON: {0}")]
    Html(String),
    /// The body is not the JSON that was asked for.
    #[error("the answer is not the JSON expected: {0}")]
    Json(String),
    /// A field is not standard base64.
    #[error("{field} is not standard base64")]
    Base64 {
        /// Which field.
        field: &'static str,
    },
    /// A field is not the base64 of 32 bytes.
    #[error("{field} is not the base64 of a 32-byte hash")]
    Hash {
        /// Which field.
        field: &'static str,
    },
}

/// Reads `body` as JSON, or says what it is instead.
pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, BodyError> {
    serde_json::from_slice(body)
        .map_err(|error| html(body).unwrap_or_else(|| BodyError::Json(error.to_string())))
}

/// `null`, as some servers write an empty list, is the default; a missing field is still an error.
pub(crate) fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

pub(crate) fn hash(text: &str, field: &'static str) -> Result<Hash, BodyError> {
    hash_from_base64(text).ok_or(BodyError::Hash { field })
}

/// The error for a body that begins as HTML does; it quotes the title, or else the beginning.
fn html(body: &[u8]) -> Option<BodyError> {
    const LOOKED_AT: usize = 4096;
    const QUOTED: usize = 80;
    let beginning = String::from_utf8_lossy(body.get(..LOOKED_AT).unwrap_or(body));
    let text = beginning.trim_start_matches('\u{feff}').trim_start();
    if !text.starts_with('<') {
        return None;
    }
    let quoted = title(text).unwrap_or(text).split_whitespace().collect::<Vec<_>>().join(" ");
    Some(BodyError::Html(quoted.chars().filter(|c| !c.is_control()).take(QUOTED).collect()))
}

fn title(html: &str) -> Option<&str> {
    let (_, rest) = html.split_once("<title>").or_else(|| html.split_once("<TITLE>"))?;
    rest.split('<').next().filter(|title| !title.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_is_distinguished_from_broken_json() {
        let quoted = |body: &[u8]| match parse::<u8>(body) {
            Err(BodyError::Html(quoted)) => quoted,
            other => panic!("{other:?}"),
        };
        let page = b"\xef\xbb\xbf\r\n<!DOCTYPE html><html><head><title>502 Bad\nGateway</title>";
        assert_eq!(quoted(page), "502 Bad Gateway");
        assert_eq!(quoted(b"<html><title> </title>no"), "<html><title> </title>no");
        assert_eq!(quoted(&[b"<".as_slice(), &[0xff; 10_000]].concat()).chars().count(), 80);
        for json in [&b""[..], b"{", b"[<]", b"429 too many requests", b"\xff<"] {
            assert!(matches!(parse::<u8>(json), Err(BodyError::Json(_))), "{json:?}");
        }
    }
}
