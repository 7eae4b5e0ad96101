//! Parts: closed by size, kept or deleted, and resumed after a kill.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::{Collector, batches, eventually, indexes, open_part, state};
use crate::replay::{Replay, Session, messages};

/// Returns all closed parts, oldest first.
fn closed(output: &Path) -> Vec<PathBuf> {
    let inside = |folder: PathBuf| {
        let entries = fs::read_dir(folder).map(|it| it.collect::<Result<Vec<_>, _>>());
        entries.and_then(|it| it).unwrap_or_default().into_iter().map(|entry| entry.path())
    };
    let days = inside(output.to_owned()).filter(|it| it.is_dir());
    let mut parts: Vec<_> = days.flat_map(inside).flat_map(inside).collect();
    parts.sort_by_key(|path| {
        path.file_stem().and_then(|it| it.to_str()?.rsplit('-').next().map(str::to_owned))
    });
    parts
}

/// Returns the open part, which is beside the output.
fn open(output: &Path) -> Option<PathBuf> {
    let name = output.file_name().expect("a name").to_str().expect("text");
    open_part(&output.with_file_name(format!(".{name}.open")))
}

/// Returns the number of rows of the open part.
fn rows_of_open(output: &Path) -> u64 {
    open(output).and_then(|path| state(&path)).map_or(0, |state| state.rows)
}

