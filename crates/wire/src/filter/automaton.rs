//! Many terms looked for at once.

use std::sync::Arc;

use aho_corasick::automaton::Automaton as _;
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, BuildError, MatchKind};

use super::index::TermId;

/// An Aho-Corasick automaton: finds all of its terms in one pass over a text. It cannot be changed.
#[derive(Debug)]
pub(super) struct Automaton {
    nfa: NFA,
    /// The terms in the order of the automaton's patterns.
    terms: Vec<TermId>,
}

impl Automaton {
    /// An automaton of terms, each given once. Takes microseconds for each term.
    pub(super) fn build(terms: &[(TermId, Arc<str>)]) -> Result<Self, BuildError> {
        let nfa = NFA::builder()
            .match_kind(MatchKind::Standard)
            .prefilter(false)
            .build(terms.iter().map(|(_, text)| text.as_bytes()))?;
        Ok(Self { nfa, terms: terms.iter().map(|(id, _)| *id).collect() })
    }

    pub(super) fn terms(&self) -> &[TermId] {
        &self.terms
    }

    /// Calls `note` for every term in the text. It tells whether that was news: of what ends in the
    /// same place as a term noted before, nothing can be news, because the shorter terms it ends in
    /// were noted with it. So one text costs its length and each term once, however terms overlap.
    pub(super) fn find(&self, text: &str, mut note: impl FnMut(TermId) -> bool) {
        let Ok(mut state) = self.nfa.start_state(Anchored::No) else { return };
        for &byte in text.as_bytes() {
            state = self.nfa.next_state(Anchored::No, state, byte);
            if !self.nfa.is_special(state) || !self.nfa.is_match(state) {
                continue;
            }
            // The longest comes first: a state's own pattern, then those of its failure state.
            let patterns = (0..self.nfa.match_len(state))
                .map(|index| self.nfa.match_pattern(state, index).as_usize());
            for id in patterns.filter_map(|pattern| self.terms.get(pattern)) {
                if !note(*id) {
                    break;
                }
            }
        }
    }
}
