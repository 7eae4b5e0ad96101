//! A term as a client writes it, and as it is compared.

use idna::AsciiDenyList;

use super::Parameter;
use super::subject::push_lower;

/// Bytes of a term at most: those of the longest domain name (RFC 1035 section 2.3.4).
pub const MAX_TERM_BYTES: usize = 253;

/// Characters of a term of `match` at least.
pub const MIN_MATCH_CHARACTERS: usize = 3;

/// Bytes of a label of a domain name at most (RFC 1035 section 2.3.4).
const MAX_LABEL_BYTES: usize = 63;

/// Why a filter is refused.
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
        /// What it has.
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

/// The canonical form of a term: trimmed, in lower case, and a domain in A-labels without what does
/// not count.
pub(super) fn term(parameter: Parameter, written: &str) -> Result<String, FilterError> {
    let name = parameter.name();
    let written = written.trim();
    let check_length = |text: &str| match text.len() {
        0 => Err(FilterError::Empty { parameter: name }),
        1..=MAX_TERM_BYTES => Ok(()),
        bytes => Err(FilterError::TooLong { parameter: name, bytes }),
    };
    if parameter == Parameter::Domain {
        let domain = written.strip_prefix("*.").unwrap_or(written);
        let domain = domain.strip_suffix('.').unwrap_or(domain);
        check_length(domain)?;
        let domain =
            a_labels(domain).ok_or_else(|| FilterError::NotADomain { term: written.to_owned() })?;
        return check_length(&domain).map(|()| domain);
    }
    check_length(written)?;
    if written.contains(char::is_control) {
        return Err(FilterError::ControlCharacter { parameter: name, term: written.to_owned() });
    }
    if parameter == Parameter::Match && written.chars().count() < MIN_MATCH_CHARACTERS {
        return Err(FilterError::TooShort { term: written.to_owned() });
    }
    let mut lower = String::with_capacity(written.len());
    push_lower(written, &mut lower);
    check_length(&lower).map(|()| lower)
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
