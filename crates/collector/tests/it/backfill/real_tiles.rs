//! Tiles of a real log in a folder, under a head that is signed here.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use arrow_array::Array as _;
use arrow_array::cast::AsArray as _;
use collector::archive::verify::{self, Level};
use columns::archive::{Archive, ArchiveError};
use ct::merkle::CompactRange;
use ct::tile::{Tile, TileKind};
use ct::{Hash, LogId};
use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};
use serde_json::json;

use super::{finish, parts};
use crate::harness::{program, shared_data};

/// Entries in the complete tiles of the data.
const SIZE: u64 = 1_024;
const ORIGIN: &str = "tiles.example/2025h2";
const TIME: u64 = 1_760_000_000_000;

/// Returns the hashes of the level-0 tiles.
fn level_0(tiles: &Path) -> Vec<Hash> {
    let hashes =
        (0..).map_while(|index| Tile::of_tree(TileKind::Level(0), index, SIZE)).map(|it| {
            let body = fs::read(tiles.join(it.to_string())).expect("a tile");
            it.hashes(&body).expect("hashes").to_vec()
        });
    hashes.flatten().collect()
}

fn root(leaves: &[Hash]) -> Hash {
    let mut tree = CompactRange::new();
    leaves.iter().for_each(|hash| tree.push(*hash));
    tree.root()
}

/// Makes a log of the tiles: links to them, the tile above them, and a checkpoint. Returns its list.
fn make_log(folder: &Path, tiles: &Path, leaves: &[Hash]) -> String {
    fs::create_dir_all(folder.join("tile/1/000.p")).expect("a folder");
    for name in ["tile/data", "tile/0"] {
        symlink(tiles.join(name), folder.join(name)).expect("a link");
    }
    let above: Vec<u8> = leaves.chunks(256).flat_map(root).collect();
    fs::write(folder.join("tile/1/000.p/4"), above).expect("written");
    let key = KeyPair::generate().expect("a key");
    let spki = key.subject_public_key_info();
    let (LogId(id), root) = (LogId::of_key(&spki), root(leaves));
    // TreeHeadSignature of RFC 6962 section 3.5, and its place in a checkpoint (static-ct-api).
    let (time, size) = (TIME.to_be_bytes(), SIZE.to_be_bytes());
    let signed = [&[0, 1][..], &time, &size, &root].concat();
    let signature = key.sign(&signed).expect("a signature");
    let length = u16::try_from(signature.len()).expect("short").to_be_bytes();
    let key_name = ct::sha256(&[ORIGIN.as_bytes(), b"\n\x05", &id].concat());
    let line = [&key_name[..4], &time, &[4, 3], &length, &signature].concat();
    let encode = |bytes: &[u8]| base64_simd::STANDARD.encode_to_string(bytes);
    let (root, line) = (encode(&root), encode(&line));
    let checkpoint = format!("{ORIGIN}\n{SIZE}\n{root}\n\n\u{2014} {ORIGIN} {line}\n");
    fs::write(folder.join("checkpoint"), checkpoint).expect("written");
    let url = format!("https://{ORIGIN}/");
    let log = json!({
        "description": "Real tiles", "key": encode(&spki), "log_id": encode(&id), "mmd": 60,
        "monitoring_url": url, "submission_url": url,
        "state": { "readonly": {
            "timestamp": "2026-01-01T00:00:00Z",
            "final_tree_head": { "sha256_root_hash": root, "tree_size": SIZE },
        } },
        "temporal_interval": {
            "start_inclusive": "2025-07-01T00:00:00Z", "end_exclusive": "2026-01-01T00:00:00Z",
        },
    });
    let operators = json!([{ "name": "GEOMYS", "email": [], "logs": [], "tiled_logs": [log] }]);
    let list = json!({
        "version": "1.0", "log_list_timestamp": "2026-01-01T00:00:00Z", "operators": operators,
    });
    list.to_string()
}

/// Returns the leaf hashes of a part.
fn leaf_hashes(part: &Path) -> Result<Vec<Hash>, ArchiveError> {
    let mut hashes = Vec::new();
    Archive::open(fs::File::open(part)?)?.each(|batch| {
        let column = batch.column_by_name("leaf_hash").expect("the column").as_binary::<i32>();
        let hash = |row| <Hash>::try_from(column.value(row)).expect("a hash");
        hashes.extend((0..column.len()).map(hash));
        Ok::<_, ArchiveError>(())
    })?;
    Ok(hashes)
}

#[tokio::test(flavor = "multi_thread")]
async fn real_entries_from_a_folder_have_the_hashes_of_its_tiles() {
    // It says that the test is skipped.
    let Some(data) = shared_data() else { return };
    let tiles = data.join("tiles/navigli2025h2");
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| -> PathBuf { folder.path().join(name) };
    let leaves = level_0(&tiles);
    fs::write(at("list.json"), make_log(&at("log"), &tiles, &leaves)).unwrap();
    for format in ["parquet", "feather"] {
        let mut command = program();
        command.args(["backfill", "--with-der", "--format", format, "--log"]);
        command.arg(format!("file:{}", at("log").display()));
        command.arg("--list").arg(at("list.json")).arg("-o").arg(at(format));
        let (status, log) = finish(command).await;
        assert_eq!(status, Some(0), "{log}");
        let [part] = &parts(&at(format))[..] else { panic!("one part") };
        assert_eq!(leaf_hashes(part).unwrap(), leaves);
        let verified = verify::verify(part).unwrap();
        assert_eq!((verified.rows, verified.level), (SIZE, Level::Recomputed));
        assert_eq!(verified.mismatched, 0, "each precertificate agrees with its leaf");
    }
    // A file that is missing does not appear by itself: it is reported at once.
    fs::remove_file(at("log/tile/1/000.p/4")).unwrap();
    let mut command = program();
    command.args(["backfill", "--start", "100", "--log"]);
    command.arg(format!("file:{}", at("log").display()));
    command.arg("--list").arg(at("list.json")).arg("-o").arg(at("missing"));
    let (status, log) = finish(command).await;
    assert_eq!(status, Some(1), "{log}");
    assert!(log.contains("tile/1/000.p/4: status 404"), "{log}");
}
