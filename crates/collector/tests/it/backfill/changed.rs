//! Files that were changed after they were written.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::UInt64Type;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, RecordBatch, StringArray, UInt64Array,
};
use arrow_schema::DataType;
use arrow_select::concat::concat;
use collector::archive::verify::{self, VerifyError};
use columns::Compression;
use columns::archive::{Archive, ArchiveError, Writer};
use columns::digest;

use super::{backfill, parts, simulate};

/// A file's rows and proof.
fn read(path: &Path) -> Result<(Vec<RecordBatch>, Option<String>), ArchiveError> {
    let archive = Archive::open(File::open(path)?)?;
    let mut batches = Vec::new();
    archive.each(|batch| {
        batches.push(batch);
        Ok::<_, ArchiveError>(())
    })?;
    Ok((batches, archive.text().map(str::to_owned)))
}

/// Writes rows and proof to another file.
fn write(path: &Path, like: &Path, batches: &[RecordBatch], text: &str) {
    let copy = || {
        let archive = Archive::open(File::open(like)?)?;
        let file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
        let (format, none) = (archive.format(), Compression::None);
        let mut writer = Writer::create(file, format, archive.schema(), none, 65_536)?;
        batches.iter().try_for_each(|batch| writer.append(batch))?;
        writer.finish(text)
    };
    copy().map(|_: u64| ()).expect("a copy is written");
}

/// Changes one value of a column: a value of another row takes its place where the type has no simpler
/// change. None if both are the same.
fn change(column: &ArrayRef, row: usize) -> Option<ArrayRef> {
    if let Some(values) = column.as_binary_opt::<i32>() {
        let other = |(at, value): (usize, Option<&[u8]>)| {
            let mut value = value?.to_vec();
            if at == row {
                *value.last_mut()? ^= 1;
            }
            Some(value)
        };
        return Some(Arc::new(values.iter().enumerate().map(other).collect::<BinaryArray>()));
    }
    if matches!(column.data_type(), DataType::List(_) | DataType::Timestamp(..)) {
        let from = (0..column.len()).find(|from| column.slice(*from, 1) != column.slice(row, 1))?;
        let parts = [
            column.slice(0, row),
            column.slice(from, 1),
            column.slice(row + 1, column.len() - row - 1),
        ];
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        return Some(concat(&parts).expect("parts of one type"));
    }
    if let Some(texts) = column.as_string_opt::<i32>() {
        let other = |(at, text): (usize, Option<&str>)| {
            if at == row { Some("changed".to_owned()) } else { text.map(str::to_owned) }
        };
        return Some(Arc::new(texts.iter().enumerate().map(other).collect::<StringArray>()));
    }
    if let Some(flags) = column.as_boolean_opt() {
        let other = |(at, flag): (usize, Option<bool>)| {
            if at == row { Some(flag != Some(true)) } else { flag }
        };
        return Some(Arc::new(flags.iter().enumerate().map(other).collect::<BooleanArray>()));
    }
    let numbers = column.as_primitive_opt::<UInt64Type>().expect("a type that can be changed");
    let other = |(at, number): (usize, Option<u64>)| {
        if at == row { number.map(|it| it ^ 1) } else { number }
    };
    Some(Arc::new(numbers.iter().enumerate().map(other).collect::<UInt64Array>()))
}

