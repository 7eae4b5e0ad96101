//! Rows in the order of their names, however many: pieces that fit into memory are sorted and written to
//! temporary files, which are then merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Seek as _};
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray as _;
use arrow_array::types::UInt64Type;
use arrow_array::{Array as _, RecordBatch};
use arrow_ipc::CompressionType;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::interleave::interleave_record_batch;

use crate::archive::ArchiveError;
use crate::column::REVERSED_NAME;

/// The size of rows that are sorted in memory, unless another one is given.
const PIECE_BYTES: usize = 256 << 20;
/// Rows of a batch. One batch of each piece is in memory while pieces are merged.
const BATCH: usize = 1024;
/// The column that orders rows of the same name.
const INDEX: &str = "cert_index";

/// The place of a row: its batch, and its number there. It is in memory beside the row while rows are
/// sorted.
type Place = (usize, usize);

/// Rows that are sorted by their reversed names, and rows of one name by their index.
#[derive(Debug)]
pub struct Sorter {
    folder: PathBuf,
    piece_bytes: usize,
    waiting: Vec<RecordBatch>,
    bytes: usize,
    pieces: Vec<File>,
}

impl Sorter {
    /// Returns a sorter without rows, which has its temporary files in `folder`.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        let (waiting, pieces) = (Vec::new(), Vec::new());
        Self { folder: folder.to_owned(), piece_bytes: PIECE_BYTES, waiting, bytes: 0, pieces }
    }

    /// Sets the size of rows that are sorted in memory.
    #[must_use]
    pub fn with_piece_bytes(self, piece_bytes: usize) -> Self {
        Self { piece_bytes, ..self }
    }

    /// Adds rows. All have to have the same columns.
    ///
    /// # Errors
    ///
    /// If a temporary file cannot be written.
    pub fn push(&mut self, batch: RecordBatch) -> Result<(), ArchiveError> {
        let places = batch.num_rows().saturating_mul(size_of::<Place>());
        let bytes = batch.get_array_memory_size().saturating_add(places);
        self.bytes = self.bytes.saturating_add(bytes);
        self.waiting.push(batch);
        if self.bytes >= self.piece_bytes { self.write_piece() } else { Ok(()) }
    }

    /// Passes on all rows in order, until some are refused.
    ///
    /// # Errors
    ///
    /// If a temporary file cannot be written or read, or `each` returns an error.
    pub fn each<E: From<ArchiveError>>(
        mut self,
        each: impl FnMut(RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.pieces.is_empty() {
            return self.sorted(each);
        }
        self.write_piece()?;
        Merge::of(self.pieces)?.each(each)
    }

    fn write_piece(&mut self) -> Result<(), ArchiveError> {
        let Some(first) = self.waiting.first() else { return Ok(()) };
        let file = tempfile::tempfile_in(&self.folder)?;
        let options =
            IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME))?;
        let buffer = BufWriter::new(file.try_clone()?);
        let mut writer = StreamWriter::try_new_with_options(buffer, &first.schema(), options)?;
        self.sorted(|batch| writer.write(&batch).map_err(ArchiveError::from))?;
        writer.finish()?;
        self.pieces.push(file);
        Ok(())
    }

    /// Passes on the rows that wait, in order.
    fn sorted<E: From<ArchiveError>>(
        &mut self,
        mut each: impl FnMut(RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        self.bytes = 0;
        let batches = std::mem::take(&mut self.waiting);
        let keys: Vec<_> = batches.iter().map(Keys::of).collect::<Result<_, _>>()?;
        let mut rows: Vec<Place> = Vec::new();
        for (place, batch) in batches.iter().enumerate() {
            rows.extend((0..batch.num_rows()).map(|row| (place, row)));
        }
        rows.sort_unstable_by_key(|(place, row)| keys.get(*place).map(|keys| keys.key(*row)));
        let batches: Vec<_> = batches.iter().collect();
        for rows in rows.chunks(BATCH) {
            each(interleave_record_batch(&batches, rows).map_err(ArchiveError::from)?)?;
        }
        Ok(())
    }
}

