//! The files of `web/`, embedded.

/// A file as it is served.
#[derive(Debug)]
pub(super) struct File {
    name: &'static str,
    pub(super) content_type: &'static str,
    pub(super) text: &'static str,
}

macro_rules! file {
    ($name:literal, $content_type:expr) => {
        File {
            name: $name,
            content_type: $content_type,
            text: include_str!(concat!("../../../../../web/", $name)),
        }
    };
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

pub(super) const PAGE: File = file!("index.html", "text/html; charset=utf-8");

/// The files that the page refers to, under `/page/`.
const PARTS: [File; 10] = [
    file!("page.css", "text/css; charset=utf-8"),
    file!("icon.svg", "image/svg+xml"),
    file!("page.js", SCRIPT),
    file!("stream.js", SCRIPT),
    file!("text.js", SCRIPT),
    file!("certificates.js", SCRIPT),
    file!("detail.js", SCRIPT),
    file!("logs.js", SCRIPT),
    file!("rate.js", SCRIPT),
    file!("connect.js", SCRIPT),
];

pub(super) fn find(name: &str) -> Option<&'static File> {
    PARTS.iter().find(|file| file.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_embedded_and_refers_to_nothing_elsewhere() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web");
        for entry in std::fs::read_dir(folder).expect("the folder") {
            let name = entry.expect("an entry").file_name().into_string().expect("a name");
            let file = if name == PAGE.name { Some(&PAGE) } else { find(&name) };
            let text = file.unwrap_or_else(|| panic!("{name} is not embedded")).text;
            let names_a_host = text.replace("http://www.w3.org/2000/svg", "").contains("https://");
            assert!(!names_a_host, "{name} names another host");
            for unsafe_sink in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write"] {
                assert!(!text.contains(unsafe_sink), "{name} uses {unsafe_sink}");
            }
        }
    }
}
