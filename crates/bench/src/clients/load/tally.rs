//! Counts of the messages that the clients received.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};

use serde_json::{Value, json};

use super::message::Update;
use crate::figures::delays::Delays;

/// The counts of all connections together.
#[derive(Default)]
pub(super) struct Tally {
    /// Certificate updates, where every client counts them.
    messages: Option<u64>,
    /// Bytes read, without TLS.
    bytes: u64,
    /// Reads that brought something.
    reads: u64,
    /// Messages but updates and pings.
    pub(super) others: u64,
    /// Connections that ended.
    pub(super) ended: u64,
    /// Of clients that look: updates that could not be read.
    pub(super) unreadable: u64,
    /// Of clients that look.
    looked_at: Looked,
    /// The file of every update inspected.
    record: Option<BufWriter<File>>,
    /// The first error of doing so.
    record_error: Option<io::Error>,
}

/// Counts of the clients that inspect their messages.
#[derive(Default)]
struct Looked {
    updates: u64,
    /// Bytes read, without TLS.
    bytes: u64,
    /// The bytes of the updates without compression.
    plain_bytes: u64,
    /// Offsets that were skipped.
    lost: u64,
    /// Offsets that did not grow.
    repeated: u64,
    /// From `seen` to the read.
    delays: Delays,
}

/// A client that looks into its messages.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    /// Its number among all clients.
    pub(super) client: usize,
    /// The offset of its last update.
    pub(super) last: Option<u64>,
}

impl Tally {
    /// Returns empty counts. `counted` is false if only inspecting clients can tell messages apart.
    /// Records every update looked at, one a line: time of the read in microseconds since 1970,
    /// number of the client, offset, index, `seen` and the SCT's time in milliseconds since 1970,
    /// the log's URL, the domain names.
    pub(super) fn new(counted: bool, record: Option<File>) -> Self {
        let record = record.map(BufWriter::new);
        Self { messages: counted.then_some(0), record, ..Self::default() }
    }

    /// Begins to count afresh.
    pub(super) fn restart(&mut self) {
        let (messages, record) = (self.messages.map(|_| 0), self.record.take());
        *self = Self { messages, record, ..Self::default() };
    }

    /// One read of a client, which looks into its messages or does not.
    pub(super) const fn read(&mut self, bytes: usize, looks: bool) {
        self.reads += 1;
        self.bytes += bytes as u64;
        if looks {
            self.looked_at.bytes += bytes as u64;
        }
    }

    /// A certificate update of any client.
    pub(super) fn count(&mut self) {
        self.messages.iter_mut().for_each(|messages| *messages += 1);
    }

    /// A message of a client that looks into it; `plain_bytes` long without compression, read at
    /// `now`, microseconds since 1970.
    pub(super) fn look(&mut self, sample: &mut Sample, message: &[u8], plain_bytes: u64, now: u64) {
        let Some(update) = Update::read(message) else {
            self.unreadable += 1;
            return;
        };
        let looked_at = &mut self.looked_at;
        looked_at.updates += 1;
        looked_at.plain_bytes += plain_bytes;
        looked_at.delays.add(now.saturating_sub(update.seen * 1000));
        match sample.last.replace(update.offset) {
            Some(last) if update.offset > last => looked_at.lost += update.offset - last - 1,
            Some(_) => looked_at.repeated += 1,
            None => {}
        }
        self.write_down(sample.client, &update, now);
    }

    fn write_down(&mut self, client: usize, update: &Update<'_>, now: u64) {
        let Some(record) = &mut self.record else { return };
        let Update { offset, index, seen, submitted, log, domains } = update;
        let line =
            writeln!(record, "{now} {client} {offset} {index} {seen} {submitted} {log} {domains}");
        if let Err(error) = line {
            self.record_error.get_or_insert(error);
        }
    }

    /// The updates of all clients; where not all count them, as many as those that look got for
    /// their bytes.
    fn messages(&self) -> f64 {
        let Looked { updates, bytes, .. } = self.looked_at;
        let estimated = self.bytes as f64 * updates as f64 / bytes.max(1) as f64;
        self.messages.map_or(estimated, |messages| messages as f64)
    }

    /// The counts for the one who started this.
    pub(super) fn report(&mut self) -> anyhow::Result<Value> {
        if let Some(record) = &mut self.record {
            record.flush()?;
        }
        if let Some(error) = self.record_error.take() {
            return Err(error.into());
        }
        let looked_at = &self.looked_at;
        let delays = &looked_at.delays;
        Ok(json!({
            "messages": self.messages(),
            "estimated": self.messages.is_none(),
            "bytes": self.bytes,
            "reads": self.reads,
            "others": self.others,
            "ended": self.ended,
            "unreadable": self.unreadable,
            "looked_at": looked_at.updates,
            "looked_at_bytes": looked_at.bytes,
            "looked_at_plain_bytes": looked_at.plain_bytes,
            "lost": looked_at.lost,
            "repeated": looked_at.repeated,
            "mean_ms": delays.mean(),
            "p50_ms": delays.quantile(0.5),
            "p99_ms": delays.quantile(0.99),
            "max_ms": delays.quantile(1.0),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(offset: u64) -> Vec<u8> {
        format!(
            "{{\"data\":{{\"cert_index\":1,\"leaf_cert\":{{\"all_domains\":[]}},\"seen\":1.5,\
             \"source\":{{\"url\":\"x\"}},\"submission_timestamp\":1.0}},\"offset\":{offset}}}"
        )
        .into_bytes()
    }

    fn value(tally: &mut Tally, key: &str) -> Option<f64> {
        tally.report().expect("a report").get(key)?.as_f64()
    }

    #[test]
    fn losses_and_repeats_are_counted_by_offsets() {
        let mut tally = Tally::new(true, None);
        let mut sample = Sample { client: 0, last: None };
        for offset in [7, 8, 11, 11, 12] {
            tally.look(&mut sample, &message(offset), 100, 1_502_000);
        }
        tally.look(&mut sample, b"{}", 100, 0);
        let expected = [
            ("looked_at", 5.0),
            ("lost", 2.0),
            ("repeated", 1.0),
            ("unreadable", 1.0),
            ("mean_ms", 2.0),
            ("messages", 0.0),
        ];
        for (key, expected) in expected {
            assert_eq!(value(&mut tally, key), Some(expected), "{key}");
        }
        tally.restart();
        tally.count();
        assert_eq!(value(&mut tally, "messages"), Some(1.0));
    }

    #[test]
    fn messages_nobody_counts_are_estimated_by_bytes() {
        let mut tally = Tally::new(false, None);
        tally.read(200, true);
        tally.look(&mut Sample { client: 0, last: None }, &message(1), 200, 0);
        tally.read(1000, false);
        assert_eq!(value(&mut tally, "messages"), Some(6.0));
    }
}
