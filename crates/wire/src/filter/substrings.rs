//! The terms that are looked for as parts of a text, while clients come and go.
//!
//! An automaton finds any number of terms in one pass, but it has to be built. So a new term is
//! first looked for by itself, which is effective at once. When [`RECENT`] of them have gathered
//! they become an automaton, and automata are merged with others of their size or smaller, as the
//! runs of a log-structured merge tree are: there are never more than a few, and a term is built
//! into a few in its life, whatever clients do. Building is split in [`plan`](Substrings::plan) and
//! [`commit`](Substrings::commit), so that it can happen elsewhere and without a lock.
//!
//! A term without a filter stays in its automaton until that is merged. If it is needed
//! again before, it is there already.

use std::collections::HashMap;
use std::sync::Arc;

use memchr::memmem::Finder;
use slab::Slab;

use super::automaton::Automaton;
use super::index::{Term, TermId};

/// New terms that are to become an automaton. Tests see merges with fewer.
pub(super) const RECENT: usize = if cfg!(test) { 4 } else { 32 };

/// An automaton is merged with new terms if it has at most so many times as many.
const MERGE_RATIO: usize = 4;

/// Texts of which it is known what is found in them, at most, and terms of such a text.
const KNOWN_TEXTS: usize = 256;
const KNOWN_TERMS: usize = 256;

/// The terms of one parameter.
#[derive(Debug, Default)]
pub(super) struct Substrings {
    /// Not in an automaton. The first `planned` of them are being built into one.
    recent: Vec<Recent>,
    planned: usize,
    /// Every other term is in one of these.
    runs: Vec<Run>,
    /// Terms of the runs being merged that had no filter when that was planned.
    left_out: Vec<TermId>,
    /// Terms that a filter has.
    wanted: usize,
    /// The terms found in a text since the terms last changed.
    known: HashMap<Box<str>, Box<[TermId]>>,
}

#[derive(Debug)]
struct Recent {
    id: TermId,
    finder: Finder<'static>,
}

impl Recent {
    fn new(id: TermId, text: &str) -> Self {
        Self { id, finder: Finder::new(text).into_owned() }
    }
}

#[derive(Debug)]
struct Run {
    automaton: Automaton,
    merging: bool,
}

/// The terms to build an automaton of.
pub(super) type Plan = Vec<(TermId, Arc<str>)>;

impl Substrings {
    /// Adds a term that is not here.
    pub(super) fn add(&mut self, id: TermId, text: &str) {
        self.recent.push(Recent::new(id, text));
        self.wanted += 1;
        self.known.clear();
    }

    /// Counts a term here that has a filter again.
    pub(super) const fn revive(&mut self) {
        self.wanted += 1;
    }

    /// Counts off a term here that has no filter any more. Returns the terms that are gone, if any.
    pub(super) fn retire(&mut self, id: TermId) -> Vec<TermId> {
        self.wanted -= 1;
        self.known.clear();
        if self.planned == 0 && self.wanted == 0 {
            let recent = self.recent.drain(..).map(|recent| recent.id);
            let runs = self.runs.iter().flat_map(|run| run.automaton.terms().iter().copied());
            let all = recent.chain(runs).collect();
            self.runs = Vec::new();
            return all;
        }
        let place = self.recent.iter().skip(self.planned).position(|recent| recent.id == id);
        place.map_or_else(Vec::new, |place| vec![self.recent.remove(self.planned + place).id])
    }

    /// Calls `note` for every term in the text; it returns whether that was news.
    pub(super) fn find(&self, text: &str, mut note: impl FnMut(TermId) -> bool) {
        for recent in &self.recent {
            if recent.finder.find(text.as_bytes()).is_some() {
                note(recent.id);
            }
        }
        for run in &self.runs {
            run.automaton.find(text, &mut note);
        }
    }

    /// [`find`](Self::find) for a text that comes again and again, as there are few issuers and few
    /// logs. Terms are news as long as none was noted for another reason.
    pub(super) fn find_again(&mut self, text: &str, mut note: impl FnMut(TermId) -> bool) {
        if self.wanted == 0 {
            return;
        }
        if let Some(found) = self.known.get(text) {
            found.iter().for_each(|id| _ = note(*id));
            return;
        }
        let mut found = Vec::new();
        self.find(text, |id| {
            let is_news = note(id);
            found.extend(is_news.then_some(id));
            is_news
        });
        if self.known.len() == KNOWN_TEXTS {
            self.known.clear();
        }
        if found.len() <= KNOWN_TERMS {
            self.known.insert(text.into(), found.into());
        }
    }

    /// Reports whether enough terms have gathered to build.
    pub(super) const fn is_due(&self) -> bool {
        self.planned == 0 && self.recent.len() >= RECENT
    }

    /// Returns what to build next, if that is due and is not being done: the new terms and those of the
    /// automata to be merged with them. Everything stays in use until it is built.
    pub(super) fn plan(&mut self, terms: &Slab<Term>) -> Option<Plan> {
        if !self.is_due() {
            return None;
        }
        self.planned = self.recent.len();
        let mut wanted: Vec<TermId> = self.recent.iter().map(|recent| recent.id).collect();
        let is_wanted = |id: &TermId| terms.get(*id).is_some_and(|term| term.uses > 0);
        // Each merge may make another automaton small enough.
        while let Some(run) = self.runs.iter_mut().find(|run| {
            let all = run.automaton.terms();
            let count = all.iter().copied().filter(is_wanted).count();
            !run.merging && (count <= MERGE_RATIO * wanted.len() || 2 * count < all.len())
        }) {
            run.merging = true;
            let all = run.automaton.terms().iter().copied();
            let (kept, left_out): (Vec<_>, Vec<_>) = all.partition(is_wanted);
            wanted.extend(kept);
            self.left_out.extend(left_out);
        }
        let text = |id: TermId| terms.get(id).map(|term| (id, term.text.clone()));
        Some(wanted.into_iter().filter_map(text).collect())
    }

    /// Takes an automaton into use, or continues as before if it could not be built. Returns the terms
    /// that are gone.
    pub(super) fn commit(&mut self, built: Option<Automaton>, terms: &Slab<Term>) -> Vec<TermId> {
        let left_out = std::mem::take(&mut self.left_out);
        let planned = std::mem::take(&mut self.planned);
        let Some(automaton) = built else {
            self.runs.iter_mut().for_each(|run| run.merging = false);
            return Vec::new();
        };
        self.runs.retain(|run| !run.merging);
        self.runs.push(Run { automaton, merging: false });
        self.known.clear();
        self.recent.drain(..planned);
        let (revived, gone): (Vec<_>, Vec<_>) =
            left_out.into_iter().partition(|id| terms.get(*id).is_some_and(|term| term.uses > 0));
        for id in revived {
            if let Some(term) = terms.get(id) {
                self.recent.push(Recent::new(id, &term.text));
            }
        }
        gone
    }
}
