//! Logs of static-ct-api.

use bytes::Bytes;
use ct::Hash;
use ct::merkle::{CompactRange, tree_hash};
use ct::tile::{Tile, TileKind, TileLeaf};
use ctsim::{Config, Endpoint, LogHandle, Protocol};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{get, get_ok, head, one, start};

async fn tile(log: &LogHandle, tile: Tile) -> Bytes {
    get_ok(&format!("{}{tile}", log.url())).await
}

/// The hash tile in a tree of `size` leaves.
async fn hashes(log: &LogHandle, level: u8, index: u64, size: u64) -> Vec<Hash> {
    let wanted = Tile::of_tree(TileKind::Level(level), index, size).unwrap();
    wanted.hashes(&tile(log, wanted).await).unwrap().to_vec()
}

/// Reads all data tiles, checks every entry and the level-0 tiles; returns the leaf hashes.
async fn check_leaves(log: &LogHandle, size: u64) -> Vec<Hash> {
    let mut all = Vec::new();
    for data in Tile::data_covering(0..size, size) {
        let body = tile(log, data).await;
        let mut leaves = Vec::new();
        for leaf in TileLeaf::iter(&body) {
            let leaf = leaf.unwrap();
            let index = (all.len() + leaves.len()) as u64;
            assert_eq!(leaf.leaf.leaf_index(), Ok(Some(index)));
            assert!((2..=3).contains(&leaf.fingerprints.len()));
            leaves.push(leaf.leaf_hash());
        }
        assert_eq!(leaves.len(), usize::from(data.width));
        assert_eq!(hashes(log, 0, data.index, size).await, leaves);
        all.extend(leaves);
    }
    all
}

#[tokio::test]
async fn the_checkpoint_covers_every_tile() {
    let sim = start(one(Protocol::StaticCt)).await;
    let log = &sim.logs()[0];
    log.grow(900).unwrap();
    let head = head(log).await.head;
    assert_eq!(head, log.head().head);
    assert_eq!(head.size, 1_900);
    let leaves = check_leaves(log, 1_900).await;
    assert_eq!(tree_hash(&leaves), head.root);
    let folds: Vec<_> = leaves.chunks_exact(256).map(tree_hash).collect();
    assert_eq!(hashes(log, 1, 0, 1_900).await, folds);
    assert_eq!(log.stats().requests(Endpoint::DataTile), 8);
    assert_eq!(log.stats().requests(Endpoint::HashTile), 9);
    assert_eq!(log.stats().entries(), 1_900);
}

#[tokio::test]
async fn a_history_that_repeats_is_hashed_as_it_is_served() {
    let size = 2 * 65_536 + 300;
    let sim = start(Config { initial_size: size, ..one(Protocol::StaticCt) }).await;
    let log = &sim.logs()[0];
    let head = head(log).await.head;
    let leaves = check_leaves(log, size).await;
    assert_eq!(tree_hash(&leaves), head.root);
    let level_1: Vec<_> = leaves.chunks_exact(256).map(tree_hash).collect();
    for index in 0..3 {
        let from = index * 256;
        let tile = &level_1[from..level_1.len().min(from + 256)];
        assert_eq!(hashes(log, 1, index as u64, size).await, tile);
    }
    let level_2: Vec<_> = level_1.chunks_exact(256).map(tree_hash).collect();
    assert_eq!(hashes(log, 2, 0, size).await, level_2);
}

#[tokio::test]
async fn the_right_edge_gives_the_frontier() {
    let size = 70_000;
    let sim = start(Config { initial_size: size, ..one(Protocol::StaticCt) }).await;
    let log = &sim.logs()[0];
    let mut tiles = Vec::new();
    for edge in Tile::right_edge(size) {
        tiles.push(edge.hashes(&tile(log, edge).await).unwrap().to_vec());
    }
    let mut range = CompactRange::from_right_edge(size, &tiles).unwrap();
    assert_eq!(range.root(), head(log).await.head.root);
    log.grow(1_000).unwrap();
    for data in Tile::data_covering(size..71_000, 71_000) {
        let body = tile(log, data).await;
        let from = range.size() - data.index * 256;
        for leaf in TileLeaf::iter(&body).skip(from as usize) {
            range.push(leaf.unwrap().leaf_hash());
        }
    }
    assert_eq!(range.root(), head(log).await.head.root);
}

#[tokio::test]
async fn only_published_tiles_are_served() {
    let sim = start(one(Protocol::StaticCt)).await;
    let log = &sim.logs()[0];
    let check = async |path: &str, expected: u16| {
        assert_eq!(get(&format!("{}{path}", log.url())).await.0, expected, "{path}");
    };
    // 1000 = 3 * 256 + 232
    check("tile/data/003.p/232", 200).await;
    check("tile/0/003.p/232", 200).await;
    check("tile/1/000.p/3", 200).await;
    check("tile/0/002", 200).await;
    check("tile/0/003.p/231", 404).await;
    check("tile/data/003.p/233", 404).await;
    check("tile/data/003", 404).await;
    check("tile/1/000.p/2", 404).await;
    check("tile/1/000", 404).await;
    check("tile/2/000.p/1", 404).await;
    check("tile/0/004.p/1", 404).await;
    check("tile/0/x999/x999/x999/x999/x999/999", 404).await;
    check("tile/0/3", 400).await;
    check("tile/entries/000", 400).await;
    log.grow(30).unwrap();
    check("tile/data/003", 200).await;
    check("tile/data/004.p/6", 200).await;
    check("tile/1/000.p/4", 200).await;
    // Published before, and still there.
    check("tile/data/003.p/232", 200).await;
    check("tile/1/000.p/3", 200).await;
    check("tile/0/003.p/250", 404).await;
}

#[tokio::test]
async fn old_tiles_are_computed_anew() {
    let sim = start(Config { initial_size: 20_000, ..one(Protocol::StaticCt) }).await;
    let log = &sim.logs()[0];
    for index in [0, 5] {
        for _ in 0..2 {
            let level_1 = hashes(log, 1, 0, 20_000).await;
            let level_0 = hashes(log, 0, index, 20_000).await;
            assert_eq!(tree_hash(&level_0), level_1[index as usize]);
        }
    }
}

#[tokio::test]
async fn chains_lead_to_issuers() {
    let sim = start(one(Protocol::StaticCt)).await;
    let log = &sim.logs()[0];
    let data = Tile { kind: TileKind::Data, index: 0, width: 256 };
    let body = tile(log, data).await;
    for leaf in TileLeaf::iter(&body).take(40) {
        let leaf = leaf.unwrap();
        let der = super::certificate(&leaf.leaf, leaf.precertificate);
        let mut name = X509Certificate::from_der(&der).unwrap().1.issuer().as_raw().to_vec();
        for fingerprint in leaf.fingerprints {
            let path = TileLeaf::issuer_path(fingerprint);
            let issuer = get_ok(&format!("{}{path}", log.url())).await;
            assert_eq!(ct::sha256(&issuer), *fingerprint);
            let (_, issuer) = X509Certificate::from_der(&issuer).unwrap();
            assert_eq!(issuer.subject().as_raw(), name);
            name = issuer.issuer().as_raw().to_vec();
        }
    }
    let unknown = TileLeaf::issuer_path(&[1; 32]);
    assert_eq!(get(&format!("{}{unknown}", log.url())).await.0, 404);
}
