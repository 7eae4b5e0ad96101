//! A certificate as filters see it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cert::{Certificate, DirectoryString, GeneralName, Part, text};
use ipnet::IpNet;
use memchr::memmem;

use super::share::Share;
use super::{MAX_TERM_BYTES, ON, Parameter};
use crate::event::EntryKind;
use crate::source::Source;

/// Bytes that a text keeps room for when it is used again. Few certificates need as much.
const KEPT_BYTES: usize = 64 << 10;

/// A certificate as filters see it: its names, its issuer and its log, in lower case, its addresses,
/// digest and kind. Meant to be used again for the next certificate, so that nothing is allocated.
/// A field that is not set passes no filter that has a term for it.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// Each name with a line feed after it. No term has one, so none is found across two names.
    names: String,
    /// The iPAddress names.
    addresses: BTreeSet<IpAddr>,
    /// The CN and O of the issuer, in the same form.
    issuer: String,
    /// The name and URL of the log, in the same form.
    log: String,
    log_id: String,
    /// The first 8 bytes of the SHA-256.
    digest: Option<u64>,
    kind: Option<EntryKind>,
    is_new: bool,
}

impl Subject {
    /// Forgets the certificate it was.
    pub fn clear(&mut self) {
        let Self { names, addresses, issuer, log, log_id, digest, kind, is_new } = self;
        for text in [names, issuer, log, log_id] {
            text.clear();
            text.shrink_to(KEPT_BYTES);
        }
        addresses.clear();
        (*digest, *kind, *is_new) = (None, None, false);
    }

    /// Becomes this certificate of this log, which has it as this kind of entry.
    pub fn read(&mut self, certificate: &Certificate<'_>, source: &Source, kind: EntryKind) {
        self.clear();
        if let Some(name) = certificate.common_name() {
            self.add_name(&name);
        }
        for name in certificate.alternative_names() {
            match name {
                GeneralName::Dns(name) => self.add_name(&text::utf8(name)),
                GeneralName::Ip(address) => self.add_address(address),
                _ => {}
            }
        }
        for part in [Part::CommonName, Part::Organization] {
            let part: Option<DirectoryString<'_>> = certificate.issuer.get(part);
            if let Some(part) = part {
                self.add_issuer(&part.to_text());
            }
        }
        self.set_log(source);
        self.set_sha256(&certificate.sha256);
        self.set_kind(kind);
    }

    /// Adds a name that the certificate is for.
    pub fn add_name(&mut self, name: &str) {
        push_line(name, &mut self.names);
    }

    /// Adds an iPAddress name.
    pub fn add_address(&mut self, address: IpAddr) {
        self.addresses.insert(address);
    }

