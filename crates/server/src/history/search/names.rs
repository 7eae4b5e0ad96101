//! Names of certificates, and patterns of them as SQL's `LIKE` has them.

use std::collections::BTreeSet;

use cert::{Certificate, GeneralName, text};
use journal::Term;

/// Characters that a pattern needs in a row, so that an index helps.
const LEAST: usize = 3;

/// A pattern in which `%` stands for anything: `%.example.com`, `example%`, `%paypal%`. Without one it is
/// a domain and everything below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// The texts between the percent signs, in lower case. There is at least one.
    parts: Vec<String>,
    /// Only the whole name, where there is no percent sign.
    is_exact: bool,
}

impl Pattern {
    /// Reads a pattern; `None` if it has fewer than three characters in a row.
    pub(crate) fn parse(text: &str, is_exact: bool) -> Option<Self> {
        let parts: Vec<String> = text.to_lowercase().split('%').map(str::to_owned).collect();
        let pattern = Self { parts, is_exact };
        (pattern.longest().chars().count() >= LEAST).then_some(pattern)
    }

    fn longest(&self) -> &str {
        self.parts.iter().max_by_key(|part| part.chars().count()).map_or("", String::as_str)
    }

    /// Returns what an index knows of it.
    pub(super) fn term(&self) -> Term {
        match self.parts.as_slice() {
            [name] if self.is_exact => Term::Name(name.clone()),
            [domain] => Term::Domain(domain.clone()),
            // Everything below a domain is together in an index.
            [first, domain] if first.is_empty() && domain.starts_with('.') => {
                Term::Domain(domain.trim_start_matches('.').to_owned())
            }
            _ => Term::Parts(vec![self.longest().to_owned()]),
        }
    }

    /// Reports whether a name in lower case has the pattern.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let [first, between @ .., last] = self.parts.as_slice() else {
            let below = self.parts.first().and_then(|only| name.strip_suffix(only.as_str()));
            return below
                .is_some_and(|below| below.is_empty() || (below.ends_with('.') && !self.is_exact));
        };
        let Some(mut rest) = name.strip_prefix(first.as_str()) else { return false };
        for part in between {
            let Some((_, after)) = rest.split_once(part.as_str()) else { return false };
            rest = after;
        }
        rest.ends_with(last.as_str())
    }
}

/// Returns the names of a certificate, in lower case and without final dots, each once and in the order
/// of the alphabet.
pub(crate) fn of(certificate: &Certificate<'_>) -> Vec<String> {
    let mut names = BTreeSet::new();
    let mut add = |name: &str| {
        let name = name.to_lowercase();
        names.insert(name.strip_suffix('.').unwrap_or(&name).to_owned());
    };
    if let Some(name) = certificate.common_name() {
        add(&name);
    }
    for name in certificate.alternative_names() {
        if let GeneralName::Dns(name) = name {
            add(&text::utf8(name));
        }
    }
    names.into_iter().collect()
}

/// Returns the iPAddress names of a certificate, each once and in the order of the alphabet.
pub(crate) fn addresses_of(certificate: &Certificate<'_>) -> Vec<String> {
    let mut addresses = BTreeSet::new();
    for name in certificate.alternative_names() {
        if let GeneralName::Ip(address) = name {
            addresses.insert(address.to_string());
        }
    }
    addresses.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percent_sign_stands_for_anything() {
        for (pattern, name, expected) in [
            ("%.example.com", "www.example.com", true),
            ("%.example.com", "a.b.example.com", true),
            ("%.example.com", "example.com", false),
            ("%.example.com", "www.example.com.org", false),
            ("Example.com", "example.com", true),
            ("example.com", "www.Example.com", true),
            ("example.com", "myexample.com", false),
            ("%amp%", "example.com", true),
            ("exa%com", "example.com", true),
            ("exam%ample", "example", false),
            ("%exa%.%com", "www.example.a.com", true),
        ] {
            let parsed = Pattern::parse(pattern, false).expect("a pattern");
            assert_eq!(parsed.matches(&name.to_lowercase()), expected, "{pattern} {name}");
        }
        // Characters count, not bytes.
        let longest = Pattern::parse("%\u{65e5}\u{672c}%abc%", false).expect("a pattern");
        assert_eq!(longest.term(), Term::Parts(vec!["abc".to_owned()]));
        let exact = Pattern::parse("example.com", true).expect("a pattern");
        assert!(exact.matches("example.com") && !exact.matches("www.example.com"));
        for short in ["%", "%%%", "", "ab", "%ab%cd%"] {
            assert_eq!(Pattern::parse(short, false), None, "{short}");
        }
    }
}
