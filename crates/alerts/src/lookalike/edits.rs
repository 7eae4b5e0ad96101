//! The words within one or two edits of a text.
//!
//! An edit is a character inserted, left out, replaced, or swapped with its neighbour. Two texts
//! within `k` edits have a text in common that both become when `k` characters or fewer are left
//! out. So the index keeps, for each word, the hashes of the word with no, one and two characters
//! left out; a text is looked up in the same way, and the candidates are compared exactly. The cost
//! of a text depends on its length, not on the number of words.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// Characters of a word at most: those of a label.
pub(super) const MAX_CHARACTERS: usize = 63;

/// Bits of the filter for each hash: one of sixteen texts without a candidate passes it.
const FILTER_BITS: usize = 16;

/// A number of edits: none, one or two.
pub(super) const MAX_EDITS: u8 = 2;

/// The words, by the hashes of their parts.
#[derive(Debug)]
pub(super) struct Edits {
    hash: Rolling,
    /// The hashes, sorted, and the number of the word of each.
    hashes: Box<[u64]>,
    words: Box<[u32]>,
    /// A bit for each hash, by its leading bits.
    filter: Box<[u64]>,
    shift: u32,
    /// For each length of a text, the most edits that a word of fitting length allows; none if
    /// no word can be found.
    reach: [Option<u8>; MAX_CHARACTERS + MAX_EDITS as usize + 1],
}

impl Edits {
    /// Builds the index of words, each with its edits at most. Longer words than [`MAX_CHARACTERS`]
    /// and words that allow no edit are never found.
    pub(super) fn new<'a>(words: impl Iterator<Item = (&'a [char], u8)>) -> Self {
        let hash = Rolling::new();
        let mut reach = [None; MAX_CHARACTERS + MAX_EDITS as usize + 1];
        let mut all = Vec::new();
        for (number, (word, edits)) in (0_u32..).zip(words) {
            if word.len() > MAX_CHARACTERS || edits == 0 {
                continue;
            }
            let edits = edits.min(MAX_EDITS);
            let lengths = word.len().saturating_sub(edits.into())..=word.len() + usize::from(edits);
            for reach in reach.iter_mut().take(lengths.end() + 1).skip(*lengths.start()) {
                *reach = (*reach).max(Some(edits));
            }
            hash.parts(word, edits, |hash| all.push((hash, number)));
        }
        all.sort_unstable();
        all.dedup();
        let bits = (all.len() * FILTER_BITS).next_power_of_two().max(64);
        let shift = 64 - bits.trailing_zeros();
        let mut filter = vec![0_u64; bits / 64];
        for (hash, _) in &all {
            let bit = hash >> shift;
            if let Some(group) = filter.get_mut((bit / 64) as usize) {
                *group |= 1 << (bit % 64);
            }
        }
        Self {
            hash,
            hashes: all.iter().map(|(hash, _)| *hash).collect(),
            words: all.iter().map(|(_, word)| *word).collect(),
            filter: filter.into(),
            shift,
            reach,
        }
    }

    /// Appends the numbers of words that may be within their edits of a text: all that are, and few
    /// that are not. A number may come more than once.
    pub(super) fn candidates(&self, text: &[char], found: &mut Vec<u32>) {
        let Some(edits) = self.reach.get(text.len()).copied().flatten() else { return };
        self.hash.parts(text, edits, |hash| {
            if self.passes(hash) {
                let start = self.hashes.partition_point(|other| *other < hash);
                let same = self.hashes.iter().zip(&self.words).skip(start);
                found.extend(same.take_while(|(other, _)| **other == hash).map(|(_, word)| *word));
            }
        });
    }

    fn passes(&self, hash: u64) -> bool {
        let bit = hash >> self.shift;
        self.filter.get((bit / 64) as usize).is_some_and(|group| group >> (bit % 64) & 1 == 1)
    }
}

/// A polynomial hash, of which that of a text without some characters follows from sums. Its base
/// is random, so that nobody can choose texts that collide.
#[derive(Debug)]
struct Rolling {
    powers: [u64; MAX_CHARACTERS + MAX_EDITS as usize + 1],
}

impl Rolling {
    fn new() -> Self {
        let base = RandomState::new().build_hasher().finish() | 1;
        let mut powers = [1_u64; MAX_CHARACTERS + MAX_EDITS as usize + 1];
        let mut power = 1_u64;
        for slot in &mut powers {
            *slot = power;
            power = power.wrapping_mul(base);
        }
        Self { powers }
    }

    fn power(&self, exponent: usize) -> u64 {
        self.powers.get(exponent).copied().unwrap_or_default()
    }

