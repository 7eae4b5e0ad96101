//! The file that a Parquet reader reads. The library turns errors of the system into texts, which cannot be
//! told from damage; the source remembers them.

use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use bytes::Bytes;
use parquet::errors::{ParquetError as LibraryError, Result};
use parquet::file::reader::{ChunkReader, Length};

use super::ParquetError;

/// A file that is read. Clones are the same one.
#[derive(Clone)]
pub(super) struct Source {
    file: Arc<dyn FileExt + Send + Sync>,
    length: u64,
    /// The code of the last error of the system; 0 if there was none.
    code: Arc<AtomicI32>,
}

/// Reads from a place on.
pub(super) struct Reading {
    source: Source,
    at: u64,
}

impl Source {
    pub(super) fn new(file: impl FileExt + Send + Sync + 'static, length: u64) -> Self {
        Self { file: Arc::new(file), length, code: Arc::default() }
    }

    /// Returns the error of the system that led to one of the library, or else that one.
    pub(super) fn cause(&self, error: impl Into<ParquetError>) -> ParquetError {
        match self.code.swap(0, Ordering::Relaxed) {
            0 => error.into(),
            code => io::Error::from_raw_os_error(code).into(),
        }
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        self.file.read_at(buffer, at).inspect_err(|error| {
            if let Some(code) = error.raw_os_error()
                && error.kind() != io::ErrorKind::Interrupted
            {
                self.code.store(code, Ordering::Relaxed);
            }
        })
    }
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read_at(buffer, self.at)?;
        self.at = self.at.saturating_add(count as u64);
        Ok(count)
    }
}

impl Length for Source {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Source {
    type T = BufReader<Reading>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(BufReader::new(Reading { source: self.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        if start.saturating_add(length as u64) > self.length {
            let text = format!("{length} bytes at {start} of a file of {} bytes", self.length);
            return Err(LibraryError::EOF(text));
        }
        let mut bytes = vec![0; length];
        Reading { source: self.clone(), at: start }.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::atomic::AtomicUsize;

    use arrow_array::{RecordBatch, new_null_array};
    use arrow_schema::Schema;

    use super::super::{Reader, StreamWriter};
    use super::*;
    use crate::Compression;
    use crate::schema::{Rows, schema};

    /// The code of an error of the device.
    const EIO: i32 = 5;
    const ROWS: usize = 3;

    /// A file of which only so many reads succeed.
    struct Failing(File, AtomicUsize);

    impl FileExt for Failing {
        fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
            let order = Ordering::Relaxed;
            let left = self.1.fetch_update(order, order, |left| left.checked_sub(1));
            left.map_err(|_| io::Error::from_raw_os_error(EIO))?;
            self.0.read_at(buffer, at)
        }

        fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
            unreachable!("it is only read")
        }
    }

    /// Writes rows without values, and returns the length of the file.
    fn write(file: &File) -> u64 {
        let columns = schema(Rows::Domains);
        let fields = columns.fields().iter();
        let fields: Vec<_> = fields.map(|it| it.as_ref().clone().with_nullable(true)).collect();
        let arrays = fields.iter().map(|field| new_null_array(field.data_type(), ROWS)).collect();
        let schema = Schema::new(fields).with_metadata(columns.metadata().clone());
        let schema = Arc::new(schema);
        let file = file.try_clone().unwrap();
        let mut writer = StreamWriter::new(file, &schema, Compression::Zstd, ROWS).unwrap();
        writer.append(&RecordBatch::try_new(schema, arrays).unwrap()).unwrap();
        writer.finish("").unwrap()
    }

    fn read(source: Source) -> std::result::Result<usize, ParquetError> {
        let reader = Reader::of(source)?;
        let schema = reader.schema();
        let names: Vec<&str> = schema.fields().iter().map(|it| it.name().as_str()).collect();
        reader.batches(&names)?.map(|batch| Ok(batch?.num_rows())).sum()
    }

    #[test]
    fn errors_of_the_system_are_not_damage() {
        let file = tempfile::tempfile().unwrap();
        let length = write(&file);
        let mut reads = 0;
        loop {
            let failing = Failing(file.try_clone().unwrap(), AtomicUsize::new(reads));
            match read(Source::new(failing, length)) {
                Ok(rows) => break assert_eq!(rows, ROWS),
                Err(error) => {
                    let code = error.system_error().and_then(io::Error::raw_os_error);
                    assert_eq!(code, Some(EIO), "after {reads} reads: {error}");
                }
            }
            reads += 1;
        }
        assert!(reads > 3, "{reads}");
        for length in [0, 4, length - 1] {
            let error = read(Source::new(file.try_clone().unwrap(), length)).unwrap_err();
            assert!(error.system_error().is_none(), "{length} bytes: {error}");
        }
    }
}
