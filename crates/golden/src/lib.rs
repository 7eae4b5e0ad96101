//! Files that are made from what the code says and checked in, so that people can read them. A test
//! for each makes it anew and compares.

use std::path::Path;

/// Compares a checked-in file, named from the root of the repository, with what it should be. Where
/// `UPDATE_EXPECT` is set, it is written instead. `remake` is what to give `cargo test` for that.
///
/// # Panics
/// When the file is another, or cannot be written.
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
