//! Readers of entries instead of bytes.

use feed::{Begin, Entries, Hub, Limits, Lost};
use futures_util::FutureExt;

use crate::fixture::*;
use crate::storage::Archived;

/// The ring has about four notes.
const SMALL: Limits = Limits { ring_bytes: 400, ..ROOMY };

fn note(number: u64) -> String {
    format!("{number:0>100}")
}

/// Reads all that there is; returns the offsets, with the losses and the places they come before.
fn all(entries: &mut Entries<Notes>, bytes: usize) -> (Vec<u64>, Vec<(Lost, usize)>) {
    let (mut offsets, mut losses) = (Vec::new(), Vec::new());
    while entries.ready().now_or_never() == Some(true) {
        let before = offsets.len();
        let lost = entries.read(bytes, |offset, _| offsets.push(offset));
        if lost != Lost::Nothing {
            losses.push((lost, before));
        }
    }
    (offsets, losses)
}

#[test]
fn entries_are_read_from_the_history_and_the_ring_without_a_seam() {
    let mut archived = Archived::new(SMALL, 1);
    let mut expected = Vec::new();
    for page in 0..10_u64 {
        let first = archived.hub.next_offset() + page % 3;
        archived.publish(page % 3, (0..3).map(|i| note(3 * page + i)).collect());
        expected.extend(first..first + 3);
    }
    for (passed, from) in expected.iter().enumerate() {
        for bytes in [1, 500, 1 << 20] {
            let mut entries = archived.hub.entries(Begin::At(*from, Some(passed as u64)));
            assert_eq!(entries.behind(), 30 - passed as u64);
            let (offsets, losses) = all(&mut entries, bytes);
            assert_eq!((offsets.as_slice(), losses.len()), (&expected[passed..], 0));
            assert_eq!(entries.place(), (archived.hub.next_offset(), Some(30)));
            assert_eq!(entries.behind(), 0);
        }
    }
    let mut oldest = archived.hub.entries(Begin::Oldest);
    assert_eq!(all(&mut oldest, 500).0, expected);
    let mut newest = archived.hub.entries(Begin::Head);
    assert_eq!(newest.ready().now_or_never(), None);
    archived.publish(7, vec![note(30)]);
    assert_eq!(all(&mut newest, 1), (vec![archived.hub.next_offset() - 1], Vec::new()));
}

#[test]
fn entries_that_are_not_kept_are_counted_and_holes_are_not() {
    let mut archived = Archived::new(SMALL, 1);
    let mut counting = archived.hub.entries(Begin::Head);
    let mut unsure = archived.hub.entries(Begin::At(FIRST, None));
    for page in 0..10_u64 {
        archived.publish(1000, (0..3).map(|i| note(3 * page + i)).collect());
    }
    archived.storage.damage(4);
    archived.storage.expire(1);
    let (offsets, losses) = all(&mut counting, 1);
    assert_eq!(offsets.len(), 24);
    assert_eq!(losses, [(Lost::Entries(3), 0), (Lost::Entries(3), 9)]);
    let (offsets, losses) = all(&mut unsure, 1);
    assert_eq!(offsets.len(), 24);
    assert_eq!(losses, [(Lost::Unknown, 0), (Lost::Entries(3), 9)]);
}

#[test]
fn without_a_history_a_reader_moves_to_the_ring_and_counts() {
    let hub = Hub::new(Notes::default(), SMALL, FIRST);
    let mut entries = hub.entries(Begin::Head);
    for number in 0..20 {
        publish_at(&hub, hub.next_offset(), vec![note(number)]);
    }
    let kept = hub.stats().entries;
    assert!(kept < 20);
    let (offsets, losses) = all(&mut entries, 1 << 20);
    assert_eq!(offsets.len() as u64, kept);
    assert_eq!(losses, [(Lost::Entries(20 - kept), 0)]);
}

#[test]
fn a_reader_that_skips_counts_what_it_passes_and_ends_with_the_stream() {
    let mut archived = Archived::new(SMALL, 1);
    let mut entries = archived.hub.entries(Begin::Head);
    for number in 0..20 {
        archived.publish(5, vec![note(number)]);
    }
    assert_eq!(entries.skip(), 20);
    assert_eq!(entries.place(), (archived.hub.next_offset(), Some(20)));
    archived.publish(0, vec![note(20)]);
    archived.hub.close();
    assert_eq!(all(&mut entries, 1).0.len(), 1, "what is left is read first");
    assert_eq!(entries.ready().now_or_never(), Some(false));
}
