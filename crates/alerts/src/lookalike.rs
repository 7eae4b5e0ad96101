//! Names that can be mistaken for others.
//!
//! `Lookalikes` has the names to protect, each a registrable domain, and finds those that a name of
//! a certificate is like. It compares labels:
//!
//! | likeness | example, for `paypal.com` |
//! |---|---|
//! | [`OtherSuffix`](Likeness::OtherSuffix) | `paypal.shop` |
//! | [`Subdomain`](Likeness::Subdomain) | `paypal.com.example.org` |
//! | [`Confusable`](Likeness::Confusable) | `paypa1.com`, and with Cyrillic letters |
//! | [`Hyphens`](Likeness::Hyphens) | `pay-pal.com` |
//! | [`Dot`](Likeness::Dot) | `pay.pal.com` |
//! | [`Swapped`](Likeness::Swapped) | `papyal.com` |
//! | [`Edits`](Likeness::Edits) | `paypall.com` |
//! | [`Added`](Likeness::Added) | `paypal-login.com`, `securepaypal.com` |
//!
//! Confusables are the characters with the same skeleton (UTS #39 section 4), accents left out.
//! Nothing lists the possible forms of a name: labels are looked up by their shape in one table, by
//! their edits in another (`edits`), and protected names are looked for in labels by one automaton.
//! The cost of a label does not depend on the number of protected names.
//!
//! The shorter a protected name is, the more words are like it by chance, so less counts: see
//! `Brand::edits`, `is_addition` and `Lookalikes::judged`.

mod brand;
mod edits;
mod form;
mod memo;
mod name;
mod words;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;

use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError};

pub(crate) use brand::Brand;
pub use brand::MIN_LETTERS;
use edits::Edits;
use memo::Memo;
use name::Name;

/// Letters of a protected name that counts in a label with any other text around it.
const ADDED_ANYWHERE: usize = 8;
/// The same at the start or the end of a label.
const ADDED_AT_AN_END: usize = 6;
/// The same between hyphens.
const ADDED_WITH_HYPHENS: usize = 5;
/// Letters of a protected name that counts with other text around it if all of it is usual.
const ADDED_WITH_USUAL_WORDS: usize = 4;
/// Letters of a protected name that counts below another domain, or across a dot.
const AS_SUBDOMAIN: usize = 5;
/// The same if it is not the name itself; and edited, between hyphens.
const ALIKE_AS_SUBDOMAIN: usize = 6;

/// The way in which a name is like a protected one, the plainest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Likeness {
    /// The same label below another public suffix.
    OtherSuffix,
    /// The same label below another domain.
    Subdomain,
    /// A label that looks the same.
    Confusable,
    /// The same label with other hyphens.
    Hyphens,
    /// The same label with a dot in it.
    Dot,
    /// The label with two neighbours swapped.
    Swapped,
    /// The label with this number of letters inserted, left out, replaced or swapped.
    Edits(u8),
    /// The label with other text before or after it.
    Added(Addition),
}

/// The form in which a label has a protected name as a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Addition {
    /// The name as it is.
    Exact,
    /// A text that looks the same.
    Confusable,
    /// The name with one edit.
    Edited,
}

impl Likeness {
    /// Returns the name of the kind, for programs.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::OtherSuffix => "other_suffix",
            Self::Subdomain => "subdomain",
            Self::Confusable => "confusable",
            Self::Hyphens => "hyphens",
            Self::Dot => "dot",
            Self::Swapped => "swapped",
            Self::Edits(_) => "edits",
            Self::Added(_) => "added",
        }
    }
}

