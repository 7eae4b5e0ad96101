use client::gaps::Gap;
use columns::{MessageRow, Table};
use tempfile::TempDir;

use super::*;

const ROWS: Rows = Rows::Certificates { with_der: false };

fn open(folder: &TempDir) -> FeatherFile {
    FeatherFile::open(folder.path().join("x.feather"), ROWS, Compression::Zstd).unwrap()
}

/// A batch of rows; `first` is the index of the first.
fn batch(first: u64, rows: u64) -> RecordBatch {
    let mut table = Table::new(&schema::schema(ROWS));
    for index in first..first + rows {
        let update = wire::decode::Update { cert_index: Some(index), ..Default::default() };
        table.push(&MessageRow { update: &update, der: None }, 0);
    }
    table.take().unwrap()
}

fn progress(offset: u64) -> Progress {
    Progress { offset: Some(offset), server: Some("ws://a:1".into()), ..Progress::default() }
}

/// The indexes of all rows.
fn read(file: &FeatherFile) -> Vec<u64> {
    use arrow_array::cast::AsArray as _;
    use arrow_array::types::UInt64Type;
    let batches = file.feather().reader().all().map(Result::unwrap).collect::<Vec<_>>();
    let indexes = batches.iter().flat_map(|batch| {
        let indexes = batch.column_by_name("cert_index").unwrap();
        indexes.as_primitive::<UInt64Type>().values().to_vec()
    });
    indexes.collect()
}

#[test]
fn gaps_are_stored_with_the_batches_and_survive_a_torn_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = open(&folder);
    let gap = Gap { at: 5, after: Some(1), reason: "evicted".into(), missing: None, proof: None };
    let first = Progress { gaps: vec![gap.clone()], ..progress(1) };
    file.append(&batch(0, 0), &first).unwrap();
    let later = Progress { gaps: vec![Gap { missing: Some(3), ..gap.clone() }], ..progress(2) };
    file.append(&batch(0, 2), &later).unwrap();
    file.feather().file().set_len(file.feather().length() - 1).unwrap();
    drop(file);
    let repaired = open(&folder);
    let gaps: Vec<_> = repaired.state().gaps.listed().cloned().collect();
    assert_eq!(gaps, [Gap { missing: Some(3), ..gap }]);
    assert_eq!(read(&repaired), [0, 1]);
}

#[test]
fn batches_that_only_record_progress_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = open(&folder);
    file.append(&batch(0, 3), &progress(1)).unwrap();
    let mut lengths = Vec::new();
    for offset in 100..200 {
        file.append(&batch(0, 0), &progress(offset)).unwrap();
        lengths.push(file.feather().length());
        assert_eq!((file.feather().batches(), file.state().offset), (2, Some(offset)));
        assert_eq!(read(&file), [0, 1, 2]);
    }
    assert!(lengths.iter().all(|length| *length == lengths[0]), "{lengths:?}");
    drop(file);
    let mut file = open(&folder);
    assert_eq!(file.state().offset, Some(199));
    file.append(&batch(3, 2), &progress(210)).unwrap();
    assert_eq!((file.feather().batches(), read(&file)), (2, vec![0, 1, 2, 3, 4]));
    // A gap stays, and so does a batch before one of a server without offsets.
    let gap = Gap { at: 5, after: None, reason: "x".into(), missing: None, proof: None };
    file.append(&batch(0, 0), &Progress { gaps: vec![gap], ..progress(220) }).unwrap();
    file.append(&batch(0, 0), &progress(230)).unwrap();
    file.append(&batch(5, 1), &Progress::default()).unwrap();
    assert_eq!((file.feather().batches(), file.state().gaps.count()), (5, 1));
    let scanned = scan(file.feather().file()).unwrap();
    assert_eq!(state_of(&scanned), *file.state());
    assert!(!ends_in_placeholder(&scanned));
}
