//! Messages in, rows out: the values of each entry are checked and put into the table.

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};
use client::session::warn_sometimes;
use client::text::shown;
use client::{Content, Message};
use columns::column::is_date;
use columns::{MessageRow, Rows, Table};
use wire::decode::Update;

/// Numbers of rows and their faults since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Rows.
    pub rows: u64,
    /// Messages of unknown types, or of types that this file has no rows for.
    pub unknown: u64,
    /// Values that could not be read, or are times that cannot be written.
    pub unread: u64,
    /// Messages that the server truncated.
    pub truncated: u64,
}

/// The rows since the last time they were taken.
#[derive(Debug)]
pub struct Intake {
    rows: Rows,
    table: Table,
    counters: Counters,
}

impl Intake {
    /// Returns an intake without rows.
    #[must_use]
    pub fn new(rows: Rows, schema: &SchemaRef) -> Self {
        Self { rows, table: Table::new(schema), counters: Counters::default() }
    }

    /// Returns the numbers of rows and faults so far.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Returns the number of rows that wait to be taken.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.table.rows()
    }

    /// Reports whether there are so many rows, or of such a size, that they should be taken.
    #[must_use]
    pub const fn is_full(&self, rows: usize) -> bool {
        self.table.is_full(rows)
    }

    /// Adds the row of a message, if it has one.
    pub fn message(&mut self, message: &Message<'_>) {
        match &message.content {
            Content::Entry(update) => {
                self.count_faults(update);
                let der = self.der(update);
                self.push(update, der.as_deref(), message.raw.len());
            }
            Content::Domains(update) => {
                self.count_faults(update);
                self.push(update, None, message.raw.len());
            }
            Content::Unknown { message_type } => {
                self.counters.unknown += 1;
                let what = "a message has a type that is not stored (see --stream)";
                let message_type = shown(message_type);
                warn_sometimes(self.counters.unknown, what, &message_type, message.raw);
            }
            Content::Nothing => {}
        }
    }

    /// Decodes the certificate, if it is kept.
    fn der(&mut self, update: &Update<'_>) -> Option<Vec<u8>> {
        if self.rows != (Rows::Certificates { with_der: true }) {
            return None;
        }
        update.leaf.der().unwrap_or_else(|error| {
            self.counters.unread += 1;
            warn_sometimes(self.counters.unread, "a value cannot be read", &error, b"");
            None
        })
    }

    /// Counts the faults of an entry that is kept.
    fn count_faults(&mut self, update: &Update<'_>) {
        if update.truncated {
            self.counters.truncated += 1;
            let detail = &"too large";
            warn_sometimes(
                self.counters.truncated,
                "a message was truncated by the server",
                detail,
                b"",
            );
        }
        let is_odd = |second: Option<i64>| second.is_some_and(|second| !is_date(second));
        let odd_date = is_odd(update.leaf.not_before) || is_odd(update.leaf.not_after);
        let odd_date = odd_date.then_some("not_before or not_after");
        if let Some(path) = update.unread.as_deref().or(odd_date) {
            self.counters.unread += 1;
            let what = "a value cannot be read and is null";
            warn_sometimes(self.counters.unread, what, &path, b"");
        }
    }

    fn push(&mut self, update: &Update<'_>, der: Option<&[u8]>, bytes: usize) {
        self.table.push(&MessageRow { update, der }, bytes);
        self.counters.rows += 1;
    }

    /// Takes the rows.
    ///
    /// # Errors
    ///
    /// See [`Table::take`].
    pub fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        self.table.take()
    }
}

#[cfg(test)]
mod tests;
