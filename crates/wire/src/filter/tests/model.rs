//! The index and the filters both say what a plain reading of the parameters says, whatever comes
//! and goes.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::filter::automaton::Automaton;
use crate::filter::substrings::RECENT;

/// The parameters of a request.
type Written = Vec<(String, String)>;

/// A registered filter, and how it was written.
struct Held {
    registered: Registered,
    written: Written,
}

#[derive(Clone, Debug)]
struct Certificate {
    names: Vec<String>,
    addresses: Vec<IpAddr>,
    issuer: String,
    source: usize,
    digest: u64,
    kind: EntryKind,
    is_new: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Register(Written),
    /// The registration to drop, modulo how many there are.
    Drop(usize),
    DropAll,
    /// Begins a compaction, if one is due and none is under way.
    Plan,
    /// Ends it.
    Commit,
    /// Ends it without an automaton.
    Fail,
    Judge(Vec<Certificate>),
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
        8 => ("match", "[ab.]{3,9}"),
        6 => ("domain", domain),
        1 => ("domain", "10\\.0\\.0\\.[0-3]|::[0-3]"),
        2 => ("issuer", "[ab]{1,4}"),
        2 => ("log", "[ab]{1,3}|aa="),
        1 => ("ip", "10\\.0\\.0\\.[0-3](/(0|8|30|31|32))?|::[0-3](/(0|8|126|127|128))?"),
        1 => ("part", "[12]/2|[1-3]/3"),
        1 => ("entry", "precert|final"),
        1 => ("new", "true"),
    ];
    let filter = (prop::collection::vec(terms, 1..4), any::<bool>()).prop_map(|(terms, exact)| {
        let mut written: Written = terms;
        if written.iter().any(|(name, _)| name == "domain") {
            written.push(("exact".to_owned(), exact.to_string()));
        }
        written
    });
    let name = prop_oneof![
        Just("*.aa.b.".to_owned()),
        "(\\*|[ab]{1,3})(\\.(\\*|[abAB]{1,2})){0,3}",
        "[ab.\n]{0,12}"
    ];
    let address = "10\\.0\\.0\\.[0-3]|11\\.0\\.0\\.1|::[0-3]|b::"
        .prop_map(|text| text.parse::<IpAddr>().unwrap());
    let names = (prop::collection::vec(name, 0..4), prop::collection::vec(address, 0..3));
    let kind = prop::sample::select(EntryKind::ALL.to_vec());
    let subject = (names, "[abAB]{0,4}", 0..3_usize, any::<u64>(), kind, any::<bool>()).prop_map(
        |((names, addresses), issuer, source, digest, kind, is_new)| Certificate {
            names,
            addresses,
            issuer,
            source,
            digest,
            kind,
            is_new,
        },
    );
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

fn subjects(certificates: &[Certificate]) -> Vec<Subject> {
    let sources = sources();
    let subject = |certificate: &Certificate| {
        let mut subject = Subject::default();
        certificate.names.iter().for_each(|name| subject.add_name(name));
        certificate.addresses.iter().for_each(|address| subject.add_address(*address));
        subject.add_issuer(&certificate.issuer);
        subject.set_log(&sources[certificate.source]);
        let mut sha256 = [0xee; 32];
        sha256[..8].copy_from_slice(&certificate.digest.to_be_bytes());
        subject.set_sha256(&sha256);
        subject.set_kind(certificate.kind);
        subject.set_new(certificate.is_new);
        subject
    };
    certificates.iter().map(subject).collect()
}

/// The meaning of the parameters, without any of the code under test.
fn wants(written: &Written, certificate: &Certificate) -> bool {
    let exact = written.iter().any(|(name, value)| name == "exact" && value == "true");
    let given = written.iter().filter(|(name, _)| name != "exact");
    given.clone().all(|(name, _)| {
        let mut terms = given.clone().filter(|(other, _)| other == name);
        terms.any(|(name, term)| holds(name, term, exact, certificate))
    })
}

