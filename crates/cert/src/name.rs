//! Distinguished names (RFC 5280 sections 4.1.2.4 and 4.1.2.6).

use std::borrow::Cow;
use std::fmt::{self, Write};

use crate::der::{Fault, Reader, tag};
use crate::oid::Oid;
use crate::text::{self, Dialect, Joined};

/// The parts of a name that certstream messages show, in the order of the `aggregated` form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// countryName, 2.5.4.6.
    Country,
    /// commonName, 2.5.4.3.
    CommonName,
    /// localityName, 2.5.4.7.
    Locality,
    /// organizationName, 2.5.4.10.
    Organization,
    /// organizationalUnitName, 2.5.4.11.
    OrganizationalUnit,
    /// stateOrProvinceName, 2.5.4.8.
    State,
    /// emailAddress, 1.2.840.113549.1.9.1 (PKCS #9).
    EmailAddress,
}

impl Part {
    /// All parts, in the order of the `aggregated` form.
    pub const ALL: [Self; 7] = [
        Self::Country,
        Self::CommonName,
        Self::Locality,
        Self::Organization,
        Self::OrganizationalUnit,
        Self::State,
        Self::EmailAddress,
    ];

    /// The short name of the attribute: `C`, `CN`, … `emailAddress`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Country => "C",
            Self::CommonName => "CN",
            Self::Locality => "L",
            Self::Organization => "O",
            Self::OrganizationalUnit => "OU",
            Self::State => "ST",
            Self::EmailAddress => "emailAddress",
        }
    }

    /// The part that attributes of this type are shown as, if they are shown at all.
    #[must_use]
    pub const fn of(oid: Oid<'_>) -> Option<Self> {
        match oid.0 {
            [0x55, 0x04, 0x06] => Some(Self::Country),
            [0x55, 0x04, 0x03] => Some(Self::CommonName),
            [0x55, 0x04, 0x07] => Some(Self::Locality),
            [0x55, 0x04, 0x0a] => Some(Self::Organization),
            [0x55, 0x04, 0x0b] => Some(Self::OrganizationalUnit),
            [0x55, 0x04, 0x08] => Some(Self::State),
            [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01] => Some(Self::EmailAddress),
            _ => None,
        }
    }
}

/// A distinguished name: its attributes in the order of the certificate.
#[derive(Clone, Copy, Debug, Default)]
pub struct Name<'a> {
    contents: &'a [u8],
    last: [Option<DirectoryString<'a>>; Part::ALL.len()],
}

impl<'a> Name<'a> {
    /// Returns the DER of its attributes: the contents of the `RDNSequence`.
    #[must_use]
    pub const fn der(&self) -> &'a [u8] {
        self.contents
    }

    /// Reads the contents of an `RDNSequence`. What is broken in it is left out; `Err` beside the
    /// name says so.
    pub(crate) fn read(contents: &'a [u8]) -> (Self, Result<(), Fault>) {
        let mut name = Self { contents, ..Self::default() };
        let mut outcome = Ok(());
        for attribute in name.attributes() {
            match attribute {
                Ok(Attribute { oid, value: Some(value) }) => name.note(oid, value),
                Ok(_) => {}
                Err(fault) => outcome = outcome.and(Err(fault)),
            }
        }
        (name, outcome)
    }

    fn note(&mut self, oid: Oid<'a>, value: DirectoryString<'a>) {
        if let Some(slot) = Part::of(oid).and_then(|part| self.last.get_mut(part as usize)) {
            *slot = Some(value);
        }
    }

    /// The attributes in certificate order, those of a multi-valued RDN one after another.
    #[must_use]
    pub const fn attributes(&self) -> Attributes<'a> {
        Attributes { rdns: Reader::new(self.contents), rdn: Reader::new(&[]) }
    }

    /// The encoded size of the name in bytes, without its own tag and length.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.contents.len()
    }

    /// The last value of this part, if there is one.
    #[must_use]
    pub fn get(&self, part: Part) -> Option<DirectoryString<'a>> {
        self.last.get(part as usize).copied().flatten()
    }

    /// Writes one part: its last value, or in the Go dialect all its values joined by `,` (but for
    /// the common name, of which there too the last one counts). Writes nothing where the name has
    /// no such part.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_part<W: Write>(&self, part: Part, dialect: Dialect, out: &mut W) -> fmt::Result {
        if dialect == Dialect::Go && part != Part::CommonName {
            let mut list = Joined::new(out, ",");
            return self
                .attributes()
                .flatten()
                .filter(|attribute| Part::of(attribute.oid) == Some(part))
                .filter_map(|attribute| attribute.value)
                .try_for_each(|value| value.write(list.item()?));
        }
        self.get(part).map_or(Ok(()), |value| value.write(out))
    }

    /// Writes the one-line form, `/C=US/CN=a.example/O=Example`, of the parts there are, in this
    /// order and without escapes.
    ///
    /// Calidog adds the e-mail address and writes `/` for a name without parts. Go always writes
    /// `/CN=`. Rust writes nothing for a name without parts.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_aggregated<W: Write>(&self, dialect: Dialect, out: &mut W) -> fmt::Result {
        let mut empty = true;
        for part in Part::ALL {
            let shown = match part {
                Part::CommonName if dialect == Dialect::Go => true,
                Part::EmailAddress if dialect != Dialect::Calidog => false,
                _ => self.get(part).is_some(),
            };
            if shown {
                empty = false;
                out.write_char('/')?;
                out.write_str(part.label())?;
                out.write_char('=')?;
                self.write_part(part, dialect, out)?;
            }
        }
        if empty && dialect == Dialect::Calidog { out.write_char('/') } else { Ok(()) }
    }
}

