use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use ct::log_list::{FinalTreeHead, ListedLog, LogKind, LogType};
use proptest::prelude::*;

use super::*;

fn key() -> Vec<u8> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key");
    let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("a key");
    spki.as_ref().to_vec()
}

/// A usable RFC 6962 log of this name at an URL that ends in it.
fn log(name: &str) -> ListedLog {
    let key = key();
    ListedLog {
        operator: "Alder & Sons".to_owned(),
        description: Some(name.to_owned()),
        log_id: LogId::of_key(&key),
        key,
        mmd: None,
        kind: LogKind::Rfc6962 { url: format!("https://ct.alder.net/{name}/") },
        state: Some(State::Usable),
        state_since: None,
        temporal_interval: None,
        log_type: LogType::Prod,
    }
}

fn in_state(log: &ListedLog, state: Option<State>) -> ListedLog {
    ListedLog { state, ..log.clone() }
}

fn at(log: &ListedLog, url: &str) -> ListedLog {
    ListedLog { kind: LogKind::Rfc6962 { url: url.to_owned() }, ..log.clone() }
}

fn list(logs: &[&ListedLog]) -> LogList {
    let logs = logs.iter().map(|log| (*log).clone()).collect();
    LogList { version: None, timestamp: None, logs, skipped: Vec::new(), shortened: 0 }
}

fn merged(signed: &LogList, extra: &LogList) -> Vec<Selected> {
    merge(&[("signed", true, signed), ("extra", false, extra)], &Selection::default())
}

fn names(selected: &[Selected]) -> Vec<&str> {
    selected.iter().map(|selected| selected.log.name.as_str()).collect()
}

#[test]
fn the_union_names_the_lists_of_each_log() {
    let (a, b, c) = (log("a"), log("b"), log("c"));
    let all = merged(&list(&[&a, &b]), &list(&[&b, &c]));
    assert_eq!(names(&all), ["a", "b", "c"]);
    let listings: Vec<_> = all.iter().map(|s| (s.listing.signed, s.listing.lists.len())).collect();
    assert_eq!(listings, [(true, 1), (true, 2), (false, 1)]);
}

#[test]
fn the_signed_list_decides_the_url_and_any_list_selects_a_log() {
    let a = log("a");
    let head = Some(FinalTreeHead { size: 7, root: [1; 32] });
    let retired = in_state(&a, Some(State::Retired));
    let all = merged(&list(&[&retired]), &list(&[&at(&a, "https://elsewhere.net/")]));
    assert_eq!(all[0].log.url, "https://ct.alder.net/a");
    assert_eq!(all[0].listing.state.as_deref(), Some("retired"));
    assert!(merged(&list(&[&retired]), &list(&[&retired])).is_empty());
    let readonly = in_state(&a, Some(State::ReadOnly { final_tree_head: head }));
    let all = merged(&list(&[&readonly]), &list(&[]));
    assert_eq!(
        (all[0].listing.final_head, all[0].listing.state.as_deref()),
        (head, Some("readonly"))
    );
}

#[test]
fn a_log_at_the_url_of_another_is_not_followed() {
    let (a, b) = (log("a"), log("b"));
    let impostor = at(&b, "https://ct.alder.net/a/");
    assert_eq!(names(&merged(&list(&[&a]), &list(&[&impostor]))), ["a"]);
}

