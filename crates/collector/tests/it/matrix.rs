//! Every kind of output with every kind of stream from every kind of server.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::join_all;
use futures_util::{SinkExt as _, StreamExt as _};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use url::Url;
use wire::filter::Parameter;

use crate::harness::{Collector, PATIENCE, program};
use crate::replay::message;

/// The number of entries of the log; those with an even index match the filter.
const ENTRIES: u64 = 40;
/// The number of entries after which the connection is lost.
const FIRST: u64 = 20;
/// The number of entries after which a server that cannot resume continues.
const MISSED: u64 = 30;

/// The abilities of a server.
#[derive(Clone, Copy, Debug)]
struct Abilities {
    filters: bool,
    offsets: bool,
    stream: Option<&'static str>,
}

const SERVERS: [Abilities; 6] = [
    Abilities { filters: true, offsets: true, stream: Some("s1") },
    Abilities { filters: true, offsets: true, stream: None },
    Abilities { filters: false, offsets: true, stream: Some("s1") },
    Abilities { filters: false, offsets: true, stream: None },
    Abilities { filters: true, offsets: false, stream: None },
    Abilities { filters: false, offsets: false, stream: None },
];

/// Arguments with the path and the kind of output that they produce.
const OUTPUTS: [(&[&str], &str, Kind); 9] = [
    (&["-o", "out.feather"], "out.feather", Kind::File),
    (&["-o", "out.arrow"], "out.arrow", Kind::File),
    (&["-o", "out"], "out", Kind::File),
    (&["-o", "out.feather", "--format", "feather"], "out.feather", Kind::File),
    (&["-o", "out", "--rotate", "1h"], "out", Kind::Folder("feather")),
    (&["-o", "out.feather", "--rotate", "20kB"], "out.feather", Kind::Folder("feather")),
    (&["-o", "out.parquet"], "out.parquet", Kind::Folder("parquet")),
    (&["-o", "out", "--format", "parquet"], "out", Kind::Folder("parquet")),
    (&["-o", "out.parquet", "--rotate", "20kB,1h"], "out.parquet", Kind::Folder("parquet")),
];

#[derive(Clone, Copy, Debug)]
enum Kind {
    File,
    /// A folder of parts with this extension.
    Folder(&'static str),
}

/// A server and the requests it received.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<Url>>>,
    /// Notified when the client has read everything.
    read: Arc<Notify>,
}

impl Server {
    async fn start(abilities: Abilities) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("ws://{}/", listener.local_addr().expect("bound"));
        let (requests, read) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Notify::new()));
        let (seen, done) = (Arc::clone(&requests), Arc::clone(&read));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                serve(socket, abilities, &seen, &done).await;
            }
        });
        Self { url, requests, read }
    }
}

#[allow(clippy::result_large_err, reason = "the library's type")]
async fn serve(socket: TcpStream, abilities: Abilities, requests: &Mutex<Vec<Url>>, read: &Notify) {
    let see = |request: &Request, response: Response| {
        let url = Url::parse("ws://server").and_then(|it| it.join(&request.uri().to_string()));
        requests.lock().push(url.expect("a URL"));
        Ok(response)
    };
    let mut socket = tokio_tungstenite::accept_hdr_async(socket, see).await.expect("a request");
    let requests = requests.lock().clone();
    let url = requests.last().expect("this one");
    let is_first = requests.len() == 1;
    let value = |name: &str| url.query_pairs().find(|it| it.0 == name).map(|it| it.1.into_owned());
    let since = if abilities.offsets { value("since") } else { None };
    let since =
        since.map(|it| it.split('@').next().unwrap_or_default().parse::<u64>().expect("an offset"));
    let entries = match (is_first, since) {
        (true, _) => 1..=FIRST,
        (false, Some(since)) => since + 1..=ENTRIES,
        (false, None) => MISSED + 1..=ENTRIES,
    };
    let is_filter = |name: &str| Parameter::from_name(name).is_some();
    let is_filtered = abilities.filters && url.query_pairs().any(|(name, _)| is_filter(&name));
    for entry in entries {
        if is_wanted(entry) || !is_filtered {
            let message = encoded(entry, abilities, url.path() == "/domains-only");
            socket.send(Message::text(message.to_string())).await.expect("taken");
        }
    }
    let reached = if is_first { FIRST } else { ENTRIES };
    if abilities.offsets {
        let heartbeat = json!({ "message_type": "heartbeat", "offset": reached, "timestamp": 1.5,
            "stream": abilities.stream });
        socket.send(Message::text(heartbeat.to_string())).await.expect("taken");
    }
    // The answer says that everything before it was read.
    socket.send(Message::Ping(vec![1].into())).await.expect("taken");
    while let Some(Ok(message)) = socket.next().await {
        if message.is_pong() && !is_first {
            read.notify_one();
        } else if message.is_pong() {
            return;
        }
    }
}

const fn is_wanted(entry: u64) -> bool {
    entry.is_multiple_of(2)
}

fn name(entry: u64) -> String {
    let what = if is_wanted(entry) { "wanted" } else { "other" };
    format!("host-{entry}.{what}.example.co.uk")
}

