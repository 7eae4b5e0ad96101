//! Filters: which certificates a client wants.
//!
//! A [`Filter`] is made of terms, given as parameters of a request:
//!
//! | parameter | passes a certificate if |
//! |---|---|
//! | `domain=a.com,b.org` | one of its names is the domain or lies below it, label by label |
//! | `match=paypal` | one of its names contains the text, of at least 3 characters |
//! | `ip=192.0.2.1,2001:db8::/32` | one of its iPAddress names is the address or in the network |
//! | `issuer=r10,let's encrypt` | the CN or O of its issuer contains the text |
//! | `log=argon` | the name or URL of its log contains the text, or its log id (base64) is the text |
//! | `part=2/8` | it is in the second of eight shares, by its SHA-256 |
//! | `entry=precert` | it is a precertificate; with `final`, a certificate |
//! | `new=true` | it has a registrable domain that the stream had not seen before |
//!
//! One of the terms of a parameter has to hold, for every parameter given. Case does not matter. A
//! parameter given twice is one with the terms of both. White space around a term is dropped, as
//! are a leading `*.` and a final dot of a domain; a domain in Unicode becomes its A-labels (IDNA,
//! UTS #46). An empty term is an error, as it is surely a mistake. The names of a certificate are
//! those that messages show as `all_domains`, as they stand there: a `match` sees A-labels.
//!
//! A domain is passed by a wildcard that covers it, too. A wildcard covers one label (RFC 6125 section
//! 6.4.3): `*.a.com` passes `domain=www.a.com`, but not `domain=x.www.a.com`. With `exact=true` it
//! passes neither. A `domain` that is an IP address is passed by that iPAddress name.
//!
//! [`Filters`] is where the filters of all connections are registered, and judged together: one
//! pass over a [`Subject`], a certificate as filters see it, however many there are.
//!
//! # What it costs
//!
//! To judge a certificate takes time proportional to its names, plus the terms found in it, plus
//! the terms of `ip` (if it has addresses) and `part`, plus the filters that have one of the terms
//! found: at most every term and every filter once. No term, name or combination of them makes it
//! more. [`Limits`] bounds the terms and their bytes, and so memory.

mod automaton;
mod index;
mod parse;
mod registry;
mod share;
mod subject;
mod substrings;
#[cfg(test)]
mod tests;

pub use parse::{FilterError, MAX_TERM_BYTES, MIN_MATCH_CHARACTERS};
pub use registry::{Filters, Limits, Registered, Stats};
pub use share::MAX_SHARES;
pub use subject::Subject;

/// The part of a certificate that a term is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Parameter {
    /// The names, as domains.
    Domain,
    /// The names, as text.
    Match,
    /// The iPAddress names.
    Ip,
    /// The mark of certificates with a new registrable domain.
    New,
    /// The issuer's CN and O.
    Issuer,
    /// The log.
    Log,
    /// The certificate's SHA-256, which puts it into a share.
    Part,
    /// The kind of entry.
    Entry,
}

impl Parameter {
    /// All parameters; those that fewer certificates pass come first.
    pub const ALL: [Self; 8] = [
        Self::Domain,
        Self::Match,
        Self::Ip,
        Self::New,
        Self::Issuer,
        Self::Log,
        Self::Part,
        Self::Entry,
    ];

    /// Returns the name of the parameter in a request.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::Match => "match",
            Self::Ip => "ip",
            Self::New => "new",
            Self::Issuer => "issuer",
            Self::Log => "log",
            Self::Part => "part",
            Self::Entry => "entry",
        }
    }

    /// Returns the parameter of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|parameter| parameter.name() == name)
    }
}

/// The name in a request of the switch that leaves out wildcards above a `domain`.
pub const EXACT: &str = "exact";

/// The one term of `new`; another value is no term.
const ON: &str = "true";

