//! The text forms of extensions: those of CaliDog's server, and those its two successors share.

use std::fmt::{self, Write};

use base64_simd::{AsOut, URL_SAFE};

use super::{
    AccessDescriptions, DistributionPointItem, DistributionPoints, Policies, PolicyItem, Purposes,
    Value,
};
use crate::general_name::{GeneralName, GeneralNames};
use crate::oid::Oid;
use crate::text::{self, Dialect, Joined};

impl Value<'_> {
    /// Writes the text form. Nothing is written for the poison, which messages show as `true`, for
    /// an authorityKeyIdentifier without a keyIdentifier, and for what is not known here.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write<W: Write>(&self, dialect: Dialect, out: &mut W) -> fmt::Result {
        let calidog = dialect == Dialect::Calidog;
        match *self {
            Self::AuthorityInfoAccess(places) => access(places, dialect, out),
            Self::AuthorityKeyIdentifier(None) => Ok(()),
            Self::AuthorityKeyIdentifier(Some(id)) if calidog => {
                out.write_str("keyid:")?;
                text::write_colon_hex(id, text::UPPER, out)?;
                out.write_char('\n')
            }
            Self::SubjectKeyIdentifier(id) if calidog => {
                text::write_colon_hex(id, text::UPPER, out)
            }
            Self::AuthorityKeyIdentifier(Some(id)) | Self::SubjectKeyIdentifier(id) => {
                out.write_str("keyid:")?;
                text::write_colon_hex(id, text::LOWER, out)
            }
            Self::BasicConstraints { ca } => out.write_str(if ca { "CA:TRUE" } else { "CA:FALSE" }),
            Self::CertificatePolicies(list) if calidog => policies(list, out),
            Self::CertificatePolicies(list) => bare_policies(list, out),
            Self::CrlDistributionPoints(points) => distribution_points(points, out),
            Self::ExtendedKeyUsage(list) if calidog => purposes(list, out),
            Self::ExtendedKeyUsage(list) => known_purposes(list, out),
            Self::IssuerAltName(names) | Self::SubjectAltName(names) => match dialect {
                Dialect::Calidog => alt_names(names, calidog_label, out),
                Dialect::Go => grouped_alt_names(names, out),
                Dialect::Rust => alt_names(names, peer_label, out),
            },
            Self::KeyUsage(bits) => key_usage(bits, dialect, out),
            Self::SctList(bytes) => url_safe_base64(bytes, out),
            Self::Poison | Self::Other => Ok(()),
        }
    }
}

/// Access methods (RFC 5280 section 4.2.2.1): 1.3.6.1.5.5.7.48.1 and 2.
const OCSP: Oid<'_> = Oid(b"\x2b\x06\x01\x05\x05\x07\x30\x01");
const CA_ISSUERS: Oid<'_> = Oid(b"\x2b\x06\x01\x05\x05\x07\x30\x02");

fn access<W: Write>(places: AccessDescriptions<'_>, dialect: Dialect, out: &mut W) -> fmt::Result {
    let uris = || {
        places.flatten().filter_map(|place| match place.location {
            GeneralName::Uri(uri) => Some((place.method, uri)),
            _ => None,
        })
    };
    let mut list = Joined::new(out, if dialect == Dialect::Calidog { "" } else { ", " });
    let mut write = |label: &str, uri: &[u8], end: &str| {
        let out = list.item()?;
        out.write_str(label)?;
        text::write_utf8(uri, out)?;
        out.write_str(end)
    };
    match dialect {
        // The original server lists them last to first, and clients know `CA Issuers` as the
        // first line.
        Dialect::Calidog => {
            let uris: Vec<_> = uris().collect();
            uris.iter().rev().try_for_each(|(method, uri)| match *method {
                CA_ISSUERS => write("CA Issuers - URI:", uri, "\n"),
                OCSP => write("OCSP - URI:", uri, "\n"),
                _ => Ok(()),
            })
        }
        Dialect::Go => [CA_ISSUERS, OCSP].iter().try_for_each(|wanted| {
            let mut found = uris().filter(|(method, _)| method == wanted);
            found.try_for_each(|(_, uri)| write("URI:", uri, ""))
        }),
        Dialect::Rust => uris().try_for_each(|(_, uri)| write("URI:", uri, "")),
    }
}

