//! General names, the members of an alternative name (RFC 5280 section 4.2.1.6).

use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::der::{Element, Fault, Reader, tag};
use crate::text;

/// One general name. Text is as it stands in the certificate, neither validated nor decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GeneralName<'a> {
    /// rfc822Name.
    Email(&'a [u8]),
    /// dNSName.
    Dns(&'a [u8]),
    /// uniformResourceIdentifier.
    Uri(&'a [u8]),
    /// iPAddress of 4 or 16 bytes.
    Ip(IpAddr),
    /// otherName, x400Address, directoryName, ediPartyName or registeredID.
    Other,
}

impl<'a> GeneralName<'a> {
    pub(crate) fn read(element: Element<'a>) -> Result<Self, Fault> {
        let contents = element.contents;
        match element.tag {
            tag if tag == tag::context(1) => Ok(Self::Email(contents)),
            tag if tag == tag::context(2) => Ok(Self::Dns(contents)),
            tag if tag == tag::context(6) => Ok(Self::Uri(contents)),
            tag if tag == tag::context(7) => address(contents).map(Self::Ip).ok_or(Fault::Type),
            // X.690 section 8.1.2.2: the class "context-specific".
            tag if tag & 0xc0 == 0x80 => Ok(Self::Other),
            _ => Err(Fault::Type),
        }
    }

    /// Writes the text of the name: U+FFFD for what is not UTF-8, addresses in the form of RFC
    /// 5952. Names of the other kinds have no text.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write<W: Write>(&self, out: &mut W) -> fmt::Result {
        match self {
            Self::Email(text) | Self::Dns(text) | Self::Uri(text) => text::write_utf8(text, out),
            Self::Ip(address) => write!(out, "{address}"),
            Self::Other => Ok(()),
        }
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(|octets| Ipv4Addr::from(octets).into());
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(|octets| Ipv6Addr::from(octets).into())).ok()
}

/// The general names in an alternative name, in order. One that is broken is given as a fault; the
/// next is tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GeneralNames<'a>(pub(crate) Reader<'a>);

impl<'a> Iterator for GeneralNames<'a> {
    type Item = Result<GeneralName<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.next()?.and_then(GeneralName::read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        let names = GeneralNames(Reader::new(
            b"\x82\x01a\x81\x01b\x86\x01c\x87\x04\xc0\x00\x02\x01\x88\x01\x2a\x87\x02\x01\x02\x04\x00\x82\x01d",
        ));
        let expected = [
            Ok(GeneralName::Dns(b"a")),
            Ok(GeneralName::Email(b"b")),
            Ok(GeneralName::Uri(b"c")),
            Ok(GeneralName::Ip(Ipv4Addr::new(192, 0, 2, 1).into())),
            Ok(GeneralName::Other),
            Err(Fault::Type),
            Err(Fault::Type),
            Ok(GeneralName::Dns(b"d")),
        ];
        assert_eq!(names.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn addresses_in_the_canonical_form() {
        let cases: [(&[u8], &str); 5] = [
            (b"\xc0\x00\x02\x01", "192.0.2.1"),
            (b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", "2001:db8::1"),
            (b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", "::1"),
            (b"\x20\x01\x0d\xb8\0\0\0\x01\0\0\0\x01\0\0\0\x01", "2001:db8:0:1:0:1:0:1"),
            (b"\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01", "::ffff:192.0.2.1"),
        ];
        for (octets, text) in cases {
            let mut out = String::new();
            GeneralName::Ip(address(octets).unwrap()).write(&mut out).unwrap();
            assert_eq!(out, text);
        }
        assert_eq!(address(&[0; 8]), None);
    }

    #[test]
    fn text_that_is_not_utf8() {
        let mut out = String::new();
        GeneralName::Dns(b"b\xfccher.example").write(&mut out).unwrap();
        assert_eq!(out, "b\u{fffd}cher.example");
    }
}