/// The filter of one client: terms of one parameter or more. Two filters with the same meaning are
/// equal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// For each of [`Parameter::ALL`]: in lower case, sorted, each once.
    terms: [Vec<Box<str>>; Parameter::ALL.len()],
    /// The wildcards that cover one of the domains, sorted, each once; none if they are left out.
    wildcards: Vec<Box<str>>,
}

impl Filter {
    /// Reads a filter from the parameters of a request, percent-decoded. Parameters of other names
    /// are left alone; without any of ours there is no filter.
    ///
    /// # Errors
    /// [`FilterError`] if a term cannot be one, there are more than `max_terms` different ones, or `exact` is
    /// something else than `true` or `false`, or `true` without a `domain`.
    pub fn parse<N, V>(
        parameters: impl IntoIterator<Item = (N, V)>,
        max_terms: usize,
    ) -> Result<Option<Self>, FilterError>
    where
        N: AsRef<str>,
        V: AsRef<str>,
    {
        let mut filter = Self::default();
        let mut is_exact = false;
        for (name, values) in parameters {
            if name.as_ref() == EXACT {
                is_exact = parse::switch(EXACT, values.as_ref())?;
                continue;
            }
            let Some(parameter) = Parameter::from_name(name.as_ref()) else { continue };
            for term in values.as_ref().split(',') {
                let term = parse::term(parameter, term)?;
                if parameter == Parameter::New && term != ON {
                    continue;
                }
                filter.add(parameter, term);
                if filter.len() > max_terms {
                    return Err(FilterError::TooManyTerms { most: max_terms });
                }
            }
        }
        if !is_exact {
            filter.cover();
        } else if filter.terms(Parameter::Domain).is_empty() {
            return Err(FilterError::ExactWithoutDomain);
        }
        Ok((filter.len() > 0).then_some(filter))
    }

    fn add(&mut self, parameter: Parameter, term: String) {
        insert(&mut self.terms[parameter as usize], term);
    }

    /// Adds the wildcards that cover the domains.
    fn cover(&mut self) {
        for domain in &self.terms[Parameter::Domain as usize] {
            if let Some(wildcard) = parse::wildcard(domain) {
                insert(&mut self.wildcards, wildcard);
            }
        }
    }

    fn len(&self) -> usize {
        self.terms.iter().map(Vec::len).sum()
    }

    /// Returns the terms of a parameter: in lower case, sorted, each once. None if it was not given.
    #[must_use]
    pub fn terms(&self, parameter: Parameter) -> &[Box<str>] {
        &self.terms[parameter as usize]
    }

    /// Returns the wildcards that pass for one of the terms of `domain`, in lower case.
    #[must_use]
    pub fn wildcards(&self) -> &[Box<str>] {
        &self.wildcards
    }

    /// Returns the texts to look for: the terms, and for `domain` the wildcards that stand for them. One
    /// of them has to hold. None if the parameter was not given.
    fn lookups(&self, parameter: Parameter) -> impl Iterator<Item = &str> {
        let wildcards: &[_] = if parameter == Parameter::Domain { &self.wildcards } else { &[] };
        self.terms(parameter).iter().chain(wildcards).map(|text| &**text)
    }

    /// Reports whether a certificate passes.
    #[must_use]
    pub fn passes(&self, subject: &Subject) -> bool {
        Parameter::ALL.into_iter().all(|parameter| self.holds(parameter, subject))
    }

    /// Reports whether one of the terms of a parameter holds for a certificate, or none was given.
    #[must_use]
    pub fn holds(&self, parameter: Parameter, subject: &Subject) -> bool {
        self.terms(parameter).is_empty()
            || self.lookups(parameter).any(|text| subject.has(parameter, text))
    }
}

/// Inserts a text into a sorted list, unless it is there.
fn insert(sorted: &mut Vec<Box<str>>, text: String) {
    if let Err(place) = sorted.binary_search_by(|other| (**other).cmp(&text)) {
        sorted.insert(place, text.into());
    }
}