fn policies<W: Write>(list: Policies<'_>, out: &mut W) -> fmt::Result {
    let mut lines = Joined::new(out, "\n");
    list.flatten().try_for_each(|item| match item {
        PolicyItem::Policy(oid) => {
            let line = lines.item()?;
            line.write_str("Policy: ")?;
            oid.write(line)
        }
        PolicyItem::Cps(uri) => {
            let line = lines.item()?;
            line.write_str("  CPS: ")?;
            uri.write(line)
        }
        PolicyItem::UserNotice(notice) => {
            let line = lines.item()?;
            line.write_str("  User Notice: ")?;
            notice.map_or(Ok(()), |notice| notice.write(line))
        }
        PolicyItem::OtherQualifier => Ok(()),
    })
}

fn bare_policies<W: Write>(list: Policies<'_>, out: &mut W) -> fmt::Result {
    list.flatten().try_for_each(|item| match item {
        PolicyItem::Policy(oid) => {
            out.write_str("Policy: ")?;
            oid.write(out)?;
            out.write_char('\n')
        }
        _ => Ok(()),
    })
}

fn distribution_points<W: Write>(points: DistributionPoints<'_>, out: &mut W) -> fmt::Result {
    let mut lines = Joined::new(out, "\n");
    points.flatten().try_for_each(|item| match item {
        DistributionPointItem::FullName => lines.item()?.write_str("Full Name:"),
        DistributionPointItem::Name(GeneralName::Uri(uri)) => {
            let line = lines.item()?;
            line.write_str(" URI:")?;
            text::write_utf8(uri, line)
        }
        DistributionPointItem::Name(_) | DistributionPointItem::Unnamed => Ok(()),
    })
}

/// 1.3.6.1.5.5.7.3, under which PKIX numbers the purposes of a key, and the names of those that
/// CaliDog's server knows.
const KEY_PURPOSE: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x03";

fn purposes<W: Write>(list: Purposes<'_>, out: &mut W) -> fmt::Result {
    let mut names = Joined::new(out, ", ");
    list.flatten().try_for_each(|oid| {
        let name = match oid.0.strip_prefix(KEY_PURPOSE) {
            Some([1]) => "TLS Web server authentication",
            Some([2]) => "TLS Web client authentication",
            Some([3]) => "Code signing",
            Some([4]) => "E-mail protection",
            Some([5]) => "IP security end system",
            Some([6]) => "IP security tunnel termination",
            Some([7]) => "IP security user",
            Some([8]) => "Timestamping",
            Some([9]) => "OCSPstamping",
            _ => return oid.write(names.item()?),
        };
        names.item()?.write_str(name)
    })
}

