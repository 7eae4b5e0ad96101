//! Files in place of responses: a tiled log that lies in a folder is read like one behind a server.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::error::FetchError;

/// The beginning of the URL of a file; its path follows as it is.
pub(crate) const SCHEME: &str = "file://";
/// The beginning of compressed files. No tile, checkpoint or certificate begins like that.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// The status of a response in place of a missing file.
const NOT_FOUND: u16 = 404;

/// Returns the path of a file's URL.
pub(super) fn path(url: &str) -> Option<&Path> {
    url.strip_prefix(SCHEME).map(Path::new)
}

/// Reads the file at a URL, of which at most `limit` bytes are read after decompression.
///
/// # Errors
/// As for responses: a missing file is status 404.
pub(super) async fn read(url: &str, path: &Path, limit: usize) -> Result<Vec<u8>, FetchError> {
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || read_file(path, limit)).await;
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

/// Returns none if the file is larger than `limit`.
fn read_file(path: PathBuf, limit: usize) -> io::Result<Option<Vec<u8>>> {
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
        for name in ["plain", "packed"] {
            let url = format!("{SCHEME}{}", at(name).display());
            let path = path(&url).expect("a file's");
            assert_eq!(read(&url, path, 100).await.expect("read"), [7; 100]);
            let large = read(&url, path, 99).await;
            assert!(matches!(large, Err(FetchError::TooLarge { .. })), "{large:?}");
        }
        for name in ["missing", "plain/below", ""] {
            let missing = read("file:///x", &at(name), 100).await;
            assert!(matches!(missing, Err(FetchError::Status { status: 404, .. })), "{missing:?}");
        }
        assert!(path("https://ct.example").is_none());
    }
}
