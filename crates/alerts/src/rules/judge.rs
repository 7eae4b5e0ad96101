//! One rule and one certificate.

use std::cell::OnceCell;

use wire::filter::{Filter, MAX_TERM_BYTES, Parameter, Subject};

use super::{Candidate, Prepared};
use crate::lookalike::{Lookalike, Lookalikes};
use crate::reason::{Reason, shown};

/// Returns the reasons why a certificate matches a rule, if it does and is not known. `alike` has all
/// names of it that are like a protected one.
pub(super) fn judge(
    rule: &Prepared,
    candidate: &Candidate<'_>,
    alike: &[(usize, Lookalike)],
    lookalikes: &Lookalikes,
) -> Option<Vec<Reason>> {
    let subject = candidate.subject;
    let compiled = &rule.compiled;
    let passes = compiled.filter.as_ref().is_none_or(|filter| filter.passes(subject));
    if !passes {
        return None;
    }
    let mut reasons = Vec::new();
    add(&mut reasons, !compiled.terms(Parameter::Domain).is_empty(), || domain(rule, subject))?;
    add(&mut reasons, !compiled.terms(Parameter::Match).is_empty(), || text(rule, subject))?;
    add(&mut reasons, !compiled.patterns.is_empty(), || regex(rule, subject))?;
    add(&mut reasons, !rule.brands.is_empty(), || lookalike(rule, subject, alike, lookalikes))?;
    let issuers = compiled.terms(Parameter::Issuer);
    add(&mut reasons, !issuers.is_empty(), || issuer(issuers, subject))?;
    if !compiled.terms(Parameter::Entry).is_empty() {
        reasons.extend(subject.kind().map(Reason::Entry));
    }
    let key = OnceCell::new();
    let key = || *key.get_or_init(|| public_key(candidate.der));
    (!compiled.exceptions.know(subject, candidate.sha256, key)).then_some(reasons)
}

/// Adds the reason of a condition, if that is given. `None` if it does not apply.
fn add(
    reasons: &mut Vec<Reason>,
    is_given: bool,
    find: impl FnOnce() -> Option<Reason>,
) -> Option<()> {
    if is_given {
        reasons.push(find()?);
    }
    Some(())
}

/// Returns the SHA-256 of the public key of a certificate.
fn public_key(der: &[u8]) -> Option<[u8; 32]> {
    cert::tbs::subject_public_key_info(der).map(ct::sha256)
}

/// Returns the names that count.
fn names<'a>(rule: &'a Prepared, subject: &'a Subject) -> impl Iterator<Item = &'a str> {
    subject.names().filter(|name| rule.compiled.exceptions.counts(name))
}

fn domain(rule: &Prepared, subject: &Subject) -> Option<Reason> {
    let filter = rule.compiled.filter.as_ref()?;
    names(rule, subject).find_map(|name| {
        let term = term_of(filter, name)?;
        Some(Reason::Domain { name: shown(name), term: term.to_owned() })
    })
}

/// Returns the domain of a filter that a name is, is below, or covers as a wildcard.
fn term_of<'a>(filter: &'a Filter, name: &str) -> Option<&'a str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let terms = || filter.terms(Parameter::Domain).iter().map(|term| &**term);
    let is_in = |term: &&str| {
        name.strip_suffix(*term).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let parent = name.strip_prefix("*.");
    let covers = |term: &&str| term.split_once('.').map(|(_, rest)| rest) == parent;
    terms().find(is_in).or_else(|| terms().find(|term| parent.is_some() && covers(term)))
}

fn text(rule: &Prepared, subject: &Subject) -> Option<Reason> {
    let terms = rule.compiled.terms(Parameter::Match);
    names(rule, subject).find_map(|name| {
        let term = terms.iter().find(|term| name.contains(&***term))?;
        Some(Reason::Match { name: shown(name), term: term.to_string() })
    })
}

fn regex(rule: &Prepared, subject: &Subject) -> Option<Reason> {
    let patterns = &rule.compiled.patterns;
    // Longer text is no domain name, and would let a certificate take any time.
    let mut names = names(rule, subject).filter(|name| name.len() <= MAX_TERM_BYTES);
    names.find_map(|name| {
        let pattern = patterns.iter().find(|pattern| pattern.is_match(name))?;
        Some(Reason::Regex { name: shown(name), pattern: pattern.text().to_owned() })
    })
}

/// Returns the plainest likeness of a name that counts and is not below a protected name of the rule.
fn lookalike(
    rule: &Prepared,
    subject: &Subject,
    alike: &[(usize, Lookalike)],
    lookalikes: &Lookalikes,
) -> Option<Reason> {
    let is_own = |name: &str| {
        let name = name.strip_suffix('.').unwrap_or(name);
        rule.compiled.brands.iter().any(|brand| {
            let rest = name.strip_suffix(&*brand.domain);
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    };
    let counts = |name: &str| rule.compiled.exceptions.counts(name) && !is_own(name);
    let ours = alike.iter().filter_map(|(at, alike)| {
        let found = rule.brands.binary_search_by_key(&alike.brand, |(number, _)| *number).ok()?;
        let (_, order) = rule.brands.get(found)?;
        Some((*at, alike, (alike.likeness, *order)))
    });
    let mut names = subject.names().enumerate();
    let mut name = names.next();
    let mut best = None;
    for (place, alike, rank) in ours {
        // Both are in the order of the names.
        while name.is_some_and(|(at, _)| at < place) {
            name = names.next();
        }
        let is_plainer = best.is_none_or(|(other, _, _)| rank < other);
        if let Some((_, name)) = name.filter(|(_, name)| is_plainer && counts(name)) {
            best = Some((rank, name, alike));
        }
    }
    let (_, name, alike) = best?;
    Some(Reason::Lookalike {
        name: shown(name),
        part: shown(&alike.part),
        of: lookalikes.brand(alike.brand)?.domain.to_string(),
        likeness: alike.likeness,
    })
}

fn issuer(terms: &[Box<str>], subject: &Subject) -> Option<Reason> {
    subject.issuers().find_map(|issuer| {
        let term = terms.iter().find(|term| issuer.contains(&***term))?;
        Some(Reason::Issuer { issuer: shown(issuer), term: term.to_string() })
    })
}
