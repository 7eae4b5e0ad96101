use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::sync::Arc;
use std::thread;

use arrow_array::{Array as _, StringArray, UInt64Array};
use arrow_ipc::reader::FileReader;
use arrow_schema::{DataType, Field};
use proptest::prelude::*;

use super::*;
use crate::row::MessageRow;
use crate::schema::{self, Rows, SchemaError};
use crate::table::Table;

const KINDS: [Compression; 3] = [Compression::None, Compression::Lz4, Compression::Zstd];
const ROWS: Rows = Rows::Certificates { with_der: false };

/// A file, in memory if possible, because opening after a cut waits for the disk.
fn empty() -> File {
    tempfile::tempfile_in("/dev/shm").or_else(|_| tempfile::tempfile()).unwrap()
}

/// A batch of rows that look like certificates; `first` is the index of the first.
fn batch(schema: &SchemaRef, first: u64, rows: u64) -> RecordBatch {
    let mut table = Table::new(schema);
    for index in first..first + rows {
        let mut update = wire::decode::Update { cert_index: Some(index), ..Default::default() };
        update.leaf.all_domains = vec![format!("host-{index}.example").into()];
        update.leaf.sha256 =
            Some(format!("{:064X}", u128::from(index).wrapping_mul(0x9e37_79b9_7f4a_7c15)).into());
        table.push(&MessageRow { update: &update, der: None }, 0);
    }
    table.take().unwrap()
}

/// The text stored with a batch.
fn text(offset: u64) -> String {
    format!("{{\"offset\":{offset}}}")
}

/// The pairs of a footer.
fn pairs(offset: u64) -> Vec<(&'static str, String)> {
    vec![("certstream.offset", offset.to_string())]
}

fn create(file: &File, schema: &SchemaRef, compression: Compression) -> Feather {
    Feather::create(file.try_clone().unwrap(), schema, compression, &[]).unwrap()
}

fn append(feather: &mut Feather, batch: &RecordBatch, offset: u64) {
    feather.append(batch, &text(offset), &pairs(offset)).unwrap();
}

/// The indexes of all rows, read as any reader of the format does, by the footer.
fn read(file: &File) -> Vec<u64> {
    let reader = FileReader::try_new(file, None).unwrap();
    reader.flat_map(|batch| indexes(&batch.unwrap())).collect()
}

fn indexes(batch: &RecordBatch) -> Vec<u64> {
    let column = batch.column_by_name("cert_index").unwrap();
    column.as_any().downcast_ref::<UInt64Array>().unwrap().values().to_vec()
}

fn reopen(file: &File) -> (Feather, Repair) {
    let (feather, repair, _) = reopen_with_text(file);
    (feather, repair)
}

/// Scans and opens a file; returns the text of its last batch too.
fn reopen_with_text(file: &File) -> (Feather, Repair, Option<String>) {
    let file = file.try_clone().unwrap();
    let scanned = scan(&file).unwrap();
    assert_eq!(scanned.texts.len(), scanned.blocks.len());
    let last = scanned.texts.last().cloned().flatten();
    let (feather, repair) = Feather::open(file, scanned, Compression::Zstd, &pairs(0)).unwrap();
    (feather, repair, last)
}

#[test]
fn valid_after_every_append() {
    let schema = schema::schema(ROWS);
    for kind in KINDS {
        let file = empty();
        let mut feather = create(&file, &schema, kind);
        assert_eq!(read(&file), Vec::<u64>::new());
        for step in 0..20_u64 {
            append(&mut feather, &batch(&schema, step * 7, 7), step);
            assert_eq!(read(&file), (0..(step + 1) * 7).collect::<Vec<_>>());
            let reader = FileReader::try_new(&file, None).unwrap();
            assert_eq!(reader.custom_metadata()["certstream.offset"], step.to_string());
            let version = schema::VERSION.to_string();
            assert_eq!(reader.schema().metadata()["certstream.schema"], version);
        }
        let scanned = scan(&file).unwrap();
        assert!(scanned.is_whole);
        let (mut again, repair, last) = reopen_with_text(&file);
        assert_eq!((repair, last), (Repair::default(), Some(text(19))));
        assert_eq!((again.rows(), feather.rows()), (140, 140));
        append(&mut again, &batch(&schema, 140, 1), 20);
        assert_eq!(read(&file).len(), 141);
    }
}

