//! Checked-in files that are generated from the code, so that people can read them. A test for each
//! generates it anew and compares.

use std::path::Path;

/// Compares a checked-in file, named from the root of the repository, with its expected contents. If
/// `UPDATE_EXPECT` is set, the file is written instead; `remake` are the arguments of `cargo test` for
/// that.
///
/// # Panics
/// If the file has other contents, or cannot be written.
pub fn check(file: &str, expected: impl AsRef<[u8]>, remake: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &expected).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
    let actual = std::fs::read(&path).unwrap_or_default();
    assert!(
        actual == expected.as_ref(),
        "{file} is not what the code says; to write it again, run\n\n    \
         UPDATE_EXPECT=1 cargo test {remake}\n",
    );
}
