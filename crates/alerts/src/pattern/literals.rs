//! Texts that every match of a regular expression contains.

use regex_syntax::hir::{Class, Hir, HirKind};
use wire::filter::MIN_MATCH_CHARACTERS;

/// Texts of one pattern at most: beyond, trying the pattern is cheaper than looking for them.
const MAX_TEXTS: usize = 64;

/// Returns texts in lower case of which every match contains one, each of at least three
/// characters; none if there are no such texts. The pattern must have been read without regard to
/// case.
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

/// Returns the texts that fewer names contain: those whose shortest is longer, or else fewer.
fn better(one: Option<Vec<String>>, other: Option<Vec<String>>) -> Option<Vec<String>> {
    let shortest = |texts: &Vec<String>| texts.iter().map(String::len).min().unwrap_or_default();
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
    let longest = parts.max_by_key(|part| part.chars().count())?;
    let is_usable = longest.chars().count() >= MIN_MATCH_CHARACTERS
        && longest.len() <= wire::filter::MAX_TERM_BYTES;
    is_usable.then(|| longest.to_owned())
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