/// Rows of each batch of the sample.
const EACH: u64 = 400;

/// A file of some batches, where each ends, and its bytes.
fn sample(kind: Compression) -> (Vec<u64>, Vec<u8>) {
    let schema = schema::schema(ROWS);
    let file = empty();
    let mut feather = create(&file, &schema, kind);
    let mut ends = vec![feather.end];
    while feather.length() < 80 << 10 {
        let first = feather.rows();
        append(&mut feather, &batch(&schema, first, EACH), first);
        ends.push(feather.end);
    }
    (ends, content(&file))
}

#[test]
fn cut_at_every_byte_of_the_last_64_kib() {
    thread::scope(|scope| {
        for kind in KINDS {
            scope.spawn(move || cut_at_every_byte(kind));
        }
    });
}

fn cut_at_every_byte(kind: Compression) {
    let (ends, bytes) = sample(kind);
    let file = empty();
    file.write_all_at(&bytes, 0).unwrap();
    let from = bytes.len() - (64 << 10);
    for cut in (from..bytes.len()).rev() {
        file.set_len(cut as u64).unwrap();
        let whole = ends.iter().filter(|end| **end <= cut as u64).count() - 1;
        let (feather, repair) = reopen(&file);
        let dropped = cut as u64 - ends[whole];
        assert_eq!(repair, Repair { was_torn: true, dropped }, "{kind:?} cut at {cut}");
        assert_eq!(feather.batches(), whole, "{kind:?} cut at {cut}");
        assert_eq!(feather.rows(), EACH * whole as u64, "{kind:?} cut at {cut}");
        if cut % 509 == 0 {
            check_readable_and_appendable(&file, feather, whole as u64);
        }
        // The file as before, except its end.
        let end = usize::try_from(ends[whole]).unwrap();
        file.write_all_at(&bytes[end..cut], ends[whole]).unwrap();
    }
}

/// Checks that any reader finds this number of whole batches, and one more after another append.
fn check_readable_and_appendable(file: &File, mut feather: Feather, whole: u64) {
    assert_eq!(read(file), (0..EACH * whole).collect::<Vec<_>>());
    let schema = SchemaRef::clone(feather.schema());
    append(&mut feather, &batch(&schema, EACH * whole, EACH), 0);
    assert_eq!(read(file), (0..EACH * (whole + 1)).collect::<Vec<_>>());
}

#[test]
fn a_kill_during_an_append_leaves_the_whole_batch_or_none_of_it() {
    let schema = schema::schema(ROWS);
    for (kind, rows) in [(Compression::None, 1), (Compression::None, 40), (Compression::Zstd, 200)]
    {
        let file = empty();
        let mut feather = create(&file, &schema, kind);
        for step in 0..30 {
            append(&mut feather, &batch(&schema, step, 1), step);
        }
        let (end, old) = (usize::try_from(feather.end).unwrap(), content(&file));
        append(&mut feather, &batch(&schema, 30, rows), 99);
        let new = content(&file);
        let mut states = Vec::new();
        for beyond in (old.len()..=new.len()).step_by(61) {
            states.push([&old, &new[old.len()..beyond]].concat());
        }
        let beyond = &new[old.len()..];
        for over in (end + 8..=old.len()).step_by(61) {
            states.push([&old[..end + 8], &new[end + 8..over], &old[over..], beyond].concat());
        }
        for state in states {
            let mut file = empty();
            file.write_all(&state).unwrap();
            let (feather, _, last) = reopen_with_text(&file);
            assert_eq!((feather.rows(), last), (30, Some(text(29))));
            assert_eq!(read(&file).len(), 30);
        }
    }
}

