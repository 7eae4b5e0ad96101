//! Archives of many parts that become few, and their order.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::UInt64Type;
use arrow_array::{RecordBatch, new_null_array};
use arrow_schema::{DataType, Field, Schema};
use collector::archive::verify::Level;
use columns::archive::{Archive, ArchiveError, Writer};
use columns::{Compression, digest};

use super::{assert_complete, backfill, output, parts, ranges, simulate};
use crate::harness::{eventually, program};

/// The row of each entry, by LogID and index: its digest.
type Rows = BTreeMap<(String, u64), ct::Hash>;

fn batches(path: &Path) -> (Archive, Vec<RecordBatch>) {
    let archive = Archive::open(File::open(path).expect("a file")).expect("an archive");
    let mut batches = Vec::new();
    let read = archive.each(|batch| {
        batches.push(batch);
        Ok::<_, ArchiveError>(())
    });
    read.expect("it is read");
    (archive, batches)
}

fn rows(folder: &Path) -> Rows {
    let mut rows = Rows::new();
    for part in parts(folder) {
        for batch in batches(&part).1 {
            let indexes = batch["cert_index"].as_primitive::<UInt64Type>();
            let logs = batch["log_id"].as_string::<i32>();
            for (at, row) in digest::of_rows(&batch).into_iter().enumerate() {
                let key = (logs.value(at).to_owned(), indexes.value(at));
                assert_eq!(rows.insert(key, row), None, "an entry is there twice");
            }
        }
    }
    rows
}

