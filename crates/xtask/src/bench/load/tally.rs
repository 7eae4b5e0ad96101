//! What the clients received.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};

use serde_json::{Value, json};

use super::delays::Delays;
use super::message::Update;

/// The counts of all connections together.
#[derive(Default)]
pub(super) struct Tally {
    /// Certificate updates.
    pub(super) messages: u64,
    /// Bytes of their frames.
    pub(super) bytes: u64,
    /// Other frames but pings.
    pub(super) others: u64,
    /// Reads that brought something.
    pub(super) reads: u64,
    /// Connections the server ended.
    pub(super) ended: u64,
    /// Of clients that look: updates that could not be read.
    pub(super) unreadable: u64,
    /// Of clients that look: updates.
    looked_at: u64,
    /// Of clients that look: offsets that were skipped.
    lost: u64,
    /// Of clients that look: offsets that did not grow.
    repeated: u64,
    /// Of clients that look: from `seen` to the read.
    delays: Delays,
    /// Where every update looked at is written to.
    record: Option<BufWriter<File>>,
    /// The first error of doing so.
    record_error: Option<io::Error>,
}

impl Tally {
    /// Records every update looked at, one a line: time of the read in microseconds since 1970,
    /// offset, index, `seen` and the SCT's time in milliseconds since 1970, and the log's URL.
    pub(super) fn recorded(file: Option<File>) -> Self {
        Self { record: file.map(BufWriter::new), ..Self::default() }
    }

    /// Begins to count afresh.
    pub(super) fn restart(&mut self) {
        let record = self.record.take();
        *self = Self { record, ..Self::default() };
    }

    /// `last` is the offset before, `now` in microseconds since 1970.
    pub(super) fn update(&mut self, update: &Update<'_>, last: Option<u64>, now: u64) {
        self.looked_at += 1;
        match last {
            Some(last) if update.offset > last => self.lost += update.offset - last - 1,
            Some(_) => self.repeated += 1,
            None => {}
        }
        self.delays.add(now.saturating_sub(update.seen * 1000));
        if let Some(record) = &mut self.record {
            let Update { offset, index, seen, submitted, log } = update;
            let line = writeln!(record, "{now} {offset} {index} {seen} {submitted} {log}");
            if let Err(error) = line {
                self.record_error.get_or_insert(error);
            }
        }
    }

    /// The counts for the one who started this.
    pub(super) fn report(&mut self) -> anyhow::Result<Value> {
        if let Some(record) = &mut self.record {
            record.flush()?;
        }
        if let Some(error) = self.record_error.take() {
            return Err(error.into());
        }
        Ok(json!({
            "messages": self.messages,
            "bytes": self.bytes,
            "other_frames": self.others,
            "reads": self.reads,
            "ended": self.ended,
            "unreadable": self.unreadable,
            "looked_at": self.looked_at,
            "lost": self.lost,
            "repeated": self.repeated,
            "mean_ms": self.delays.mean(),
            "p50_ms": self.delays.quantile(0.5),
            "p99_ms": self.delays.quantile(0.99),
            "max_ms": self.delays.quantile(1.0),
        }))
    }
}
