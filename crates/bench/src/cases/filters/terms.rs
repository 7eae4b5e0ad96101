//! Filters of the clients: names, and parts of names, from certificates published before.

use std::collections::{BTreeSet, HashMap};

use anyhow::ensure;

use crate::figures::record::Received;

/// The filter of one client: a certificate that matches any of its terms passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Filter {
    /// A domain or what is below it.
    Domain(Vec<String>),
    /// A part of a name, anywhere.
    Match(Vec<String>),
}

impl Filter {
    /// One filter for each client, all terms distinct. The first ones have the commonest terms.
    ///
    /// # Errors
    /// If too few names went by.
    pub(super) fn from_seen(
        seen: &[Received],
        clients: usize,
        each: usize,
    ) -> anyhow::Result<Vec<Self>> {
        let wanted = clients.div_ceil(2) * each;
        let names = || seen.iter().filter_map(shortest_name);
        let domains = commonest(names().filter(|name| !name.contains(digit)));
        let parts = commonest(names().filter_map(part));
        let enough = domains.len().min(parts.len()) >= wanted;
        ensure!(enough, "{} certificates have too few names for {wanted} terms", seen.len());
        let lists = domains.chunks(each).zip(parts.chunks(each));
        let filters = lists
            .flat_map(|(domains, parts)| [Self::Domain(owned(domains)), Self::Match(owned(parts))]);
        Ok(filters.take(clients).collect())
    }

    /// Returns the path of the request.
    pub(super) fn path(&self) -> String {
        match self {
            Self::Domain(terms) => format!("/?domain={}", terms.join(",")),
            Self::Match(terms) => format!("/?match={}", terms.join(",")),
        }
    }

    /// Reports whether a certificate with these names passes.
    pub(super) fn passes(&self, names: &[String]) -> bool {
        let below = |name: &str, domain: &str| {
            let before = name.strip_suffix(domain);
            let parent = domain.split_once('.').map(|(_, parent)| parent);
            before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
                || name.strip_prefix("*.").is_some_and(|covered| Some(covered) == parent)
        };
        names.iter().any(|name| match self {
            Self::Domain(terms) => terms.iter().any(|term| below(name, term)),
            Self::Match(terms) => terms.iter().any(|term| name.contains(term.as_str())),
        })
    }
}

/// The offsets of the certificates that pass.
pub(super) fn passing(filter: &Filter, seen: &[Received]) -> BTreeSet<u64> {
    let passing = seen.iter().filter(|certificate| filter.passes(&certificate.domains));
    passing.map(|certificate| certificate.offset).collect()
}

fn digit(char: char) -> bool {
    char.is_ascii_digit()
}

/// The one that stands for the certificate, of plain ASCII: what names of other scripts match is
/// not the question here.
fn shortest_name(certificate: &Received) -> Option<&str> {
    let names = certificate.domains.iter().map(|name| name.trim_start_matches("*."));
    names.filter(|name| name.is_ascii() && !name.contains("xn--")).min_by_key(|name| name.len())
}

/// The longest label up to its first digit, if it has one that is not its first character.
fn part(name: &str) -> Option<&str> {
    let label = name.split('.').max_by_key(|label| label.len())?;
    let end = label.find(digit).filter(|end| *end > 2)?;
    label.get(..=end)
}

/// Distinct texts, the commonest first.
fn commonest<'t>(texts: impl Iterator<Item = &'t str>) -> Vec<&'t str> {
    let mut counts = HashMap::new();
    texts.for_each(|text| *counts.entry(text).or_insert(0_usize) += 1);
    let mut texts: Vec<_> = counts.keys().copied().collect();
    texts.sort_unstable_by_key(|text| (std::cmp::Reverse(counts[text]), *text));
    texts
}

fn owned(terms: &[&str]) -> Vec<String> {
    terms.iter().copied().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(names: &[&[&str]]) -> Vec<Received> {
        let certificate = |(number, names): (usize, &&[&str])| Received {
            at: 0,
            client: 0,
            offset: number as u64,
            index: 0,
            submitted: 0,
            log: String::new(),
            domains: owned(names),
        };
        names.iter().enumerate().map(certificate).collect()
    }

    #[test]
    fn terms_are_taken_from_names() {
        let seen = seen(&[
            &["rare.com"],
            &["www.common.com", "common.com"],
            &["api.common.com", "*.common.com"],
            &["mail.bank12.co.uk"],
            &["shop7.net", "www.shop7.net"],
            &["shop73.net"],
            &["xn--fsqu00a.com"],
        ]);
        let filters = Filter::from_seen(&seen, 2, 1).expect("enough names");
        let domain = Filter::Domain(vec!["common.com".to_owned()]);
        let part = Filter::Match(vec!["shop7".to_owned()]);
        assert_eq!(filters, [domain.clone(), part.clone()]);
        assert_eq!(passing(&domain, &seen), BTreeSet::from([1, 2]));
        assert_eq!(passing(&part, &seen), BTreeSet::from([4, 5]));
        assert_eq!(part.path(), "/?match=shop7");
        assert!(Filter::from_seen(&seen, 6, 1).is_err());
    }

    #[test]
    fn domains_end_at_labels() {
        let filter = Filter::Domain(vec!["a.com".to_owned(), "b.org".to_owned()]);
        let passes = |name: &str| filter.passes(&[name.to_owned()]);
        for name in ["a.com", "*.a.com", "x.y.a.com", "w.b.org"] {
            assert!(passes(name), "{name}");
        }
        for name in ["ba.com", "a.com.net", "com", "a.org"] {
            assert!(!passes(name), "{name}");
        }
    }
}