/// The columns by which rows are ordered.
struct Keys<'a> {
    names: &'a arrow_array::StringArray,
    indexes: &'a arrow_array::UInt64Array,
}

impl<'a> Keys<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Self, ArchiveError> {
        let missing = |name: &str| ArrowError::SchemaError(format!("there is no column {name}"));
        let column = |name: &str| batch.column_by_name(name).ok_or_else(|| missing(name));
        let names = column(REVERSED_NAME)?.as_string_opt().ok_or_else(|| missing(REVERSED_NAME))?;
        let indexes = column(INDEX)?.as_primitive_opt::<UInt64Type>();
        Ok(Self { names, indexes: indexes.ok_or_else(|| missing(INDEX))? })
    }

    /// Returns the key of a row; rows without name come first.
    fn key(&self, row: usize) -> (Option<&'a str>, Option<u64>) {
        let name = self.names.is_valid(row).then(|| self.names.value(row));
        (name, self.indexes.is_valid(row).then(|| self.indexes.value(row)))
    }
}

/// The name and the index by which a row is ordered.
type Key = (Option<String>, Option<u64>);

/// A piece that is being read.
struct Piece {
    reader: StreamReader<BufReader<File>>,
    batch: RecordBatch,
    row: usize,
}

impl Piece {
    fn open(mut file: File) -> Result<Option<Self>, ArchiveError> {
        file.rewind()?;
        let mut reader = StreamReader::try_new(BufReader::new(file), None)?;
        let Some(batch) = reader.next().transpose()? else { return Ok(None) };
        Ok(Some(Self { reader, batch, row: 0 }))
    }

    fn key(&self) -> Result<Key, ArchiveError> {
        let (name, index) = Keys::of(&self.batch)?.key(self.row);
        Ok((name.map(str::to_owned), index))
    }
}

/// Pieces that become one sequence of rows.
struct Merge {
    pieces: Vec<Piece>,
    /// The key of the next row of each piece that has one.
    next: BinaryHeap<Reverse<(Key, usize)>>,
    /// Rows of the present batches, in order.
    taken: Vec<Place>,
}

impl Merge {
    fn of(files: Vec<File>) -> Result<Self, ArchiveError> {
        let mut pieces = Vec::new();
        let mut next = BinaryHeap::new();
        for file in files {
            if let Some(piece) = Piece::open(file)? {
                next.push(Reverse((piece.key()?, pieces.len())));
                pieces.push(piece);
            }
        }
        Ok(Self { pieces, next, taken: Vec::new() })
    }

