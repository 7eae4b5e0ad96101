//! A certificate as a JSON object: `leaf_cert` and the elements of `chain`.

use std::fmt::{self, Write};

use cert::text::{self, UPPER};
use cert::{Certificate, Dialect, Extension, ExtensionKind, Name, Part};

use super::Extent;
use crate::json::{Escaped, Json, Key};
use crate::profile::{
    CertificateField, Choices, ExtensionField, Members, MissingPart, NameField, Profile,
};

/// Writes the object `leaf_cert`.
pub(super) fn leaf(
    choices: &Choices,
    certificate: &Certificate<'_>,
    extent: Extent,
    json: &mut Json<'_>,
) {
    Object { choices, certificate, extent }.write(choices.leaf, json);
}

/// The longest issuer that is written in full, in bytes of DER. Real ones have two thousand.
const MAX_ISSUER_BYTES: usize = 64 << 10;

/// Writes an element of `chain`.
pub(crate) fn issuer(profile: Profile, certificate: &Certificate<'_>, json: &mut Json<'_>) {
    let choices = profile.choices();
    let extent = if certificate.der.len() <= MAX_ISSUER_BYTES {
        Extent::Whole
    } else {
        Extent::Outline { domains: MAX_ISSUER_BYTES }
    };
    Object { choices, certificate, extent }.write(choices.issuer, json);
}

/// Writes the array `all_domains`.
pub(super) fn all_domains(
    dialect: Dialect,
    certificate: &Certificate<'_>,
    extent: Extent,
    json: &mut Json<'_>,
) {
    let most = match extent {
        Extent::Outline { domains } => domains,
        Extent::Whole | Extent::WithoutDer => usize::MAX,
    };
    let start = json.len();
    json.array(|json| {
        for name in certificate.all_domains(dialect) {
            let before = json.len();
            json.item();
            json.string(&name);
            let closed = json.len() - start + "]".len();
            if closed > most {
                json.truncate(before);
                break;
            }
        }
    });
}

struct Object<'o> {
    choices: &'o Choices,
    certificate: &'o Certificate<'o>,
    extent: Extent,
}

impl Object<'_> {
    fn write(&self, members: Members<CertificateField>, json: &mut Json<'_>) {
        json.object(|json| {
            for (key, field) in members {
                if self.shows(*field) {
                    json.key(key);
                    self.member(*field, json);
                }
            }
        });
    }

    fn shows(&self, field: CertificateField) -> bool {
        match field {
            CertificateField::AsDer => self.extent == Extent::Whole,
            CertificateField::ParseError => self.certificate.parse_error.is_some(),
            _ => true,
        }
    }

    /// Writes the value of a member.
    fn member(&self, field: CertificateField, json: &mut Json<'_>) {
        let certificate = self.certificate;
        let dialect = self.choices.dialect;
        match field {
            CertificateField::AllDomains => all_domains(dialect, certificate, self.extent, json),
            CertificateField::AsDer => json.base64(certificate.der),
            CertificateField::Extensions => self.extensions(json),
            CertificateField::Sha1 => fingerprint(&certificate.sha1, json),
            CertificateField::Sha256 => fingerprint(&certificate.sha256, json),
            CertificateField::IsCa => json.boolean(certificate.is_ca),
            CertificateField::Issuer => self.name(&certificate.issuer, json),
            CertificateField::NotAfter => json.signed(certificate.not_after),
            CertificateField::NotBefore => json.signed(certificate.not_before),
            CertificateField::ParseError => json.written(|out| self.parse_error(out)),
            CertificateField::SerialNumber => json.written(|out| self.serial_number(out)),
            CertificateField::SignatureAlgorithm => {
                json.written(|out| certificate.signature_algorithm.write(dialect, out));
            }
            CertificateField::Subject => self.name(&certificate.subject, json),
        }
    }

    const fn is_outline(&self) -> bool {
        matches!(self.extent, Extent::Outline { .. })
    }

    fn parse_error(&self, out: &mut Escaped<'_>) -> fmt::Result {
        self.certificate.parse_error.map_or(Ok(()), |error| write!(out, "{error}"))
    }

    /// Writes upper-case hex, two digits a byte, without the zeros that only say that it is positive.
    fn serial_number(&self, out: &mut Escaped<'_>) -> fmt::Result {
        let mut serial = self.certificate.serial;
        while let [0, rest @ ..] = serial
            && !rest.is_empty()
        {
            serial = rest;
        }
        if self.is_outline() {
            serial = &serial[..serial.len().min(64)];
        }
        text::write_hex(serial, UPPER, out)
    }

    fn name(&self, name: &Name<'_>, json: &mut Json<'_>) {
        let name = if self.is_outline() && name.size() > 512 { &Name::default() } else { name };
        let dialect = self.choices.dialect;
        json.object(|json| {
            for (key, field) in self.choices.name {
                match field {
                    NameField::Aggregated => {
                        json.key(key);
                        json.written(|out| name.write_aggregated(dialect, out));
                    }
                    NameField::Part(part) if name.get(*part).is_some() => {
                        json.key(key);
                        json.written(|out| name.write_part(*part, dialect, out));
                    }
                    NameField::Part(part) => self.missing_part(key, *part, json),
                    NameField::Null => {
                        json.key(key);
                        json.null();
                    }
                }
            }
        });
    }

    fn missing_part(&self, key: Key, part: Part, json: &mut Json<'_>) {
        match self.choices.missing_part {
            MissingPart::Omitted => {}
            MissingPart::NullOrEmptyName if part == Part::CommonName => {
                json.key(key);
                json.string("");
            }
            MissingPart::Null | MissingPart::NullOrEmptyName => {
                json.key(key);
                json.null();
            }
        }
    }

    fn extensions(&self, json: &mut Json<'_>) {
        json.object(|json| {
            if self.is_outline() || self.certificate.extensions.is_empty() {
                return;
            }
            for (key, field) in self.choices.extensions {
                match field {
                    ExtensionField::Text(kind) => self.extension(key, *kind, json),
                    ExtensionField::Poison => self.poison(key, json),
                    ExtensionField::Extra => self.extra(key, json),
                }
            }
        });
    }

    fn extension(&self, key: Key, kind: ExtensionKind, json: &mut Json<'_>) {
        let Some(extension) = self.certificate.extension(kind) else { return };
        let start = json.len();
        json.key(key);
        json.raw("\"");
        let empty = json.len();
        json.unquoted(|out| extension.value.write(self.choices.dialect, out));
        // Without a keyIdentifier there is nothing to say about the authority's key.
        let may_be_empty = kind != ExtensionKind::AuthorityKeyIdentifier;
        if json.len() == empty && (self.choices.omit_empty_extensions || !may_be_empty) {
            json.truncate(start);
        } else {
            json.raw("\"");
        }
    }

    fn poison(&self, key: Key, json: &mut Json<'_>) {
        if self.certificate.extension(ExtensionKind::Poison).is_some() {
            json.key(key);
            json.boolean(true);
        }
    }

    fn extra(&self, key: Key, json: &mut Json<'_>) {
        let mut extra = self.certificate.extensions.iter().filter(|each| each.unshown).peekable();
        if extra.peek().is_none() {
            return;
        }
        json.key(key);
        json.array(|json| {
            for Extension { oid, .. } in extra {
                json.item();
                json.written(|out| oid.write(out));
            }
        });
    }
}

/// Writes `AB:CD:…`.
fn fingerprint(digest: &[u8], json: &mut Json<'_>) {
    json.written(|out| text::write_colon_hex(digest, UPPER, out));
}