fn encoded(entry: u64, abilities: Abilities, is_domains: bool) -> Value {
    let offset = abilities.offsets.then_some(entry);
    if is_domains {
        let mut message = json!({ "message_type": "dns_entries", "data": [name(entry)] });
        if let Some(offset) = offset {
            message["offset"] = offset.into();
        }
        return message;
    }
    let mut message: Value = serde_json::from_str(&message(offset, "log", entry)).expect("JSON");
    let (kind, address, digit) = if is_wanted(entry) {
        ("PrecertLogEntry", "192.0.2.1", '0')
    } else {
        ("X509LogEntry", "198.51.100.1", '1')
    };
    message["data"]["update_type"] = json!(kind);
    let leaf = &mut message["data"]["leaf_cert"];
    leaf["all_domains"] = json!([name(entry)]);
    leaf["sha256"] = json!(vec![format!("0{digit}"); 32].join(":"));
    let names = format!("DNS:{}, IP Address:{address}", name(entry));
    leaf["extensions"]["subjectAltName"] = json!(names);
    message
}

/// Collects the matching entries, with a filter in the URL or an option; returns the log.
async fn collects(
    filter: Option<&str>,
    (arguments, output, kind): (&[&str], &str, Kind),
    stream: &str,
    abilities: Abilities,
) -> String {
    let case = format!("{filter:?} {arguments:?} {stream} {abilities:?}");
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(abilities).await;
    let url = filter.map_or_else(|| server.url.clone(), |it| format!("{}?{it}", server.url));
    let common = ["--url", &url, "--stream", stream, "-b", "7"];
    let option = if filter.is_none() { &["--match", "wanted"][..] } else { &[] };
    let collector = Collector::start(folder.path(), &[&common, option, arguments].concat());
    let read = tokio::time::timeout(PATIENCE, server.read.notified()).await;
    read.unwrap_or_else(|_| panic!("{case}: {}", collector.log()));
    let (status, log) = collector.terminate().await;
    assert_eq!(status, Some(0), "{case}: {log}");

    let path = folder.path().join(output);
    let report = report(&path);
    let (rows, gaps) = if abilities.offsets { (ENTRIES / 2, 0) } else { (15, 1) };
    assert_eq!(
        (&report["rows"], &report["gap_count"]),
        (&rows.into(), &gaps.into()),
        "{case}: {log}"
    );
    assert_eq!(report["offset"].as_u64(), abilities.offsets.then_some(ENTRIES), "{case}");
    let of = if stream == "domains" { "domains" } else { "certificates" };
    assert_eq!(report["rows_of"], of, "{case}");
    match kind {
        Kind::File => assert!(has_magic(&path, b"ARROW1"), "{case}"),
        Kind::Folder(extension) => {
            let magic: &[u8] = if extension == "parquet" { b"PAR1" } else { b"ARROW1" };
            let parts = files(&path);
            assert!(!parts.is_empty(), "{case}");
            for part in parts {
                assert!(part.extension().is_some_and(|it| it == extension), "{case}: {part:?}");
                assert!(has_magic(&part, magic), "{case}: {part:?}");
            }
        }
    }
    let requests = server.requests.lock().clone();
    let since =
        requests[1].query_pairs().find(|(name, _)| name == "since").map(|it| it.1.into_owned());
    let id = abilities.stream.map_or_else(String::new, |stream| format!("@{stream}"));
    assert_eq!(since, abilities.offsets.then(|| format!("{FIRST}{id}")), "{case}");
    log
}

/// Returns the output of `inspect --json`.
fn report(path: &Path) -> Value {
    let output = program().args(["inspect", "--json"]).arg(path).output().expect("runs");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn has_magic(path: &Path, magic: &[u8]) -> bool {
    std::fs::read(path).expect("a file").starts_with(magic)
}

/// Returns all files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_output_works_with_every_stream_of_every_server() {
    for output in OUTPUTS {
        if matches!(output.2, Kind::Folder("parquet")) && !cfg!(feature = "parquet") {
            continue;
        }
        let cases = ["lite", "full", "domains"]
            .into_iter()
            .flat_map(|stream| SERVERS.map(|server| collects(None, output, stream, server)));
        join_all(cases).await;
    }
}

/// A filter yields the same rows without warnings, whether the server or the collector applies it.
#[tokio::test(flavor = "multi_thread")]
async fn every_filter_works_with_every_server() {
    for (filter, stream) in [
        ("entry=precert", "lite"),
        ("part=1/2", "lite"),
        ("ip=192.0.2.0/24", "full"),
        ("domain=192.0.2.1", "lite"),
        ("domain=wanted.example.co.uk&exact=true", "domains"),
    ] {
        let cases = SERVERS.map(|server| collects(Some(filter), OUTPUTS[0], stream, server));
        for log in join_all(cases).await {
            assert!(!log.contains("do not show"), "{filter}: {log}");
        }
    }
}

#[test]
fn misleading_output_names_are_refused() {
    for arguments in [
        &["-o", "out.csv"][..],
        &["-o", "out.json", "--rotate", "1h"],
        &["-o", "out.csv", "--format", "parquet"],
        &["-o", "out.parquet", "--format", "feather"],
        &["-o", "out.feather", "--format", "parquet"],
        &["-o", "out.arrow", "--format", "parquet", "--rotate", "1h"],
        &["-o", "gs://bucket/prefix"],
        &["-o", "out", "--rotate", "5"],
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let output = program().current_dir(folder.path()).args(arguments).output().expect("runs");
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {output:?}");
        assert_eq!(files(folder.path()), Vec::<PathBuf>::new(), "{arguments:?}");
    }
}
