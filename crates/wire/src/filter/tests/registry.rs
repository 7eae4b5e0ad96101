//! Registrations, their limits and their shares.

use super::*;

const LIMITS: Limits = Limits { terms: 10, term_bytes: 1000 };

fn matching(filters: &Filters, subjects: &[Subject]) -> (Vec<(u64, u32)>, u64) {
    let mut found = Vec::new();
    let covered =
        filters.matching(subjects, |subject, scratch| scratch.clone_from(subject), &mut found);
    found.sort_unstable();
    (found, covered)
}

#[test]
fn ids_grow_and_equal_filters_share_one() {
    let filters = Filters::new(LIMITS);
    assert_eq!(matching(&filters, &[subject(["a.com"])]), (vec![], 0));
    let first = filters.register(filter("domain=a.com")).unwrap();
    let second = filters.register(filter("domain=b.com")).unwrap();
    let again = filters.register(filter("domain=A.com.")).unwrap();
    assert!(first.id() < second.id());
    assert_eq!(first.id(), again.id());
    assert_eq!(filters.stats(), Stats { registered: 3, filters: 2, terms: 2 });

    drop(first);
    let (found, covered) = matching(&filters, &[subject(["a.com", "b.com", "www.a.com"])]);
    assert_eq!(found, [(again.id(), 0), (second.id(), 0)], "once, though registered twice");
    assert!(covered > second.id());

    drop(again);
    assert_eq!(filters.stats(), Stats { registered: 1, filters: 1, terms: 1 });
    let later = filters.register(filter("domain=a.com")).unwrap();
    assert_eq!(later.id(), covered, "not used again, and not covered before");
    assert_eq!(later.filter(), &filter("domain=a.com"));
    drop((second, later));
    assert_eq!(filters.stats(), Stats::default());
    assert_eq!(matching(&filters, &[subject(["a.com"])]).0, []);
}

#[test]
fn every_message_of_a_page_has_its_position() {
    let filters = Filters::new(LIMITS);
    let all = filters.register(filter("domain=com")).unwrap();
    let some = filters.register(filter("match=pay&issuer=r10")).unwrap();
    let page = [["a.com"], ["pay.com"], ["b.org"], ["pay.org"]].map(subject);
    let (found, covered) = matching(&filters, &page);
    assert_eq!(found, [(all.id(), 0), (all.id(), 1), (some.id(), 1), (some.id(), 3)]);
    assert_eq!(covered, some.id() + 1);
}

#[test]
fn different_terms_are_limited_over_all_filters() {
    let filters = Filters::new(LIMITS);
    let held: Vec<_> = (0..5)
        .map(|n| filters.register(filter(&format!("domain={n}.com,x{n}.com"))).unwrap())
        .collect();
    let known = filters.register(filter("domain=0.com,x1.com")).unwrap();
    let error = filters.register(filter("domain=0.com&issuer=0.com")).unwrap_err();
    assert_eq!(error, FilterError::TooManyDistinct { most: 10 });
    assert!(error.to_string().contains("limit of 10 different terms"), "{error}");
    assert_eq!(filters.stats(), Stats { registered: 6, filters: 6, terms: 10 });
    drop(held);
    assert_eq!(filters.stats().terms, 2);
    let again = filters.register(filter("domain=0.com&issuer=0.com")).unwrap();
    assert!(again.id() > known.id());
}

#[test]
fn an_owner_has_a_share_of_the_terms() {
    let filters = Filters::new(Limits { terms: 12, term_bytes: 1000 });
    let add = |owner, query: &str| filters.register_for(owner, filter(query));
    let first = add(1, "domain=a.com,b.com").unwrap();
    let again = add(1, "domain=a.com,b.com").unwrap();
    let third = add(1, "domain=c.com").unwrap();
    let full = FilterError::ShareTaken { most: 3, most_bytes: 250 };
    assert_eq!(add(1, "domain=d.com").unwrap_err(), full);
    assert_eq!(add(1, "domain=a.com").unwrap_err(), full, "another filter, though of known terms");
    let known = add(1, "domain=c.com").unwrap();
    let other = add(2, "domain=d.com").unwrap();
    assert!(add(3, "domain=1.com,2.com,3.com,4.com").is_ok(), "one filter is always allowed");
    drop(first);
    assert_eq!(add(1, "domain=d.com").unwrap_err(), full, "it is registered once more");
    drop((again, third));
    assert!(add(1, "domain=d.com").is_ok());
    drop((known, other));
    let long = |letter: &str| format!("match={}", letter.repeat(200));
    let held = add(1, &long("a")).unwrap();
    assert_eq!(add(1, &long("b")).unwrap_err(), full, "in bytes");
    assert!(add(2, &long("b")).is_ok());
    drop(held);
    assert_eq!(filters.stats(), Stats::default());
}