async fn compact(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = program();
    command.arg("compact").args(arguments).arg(folder);
    let ended = output(command).await;
    let text = [ended.stdout, ended.stderr].concat();
    (ended.status.code(), String::from_utf8(text).expect("text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_stay_the_same_and_are_sorted_by_name() {
    let sim = simulate(1_200).await;
    let folder = tempfile::tempdir().unwrap();
    for (format, level, der) in
        [("parquet", Level::Digests, &[][..]), ("feather", Level::Recomputed, &["--with-der"])]
    {
        let archive = folder.path().join(format);
        let arguments = [&["--format", format, "--part-entries", "256"], der].concat();
        let (status, log) = backfill(&sim, &archive, &arguments).await;
        assert_eq!(status, Some(0), "{log}");
        let before = rows(&archive);
        for (arguments, expected) in [
            (&["--entries", "1024"][..], "replaced 8 parts, wrote 2"),
            (&["--entries", "1024", "--sort", "name"], "replaced 4 parts, wrote 4"),
            (&["--entries", "1024", "--sort", "name"], "replaced 0 parts, wrote 0"),
            (&[], "replaced 4 parts, wrote 2"),
        ] {
            let (status, text) = compact(&archive, arguments).await;
            assert_eq!(status, Some(0), "{text}");
            assert!(text.contains(expected), "{arguments:?}: {text}");
            assert_complete(&sim, &archive, level, 0, 1_200);
            assert!(rows(&archive) == before, "rows differ after {arguments:?}");
        }
        let files = parts(&archive);
        assert_eq!(files.len(), 2);
        for file in files {
            let (_, batches) = batches(&file);
            let names: Vec<_> = batches
                .iter()
                .flat_map(|batch| batch["reversed_name"].as_string::<i32>().iter())
                .map(|name| name.map(str::to_owned))
                .collect();
            assert!(names.is_sorted(), "sorted parts stay sorted: {}", file.display());
        }
    }
}

/// Asserts that every entry is in a part that verifies.
fn assert_covered(folder: &Path, size: u64, logs: usize) {
    let ranges = ranges(folder, Level::Digests);
    assert_eq!(ranges.len(), logs);
    for (log, mut ranges) in ranges {
        ranges.sort_unstable();
        let mut next = 0;
        for (start, end) in ranges {
            assert!(start <= next, "{log}: the entries from {next} to {start} are missing");
            next = next.max(end);
        }
        assert_eq!(next, size, "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_compacting_is_killed() {
    let sim = simulate(1_200).await;
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("archive");
    let (status, log) = backfill(&sim, &archive, &["--part-entries", "256"]).await;
    assert_eq!(status, Some(0), "{log}");
    let before = rows(&archive);
    let staging = folder.path().join(".archive.open");
    let is_writing = || {
        fs::read_dir(&staging).is_ok_and(|mut files| {
            files.any(|file| file.is_ok_and(|file| file.path().extension().is_some()))
        })
    };
    let count = parts(&archive).len();
    let has_replaced = || parts(&archive).len() != count;
    let moments: [&dyn Fn() -> bool; 3] = [&is_writing, &has_replaced, &is_writing];
    for moment in moments {
        let mut command = program();
        command.args(["compact", "--sort", "name"]).arg(&archive);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        eventually("the moment to kill it", || {
            let has_ended = child.try_wait().expect("a child").is_some();
            (has_ended || moment()).then_some(())
        })
        .await;
        // It may have ended by itself.
        let _gone = child.kill();
        child.wait().expect("a child");
        assert_covered(&archive, 1_200, 2);
    }
    let (status, text) = compact(&archive, &["--sort", "name"]).await;
    assert_eq!(status, Some(0), "{text}");
    assert_complete(&sim, &archive, Level::Digests, 0, 1_200);
    assert!(rows(&archive) == before, "rows differ");
    assert!(!is_writing(), "only the lock is left");
}

/// The files of a folder and their contents.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    parts(folder).into_iter().map(|path| (path.clone(), fs::read(path).expect("a file"))).collect()
}

/// Copies a part, with one more column.
fn with_column(from: &Path, to: &Path) {
    let (archive, batches) = batches(from);
    let mut fields = archive.schema().fields().to_vec();
    fields.push(Arc::new(Field::new("of_a_later_version", DataType::Utf8, true)));
    let schema = Schema::new(fields).with_metadata(archive.schema().metadata().clone());
    let schema = Arc::new(schema);
    let file = File::options().read(true).write(true).create(true).truncate(true).open(to);
    let (format, none) = (archive.format(), Compression::None);
    let writer = Writer::create(file.expect("a file"), format, &schema, none, 1 << 16);
    let mut writer = writer.expect("a file");
    for batch in batches {
        let mut columns = batch.columns().to_vec();
        columns.push(new_null_array(&DataType::Utf8, batch.num_rows()));
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).expect("the columns");
        writer.append(&batch).expect("written");
    }
    writer.finish(archive.text().expect("a proof")).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_do_not_belong_together_are_refused_and_stay() {
    let sim = simulate(600).await;
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("archive");
    let (status, log) = backfill(&sim, &archive, &["--part-entries", "256"]).await;
    assert_eq!(status, Some(0), "{log}");
    let files = parts(&archive);
    let (one, two) = (&files[1], &files[4]);
    let whole = fs::read(one).unwrap();
    let with_other_log = || fs::copy(two, one).map(|_| ()).unwrap();
    let with_other_range = || fs::copy(&files[0], one).map(|_| ()).unwrap();
    let with_other_columns = || with_column(&files[1], &files[1]);
    let cut = || fs::write(one, &whole[..whole.len() / 2]).unwrap();
    let spoils: [(&dyn Fn(), &str); 4] = [
        (&with_other_log, "another log or range"),
        (&with_other_range, "another log or range"),
        (&with_other_columns, "the columns are not those"),
        (&cut, "Corrupt footer"),
    ];
    for (spoil, expected) in spoils {
        spoil();
        let before = contents(&archive);
        for arguments in [&[][..], &["--sort", "name"]] {
            let (status, text) = compact(&archive, arguments).await;
            assert_eq!(status, Some(1), "{text}");
            assert!(text.contains(expected) && text.contains("archive/log="), "{text}");
            assert!(contents(&archive) == before, "{expected}: nothing is changed");
        }
        fs::write(one, &whole).unwrap();
    }
    // A part that has, by its name, the entries of others.
    let name = files[0].file_name().unwrap().to_str().unwrap();
    let (begin, _) = name.rsplit_once('-').unwrap();
    let wide = files[0].with_file_name(format!("{begin}-{:013}.parquet", 600));
    fs::copy(&files[0], &wide).unwrap();
    let before = contents(&archive);
    let (status, text) = compact(&archive, &[]).await;
    assert!(status == Some(1) && text.contains("another log or range"), "{text}");
    assert!(contents(&archive) == before, "nothing is deleted");
    fs::remove_file(&wide).unwrap();
    // What cannot be read is not called damaged.
    fs::create_dir(&wide).unwrap();
    let (status, text) = compact(&archive, &[]).await;
    assert!(status == Some(1) && text.contains("directory"), "{text}");
    assert!(!text.contains("verify") && !text.contains("damaged"), "{text}");
    fs::remove_dir(wide).unwrap();
    let (status, text) = compact(&archive, &[]).await;
    assert!(status == Some(0) && text.contains("replaced 6 parts, wrote 2"), "{text}");
}
