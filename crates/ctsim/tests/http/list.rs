//! The log list.

use std::collections::BTreeSet;

use ct::LogId;
use ct::leaf::{Leaf, LeafEntry};
use ct::log_list::{LogKind, LogList, State};
use ct::signature::PublicKey;
use ctsim::{Config, Endpoint, Protocol};
use x509_parser::prelude::{FromDer, TbsCertificate, X509Certificate};

use super::{get_ok, start, still};

#[tokio::test]
async fn the_list_names_every_log_and_is_signed() {
    let sim = start(Config { rfc6962: 4, static_ct: 3, ..still() }).await;
    let json = get_ok(&sim.list_url()).await;
    let signature = get_ok(&format!("{}log_list.sig", sim.base_url())).await;
    let pem = get_ok(&format!("{}log_list_pubkey.pem", sim.base_url())).await;
    assert_eq!(pem, sim.list_key_pem());
    let key = PublicKey::from_pem(&sim.list_key_pem()).unwrap();
    key.verify_sha256(&json, &signature).unwrap();
    assert_eq!(sim.list_stats().requests(Endpoint::LogList), 3);

    let list = LogList::parse(&json).unwrap();
    assert_eq!(list.skipped, []);
    assert_eq!(list.logs.len(), 7);
    for log in sim.logs() {
        let listed = list.logs.iter().find(|listed| listed.log_id == log.log_id()).unwrap();
        assert_eq!(LogId::of_key(log.key()), log.log_id());
        assert_eq!(listed.description.as_deref(), Some(log.description()));
        assert_eq!(listed.operator, log.operator());
        assert_eq!(listed.state, Some(State::Usable));
        let (kind, mmd) = match log.submission_url() {
            None => (LogKind::Rfc6962 { url: log.url().to_owned() }, 86_400),
            Some(submission_url) => (
                LogKind::StaticCt {
                    submission_url: submission_url.to_owned(),
                    monitoring_url: log.url().to_owned(),
                },
                60,
            ),
        };
        assert_eq!((&listed.kind, listed.mmd), (&kind, Some(mmd)));
    }
}

#[tokio::test]
async fn certificates_end_within_the_interval() {
    let sim = start(Config { static_ct: 0, ..still() }).await;
    let list = LogList::parse(&get_ok(&sim.list_url()).await).unwrap();
    let interval = list.logs[0].temporal_interval.unwrap();
    let url = format!("{}ct/v1/get-entries?start=0&end=255", sim.logs()[0].url());
    for entry in ct::entries::parse_get_entries(&get_ok(&url).await).unwrap() {
        let end = match Leaf::parse(&entry.leaf_input).unwrap().entry {
            LeafEntry::X509 { certificate } => {
                X509Certificate::from_der(certificate).unwrap().1.validity().not_after
            }
            LeafEntry::Precert { tbs, .. } => {
                TbsCertificate::from_der(tbs).unwrap().1.validity().not_after
            }
        };
        let seconds = end.timestamp();
        assert!(interval.start_inclusive.as_second() <= seconds);
        assert!(seconds < interval.end_exclusive.as_second());
    }
}

#[tokio::test]
async fn keys_follow_from_the_seed() {
    let config = Config { rfc6962: 2, static_ct: 2, ..still() };
    let one = start(config.clone()).await;
    let again = start(config.clone()).await;
    let other = start(Config { seed: 99, ..config }).await;
    let ids = |sim: &ctsim::Sim| sim.logs().iter().map(|log| log.log_id()).collect::<Vec<_>>();
    assert_eq!(ids(&one), ids(&again));
    assert_eq!(one.list_key_pem(), again.list_key_pem());
    assert_ne!(one.list_key_pem(), other.list_key_pem());
    let all: BTreeSet<_> = ids(&one).into_iter().chain(ids(&other)).collect();
    assert_eq!(all.len(), 8);
}

#[tokio::test]
async fn a_simulator_may_have_no_logs() {
    let sim = start(Config { rfc6962: 0, static_ct: 0, ..still() }).await;
    let list = LogList::parse(&get_ok(&sim.list_url()).await).unwrap();
    assert!(list.logs.is_empty());
    sim.shutdown().await;
}

#[tokio::test]
async fn each_log_has_its_own_path() {
    let sim = start(still()).await;
    let names: Vec<_> = sim.logs().iter().map(|log| (log.name(), log.protocol())).collect();
    let expected = [
        ("rfc6962-1", Protocol::Rfc6962),
        ("rfc6962-2", Protocol::Rfc6962),
        ("static-1", Protocol::StaticCt),
        ("static-2", Protocol::StaticCt),
    ];
    assert_eq!(names, expected);
    for log in sim.logs() {
        assert_eq!(log.url(), format!("{}{}/", sim.base_url(), log.name()));
        assert_eq!(super::head(log).await.head.root, log.head().head.root);
    }
    let roots: BTreeSet<_> = sim.logs().iter().map(|log| log.head().head.root).collect();
    assert_eq!(roots.len(), 4);
}

#[tokio::test]
async fn the_list_changes_while_it_is_served() {
    let sim = start(still()).await;
    let list = async || {
        let json = get_ok(&sim.list_url()).await;
        let signature = get_ok(&format!("{}log_list.sig", sim.base_url())).await;
        let key = PublicKey::from_pem(&sim.list_key_pem()).unwrap();
        (LogList::parse(&json).unwrap(), key.verify_sha256(&json, &signature).is_ok())
    };
    let (before, _) = list().await;
    sim.edit_list(|draft| {
        draft.logs[0].listed = false;
        draft.logs[1].state = Some("readonly");
        draft.logs[2].broken = true;
        draft.logs[3].state = None;
        draft.logs[3].described = false;
    })
    .unwrap();
    let (after, signed) = list().await;
    assert!(signed && after.version > before.version);
    let [second, fourth] = &after.logs[..] else { panic!("{:?}", after.logs) };
    let [_, log, _, other] = sim.logs() else { panic!() };
    let head = log.head().head;
    let last = ct::log_list::FinalTreeHead { size: head.size, root: head.root };
    assert_eq!(second.log_id, log.log_id());
    assert_eq!(second.state, Some(State::ReadOnly { final_tree_head: Some(last) }));
    assert_eq!(fourth.log_id, other.log_id());
    assert_eq!((&fourth.state, &fourth.description), (&None, &None));
    assert_eq!(after.skipped.len(), 1);

    sim.edit_list(|draft| {
        draft.version = 0;
        draft.well_signed = false;
        draft.logs[0].listed = true;
    })
    .unwrap();
    let (rolled_back, signed) = list().await;
    assert!(!signed && rolled_back.version < after.version);
    assert_eq!(rolled_back.logs.len(), 3);
}
