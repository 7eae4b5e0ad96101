//! A log that serves whole tiles and answers RFC 6962, but has no checkpoint.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use base64_simd::STANDARD;
use ct::leaf::LeafEntry;
use ct::tile::{Tile, TileKind, TileLeaf};
use follow::position::State;
use follow::{FleetOptions, Log, Protocol};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::harness::{Followed, eventually, options, simulate, still};
use crate::site::{Answer, Asked, Site};

/// The responses of the log, taken from a simulated static-ct log.
#[derive(Debug, Default)]
struct Served {
    sth: String,
    /// Whole data tiles, by path.
    tiles: HashMap<String, Vec<u8>>,
    /// The entries that are in no whole tile, as `get-entries` has them, by index.
    tail: HashMap<u64, Value>,
}

impl Served {
    async fn of(log: &ctsim::LogHandle) -> Self {
        let signed = log.head();
        let size = signed.head.size;
        let sth = json!({
            "tree_size": size,
            "timestamp": signed.head.timestamp,
            "sha256_root_hash": STANDARD.encode_to_string(signed.head.root),
            "tree_head_signature": STANDARD.encode_to_string(&signed.signature),
        });
        let mut served = Self { sth: sth.to_string(), ..Self::default() };
        for number in 0..size.div_ceil(256) {
            let tile = Tile::of_tree(TileKind::Data, number, size).expect("in the tree");
            let url = format!("{}{tile}", log.url());
            let body = reqwest::get(url).await.expect("a tile").bytes().await.expect("bytes");
            if tile.is_full() {
                served.tiles.insert(format!("/{tile}"), body.to_vec());
            } else {
                served.tail = tail(&body, number * 256);
            }
        }
        served
    }

    fn answer(&self, asked: &Asked) -> Answer {
        if asked.path == "/ct/v1/get-sth" {
            return Answer::ok(self.sth.clone());
        }
        if let Some(query) = asked.path.strip_prefix("/ct/v1/get-entries?start=") {
            let (start, end) = query.split_once("&end=").expect("a range");
            let (start, end): (u64, u64) = (start.parse().expect("a"), end.parse().expect("b"));
            let entries: Vec<_> = (start..=end).filter_map(|index| self.tail.get(&index)).collect();
            assert!(!entries.is_empty(), "whole tiles are read as such: {query}");
            return Answer::ok(json!({ "entries": entries }).to_string());
        }
        let tile = self.tiles.get(&asked.path);
        tile.map_or_else(|| Answer::status(404), |tile| Answer::ok(tile.clone()))
    }
}

/// The leaves of a partial tile as RFC 6962 has them, with empty chains.
fn tail(tile: &[u8], first: u64) -> HashMap<u64, Value> {
    let mut entries = HashMap::new();
    let mut rest = tile;
    while !rest.is_empty() {
        let (leaf, after) = TileLeaf::parse(rest).expect("a leaf");
        let precertificate = leaf.precertificate.unwrap_or_default();
        let about = leaf.fingerprints.len() * 32 + 2;
        let about = match leaf.leaf.entry {
            LeafEntry::X509 { .. } => about,
            LeafEntry::Precert { .. } => about + precertificate.len() + 3,
        };
        let stamped = &rest[..rest.len() - after.len() - about];
        let mut extra = Vec::new();
        if matches!(leaf.leaf.entry, LeafEntry::Precert { .. }) {
            extra.extend_from_slice(&(precertificate.len() as u32).to_be_bytes()[1..]);
            extra.extend_from_slice(precertificate);
        }
        extra.extend_from_slice(&[0; 3]);
        let entry = json!({
            "leaf_input": STANDARD.encode_to_string([&[0, 0][..], stamped].concat()),
            "extra_data": STANDARD.encode_to_string(&extra),
        });
        entries.insert(first + entries.len() as u64, entry);
        rest = after;
    }
    entries
}

#[tokio::test(flavor = "multi_thread")]
async fn full_tiles_are_read_as_tiles_and_the_tail_over_rfc_6962() {
    let sim = simulate(ctsim::Config { rfc6962: 0, ..still(700) }).await;
    let log = &sim.logs()[0];
    let served = Arc::new(Mutex::new(Served::of(log).await));
    let answers = Arc::clone(&served);
    let site = Site::serve(move |asked| answers.lock().answer(asked)).await;
    let key = STANDARD.encode_to_string(log.key());
    let configured = Log::configured(Protocol::StaticCt, "hybrid", &site.base, Some(&key), None);
    let configured = configured.and_then(|log| log.with_api(&site.base)).expect("usable");
    let saved = State::default();
    let options =
        FleetOptions { follow: options(), configured: vec![configured], catalogue: None, saved };
    let mut followed = Followed::with(options);
    followed.read_to(1, 700).await;
    for growth in [30, 200] {
        log.grow(growth).expect("grows");
        let now = Served::of(log).await;
        *served.lock() = now;
        followed.read_to(1, log.size()).await;
    }
    let status = followed.status(&site.base);
    // The leaves of both sides are those of one tree.
    let proved = || status.snapshot().proved == Some(0..930);
    eventually("all of it is proved", proved).await;
    assert_eq!(status.counters.errors.load(Ordering::Relaxed), 0);
    let asked = site.asked();
    assert!(asked.iter().all(|asked| !asked.path.contains("checkpoint")));
    assert!(asked.iter().all(|asked| !asked.path.contains(".p/")));
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_missing_from_a_tile_are_read_over_rfc_6962() {
    let sim = simulate(ctsim::Config { rfc6962: 0, ..still(256) }).await;
    let log = &sim.logs()[0];
    let mut served = Served::of(log).await;
    let tile = served.tiles.get_mut("/tile/data/000").expect("a whole tile");
    served.tail = tail(tile, 0);
    let whole = tile.clone();
    let mut rest = &whole[..];
    for _ in 0..100 {
        rest = TileLeaf::parse(rest).expect("a leaf").1;
    }
    // An unknown type; there is no hash tile to find the next entry by.
    let start = whole.len() - rest.len();
    tile[start + 9] = 7;
    let site = Site::serve(move |asked| served.answer(asked)).await;
    let key = STANDARD.encode_to_string(log.key());
    let configured = Log::configured(Protocol::StaticCt, "hybrid", &site.base, Some(&key), None);
    let configured = configured.and_then(|log| log.with_api(&site.base)).expect("usable");
    let (configured, saved) = (vec![configured], State::default());
    let options = FleetOptions { follow: options(), configured, catalogue: None, saved };
    let mut followed = Followed::with(options);
    followed.read_to(1, 256).await;
    let status = followed.status(&site.base);
    eventually("all of it is proved", || status.snapshot().proved == Some(0..256)).await;
    assert!(status.snapshot().alarms.is_empty());
    followed.fleet.stop().await;
}
