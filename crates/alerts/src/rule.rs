//! A rule as an operator writes it, and as certificates are compared with it.

mod except;

use wire::EntryKind;
use wire::filter::{Filter, Parameter};

pub use except::Except;

use crate::lookalike::Brand;
use crate::pattern::{Pattern, is_selective};
use crate::problem::{Problem, Warning};
use except::Exceptions;

/// Bytes of the name of a rule at most.
pub const MAX_NAME_BYTES: usize = 100;
/// Terms of a rule at most, in all its settings.
pub const MAX_TERMS: usize = 1000;
/// Regular expressions of a rule at most.
pub const MAX_REGEXES: usize = 16;
/// Alerts of a rule in an hour at most.
pub const MAX_LIMIT: u32 = 10_000;
/// Alerts of a rule in an hour if nothing else is given.
pub const DEFAULT_LIMIT: u32 = 100;

/// A rule as an operator writes it: which certificates are worth an alert.
///
/// A certificate matches if each condition that is given applies, and a condition applies if one
/// of its terms does, as in a filter of the stream. It is silent if one of the exceptions applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The name, by which alerts are counted and limited.
    pub name: String,
    /// Domains: a name of the certificate is one of them, is below it, or is a wildcard that covers it.
    pub domain: Vec<String>,
    /// Texts of three characters or more that a name contains.
    pub matches: Vec<String>,
    /// Regular expressions that a part of a name matches.
    pub regex: Vec<String>,
    /// Domains with their public suffix that a name is like, without being below one of them.
    pub lookalike: Vec<String>,
    /// Texts that the CN or O of the issuer contains.
    pub issuer: Vec<String>,
    /// The kind of entry; none for both.
    pub entry: Option<EntryKind>,
    /// Certificates that are known.
    pub except: Except,
    /// Alerts in an hour at most.
    pub limit: u32,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            name: String::new(),
            domain: Vec::new(),
            matches: Vec::new(),
            regex: Vec::new(),
            lookalike: Vec::new(),
            issuer: Vec::new(),
            entry: None,
            except: Except::default(),
            limit: DEFAULT_LIMIT,
        }
    }
}

impl Rule {
    /// Checks a rule by itself.
    ///
    /// # Errors
    /// The first [`Problem`] of the rule.
    pub fn check(&self) -> Result<Option<Warning>, Problem> {
        self.compile().map(|compiled| compiled.warning())
    }

    pub(crate) fn compile(&self) -> Result<Compiled, Problem> {
        self.check_sizes()?;
        let filter = self.filter()?;
        let patterns: Vec<_> =
            self.regex.iter().map(|text| Pattern::compile(text)).collect::<Result<_, _>>()?;
        let brands: Vec<_> =
            self.lookalike.iter().map(|text| Brand::read(text)).collect::<Result<_, _>>()?;
        if filter.is_none() && patterns.is_empty() && brands.is_empty() {
            return Err(Problem::NoCondition);
        }
        let exceptions = Exceptions::read(&self.except)?;
        let name = self.name.clone();
        Ok(Compiled { name, filter, patterns, brands, exceptions, limit: self.limit })
    }

    fn check_sizes(&self) -> Result<(), Problem> {
        let is_name = (1..=MAX_NAME_BYTES).contains(&self.name.len())
            && !self.name.contains(char::is_control);
        if !is_name {
            return Err(Problem::Name { name: self.name.chars().take(MAX_NAME_BYTES).collect() });
        }
        let terms = [&self.domain, &self.matches, &self.lookalike, &self.issuer];
        if terms.iter().map(|terms| terms.len()).sum::<usize>() + self.except.len() > MAX_TERMS {
            return Err(Problem::TooManyTerms);
        }
        if self.regex.len() > MAX_REGEXES {
            return Err(Problem::TooManyRegexes);
        }
        if !(1..=MAX_LIMIT).contains(&self.limit) {
            return Err(Problem::Limit { limit: self.limit });
        }
        Ok(())
    }

    /// Returns the conditions that filters have, too.
    fn filter(&self) -> Result<Option<Filter>, Problem> {
        for term in &self.domain {
            check_domain(Parameter::Domain.name(), term)?;
        }
        let settings = [
            (Parameter::Domain, &self.domain),
            (Parameter::Match, &self.matches),
            (Parameter::Issuer, &self.issuer),
        ];
        let terms = settings.into_iter().flat_map(|(parameter, terms)| {
            terms.iter().map(move |term| (parameter.name(), term.as_str()))
        });
        let entry = self.entry.map(|kind| (Parameter::Entry.name(), kind.name()));
        let terms: Vec<_> = terms.chain(entry).collect();
        for (parameter, term) in &terms {
            check_comma(parameter, term)?;
        }
        Ok(Filter::parse(terms, MAX_TERMS)?)
    }
}