#[test]
fn wildcards_that_come_with_domains_do_not_count() {
    let filters = Filters::new(Limits { terms: 2, term_bytes: 14 });
    let held = filters.register(filter("domain=a.b.com,c.b.com")).unwrap();
    assert_eq!(filters.stats().terms, 2);
    assert_eq!(matching(&filters, &[subject(["*.b.com"])]).0, [(held.id(), 0)]);
    let exact = filters.register(filter("domain=a.b.com&exact=true")).unwrap();
    assert_ne!(held.id(), exact.id());
    assert_eq!(matching(&filters, &[subject(["*.b.com"])]).0, [(held.id(), 0)]);
    drop(held);
    assert_eq!(filters.stats().terms, 1);
    assert_eq!(matching(&filters, &[subject(["*.b.com"])]).0, []);
    assert_eq!(matching(&filters, &[subject(["a.b.com"])]).0, [(exact.id(), 0)]);
}

#[test]
fn the_bytes_of_terms_are_limited() {
    let filters = Filters::new(LIMITS);
    let long = |letter: &str| filter(&format!("match={}", letter.repeat(250)));
    let held: Vec<_> = ["a", "b", "c", "d"].map(|one| filters.register(long(one)).unwrap()).into();
    let error = filters.register(filter("match=xyz")).unwrap_err();
    assert_eq!(error, FilterError::TooManyBytes { most: 1000 });
    assert!(error.to_string().contains("limit of 1000 bytes"), "{error}");
    drop(held);
    assert!(filters.register(filter("match=xyz")).is_ok());
}

#[test]
fn other_limits_concern_what_comes_later() {
    let filters = Filters::new(LIMITS);
    let held = filters.register(filter("domain=1.com,2.com,3.com")).unwrap();
    filters.set_limits(Limits { terms: 2, ..LIMITS });
    assert_eq!(filters.stats().terms, 3);
    let error = filters.register(filter("domain=4.com")).unwrap_err();
    assert_eq!(error, FilterError::TooManyDistinct { most: 2 });
    filters.set_limits(LIMITS);
    assert!(filters.register(filter("domain=4.com")).is_ok());
    drop(held);
}

#[test]
fn a_filter_is_effective_before_and_after_compaction() {
    let filters = Filters::new(Limits { terms: 1000, term_bytes: 100_000 });
    let mut held = Vec::new();
    let found = |n: usize| {
        let name = format!("www.HOST{n:03}.example");
        matching(&filters, &[subject([&*name])]).0
    };
    for n in 0..300 {
        let query = format!("match=host{n:03}&issuer=r10&log=argon");
        held.push(Some(filters.register(filter(&query)).unwrap()));
        let id = held[n].as_ref().map(Registered::id).unwrap();
        assert_eq!(found(n), [(id, 0)]);
        if n % 7 == 0 && filters.is_compaction_due() {
            filters.compact();
            assert!(!filters.is_compaction_due());
            assert_eq!(found(n), [(id, 0)]);
        }
        if n % 3 == 0 {
            drop(held[n / 2].take());
            assert_eq!(found(n / 2), []);
        }
    }
    drop(held);
    assert_eq!(filters.stats(), Stats::default());
    assert!(!filters.is_compaction_due());
}

#[test]
fn ten_thousand_terms_that_all_hold() {
    let filters = Filters::new(Limits { terms: 10_000, term_bytes: 2_000_000 });
    // Runs of one letter, each within the next, are what overlaps most; then parts of long names.
    let letters = ('a'..='t')
        .flat_map(|letter| (3..=253).map(move |length| String::from(letter).repeat(length)));
    let numbers = (0..4_980).map(|number| format!("n{number}."));
    let terms: Vec<String> = letters.chain(numbers).collect();
    assert_eq!(terms.len(), 10_000);
    let held: Vec<_> = terms
        .chunks(20)
        .map(|terms| filters.register(filter(&format!("match={}", terms.join(",")))).unwrap())
        .collect();
    filters.compact();
    let runs = ('a'..='t').map(|letter| String::from(letter).repeat(2_000));
    let names: Vec<String> = runs.chain(terms.iter().skip(5_020).cloned()).collect();
    let (found, _) = matching(&filters, &[subject(names.iter().map(|name| &**name))]);
    let all: Vec<_> = held.iter().map(|registered| (registered.id(), 0)).collect();
    assert_eq!(found, all);
    let (found, _) = matching(&filters, &[subject(["a".repeat(252).as_str()])]);
    assert_eq!(found.len(), 250_usize.div_ceil(20), "all but the longest run of a");
}
