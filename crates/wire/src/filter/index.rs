//! Every term that a filter has, once, and which of them hold for a certificate.

use std::collections::HashMap;
use std::sync::Arc;

use ipnet::IpNet;
use slab::Slab;

use super::automaton::Automaton;
use super::share::Share;
use super::subject::{Subject, address};
use super::substrings::{Plan, Substrings};
use super::{Filter, Parameter};

/// A term while it is in the index. Used again for another when it is gone.
pub(super) type TermId = usize;

/// A term of one parameter.
#[derive(Debug)]
pub(super) struct Term {
    parameter: Parameter,
    pub(super) text: Arc<str>,
    /// Filters that have it; without any it only waits to be taken out.
    pub(super) uses: usize,
    /// The keys of the filters to look at when it holds.
    filters: Vec<usize>,
    /// The number of the last certificate that it held for.
    held: u64,
}

/// The terms of all filters.
#[derive(Debug, Default)]
pub(super) struct Index {
    terms: Slab<Term>,
    /// The place of a term, for each of [`Parameter::ALL`].
    ids: [HashMap<Arc<str>, TermId>; Parameter::ALL.len()],
    /// For each of [`SUBSTRINGS`].
    substrings: [Substrings; SUBSTRINGS.len()],
    /// The terms of `ip`, and of `domain` if they are addresses, which are tried one by one.
    networks: HashMap<TermId, IpNet>,
    /// The terms of `part`, which are tried one by one.
    shares: HashMap<TermId, Share>,
    /// Terms in use, and their bytes, without wildcards: these come with the domains below them.
    pub(super) size: Size,
    /// The number of the certificate looked at last.
    certificate: u64,
    /// The terms that held for it and lead to filters.
    hits: Vec<TermId>,
}

/// The parameters whose terms are looked for as parts of a text.
const SUBSTRINGS: [Parameter; 3] = [Parameter::Match, Parameter::Issuer, Parameter::Log];

/// Terms, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) terms: usize,
    pub(super) bytes: usize,
}

impl Index {
    /// Returns the growth of the index if this filter were added.
    pub(super) fn growth(&self, filter: &Filter) -> Size {
        let mut growth = Size::default();
        for parameter in Parameter::ALL {
            let ids = &self.ids[parameter as usize];
            let is_used = |text: &str| ids.get(text).is_some_and(|id| self.terms[*id].uses > 0);
            for text in filter.terms(parameter).iter().filter(|text| !is_used(text)) {
                growth.terms += 1;
                growth.bytes += text.len();
            }
        }
        growth
    }

    /// Counts a use of a term, and adds it if it is new.
    pub(super) fn add(&mut self, parameter: Parameter, text: &str) -> TermId {
        let known = self.ids[parameter as usize].get(text).copied();
        let id = known.unwrap_or_else(|| self.insert(parameter, text));
        let term = &mut self.terms[id];
        term.uses += 1;
        if term.uses == 1 {
            let size = size(parameter, text);
            self.size.terms += size.terms;
            self.size.bytes += size.bytes;
            if let Some(substrings) = substrings(&mut self.substrings, parameter) {
                if known.is_some() { substrings.revive() } else { substrings.add(id, text) }
            }
        }
        id
    }

    fn insert(&mut self, parameter: Parameter, text: &str) -> TermId {
        let text: Arc<str> = text.into();
        let term =
            Term { parameter, text: Arc::clone(&text), uses: 0, filters: Vec::new(), held: 0 };
        let id = self.terms.insert(term);
        // Canonical terms can be read again.
        match parameter {
            Parameter::Domain => self.networks.extend(address(&text).map(|network| (id, network))),
            Parameter::Ip => self.networks.extend(text.parse().map(|network| (id, network))),
            Parameter::Part => self.shares.extend(Share::parse(&text).map(|share| (id, share))),
            _ => {}
        }
        self.ids[parameter as usize].insert(text, id);
        id
    }

    /// Counts off a use of a term.
    pub(super) fn remove(&mut self, id: TermId) {
        let term = &mut self.terms[id];
        term.uses -= 1;
        if term.uses > 0 {
            return;
        }
        let size = size(term.parameter, &term.text);
        self.size.terms -= size.terms;
        self.size.bytes -= size.bytes;
        let gone = match substrings(&mut self.substrings, term.parameter) {
            Some(substrings) => substrings.retire(id),
            None => vec![id],
        };
        self.forget(gone);
    }

