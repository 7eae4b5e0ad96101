//! Counts of the messages that the clients received.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};

use serde_json::{Value, json};

use super::message::{Update, offset};
use super::sequence::Sequences;
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
    /// Requests that a busy server refused (status 503), since the first one.
    pub(super) refused: u64,
    /// Of clients that look: updates that could not be read.
    pub(super) unreadable: u64,
    /// Of clients that look.
    looked_at: Looked,
    /// Of clients that look, if their messages are followed.
    sequences: Option<Sequences>,
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
    /// The id of the stream that it has.
    pub(super) stream: Option<String>,
}

impl Sample {
    pub(super) const fn new(client: usize) -> Self {
        Self { client, last: None, stream: None }
    }

    /// Returns the place at which it resumes.
    pub(super) fn since(&self) -> Option<String> {
        let last = self.last?;
        Some(match &self.stream {
            Some(stream) => format!("{last}@{stream}"),
            None => last.to_string(),
        })
    }
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

    /// Follows the messages of so many clients, which all look into theirs. Only the first one records
    /// them.
    pub(super) fn following(self, clients: usize) -> Self {
        Self { sequences: Some(Sequences::new(clients)), ..self }
    }

    /// Begins to count afresh. What is followed is followed from its beginning.
    pub(super) fn restart(&mut self) {
        let (messages, record) = (self.messages.map(|_| 0), self.record.take());
        let sequences = self.sequences.take();
        *self = Self { messages, record, sequences, refused: self.refused, ..Self::default() };
    }

    /// Reports whether all clients that are followed have so many messages.
    pub(super) fn have(&self, count: u64) -> bool {
        self.sequences.as_ref().is_some_and(|sequences| sequences.have(count))
    }

    /// A message but an update to a client that looks into it.
    pub(super) fn notice(&mut self, sample: &Sample, text: &[u8]) {
        if let Some(sequences) = &mut self.sequences {
            sequences.notice(sample.client, text);
        }
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
        if let Some(sequences) = &mut self.sequences {
            let Some(offset) = offset(message) else {
                self.unreadable += 1;
                return;
            };
            sequences.add(sample.client, offset, message, now);
            if sample.client > 0 {
                sample.last = Some(offset);
                return;
            }
        }
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
            "refused": self.refused,
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
            "sequences": self.sequences.as_ref().map(Sequences::report),
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
        let mut sample = Sample::new(0);
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
    fn every_client_is_followed_from_its_first_message() {
        let mut tally = Tally::new(true, None).following(2);
        let mut samples = [0, 1].map(Sample::new);
        for sample in &mut samples {
            tally.look(sample, &message(7), 100, 1);
        }
        tally.restart();
        tally.look(&mut samples[1], &message(8), 100, 1);
        assert!(tally.have(1) && !tally.have(2));
        samples[1].stream = Some("s".to_owned());
        assert_eq!(samples[0].since().as_deref(), Some("7"));
        assert_eq!(samples[1].since().as_deref(), Some("8@s"));
        let report = tally.report().expect("a report");
        let clients = &report["sequences"]["clients"];
        assert_eq!((&clients[0]["last"], &clients[1]["last"]), (&json!(7), &json!(8)));
    }

    #[test]
    fn messages_nobody_counts_are_estimated_by_bytes() {
        let mut tally = Tally::new(false, None);
        tally.read(200, true);
        tally.look(&mut Sample::new(0), &message(1), 200, 0);
        tally.read(1000, false);
        assert_eq!(value(&mut tally, "messages"), Some(6.0));
    }
}
