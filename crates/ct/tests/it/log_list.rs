//! Log lists: Chrome's with its signature, others, and broken ones.

use std::path::Path;

use ct::log_list::{
    CHROME_KEY_PEM, ListError, LogKind, LogList, MAX_LIST_BYTES, SkipReason, State, Version, origin,
};
use ct::signature::{KeyError, PublicKey, SignatureError};

use crate::{data, read};

fn parse(path: &Path) -> Result<LogList, ListError> {
    LogList::parse(&read(path))
}

fn verify(list: &Path) -> Result<(), SignatureError> {
    let key = PublicKey::from_pem(CHROME_KEY_PEM).unwrap();
    key.verify_sha256(&read(list), &read(&list.with_extension("sig")))
}

fn count(list: &LogList) -> (usize, usize) {
    let tiled = list.logs.iter().filter(|log| matches!(log.kind, LogKind::StaticCt { .. })).count();
    (list.logs.len() - tiled, tiled)
}

#[test]
fn the_embedded_key_is_chromes() {
    let Some(data) = data() else { return };
    assert_eq!(CHROME_KEY_PEM.as_bytes(), read(&data.join("loglist/log_list_pubkey.pem")));
}

#[test]
fn chromes_list_of_2026() {
    let Some(data) = data() else { return };
    let path = data.join("loglist/google-2026-05-29/log_list.json");
    assert_eq!(verify(&path), Ok(()));
    let list = parse(&path).unwrap();
    assert_eq!(list.version, Some(Version { major: 85, minor: 92 }));
    assert_eq!(list.timestamp.unwrap().to_string(), "2026-05-29T13:42:48Z");

    // 35 and 21, less a placeholder for each operator that has tiled logs alone.
    assert_eq!(count(&list), (33, 21));
    let skipped: Vec<_> = list.skipped.iter().map(|s| (s.operator.as_deref(), &s.why)).collect();
    let placeholder = &SkipReason::Placeholder;
    assert_eq!(skipped, [(Some("Geomys"), placeholder), (Some("IPng Networks"), placeholder)]);
    assert!(list.skipped[0].what.starts_with("Bogus placeholder log"));

    let in_state = |state: fn(&State) -> bool| {
        list.logs.iter().filter(|log| log.state.as_ref().is_some_and(state)).count()
    };
    assert_eq!(in_state(|state| *state == State::Usable), 48);
    assert_eq!(in_state(|state| *state == State::Retired), 2);
    let with_final_head = |state: &State| matches!(state, State::ReadOnly { final_tree_head: Some(head) } if head.size > 0);
    assert_eq!(in_state(with_final_head), 4);
    for log in &list.logs {
        assert!(log.description.is_some() && log.temporal_interval.is_some());
        assert!(log.state_since.is_some());
        assert!(PublicKey::from_spki(&log.key).is_ok_and(|key| key.log_id() == log.log_id));
        let mmd = if matches!(log.kind, LogKind::StaticCt { .. }) { 60 } else { 86_400 };
        assert_eq!(log.mmd, Some(mmd), "{:?}", log.description);
    }
    let willow = list.logs.iter().find_map(|log| match &log.kind {
        LogKind::StaticCt { submission_url, .. } if submission_url.contains("willow") => {
            Some(origin(submission_url))
        }
        _ => None,
    });
    assert!(willow.unwrap().starts_with("log.willow.ct.letsencrypt.org/20"), "{willow:?}");
}

#[test]
fn chromes_list_of_2022() {
    let Some(data) = data() else { return };
    let path = data.join("loglist/google-2022-09-20/log_list.json");
    assert_eq!(verify(&path), Ok(()));
    let list = parse(&path).unwrap();
    assert_eq!(count(&list), (29, 0));
    assert_eq!(list.skipped, []);
    let of_2026 = parse(&data.join("loglist/google-2026-05-29/log_list.json")).unwrap();
    assert!(list.version < of_2026.version && list.timestamp < of_2026.timestamp);
}

#[test]
fn a_signature_over_other_bytes_is_refused() {
    let Some(data) = data() else { return };
    let key = PublicKey::from_pem(CHROME_KEY_PEM).unwrap();
    let of_2026 = data.join("loglist/google-2026-05-29/log_list.json");
    let (list, signature) = (read(&of_2026), read(&of_2026.with_extension("sig")));
    for other in [
        list.trim_ascii_end().to_vec(),
        [list.as_slice(), b"\n"].concat(),
        read(&data.join("loglist/google-2022-09-20/log_list.json")),
        read(&data.join("loglist/azul-2026-01-20/log_list.json")),
    ] {
        if other != list {
            assert_eq!(key.verify_sha256(&other, &signature), Err(SignatureError::Mismatch));
        }
    }
    let cut = &signature[..511];
    assert_eq!(key.verify_sha256(&list, cut), Err(SignatureError::Mismatch));
}

#[test]
fn lists_that_are_refused() {
    let Some(data) = data() else { return };
    let error = |path: &str| parse(&data.join("loglist").join(path)).unwrap_err();
    assert_eq!(error("apple-or-v2/log_list.json"), ListError::Version2);
    assert!(matches!(error("negative/log_list_too_big.json"),
        ListError::TooLong(length) if length > MAX_LIST_BYTES));
    assert!(matches!(error("negative/log_list_incomplete.json"), ListError::Json(_)));
    assert_eq!(error("misc/consolidated_log_list.json"), ListError::NoOperators);
}

#[test]
fn an_operator_without_a_name_loses_its_logs() {
    let Some(data) = data() else { return };
    let list = parse(&data.join("loglist/negative/log_list_no_operator_name.json")).unwrap();
    let [skipped] = &list.skipped[..] else { panic!("{:?}", list.skipped) };
    assert_eq!((skipped.operator.as_deref(), &skipped.why), (None, &SkipReason::UnnamedOperator));
    let whole = parse(&data.join("loglist/google-2022-09-20/log_list.json")).unwrap();
    let others: Vec<_> = whole.logs.into_iter().filter(|log| log.operator != "Google").collect();
    assert_eq!(list.logs, others);
}

#[test]
fn well_formed_oddities_are_read() {
    let Some(data) = data() else { return };
    for (path, logs) in [
        ("negative/log_list_tiled_logs.json", (41, 3)),
        ("negative/log_list_valid_until.json", (4, 0)),
        ("azul-2026-01-20/log_list.json", (47, 26)),
    ] {
        let list = parse(&data.join("loglist").join(path)).unwrap();
        assert_eq!(count(&list), logs, "{path}: {:?}", list.skipped);
        assert!(list.skipped.iter().all(|skipped| skipped.why == SkipReason::Placeholder));
    }
    // One log has a bare point for a key.
    let old = parse(&data.join("loglist/misc/loglist3.json")).unwrap();
    let [skipped] = &old.skipped[..] else { panic!("{:?}", old.skipped) };
    assert_eq!(skipped.what, "Google 'Racketeer' log");
    assert_eq!(skipped.why, SkipReason::Key(KeyError::Unsupported));
    assert_eq!(old.logs.len(), 5);
    // A list made for tests: one log is under example.com, one has a made-up key.
    let boulder = parse(&data.join("loglist/misc/boulder_log_list.json")).unwrap();
    let whys: Vec<_> = boulder.skipped.iter().map(|skipped| &skipped.why).collect();
    assert!(matches!(whys[..], [SkipReason::Placeholder, SkipReason::Key(_)]), "{whys:?}");
    assert_eq!(boulder.logs.len(), 10);
}
