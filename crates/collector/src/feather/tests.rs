use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::sync::Arc;
use std::thread;

use arrow_array::{Array as _, StringArray, UInt64Array};
use arrow_ipc::reader::FileReader;
use arrow_schema::{DataType, Field};
use proptest::prelude::*;

use super::*;
use crate::gaps::Gap;
use crate::table::Table;
use crate::table::columns::Row;
use crate::table::schema::{self, Rows};

const KINDS: [Compression; 3] = [Compression::None, Compression::Lz4, Compression::Zstd];
const ROWS: Rows = Rows::Certificates { with_der: false };

/// A file, in memory where there is a place for such: opening after a cut waits for the disk.
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
        table.push(&Row { update: &update, der: None }, 0);
    }
    table.take().unwrap()
}

fn note(offset: u64) -> Note {
    Note { offset: Some(offset), server: Some("ws://a:1".into()), ..Note::default() }
}

/// As any reader of the format reads it, by its footer.
fn read(file: &File) -> Vec<u64> {
    let reader = FileReader::try_new(file, None).unwrap();
    reader.flat_map(|batch| indexes(&batch.unwrap())).collect()
}

fn indexes(batch: &RecordBatch) -> Vec<u64> {
    let column = batch.column_by_name("cert_index").unwrap();
    column.as_any().downcast_ref::<UInt64Array>().unwrap().values().to_vec()
}

fn reopen(file: &File) -> (Feather, Repair) {
    let file = file.try_clone().unwrap();
    let walked = walk(&file).unwrap();
    Feather::open(file, walked, Compression::Zstd).unwrap()
}

#[test]
fn valid_after_every_append() {
    let schema = schema::schema(ROWS);
    for kind in KINDS {
        let file = empty();
        let mut feather = Feather::create(file.try_clone().unwrap(), &schema, kind).unwrap();
        assert_eq!(read(&file), Vec::<u64>::new());
        for step in 0..20_u64 {
            feather.append(&batch(&schema, step * 7, 7), &note(step)).unwrap();
            assert_eq!(read(&file), (0..(step + 1) * 7).collect::<Vec<_>>());
            let reader = FileReader::try_new(&file, None).unwrap();
            assert_eq!(reader.custom_metadata()["certstream.offset"], step.to_string());
            assert_eq!(reader.schema().metadata()["certstream.schema"], "2");
        }
        let walked = walk(&file).unwrap();
        assert!(walked.is_whole);
        assert_eq!((walked.state.rows, walked.state.offset), (140, Some(19)));
        let (mut again, repair) = reopen(&file);
        assert_eq!(repair, Repair::default());
        assert_eq!(again.state(), feather.state());
        again.append(&batch(&schema, 140, 1), &note(20)).unwrap();
        assert_eq!(read(&file).len(), 141);
    }
}

#[test]
fn gaps_are_kept_with_the_batches() {
    let schema = schema::schema(ROWS);
    let file = empty();
    let mut feather =
        Feather::create(file.try_clone().unwrap(), &schema, Compression::Zstd).unwrap();
    let gap = Gap { at: 5, after: Some(1), reason: "evicted".into(), missing: None, proof: None };
    let first = Note { gaps: vec![gap.clone()], ..note(1) };
    feather.append(&batch(&schema, 0, 0), &first).unwrap();
    let later = Note { gaps: vec![Gap { missing: Some(3), ..gap.clone() }], ..note(2) };
    feather.append(&batch(&schema, 0, 2), &later).unwrap();
    file.set_len(feather.length() - 1).unwrap();
    let (repaired, repair) = reopen(&file);
    assert!(repair.was_torn);
    let gaps: Vec<_> = repaired.state().gaps.listed().cloned().collect();
    assert_eq!(gaps, [Gap { missing: Some(3), ..gap }]);
    assert_eq!(read(&file), [0, 1]);
}

/// Rows of each batch of the sample.
const EACH: u64 = 400;

/// A file of some batches, where each ends, and its bytes.
fn sample(kind: Compression) -> (Vec<u64>, Vec<u8>) {
    let schema = schema::schema(ROWS);
    let file = empty();
    let mut feather = Feather::create(file.try_clone().unwrap(), &schema, kind).unwrap();
    let mut ends = vec![feather.end];
    while feather.length() < 80 << 10 {
        let first = feather.state().rows;
        feather.append(&batch(&schema, first, EACH), &note(first)).unwrap();
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
        assert_eq!(feather.state().rows, EACH * whole as u64, "{kind:?} cut at {cut}");
        if cut % 509 == 0 {
            goes_on(&file, feather, whole as u64);
        }
        // As it was, but for the end.
        let end = usize::try_from(ends[whole]).unwrap();
        file.write_all_at(&bytes[end..cut], ends[whole]).unwrap();
    }
}

