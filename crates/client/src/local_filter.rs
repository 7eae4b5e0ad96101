//! The filter on the client's side, for servers that do not apply it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::IpAddr;

use wire::SourceKind;
use wire::decode::{Log, Update};
use wire::filter::{Filter, Parameter, Subject};
use wire::source::Source;

/// A filter applied to messages, with the predicate of certstream-server. Messages show less than a
/// certificate: a field that a message does not show drops nothing, so every message that a server
/// has matched matches here too.
#[derive(Debug)]
pub struct LocalFilter {
    filter: Filter,
    subject: Subject,
    /// True if a `domain` is an IP address, which messages do not list among the names.
    has_address_domains: bool,
    /// Parameters for which a message did not show enough.
    undecided: BTreeSet<Parameter>,
}

/// The fields that a message shows, of those that not every message has.
#[derive(Clone, Copy, Debug)]
struct Shown {
    addresses: bool,
    issuer: bool,
    log: bool,
    digest: bool,
    kind: bool,
}

impl LocalFilter {
    /// Returns a filter on the client's side.
    #[must_use]
    pub fn new(filter: &Filter) -> Self {
        let is_address = |term: &str| term.parse::<IpAddr>().is_ok();
        let domains = filter.terms(Parameter::Domain);
        let has_address_domains = domains.iter().any(|term| is_address(term));
        let (subject, undecided) = (Subject::default(), BTreeSet::new());
        Self { filter: filter.clone(), subject, has_address_domains, undecided }
    }

    /// Reports whether an entry matches, or may match: a truncated message does not show all names.
    pub fn matches(&mut self, update: &Update<'_>) -> bool {
        if update.truncated {
            return true;
        }
        let shown = self.read(update);
        for parameter in Parameter::ALL {
            if self.filter.holds(parameter, &self.subject) {
                continue;
            }
            if self.can_decide(parameter, shown) {
                return false;
            }
            self.warn_undecided(parameter);
        }
        true
    }

    /// Fills the subject with the fields that a message shows and the filter needs.
    fn read(&mut self, update: &Update<'_>) -> Shown {
        self.subject.clear();
        for name in &update.leaf.all_domains {
            self.subject.add_name(name);
        }
        let issuer = &update.leaf.issuer;
        for name in [&issuer.common_name, &issuer.organization].into_iter().flatten() {
            self.subject.add_issuer(name);
        }
        if let Some(kind) = update.kind {
            self.subject.set_kind(kind);
        }
        Shown {
            addresses: self.read_addresses(update).is_some(),
            issuer: issuer.common_name.is_some() || issuer.organization.is_some(),
            log: self.read_log(&update.source),
            digest: self.read_digest(update).is_some(),
            kind: update.kind.is_some(),
        }
    }

    fn read_addresses(&mut self, update: &Update<'_>) -> Option<()> {
        if !self.needs(Parameter::Ip) && !self.has_address_domains {
            return None;
        }
        let names = update.leaf.extensions.subject_alt_name.as_deref()?;
        for address in addresses(names) {
            self.subject.add_address(address?);
        }
        Some(())
    }

    fn read_log(&mut self, log: &Log<'_>) -> bool {
        if self.needs(Parameter::Log) {
            let text = |it: &Option<Cow<'_, str>>| it.as_deref().unwrap_or_default().to_owned();
            let id = log.log_id.as_deref().map(str::to_owned);
            let (name, url) = (text(&log.name), text(&log.url));
            self.subject.set_log(&Source::new(name, &url, "", SourceKind::Rfc6962, id));
        }
        log.name.is_some() || log.url.is_some() || log.log_id.is_some()
    }

    fn read_digest(&mut self, update: &Update<'_>) -> Option<()> {
        if !self.needs(Parameter::Part) {
            return None;
        }
        let digest = digest(update.leaf.sha256.as_deref()?)?;
        self.subject.set_sha256(&digest);
        Some(())
    }

    fn needs(&self, parameter: Parameter) -> bool {
        !self.filter.terms(parameter).is_empty()
    }

    /// Reports whether the fields that a message shows suffice to compare with a parameter.
    const fn can_decide(&self, parameter: Parameter, shown: Shown) -> bool {
        match parameter {
            Parameter::Domain => shown.addresses || !self.has_address_domains,
            Parameter::Match => true,
            Parameter::Ip => shown.addresses,
            Parameter::Issuer => shown.issuer,
            Parameter::Log => shown.log,
            Parameter::Part => shown.digest,
            // Only the server knows.
            Parameter::New => false,
            Parameter::Entry => shown.kind,
        }
    }

    /// Logs once that a parameter is left to the server.
    fn warn_undecided(&mut self, parameter: Parameter) {
        if self.undecided.insert(parameter) {
            tracing::warn!(
                "messages lack the field that {}= is compared with: unless the server applies \
                 this filter, it has no effect",
                parameter.name()
            );
        }
    }
}

/// Returns the addresses in the text of a subjectAltName; none in place of an unreadable one. Servers write `IP Address:192.0.2.1` or `IP:192.0.2.1`.
fn addresses(names: &str) -> impl Iterator<Item = Option<IpAddr>> {
    names.split(',').filter_map(|name| {
        let name = name.trim();
        let address = name.strip_prefix("IP Address:").or_else(|| name.strip_prefix("IP:"))?;
        Some(address.trim().parse().ok())
    })
}

/// Reads a SHA-256 in hex, with or without colons.
fn digest(text: &str) -> Option<[u8; 32]> {
    let bytes = text.bytes().filter(|byte| *byte != b':');
    let mut digits = bytes.map(|byte| char::from(byte).to_digit(16));
    let mut digest = [0; 32];
    for byte in &mut digest {
        *byte = u8::try_from(digits.next()?? * 16 + digits.next()??).ok()?;
    }
    digits.next().is_none().then_some(digest)
}
