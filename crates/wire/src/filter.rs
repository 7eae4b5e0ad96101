//! Filters: which certificates a client wants.
//!
//! A [`Filter`] is made of terms, given as parameters of a request:
//!
//! | parameter | passes a certificate if |
//! |---|---|
//! | `domain=a.com,b.org` | one of its names is the domain or lies below it, label by label |
//! | `match=paypal` | one of its names contains the text, of at least 3 characters |
//! | `issuer=r10,let's encrypt` | the CN or O of its issuer contains the text |
//! | `log=argon` | the name or URL of its log contains the text, or its log id (base64) is the text |
//!
//! One of the terms of a parameter has to hold, for every parameter given. Case does not matter. A
//! parameter given twice is one with the terms of both. White space around a term is dropped, as
//! are a leading `*.` and a final dot of a domain; a domain in Unicode becomes its A-labels (IDNA,
//! UTS #46). A term that is empty is an error, for nobody means it. The names of a certificate are
//! those that messages show as `all_domains`, as they stand there: a `match` sees A-labels.
//!
//! [`Filters`] is where the filters of all connections are registered, and judged together: one
//! pass over a [`Subject`], what a certificate looks like to filters, however many there are.
//!
//! # What it costs
//!
//! To judge a certificate takes time proportional to its names, plus the terms found in it, plus
//! the filters that have one of those: at most every term and every filter once. No term, name or
//! combination of them makes it more. [`Limits`] bounds the terms and their bytes, and so memory.

mod automaton;
mod index;
mod parse;
mod registry;
mod subject;
mod substrings;
#[cfg(test)]
mod tests;

pub use parse::{FilterError, MAX_TERM_BYTES, MIN_MATCH_CHARACTERS};
pub use registry::{Filters, Limits, Registered, Stats};
pub use subject::Subject;

/// What a term is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Parameter {
    /// The names, as domains.
    Domain,
    /// The names, as text.
    Match,
    /// The issuer's CN and O.
    Issuer,
    /// The log.
    Log,
}

impl Parameter {
    /// All parameters; those that fewer certificates pass come first.
    pub const ALL: [Self; 4] = [Self::Domain, Self::Match, Self::Issuer, Self::Log];

    /// The name of the parameter in a request.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::Match => "match",
            Self::Issuer => "issuer",
            Self::Log => "log",
        }
    }

    /// The parameter of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|parameter| parameter.name() == name)
    }
}

/// What one client wants: terms of one parameter or more. Two filters that say the same are equal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// For each of [`Parameter::ALL`]: in lower case, sorted, each once.
    terms: [Vec<Box<str>>; Parameter::ALL.len()],
}

impl Filter {
    /// Reads a filter from the parameters of a request, percent-decoded. Parameters of other names
    /// are left alone; without any of ours there is no filter.
    ///
    /// # Errors
    /// When a term cannot be one, or there are more than `max_terms` different ones.
    pub fn parse<N, V>(
        parameters: impl IntoIterator<Item = (N, V)>,
        max_terms: usize,
    ) -> Result<Option<Self>, FilterError>
    where
        N: AsRef<str>,
        V: AsRef<str>,
    {
        let mut filter = Self::default();
        for (name, values) in parameters {
            let Some(parameter) = Parameter::from_name(name.as_ref()) else { continue };
            for term in values.as_ref().split(',') {
                filter.add(parameter, parse::term(parameter, term)?);
                if filter.len() > max_terms {
                    return Err(FilterError::TooManyTerms { most: max_terms });
                }
            }
        }
        Ok((filter.len() > 0).then_some(filter))
    }

    fn add(&mut self, parameter: Parameter, term: String) {
        let terms = &mut self.terms[parameter as usize];
        if let Err(place) = terms.binary_search_by(|other| (**other).cmp(&term)) {
            terms.insert(place, term.into());
        }
    }

    fn len(&self) -> usize {
        self.terms.iter().map(Vec::len).sum()
    }

    /// The terms of a parameter: in lower case, sorted, each once. None if it was not given.
    #[must_use]
    pub fn terms(&self, parameter: Parameter) -> &[Box<str>] {
        &self.terms[parameter as usize]
    }

    /// Whether a certificate passes.
    #[must_use]
    pub fn passes(&self, subject: &Subject) -> bool {
        Parameter::ALL.into_iter().all(|parameter| {
            let terms = self.terms(parameter);
            terms.is_empty() || terms.iter().any(|term| subject.has(parameter, term))
        })
    }
}
