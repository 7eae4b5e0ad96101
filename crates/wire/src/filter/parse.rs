//! A term as a client writes it, and as it is compared.

use std::net::IpAddr;

use idna::AsciiDenyList;
use ipnet::IpNet;

use super::Parameter;
use super::share::{MAX_SHARES, Share};
use super::subject::{address, push_lower};
use crate::event::EntryKind;

/// Bytes of a term at most: those of the longest domain name (RFC 1035 section 2.3.4).
pub const MAX_TERM_BYTES: usize = 253;

/// Characters of a term of `match` at least.
pub const MIN_MATCH_CHARACTERS: usize = 3;

/// Bytes of a label of a domain name at most (RFC 1035 section 2.3.4).
const MAX_LABEL_BYTES: usize = 63;

/// Reasons why a filter is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// Nothing where a term should be.
    #[error("{parameter}: a term is empty; give terms separated by single commas")]
    Empty {
        /// The name of the parameter.
        parameter: &'static str,
    },
    /// A term longer than any name.
    #[error("{parameter}: a term has {bytes} bytes, the limit is {MAX_TERM_BYTES}")]
    TooLong {
        /// The name of the parameter.
        parameter: &'static str,
        /// The number it has.
        bytes: usize,
    },
    /// A term that would be found nearly everywhere.
    #[error("match: {term:?} is too short, give at least {MIN_MATCH_CHARACTERS} characters")]
    TooShort {
        /// The term.
        term: String,
    },
    /// A term with a line feed or the like, which no name has.
    #[error("{parameter}: {term:?} has a control character")]
    ControlCharacter {
        /// The name of the parameter.
        parameter: &'static str,
        /// The term.
        term: String,
    },
    /// A term of `match` with an asterisk, which stands for nothing there.
    #[error(
        "match: {term:?} contains an asterisk, but match searches for plain text; give a part of \
         a name without it, or domain= for a domain and all names below it"
    )]
    Asterisk {
        /// The term.
        term: String,
    },
    /// A term of `ip` that is something else.
    #[error("ip: {term:?} is not an IP address or a network such as 192.0.2.0/24")]
    NotAnAddress {
        /// The term.
        term: String,
    },
    /// A term of `part` that is something else.
    #[error("part: {term:?} is not a share such as 2/8: the second of eight, at most {MAX_SHARES}")]
    NotAShare {
        /// The term.
        term: String,
    },
    /// A term of `entry` that is something else.
    #[error("entry: {term:?} must be precert or final")]
    NotAnEntry {
        /// The term.
        term: String,
    },
    /// A switch that is neither on nor off.
    #[error("{parameter}: {value:?} must be true or false")]
    NotASwitch {
        /// The name of the parameter.
        parameter: &'static str,
        /// Its value.
        value: String,
    },
    /// `exact=true` without a domain that it could concern.
    #[error("exact: this applies to domain=, which is missing")]
    ExactWithoutDomain,
    /// A term of `domain` that is something else, a URL perhaps.
    #[error("domain: {term:?} is not a domain name")]
    NotADomain {
        /// The term.
        term: String,
    },
    /// More terms than one client may have.
    #[error("more than {most} terms, the limit of a connection")]
    TooManyTerms {
        /// The limit.
        most: usize,
    },
    /// The terms of all clients would be more than the server keeps.
    #[error("the server's limit of {most} different terms over all connections is reached")]
    TooManyDistinct {
        /// The limit.
        most: usize,
    },
    /// The filters of one owner would take more than its share.
    #[error(
        "the limit of {most} terms and {most_bytes} bytes over all connections of one address is reached"
    )]
    ShareTaken {
        /// The limit in terms.
        most: usize,
        /// The limit in bytes of terms.
        most_bytes: usize,
    },
    /// The terms of all clients would take more memory than the server gives them.
    #[error("the server's limit of {most} bytes of terms over all connections is reached")]
    TooManyBytes {
        /// The limit.
        most: usize,
    },
}

