//! `journal verify`: every index of every log is accounted for exactly once, and nothing is damaged.

use anyhow::bail;
use journal::{Directory, Item};
use record::{Batch, BatchHash, Begin, State};

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
    checkpoints: u64,
    wrong: u64,
    described: Vec<String>,
    /// The fold of everything since a checkpoint; none where one has to come first.
    state: Option<State>,
    /// The last message, which is applied once the next one names its hash.
    last: Option<Last>,
}

#[derive(Debug)]
enum Last {
    Begin(Begin),
    Batch(Box<Batch>),
}

/// Verifies the journal and returns the result.
///
/// # Errors
/// If a file cannot be read, or something is wrong.
pub(super) fn run(journal: &Directory) -> anyhow::Result<String> {
    let progress = Progress::new();
    let mut contents = journal.contents(0)?;
    let mut findings = Findings::default();
    while let Some(item) = contents.next_item()? {
        findings.take(item);
        progress.show(contents.progress());
    }
    findings.apply_last(BatchHash::NONE);
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
            Item::Begin(begin) => {
                self.apply_last(begin.header.prev);
                self.last = Some(Last::Begin(begin));
            }
            Item::Batch(stored) => {
                let batch = stored.batch;
                self.apply_last(batch.header.prev);
                self.batches += 1;
                self.records += batch.records.len() as u64;
                self.sightings += batch.sightings.len() as u64;
                self.gaps +=
                    batch.gaps.iter().map(|gap| gap.range.end - gap.range.start).sum::<u64>();
                self.last = Some(Last::Batch(Box::new(batch)));
            }
            Item::Checkpoint(checkpoint) => self.checkpoint(checkpoint.state),
            Item::Damage(damage) => {
                self.wrong(damage.to_string());
                (self.state, self.last) = (None, None);
            }
        }
    }

    /// Begins with a checkpoint, or compares it with the fold.
    fn checkpoint(&mut self, state: State) {
        self.checkpoints += 1;
        let hash = state.next_header().prev;
        self.apply_last(hash);
        if self.state.as_ref().is_some_and(|fold| *fold != state) {
            let number = state.number();
            self.wrong(format!(
                "the checkpoint after message {number} differs from the messages before it"
            ));
        }
        self.state = Some(state);
    }

    /// Applies the last message, whose hash is this. The fold refuses a batch that does not account for
    /// each index once, or does not continue at the positions.
    fn apply_last(&mut self, hash: BatchHash) {
        let (Some(last), Some(state)) = (self.last.take(), &mut self.state) else { return };
        let (number, applied) = match &last {
            Last::Begin(begin) => (begin.header.number, state.begin(begin, hash)),
            Last::Batch(batch) => (batch.header.number, state.apply(batch, hash)),
        };
        if let Err(refused) = applied {
            self.state = None;
            self.wrong(format!("message {number}: {refused}"));
        }
    }

    fn wrong(&mut self, problem: String) {
        self.wrong += 1;
        if self.described.len() < MOST_DESCRIBED {
            self.described.push(problem);
        }
    }

    fn text(&self) -> String {
        let Self { batches, records, sightings, gaps, checkpoints, wrong, .. } = self;
        let mut text = format!(
            "{batches} batches: {records} records, {sightings} sightings, {gaps} indexes in gaps; \
             {checkpoints} checkpoints\n"
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
