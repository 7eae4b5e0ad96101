//! Faults, as a follower meets them.

use std::time::Duration;

use ct::entries::parse_get_entries;
use ct::head::SignedHead;
use ct::merkle::verify_consistency;
use ct::proofs::parse_consistency;
use ct::signature::PublicKey;
use ctsim::fault::{Fault, HeadFault, PageFault, Scope, Times};
use ctsim::{Endpoint, Protocol};

use super::{client, get, get_ok, head, one, start};

#[tokio::test]
async fn a_status_is_answered_as_often_as_wanted() {
    let sim = start(one(Protocol::Rfc6962)).await;
    let log = &sim.logs()[0];
    let busy = Fault::Status { code: 429, retry_after: Some("7".to_owned()) };
    log.faults().inject(Scope::Entries, busy, Times::Next(2));
    let url = format!("{}ct/v1/get-entries?start=0&end=9", log.url());
    head(log).await;
    for _ in 0..2 {
        let response = client().get(&url).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 429);
        assert_eq!(response.headers()["retry-after"], "7");
    }
    assert_eq!(parse_get_entries(&get_ok(&url).await).unwrap().len(), 10);
    assert_eq!(log.faults().pending(), 0);
    assert_eq!(log.stats().requests(Endpoint::GetEntries), 3);
    assert_eq!(log.stats().requests(Endpoint::GetSth), 1);
    assert_eq!(log.stats().all_requests(), 4);
    assert_eq!((log.stats().faults(), log.stats().entries()), (2, 10));
}

#[tokio::test]
async fn a_page_of_html_comes_until_it_is_cleared() {
    let sim = start(one(Protocol::StaticCt)).await;
    let log = &sim.logs()[0];
    log.faults().inject(Scope::Every, Fault::Html { code: 200 }, Times::UntilCleared);
    for path in ["checkpoint", "tile/data/000", "tile/0/000"] {
        let response = client().get(format!("{}{path}", log.url())).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
        assert!(response.text().await.unwrap().starts_with("<!DOCTYPE html>"));
    }
    log.faults().clear();
    head(log).await;
}

#[tokio::test]
async fn an_empty_page_is_well_formed() {
    let sim = start(super::still()).await;
    for log in sim.logs() {
        log.faults().inject(Scope::Every, Fault::Page(PageFault::Empty), Times::Next(1));
        match log.protocol() {
            Protocol::Rfc6962 => {
                let url = format!("{}ct/v1/get-entries?start=0&end=9", log.url());
                assert_eq!(parse_get_entries(&get_ok(&url).await).unwrap(), []);
            }
            Protocol::StaticCt => {
                assert_eq!(get_ok(&format!("{}tile/0/000", log.url())).await.len(), 8_192);
                assert_eq!(get_ok(&format!("{}tile/data/000", log.url())).await.len(), 0);
            }
        }
        assert_eq!(log.faults().pending(), 0);
    }
}

#[tokio::test]
async fn a_stale_head_is_of_the_same_log() {
    let sim = start(super::still()).await;
    let age = Duration::from_secs(100_000);
    for log in sim.logs() {
        let newest = head(log).await.head;
        let fault = Fault::Head(HeadFault::Stale { behind: 137, age });
        log.faults().inject(Scope::Heads, fault, Times::Next(1));
        let stale = head(log).await.head;
        assert_eq!(stale.size, 863);
        assert!(stale.timestamp <= log.head().head.timestamp - 100_000_000);
        assert_eq!(head(log).await.head.size, 1_000);
        if log.protocol() == Protocol::Rfc6962 {
            let url = format!("{}ct/v1/get-sth-consistency?first=863&second=1000", log.url());
            let proof = parse_consistency(&get_ok(&url).await).unwrap();
            verify_consistency(863, &stale.root, 1_000, &newest.root, &proof).unwrap();
        }
    }
}

#[tokio::test]
async fn a_delay_holds_the_answer_up_and_nothing_else() {
    let sim = start(super::still()).await;
    let log = &sim.logs()[0];
    let hour = Fault::Delay(Duration::from_secs(3_600));
    log.faults().inject(Scope::Only(Endpoint::GetSth), hour, Times::Next(1));
    let url = format!("{}ct/v1/get-sth", log.url());
    let slow = tokio::spawn({
        let url = url.clone();
        async move { client().get(url).send().await.map(drop) }
    });
    while log.stats().faults() == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    head(log).await;
    head(&sim.logs()[1]).await;
    assert!(!slow.is_finished());
    // The end does not wait for the answer, and cuts the connection.
    sim.shutdown().await;
    assert!(slow.await.unwrap().is_err());
}

#[tokio::test]
async fn a_short_delay_ends_in_the_answer() {
    let sim = start(one(Protocol::StaticCt)).await;
    let log = &sim.logs()[0];
    log.faults().inject(Scope::Every, Fault::Delay(Duration::from_millis(1)), Times::Next(1));
    let note = get_ok(&format!("{}checkpoint", log.url())).await;
    let head = SignedHead::from_checkpoint(&note, log.origin().unwrap(), None).unwrap();
    head.verify(&PublicKey::from_spki(log.key()).unwrap()).unwrap();
    assert_eq!(log.stats().faults(), 1);
}

#[tokio::test]
async fn the_list_has_faults_too() {
    let sim = start(super::still()).await;
    let gone = Fault::Status { code: 503, retry_after: None };
    sim.list_faults().inject(Scope::Every, gone, Times::Next(1));
    assert_eq!(get(&sim.list_url()).await.0, 503);
    assert_eq!(get(&sim.list_url()).await.0, 200);
    assert_eq!(sim.list_stats().faults(), 1);
}