    fn each<E: From<ArchiveError>>(
        mut self,
        mut each: impl FnMut(RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(Reverse((_, place))) = self.next.pop() {
            let Some(piece) = self.pieces.get_mut(place) else { continue };
            self.taken.push((place, piece.row));
            piece.row += 1;
            let is_read = piece.row >= piece.batch.num_rows();
            if is_read || self.taken.len() >= BATCH {
                self.flush(&mut each)?;
            }
            if is_read && !self.advance(place)? {
                continue;
            }
            if let Some(piece) = self.pieces.get(place) {
                self.next.push(Reverse((piece.key()?, place)));
            }
        }
        Ok(())
    }

    /// Reads the next batch of a piece, whose last one has no rows that were not passed on. Returns false
    /// if there is none.
    fn advance(&mut self, place: usize) -> Result<bool, ArchiveError> {
        let Some(piece) = self.pieces.get_mut(place) else { return Ok(false) };
        let Some(batch) = piece.reader.next().transpose()? else { return Ok(false) };
        (piece.batch, piece.row) = (batch, 0);
        Ok(true)
    }

    fn flush<E: From<ArchiveError>>(
        &mut self,
        each: &mut impl FnMut(RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        let batches: Vec<_> = self.pieces.iter().map(|piece| &piece.batch).collect();
        let batch = interleave_record_batch(&batches, &self.taken).map_err(ArchiveError::from)?;
        self.taken.clear();
        each(batch)
    }
}

/// Returns a schema that says that rows are in the order of their names.
#[must_use]
pub fn schema(schema: &SchemaRef) -> SchemaRef {
    let mut metadata = schema.metadata().clone();
    metadata.insert(ORDER_KEY.to_owned(), REVERSED_NAME.to_owned());
    schema.as_ref().clone().with_metadata(metadata).into()
}

/// Reports whether rows with this schema are in the order of their names.
#[must_use]
pub fn is_sorted(schema: &SchemaRef) -> bool {
    schema.metadata().get(ORDER_KEY).is_some_and(|order| order == REVERSED_NAME)
}

/// The key of the order of rows in a schema's metadata, if it is not that of their indexes.
const ORDER_KEY: &str = "certstream.order";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{StringArray, UInt64Array};
    use arrow_schema::{DataType, Field, Schema};
    use proptest::prelude::*;

    use super::*;

    fn batch(rows: &[(Option<String>, u64)]) -> RecordBatch {
        let names: StringArray = rows.iter().map(|(name, _)| name.as_deref()).collect();
        let indexes: UInt64Array = rows.iter().map(|(_, index)| Some(*index)).collect();
        let field = |name, data_type| Field::new(name, data_type, true);
        let fields = vec![field(INDEX, DataType::UInt64), field(REVERSED_NAME, DataType::Utf8)];
        let columns = vec![Arc::new(indexes) as arrow_array::ArrayRef, Arc::new(names)];
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    }

    fn sort(
        batches: &[Vec<(Option<String>, u64)>],
        piece_bytes: usize,
    ) -> Vec<(Option<String>, u64)> {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(folder.path()).with_piece_bytes(piece_bytes);
        batches.iter().for_each(|rows| sorter.push(batch(rows)).unwrap());
        let mut sorted = Vec::new();
        let collected = sorter.each(|batch| {
            let keys = Keys::of(&batch)?;
            sorted.extend((0..batch.num_rows()).map(|row| {
                let (name, index) = keys.key(row);
                (name.map(str::to_owned), index.unwrap())
            }));
            Ok::<_, ArchiveError>(())
        });
        collected.unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        sorted
    }

    #[test]
    fn many_rows_are_sorted_in_pieces() {
        let row = |at: u64| (Some(format!("com.example-{}", at * 7919 % 1000)), at);
        let batches: Vec<Vec<_>> =
            (0..20).map(|part| (part * 500..(part + 1) * 500).map(row).collect()).collect();
        let mut expected = batches.concat();
        expected.sort();
        assert_eq!(sort(&batches, 60_000), expected);
        assert_eq!(sort(&batches, usize::MAX), expected);
        assert_eq!(sort(&[], 1), []);
    }

    #[test]
    fn the_places_of_rows_count_as_memory() {
        let folder = tempfile::tempdir().unwrap();
        let rows = batch(&vec![(None, 7); 10_000]);
        let bytes = rows.get_array_memory_size() + 10_000 * size_of::<Place>();
        let mut sorter = Sorter::new(folder.path()).with_piece_bytes(bytes);
        sorter.push(rows).unwrap();
        assert_eq!(sorter.pieces.len(), 1);
    }

    #[test]
    fn a_schema_says_the_order() {
        let schema = batch(&[]).schema();
        assert!(!is_sorted(&schema));
        assert!(is_sorted(&super::schema(&schema)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn rows_are_the_same_and_in_order(
            batches in proptest::collection::vec(
                proptest::collection::vec((proptest::option::of("[a-c.]{0,3}"), any::<u64>()), 0..9), 0..6),
            piece_bytes in prop_oneof![Just(1), Just(2000), Just(usize::MAX)],
        ) {
            let mut expected = batches.concat();
            expected.sort();
            prop_assert_eq!(sort(&batches, piece_bytes), expected);
        }
    }
}
