//! Certificates that a rule knows.

use std::collections::HashSet;

use wire::filter::{Filter, Parameter, Subject};

use super::{MAX_TERMS, check_comma, check_domain};
use crate::problem::Problem;

/// The certificates that a rule knows and is silent about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Except {
    /// Domains: names that are one of them or below do not count.
    pub domain: Vec<String>,
    /// Texts that the CN or O of the issuer contains.
    pub issuer: Vec<String>,
    /// SHA-256 of the public keys (`SubjectPublicKeyInfo`), in hexadecimal or base64.
    pub key: Vec<String>,
    /// SHA-256 of the certificates or precertificates, in hexadecimal or base64.
    pub certificate: Vec<String>,
}

impl Except {
    pub(super) const fn len(&self) -> usize {
        self.domain.len() + self.issuer.len() + self.key.len() + self.certificate.len()
    }
}

/// The exceptions of a rule that was read.
#[derive(Debug)]
pub(crate) struct Exceptions {
    domains: HashSet<Box<str>>,
    issuers: Option<Filter>,
    keys: HashSet<[u8; 32]>,
    certificates: HashSet<[u8; 32]>,
}

impl Exceptions {
    pub(super) fn read(except: &Except) -> Result<Self, Problem> {
        for domain in &except.domain {
            check_domain("except", domain)?;
            check_comma("except", domain)?;
        }
        for issuer in &except.issuer {
            check_comma("except", issuer)?;
        }
        let domains = Filter::parse(except.domain.iter().map(|term| ("domain", term)), MAX_TERMS)?;
        let domains = domains.iter().flat_map(|filter| filter.terms(Parameter::Domain));
        Ok(Self {
            domains: domains.cloned().collect(),
            issuers: Filter::parse(except.issuer.iter().map(|term| ("issuer", term)), MAX_TERMS)?,
            keys: except.key.iter().map(|text| hash(text)).collect::<Result<_, _>>()?,
            certificates: except
                .certificate
                .iter()
                .map(|text| hash(text))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Reports whether a name counts: it is not one of the domains, and not below one.
    pub(crate) fn counts(&self, name: &str) -> bool {
        if self.domains.is_empty() {
            return true;
        }
        let name = name.strip_prefix("*.").unwrap_or(name);
        let name = name.strip_suffix('.').unwrap_or(name);
        let mut domains = std::iter::successors(Some(name), |name| Some(name.split_once('.')?.1));
        !domains.any(|domain| self.domains.contains(domain))
    }

    /// Reports whether a certificate is known. `key` returns the hash of its public key.
    pub(crate) fn know(
        &self,
        subject: &Subject,
        sha256: &[u8; 32],
        key: impl FnOnce() -> Option<[u8; 32]>,
    ) -> bool {
        self.certificates.contains(sha256)
            || self.issuers.as_ref().is_some_and(|issuers| issuers.passes(subject))
            || !self.keys.is_empty() && key().is_some_and(|key| self.keys.contains(&key))
    }
}

/// Reads a SHA-256: hexadecimal digits, with or without colons, or base64.
fn hash(written: &str) -> Result<[u8; 32], Problem> {
    let text = written.trim();
    let text = text.strip_prefix("sha256/").unwrap_or(text);
    let bytes = hexadecimal(text).or_else(|| base64_simd::STANDARD.decode_to_vec(text).ok());
    let hash = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    hash.ok_or_else(|| Problem::NotAHash { text: written.chars().take(100).collect() })
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| *c != ':')
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_hexadecimal_or_base64() {
        let hex = "0ab1".repeat(16);
        let colons = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        let colons = colons.collect::<Vec<_>>().join(":");
        let expected: Vec<u8> = [0x0a, 0xb1].repeat(16);
        let base64 = base64_simd::STANDARD.encode_to_string(&expected);
        let pin = format!("sha256/{base64}");
        for text in [&hex, &hex.to_uppercase(), &colons, &base64, &pin, &format!(" {hex} ")] {
            assert_eq!(hash(text).unwrap().to_vec(), expected, "{text}");
        }
        for text in ["", "0a", "zz", &"0".repeat(63), &"A".repeat(40), "sha256/"] {
            assert!(hash(text).unwrap_err().to_string().contains("64 hexadecimal"), "{text}");
        }
    }

    #[test]
    fn names_below_an_excepted_domain_do_not_count() {
        let except = Except {
            domain: vec!["Example.org".into(), "b\u{fc}cher.de".into()],
            ..Except::default()
        };
        let exceptions = Exceptions::read(&except).unwrap();
        for name in ["example.org", "*.example.org", "a.b.example.org.", "xn--bcher-kva.de"] {
            assert!(!exceptions.counts(name), "{name}");
        }
        for name in ["example.com", "myexample.org", "org", "example.org.evil.com"] {
            assert!(exceptions.counts(name), "{name}");
        }
    }
}
