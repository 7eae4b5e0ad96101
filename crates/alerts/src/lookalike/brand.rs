//! The names that are protected.

use super::form::{decoded, folded, joined, shaped};
use super::name::Name;
use crate::problem::Problem;

/// Letters of a name that is protected at least: shorter ones are part of everything.
pub const MIN_LETTERS: usize = 3;

/// A name that is protected, with its forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Brand {
    /// The registrable domain, in lower case, as certificates have it.
    pub(crate) domain: Box<str>,
    /// Its public suffix.
    pub(super) suffix: Box<str>,
    /// Its label as people read it.
    pub(crate) label: Box<str>,
    /// That label without confusables.
    pub(super) folded: Box<str>,
    /// Characters of that, hyphens not counted.
    pub(super) letters: usize,
}

impl Brand {
    /// Reads a registrable domain, `example.com` or `example.co.uk`, in Unicode or in A-labels.
    pub(crate) fn read(written: &str) -> Result<Self, Problem> {
        let written = written.trim();
        let domain = idna::domain_to_ascii(written)
            .map_err(|_| Problem::NotADomain { term: written.to_owned() })?;
        let refused = |advice| Problem::NotABrand { term: written.to_owned(), advice };
        let name = Name::read(&domain)
            .filter(|name| name.domain.contains('.'))
            .ok_or_else(|| refused("give a domain with its suffix, as example.com".to_owned()))?;
        if !name.below.is_empty() || name.domain != domain {
            return Err(refused(format!("give {} instead", name.domain)));
        }
        let label = decoded(name.label);
        let folded = folded(&label);
        let letters = without_hyphens(&folded).chars().count();
        if letters < MIN_LETTERS {
            let advice = format!("a name needs at least {MIN_LETTERS} letters to be recognised");
            return Err(refused(advice));
        }
        Ok(Self {
            domain: name.domain.into(),
            suffix: name.suffix.into(),
            label: (*label).into(),
            folded: (*folded).into(),
            letters,
        })
    }

    /// Returns the form that labels which look alike share, hyphens left out.
    pub(super) fn key(&self) -> String {
        let mut key = String::new();
        write_key(&self.folded, &mut key);
        key
    }

    /// Returns the number of edits that still count as the same name. Of four letters, they must be the same
    /// letters: see [`is_swap_only`](Self::is_swap_only).
    pub(super) const fn edits(&self) -> u8 {
        match self.letters {
            0..=3 => 0,
            4..=7 => 1,
            _ => 2,
        }
    }

    /// Reports whether only swapped neighbours count as an edit, because nearly every text of four
    /// letters is one edit from some word.
    pub(super) const fn is_swap_only(&self) -> bool {
        self.letters <= 4
    }

    /// Reports whether a folded label without hyphens looks the same, not only equal if every `i` is an
    /// `l`. Of a short name, too many words would be.
    pub(super) fn looks_like(&self, folded: &str) -> bool {
        self.letters > 4
            || joined(&without_hyphens(folded)) == joined(&without_hyphens(&self.folded))
    }
}

/// Writes the form of a folded label that labels which look alike share, hyphens and dots left out, in
/// place of what `key` has.
pub(super) fn write_key(folded: &str, key: &mut String) {
    key.clear();
    key.extend(shaped(letters(folded)));
}

fn without_hyphens(folded: &str) -> String {
    letters(folded).collect()
}

fn letters(folded: &str) -> impl Iterator<Item = char> {
    folded.chars().filter(|c| !matches!(c, '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protected_name_is_a_registrable_domain() {
        for (written, domain, label) in [
            ("paypal.com", "paypal.com", "paypal"),
            (" PayPal.co.uk ", "paypal.co.uk", "paypal"),
            ("b\u{fc}cher.de", "xn--bcher-kva.de", "b\u{fc}cher"),
            ("xn--bcher-kva.de", "xn--bcher-kva.de", "b\u{fc}cher"),
            ("me.github.io", "me.github.io", "me"),
        ] {
            let brand = Brand::read(written);
            if label.len() < MIN_LETTERS {
                assert!(brand.is_err(), "{written}");
                continue;
            }
            let brand = brand.unwrap();
            assert_eq!((&*brand.domain, &*brand.label), (domain, label), "{written}");
        }
        for (written, advice) in [
            ("paypal", "as example.com"),
            ("www.paypal.com", "give paypal.com instead"),
            ("com", "as example.com"),
            ("", "as example.com"),
            ("192.0.2.1", "as example.com"),
            ("x.com", "at least 3 letters"),
            ("pay pal.com", "as example.com"),
            ("*.paypal.com", "give paypal.com instead"),
        ] {
            let error = Brand::read(written).unwrap_err().to_string();
            assert!(error.contains(advice), "{written}: {error}");
        }
    }
}
