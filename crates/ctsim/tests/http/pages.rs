//! Pages and bodies as faults leave them.

use ct::entries::{RawEntry, parse_get_entries};
use ct::leaf::{EntryType, ExtraData, Leaf};
use ct::merkle::leaf_hash;
use ct::tile::TileLeaf;
use ctsim::fault::{BodyFault, Fault, PageFault, Scope, Times};
use ctsim::{Endpoint, LogHandle, Protocol, Sim};

use super::{client, get, get_ok, one, start};

/// The leaf and what is beside it, of each entry of the first page.
type Page = Vec<(Vec<u8>, Vec<u8>)>;

fn path(log: &LogHandle) -> String {
    let path = match log.protocol() {
        Protocol::Rfc6962 => "ct/v1/get-entries?start=0&end=255",
        Protocol::StaticCt => "tile/data/000",
    };
    format!("{}{path}", log.url())
}

async fn page(log: &LogHandle) -> Page {
    let body = get_ok(&path(log)).await;
    match log.protocol() {
        Protocol::Rfc6962 => {
            let split = |raw: RawEntry| (raw.leaf_input.to_vec(), raw.extra_data.to_vec());
            parse_get_entries(&body).unwrap().into_iter().map(split).collect()
        }
        Protocol::StaticCt => {
            let mut rest = &body[..];
            let mut page = Page::new();
            while !rest.is_empty() {
                let (leaf, after) = TileLeaf::parse(rest).unwrap();
                let entry = &rest[..rest.len() - after.len()];
                let (timestamped, extra) = entry.split_at(leaf.timestamped_entry.len());
                page.push(([&[0, 0], timestamped].concat(), extra.to_vec()));
                rest = after;
            }
            page
        }
    }
}

/// A page with the fault, and the same page without.
async fn with_and_without(sim: &Sim, fault: PageFault) -> (Page, Page) {
    let log = &sim.logs()[0];
    log.faults().inject(Scope::Every, Fault::Page(fault), Times::Next(1));
    let faulty = page(log).await;
    assert_eq!(log.faults().pending(), 0, "{fault:?}");
    (faulty, page(log).await)
}

/// The one entry in which the pages differ: its index, whether its leaf differs, and what is beside.
fn difference(faulty: &Page, good: &Page) -> (usize, bool, bool) {
    assert_eq!(faulty.len(), good.len());
    let differs: Vec<_> = (0..good.len()).filter(|index| faulty[*index] != good[*index]).collect();
    let [index] = differs[..] else { panic!("{differs:?}") };
    let ((leaf, extra), (good_leaf, good_extra)) = (&faulty[index], &good[index]);
    (index, leaf_hash(leaf) != leaf_hash(good_leaf), extra != good_extra)
}

#[tokio::test]
async fn pages_are_longer_shorter_or_aligned() {
    for protocol in [Protocol::Rfc6962, Protocol::StaticCt] {
        let sim = start(one(protocol)).await;
        for (fault, length) in [
            (PageFault::Short { most: 17 }, 17),
            (PageFault::Aligned { to: 100 }, 100),
            (PageFault::Aligned { to: 1000 }, 256),
            (PageFault::Long { by: 3 }, 259),
            (PageFault::Empty, 0),
        ] {
            let (faulty, good) = with_and_without(&sim, fault).await;
            assert_eq!((faulty.len(), good.len()), (length, 256), "{fault:?}");
            let same = length.min(256);
            assert_eq!(faulty[..same], good[..same]);
        }
    }
    let sim = start(one(Protocol::Rfc6962)).await;
    let log = &sim.logs()[0];
    let aligned = Fault::Page(PageFault::Aligned { to: 32 });
    log.faults().inject(Scope::Every, aligned, Times::UntilCleared);
    for (start, got) in [(0, 32), (9, 23), (31, 1), (64, 32)] {
        let url = format!("{}ct/v1/get-entries?start={start}&end=900", log.url());
        assert_eq!(parse_get_entries(&get_ok(&url).await).unwrap().len(), got, "from {start}");
    }
}

#[tokio::test]
async fn single_entries_are_altered() {
    let index = Some(7);
    for protocol in [Protocol::Rfc6962, Protocol::StaticCt] {
        let sim = start(one(protocol)).await;
        let (faulty, good) = with_and_without(&sim, PageFault::FlipLeaf { index }).await;
        assert_eq!(difference(&faulty, &good), (7, true, false));
        let (faulty, good) = with_and_without(&sim, PageFault::FlipLeaf { index: None }).await;
        assert_eq!(difference(&faulty, &good), (0, true, false));
        for fault in
            [PageFault::FlipChain { index: None }, PageFault::FlipPrecertificate { index: None }]
        {
            let (faulty, good) = with_and_without(&sim, fault).await;
            let (altered, leaf, extra) = difference(&faulty, &good);
            assert_eq!((leaf, extra), (false, true), "{fault:?}");
            let leaf = Leaf::parse(&good[altered].0).unwrap();
            assert_eq!(leaf.entry_type(), EntryType::Precert);
        }
        let (faulty, good) = with_and_without(&sim, PageFault::Swapped).await;
        assert_eq!((&faulty[0], &faulty[1]), (&good[1], &good[0]));
        assert_eq!(faulty[2..], good[2..]);
    }
}

