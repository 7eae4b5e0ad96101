//! The keys under which certificates and entries are found.

use std::net::IpAddr;

use cert::{Certificate, Digests, DirectoryString, GeneralName, Part, text};
use record::LogNumber;

/// Bits of an index in the key of an entry.
const INDEX_BITS: u32 = 40;
/// The other bits, for the log.
const LOG_BITS: u32 = 24;

/// Returns the key of an entry that came after its log had advanced over its index. It is among those of
/// certificates.
pub(crate) fn of_backfilled(log: LogNumber, index: u64) -> u64 {
    let entry = [&b"backfilled"[..], &log.0.to_be_bytes(), &index.to_be_bytes()].concat();
    of_digest(&Digests::of(&entry).sha256)
}

/// Returns the key of a digest: its first 8 bytes.
pub(crate) fn of_digest(digest: &[u8]) -> u64 {
    digest.first_chunk().copied().map_or(0, u64::from_be_bytes)
}

/// Returns the key of a serial number.
pub(crate) fn of_serial(serial: &[u8]) -> u64 {
    of_digest(&Digests::of(serial).sha256)
}

/// Returns the key of an entry; none if its numbers are larger than those of any log.
pub(crate) fn of_entry(log: LogNumber, index: u64) -> Option<u64> {
    let fits = index.wrapping_shr(INDEX_BITS) == 0 && log.0.wrapping_shr(LOG_BITS) == 0;
    fits.then_some(u64::from(log.0).wrapping_shl(INDEX_BITS) | index)
}

/// Returns the log of the key of an entry.
pub(crate) const fn log_of(key: u64) -> u64 {
    key.wrapping_shr(INDEX_BITS)
}

/// Returns a domain name in lower case, its labels in reversed order (`com.example.www`), without a
/// final dot: so everything below a domain is one range.
pub(crate) fn of_name(name: &str) -> String {
    let mut key = String::with_capacity(name.len());
    for label in name.strip_suffix('.').unwrap_or(name).rsplit('.') {
        key.push_str(label);
        key.push('.');
    }
    key.pop();
    if key.is_ascii() {
        key.make_ascii_lowercase();
        return key;
    }
    lower(&key)
}

/// Returns the key of an address: all of one version follow each other in their order.
pub(crate) fn of_address(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => [&[4], address.octets().as_slice()].concat(),
        IpAddr::V6(address) => [&[6], address.octets().as_slice()].concat(),
    }
}

/// Returns a text in lower case, character by character.
pub(crate) fn lower(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Calls `found` with every name of a certificate: those that filters see.
pub(crate) fn names(certificate: &Certificate<'_>, mut found: impl FnMut(&str)) {
    if let Some(name) = certificate.common_name() {
        found(&name);
    }
    for name in certificate.alternative_names() {
        if let GeneralName::Dns(name) = name {
            found(&text::utf8(name));
        }
    }
}

/// Calls `found` with every address of a certificate.
pub(crate) fn addresses(certificate: &Certificate<'_>, mut found: impl FnMut(IpAddr)) {
    for name in certificate.alternative_names() {
        if let GeneralName::Ip(address) = name {
            found(address);
        }
    }
}

/// Calls `found` with the CN and O of the issuer, in lower case.
pub(crate) fn issuers(certificate: &Certificate<'_>, mut found: impl FnMut(&str)) {
    for part in [Part::CommonName, Part::Organization] {
        let part: Option<DirectoryString<'_>> = certificate.issuer.get(part);
        if let Some(part) = part {
            found(&lower(&part.to_text()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_below_a_domain_are_one_range() {
        for (name, key) in [
            ("WWW.Example.COM", "com.example.www"),
            ("*.example.com.", "com.example.*"),
            ("example", "example"),
            ("", ""),
            ("İ.example", "example.i\u{307}"),
        ] {
            assert_eq!(of_name(name), key);
        }
    }

    #[test]
    fn entries_of_a_log_are_one_range_and_impossible_ones_have_no_key() {
        let key = |log, index| of_entry(LogNumber(log), index);
        assert!(key(1, 5) < key(1, 6) && key(1, (1 << 40) - 1) < key(2, 0));
        assert_eq!((key(1, 1 << 40), key(1 << 24, 0)), (None, None));
        assert_eq!(key(7, 9).map(log_of), Some(7));
    }
}