/// Any reader finds so many whole batches, and one more after another append.
fn goes_on(file: &File, mut feather: Feather, whole: u64) {
    assert_eq!(read(file), (0..EACH * whole).collect::<Vec<_>>());
    let schema = SchemaRef::clone(feather.schema());
    feather.append(&batch(&schema, EACH * whole, EACH), &note(0)).unwrap();
    assert_eq!(read(file), (0..EACH * (whole + 1)).collect::<Vec<_>>());
}

/// Killed at any point of an append, the file has all of the batch or nothing of it.
#[test]
fn killed_at_any_point_of_an_append() {
    let schema = schema::schema(ROWS);
    for (kind, rows) in [(Compression::None, 1), (Compression::None, 40), (Compression::Zstd, 200)]
    {
        let file = empty();
        let mut feather = Feather::create(file.try_clone().unwrap(), &schema, kind).unwrap();
        for step in 0..30 {
            feather.append(&batch(&schema, step, 1), &note(step)).unwrap();
        }
        let (end, old) = (usize::try_from(feather.end).unwrap(), content(&file));
        feather.append(&batch(&schema, 30, rows), &note(99)).unwrap();
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
            let (feather, _) = reopen(&file);
            assert_eq!((feather.state().rows, feather.state().offset), (30, Some(29)));
            assert_eq!(read(&file).len(), 30);
        }
    }
}

/// A quiet stream does not make the file grow: the next batch takes the place of one that only says
/// how far the stream was read.
#[test]
fn marks_give_way_to_what_follows() {
    let schema = schema::schema(ROWS);
    let file = empty();
    let create = || Feather::create(file.try_clone().unwrap(), &schema, Compression::Zstd);
    let mut feather = create().unwrap();
    feather.append(&batch(&schema, 0, 3), &note(1)).unwrap();
    let mut lengths = Vec::new();
    for offset in 100..200 {
        feather.append(&batch(&schema, 0, 0), &note(offset)).unwrap();
        lengths.push(feather.length());
        assert_eq!((feather.batches(), feather.state().offset), (2, Some(offset)));
        assert_eq!(read(&file), [0, 1, 2]);
    }
    assert!(lengths.iter().all(|length| *length == lengths[0]), "{lengths:?}");
    let (mut feather, repair) = reopen(&file);
    assert_eq!((repair, feather.state().offset), (Repair::default(), Some(199)));
    feather.append(&batch(&schema, 3, 2), &note(210)).unwrap();
    assert_eq!((feather.batches(), read(&file)), (2, vec![0, 1, 2, 3, 4]));
    // A gap stays, and so does what a server without offsets sends.
    let gap = Gap { at: 5, after: None, reason: "x".into(), missing: None, proof: None };
    feather.append(&batch(&schema, 0, 0), &Note { gaps: vec![gap], ..note(220) }).unwrap();
    feather.append(&batch(&schema, 0, 0), &note(230)).unwrap();
    feather.append(&batch(&schema, 5, 1), &Note::default()).unwrap();
    assert_eq!((feather.batches(), feather.state().gaps.count()), (5, 1));
    assert_eq!(walk(&file).unwrap().state, *feather.state());
}

/// Killed while a batch takes the place of a mark, the file has the one, or the other, or neither.
#[test]
fn killed_at_any_point_of_taking_the_place_of_a_mark() {
    let schema = schema::schema(ROWS);
    for rows in [0, 1, 40] {
        let file = empty();
        let create = || Feather::create(file.try_clone().unwrap(), &schema, Compression::None);
        let mut feather = create().unwrap();
        feather.append(&batch(&schema, 0, 3), &note(1)).unwrap();
        let start = usize::try_from(feather.end).unwrap();
        feather.append(&batch(&schema, 0, 0), &note(5)).unwrap();
        let old = content(&file);
        feather.append(&batch(&schema, 3, rows), &note(9)).unwrap();
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
            let (feather, _) = reopen(&file);
            let offset = feather.state().offset.unwrap();
            assert!([1, 5].contains(&offset), "{offset}");
            assert_eq!(read(&file), [0, 1, 2]);
        }
    }
}