impl fmt::Display for Likeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherSuffix => "the same label below another public suffix",
            Self::Subdomain => "the same label below another domain",
            Self::Confusable => "characters that look the same",
            Self::Hyphens => "the same label with other hyphens",
            Self::Dot => "the same label with a dot in it",
            Self::Swapped => "two letters swapped",
            Self::Edits(1) => "one letter differs",
            Self::Edits(_) => "two letters differ",
            Self::Added(Addition::Exact) => "the label with other words",
            Self::Added(Addition::Confusable) => "a label that looks the same, with other words",
            Self::Added(Addition::Edited) => "the label with one letter changed, with other words",
        })
    }
}

/// A protected name that a name is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lookalike {
    /// The number of the protected name.
    pub(crate) brand: u32,
    /// The way in which they are alike.
    pub(crate) likeness: Likeness,
    /// The part of the name that is, as people read it.
    pub(crate) part: Box<str>,
}

/// The protected names, and the tables in which names are looked up.
#[derive(Debug)]
pub(crate) struct Lookalikes {
    brands: Box<[Brand]>,
    /// Protected names by [`Brand::key`].
    keys: HashMap<Box<str>, Vec<u32>>,
    edits: Edits,
    /// Finds [`Brand::folded`] in labels.
    parts: AhoCorasick,
    /// The number of the protected name of each pattern.
    patterns: Box<[u32]>,
    memo: Memo,
    /// The protected names that a label is like.
    found: Vec<(u32, Alike)>,
    candidates: Vec<u32>,
    characters: Vec<char>,
    /// The key of the label or word that is looked up.
    key: String,
}

/// A result for a label by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Alike {
    /// The label is that of the protected name.
    Same,
    /// It is like it.
    Like(Likeness),
}

/// The place of a label in a name.
#[derive(Clone, Copy)]
enum Place<'a> {
    /// It is that of the registrable domain.
    Registrable,
    /// It is below, and these labels follow before the registrable domain.
    Below(&'a str),
    /// It is both, across a dot.
    AcrossDot,
}

impl Lookalikes {
    /// Builds the tables of protected names, which have the numbers of their order.
    ///
    /// # Errors
    /// If the automaton would be too large, which [`MAX_LOOKALIKES`](crate::MAX_LOOKALIKES) rules out.
    pub(crate) fn new(brands: Vec<Brand>) -> Result<Self, BuildError> {
        let mut keys: HashMap<Box<str>, Vec<u32>> = HashMap::new();
        let mut patterns = Vec::new();
        let mut characters: Vec<Vec<char>> = Vec::with_capacity(brands.len());
        for (number, brand) in (0..).zip(&brands) {
            keys.entry(brand.key().into()).or_default().push(number);
            characters.push(brand.folded.chars().collect());
            if brand.letters >= ADDED_WITH_USUAL_WORDS {
                patterns.push((number, &brand.folded));
            }
        }
        let parts = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(patterns.iter().map(|(_, folded)| folded.as_bytes()))?;
        let words = characters.iter().zip(&brands).map(|(word, brand)| (&**word, brand.edits()));
        Ok(Self {
            keys,
            edits: Edits::new(words),
            parts,
            patterns: patterns.iter().map(|(number, _)| *number).collect(),
            memo: Memo::new(),
            found: Vec::new(),
            candidates: Vec::new(),
            characters: Vec::new(),
            key: String::new(),
            brands: brands.into(),
        })
    }

    /// Returns the protected name of this number.
    pub(crate) fn brand(&self, number: u32) -> Option<&Brand> {
        self.brands.get(number as usize)
    }

    /// Appends the protected names that a name is like, in lower case. One may come more than once,
    /// by several labels. A name is not like a protected name that it is below.
    pub(crate) fn find(&mut self, name: &str, found: &mut Vec<Lookalike>) {
        if self.brands.is_empty() {
            return;
        }
        let Some(name) = Name::read(name) else { return };
        self.look_at(name.label, Place::Registrable, &name, found);
        for (label, after) in name.labels_below() {
            self.look_at(label, Place::Below(after), &name, found);
        }
        if let Some(labels) = name.across_dot {
            self.look_at(labels, Place::AcrossDot, &name, found);
        }
    }

