//! The forms of a label that are compared: as people read it, without its confusables, and by its
//! shape.

use std::borrow::Cow;

use unicode_normalization::char::is_combining_mark;
use unicode_security::confusable_detection::skeleton;

/// Returns the letter that a pair of letters looks like. The first is in the data of UTS #39 (as a
/// prototype).
const fn pair(first: char, second: char) -> Option<char> {
    match (first, second) {
        ('r' | 'n', 'n') => Some('m'),
        ('v', 'v') => Some('w'),
        ('c', 'l') => Some('d'),
        _ => None,
    }
}

/// Returns a label in lower case as people read it: an A-label as its U-label. A label that is not
/// valid Punycode stays as it is.
pub(super) fn decoded(label: &str) -> Cow<'_, str> {
    let text = label.strip_prefix("xn--").and_then(idna::punycode::decode_to_string);
    text.map_or(Cow::Borrowed(label), |text| Cow::Owned(text.to_lowercase()))
}

/// Returns a decoded label with each character that can be mistaken for another replaced by that
/// other one, by the skeleton of UTS #39 section 4, in lower case and without accents. Letters of
/// ASCII stay, so that an edit of the label is an edit of this form.
pub(super) fn folded(label: &str) -> Cow<'_, str> {
    if label.is_ascii() {
        let is_same = !label.contains(['0', '1']);
        return if is_same { label.into() } else { label.chars().map(ascii).collect() };
    }
    let mut out = String::with_capacity(label.len());
    for character in label.chars() {
        if character.is_ascii() {
            out.push(ascii(character));
        } else {
            fold(character, &mut out);
        }
    }
    Cow::Owned(out)
}

/// The prototypes of digits that stand for letters (UTS #39, in lower case).
const fn ascii(character: char) -> char {
    match character {
        '0' => 'o',
        '1' => 'l',
        other => other,
    }
}

/// Appends the prototype of a character that is not ASCII.
fn fold(character: char, out: &mut String) {
    let mut bytes = [0; 4];
    let letters = skeleton(character.encode_utf8(&mut bytes)).filter(|c| !is_combining_mark(*c));
    let letters: String = letters.flat_map(char::to_lowercase).map(ascii).collect();
    // One character that looks like `m` has the prototype `rn`; `m` itself stays.
    out.push_str(&joined(&letters));
}

/// Returns the form in which labels that look alike are equal: folded, with pairs joined, and with `i` as
/// `l`.
pub(super) fn shape(folded: &str) -> String {
    shaped(folded.chars()).collect()
}

/// Returns the characters of that form.
pub(super) fn shaped(folded: impl Iterator<Item = char>) -> impl Iterator<Item = char> {
    pairs_joined(folded).map(|c| if c == 'i' { 'l' } else { c })
}

/// Returns a folded label with pairs that look like one letter replaced by that letter.
pub(super) fn joined(folded: &str) -> String {
    pairs_joined(folded.chars()).collect()
}

fn pairs_joined(characters: impl Iterator<Item = char>) -> impl Iterator<Item = char> {
    let mut characters = characters.peekable();
    std::iter::from_fn(move || {
        let first = characters.next()?;
        let Some(letter) = characters.peek().and_then(|second| pair(first, *second)) else {
            return Some(first);
        };
        characters.next();
        Some(letter)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_look_alike_have_one_shape() {
        let cases = [
            ("paypal", "paypa1"),
            ("paypal", "paypai"),
            ("google", "g00gle"),
            ("google", "googie"),
            ("amazon", "arnazon"),
            ("amazon", "am\u{e1}z\u{f6}n"),
            // Cyrillic а, р, у and the palochka.
            ("paypal", "\u{440}\u{430}\u{443}\u{440}\u{430}\u{4cf}"),
            ("wells", "vvells"),
            ("dropbox", "clropbox"),
            ("american", "annerican"),
            ("facebook", "f\u{251}ceb\u{3bf}\u{3bf}k"),
            ("lodz", "\u{142}\u{f3}d\u{17a}"),
            ("orsted", "\u{f8}rsted"),
        ];
        for (name, other) in cases {
            let shapes = [name, other].map(|label| shape(&folded(&decoded(label))));
            assert_eq!(shapes[0], shapes[1], "{name} and {other}");
        }
    }

    #[test]
    fn labels_that_differ_have_different_shapes() {
        for (name, other) in [("paypal", "paypol"), ("google", "goggle"), ("amazon", "amazom")] {
            assert_ne!(shape(&folded(name)), shape(&folded(other)), "{name} and {other}");
        }
    }

    #[test]
    fn a_labels_are_read_as_u_labels() {
        assert_eq!(decoded("xn--bcher-kva"), "b\u{fc}cher");
        assert_eq!(decoded("paypal"), "paypal");
        for broken in ["xn--", "xn--a-\u{fc}", "xn--\u{e9}", "xn--99999999999999"] {
            assert!(!decoded(broken).is_empty() || broken == "xn--", "{broken}");
        }
    }

    /// Accents go and letters stay: an edit of a label is one edit of its folded form.
    #[test]
    fn letters_of_ascii_are_not_folded() {
        let letters: String = ('a'..='z').chain('2'..='9').chain(['-', '_']).collect();
        assert_eq!(folded(&letters), letters);
        assert_eq!(folded("\u{fc}\u{e9}\u{430}0"), "ueao");
    }
}