/// Collects 5,000 entries into parts. The collector is killed after the first half, when the server is
/// restarted and sends entries again. `rows` returns the number of rows of a closed part.
async fn collect_despite_a_kill(folder: &Path, flags: &[&str], rows: impl Fn(&Path) -> u64) {
    let output = folder.join("parts");
    let sessions = vec![
        Session::of(messages(1, "log", 0..2_500), true),
        Session::of(messages(1_000_000, "log", 1_000..5_000), true),
    ];
    let replay = Replay::start(sessions).await;
    let url = replay.url();
    let arguments = [&["--url", &url, "-o", "parts", "-b", "100"], flags].concat();
    let written = || {
        let closed = closed(&output);
        rows_of_open(&output) + closed.iter().map(|path| rows(path)).sum::<u64>()
    };
    let collector = Collector::start(folder, &arguments);
    eventually("2,500 rows", || (written() == 2_500).then_some(())).await;
    drop(collector); // SIGKILL
    let collector = Collector::start(folder, &arguments);
    eventually("5,000 rows", || (written() == 5_000).then_some(())).await;
    assert_eq!(replay.requests()[1].target, "/?since=2500");
    let (status, log) = collector.terminate().await;
    assert_eq!(status, Some(0), "{log}");
    assert_eq!(open(&output), None);
    // Readers find only closed parts.
    let names = fs::read_dir(&output).expect("there").map(|it| it.expect("there").file_name());
    let names: Vec<_> = names.map(|name| name.into_string().expect("text")).collect();
    assert!(names.iter().all(|name| name.starts_with("date=")), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn feather_parts_are_complete_after_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows = |path: &Path| state(path).map_or(0, |state| state.rows);
    collect_despite_a_kill(folder.path(), &["--rotate", "40kB"], rows).await;
    let parts = closed(&folder.path().join("parts"));
    assert!(parts.len() > 3, "{parts:?}");
    let rows: Vec<_> = parts.iter().flat_map(|part| batches(part)).collect();
    assert_eq!(indexes(&rows)["https://log"], (0..5_000).collect::<Vec<_>>());
}

#[cfg(feature = "parquet")]
#[tokio::test(flavor = "multi_thread")]
async fn parquet_parts_are_complete_after_a_kill() {
    use collector::output::parquet;

    let folder = tempfile::tempdir().expect("a folder");
    let rows = |path: &Path| parquet::state(path).expect("whole").rows;
    let flags = ["--format", "parquet", "--rotate", "90kB"];
    collect_despite_a_kill(folder.path(), &flags, rows).await;
    let parts = closed(&folder.path().join("parts"));
    let mut rows = Vec::new();
    for part in &parts {
        parquet::columns(part, &["cert_index", "source_url"], |batch| rows.push(batch))
            .expect("whole");
    }
    assert_eq!(indexes(&rows)["https://log"], (0..5_000).collect::<Vec<_>>());
    let last = parts.last().expect("parts");
    assert_eq!(parquet::state(last).expect("whole").offset, Some(1_003_999));
    let inspected = collector::inspect::inspect(last).expect("whole");
    assert!(inspected.to_string().contains("of certificates"), "{inspected}");
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_beyond_the_size_limit_are_deleted() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("parts");
    let replay = Replay::start(vec![Session::of(messages(1, "log", 0..10_000), true)]).await;
    let url = replay.url();
    let arguments =
        ["--url", &url, "-o", "parts", "--rotate", "40kB", "-b", "100", "--max-bytes", "150kB"];
    let collector = Collector::start(folder.path(), &arguments);
    let size = || {
        let all = closed(&output).into_iter().chain(open(&output));
        all.filter_map(|path| Some(fs::metadata(path).ok()?.len())).sum::<u64>()
    };
    let last = || {
        let part = closed(&output).into_iter().chain(open(&output)).last()?;
        state(&part).and_then(|state| state.offset)
    };
    let all = || (last() == Some(10_000) && size() <= 150_000).then_some(());
    eventually("all rows, and little space", all).await;
    let (status, log) = collector.terminate().await;
    assert_eq!(status, Some(0), "{log}");
    assert!(log.contains("deleted parts/date="), "{log}");
}

/// An earlier version had fewer columns, and its open part in the output itself.
#[tokio::test(flavor = "multi_thread")]
async fn the_open_part_of_an_earlier_version_is_closed() {
    use std::sync::Arc;

    use arrow_schema::Schema;
    use client::Progress;
    use columns::feather::Feather;
    use columns::schema::schema;
    use columns::{Compression, MessageRow, Rows, Table};

    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("parts");
    fs::create_dir(&output).expect("a folder");
    let now = schema(Rows::Certificates { with_der: false });
    let is_old = |name: &str| !["registered_domain", "domains_total", "truncated"].contains(&name);
    let fields: Vec<_> = now.fields().iter().filter(|it| is_old(it.name())).cloned().collect();
    let old = Arc::new(Schema::new(fields).with_metadata(now.metadata().clone()));
    let mut table = Table::new(&old);
    let update = wire::decode::Update { cert_index: Some(7), ..Default::default() };
    table.push(&MessageRow { update: &update, der: None }, 0);
    let path = output.join(".certs-20261126T185301Z-00000041.feather");
    let file = fs::File::create_new(&path).expect("a file");
    let mut feather = Feather::create(file, &old, Compression::Zstd, &[]).expect("a file");
    let replay = Replay::start(vec![Session::of(messages(6, "log", 0..10), true)]).await;
    let server = Some(replay.url().trim_end_matches('/').to_owned());
    let progress = Progress { offset: Some(5), server, ..Progress::default() };
    let text = serde_json::to_string(&progress).expect("JSON");
    feather.append(&table.take().expect("a row"), &text, &[]).expect("written");
    drop(feather);

    let arguments = ["--url", &replay.url(), "-o", "parts", "--rotate", "1h"];
    let collector = Collector::start(folder.path(), &arguments);
    eventually("all rows", || (rows_of_open(&output) == 10).then_some(())).await;
    assert_eq!(replay.requests()[0].target, "/?since=5");
    let (status, log) = collector.terminate().await;
    assert_eq!(status, Some(0), "{log}");
    assert!(!path.try_exists().expect("known"));
    let parts = closed(&output);
    assert_eq!(parts.len(), 2, "{parts:?}");
    let columns = |part: &Path| batches(part)[0].num_columns();
    assert_eq!(columns(&parts[0]) + 3, columns(&parts[1]));
}
