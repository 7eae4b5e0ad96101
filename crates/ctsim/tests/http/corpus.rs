//! Real entries, served as they are.

use std::fs;
use std::path::{Path, PathBuf};

use ct::entries::parse_get_entries;
use ct::merkle::{CompactRange, leaf_hash};
use ct::tile::{Tile, TileLeaf};
use ctsim::corpus::{Corpus, CorpusEntry, CorpusError};
use ctsim::{Config, LogHandle, Protocol};

use super::{get_ok, head, start, still};

/// Everything a log serves, checked against its head.
async fn download(log: &LogHandle) -> Vec<CorpusEntry> {
    let head = head(log).await.head;
    let entries = match log.protocol() {
        Protocol::Rfc6962 => pages(log, head.size).await,
        Protocol::StaticCt => tiles(log, head.size).await,
    };
    let mut range = CompactRange::new();
    entries.iter().for_each(|entry| range.push(leaf_hash(&entry.leaf_input)));
    assert_eq!((range.size(), range.root()), (head.size, head.root));
    entries
}

async fn pages(log: &LogHandle, size: u64) -> Vec<CorpusEntry> {
    let mut entries = Vec::new();
    while (entries.len() as u64) < size {
        let query = format!("start={}&end={}", entries.len(), size - 1);
        let body = get_ok(&format!("{}ct/v1/get-entries?{query}", log.url())).await;
        entries.extend(
            parse_get_entries(&body)
                .unwrap()
                .into_iter()
                .map(|entry| CorpusEntry { leaf_input: entry.leaf_input, extra: entry.extra_data }),
        );
    }
    entries
}

async fn tiles(log: &LogHandle, size: u64) -> Vec<CorpusEntry> {
    let mut entries = Vec::new();
    for tile in Tile::data_covering(0..size, size) {
        let body = get_ok(&format!("{}{tile}", log.url())).await;
        let mut rest = &body[..];
        while !rest.is_empty() {
            let (leaf, after) = TileLeaf::parse(rest).unwrap();
            assert_eq!(leaf.leaf.leaf_index(), Ok(Some(entries.len() as u64)));
            assert!(leaf.fingerprints.is_empty());
            let entry = &rest[..rest.len() - after.len()];
            let (timestamped_entry, extra) = entry.split_at(leaf.timestamped_entry.len());
            entries.push(CorpusEntry {
                leaf_input: [&[0, 0], timestamped_entry].concat().into(),
                extra: extra.to_vec().into(),
            });
            rest = after;
        }
    }
    entries
}

/// Serves a folder alone and checks that it is served exactly.
async fn check(folder: &Path) -> Corpus {
    let corpus = Corpus::load(folder).unwrap();
    let config = Config {
        rfc6962: 0,
        static_ct: 0,
        initial_size: 1_000_000,
        corpus: Some(folder.to_owned()),
        ..still()
    };
    let sim = start(config).await;
    assert_eq!(sim.logs().len(), corpus.logs.len());
    for (log, expected) in sim.logs().iter().zip(&corpus.logs) {
        assert!(log.name().ends_with(&format!("-corpus-{}", expected.name)));
        assert_eq!(log.protocol(), expected.protocol);
        assert!(download(log).await == expected.entries, "{}", log.name());
    }
    corpus
}

/// A folder of generated entries, laid out as real ones are.
async fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let sim = start(Config { rfc6962: 1, static_ct: 1, ..still() }).await;
    let pages = folder.path().join("rfc6962/some-log");
    fs::create_dir_all(&pages).unwrap();
    for (name, query) in [("a.json", "start=0&end=9"), ("b.json", "start=20&end=24")] {
        let url = format!("{}ct/v1/get-entries?{query}", sim.logs()[0].url());
        fs::write(pages.join(name), get_ok(&url).await).unwrap();
    }
    fs::write(pages.join("c.json"), r#"[{"other": 1}]"#).unwrap();
    fs::write(pages.join("notes.txt"), "no entries").unwrap();
    let array = r#"[{"name": "x", "leaf_input": "AAEC", "extra_data": "", "more": {}}]"#;
    fs::write(pages.join("d.json"), array).unwrap();
    let tiles = folder.path().join("tiles/other/tile/data");
    fs::create_dir_all(&tiles).unwrap();
    for name in ["000", "001"] {
        let url = format!("{}tile/data/{name}", sim.logs()[1].url());
        fs::write(tiles.join(name), get_ok(&url).await).unwrap();
    }
    folder
}

#[tokio::test]
async fn entries_of_a_folder_are_served_exactly() {
    let folder = folder().await;
    let corpus = check(folder.path()).await;
    let sizes: Vec<_> =
        corpus.logs.iter().map(|log| (log.name.as_str(), log.entries.len())).collect();
    assert_eq!(sizes, [("some-log", 16), ("other", 512)]);
    let [pages, tiles] = &corpus.logs[..] else { panic!() };
    assert_eq!(&pages.entries[15].leaf_input[..], [0, 1, 2]);
    assert_eq!(pages.entries[15].certificate(), None);
    for entry in pages.entries[..15].iter().chain(&tiles.entries) {
        assert_eq!(entry.certificate().unwrap()[0], 0x30);
    }
}

#[tokio::test]
async fn entries_of_a_folder_come_at_their_rate() {
    let folder = folder().await;
    let config = Config {
        rfc6962: 0,
        static_ct: 0,
        initial_size: 3,
        corpus: Some(folder.path().to_owned()),
        ..still()
    };
    let sim = start(config).await;
    let log = &sim.logs()[0];
    assert_eq!(log.size(), 3);
    log.grow(1_000).unwrap();
    assert_eq!(download(log).await.len(), 16);
}

#[tokio::test]
async fn a_folder_without_entries_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Corpus::load(folder.path()), Err(CorpusError::Empty(_))));
    let tiles = folder.path().join("tiles/log/tile/data");
    fs::create_dir_all(&tiles).unwrap();
    fs::write(tiles.join("000"), b"not a tile").unwrap();
    assert!(matches!(Corpus::load(folder.path()), Err(CorpusError::Tile { .. })));
}

#[tokio::test]
async fn collected_entries_are_served_exactly() {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !data.is_dir() {
        println!("skipped: ../shared/data is not here");
        return;
    }
    let corpus = check(&data).await;
    let sizes: Vec<_> =
        corpus.logs.iter().map(|log| (log.name.as_str(), log.entries.len())).collect();
    for expected in [("navigli2025h2", 1_024), ("certstream-live", 40)] {
        assert!(sizes.contains(&expected), "{sizes:?}");
    }
    let fetched = corpus.logs.iter().find(|log| log.name == "ctlog-fetcher").unwrap();
    assert!(fetched.entries.len() > 300);
}