    fn look_at(
        &mut self,
        label: &str,
        place: Place<'_>,
        name: &Name<'_>,
        out: &mut Vec<Lookalike>,
    ) {
        let Some(hash) = self.memo.unknown(label) else { return };
        let mut found = std::mem::take(&mut self.found);
        found.clear();
        match place {
            Place::AcrossDot => self.find_key(label, &form::folded(label), &mut found),
            Place::Registrable | Place::Below(_) => self.find_label(label, &mut found),
        }
        if found.is_empty() {
            self.memo.add(hash);
        }
        found.sort_unstable();
        let mut last = None;
        for (number, alike) in &found {
            // The plainest likeness that counts in this place; a plainer one may not.
            if last == Some(*number) {
                continue;
            }
            let brand = self.brand(*number).filter(|brand| *brand.domain != *name.domain);
            let likeness = brand.and_then(|brand| Self::judged(*alike, brand, place));
            if let Some(likeness) = likeness {
                let part = form::decoded(label).into();
                out.push(Lookalike { brand: *number, likeness, part });
                last = Some(*number);
            }
        }
        self.found = found;
    }

    /// Returns the likeness of a label in its place, if it counts there.
    fn judged(alike: Alike, brand: &Brand, place: Place<'_>) -> Option<Likeness> {
        let letters = brand.letters;
        match (place, alike) {
            (Place::Registrable, Alike::Same) => Some(Likeness::OtherSuffix),
            (Place::Registrable, Alike::Like(likeness)) => Some(likeness),
            (Place::Below(after), Alike::Same) => {
                let rest = after.strip_prefix(&*brand.suffix);
                let is_whole = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
                (letters >= AS_SUBDOMAIN || is_whole).then_some(Likeness::Subdomain)
            }
            (Place::Below(_), Alike::Like(likeness)) => {
                let is_weak =
                    matches!(likeness, Likeness::Edits(2) | Likeness::Added(Addition::Edited));
                (letters >= ALIKE_AS_SUBDOMAIN && !is_weak).then_some(likeness)
            }
            (Place::AcrossDot, _) => (letters >= AS_SUBDOMAIN).then_some(Likeness::Dot),
        }
    }

    fn find_label(&mut self, label: &str, found: &mut Vec<(u32, Alike)>) {
        let plain = form::decoded(label);
        let folded = form::folded(&plain);
        self.find_key(&plain, &folded, found);
        self.find_edits(
            &folded,
            |brand, edits| {
                let likeness = match edits {
                    Edited::Swapped => Likeness::Swapped,
                    Edited::By(edits) => Likeness::Edits(edits),
                };
                (edits == Edited::Swapped || !brand.is_swap_only()).then_some(likeness)
            },
            found,
        );
        if folded.contains('-') {
            self.find_between_hyphens(&folded, found);
        }
        self.find_parts(&folded, found);
    }

    /// Finds labels of the same shape.
    fn find_key(&mut self, plain: &str, folded: &str, found: &mut Vec<(u32, Alike)>) {
        brand::write_key(folded, &mut self.key);
        let Some(numbers) = self.keys.get(&*self.key) else { return };
        for (number, brand) in numbers.iter().filter_map(|n| Some((*n, self.brand(*n)?))) {
            let alike = if *brand.label == *plain {
                Alike::Same
            } else if !brand.looks_like(folded) {
                continue;
            } else if form::shape(folded) == form::shape(&brand.folded) {
                Alike::Like(Likeness::Confusable)
            } else {
                Alike::Like(Likeness::Hyphens)
            };
            found.push((number, alike));
        }
    }

