//! Hexadecimal text.

/// Returns bytes in lower case, as hashes and serial numbers of other tools are written.
pub(super) fn lower(bytes: &[u8]) -> String {
    join(bytes, "", |byte| format!("{byte:02x}"))
}

/// Returns bytes in upper case with colons, as messages have them.
pub(super) fn with_colons(bytes: &[u8]) -> String {
    join(bytes, ":", |byte| format!("{byte:02X}"))
}

fn join(bytes: &[u8], between: &str, text: impl Fn(u8) -> String) -> String {
    bytes.iter().map(|byte| text(*byte)).collect::<Vec<_>>().join(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_has_two_digits() {
        assert_eq!(lower(&[0, 10, 0xff]), "000aff");
        assert_eq!(with_colons(&[0, 10, 0xff]), "00:0A:FF");
        assert_eq!((lower(&[]), with_colons(&[])), (String::new(), String::new()));
    }
}