#[test]
fn states_and_types_are_chosen() {
    let production = log("production");
    let wants = |selection: &Selection, log_type: &LogType, state: Option<State>| {
        let listed = ListedLog { log_type: log_type.clone(), state, ..production.clone() };
        selection.wants(&listed)
    };
    let ordinary = Selection::default();
    let with_tests = Selection { include_test: true, ..Selection::default() };
    let (prod, test) = (&LogType::Prod, &LogType::Test);
    // (type, state, wanted by default, wanted with tests)
    for (log_type, state, by_default, including_tests) in [
        (prod, Some(State::Qualified), true, true),
        (prod, Some(State::Usable), true, true),
        (prod, Some(State::ReadOnly { final_tree_head: None }), true, true),
        (prod, Some(State::Pending), false, false),
        (prod, Some(State::Retired), false, false),
        (prod, Some(State::Unknown("asleep".to_owned())), false, false),
        (prod, None, false, true),
        (test, None, false, true),
        (test, Some(State::Pending), false, true),
        (test, Some(State::Usable), false, true),
        (test, Some(State::Rejected), false, false),
        (&LogType::MonitoringOnly, None, false, true),
    ] {
        let wanted =
            (wants(&ordinary, log_type, state.clone()), wants(&with_tests, log_type, state));
        assert_eq!(wanted, (by_default, including_tests), "{log_type:?}");
    }
    let no_rfc6962 = Selection { rfc6962: false, ..Selection::default() };
    assert!(!wants(&no_rfc6962, prod, Some(State::Usable)));
}

#[test]
fn logs_are_excluded_by_operator_name_id_and_url() {
    let log = log("Alder 2027h1");
    let kind = LogKind::StaticCt {
        submission_url: "https://submit.alder.net/2027h1/".to_owned(),
        monitoring_url: "https://mon.alder.net:8443/2027h1/".to_owned(),
    };
    let tiled = ListedLog { kind, ..log.clone() };
    let by_log = |what: &str, listed: &ListedLog| {
        let excluded_logs = vec![what.to_owned()];
        !Selection { excluded_logs, ..Selection::default() }.wants(listed)
    };
    let by_operator = |what: &str| {
        let excluded_operators = vec![what.to_owned()];
        !Selection { excluded_operators, ..Selection::default() }.wants(&log)
    };
    assert!(by_operator("alder & sons") && by_operator("AlderSons") && !by_operator("alder"));
    for what in [
        "alder 2027H1".to_owned(),
        log.log_id.to_string(),
        "https://ct.alder.net/Alder 2027h1".to_owned(),
        "ct.alder.net/Alder 2027h1/".to_owned(),
        "https://ct.alder.net".to_owned(),
    ] {
        assert!(by_log(&what, &log), "{what}");
    }
    for what in
        ["alder", "https://ct.alder.ne", "https://ct.alder.net/Alder", "https", "Alder & Sons"]
    {
        assert!(!by_log(what, &log), "{what}");
    }
    assert!(by_log("https://mon.alder.net:8443/2027h1/", &tiled));
    assert!(by_log("submit.alder.net", &tiled));
    assert!(!by_log("mon.alder.net", &tiled), "another port is another host");
}

proptest! {
    #[test]
    fn no_log_is_selected_twice_or_unless_a_list_selects_it(
        picks in prop::collection::vec((0..4_usize, 0..3_usize, 0..4_usize), 0..24),
    ) {
        let logs = ["a", "b", "c", "d"].map(log);
        let states = [Some(State::Usable), Some(State::Retired), None, Some(State::Pending)];
        let mut lists = [list(&[]), list(&[]), list(&[])];
        for (log, which, state) in picks {
            lists[which].logs.push(in_state(&logs[log], states[state].clone()));
        }
        let sources: Vec<_> =
            lists.iter().enumerate().map(|(n, list)| ("l", n == 0, list)).collect();
        let all = merge(&sources, &Selection::default());
        let urls: HashSet<_> = all.iter().map(|selected| &selected.log.url).collect();
        prop_assert_eq!(urls.len(), all.len());
        for log in &logs {
            let listed = lists.iter().flat_map(|list| &list.logs).filter(|l| l.log_id == log.log_id);
            let wanted = listed.clone().any(|listed| listed.state == Some(State::Usable));
            let selected = all.iter().find(|selected| selected.log.id == Some(log.log_id));
            prop_assert_eq!(selected.is_some(), wanted);
            if let Some(selected) = selected {
                prop_assert_eq!(selected.listing.lists.len(), listed.count());
            }
        }
    }
}