#[tokio::test]
async fn another_entry_is_not_altered() {
    let sim = start(one(Protocol::Rfc6962)).await;
    let log = &sim.logs()[0];
    let flip = Fault::Page(PageFault::FlipLeaf { index: Some(256) });
    log.faults().inject(Scope::Every, flip, Times::UntilCleared);
    page(log).await;
    assert_eq!(log.stats().faults(), 0);
}

#[tokio::test]
async fn a_leaf_may_have_a_wrong_index() {
    let sim = start(one(Protocol::StaticCt)).await;
    let fault = PageFault::WrongIndex { index: Some(8) };
    let (faulty, _) = with_and_without(&sim, fault).await;
    let said = Leaf::parse(&faulty[8].0).unwrap().leaf_index();
    assert_eq!(said, Ok(Some(9)));
}

#[tokio::test]
async fn a_chain_may_be_overlong() {
    let fault = PageFault::LongChain { index: Some(3), certificates: 500 };
    let sim = start(one(Protocol::Rfc6962)).await;
    let (faulty, _) = with_and_without(&sim, fault).await;
    let entry_type = Leaf::parse(&faulty[3].0).unwrap().entry_type();
    let extra = ExtraData::parse(entry_type, &faulty[3].1).unwrap();
    assert_eq!(extra.chain.len(), 500);
    let sim = start(one(Protocol::StaticCt)).await;
    let (faulty, _) = with_and_without(&sim, fault).await;
    let entry = [&faulty[3].0[2..], &faulty[3].1].concat();
    assert_eq!(TileLeaf::parse(&entry).unwrap().0.fingerprints.len(), 500);
}

#[tokio::test]
async fn bodies_are_corrupted_in_transit() {
    let sim = start(one(Protocol::StaticCt)).await;
    let log = &sim.logs()[0];
    let url = path(log);
    let good = get_ok(&url).await;
    let corrupt = |fault| log.faults().inject(Scope::Every, Fault::Body(fault), Times::Next(1));

    corrupt(BodyFault::Truncated);
    assert_eq!(get_ok(&url).await, good[..good.len() * 2 / 3]);
    corrupt(BodyFault::Padded { bytes: 2_000_000 });
    let padded = get_ok(&url).await;
    assert_eq!((padded.len(), &padded[..good.len()]), (2_000_000, &good[..]));
    corrupt(BodyFault::Foreign);
    assert!(get_ok(&url).await.starts_with(b"{\"error_message\""));
    corrupt(BodyFault::GzipUnmarked);
    assert!(get_ok(&url).await.starts_with(&[0x1f, 0x8b]));
    corrupt(BodyFault::Dribble(std::time::Duration::from_millis(1)));
    assert_eq!(get_ok(&url).await, good);

    corrupt(BodyFault::Gzip);
    let plain = reqwest::Client::builder().no_proxy().no_gzip().build().unwrap();
    let response = plain.get(&url).send().await.unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
    assert!(response.bytes().await.unwrap().starts_with(&[0x1f, 0x8b]));
    // The other client unpacks what says that it is packed.
    corrupt(BodyFault::Gzip);
    assert_eq!(get_ok(&url).await, good);
    for fault in [BodyFault::Cut, BodyFault::GzipTruncated] {
        corrupt(fault);
        let response = client().get(&url).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        assert!(response.bytes().await.is_err(), "{fault:?}");
    }
    assert_eq!(get_ok(&url).await, good);
}

#[tokio::test]
async fn a_connection_may_be_closed_without_an_answer() {
    let sim = start(one(Protocol::Rfc6962)).await;
    let log = &sim.logs()[0];
    log.faults().inject(Scope::Every, Fault::HangUp, Times::Next(2));
    // Clients try once more by themselves where a kept connection broke.
    assert!(client().get(path(log)).send().await.is_err());
    log.faults().clear();
    get_ok(&path(log)).await;
}

#[tokio::test]
async fn a_redirect_leads_elsewhere() {
    let sim = start(one(Protocol::Rfc6962)).await;
    let log = &sim.logs()[0];
    let location = "http://elsewhere.example/".to_owned();
    log.faults().inject(Scope::Every, Fault::Redirect { location }, Times::Next(1));
    let policy = reqwest::redirect::Policy::none();
    let client = reqwest::Client::builder().no_proxy().redirect(policy).build().unwrap();
    let response = client.get(path(log)).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 302);
    assert_eq!(response.headers()["location"], "http://elsewhere.example/");
}

#[tokio::test]
async fn partial_tiles_and_issuers_may_be_missing_or_wrong() {
    let sim = start(one(Protocol::StaticCt)).await;
    let log = &sim.logs()[0];
    log.faults().inject(Scope::Every, Fault::PartialGone, Times::UntilCleared);
    let url = |path: &str| format!("{}{path}", log.url());
    assert_eq!(get(&url("tile/data/003.p/232")).await.0, 404);
    assert_eq!(get(&url("tile/0/003.p/232")).await.0, 404);
    get_ok(&url("tile/data/002")).await;
    log.faults().clear();
    get_ok(&url("tile/data/003.p/232")).await;

    let tile = get_ok(&url("tile/data/000")).await;
    let name = TileLeaf::parse(&tile).unwrap().0.fingerprints[0];
    let issuer = url(&TileLeaf::issuer_path(&name));
    assert_eq!(ct::sha256(&get_ok(&issuer).await), name);
    log.faults().inject(Scope::Only(Endpoint::Issuer), Fault::WrongIssuer, Times::Next(1));
    assert_ne!(ct::sha256(&get_ok(&issuer).await), name);
}
