//! The extensions that are lists, as iterators over their members.
//!
//! A member that is broken is given as a fault, and the next one is tried.

use crate::der::{Element, Fault, Reader, tag};
use crate::general_name::{GeneralName, GeneralNames};
use crate::name::DirectoryString;
use crate::oid::Oid;

/// The members of authorityInfoAccess (RFC 5280 section 4.2.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessDescriptions<'a>(pub(super) Reader<'a>);

/// One place to find something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessDescription<'a> {
    /// The kind of information found there, and the protocol for it.
    pub method: Oid<'a>,
    /// The place.
    pub location: GeneralName<'a>,
}

impl<'a> AccessDescription<'a> {
    fn read(element: Element<'a>) -> Result<Self, Fault> {
        let mut fields = element.sequence()?;
        let method = Oid(fields.expect(tag::OBJECT_IDENTIFIER)?);
        let location = GeneralName::read(fields.element()?)?;
        Ok(Self { method, location })
    }
}

impl<'a> Iterator for AccessDescriptions<'a> {
    type Item = Result<AccessDescription<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.next()?.and_then(AccessDescription::read))
    }
}

/// The members of extendedKeyUsage (RFC 5280 section 4.2.1.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purposes<'a>(pub(super) Reader<'a>);

impl<'a> Iterator for Purposes<'a> {
    type Item = Result<Oid<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.next()?.and_then(|element| element.expect(tag::OBJECT_IDENTIFIER)).map(Oid))
    }
}

/// The policies of certificatePolicies, one by one (RFC 5280 section 4.2.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policies<'a> {
    policies: Reader<'a>,
    qualifiers: Reader<'a>,
}

/// A policy, or a qualifier of the policy before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyItem<'a> {
    /// The policy's identifier.
    Policy(Oid<'a>),
    /// The URI of its certification practice statement, not validated.
    Cps(DirectoryString<'a>),
    /// The text to show to a relying party, if there is one.
    UserNotice(Option<DirectoryString<'a>>),
    /// A qualifier of another kind.
    OtherQualifier,
}

impl<'a> Policies<'a> {
    pub(super) const fn new(policies: Reader<'a>) -> Self {
        Self { policies, qualifiers: Reader::new(&[]) }
    }

    fn policy(&mut self, element: Element<'a>) -> Result<PolicyItem<'a>, Fault> {
        let mut fields = element.sequence()?;
        let oid = Oid(fields.expect(tag::OBJECT_IDENTIFIER)?);
        if let Ok(Some(qualifiers)) = fields.optional(tag::SEQUENCE) {
            self.qualifiers = Reader::new(qualifiers);
        }
        Ok(PolicyItem::Policy(oid))
    }

    fn qualifier(element: Element<'a>) -> Result<PolicyItem<'a>, Fault> {
        let mut fields = element.sequence()?;
        // 1.3.6.1.5.5.7.2.1 and 2
        match *fields.expect(tag::OBJECT_IDENTIFIER)? {
            [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x02, 0x01] => {
                let uri = fields.element()?;
                let uri = DirectoryString::new(uri.tag, uri.contents).ok_or(Fault::Type)?;
                Ok(PolicyItem::Cps(uri))
            }
            [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x02, 0x02] => {
                let mut notice = fields.sequence()?;
                notice.optional(tag::SEQUENCE)?;
                let text = notice.next().transpose()?;
                let text = text.and_then(|text| DirectoryString::new(text.tag, text.contents));
                Ok(PolicyItem::UserNotice(text))
            }
            _ => Ok(PolicyItem::OtherQualifier),
        }
    }
}

impl<'a> Iterator for Policies<'a> {
    type Item = Result<PolicyItem<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(qualifier) = self.qualifiers.next() {
            return Some(qualifier.and_then(Self::qualifier));
        }
        Some(self.policies.next()?.and_then(|element| self.policy(element)))
    }
}

/// The points of cRLDistributionPoints, one by one (RFC 5280 section 4.2.1.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DistributionPoints<'a> {
    points: Reader<'a>,
    names: GeneralNames<'a>,
}

/// A distribution point, or a name of the point before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DistributionPointItem<'a> {
    /// A point that has names; they follow.
    FullName,
    /// One of its names.
    Name(GeneralName<'a>),
    /// A point without names of its own: relative to the issuer, or only an issuer.
    Unnamed,
}

impl<'a> DistributionPoints<'a> {
    pub(super) fn new(points: Reader<'a>) -> Self {
        Self { points, names: GeneralNames::default() }
    }

    fn point(&mut self, element: Element<'a>) -> Result<DistributionPointItem<'a>, Fault> {
        let Some(name) = element.sequence()?.optional(tag::constructed(0))? else {
            return Ok(DistributionPointItem::Unnamed);
        };
        let Some(names) = Reader::new(name).optional(tag::constructed(0))? else {
            return Ok(DistributionPointItem::Unnamed);
        };
        self.names = GeneralNames(Reader::new(names));
        Ok(DistributionPointItem::FullName)
    }
}

impl<'a> Iterator for DistributionPoints<'a> {
    type Item = Result<DistributionPointItem<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(name) = self.names.next() {
            return Some(name.map(DistributionPointItem::Name));
        }
        Some(self.points.next()?.and_then(|element| self.point(element)))
    }
}
