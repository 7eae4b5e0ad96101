//! Narrowing a mismatch down after the fact, to the entries that are not those of the signed tree.
//!
//! The log itself is the witness. It is asked for the beginnings of the tree it has signed, each
//! proved to belong to the head, and these are compared with what was read: first with the points
//! remembered while reading, then leaf by leaf with the entries as they are served now.

use std::ops::Range;

use ct::head::TreeHead;
use ct::merkle::CompactRange;

use crate::batch::Served;
use crate::source::error::SourceError;
use crate::source::reader::Source;
use crate::tree::contradiction::{AlarmKind, Point};
use crate::tree::evidence::{ANSWER_BYTES, MOST_BYTES};
use crate::tree::frontier::Frontier;

/// The most entries that are requested once more.
const MOST_ENTRIES: u64 = 1024;

/// The result of narrowing a mismatch down.
#[derive(Debug)]
pub(super) struct Finding {
    /// The kind of the contradiction.
    pub(super) kind: AlarmKind,
    /// The result in words, to follow a description of the mismatch.
    pub(super) text: String,
    /// The entries that are not proved.
    pub(super) entries: Range<u64>,
    /// The responses to requests for these entries once more.
    pub(super) served: Vec<Served>,
}

impl Finding {
    /// Keeps a response as evidence. It is not counted in the budget, so few bytes are kept.
    fn keep(&mut self, served: Option<Served>) {
        let kept: usize = self.served.iter().map(|served| served.body.len()).sum();
        let most = MOST_BYTES.saturating_sub(kept).min(ANSWER_BYTES);
        self.served.extend(served.filter(|served| served.body.len() <= most));
    }
}

/// Compares the entries read with the tree under `head`, which contradicts them: by the entries read
/// it should be `expected`.
pub(super) async fn locate<S: Source>(
    source: &S,
    head: &TreeHead,
    read: &Frontier,
    expected: Point,
) -> Finding {
    let proved = read.proved();
    let entries = proved.size..head.size;
    let finding = |kind, text| Finding { kind, text, entries: entries.clone(), served: Vec::new() };
    match source.frontier(proved.size, head).await {
        Ok(range) if range.root() == proved.root => {}
        Ok(_) => {
            let size = proved.size;
            let text =
                format!("the head does not continue the tree of {size} entries proved before");
            return finding(AlarmKind::Fork, text);
        }
        Err(error @ SourceError::Proof { .. }) => {
            let text = format!("the log cannot prove its signed head: {error}");
            return finding(AlarmKind::Fork, text);
        }
        Err(error) => {
            let text = format!("the wrong entry could not be located: {error}");
            return finding(AlarmKind::Mismatch, text);
        }
    }
    let mut marks = read.marks();
    marks.retain(|mark| mark.size < expected.size);
    marks.push(expected);
    let mut found = finding(AlarmKind::Mismatch, String::new());
    if let Err(error) = narrow(source, head, &marks, &mut found).await {
        found.text = format!("the wrong entry could not be located more precisely: {error}");
    }
    found
}

/// Narrows `found.entries` down, as far as the log answers.
async fn narrow<S: Source>(
    source: &S,
    head: &TreeHead,
    marks: &[Point],
    found: &mut Finding,
) -> Result<(), SourceError> {
    let wrong = first_wrong(source, head, marks).await?;
    let (before, at) = (wrong.checked_sub(1).and_then(|i| marks.get(i)), marks.get(wrong));
    let start = before.map_or(found.entries.start, |mark| mark.size);
    let end = at.map_or(head.size, |mark| mark.size);
    found.entries.start = start;
    found.text = format!("the entries match the signed tree up to {start}, and do not at {end}");
    if end - start > MOST_ENTRIES {
        return Ok(());
    }
    let mut again = vec![source.frontier(start, head).await?];
    while let Some(next) = again.last().map(CompactRange::size).filter(|next| *next < end) {
        let page = source.page_size().max(1);
        let stop = (next / page).saturating_add(1).saturating_mul(page).min(end);
        let batch = source.entries(next..stop, head.size).await?;
        for hash in &batch.leaf_hashes {
            let mut range = again.last().cloned().unwrap_or_default();
            range.push(*hash);
            again.push(range);
        }
        if batch.leaf_hashes.is_empty() {
            break;
        }
        found.keep(batch.served);
    }
    let points: Vec<Point> = again.iter().skip(1).map(Point::of_range).collect();
    let wrong = first_wrong(source, head, &points).await?;
    found.text = match points.get(wrong) {
        Some(point) => format!("entry {} differs from the one that the log signed", point.size - 1),
        None => format!(
            "an entry from {start} to {} differed from the one that the log signed; when \
             requested again, the log returned the right ones",
            end - 1
        ),
    };
    Ok(())
}

/// Returns the number of the first of these trees that is not a beginning of the head's.
async fn first_wrong<S: Source>(
    source: &S,
    head: &TreeHead,
    points: &[Point],
) -> Result<usize, SourceError> {
    let (mut right, mut wrong) = (0, points.len());
    while right < wrong {
        let middle = usize::midpoint(right, wrong);
        let Some(point) = points.get(middle) else { break };
        if source.frontier(point.size, head).await?.root() == point.root {
            right = middle + 1;
        } else {
            wrong = middle;
        }
    }
    Ok(right)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn few_bytes_of_responses_are_kept() {
        let (kind, text) = (AlarmKind::Mismatch, String::new());
        let mut found = Finding { kind, text, entries: 0..0, served: Vec::new() };
        let served = |length| Served { url: String::new(), body: Bytes::from(vec![0; length]) };
        found.keep(Some(served(ANSWER_BYTES + 1)));
        assert!(found.served.is_empty(), "it is too large");
        for _ in 0..2 * MOST_BYTES / ANSWER_BYTES {
            found.keep(Some(served(ANSWER_BYTES)));
        }
        assert_eq!(found.served.len(), MOST_BYTES / ANSWER_BYTES);
    }
}