#[test]
fn the_last_batch_can_be_replaced() {
    let schema = schema::schema(ROWS);
    let file = empty();
    let mut feather = create(&file, &schema, Compression::Zstd);
    // There is nothing to replace yet.
    feather.replace_last(&batch(&schema, 0, 3), &text(1), &pairs(1)).unwrap();
    append(&mut feather, &batch(&schema, 0, 0), 2);
    let length = feather.length();
    for offset in 3..9 {
        feather.replace_last(&batch(&schema, 0, 0), &text(offset), &pairs(offset)).unwrap();
        assert_eq!((feather.batches(), feather.length()), (2, length));
        assert_eq!(read(&file), [0, 1, 2]);
    }
    let (mut feather, repair, last) = reopen_with_text(&file);
    assert_eq!((repair, last), (Repair::default(), Some(text(8))));
    feather.replace_last(&batch(&schema, 3, 2), &text(9), &pairs(9)).unwrap();
    assert_eq!((feather.batches(), feather.rows()), (2, 5));
    assert_eq!(read(&file), [0, 1, 2, 3, 4]);
}

#[test]
fn a_kill_during_a_replacement_leaves_the_old_batch_or_the_new_one_or_neither() {
    let schema = schema::schema(ROWS);
    for rows in [0, 1, 40] {
        let file = empty();
        let mut feather = create(&file, &schema, Compression::None);
        append(&mut feather, &batch(&schema, 0, 3), 1);
        let start = usize::try_from(feather.end).unwrap();
        append(&mut feather, &batch(&schema, 0, 0), 5);
        let old = content(&file);
        feather.replace_last(&batch(&schema, 3, rows), &text(9), &pairs(9)).unwrap();
        let new = content(&file);
        let beyond = new.get(old.len()..).unwrap_or_default();
        let mut states: Vec<_> =
            (0..=beyond.len()).step_by(61).map(|to| [&old, &beyond[..to]].concat()).collect();
        let over = old.len().min(new.len());
        for to in (start + 8..=over).step_by(61) {
            let whole = [&old[..start], &message::END, &new[start + 8..to], &old[to..], beyond];
            states.push(whole.concat());
        }
        for state in states {
            let mut file = empty();
            file.write_all(&state).unwrap();
            let (_, _, last) = reopen_with_text(&file);
            assert!([text(1), text(5)].contains(last.as_ref().unwrap()), "{last:?}");
            assert_eq!(read(&file), [0, 1, 2]);
        }
    }
}

#[test]
fn crafted_metadata_of_a_batch_are_refused_without_a_panic() {
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = data.join("../../../shared/data/reports/panic-at-start.feather");
    let Ok(file) = File::open(&path) else {
        println!("skipped: {} is not there", path.display());
        return;
    };
    let scanned = scan(&file).unwrap();
    let reader = scanned.reader(&file);
    let read: Result<Vec<_>, _> = reader.all().collect();
    let error = read.unwrap_err().to_string();
    assert!(error.contains("the file is damaged"), "{error}");
}

fn content(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

#[test]
fn a_part_of_an_empty_file_is_recognised() {
    let schema = schema::schema(ROWS);
    let whole = empty();
    drop(create(&whole, &schema, Compression::Zstd));
    let whole = content(&whole);
    for cut in 0..=whole.len() {
        let mut file = empty();
        file.write_all(&whole[..cut]).unwrap();
        assert!(Feather::is_begun(&file, &schema, &[]).unwrap(), "{cut} bytes");
    }
    let mut other = empty();
    other.write_all(b"ARROW2").unwrap();
    assert!(!Feather::is_begun(&other, &schema, &[]).unwrap());
}

#[test]
fn damage_near_the_end_is_detected_by_checksums() {
    let (ends, mut bytes) = sample(Compression::None);
    let at = usize::try_from(ends[ends.len() - 1]).unwrap() - 100;
    bytes[at] ^= 1;
    let mut file = empty();
    file.write_all(&bytes).unwrap();
    let (feather, repair) = reopen(&file);
    assert!(repair.was_torn);
    assert_eq!(feather.batches(), ends.len() - 2);
}

#[test]
fn files_of_other_programs_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let open = || OpenOptions::new().read(true).write(true).open(&path).unwrap();
    for bytes in [&b"hello, this is a diary"[..], b"ARROW1", b"", b"PAR1...."] {
        fs::write(&path, bytes).unwrap();
        assert!(matches!(scan(&open()), Err(FeatherError::NotArrow)), "{bytes:?}");
    }
    let schema = Schema::new(vec![Field::new("a", DataType::Utf8, true)]);
    let mut writer = FileWriter::try_new(File::create(&path).unwrap(), &schema).unwrap();
    writer.finish().unwrap();
    assert!(matches!(scan(&open()), Err(FeatherError::Schema(SchemaError::Foreign))));
}