    /// Finds labels within one or two edits.
    fn find_edits(
        &mut self,
        folded: &str,
        judge: impl Fn(&Brand, Edited) -> Option<Likeness>,
        found: &mut Vec<(u32, Alike)>,
    ) {
        self.characters.clear();
        self.characters.extend(folded.chars());
        self.candidates.clear();
        self.edits.candidates(&self.characters, &mut self.candidates);
        self.candidates.sort_unstable();
        self.candidates.dedup();
        for number in &self.candidates {
            let Some(brand) = self.brands.get(*number as usize) else { continue };
            let distance = strsim::osa_distance(&brand.folded, folded);
            let Ok(edits @ 1..) = u8::try_from(distance) else { continue };
            if edits <= brand.edits() {
                let edited = Edited::new(edits, &brand.folded, folded);
                found.extend(judge(brand, edited).map(|how| (*number, Alike::Like(how))));
            }
        }
    }

    /// Finds protected names as words between hyphens: as they are, alike, or with one edit.
    fn find_between_hyphens(&mut self, folded: &str, found: &mut Vec<(u32, Alike)>) {
        let words: Vec<&str> = folded.split('-').collect();
        for (place, word) in words.iter().enumerate().filter(|(_, word)| word.len() >= MIN_LETTERS)
        {
            let others = || {
                let others = words.iter().enumerate().filter(|(other, _)| *other != place);
                others.map(|(_, word)| *word).collect::<Vec<_>>().join("-")
            };
            brand::write_key(word, &mut self.key);
            for number in self.keys.get(&*self.key).into_iter().flatten() {
                let Some(brand) = self.brands.get(*number as usize) else { continue };
                let is_exact = *brand.folded == **word;
                let is_alike = is_exact || brand.looks_like(word);
                if is_alike && (brand.letters >= ADDED_WITH_HYPHENS || words::are_usual(&others()))
                {
                    let form = if is_exact { Addition::Exact } else { Addition::Confusable };
                    found.push((*number, Alike::Like(Likeness::Added(form))));
                }
            }
            self.find_edits(
                word,
                |brand, edited| {
                    let is_close = matches!(edited, Edited::Swapped | Edited::By(1));
                    let counts = is_close && brand.letters >= ALIKE_AS_SUBDOMAIN;
                    counts.then_some(Likeness::Added(Addition::Edited))
                },
                found,
            );
        }
    }

    /// Finds protected names as parts of a label.
    fn find_parts(&self, folded: &str, found: &mut Vec<(u32, Alike)>) {
        for part in self.parts.find_overlapping_iter(folded) {
            let number = self.patterns.get(part.pattern().as_usize()).copied();
            let Some((number, brand)) = number.and_then(|n| Some((n, self.brand(n)?))) else {
                continue;
            };
            let around = folded.get(..part.start()).zip(folded.get(part.end()..));
            let Some((before, after)) = around else { continue };
            if !(before.is_empty() && after.is_empty()) && is_addition(brand, before, after) {
                found.push((number, Alike::Like(Likeness::Added(Addition::Exact))));
            }
        }
    }
}

/// Reports whether a protected name counts with this text around it.
fn is_addition(brand: &Brand, before: &str, after: &str) -> bool {
    let is_at_an_end = before.is_empty() || after.is_empty();
    let is_between_hyphens = (before.is_empty() || before.ends_with('-'))
        && (after.is_empty() || after.starts_with('-'));
    brand.letters >= ADDED_ANYWHERE
        || brand.letters >= ADDED_AT_AN_END && is_at_an_end
        || brand.letters >= ADDED_WITH_HYPHENS && is_between_hyphens
        || words::are_usual(before) && words::are_usual(after)
}

/// The difference between two texts that are close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edited {
    /// Two neighbours are swapped.
    Swapped,
    /// This number of edits.
    By(u8),
}

impl Edited {
    fn new(edits: u8, one: &str, other: &str) -> Self {
        let mut differing = one.chars().zip(other.chars()).filter(|(a, b)| a != b);
        let is_swap = edits == 1
            && one.chars().count() == other.chars().count()
            && differing.nth(1).is_some();
        if is_swap { Self::Swapped } else { Self::By(edits) }
    }
}
