//! The lines of the file, with their places.

use std::io::{self, BufRead};

use super::DeadLetter;

/// The byte in place of the first one of a line whose alert has arrived.
pub(super) const ARRIVED: u8 = b'-';

/// The lines of a file.
#[derive(Debug)]
pub(super) struct Lines<R> {
    file: R,
    next: u64,
}

/// A line.
#[derive(Debug)]
pub(super) struct Line {
    /// The offset of its first byte.
    pub(super) start: u64,
    /// Its bytes, without the end of the line.
    pub(super) bytes: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// Reads from the beginning.
    pub(super) const fn new(file: R) -> Self {
        Self { file, next: 0 }
    }

    /// Returns the next line, except those whose alerts have arrived.
    pub(super) fn next_line(&mut self) -> io::Result<Option<Line>> {
        loop {
            let (start, mut bytes) = (self.next, Vec::new());
            let read = self.file.read_until(b'\n', &mut bytes)?;
            if read == 0 {
                return Ok(None);
            }
            self.next += read as u64;
            bytes.pop_if(|last| *last == b'\n');
            if bytes.first() != Some(&ARRIVED) {
                return Ok(Some(Line { start, bytes }));
            }
        }
    }
}

impl Line {
    /// Returns the dead letter; none if it cannot be read.
    pub(super) fn letter(&self) -> Option<DeadLetter> {
        serde_json::from_slice(&self.bytes).ok()
    }
}
