//! `journal verify`: every index of every log is accounted for exactly once, each message names the hash of
//! the one before it, and nothing is damaged.

use anyhow::bail;
use journal::{DamageKind, Directory, Item};

use super::progress::Progress;

/// Mistakes that are described; more are only counted.
const MOST_DESCRIBED: usize = 20;

/// The findings so far.
#[derive(Debug, Default)]
struct Findings {
    batches: u64,
    records: u64,
    sightings: u64,
    gaps: u64,
    /// Records and sightings of entries that were in gaps before.
    backfilled: u64,
    checkpoints: u64,
    wrong: u64,
    described: Vec<String>,
}

/// Verifies the journal and returns the result. [`journal::Contents`] does the work: it folds all messages,
/// computes the hash of each, and reports what does not fit.
///
/// # Errors
/// If a file cannot be read, or something is wrong.
pub(super) fn run(journal: &Directory) -> anyhow::Result<String> {
    let progress = Progress::new();
    let mut contents = journal.contents(0)?;
    let mut findings = Findings::default();
    // Segments that are missing, and headers: the contents do not show them. What was not synced when the
    // machine stopped is no part of the journal.
    let damage = journal.damage().iter().filter(|damage| damage.kind != DamageKind::Unsynced);
    damage.for_each(|damage| findings.wrong(damage.to_string()));
    while let Some(item) = contents.next_item()? {
        findings.take(item);
        progress.show(contents.progress());
    }
    drop(progress);
    let text = findings.text();
    if findings.wrong > 0 {
        bail!("{text}");
    }
    Ok(text)
}

impl Findings {
    fn take(&mut self, item: Item) {
        match item {
            Item::Begin(_) => {}
            Item::Checkpoint(_) => self.checkpoints += 1,
            Item::Batch(stored) => {
                let batch = stored.batch;
                self.batches += 1;
                self.records += batch.records.len() as u64;
                self.sightings += batch.sightings.len() as u64;
                let records = batch.records.iter().map(|record| (record.log, record.index));
                let sightings = batch.sightings.iter().map(|each| (each.log, each.index));
                let later = records
                    .chain(sightings)
                    .filter(|(log, index)| batch.is_backfilled(*log, *index));
                self.backfilled += later.count() as u64;
                self.gaps +=
                    batch.gaps.iter().map(|gap| gap.range.end - gap.range.start).sum::<u64>();
            }
            Item::Damage(damage) => self.wrong(damage.to_string()),
            Item::Misfit(damage, reason) => self.wrong(format!("{damage}: {reason}")),
        }
    }

    /// Notes something wrong, once.
    fn wrong(&mut self, problem: String) {
        if self.described.contains(&problem) {
            return;
        }
        self.wrong += 1;
        if self.described.len() < MOST_DESCRIBED {
            self.described.push(problem);
        }
    }

    fn text(&self) -> String {
        let Self { batches, records, sightings, gaps, checkpoints, wrong, .. } = self;
        let later = match self.backfilled {
            0 => String::new(),
            entries => format!(", {entries} entries that came later"),
        };
        let mut text = format!(
            "{batches} batches: {records} records, {sightings} sightings, {gaps} indexes in \
             gaps{later}; {checkpoints} checkpoints\n"
        );
        match wrong {
            0 => text.push_str("every index of every log is accounted for once"),
            wrong => {
                text.push_str(&format!("{wrong} mistakes:"));
                self.described.iter().for_each(|problem| text.push_str(&format!("\n  {problem}")));
                if *wrong > self.described.len() as u64 {
                    text.push_str("\n  …");
                }
            }
        }
        text
    }
}