    /// Calls `part` with the hash of the text, and of the text without any one and any two characters as
    /// far as `edits` goes. The text must have at most [`MAX_CHARACTERS`] + [`MAX_EDITS`] characters.
    fn parts(&self, text: &[char], edits: u8, mut part: impl FnMut(u64)) {
        let base = self.power(1);
        let length = text.len();
        // The hash of the text from each place on.
        let mut tails = [0_u64; MAX_CHARACTERS + MAX_EDITS as usize + 1];
        let mut tail = 0_u64;
        for (place, character) in text.iter().enumerate().rev() {
            tail =
                value(*character).wrapping_mul(self.power(length - place - 1)).wrapping_add(tail);
            if let Some(slot) = tails.get_mut(place) {
                *slot = tail;
            }
        }
        let after = |place: usize| tails.get(place).copied().unwrap_or_default();
        part(mixed(after(0), length));
        if edits == 0 {
            return;
        }
        let mut head = 0_u64;
        let mut before = None;
        for (place, character) in text.iter().enumerate() {
            // Leaving out any one of equal neighbours gives the same text.
            if before != Some(character) {
                let whole = head.wrapping_mul(self.power(length - place - 1));
                part(mixed(whole.wrapping_add(after(place + 1)), length - 1));
                if edits > 1 {
                    self.without_another(text, place, head, after, &mut part);
                }
            }
            before = Some(character);
            head = head.wrapping_mul(base).wrapping_add(value(*character));
        }
    }

    /// Calls `part` for the text without the character at `place` and any one after it. `head` is the
    /// hash of the text before that place.
    fn without_another(
        &self,
        text: &[char],
        place: usize,
        mut head: u64,
        after: impl Fn(usize) -> u64,
        part: &mut impl FnMut(u64),
    ) {
        let base = self.power(1);
        let length = text.len();
        for (other, character) in text.iter().enumerate().skip(place + 1) {
            let whole = head.wrapping_mul(self.power(length - other - 1));
            part(mixed(whole.wrapping_add(after(other + 1)), length - 2));
            head = head.wrapping_mul(base).wrapping_add(value(*character));
        }
    }
}

/// Spreads a character over 64 bits, never 0 (splitmix64).
fn value(character: char) -> u64 {
    mixed(u64::from(u32::from(character)), 1) | 1
}

/// Spreads a sum over all bits.
const fn mixed(sum: u64, length: usize) -> u64 {
    let sum = sum.wrapping_add((length as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let sum = (sum ^ sum >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let sum = (sum ^ sum >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    sum ^ sum >> 31
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use strsim::osa_distance;

    use super::*;

    fn characters(word: &str) -> Vec<char> {
        word.chars().collect()
    }

    fn candidates(index: &Edits, text: &str) -> BTreeSet<u32> {
        let mut found = Vec::new();
        index.candidates(&characters(text), &mut found);
        found.into_iter().collect()
    }

    fn index(words: &[(String, u8)]) -> Edits {
        let words: Vec<_> = words.iter().map(|(word, edits)| (characters(word), *edits)).collect();
        Edits::new(words.iter().map(|(word, edits)| (&**word, *edits)))
    }

    #[test]
    fn words_are_found_within_their_edits() {
        let index = index(&[("paypal".into(), 1), ("microsoft".into(), 2), ("ing".into(), 0)]);
        for (text, expected) in [
            ("paypal", &[0][..]),
            ("paypa", &[0]),
            ("apypal", &[0]),
            ("paypxal", &[0]),
            ("paxpal", &[0]),
            ("microsoft", &[1]),
            ("mircosoft", &[1]),
            ("mircosotf", &[1]),
            ("mcrosft", &[1]),
            ("ing", &[]),
            ("in", &[]),
            ("unrelated", &[]),
            ("", &[]),
        ] {
            let expected: BTreeSet<_> = expected.iter().copied().collect();
            assert!(candidates(&index, text).is_superset(&expected), "{text}");
        }
        assert!(candidates(&index, "unrelated").is_empty() && candidates(&index, "ing").is_empty());
    }

    #[test]
    fn texts_of_any_length_are_looked_up() {
        let long = "a".repeat(MAX_CHARACTERS);
        let index = index(&[(long.clone(), 2), ("b".repeat(200), 2)]);
        assert_eq!(candidates(&index, &format!("{long}bb")).len(), 1);
        assert!(candidates(&index, &format!("{long}bbb")).is_empty());
        assert!(candidates(&index, &"b".repeat(200)).is_empty());
    }

    proptest! {
        /// Every word within its edits is a candidate, and hardly another.
        #[test]
        fn no_word_within_its_edits_is_missed(
            words in prop::collection::vec(("[abc]{1,9}", 0..=2_u8), 1..20),
            text in "[abc]{0,10}",
        ) {
            let found = candidates(&index(&words), &text);
            for (number, (word, edits)) in (0..).zip(&words) {
                let distance = osa_distance(word, &text);
                if *edits > 0 && distance <= usize::from(*edits) {
                    prop_assert!(found.contains(&number), "{word} for {text}");
                }
                if found.contains(&number) {
                    // Each character left out on either side is at most one edit.
                    prop_assert!(distance <= 4, "{word} for {text}");
                }
            }
        }
    }
}