    fn forget(&mut self, gone: Vec<TermId>) {
        for id in gone {
            let term = self.terms.remove(id);
            self.ids[term.parameter as usize].remove(&term.text);
            self.networks.remove(&id);
            self.shares.remove(&id);
        }
    }

    /// Has a filter looked at when the term holds.
    pub(super) fn link(&mut self, id: TermId, filter: usize) {
        self.terms[id].filters.push(filter);
    }

    /// Takes back [`link`](Self::link).
    pub(super) fn unlink(&mut self, id: TermId, filter: usize) {
        let filters = &mut self.terms[id].filters;
        if let Some(place) = filters.iter().position(|other| *other == filter) {
            filters.swap_remove(place);
        }
    }

    /// Finds the terms that hold for a certificate. Returns its number.
    pub(super) fn look_at(&mut self, subject: &Subject) -> u64 {
        let Self { terms, ids, substrings, networks, shares, certificate, hits, .. } = self;
        *certificate += 1;
        hits.clear();
        let mut note = |id: TermId| {
            let term = &mut terms[id];
            let is_news = term.held != *certificate;
            if is_news {
                term.held = *certificate;
                if !term.filters.is_empty() {
                    hits.push(id);
                }
            }
            is_news
        };
        let ids = |parameter: Parameter| &ids[parameter as usize];
        let domains = ids(Parameter::Domain);
        if !domains.is_empty() {
            for id in subject.domains().filter_map(|domain| domains.get(domain)) {
                note(*id);
            }
        }
        let [in_names, in_issuer, in_log] = substrings;
        in_names.find(subject.text(Parameter::Match), &mut note);
        in_issuer.find_again(subject.text(Parameter::Issuer), &mut note);
        in_log.find_again(subject.text(Parameter::Log), &mut note);
        let whole = [
            (Parameter::Log, subject.log_id()),
            (Parameter::Entry, subject.entry()),
            (Parameter::New, subject.news()),
        ];
        for id in whole.into_iter().filter_map(|(parameter, text)| ids(parameter).get(text)) {
            note(*id);
        }
        if subject.has_addresses() {
            let found = networks.iter().filter(|(_, network)| subject.is_within(network));
            found.for_each(|(id, _)| _ = note(*id));
        }
        let found = shares.iter().filter(|(_, share)| subject.is_in(**share));
        found.for_each(|(id, _)| _ = note(*id));
        *certificate
    }

    /// Returns the filters to look at: each has a term that held for the last certificate. One may
    /// come more than once.
    pub(super) fn candidates(&self) -> impl Iterator<Item = usize> {
        self.hits.iter().flat_map(|id| self.terms[*id].filters.iter().copied())
    }

    /// Reports whether one of these terms held for the last certificate.
    pub(super) fn any_holds(&self, ids: &[TermId]) -> bool {
        ids.iter().any(|id| self.terms[*id].held == self.certificate)
    }

    /// Reports whether [`plan`](Self::plan) has something to do.
    pub(super) fn is_due(&self) -> bool {
        self.substrings.iter().any(Substrings::is_due)
    }

    /// Returns the automaton to build for a parameter, if any.
    pub(super) fn plan(&mut self, parameter: Parameter) -> Option<Plan> {
        substrings(&mut self.substrings, parameter)?.plan(&self.terms)
    }

    /// Takes an automaton into use.
    pub(super) fn commit(&mut self, parameter: Parameter, built: Option<Automaton>) {
        if let Some(substrings) = substrings(&mut self.substrings, parameter) {
            let gone = substrings.commit(built, &self.terms);
            self.forget(gone);
        }
    }
}

/// Returns the searcher of the terms of a parameter, if they are looked for as parts of a text.
fn substrings(all: &mut [Substrings], parameter: Parameter) -> Option<&mut Substrings> {
    all.get_mut(SUBSTRINGS.iter().position(|other| *other == parameter)?)
}

/// Returns the size of a term. A wildcard has none: no client writes one.
fn size(parameter: Parameter, text: &str) -> Size {
    if parameter == Parameter::Domain && text.starts_with("*.") {
        return Size::default();
    }
    Size { terms: 1, bytes: text.len() }
}
