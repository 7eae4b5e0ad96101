//! `journal export`: the certificates of a journal as messages or in DER, on standard output.

use std::io::{self, BufWriter, ErrorKind, Write};

use config::{Config, ExportFormat, JournalExport};
use journal::{Directory, Item, StoredBatch};
use wire::{Event, Profile, Renderer, StreamKind};

use super::progress::Progress;
use super::{moment, now};
use crate::options;
use crate::publish::entries::Entries;
use crate::publish::messages::RingEntry;

/// Bytes that are written at once.
const BUFFER: usize = 256 * 1024;

/// Writes to standard output, and returns what to print at the end: nothing.
///
/// # Errors
/// If the place is none, the journal cannot be read, or standard output cannot be written.
pub(super) fn run(
    journal: &Directory,
    config: &Config,
    wanted: &JournalExport,
) -> anyhow::Result<String> {
    let now = now();
    let place = |text: &Option<String>| match text {
        Some(text) => moment::offset(journal, text, now).map(|offset| offset.unwrap_or(u64::MAX)),
        None => Ok(u64::MAX),
    };
    let since = if wanted.since.is_some() { place(&wanted.since)? } else { 0 };
    let until = place(&wanted.until)?;
    let mut export = Export {
        out: BufWriter::with_capacity(BUFFER, io::stdout().lock()),
        format: wanted.format,
        renderer: options::renderer(config),
        profile: options::profile(config),
        entries: Entries::new(journal.state()),
        text: Vec::new(),
        damaged: 0,
    };
    match export.write(journal, since, until) {
        Err(error) if is_closed(&error) => {}
        outcome => outcome?,
    }
    if export.damaged > 0 {
        anyhow::bail!("{} parts of the journal are damaged and were left out", export.damaged);
    }
    Ok(String::new())
}

/// Reports whether the reader of standard output has seen enough.
fn is_closed(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

struct Export<W: Write> {
    out: W,
    format: ExportFormat,
    renderer: Renderer,
    profile: Profile,
    entries: Entries,
    text: Vec<u8>,
    damaged: u64,
}

impl<W: Write> Export<W> {
    /// Writes the certificates with offsets from `since` up to but not `until`.
    fn write(&mut self, journal: &Directory, since: u64, until: u64) -> anyhow::Result<()> {
        let progress = Progress::new();
        let mut contents = journal.contents(since)?;
        while let Some(item) = contents.next_item()? {
            match item {
                Item::Batch(stored) if stored.batch.first_offset >= until => break,
                Item::Batch(stored) => self.batch(*stored, since, until)?,
                Item::Damage(damage) | Item::Misfit(damage, _) => {
                    self.damaged += 1;
                    logging::print_error(&damage.to_string());
                }
                Item::Begin(_) | Item::Checkpoint(_) => {}
            }
            progress.show(contents.progress());
        }
        Ok(self.out.flush()?)
    }

    fn batch(&mut self, stored: StoredBatch, since: u64, until: u64) -> anyhow::Result<()> {
        let (number, first) = (stored.batch.header.number, stored.batch.first_offset);
        let Some(entries) = self.entries.of_stored(stored) else {
            anyhow::bail!("batch {number} has an unknown log");
        };
        for (offset, entry) in (first..).zip(&entries) {
            if (since..until).contains(&offset) {
                self.entry(offset, entry)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, offset: u64, entry: &RingEntry) -> io::Result<()> {
        if self.format == ExportFormat::Der {
            return self.out.write_all(&entry.record.certificate);
        }
        let certificate =
            cert::Certificate::read_with_digests(&entry.record.certificate, &entry.digests());
        let event = Event {
            offset,
            record: &entry.record,
            source: &entry.source,
            certificate: &certificate,
            chain: &entry.chain,
        };
        self.text.clear();
        self.renderer.render(StreamKind::Full, self.profile, &event, &mut self.text);
        while self.text.last() == Some(&b'\n') {
            self.text.pop();
        }
        self.text.push(b'\n');
        self.out.write_all(&self.text)
    }
}