    /// Sets the SHA-256 of the certificate, which decides its share.
    pub fn set_sha256(&mut self, [a, b, c, d, e, f, g, h, ..]: &[u8; 32]) {
        self.digest = Some(u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]));
    }

    /// Sets the kind of entry.
    pub const fn set_kind(&mut self, kind: EntryKind) {
        self.kind = Some(kind);
    }

    /// Sets the mark of certificates with a new registrable domain.
    pub const fn set_new(&mut self, is_new: bool) {
        self.is_new = is_new;
    }

    /// Adds a CN or O of the issuer.
    pub fn add_issuer(&mut self, name: &str) {
        push_line(name, &mut self.issuer);
    }

    /// Sets the log.
    pub fn set_log(&mut self, source: &Source) {
        self.log.clear();
        self.log_id.clear();
        push_line(source.name(), &mut self.log);
        push_line(source.url(), &mut self.log);
        push_lower(source.log_id().unwrap_or_default(), &mut self.log_id);
    }

    /// Returns the names that were added, in lower case.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.split_terminator('\n')
    }

    /// Returns the CN and O of the issuer, in lower case.
    pub fn issuers(&self) -> impl Iterator<Item = &str> {
        self.issuer.split_terminator('\n')
    }

    /// Returns the kind of entry, if it is known.
    #[must_use]
    pub const fn kind(&self) -> Option<EntryKind> {
        self.kind
    }

    /// Returns the text that terms of this parameter are looked for in, lines each ended by a line feed.
    /// Empty for a parameter whose terms are not parts of a text.
    pub(super) fn text(&self, parameter: Parameter) -> &str {
        match parameter {
            Parameter::Match => &self.names,
            Parameter::Issuer => &self.issuer,
            Parameter::Log => &self.log,
            Parameter::Domain
            | Parameter::Ip
            | Parameter::New
            | Parameter::Part
            | Parameter::Entry => "",
        }
    }

    /// Returns the base64 of the log's id, in lower case; empty if there is none.
    pub(super) fn log_id(&self) -> &str {
        &self.log_id
    }

    /// Returns every domain that one of the names is or lies below, without a final dot; no longer than
    /// terms can be. What begins with `*.` is a whole name: a wildcard below another label covers
    /// nothing.
    pub(super) fn domains(&self) -> impl Iterator<Item = &str> {
        self.names.split_terminator('\n').flat_map(|name| {
            let name = name.strip_suffix('.').unwrap_or(name);
            let mut domains =
                std::iter::successors(Some(name), |domain| Some(domain.split_once('.')?.1));
            let whole = domains.next();
            let parents = domains.filter(|domain| !domain.starts_with("*."));
            let domains = whole.into_iter().chain(parents);
            domains.filter(|domain| domain.len() <= MAX_TERM_BYTES)
        })
    }

    /// Reports whether there is any address.
    pub(super) fn has_addresses(&self) -> bool {
        !self.addresses.is_empty()
    }

    /// Reports whether an address lies in the network.
    pub(super) fn is_within(&self, network: &IpNet) -> bool {
        self.addresses.range(network.network()..=network.broadcast()).next().is_some()
    }

    /// Reports whether the certificate belongs to the share.
    pub(super) fn is_in(&self, share: Share) -> bool {
        self.digest.is_some_and(|digest| share.has(digest))
    }

    /// Returns the kind of entry as a term; empty if it is not known.
    pub(super) fn entry(&self) -> &'static str {
        self.kind.map(EntryKind::name).unwrap_or_default()
    }

    /// Returns the mark of a new domain as a term; empty without it.
    pub(super) const fn news(&self) -> &'static str {
        if self.is_new { ON } else { "" }
    }

    /// Reports whether a term in canonical form holds.
    pub(super) fn has(&self, parameter: Parameter, term: &str) -> bool {
        match parameter {
            Parameter::Domain => {
                self.domains().any(|domain| domain == term)
                    || address(term).is_some_and(|address| self.is_within(&address))
            }
            Parameter::Ip => term.parse().is_ok_and(|network| self.is_within(&network)),
            Parameter::Part => Share::parse(term).is_some_and(|share| self.is_in(share)),
            Parameter::New => self.news() == term,
            Parameter::Entry => self.entry() == term,
            Parameter::Log if self.log_id == term => true,
            Parameter::Match | Parameter::Issuer | Parameter::Log => {
                memmem::find(self.text(parameter).as_bytes(), term.as_bytes()).is_some()
            }
        }
    }
}

/// Reads a term of `domain` that is an address.
pub(super) fn address(domain: &str) -> Option<IpNet> {
    domain.parse::<IpAddr>().ok().map(IpNet::from)
}

/// Appends a text in lower case as one line.
fn push_line(text: &str, out: &mut String) {
    if text.contains('\n') {
        push_lower(&text.replace('\n', "\u{fffd}"), out);
    } else {
        push_lower(text, out);
    }
    out.push('\n');
}

/// Appends a text in lower case: character by character, so that a part of a text is a part of it
/// in lower case too.
pub(super) fn push_lower(text: &str, out: &mut String) {
    if text.is_ascii() {
        let start = out.len();
        out.push_str(text);
        if let Some(new) = out.get_mut(start..) {
            new.make_ascii_lowercase();
        }
    } else {
        out.extend(text.chars().flat_map(char::to_lowercase));
    }
}
