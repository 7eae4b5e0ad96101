//! Zips that are as they should be, and others.

use std::io::Write as _;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::*;

fn write(path: &Path, files: &[(&str, &[u8])]) {
    let mut zip = ZipWriter::new(File::create(path).expect("a file"));
    for (name, bytes) in files {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        zip.start_file(*name, options).expect("a file");
        zip.write_all(bytes).expect("written");
    }
    zip.finish().expect("written");
}

#[test]
fn each_zip_has_the_tiles_of_its_own_entries() {
    for (name, expected) in [
        ("tile/data/000", Some(0)),
        ("tile/data/x065/535", Some(0)),
        ("tile/data/x065/536", Some(1)),
        ("tile/0/x001/x234/567", Some(1_234_567 >> 16)),
        ("tile/0/x131/072.p/17", Some(2)),
        ("tile/1/255", Some(0)),
        ("tile/1/x001/024", Some(4)),
        ("tile/2/059", Some(59)),
        ("tile/3/000.p/60", None),
        ("checkpoint", None),
        ("issuer/00ff", None),
        ("tile/0/x", None),
        ("tile/0/x999/x999/x999/x999/x999/x999/x999", None),
    ] {
        assert_eq!(owner(name), expected, "{name}");
    }
}

#[test]
fn a_folder_of_zips_is_read_as_one_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    for number in 0..5_u8 {
        let own = format!("tile/2/00{number}");
        let files =
            [(own.as_str(), &[number][..]), ("tile/2/005.p/9", b"edge"), ("checkpoint", b"c")];
        write(&at(&format!("00{number}.zip")), &files);
    }
    fs::remove_file(at("002.zip")).expect("removed");
    fs::write(at("notes.zip"), "no zip").expect("written");
    let zips = Zips::default();
    let read = |name: &str| zips.read(folder.path(), name, 100);
    for number in [4, 0, 3, 1, 4] {
        let own = format!("tile/2/00{number}");
        assert_eq!(read(&own).expect("read"), Some(vec![number]), "{own}");
        assert!(zips.0.lock().len() <= MOST_OPEN);
    }
    for (name, expected) in [("checkpoint", &b"c"[..]), ("tile/2/005.p/9", b"edge")] {
        assert_eq!(read(name).expect("read").as_deref(), Some(expected), "{name}");
    }
    for (name, expected) in [("tile/2/002", "002.zip"), ("tile/data/x393/216", "006.zip")] {
        let error = read(name).expect_err(name).to_string();
        assert!(error.contains(expected), "{error}");
    }
    for name in ["issuer/00", "tile/2/001.p/3", "tile/2/006.p/3"] {
        assert_eq!(read(name).expect_err(name).kind(), io::ErrorKind::NotFound, "{name}");
    }
    let one = zips.read(&at("003.zip"), "tile/2/003", 100).expect("read");
    assert_eq!(one, Some(vec![3]));
}

#[test]
fn no_more_is_read_of_a_zip_than_allowed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("000.zip");
    let zeros = vec![0; 4 << 20];
    write(&path, &[("bomb", &zeros), ("exact", &zeros[..1000])]);
    let read = |name: &str, limit| Zips::default().read(&path, name, limit);
    assert_eq!(read("exact", 1000).expect("read").map(|bytes| bytes.len()), Some(1000));
    assert_eq!(read("exact", 999).expect("not damaged"), None);
    assert_eq!(read("bomb", 1 << 20).expect("not damaged"), None);
    // Its list gives another size: the first of the two size fields of each list entry.
    let mut bytes = fs::read(&path).expect("a file");
    let list = bytes.windows(4).position(|it| it == b"PK\x01\x02").expect("a list");
    bytes[list + 24..list + 28].copy_from_slice(&100_u32.to_le_bytes());
    fs::write(&path, &bytes).expect("written");
    let lying = read("bomb", 1 << 20);
    assert!(!matches!(lying, Ok(Some(ref bytes)) if bytes.len() > 100), "{lying:?}");
}

#[test]
fn damaged_zips_are_errors() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("000.zip");
    let noise: Vec<u8> = (0..20_000_u32).map(|at| (at.wrapping_mul(at) >> 7) as u8).collect();
    write(&path, &[("noise", &noise)]);
    let whole = fs::read(&path).expect("a file");
    let read = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("written");
        Zips::default().read(&path, "noise", 1 << 20)
    };
    assert_eq!(read(&whole).expect("read"), Some(noise));
    for length in [0, 3, whole.len() / 2, whole.len() - 1] {
        read(&whole[..length]).expect_err("it has no end");
    }
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    read(&flipped).expect_err("its check sum differs");
}

#[test]
fn a_list_of_files_without_end_is_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("000.zip");
    let mut zip = ZipWriter::new(File::create(&path).expect("a file"));
    let long = "x".repeat(65_000);
    for number in 0..(LONGEST_LIST / 65_000 + 2) {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        zip.start_file(format!("{number:04}{long}"), options).expect("a file");
    }
    zip.finish().expect("written");
    let error = Zips::default().read(&path, "checkpoint", 100).expect_err("too long");
    assert!(error.to_string().contains("list of files"), "{error}");
}