/// One attribute of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// The type of the attribute.
    pub oid: Oid<'a>,
    /// Its value, where that is a character string.
    pub value: Option<DirectoryString<'a>>,
}

/// The attributes of a [`Name`]. A broken one is given as a fault, and the next is tried.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    rdns: Reader<'a>,
    rdn: Reader<'a>,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.rdn.is_empty() {
            match self.rdns.next()?.and_then(|element| element.expect(tag::SET)) {
                Ok(contents) => self.rdn = Reader::new(contents),
                Err(fault) => return Some(Err(fault)),
            }
        }
        Some(self.attribute())
    }
}

impl<'a> Attributes<'a> {
    fn attribute(&mut self) -> Result<Attribute<'a>, Fault> {
        let mut fields = self.rdn.sequence()?;
        let oid = Oid(fields.expect(tag::OBJECT_IDENTIFIER)?);
        let value = fields.element()?;
        Ok(Attribute { oid, value: DirectoryString::new(value.tag, value.contents) })
    }
}

/// A character string of one of the ASN.1 types found in names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryString<'a> {
    encoding: Encoding,
    bytes: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    /// UTF8String and the types whose characters are ASCII. Some issuers put UTF-8 there too.
    Utf8,
    /// T61String (TeletexString): issuers put UTF-8 or Latin-1 there, never T.61.
    Teletex,
    /// BMPString.
    Utf16,
    /// UniversalString.
    Utf32,
}

impl<'a> DirectoryString<'a> {
    pub(crate) const fn new(tag: u8, bytes: &'a [u8]) -> Option<Self> {
        let encoding = match tag {
            tag::UTF8_STRING
            | tag::NUMERIC_STRING
            | tag::PRINTABLE_STRING
            | tag::VIDEOTEX_STRING
            | tag::IA5_STRING
            | tag::GRAPHIC_STRING
            | tag::VISIBLE_STRING
            | tag::GENERAL_STRING => Encoding::Utf8,
            tag::T61_STRING => Encoding::Teletex,
            tag::BMP_STRING => Encoding::Utf16,
            tag::UNIVERSAL_STRING => Encoding::Utf32,
            _ => return None,
        };
        Some(Self { encoding, bytes })
    }

    /// The contents octets as they stand in the certificate.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The text, borrowed where it is valid UTF-8 as it stands.
    #[must_use]
    pub fn to_text(&self) -> Cow<'a, str> {
        match (self.encoding, std::str::from_utf8(self.bytes)) {
            (Encoding::Utf8, _) => return text::utf8(self.bytes),
            (Encoding::Teletex, Ok(text)) => return Cow::Borrowed(text),
            _ => {}
        }
        let mut text = String::new();
        // A String takes whatever is written to it.
        self.write(&mut text).unwrap_or(());
        Cow::Owned(text)
    }

    /// Writes the text, with U+FFFD for what its encoding does not allow.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write<W: Write>(&self, out: &mut W) -> fmt::Result {
        let mut put = |character: Option<char>| {
            out.write_char(character.unwrap_or(char::REPLACEMENT_CHARACTER))
        };
        match self.encoding {
            Encoding::Utf8 => text::write_utf8(self.bytes, out),
            Encoding::Teletex => match std::str::from_utf8(self.bytes) {
                Ok(text) => out.write_str(text),
                Err(_) => self.bytes.iter().try_for_each(|byte| put(Some(char::from(*byte)))),
            },
            Encoding::Utf16 => {
                let (pairs, odd) = self.bytes.as_chunks::<2>();
                let units = pairs.iter().map(|pair| u16::from_be_bytes(*pair));
                char::decode_utf16(units).try_for_each(|character| put(character.ok()))?;
                if odd.is_empty() { Ok(()) } else { put(None) }
            }
            Encoding::Utf32 => {
                let (quads, odd) = self.bytes.as_chunks::<4>();
                let mut units = quads.iter().map(|quad| u32::from_be_bytes(*quad));
                units.try_for_each(|unit| put(char::from_u32(unit)))?;
                if odd.is_empty() { Ok(()) } else { put(None) }
            }
        }
    }
}

#[cfg(test)]
mod tests;