/// Archives of both formats with and without certificates, of one part each.
async fn archives(folder: &Path) -> Vec<PathBuf> {
    let sim = simulate(360).await;
    let name = sim.logs()[0].description().to_owned();
    let mut files = Vec::new();
    for (place, format) in [("parquet", "parquet"), ("feather", "feather")] {
        for der in [&[][..], &["--with-der"]] {
            let output = folder.join(format!("{place}{}", der.len()));
            let arguments = ["--format", format, "--log", &name, "--start", "100"];
            let (status, log) = backfill(&sim, &output, &[&arguments, der].concat()).await;
            assert_eq!(status, Some(0), "{log}");
            files.extend(parts(&output));
        }
    }
    assert_eq!(files.len(), 4);
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_value_of_any_column_is_found_in_its_row() {
    let folder = tempfile::tempdir().unwrap();
    let changed = folder.path().join("changed");
    for file in archives(folder.path()).await {
        let (batches, text) = read(&file).unwrap();
        let text = text.unwrap();
        let batch = &batches[0];
        write(&changed, &file, &batches, &text);
        verify::verify(&changed).expect("a copy is as good");
        let mut tried = 0;
        for (place, field) in batch.schema().fields().iter().enumerate() {
            let Some(column) = change(batch.column(place), 77) else { continue };
            let mut columns = batch.columns().to_vec();
            columns[place] = column;
            let other = RecordBatch::try_new(batch.schema(), columns).unwrap();
            for with_digest in [false, true] {
                let mut rows = [vec![other.clone()], batches[1..].to_vec()].concat();
                if with_digest {
                    let mut all = digest::Rows::default();
                    rows = rows.iter().map(|it| digest::fill(it, &mut all).unwrap()).collect();
                }
                if with_digest && field.name() == "row_digest" {
                    continue;
                }
                write(&changed, &file, &rows, &text);
                match verify::verify(&changed).map(|_| ()) {
                    Err(VerifyError::Rows(wrong, 1)) => {
                        let row = wrong[0].row;
                        assert_eq!(row, 77, "{}: {wrong:?}", field.name());
                    }
                    // Without certificates, only all rows together tell.
                    Err(VerifyError::Sequence)
                        if with_digest && !text.contains("\"with_der\":true") => {}
                    other => panic!("{} of {}: {other:?}", field.name(), file.display()),
                }
            }
            tried += 1;
        }
        let unchanged = batch.num_columns() - tried;
        assert!(unchanged <= 4, "{unchanged} columns have one value only");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_without_its_leaf_proves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let changed = folder.path().join("changed");
    for file in archives(folder.path()).await {
        let (batches, text) = read(&file).unwrap();
        let batch = &batches[0];
        let Ok(place) = batch.schema().index_of("leaf") else { continue };
        let leaves = batch.column(place).as_binary::<i32>().iter().enumerate();
        let others = leaves.map(|(at, leaf)| if at == 77 { None } else { leaf });
        let mut columns = batch.columns().to_vec();
        columns[place] = Arc::new(others.collect::<BinaryArray>());
        let other = RecordBatch::try_new(batch.schema(), columns).unwrap();
        let mut digests = digest::Rows::default();
        let rows = [vec![other], batches[1..].to_vec()].concat();
        let rows: Vec<_> = rows.iter().map(|it| digest::fill(it, &mut digests).unwrap()).collect();
        write(&changed, &file, &rows, &text.unwrap());
        match verify::verify(&changed).map(|_| ()) {
            Err(VerifyError::Rows(wrong, 1)) => assert_eq!(wrong[0].row, 77, "{wrong:?}"),
            other => panic!("{}: {other:?}", file.display()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_missing_or_moved_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let changed = folder.path().join("changed");
    for file in archives(folder.path()).await {
        let (batches, text) = read(&file).unwrap();
        let text = text.unwrap();
        let batch = &batches[0];
        let fewer = batch.slice(0, batch.num_rows() - 1);
        let moved = [batch.slice(1, batch.num_rows() - 1), batch.slice(0, 1)];
        for rows in [&[fewer][..], &moved] {
            write(&changed, &file, rows, &text);
            assert!(verify::verify(&changed).is_err(), "{}", file.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_other_byte_of_the_proof_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let changed = folder.path().join("changed");
    let file = archives(folder.path()).await.remove(0);
    let (batches, text) = read(&file).unwrap();
    let text = text.unwrap();
    for place in (0..text.len()).step_by(7) {
        let mut bytes = text.clone().into_bytes();
        bytes[place] ^= 1;
        let Ok(other) = String::from_utf8(bytes) else { continue };
        write(&changed, &file, &batches, &other);
        match verify::verify(&changed).map(|_| ()) {
            Err(VerifyError::Proof(_)) => {}
            outcome => panic!("{other}: {outcome:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_anywhere_is_found_or_changes_nothing_that_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let changed = folder.path().join("changed");
    for file in archives(folder.path()).await {
        let bytes = fs::read(&file).unwrap();
        let (rows, text) = read(&file).unwrap();
        let mut found = 0;
        let step = bytes.len() / 120;
        for place in (0..bytes.len()).step_by(step.max(1)) {
            let mut other = bytes.clone();
            other[place] ^= 1 << (place % 8);
            fs::write(&changed, &other).unwrap();
            if verify::verify(&changed).is_err() {
                found += 1;
                continue;
            }
            let (same_rows, same_text) = read(&changed).unwrap();
            assert_eq!(text, same_text, "byte {place}");
            assert_eq!(rows, same_rows, "byte {place} of {}", file.display());
        }
        assert!(found > 40, "{found} of {}", file.display());
    }
}