/// Whatever the metadata of a batch say, the program does not panic.
#[test]
fn crafted_metadata_are_refused() {
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = data.join("../../../shared/data/reports/panic-at-start.feather");
    let Ok(file) = File::open(&path) else {
        println!("skipped: {} is not there", path.display());
        return;
    };
    let walked = walk(&file).unwrap();
    let reader = walked.reader(&file);
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
fn a_begun_file_is_begun_anew() {
    let schema = schema::schema(ROWS);
    let whole = empty();
    drop(Feather::create(whole.try_clone().unwrap(), &schema, Compression::Zstd).unwrap());
    let whole = content(&whole);
    for cut in 0..=whole.len() {
        let mut file = empty();
        file.write_all(&whole[..cut]).unwrap();
        assert!(Feather::is_begun(&file, &schema).unwrap(), "{cut} bytes");
    }
    let mut other = empty();
    other.write_all(b"ARROW2").unwrap();
    assert!(!Feather::is_begun(&other, &schema).unwrap());
}

#[test]
fn damage_near_the_end_is_noticed() {
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
fn foreign_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let open = || OpenOptions::new().read(true).write(true).open(&path).unwrap();
    for bytes in [&b"hello, this is a diary"[..], b"ARROW1", b"", b"PAR1...."] {
        fs::write(&path, bytes).unwrap();
        assert!(matches!(walk(&open()), Err(FeatherError::NotArrow)), "{bytes:?}");
    }
    let schema = Schema::new(vec![Field::new("a", DataType::Utf8, true)]);
    let mut writer = FileWriter::try_new(File::create(&path).unwrap(), &schema).unwrap();
    writer.finish().unwrap();
    assert!(matches!(walk(&open()), Err(FeatherError::Schema(SchemaError::Foreign))));
}

/// The columns of `schema` but for those that `keep` refuses, and those of `more`.
fn changed(keep: impl Fn(&str) -> bool, more: Vec<Field>, version: &str) -> SchemaRef {
    let schema = schema::schema(ROWS);
    let fields = schema.fields().iter().filter(|field| keep(field.name()));
    let fields: Vec<_> = fields.map(|field| Field::clone(field)).chain(more).collect();
    let mut metadata = schema.metadata().clone();
    metadata.insert("certstream.schema", version);
    Arc::new(Schema::new(fields).with_metadata(metadata))
}

#[test]
fn files_of_other_versions_are_gone_on_with() {
    let text = Field::new("tomorrow", DataType::Utf8, true);
    for schema in [
        changed(|name| name != "log_id" && name != "offset", vec![], "1"),
        changed(|_| true, vec![text], "2"),
    ] {
        let file = empty();
        drop(Feather::create(file.try_clone().unwrap(), &schema, Compression::Zstd).unwrap());
        let (mut feather, _) = reopen(&file);
        schema::accepts(feather.schema(), ROWS).unwrap();
        let schema = SchemaRef::clone(feather.schema());
        feather.append(&batch(&schema, 3, 2), &note(7)).unwrap();
        assert_eq!(read(&file), [3, 4]);
        let batch = FileReader::try_new(&file, None).unwrap().next().unwrap().unwrap();
        if let Some(column) = batch.column_by_name("tomorrow") {
            assert_eq!(column.as_any().downcast_ref::<StringArray>().unwrap().null_count(), 2);
        }
    }
}

#[test]
fn rows_that_do_not_fit_are_refused() {
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
    let create = || Feather::create(file.try_clone().unwrap(), &schema, Compression::None);
    create().unwrap().append(&batch(&schema, 0, 3), &note(1)).unwrap();
    content(&file)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However a file was changed, its batches are read or refused.
    #[test]
    fn anything_is_read(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = small();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let mut file = empty();
        file.write_all(&bytes).unwrap();
        if let Ok(walked) = walk(&file) {
            let reader = walked.reader(&file);
            let read = reader.all().filter_map(Result::ok).count();
            prop_assert!(read <= walked.blocks.len());
        }
    }

    /// Whatever stands behind the first bytes, a file is walked over without harm.
    #[test]
    fn anything_is_walked_over(keep in 0_usize..6_000, noise in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let bytes = small();
        let mut file = empty();
        file.write_all(&bytes[..keep.min(bytes.len())]).unwrap();
        file.write_all(&noise).unwrap();
        if let Ok(walked) = walk(&file) {
            prop_assert!(walked.end <= walked.length);
            prop_assert!(walked.blocks.len() <= 1);
        }
    }
}