/// Returns the canonical form of a term: trimmed, in lower case, a domain in A-labels without what
/// does not count, an address as RFC 5952 has it.
pub(super) fn term(parameter: Parameter, written: &str) -> Result<String, FilterError> {
    let written = written.trim();
    let term = || written.to_owned();
    if parameter != Parameter::Domain {
        check_length(parameter, written)?;
    }
    match parameter {
        Parameter::Domain => domain(written),
        Parameter::Match | Parameter::Issuer | Parameter::Log => text(parameter, written),
        Parameter::Ip => network(written)
            .map(|network| network.to_string())
            .ok_or_else(|| FilterError::NotAnAddress { term: term() }),
        Parameter::New => switch(parameter.name(), written).map(|is_on| is_on.to_string()),
        Parameter::Part => Share::parse(written)
            .map(|share| share.to_string())
            .ok_or_else(|| FilterError::NotAShare { term: term() }),
        Parameter::Entry => EntryKind::ALL
            .map(EntryKind::name)
            .into_iter()
            .find(|name| name.eq_ignore_ascii_case(written))
            .map(str::to_owned)
            .ok_or_else(|| FilterError::NotAnEntry { term: term() }),
    }
}

/// Reads a parameter that is on or off.
pub(super) fn switch(parameter: &'static str, written: &str) -> Result<bool, FilterError> {
    written.parse().map_err(|_| FilterError::NotASwitch { parameter, value: written.to_owned() })
}

/// Returns the wildcard that covers a domain: `*` for its first label (RFC 6125 section 6.4.3).
pub(super) fn wildcard(domain: &str) -> Option<String> {
    let (_, parent) = domain.split_once('.')?;
    address(domain).is_none().then(|| format!("*.{parent}"))
}

fn check_length(parameter: Parameter, text: &str) -> Result<(), FilterError> {
    let parameter = parameter.name();
    match text.len() {
        0 => Err(FilterError::Empty { parameter }),
        1..=MAX_TERM_BYTES => Ok(()),
        bytes => Err(FilterError::TooLong { parameter, bytes }),
    }
}

fn domain(written: &str) -> Result<String, FilterError> {
    if let Ok(address) = written.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    let domain = written.strip_prefix("*.").unwrap_or(written);
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    check_length(Parameter::Domain, domain)?;
    let domain =
        a_labels(domain).ok_or_else(|| FilterError::NotADomain { term: written.to_owned() })?;
    check_length(Parameter::Domain, &domain).map(|()| domain)
}

fn text(parameter: Parameter, written: &str) -> Result<String, FilterError> {
    let term = || written.to_owned();
    if written.contains(char::is_control) {
        return Err(FilterError::ControlCharacter { parameter: parameter.name(), term: term() });
    }
    if parameter == Parameter::Match && written.contains('*') {
        return Err(FilterError::Asterisk { term: term() });
    }
    if parameter == Parameter::Match && written.chars().count() < MIN_MATCH_CHARACTERS {
        return Err(FilterError::TooShort { term: term() });
    }
    let mut lower = String::with_capacity(written.len());
    push_lower(written, &mut lower);
    check_length(parameter, &lower).map(|()| lower)
}

/// Reads an address or a network. The bits of a network that its length leaves out do not count.
fn network(written: &str) -> Option<IpNet> {
    let address = written.parse::<IpAddr>().map(IpNet::from);
    address.or_else(|_| written.parse::<IpNet>()).ok().map(|network| network.trunc())
}

/// A domain name as certificates have it (RFC 5890 section 2.3.2.1). What is ASCII is taken as it
/// is, in lower case: there are certificates for A-labels that no U-label belongs to.
fn a_labels(domain: &str) -> Option<String> {
    let domain = if domain.is_ascii() {
        domain.to_ascii_lowercase()
    } else {
        let ascii = idna::domain_to_ascii_cow(domain.as_bytes(), AsciiDenyList::EMPTY).ok()?;
        // An ideographic full stop at the end has become a dot.
        ascii.strip_suffix('.').unwrap_or(&ascii).to_owned()
    };
    let is_allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    let is_label =
        |label: &str| (1..=MAX_LABEL_BYTES).contains(&label.len()) && label.bytes().all(is_allowed);
    domain.split('.').all(is_label).then_some(domain)
}