/// The schema without the columns that `keep` refuses, with the columns of `more`.
fn changed(keep: impl Fn(&str) -> bool, more: Vec<Field>, version: &str) -> SchemaRef {
    let schema = schema::schema(ROWS);
    let fields = schema.fields().iter().filter(|field| keep(field.name()));
    let fields: Vec<_> = fields.map(|field| Field::clone(field)).chain(more).collect();
    let mut metadata = schema.metadata().clone();
    metadata.insert("certstream.schema", version);
    Arc::new(Schema::new(fields).with_metadata(metadata))
}

#[test]
fn files_of_other_versions_can_be_appended_to() {
    let text = Field::new("tomorrow", DataType::Utf8, true);
    for schema in [
        changed(|name| name != "log_id" && name != "offset", vec![], "1"),
        changed(|_| true, vec![text], "2"),
    ] {
        let file = empty();
        drop(create(&file, &schema, Compression::Zstd));
        let (mut feather, _) = reopen(&file);
        schema::accepts(feather.schema(), ROWS).unwrap();
        let schema = SchemaRef::clone(feather.schema());
        append(&mut feather, &batch(&schema, 3, 2), 7);
        assert_eq!(read(&file), [3, 4]);
        let batch = FileReader::try_new(&file, None).unwrap().next().unwrap().unwrap();
        if let Some(column) = batch.column_by_name("tomorrow") {
            assert_eq!(column.as_any().downcast_ref::<StringArray>().unwrap().null_count(), 2);
        }
    }
}

#[test]
fn rows_that_do_not_fit_the_schema_are_refused() {
    let with_der = Rows::Certificates { with_der: true };
    let number = Field::new("issuer", DataType::UInt64, true);
    let needed = Field::new("tomorrow", DataType::Utf8, false);
    for (schema, rows, expected) in [
        (schema::schema(ROWS), with_der, "no column as_der"),
        (schema::schema(ROWS), Rows::Domains, "rows of certificates"),
        (schema::schema(Rows::Domains), ROWS, "rows of domains"),
        (changed(|name| name != "issuer", vec![number], "1"), ROWS, "issuer of the file is UInt64"),
        (changed(|_| true, vec![needed], "2"), ROWS, "must not be null"),
    ] {
        let error = schema::accepts(&schema, rows).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    schema::accepts(&schema::schema(with_der), ROWS).unwrap();
}

/// The bytes of a file of three rows.
fn small() -> Vec<u8> {
    let schema = schema::schema(ROWS);
    let file = empty();
    append(&mut create(&file, &schema, Compression::None), &batch(&schema, 0, 3), 1);
    content(&file)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The batches of a changed file are read or refused.
    #[test]
    fn changed_files_are_read_without_a_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = small();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let mut file = empty();
        file.write_all(&bytes).unwrap();
        if let Ok(scanned) = scan(&file) {
            let reader = scanned.reader(&file);
            let read = reader.all().filter_map(Result::ok).count();
            prop_assert!(read <= scanned.blocks.len());
        }
    }

    /// A file may have anything after its first bytes.
    #[test]
    fn files_with_any_contents_are_scanned_without_a_panic(keep in 0_usize..6_000, noise in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let bytes = small();
        let mut file = empty();
        file.write_all(&bytes[..keep.min(bytes.len())]).unwrap();
        file.write_all(&noise).unwrap();
        if let Ok(scanned) = scan(&file) {
            prop_assert!(scanned.end <= scanned.length);
            prop_assert!(scanned.blocks.len() <= 1);
        }
    }
}
