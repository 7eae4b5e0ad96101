//! Terms of filters as ranges of texts in an index.

use std::net::IpAddr;

use aho_corasick::AhoCorasick;
use memchr::memmem::Finder;

use super::terms::MOST_BYTES;
use super::{Texts, keys};

/// A text of a certificate that a filter looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    /// A domain, or any name below it. In lower case.
    Domain(String),
    /// A whole name. In lower case.
    Name(String),
    /// Parts of names, of which a name has one. In lower case.
    Parts(Vec<String>),
    /// An address from the first to the last.
    Addresses(IpAddr, IpAddr),
    /// A part of the CN or O of the issuer. In lower case.
    Issuer(String),
    /// A serial number, as its bytes are in the certificate.
    Serial(Vec<u8>),
}

impl Term {
    /// Reports whether its look-up looks at every text of an index.
    pub(super) const fn is_scan(&self) -> bool {
        matches!(self, Self::Parts(_) | Self::Issuer(_))
    }
}

/// Decides whether a text that lies in a range of keys may have the term.
type IsWanted = Box<dyn FnMut(&[u8]) -> bool>;
/// The first key of a range, and the one after the last.
type KeyRange = (Vec<u8>, Vec<u8>);

/// The texts of an index that a term looks at.
pub(super) struct Lookup {
    pub(super) texts: Texts,
    pub(super) ranges: Vec<KeyRange>,
    pub(super) is_wanted: IsWanted,
}

impl Lookup {
    /// Returns the look-up of a term; nothing for serial numbers, which are no texts.
    pub(super) fn of(term: &Term) -> Self {
        let all = || vec![(Vec::new(), vec![u8::MAX])];
        let (texts, ranges, is_wanted): (Texts, Vec<KeyRange>, IsWanted) = match term {
            Term::Domain(domain) => {
                let key = keys::of_name(domain);
                let below = (format!("{key}.").into_bytes(), format!("{key}/").into_bytes());
                (Texts::Names, vec![exactly(key.into_bytes()), below], Box::new(|_| true))
            }
            Term::Name(name) => {
                let range = exactly(keys::of_name(name).into_bytes());
                (Texts::Names, vec![range], Box::new(|_| true))
            }
            Term::Parts(parts) => (Texts::Names, all(), parts_of_names(parts)),
            Term::Addresses(first, last) => {
                let (_, after) = exactly(keys::of_address(*last));
                (Texts::Addresses, vec![(keys::of_address(*first), after)], Box::new(|_| true))
            }
            Term::Issuer(part) => {
                let part = Finder::new(part).into_owned();
                (Texts::Issuers, all(), Box::new(move |text| part.find(text).is_some()))
            }
            Term::Serial(_) => (Texts::Names, Vec::new(), Box::new(|_| false)),
        };
        Self { texts, ranges, is_wanted }
    }
}

/// Decides whether the name of a key may have one of these parts. The key of a name has its labels in
/// reversed order, lacks its final dot, and is cut if it is long.
fn parts_of_names(parts: &[String]) -> IsWanted {
    let (across, within): (Vec<&String>, Vec<&String>) =
        parts.iter().partition(|part| part.contains('.'));
    let (within, across) = (AnyOf::new(&within), AnyOf::new(&across));
    let mut name = Vec::new();
    Box::new(move |key| {
        if within.is_in(key) {
            return true;
        }
        // Filters see a line feed in a name as another character.
        if key.len() >= MOST_BYTES || key.contains(&b'\n') {
            return true;
        }
        if matches!(across, AnyOf::None) {
            return false;
        }
        name.clear();
        for label in key.rsplit(|byte| *byte == b'.') {
            name.extend_from_slice(label);
            name.push(b'.');
        }
        across.is_in(&name)
    })
}

/// Texts of which any is looked for, in one pass however many they are.
enum AnyOf {
    None,
    One(Box<Finder<'static>>),
    Many(AhoCorasick),
    /// They are too large, so that nothing is ruled out.
    TooLarge,
}

impl AnyOf {
    fn new(texts: &[&String]) -> Self {
        match texts {
            [] => Self::None,
            [one] => Self::One(Box::new(Finder::new(one).into_owned())),
            many => AhoCorasick::new(many).map_or(Self::TooLarge, Self::Many),
        }
    }

    /// Reports whether a text has one of them.
    fn is_in(&self, text: &[u8]) -> bool {
        match self {
            Self::None => false,
            Self::One(one) => one.find(text).is_some(),
            Self::Many(many) => many.is_match(text),
            Self::TooLarge => true,
        }
    }
}

/// Returns the range of one key.
fn exactly(key: Vec<u8>) -> KeyRange {
    let after = [key.as_slice(), &[0]].concat();
    (key, after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_name_is_found_in_its_key_within_labels_and_across_them() {
        let has = |parts: &[&str], name: &str| {
            let parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
            parts_of_names(&parts)(keys::of_name(name).as_bytes())
        };
        for (part, name, expected) in [
            ("amp", "www.example.com", true),
            ("w.ex", "www.example.com", true),
            ("com.", "example.com.", true),
            ("example.com", "www.example.com", true),
            ("com.example", "www.example.com", false),
            ("*.exa", "*.example.com", true),
            (".com", "com", false),
            ("exb", "www.example.com", false),
        ] {
            assert_eq!(has(&[part], name), expected, "{part} {name}");
        }
        assert!(has(&["nothing", "w.ex"], "www.example.com"));
        let numbers: Vec<String> = (100..1_100).map(|number| format!("x{number}")).collect();
        let mut many: Vec<&str> = numbers.iter().map(String::as_str).collect();
        many.extend(["w.ex", "net.y", "oth"]);
        for (name, expected) in [
            ("www.example.com", true),
            ("x1099.example", true),
            ("sub.net.yx", true),
            ("another.org", true),
            ("x99.example", false),
            ("example.www.com", false),
        ] {
            assert_eq!(has(&many, name), expected, "{name}");
        }
        let long = format!("{}.example", "a.".repeat(200));
        assert!(has(&["any"], &long), "what was cut may have it");
        assert!(has(&["x\u{fffd}y"], "x\ny"));
    }
}