/// A rule that was read.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) name: String,
    /// The conditions that filters have.
    pub(crate) filter: Option<Filter>,
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) brands: Vec<Brand>,
    pub(crate) exceptions: Exceptions,
    pub(crate) limit: u32,
}

impl Compiled {
    /// Returns the terms of a condition that filters have.
    pub(crate) fn terms(&self, parameter: Parameter) -> &[Box<str>] {
        self.filter.as_ref().map_or(&[], |filter| filter.terms(parameter))
    }

    /// Returns a filter that every certificate passes which can match; none if regular expressions
    /// would be tried on nearly every certificate all the same.
    pub(crate) fn candidates(&self) -> Option<Filter> {
        let required: Option<Vec<&[String]>> =
            self.patterns.iter().map(Pattern::required).collect();
        let texts = required.filter(|texts| !texts.is_empty());
        match (&self.filter, texts) {
            (Some(filter), _) if is_narrow(filter) => self.filter.clone(),
            (filter, Some(texts)) => {
                let texts = texts.into_iter().flatten().map(|text| ("match", text.clone()));
                let rest = filter.iter().flat_map(|filter| {
                    let all = [Parameter::Domain, Parameter::Issuer, Parameter::Entry];
                    all.into_iter().flat_map(|parameter| {
                        let terms = filter.terms(parameter).iter();
                        terms.map(move |term| (parameter.name(), term.to_string()))
                    })
                });
                Filter::parse(texts.chain(rest), usize::MAX)
                    .ok()
                    .flatten()
                    .or_else(|| filter.clone())
            }
            (Some(filter), None) if self.patterns.is_empty() || has_issuer(filter) => {
                self.filter.clone()
            }
            (_, None) => None,
        }
    }

    /// Returns a warning if most certificates match.
    pub(crate) fn warning(&self) -> Option<Warning> {
        let domains = self.terms(Parameter::Domain);
        let matches = self.terms(Parameter::Match);
        let has_names = !domains.is_empty() || !matches.is_empty();
        let pattern = self.patterns.iter().find(|pattern| pattern.is_broad());
        let because = if !self.brands.is_empty() {
            None
        } else if !has_names && self.patterns.is_empty() {
            Some("nothing is said about names".to_owned())
        } else if let Some(pattern) = pattern.filter(|_| !has_names) {
            Some(format!("regex {:?} matches nearly any name", pattern.text()))
        } else if !self.patterns.is_empty() {
            None
        } else {
            let is_only = |terms: &[Box<str>], others: &[Box<str>]| {
                others
                    .is_empty()
                    .then(|| terms.iter().find(|term| is_suffix(term)))
                    .flatten()
                    .cloned()
            };
            let suffix = is_only(domains, matches).map(|term| format!("domain {term:?}"));
            let text = is_only(matches, domains).map(|term| format!("match {term:?}"));
            suffix.or(text).map(|text| format!("{text} is the end of many names"))
        };
        because.map(|because| Warning::Broad { because, limit: self.limit })
    }
}

/// Reports whether a filter has conditions that few certificates pass.
fn is_narrow(filter: &Filter) -> bool {
    let domains = filter.terms(Parameter::Domain);
    let matches = filter.terms(Parameter::Match);
    !domains.is_empty() && !domains.iter().any(|term| is_suffix(term))
        || !matches.is_empty() && matches.iter().all(|term| is_selective(term))
}

/// Reports whether a filter has a condition about the issuer.
fn has_issuer(filter: &Filter) -> bool {
    !filter.terms(Parameter::Issuer).is_empty()
}

/// Reports whether a text is a public suffix, with or without the dot before it.
fn is_suffix(text: &str) -> bool {
    let text = text.trim_matches('.');
    let is_known = psl::suffix(text.as_bytes()).is_some_and(|suffix| suffix.is_known());
    is_known && psl::domain(text.as_bytes()).is_none()
}

/// Checks that a term is not a list of terms.
fn check_comma(parameter: &'static str, term: &str) -> Result<(), Problem> {
    let is_list = term.contains(',');
    if is_list { Err(Problem::Comma { parameter, term: term.to_owned() }) } else { Ok(()) }
}

/// Checks that a domain is not an address.
fn check_domain(parameter: &'static str, term: &str) -> Result<(), Problem> {
    let is_address = term.trim().parse::<std::net::IpAddr>().is_ok();
    if is_address { Err(Problem::Address { parameter, term: term.to_owned() }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
