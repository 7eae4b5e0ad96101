//! The files of `web/`, embedded.

use std::io::Write as _;
use std::sync::LazyLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// A file as it is served.
#[derive(Debug)]
pub(super) struct File {
    name: &'static str,
    pub(super) content_type: &'static str,
    pub(super) text: &'static str,
    /// The text, compressed when it is first requested; none if that fails.
    pub(super) gzip: LazyLock<Option<Bytes>>,
}

fn compress(text: &str) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

macro_rules! file {
    ($name:literal, $content_type:expr) => {
        File {
            name: $name,
            content_type: $content_type,
            text: include_str!(concat!("../../../../../web/", $name)),
            gzip: LazyLock::new(|| compress(include_str!(concat!("../../../../../web/", $name)))),
        }
    };
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

pub(super) static PAGE: File = file!("index.html", "text/html; charset=utf-8");

/// The files that the page refers to, under `/page/`.
static PARTS: [File; 26] = [
    file!("page.css", "text/css; charset=utf-8"),
    file!("parts.css", "text/css; charset=utf-8"),
    file!("icon.svg", "image/svg+xml"),
    file!("page.js", SCRIPT),
    file!("text.js", SCRIPT),
    file!("state.js", SCRIPT),
    file!("token.js", SCRIPT),
    file!("figures.js", SCRIPT),
    file!("logs.js", SCRIPT),
    file!("alerts.js", SCRIPT),
    file!("stream/stream.js", SCRIPT),
    file!("stream/transport.js", SCRIPT),
    file!("stream/names.js", SCRIPT),
    file!("stream/row.js", SCRIPT),
    file!("stream/certificates.js", SCRIPT),
    file!("stream/detail.js", SCRIPT),
    file!("stream/save.js", SCRIPT),
    file!("stream/top.js", SCRIPT),
    file!("search/search.js", SCRIPT),
    file!("search/answer.js", SCRIPT),
    file!("search/time.js", SCRIPT),
    file!("filter/filter.js", SCRIPT),
    file!("filter/form.js", SCRIPT),
    file!("filter/notify.js", SCRIPT),
    file!("filter/connect.js", SCRIPT),
    file!("filter/snippets.js", SCRIPT),
];

pub(super) fn find(name: &str) -> Option<&'static File> {
    PARTS.iter().find(|file| file.name == name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Bytes of all files together, compressed: what a browser loads, once, before it shows the
    /// stream. One second of the stream of all logs is more.
    const BUDGET: usize = 48 << 10;

    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web");

    /// Returns the names of the files below a folder, relative to [`FOLDER`].
    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("the folder");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let name = |path: &Path| {
            let name = path.strip_prefix(FOLDER).expect("a path below it");
            name.to_str().expect("a name").to_owned()
        };
        paths
            .flat_map(|path| if path.is_dir() { names(&path) } else { vec![name(&path)] })
            .collect()
    }

    #[test]
    fn every_file_of_the_folder_is_embedded_and_loads_nothing_elsewhere() {
        let mut bytes = 0;
        for name in names(Path::new(FOLDER)) {
            let file = if name == PAGE.name { Some(&PAGE) } else { find(&name) };
            let text = file.unwrap_or_else(|| panic!("{name} is not embedded")).text;
            bytes += compress(text).expect("compressed").len();
            // The link of a certificate, which somebody has to follow.
            let own =
                text.replace("http://www.w3.org/2000/svg", "").replace("https://crt.sh/?q=", "");
            assert!(!own.contains("https://"), "{name} names another host");
            for unsafe_sink in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write"] {
                assert!(!text.contains(unsafe_sink), "{name} uses {unsafe_sink}");
            }
        }
        assert!((1..BUDGET).contains(&bytes), "{bytes} bytes");
    }
}
