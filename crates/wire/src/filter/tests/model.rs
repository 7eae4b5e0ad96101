//! The index says what the filters say, whatever comes and goes.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;

use super::*;
use crate::filter::automaton::Automaton;
use crate::filter::substrings::RECENT;

#[derive(Clone, Debug)]
enum Step {
    Register(Filter),
    /// The registration to drop, modulo how many there are.
    Drop(usize),
    DropAll,
    /// Begins a compaction, if one is due and none is under way.
    Plan,
    /// Ends it.
    Commit,
    /// Ends it without an automaton.
    Fail,
    Judge(Vec<(Vec<String>, String, usize)>),
}

fn sources() -> [Source; 3] {
    let source = |name: &str, url: &str, id: Option<&str>| {
        Source::new(name, url, "", SourceKind::Tiled, id.map(str::to_owned))
    };
    [
        source("aab log", "http://b.a/", Some("aba")),
        source("Bab", "http://ab", Some("AA=")),
        source("bb", "http://a.b/aa", None),
    ]
}

/// Few letters, so that terms lie within each other and are found.
fn step() -> impl Strategy<Value = Step> {
    let domain = "(a|b|aa|ab)(\\.(a|b)){0,2}";
    let terms = prop_oneof![
        4 => ("match", "[ab.]{3,9}"),
        2 => ("domain", domain),
        1 => ("issuer", "[ab]{1,4}"),
        1 => ("log", "[ab]{1,3}|aa="),
    ];
    let filter = prop::collection::vec(terms.prop_map(|(name, term)| (name, term)), 1..4);
    let filter = filter.prop_map(|terms| Filter::parse(terms, 20).unwrap().unwrap());
    let name =
        prop_oneof![Just("*.aa.b.".to_owned()), "[ab]{1,3}(\\.[abAB]{1,4}){0,3}", "[ab.\n]{0,12}"];
    let subject = (prop::collection::vec(name, 0..4), "[abAB]{0,4}", 0..3_usize);
    prop_oneof![
        12 => filter.prop_map(Step::Register),
        5 => any::<usize>().prop_map(Step::Drop),
        1 => Just(Step::DropAll),
        4 => Just(Step::Plan),
        4 => Just(Step::Commit),
        1 => Just(Step::Fail),
        6 => prop::collection::vec(subject, 1..4).prop_map(Step::Judge),
    ]
}

fn subjects(raw: &[(Vec<String>, String, usize)]) -> Vec<Subject> {
    let sources = sources();
    raw.iter()
        .map(|(names, issuer, source)| {
            let mut subject = Subject::default();
            names.iter().for_each(|name| subject.add_name(name));
            subject.add_issuer(issuer);
            subject.set_log(&sources[*source]);
            subject
        })
        .collect()
}

fn expected(held: &[Registered], subjects: &[Subject]) -> Vec<(u64, u32)> {
    let distinct: BTreeMap<u64, &Filter> =
        held.iter().map(|registered| (registered.id(), registered.filter())).collect();
    let all = distinct.iter().flat_map(|(id, filter)| {
        (0..).zip(subjects).filter(|(_, subject)| filter.passes(subject)).map(|(at, _)| (*id, at))
    });
    all.collect()
}

fn distinct_terms(held: &[Registered]) -> usize {
    let terms = held.iter().flat_map(|registered| {
        Parameter::ALL.into_iter().flat_map(|parameter| {
            registered.filter().terms(parameter).iter().map(move |term| (parameter, term.clone()))
        })
    });
    terms.collect::<HashSet<_>>().len()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_index_says_what_the_filters_say(steps in prop::collection::vec(step(), 1..120)) {
        let filters = Filters::new(Limits { terms: 1000, term_bytes: 10_000 });
        let mut held: Vec<Registered> = Vec::new();
        let mut planned = None;
        let mut newest = None;
        for step in steps {
            match step {
                Step::Register(filter) => {
                    let known = held.iter().find(|other| other.filter() == &filter);
                    let known = known.map(Registered::id);
                    let registered = filters.register(filter).unwrap();
                    if known.is_some() {
                        prop_assert_eq!(known, Some(registered.id()));
                    } else {
                        prop_assert!(newest < Some(registered.id()));
                        newest = Some(registered.id());
                    }
                    held.push(registered);
                }
                Step::Drop(_) if held.is_empty() => {}
                Step::Drop(which) => drop(held.swap_remove(which % held.len())),
                Step::DropAll => held.clear(),
                Step::Plan if planned.is_none() => {
                    planned = Parameter::ALL
                        .into_iter()
                        .find_map(|parameter| Some((parameter, filters.plan(parameter)?)));
                    if let Some((_, plan)) = &planned {
                        prop_assert!(plan.len() >= RECENT);
                    }
                }
                Step::Commit | Step::Fail => {
                    if let Some((parameter, plan)) = planned.take() {
                        let built = Automaton::build(&plan).ok();
                        let built = built.filter(|_| matches!(step, Step::Commit));
                        filters.commit(parameter, built);
                    }
                }
                Step::Plan => {}
                Step::Judge(raw) => {
                    let subjects = subjects(&raw);
                    let mut found = Vec::new();
                    let describe = |subject: &Subject, scratch: &mut Subject| {
                        scratch.clone_from(subject);
                    };
                    let covered = filters.matching(&subjects, describe, &mut found);
                    found.sort_unstable();
                    prop_assert_eq!(found, expected(&held, &subjects));
                    prop_assert_eq!(Some(covered), newest.map_or(Some(0), |id| Some(id + 1)));
                }
            }
            let stats = filters.stats();
            prop_assert_eq!(stats.registered, held.len());
            prop_assert_eq!(stats.terms, distinct_terms(&held));
        }
        // Nothing stays behind.
        held.clear();
        if let Some((parameter, plan)) = planned.take() {
            filters.commit(parameter, Automaton::build(&plan).ok());
        }
        prop_assert_eq!(filters.stats(), Stats::default());
    }
}
