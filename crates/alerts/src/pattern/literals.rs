//! Texts that every match of a regular expression contains.

use regex_syntax::hir::{Class, Hir, HirKind};
use wire::filter::MIN_MATCH_CHARACTERS;

/// Texts of one pattern at most: beyond, trying the pattern is cheaper than looking for them.
const MAX_TEXTS: usize = 64;

/// Parts that very many names have, without a dot beside them.
const COMMON: [&str; 4] = ["com", "net", "org", "www"];

/// Returns texts in lower case of which every match contains one, each with at least three
/// characters that [are its own](own_characters); none if there are no such texts. The pattern must
/// have been read without regard to case.
pub(super) fn required(tree: &Hir) -> Option<Vec<String>> {
    match tree.kind() {
        HirKind::Literal(literal) => usable(&literal.0).map(|text| vec![text]),
        HirKind::Capture(capture) => required(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => required(&repetition.sub),
        HirKind::Concat(parts) => of_sequence(parts),
        HirKind::Alternation(parts) => {
            let mut texts = Vec::new();
            for part in parts {
                texts.extend(required(part)?);
                if texts.len() > MAX_TEXTS {
                    return None;
                }
            }
            Some(texts)
        }
        HirKind::Empty | HirKind::Class(_) | HirKind::Look(_) | HirKind::Repetition(_) => None,
    }
}

/// Returns the best texts of any part, or of neighbours that are single letters.
fn of_sequence(parts: &[Hir]) -> Option<Vec<String>> {
    let mut run = Vec::new();
    let mut best = None;
    for part in parts {
        match part.kind() {
            HirKind::Literal(literal) => run.extend_from_slice(&literal.0),
            HirKind::Class(class) if letter(class).is_some() => run.extend(letter(class)),
            // A boundary has no characters of its own.
            HirKind::Look(_) => {}
            _ => {
                best = better(best, usable(&std::mem::take(&mut run)).map(|text| vec![text]));
                best = better(best, required(part));
            }
        }
    }
    better(best, usable(&run).map(|text| vec![text]))
}

/// Returns the texts that fewer names contain: those whose shortest has more characters of its own,
/// or else fewer.
fn better(one: Option<Vec<String>>, other: Option<Vec<String>>) -> Option<Vec<String>> {
    let shortest =
        |texts: &[String]| texts.iter().map(|text| own_characters(text)).min().unwrap_or_default();
    match (one, other) {
        (Some(one), Some(other)) => {
            let is_one = (shortest(&one), other.len()) >= (shortest(&other), one.len());
            Some(if is_one { one } else { other })
        }
        (one, other) => one.or(other),
    }
}

/// Returns the letter, in lower case, that a class has in both cases and nothing else.
fn letter(class: &Class) -> Option<u8> {
    let Class::Bytes(class) = class else { return None };
    let [upper, lower] = class.ranges() else { return None };
    let is_single = upper.start() == upper.end() && lower.start() == lower.end();
    let is_letter =
        lower.start().is_ascii_lowercase() && upper.start().to_ascii_lowercase() == lower.start();
    (is_single && is_letter).then(|| lower.start())
}

/// Returns the longest part of a literal that the index of names can look for.
fn usable(literal: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(literal).ok()?.to_lowercase();
    let parts = text.split(|c: char| c == ',' || c == '*' || c.is_control() || c.is_whitespace());
    let longest = parts.max_by_key(|part| own_characters(part))?;
    let is_usable = is_selective(longest) && longest.len() <= wire::filter::MAX_TERM_BYTES;
    is_usable.then(|| longest.to_owned())
}

/// Reports whether a text has enough characters of its own that few names contain it.
pub(crate) fn is_selective(text: &str) -> bool {
    own_characters(text) >= MIN_MATCH_CHARACTERS
}

/// Returns the number of characters of a text without `www.` and without a public suffix and the
/// dot before it, which nearly all names have.
fn own_characters(text: &str) -> usize {
    let inner = text.trim_matches('.');
    let inner = inner.strip_prefix("www.").unwrap_or(inner);
    let follows_a_dot = text.starts_with('.') || inner.contains('.');
    if COMMON.contains(&inner) || follows_a_dot && is_public_suffix(inner) {
        return 0;
    }
    let mut dots = inner.match_indices('.');
    let own = dots.find_map(|(dot, _)| {
        let (before, after) = inner.split_at_checked(dot)?;
        is_public_suffix(after.trim_start_matches('.')).then_some(before)
    });
    own.unwrap_or(inner).chars().count()
}

/// Reports whether a text is a public suffix of a registry, such as `com` or `co.uk`.
fn is_public_suffix(text: &str) -> bool {
    psl::suffix(text.as_bytes()).is_some_and(|suffix| {
        suffix.typ() == Some(psl::Type::Icann) && suffix.as_bytes().len() == text.len()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Pattern;

    #[test]
    fn texts_are_found_in_patterns() {
        for (pattern, expected) in [
            ("paypal", Some(&["paypal"][..])),
            ("PayPal", Some(&["paypal"])),
            ("^pay.*login$", Some(&["login"])),
            ("(paypal|amazon)-log", Some(&["paypal", "amazon"])),
            ("(paypal|amazon|x)-log", Some(&["-log"])),
            ("(ab)+cdef?", Some(&["cde"])),
            ("(paypal)+", Some(&["paypal"])),
            (r"\bpaypal\b", Some(&["paypal"])),
            (r"pay\.pal", Some(&["pay.pal"])),
            ("[pq]aypal", Some(&["aypal"])),
            ("(paypal)?", None),
            ("(paypal)*", None),
            ("pa.pa.", None),
            ("paypal|..", None),
            (r"\d+-\d+", None),
            ("", None),
            ("ab,cd*e", None),
            // Nearly all names have a public suffix, and very many `www.`.
            (r"^[a-z0-9-]{20,}\.com$", None),
            (r"[0-9]{4}.*\.com$", None),
            (r"^www\.[a-z]{9}", None),
            (r"^[0-9]+\.co\.uk$", None),
            (r"[0-9]+com$", None),
            (r"(paypal|[0-9]\.com)", None),
            (r"x[0-9]ab\.com", None),
            // Read as `pa[yl]`, which has no text of three characters.
            (r"(pay|pal)[a-z]*\.com", None),
            (r"(pay|bank)[a-z]*\.com", Some(&["pay", "bank"])),
            (r"^www\.pay[0-9]+\.com\.br", Some(&["www.pay"])),
            (r"paypal\.com", Some(&["paypal.com"])),
            (r"\.github\.io$", Some(&[".github.io"])),
        ] {
            let pattern = Pattern::compile(pattern).unwrap();
            let mut required = pattern.required().map(<[String]>::to_vec);
            let mut expected =
                expected.map(|texts| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>());
            required.iter_mut().chain(&mut expected).for_each(|texts| texts.sort());
            assert_eq!(required, expected, "{}", pattern.text());
        }
    }

    proptest! {
        /// A name that matches contains one of the texts.
        #[test]
        fn a_match_contains_one_of_the_texts(
            pattern in "([abc.]|[ab]\\+|\\(abc\\|cab\\)|\\(ab\\)\\?|\\^|\\[ab\\]|aba|BAB){1,8}",
            names in prop::collection::vec("[abc]{0,14}", 1..30),
        ) {
            let pattern = Pattern::compile(&pattern).unwrap();
            for name in &names {
                if let Some(texts) = pattern.required() && pattern.is_match(name) {
                    prop_assert!(texts.iter().any(|text| name.contains(text)), "{name}: {texts:?}");
                }
            }
        }
    }
}
