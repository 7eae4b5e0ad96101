//! The evidence of a contradiction, after asking the log which entries are concerned.

use std::sync::Arc;
use std::time::Duration;

use crate::batch::Served;
use crate::log::Log;
use crate::source::reader::Source;
use crate::tree::contradiction::{AlarmKind, Contradiction, Point, ServedHead};
use crate::tree::evidence::Evidence;
use crate::tree::frontier::Frontier;
use crate::tree::heads::Heads;
use crate::tree::locate::{Finding, locate};

/// The longest time spent on finding the entries concerned.
const LONGEST_SEARCH: Duration = Duration::from_secs(60);

/// Describes a contradiction of the head of `size` entries.
fn describe(kind: AlarmKind, size: u64, expected: &Point) -> String {
    match kind {
        AlarmKind::Equivocation => {
            format!("two roots are signed, or signed and proved, for one tree of {size} entries")
        }
        AlarmKind::FinalHead => format!(
            "the tree of {size} entries is not the one of {} the log was to end with",
            expected.size
        ),
        AlarmKind::Fork => {
            format!("the tree of {size} entries is not a prefix of the one signed later")
        }
        AlarmKind::Mismatch | AlarmKind::Gap => {
            format!("the entries below {size} do not have the signed root")
        }
    }
}

/// Collects the evidence of a contradiction. For a [`Mismatch`](AlarmKind::Mismatch) with a
/// `frontier`, which is the tree of the entries read, it asks the log for proofs and for the entries
/// once more, for a minute at most. `served` are the responses that the entries came in.
pub async fn explain<S: Source>(
    source: &S,
    log: &Log,
    heads: &Heads,
    frontier: Option<&Frontier>,
    found: Contradiction,
    served: Vec<Served>,
) -> Evidence {
    let Contradiction { kind, head, other, expected } = found;
    let claimed = head.signed.head;
    let size = claimed.size;
    let mut text = describe(kind, size, &expected);
    let mut finding =
        Finding { kind, text: String::new(), entries: size..size, served: Vec::new() };
    if kind == AlarmKind::Mismatch
        && let Some(frontier) = frontier
    {
        let search = locate(source, &claimed, frontier, expected);
        match tokio::time::timeout(LONGEST_SEARCH, search).await {
            Ok(located) => finding = located,
            Err(_) => finding.text = "locating the wrong entry took too long".to_owned(),
        }
        text = format!("{text}: {}", finding.text);
    }
    let before = frontier.map(|read| (read.emitted().size(), read.emitted().hashes().to_vec()));
    let all = [Some(&head), other.as_ref(), heads.newest_served()];
    let mut all: Vec<&Arc<ServedHead>> = all.into_iter().flatten().collect();
    all.dedup_by(|a, b| Arc::ptr_eq(a, b));
    Evidence {
        heads: all.into_iter().map(|head| (**head).clone()).collect(),
        expected: Some(expected),
        proved: frontier.map(Frontier::proved),
        before,
        served: served.into_iter().chain(finding.served).collect(),
        ..Evidence::new(log, finding.kind, text, finding.entries)
    }
}