/// The purposes that certstream-server-rust names, in its fixed order.
const KNOWN_PURPOSES: [(Oid<'_>, &str); 7] = [
    (Oid(b"\x2b\x06\x01\x05\x05\x07\x03\x01"), "serverAuth"),
    (Oid(b"\x2b\x06\x01\x05\x05\x07\x03\x02"), "clientAuth"),
    (Oid(b"\x2b\x06\x01\x05\x05\x07\x03\x03"), "codeSigning"),
    (Oid(b"\x2b\x06\x01\x05\x05\x07\x03\x04"), "emailProtection"),
    (Oid(b"\x2b\x06\x01\x05\x05\x07\x03\x08"), "timeStamping"),
    (Oid(b"\x2b\x06\x01\x05\x05\x07\x03\x09"), "OCSPSigning"),
    (Oid(b"\x55\x1d\x25\x00"), "anyExtendedKeyUsage"),
];

fn known_purposes<W: Write>(list: Purposes<'_>, out: &mut W) -> fmt::Result {
    let mut names = Joined::new(out, ", ");
    KNOWN_PURPOSES.iter().try_for_each(|(known, name)| {
        let present = list.flatten().any(|oid| oid == *known);
        if present { names.item()?.write_str(name) } else { Ok(()) }
    })
}

/// A function that returns the label of a general name; `None` for those that are not shown.
type Label = fn(&GeneralName<'_>) -> Option<&'static str>;

const fn calidog_label(name: &GeneralName<'_>) -> Option<&'static str> {
    match name {
        GeneralName::Dns(_) => Some("DNS:"),
        GeneralName::Uri(_) => Some("URI:"),
        GeneralName::Email(_) => Some("RFC 822Name:"),
        GeneralName::Ip(_) => Some("IP:"),
        GeneralName::Other => None,
    }
}

const fn peer_label(name: &GeneralName<'_>) -> Option<&'static str> {
    match name {
        GeneralName::Dns(_) => Some("DNS:"),
        GeneralName::Email(_) => Some("email:"),
        GeneralName::Ip(_) => Some("IP Address:"),
        GeneralName::Uri(_) | GeneralName::Other => None,
    }
}

fn alt_names<W: Write>(names: GeneralNames<'_>, label: Label, out: &mut W) -> fmt::Result {
    let mut list = Joined::new(out, ", ");
    names.flatten().try_for_each(|name| labelled(&name, label, &mut list))
}

fn grouped_alt_names<W: Write>(names: GeneralNames<'_>, out: &mut W) -> fmt::Result {
    const GROUPS: [fn(&GeneralName<'_>) -> bool; 3] = [
        |name| matches!(name, GeneralName::Dns(_)),
        |name| matches!(name, GeneralName::Email(_)),
        |name| matches!(name, GeneralName::Ip(_)),
    ];
    let mut list = Joined::new(out, ", ");
    GROUPS.iter().try_for_each(|belongs| {
        let mut group = names.flatten().filter(belongs);
        group.try_for_each(|name| labelled(&name, peer_label, &mut list))
    })
}

fn labelled<W: Write>(
    name: &GeneralName<'_>,
    label: Label,
    list: &mut Joined<'_, W>,
) -> fmt::Result {
    let Some(label) = label(name) else { return Ok(()) };
    let out = list.item()?;
    out.write_str(label)?;
    name.write(out)
}

/// The key usages in bit order, as CaliDog's server names them and as the others do.
const KEY_USAGES: [(&str, &str); 9] = [
    ("Digital Signature", "Digital Signature"),
    ("Non Repudiation", "Content Commitment"),
    ("Key Encipherment", "Key Encipherment"),
    ("Data Encipherment", "Data Encipherment"),
    ("Key Agreement", "Key Agreement"),
    ("Key Cert Sign", "Certificate Signing"),
    ("C R L Sign", "CRL Signing"),
    ("Encipher Only", "Encipher Only"),
    ("Decipher Only", "Decipher Only"),
];

fn key_usage<W: Write>(bits: u16, dialect: Dialect, out: &mut W) -> fmt::Result {
    let mut list = Joined::new(out, ", ");
    KEY_USAGES.iter().zip(0..).try_for_each(|((calidog, peer), bit)| {
        let set = bits & (0x8000_u16 >> bit) != 0;
        let name = if dialect == Dialect::Calidog { calidog } else { peer };
        if set { list.item()?.write_str(name) } else { Ok(()) }
    })
}

fn url_safe_base64<W: Write>(bytes: &[u8], out: &mut W) -> fmt::Result {
    // Whole groups of three bytes, so that only the last piece is padded.
    bytes.chunks(192).try_for_each(|piece| {
        let mut buffer = [0; 256];
        out.write_str(URL_SAFE.encode_as_str(piece, buffer.as_mut_slice().as_out()))
    })
}
