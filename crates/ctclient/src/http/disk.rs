//! Files in place of responses: a tiled log that lies in a folder, or in zips, is read like one behind a
//! server.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use super::error::FetchError;
use super::zips::{self, Zips};

/// The beginning of the URL of a file; its path follows as it is.
const SCHEME: &str = "file://";
/// The beginning of the URL of a file in a zip: the path of the zip, or of a folder of zips, follows, then
/// [`WITHIN`] and the name of the file.
const ZIP_SCHEME: &str = "zip://";
/// The end of the path of a zip.
const WITHIN: &str = "!/";
/// The beginning of compressed files. No tile, checkpoint or certificate begins like that.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// The status of a response in place of a missing file.
const NOT_FOUND: u16 = 404;

/// A file that is read in place of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// A file.
    File(PathBuf),
    /// A file in a zip, or in one of the zips in a folder.
    Zipped(PathBuf, String),
}

impl Stored {
    /// Returns the file that a URL names.
    pub(super) fn of_url(url: &str) -> Option<Self> {
        if let Some(path) = url.strip_prefix(SCHEME) {
            return Some(Self::File(path.into()));
        }
        // The names of a log's files do not contain it, but the path may.
        let (zip, name) = url.strip_prefix(ZIP_SCHEME)?.rsplit_once(WITHIN)?;
        Some(Self::Zipped(zip.into(), name.to_owned()))
    }

    /// Returns none if the file is larger than `limit`, after decompression.
    fn read(&self, zips: &Zips, limit: usize) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::File(path) => read_file(path, limit),
            Self::Zipped(zip, name) => zips.read(zip, name, limit),
        }
    }
}

/// Returns the base of the URLs of a log's files in a folder, in a zip, or in a folder of zips.
pub(crate) fn base_url(source: &Path) -> String {
    let is_zipped = if source.is_dir() {
        // A folder that cannot be listed has no zips either.
        !source.join("checkpoint").is_file() && matches!(zips::first(source), Ok(Some(_)))
    } else {
        zips::is_zip(source)
    };
    let source = source.display();
    if is_zipped { format!("{ZIP_SCHEME}{source}!") } else { format!("{SCHEME}{source}") }
}

/// Reads a file of a log that lies in a folder, in a zip, or in a folder of zips; none if it is larger
/// than `limit`.
///
/// # Errors
/// If it is missing or cannot be read.
pub fn read_stored(source: &Path, name: &str, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let url = format!("{}/{name}", base_url(source));
    let stored = Stored::of_url(&url).ok_or(io::ErrorKind::InvalidInput)?;
    stored.read(&Zips::default(), limit)
}

/// Reads the file at a URL, of which at most `limit` bytes are read after decompression.
///
/// # Errors
/// As for responses: a missing file is status 404.
pub(super) async fn read(
    url: &str,
    stored: Stored,
    zips: &Arc<Zips>,
    limit: usize,
) -> Result<Vec<u8>, FetchError> {
    let zips = Arc::clone(zips);
    let read = tokio::task::spawn_blocking(move || stored.read(&zips, limit)).await;
    let url = || url.to_owned();
    match read.unwrap_or_else(|panic| Err(io::Error::other(panic.to_string()))) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(FetchError::TooLarge { url: url(), limit }),
        Err(error) if is_missing(&error) => {
            Err(FetchError::Status { url: url(), status: NOT_FOUND })
        }
        Err(error) => Err(FetchError::Transport { url: url(), reason: error.to_string() }),
    }
}

fn is_missing(error: &io::Error) -> bool {
    // A tile's name can be that of a folder: `tile/0/x001` has those below it.
    use io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
    [NotFound, NotADirectory, IsADirectory].contains(&error.kind())
}

fn read_file(path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let most = limit as u64 + 1;
    let mut bytes = Vec::new();
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    if bytes.starts_with(&GZIP) && bytes.len() <= limit {
        let mut plain = Vec::new();
        MultiGzDecoder::new(&bytes[..]).take(most).read_to_end(&mut plain)?;
        bytes = plain;
    }
    Ok((bytes.len() <= limit).then_some(bytes))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[tokio::test]
    async fn files_are_read_within_bounds_and_decompressed() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("plain"), [7; 100]).expect("written");
        let mut packed =
            GzEncoder::new(File::create(at("packed")).expect("a file"), Compression::fast());
        packed.write_all(&[7; 100]).expect("written");
        packed.finish().expect("written");
        let zips = Arc::default();
        for name in ["plain", "packed"] {
            let url = format!("{SCHEME}{}", at(name).display());
            let stored = Stored::of_url(&url).expect("a file's");
            assert_eq!(read(&url, stored.clone(), &zips, 100).await.expect("read"), [7; 100]);
            let large = read(&url, stored, &zips, 99).await;
            assert!(matches!(large, Err(FetchError::TooLarge { .. })), "{large:?}");
        }
        for name in ["missing", "plain/below", ""] {
            let missing = read("file:///x", Stored::File(at(name)), &zips, 100).await;
            assert!(matches!(missing, Err(FetchError::Status { status: 404, .. })), "{missing:?}");
        }
        assert!(Stored::of_url("https://ct.example").is_none());
    }

    #[test]
    fn urls_name_files_and_files_in_zips() {
        let zipped = |zip: &str, name: &str| Some(Stored::Zipped(zip.into(), name.to_owned()));
        for (url, expected) in [
            ("file:///a/b", Some(Stored::File("/a/b".into()))),
            ("file://a!/b", Some(Stored::File("a!/b".into()))),
            ("zip:///a/000.zip!/tile/0/000", zipped("/a/000.zip", "tile/0/000")),
            ("zip://odd!/a!/checkpoint", zipped("odd!/a", "checkpoint")),
            ("zip:///a/000.zip", None),
            ("https://ct.example/!/x", None),
        ] {
            assert_eq!(Stored::of_url(url), expected, "{url}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().display();
        assert_eq!(base_url(folder.path()), format!("file://{path}"));
        std::fs::write(folder.path().join("000.zip"), "").expect("written");
        assert_eq!(base_url(folder.path()), format!("zip://{path}!"));
        assert_eq!(base_url(&folder.path().join("000.zip")), format!("zip://{path}/000.zip!"));
        std::fs::write(folder.path().join("checkpoint"), "").expect("written");
        assert_eq!(base_url(folder.path()), format!("file://{path}"), "unpacked");
    }
}
