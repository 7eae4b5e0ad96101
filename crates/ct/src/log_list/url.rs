//! URL prefixes of logs. What is accepted is narrow on purpose, so that no two readers can see two
//! different hosts in it.

use std::net::Ipv6Addr;

/// A log's prefix with its slash at the end, or `None` if it is not plainly
/// `http(s)://host[:port]/path`.
pub(super) fn prefix(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    if !matches!(scheme, "http" | "https") {
        return None;
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let unsafe_in_path = |b: u8| !b.is_ascii_graphic() || br#"?#\"<>"#.contains(&b);
    if !is_host(host(authority)) || path.bytes().any(unsafe_in_path) {
        return None;
    }
    let slash = if url.ends_with('/') { "" } else { "/" };
    Some(format!("{url}{slash}"))
}

/// Reports whether the host of a [`prefix`] is example.com or below it (RFC 6761 section 6.5):
/// reserved, and so never a log.
pub(super) fn is_placeholder(prefix: &str) -> bool {
    let rest = prefix.split_once("://").map_or(prefix, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    let host = host(authority).trim_end_matches('.').to_ascii_lowercase();
    host.strip_suffix("example.com").is_some_and(|below| below.is_empty() || below.ends_with('.'))
}

/// The origin of a static log, which its checkpoints carry: its submission prefix without scheme and
/// trailing slash (c2sp.org/static-ct-api, "Checkpoints").
#[must_use]
pub fn origin(submission_url: &str) -> &str {
    let rest = submission_url.split_once("://").map_or(submission_url, |(_, rest)| rest);
    rest.strip_suffix('/').unwrap_or(rest)
}

/// The host of `host[:port]`.
fn host(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// A name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(host: &str) -> bool {
    let ipv6 = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match ipv6 {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => {
            let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            !host.is_empty() && host.bytes().all(allowed)
        }
    }
}
