//! The paths of the streams and of their examples.

use config::Config;
use wire::StreamKind;

/// Reports whether a stream is rendered.
pub(in crate::http) const fn is_on(config: &Config, kind: StreamKind) -> bool {
    let streams = &config.streams;
    match kind {
        StreamKind::Full => streams.full,
        StreamKind::Lite => streams.lite,
        StreamKind::Domains => streams.domains_only,
    }
}

/// Returns the streams that have routes, each with its paths. At `/`, where the page is, there is
/// always one: the lite stream unless the configuration puts another there.
pub(in crate::http) fn streams(config: &Config) -> Vec<(StreamKind, Vec<String>)> {
    let streams = &config.streams;
    let all = [
        (streams.lite || config.protocols.page, StreamKind::Lite, &streams.lite_path),
        (streams.full, StreamKind::Full, &streams.full_path),
        (streams.domains_only, StreamKind::Domains, &streams.domains_only_path),
    ];
    let root_is_taken = all.iter().any(|(on, _, path)| *on && *path == "/");
    let on = all.into_iter().filter(|(on, ..)| *on);
    on.map(|(_, kind, path)| {
        let mut paths = vec![path.clone()];
        if path != "/" {
            paths.push(format!("{path}/"));
        }
        if kind == StreamKind::Lite && !root_is_taken {
            paths.push("/".to_owned());
        }
        (kind, paths)
    })
    .collect()
}

/// Returns the paths of a stream's newest message: below its own, that of the lite stream also below
/// `/`.
pub(in crate::http) fn examples(kind: StreamKind, paths: &[String]) -> Vec<String> {
    let below = |path: &str| format!("{}/example.json", path.trim_end_matches('/'));
    let mut examples: Vec<String> = paths.first().map(|path| below(path)).into_iter().collect();
    let root = below("/");
    match kind {
        StreamKind::Lite if !examples.contains(&root) => examples.push(root),
        StreamKind::Lite => {}
        // That is the lite stream's, wherever the stream is.
        StreamKind::Full | StreamKind::Domains => examples.retain(|path| *path != root),
    }
    examples
}
