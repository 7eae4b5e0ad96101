//! Tiled logs that lie in a folder.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ct::log_list::{ListedLog, LogKind, LogList};
use ct::tile::{Tile, TileKind, TileLeaf};
use ctclient::{
    AnySource, Client, IssuerStore, Log, RangeOptions, ReadOptions, Source as _, VerifiedRange,
};
use ctsim::Sim;
use tokio::net::TcpListener;

fn client() -> Arc<Client> {
    let client = Client::new("ctclient-tests/1", Duration::from_secs(10)).expect("a client");
    client.allow_private_addresses(true);
    Arc::new(client)
}

fn source(log: &Arc<Log>, client: &Arc<Client>) -> AnySource {
    let options = ReadOptions { leaves: true, ..ReadOptions::default() };
    AnySource::new(log, client, &Arc::<IssuerStore>::default(), options)
}

/// A static log of `size` entries, and its entry in the list.
async fn simulate(client: &Client, size: u64) -> (Sim, ListedLog) {
    let config = ctsim::Config {
        rfc6962: 0,
        static_ct: 1,
        rate: 0.0,
        initial_size: size,
        ..ctsim::Config::default()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let sim = Sim::start(config, listener).await.expect("a simulated log");
    let list = client.get(&sim.list_url(), 1 << 20).await.expect("a list");
    let mut list = LogList::parse(&list).expect("a list");
    (sim, list.logs.remove(0))
}

/// Copies all files of a log into a folder.
async fn mirror(client: &Client, listed: &ListedLog, size: u64, folder: &Path) {
    let LogKind::StaticCt { monitoring_url, .. } = &listed.kind else { panic!("a static log") };
    let hashes = (0..2).flat_map(|level| {
        let kind = TileKind::Level(level);
        (0..).map_while(move |index| Tile::of_tree(kind, index, size))
    });
    let tiles: Vec<Tile> = Tile::data_covering(0..size, size).chain(hashes).collect();
    let mut paths: BTreeSet<String> = tiles.iter().map(ToString::to_string).collect();
    for tile in tiles.iter().filter(|tile| tile.kind == TileKind::Data) {
        let body = client.get(&format!("{monitoring_url}{tile}"), 1 << 24).await.expect("a tile");
        let leaves = TileLeaf::iter(&body).map(|leaf| leaf.expect("an entry"));
        paths.extend(leaves.flat_map(|leaf| leaf.fingerprints.iter().map(TileLeaf::issuer_path)));
    }
    paths.insert("checkpoint".to_owned());
    for path in paths {
        let body = client.get(&format!("{monitoring_url}{path}"), 1 << 24).await.expect(&path);
        let file = folder.join(&path);
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(file, body).expect("written");
    }
}

/// Packs the files of a folder, as photocamera-archiver does.
fn pack(folder: &Path, zip: &Path) {
    let mut zip = zip::ZipWriter::new(File::create(zip).expect("a file"));
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).expect("below it").display().to_string();
            let is_packed = name.starts_with("tile/data") || name.starts_with("issuer");
            let method = if is_packed {
                zip::CompressionMethod::Deflated
            } else {
                zip::CompressionMethod::Stored
            };
            let options = zip::write::SimpleFileOptions::default().compression_method(method);
            zip.start_file(name, options).expect("a file");
            zip.write_all(&fs::read(path).expect("a file")).expect("written");
        }
    }
    zip.finish().expect("written");
}

/// Reads and proves the entries from 100 to 700.
async fn prove(client: &Arc<Client>, listed: &ListedLog, at: &Path) {
    let log = Arc::new(Log::on_disk(listed, at).expect("usable"));
    let head = source(&log, client).head().await.expect("a checkpoint");
    let mut range =
        VerifiedRange::new(source(&log, client), &log, 100..700, head, RangeOptions::default())
            .expect("within the tree");
    let mut next = 100;
    while let Some(page) = range.next().await.expect("proved") {
        assert_eq!(page.entries[0].index, next);
        assert_eq!(
            (page.entries.len(), page.entries.len()),
            (page.leaves.len(), page.leaf_hashes.len())
        );
        for (leaf, hash) in page.leaves.iter().zip(&page.leaf_hashes) {
            assert_eq!(ct::merkle::leaf_hash(leaf), *hash);
        }
        assert!(page.entries.iter().all(|entry| !entry.chain.is_empty()), "issuers are there");
        next = page.end;
    }
    assert_eq!(next, 700);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_a_folder_or_in_zips_is_proved_as_one_behind_a_server() {
    let client = client();
    let (sim, listed) = simulate(&client, 700).await;
    let folder = tempfile::tempdir().expect("a folder");
    let unpacked = folder.path().join("unpacked");
    mirror(&client, &listed, 700, &unpacked).await;
    drop(sim);
    let zips = folder.path().join("zips");
    fs::create_dir(&zips).expect("a folder");
    pack(&unpacked, &zips.join("000.zip"));
    for at in [&unpacked, &zips, &zips.join("000.zip")] {
        prove(&client, &listed, at).await;
    }
    // A tile that was changed in the zip contradicts the head.
    let tile = unpacked.join("tile/data/001");
    let mut bytes = fs::read(&tile).expect("a tile");
    let place = bytes.len() / 2;
    bytes[place] ^= 1;
    fs::write(&tile, bytes).expect("written");
    pack(&unpacked, &zips.join("000.zip"));
    let again = self::client();
    let log = Arc::new(Log::on_disk(&listed, &zips).expect("usable"));
    let head = source(&log, &again).head().await.expect("a checkpoint");
    let mut range =
        VerifiedRange::new(source(&log, &again), &log, 0..700, head, RangeOptions::default())
            .expect("within the tree");
    let outcome = loop {
        match range.next().await {
            Ok(Some(_)) => {}
            outcome => break outcome,
        }
    };
    assert!(outcome.is_err(), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn real_tiles_have_the_hashes_of_their_level_0_tiles() {
    let folder: PathBuf =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/tiles/navigli2025h2");
    if !folder.is_dir() {
        println!("skipped: ../shared/data is not here");
        return;
    }
    let client = client();
    let (_sim, listed) = simulate(&client, 1).await;
    let log = Arc::new(Log::on_disk(&listed, &folder).expect("usable"));
    let source = source(&log, &client);
    for tile in Tile::data_covering(0..1024, 1024) {
        let batch = source.entries(tile.leaves(), 1024).await.expect("a tile");
        let level_0 = Tile { kind: TileKind::Level(0), ..tile };
        let body = fs::read(folder.join(level_0.to_string())).expect("a tile");
        assert_eq!(batch.leaf_hashes, level_0.hashes(&body).expect("hashes"), "{tile}");
        assert_eq!(batch.entries.len(), 256);
    }
}