fn holds(name: &str, term: &str, exact: bool, certificate: &Certificate) -> bool {
    let source = &sources()[certificate.source];
    let lower = |text: &String| text.to_lowercase().replace('\n', "\u{fffd}");
    let mut names = certificate.names.iter().map(lower);
    match name {
        "domain" => {
            let wildcard = term.split_once('.').map(|(_, parent)| format!("*.{parent}"));
            let is_meant = |name: String| {
                let name = name.strip_suffix('.').unwrap_or(&name);
                name == term
                    || name.ends_with(&format!(".{term}"))
                    || !exact && wildcard.as_deref() == Some(name)
            };
            names.any(is_meant)
                || certificate.addresses.iter().any(|address| Ok(*address) == term.parse())
        }
        "match" => names.any(|name| name.contains(term)),
        "issuer" => lower(&certificate.issuer).contains(term),
        "log" => {
            let id = source.log_id().unwrap_or_default().to_lowercase();
            let texts = [source.name(), source.url()].map(str::to_lowercase);
            id == term || texts.iter().any(|text| text.contains(term))
        }
        "ip" => {
            let (network, length) = term.split_once('/').unwrap_or((term, "128"));
            let bits = |address: &IpAddr| match address {
                IpAddr::V4(address) => (32, u128::from(address.to_bits())),
                IpAddr::V6(address) => (128, address.to_bits()),
            };
            let (width, network) = bits(&network.parse().unwrap());
            let rest = width - length.parse::<u32>().unwrap().min(width);
            let prefix = |bits: u128| bits.checked_shr(rest).unwrap_or(0);
            let is_within = |address: &IpAddr| {
                let (same, bits) = bits(address);
                same == width && prefix(bits) == prefix(network)
            };
            certificate.addresses.iter().any(is_within)
        }
        "part" => {
            let (share, count) = term.split_once('/').unwrap();
            let [share, count] = [share, count].map(|number| number.parse::<u64>().unwrap());
            certificate.digest % count + 1 == share
        }
        "entry" => (certificate.kind == EntryKind::PrecertLogEntry) == (term == "precert"),
        "new" => certificate.is_new,
        other => panic!("{other}"),
    }
}

fn expected(held: &[Held], certificates: &[Certificate]) -> Vec<(u64, u32)> {
    let distinct: BTreeMap<u64, &Written> =
        held.iter().map(|held| (held.registered.id(), &held.written)).collect();
    let all = distinct.iter().flat_map(|(id, written)| {
        let wanted = (0..).zip(certificates).filter(move |(_, one)| wants(written, one));
        wanted.map(move |(at, _)| (*id, at))
    });
    all.collect()
}

/// The messages that a reader which renders for itself gets.
fn passed(held: &[Held], subjects: &[Subject]) -> Vec<(u64, u32)> {
    let distinct: BTreeMap<u64, &Filter> =
        held.iter().map(|held| (held.registered.id(), held.registered.filter())).collect();
    let all = distinct.iter().flat_map(|(id, filter)| {
        (0..).zip(subjects).filter(|(_, subject)| filter.passes(subject)).map(|(at, _)| (*id, at))
    });
    all.collect()
}

fn distinct_terms(held: &[Held]) -> usize {
    let terms = held.iter().flat_map(|held| {
        Parameter::ALL.into_iter().flat_map(|parameter| {
            let terms = held.registered.filter().terms(parameter);
            terms.iter().map(move |term| (parameter, term.clone()))
        })
    });
    terms.collect::<HashSet<_>>().len()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_index_and_the_filters_agree_with_a_plain_reading(steps in prop::collection::vec(step(), 1..120)) {
        let filters = Filters::new(Limits { terms: 1000, term_bytes: 10_000 });
        let mut held: Vec<Held> = Vec::new();
        let mut planned = None;
        let mut newest = None;
        for step in steps {
            match step {
                Step::Register(written) => {
                    let pairs = written.iter().map(|(name, term)| (name, term));
                    let filter = Filter::parse(pairs, 20).unwrap().unwrap();
                    let known = held.iter().find(|other| other.registered.filter() == &filter);
                    let known = known.map(|known| known.registered.id());
                    let registered = filters.register(filter).unwrap();
                    if known.is_some() {
                        prop_assert_eq!(known, Some(registered.id()));
                    } else {
                        prop_assert!(newest < Some(registered.id()));
                        newest = Some(registered.id());
                    }
                    held.push(Held { registered, written });
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
                Step::Judge(certificates) => {
                    let subjects = subjects(&certificates);
                    let mut found = Vec::new();
                    let describe = |subject: &Subject, scratch: &mut Subject| {
                        scratch.clone_from(subject);
                    };
                    let covered = filters.matching(&subjects, describe, &mut found);
                    found.sort_unstable();
                    prop_assert_eq!(&found, &expected(&held, &certificates));
                    prop_assert_eq!(&found, &passed(&held, &subjects));
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
