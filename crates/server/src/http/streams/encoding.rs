//! Negotiation of the content coding (RFC 9110 section 12.5.3).

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_ENCODING;

/// Reports whether to send gzip: the client accepts it, and does not prefer the plain form. A
/// client that accepts neither gets the plain form, as one without the header does.
#[must_use]
pub(in crate::http) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    let mut gzip = None;
    let mut plain = None;
    let mut others = None;
    for (coding, quality) in lines.flat_map(|line| line.split(',')).filter_map(coding) {
        let slot = match coding.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => &mut gzip,
            "identity" => &mut plain,
            "*" => &mut others,
            _ => continue,
        };
        // Of a repeated coding the highest weight counts.
        *slot = (*slot).max(Some(quality));
    }
    let gzip = gzip.or(others).unwrap_or(0);
    gzip > 0 && gzip >= plain.unwrap_or(0)
}

/// Reads one element of the header: the coding and its weight, in thousandths. `None` if it is
/// invalid; it is then ignored.
fn coding(element: &str) -> Option<(&str, u16)> {
    let mut parts = element.split(';').map(str::trim);
    let coding = parts.next().filter(|coding| !coding.is_empty())?;
    let Some(weight) = parts.next() else { return Some((coding, 1000)) };
    let value = weight.strip_prefix("q=").or_else(|| weight.strip_prefix("Q="))?;
    Some((coding, thousandths(value)?))
}

/// Reads a weight from 0 to 1 with at most three decimals (RFC 9110 section 12.4.2).
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let is_number = decimals.len() <= 3 && decimals.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || !matches!(whole, "0" | "1") {
        return None;
    }
    let thousandths = format!("{whole}{decimals:0<3}").parse().ok()?;
    (thousandths <= 1000).then_some(thousandths)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn accepts(lines: &[&'static [u8]]) -> bool {
        let line = |line: &&'static [u8]| {
            (ACCEPT_ENCODING, HeaderValue::from_bytes(line).expect("a header"))
        };
        accepts_gzip(&lines.iter().map(line).collect())
    }

    #[test]
    fn gzip_is_used_only_if_accept_encoding_prefers_it() {
        let cases: [(&'static str, bool); 27] = [
            ("", false),
            ("gzip", true),
            ("gzip, deflate, br, zstd", true),
            ("GZIP", true),
            ("x-gzip", true),
            ("deflate, br", false),
            ("*", true),
            ("*;q=0", false),
            ("*;q=0.5, gzip;q=0", false),
            ("br, *;q=0.1", true),
            ("gzip;q=0", false),
            ("gzip;q=0.000", false),
            ("gzip;q=0.001", true),
            ("gzip ; q=1.000", true),
            ("gzip;Q=0.3", true),
            ("identity", false),
            ("identity, gzip", true),
            ("identity;q=1, gzip;q=0.5", false),
            ("identity;q=0.5, gzip;q=1", true),
            ("identity;q=0", false),
            ("identity;q=0, gzip;q=0", false),
            ("identity;q=0, *", true),
            ("gzip;q=0, gzip", true),
            // Invalid elements are ignored.
            ("gzip;q=2", false),
            ("gzip;q=0.1234", false),
            ("gzip;q=, ;q=1, gzip;level=9", false),
            ("gzip;q=-1, gzip;q=0.5x", false),
        ];
        for (line, expected) in cases {
            assert_eq!(accepts(&[line.as_bytes()]), expected, "{line:?}");
        }
        assert!(!accepts(&[]));
        assert!(accepts(&[b"br", b"gzip;q=0.2"]), "two lines are one list");
        assert!(accepts(&[b"\xff", b"gzip"]));
    }
}
