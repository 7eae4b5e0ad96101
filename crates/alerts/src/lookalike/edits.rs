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

/// Bits of the filter for each hash, at least. Two of them are set, so one of sixty texts without a
/// candidate passes it.
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
    /// For each value of their leading bits, the place of the first hash that has it, or of the next one;
    /// about one hash has each.
    starts: Box<[u32]>,
    start_shift: u32,
    /// Two bits for each hash, in the group of its leading bits.
    filter: Box<[u64]>,
    filter_shift: u32,
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
        let groups = (all.len() * FILTER_BITS / 64).next_power_of_two().max(2);
        let filter_shift = 64 - groups.trailing_zeros();
        let mut filter = vec![0_u64; groups];
        for (hash, _) in &all {
            if let Some(group) = filter.get_mut((hash >> filter_shift) as usize) {
                *group |= bits(*hash);
            }
        }
        let (starts, start_shift) = starts(&all);
        Self {
            hash,
            hashes: all.iter().map(|(hash, _)| *hash).collect(),
            words: all.iter().map(|(_, word)| *word).collect(),
            starts,
            start_shift,
            filter: filter.into(),
            filter_shift,
            reach,
        }
    }

    /// Appends the numbers of words that may be within their edits of a text: all that are, and few
    /// that are not. A number may come more than once.
    pub(super) fn candidates(&self, text: &[char], found: &mut Vec<u32>) {
        let Some(edits) = self.reach.get(text.len()).copied().flatten() else { return };
        self.hash.parts(text, edits, |hash| {
            if self.passes(hash) {
                found.extend(self.words_of(hash));
            }
        });
    }

    fn passes(&self, hash: u64) -> bool {
        let group = self.filter.get((hash >> self.filter_shift) as usize);
        group.is_some_and(|group| group & bits(hash) == bits(hash))
    }

    /// Returns the words with a hash.
    fn words_of(&self, hash: u64) -> impl Iterator<Item = u32> {
        let place = (hash >> self.start_shift) as usize;
        let start = |place| self.starts.get(place).map_or(0, |start| *start as usize);
        let places = start(place)..start(place + 1);
        let hashes = self.hashes.get(places.clone()).unwrap_or_default();
        let words = self.words.get(places).unwrap_or_default();
        hashes.iter().zip(words).filter(move |(other, _)| **other == hash).map(|(_, word)| *word)
    }
}

/// Returns the two bits of a hash in its group of the filter; sometimes they are the same one.
const fn bits(hash: u64) -> u64 {
    1 << (hash & 63) | 1 << (hash >> 6 & 63)
}

/// Returns the place of the first hash for each value of the leading bits, with one more for the end, and
/// the number of the other bits.
fn starts(sorted: &[(u64, u32)]) -> (Box<[u32]>, u32) {
    let values = sorted.len().next_power_of_two().max(2);
    let shift = 64 - values.trailing_zeros();
    let mut starts = Vec::with_capacity(values + 1);
    let mut place = 0;
    for value in 0..values as u64 {
        while sorted.get(place).is_some_and(|(hash, _)| hash >> shift < value) {
            place += 1;
        }
        starts.push(place as u32);
    }
    starts.push(sorted.len() as u32);
    (starts.into(), shift)
}

/// A polynomial hash: the sum of the characters' values, each times a power of the base, the last one
/// times 1. Its base is random, so that nobody can choose texts that collide.
#[derive(Debug)]
struct Rolling {
    powers: [u64; MAX_CHARACTERS + MAX_EDITS as usize + 1],
    /// The inverse of the base, which is odd, modulo 2^64.
    inverse: u64,
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
        // Each step of Newton's method doubles the number of bits that are right: at first, three.
        let inverse = (0..5).fold(base, |inverse, _| {
            inverse.wrapping_mul(2_u64.wrapping_sub(base.wrapping_mul(inverse)))
        });
        Self { powers, inverse }
    }

    /// Calls `part` with the hash of the text, and of the text without any one and any two characters as
    /// far as `edits` goes. The text must have at most [`MAX_CHARACTERS`] + [`MAX_EDITS`] characters.
    ///
    /// To leave out the character at `i`, its part of the sum is taken away, and the sum of those before
    /// it is divided by the base: `differences[i]` is added. To leave out the one at `i < j` too, that
    /// difference is divided by the base as well.
    fn parts(&self, text: &[char], edits: u8, mut part: impl FnMut(u64)) {
        let length = text.len();
        let mut differences = [0_u64; MAX_CHARACTERS + MAX_EDITS as usize];
        let mut sum = 0_u64;
        let powers = self.powers.iter().take(length).rev();
        for ((slot, character), power) in differences.iter_mut().zip(text).zip(powers) {
            let before = sum.wrapping_mul(self.inverse);
            sum = sum.wrapping_add(value(*character).wrapping_mul(*power));
            *slot = before.wrapping_sub(sum);
        }
        // All that follows is added to the whole sum.
        part(mixed(sum, length));
        if edits == 0 {
            return;
        }
        let differences = differences.get(..length).unwrap_or_default();
        let mut before = None;
        for (place, (character, difference)) in text.iter().zip(differences).enumerate() {
            // Leaving out any one of equal neighbours gives the same text.
            if before.replace(character) == Some(character) {
                continue;
            }
            part(mixed(sum.wrapping_add(*difference), length - 1));
            if edits > 1 {
                let without = sum.wrapping_add(difference.wrapping_mul(self.inverse));
                for difference in differences.iter().skip(place + 1) {
                    part(mixed(without.wrapping_add(*difference), length - 2));
                }
            }
        }
    }
}

/// Spreads a character over 64 bits, never 0.
const fn value(character: char) -> u64 {
    mixed(character as u64, 1) | 1
}

/// Spreads a sum over all bits: the halves of a product, folded.
const fn mixed(sum: u64, length: usize) -> u64 {
    let sum = sum.wrapping_add((length as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let product = (sum ^ 0xbf58_476d_1ce4_e5b9) as u128 * 0x94d0_49bb_1331_11eb;
    (product >> 64) as u64 ^ product as u64
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

    /// A text without some characters has the hash of a text that never had them.
    #[test]
    fn a_text_without_characters_has_the_hash_of_what_is_left() {
        let hash = Rolling::new();
        let text = characters("abcad\u{fc}");
        let mut parts = Vec::new();
        hash.parts(&text, 2, |part| parts.push(part));
        let mut expected = Vec::new();
        let mut whole = |text: &[char]| hash.parts(text, 0, |part| expected.push(part));
        whole(&text);
        for one in 0..text.len() {
            let mut left = text.clone();
            left.remove(one);
            whole(&left);
            for other in one..left.len() {
                let mut left = left.clone();
                left.remove(other);
                whole(&left);
            }
        }
        assert_eq!(parts, expected);
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
