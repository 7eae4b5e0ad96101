//! The crate against real data: logs' answers, tiles, heads, lists, and vectors of other
//! implementations. The data is not part of the repository; where it is absent these tests say so.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used
)]

mod heads;
mod log_list;
mod merkle;
mod pages;
mod tiles;

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// The root of the data, or `None` where it is absent.
fn data() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if root.is_dir() {
        return Some(root);
    }
    println!("skipped: ../shared/data is not here");
    None
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read_json<T: DeserializeOwned>(path: &Path) -> T {
    serde_json::from_slice(&read(path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// All files below a directory, sorted.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn base64(text: &str) -> Vec<u8> {
    base64_simd::STANDARD.decode_to_vec(text).unwrap()
}

/// The base64 of 32 bytes, or `None`.
fn hash(text: &str) -> Option<ct::Hash> {
    base64(text).try_into().ok()
}
