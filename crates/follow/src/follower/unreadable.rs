//! Skipping entries that cannot be parsed.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use ct::leaf::EntryType;
use ctclient::{AlarmKind, Evidence, FetchError, Lease, Rejected, Served, Source, SourceError};
use record::{GapReason, LogNumber, Record};
use tokio::time::Instant;

use super::Follower;
use super::error::FollowError;
use super::verifying::Unreadable;
use crate::page::{Gap, Page};
use crate::status::counters::add;

/// Requests for entries before they may be skipped as unreadable.
const ATTEMPTS: u32 = 6;

impl<S: Source> Follower<S> {
    /// Skips entries if the log has served bytes that cannot be parsed often and long enough. Returns
    /// whether it does.
    pub(super) async fn skip_unreadable(&mut self, error: &mut FollowError) -> bool {
        let FollowError::Source(error) = error else { return false };
        let Some(next) = self.next else { return false };
        let reason = error.to_string();
        let answer = match error {
            SourceError::Unreadable { index, url, answer, .. } if *index == next => {
                Some((url.clone(), &mut **answer))
            }
            SourceError::Fetch(FetchError::TooLarge { .. }) => None,
            _ => return false,
        };
        let enough = self.is_unreadable_for_long(next);
        let tree_size = self.heads.newest().map_or(0, |head| head.size);
        let bounds = answer.as_ref().and_then(|(_, answer)| answer.bounds.as_ref());
        let gap = match bounds {
            Some(bounds) => Some(next..bounds.end),
            None => self.source.unreadable(next, tree_size),
        };
        let Some(gap) = gap else { return false };
        if !enough {
            return false;
        }
        let (served, raw) = match answer {
            Some((url, answer)) => {
                let Rejected { body, bounds, lease } = std::mem::take(answer);
                let bytes = bounds.map_or_else(Bytes::new, |bounds| bounds.bytes);
                (Some(Served { url, body }), Some((bytes, lease)))
            }
            None => (None, None),
        };
        self.report_unreadable(gap.clone(), reason, served).await;
        let (bytes, lease) = raw.unwrap_or_default();
        self.emit_unreadable(gap, bytes, lease).await;
        true
    }

    /// Counts a failed attempt at the entries from `index` on; returns whether there were enough.
    fn is_unreadable_for_long(&mut self, index: u64) -> bool {
        let now = Instant::now();
        let known = self.verifying.unreadable.take().filter(|known| known.index == index);
        let mut known = known.unwrap_or(Unreadable { index, since: now, attempts: 0 });
        known.attempts += 1;
        let enough =
            known.attempts >= ATTEMPTS && now >= known.since + self.options.unreadable_wait;
        self.verifying.unreadable = Some(known);
        enough
    }

    /// Emits a page for skipped entries: a gap, and with `report` the bytes there are of them, as the
    /// first one.
    async fn emit_unreadable(&mut self, gap: Range<u64>, bytes: Bytes, mut lease: Option<Lease>) {
        if let Some(lease) = &mut lease {
            lease.set(bytes.len());
        }
        let (first, end) = (gap.start, gap.end);
        let entry = Record {
            log: LogNumber::default(),
            index: first,
            submitted: 0,
            seen: 0,
            kind: EntryType::X509,
            fingerprint: ct::sha256(&bytes),
            certificate: bytes,
            chain: Vec::new(),
            link: None,
            is_new: false,
            is_backfilled: false,
        };
        let is_passed = !self.enforces() && !entry.certificate.is_empty();
        let entries = if is_passed { vec![entry] } else { Vec::new() };
        let count = entries.len() as u64;
        let range = first.saturating_add(count)..end;
        self.status.emitting(end);
        let mut page = Page::of_entries(Arc::clone(&self.status), first, entries, end);
        if !range.is_empty() {
            page.gap = Some(Gap { range, reason: GapReason::Unreadable });
        }
        // If the publisher has ended, the next round finds out.
        if self.pages.send(page, lease).await.is_ok() {
            add(&self.status.counters.undecodable, count);
            self.status.emitted(end, count, 0);
        }
    }

    /// Moves the position behind unreadable entries, and raises the alarm.
    async fn report_unreadable(&mut self, gap: Range<u64>, reason: String, body: Option<Served>) {
        self.next = Some(gap.end);
        self.frontier = None;
        self.verifying.unreadable = None;
        self.status.skipped_unreadable(gap.clone());
        self.status.set_proved(Err(format!("skipped entries up to {}", gap.end)));
        let heads = self.heads.newest_served().map(|head| (**head).clone());
        let text = format!(
            "skipping entries {} to {}, which cannot be parsed: {reason}",
            gap.start,
            gap.end.saturating_sub(1)
        );
        let evidence = Evidence {
            heads: heads.into_iter().collect(),
            served: body.into_iter().collect(),
            ..Evidence::new(&self.status.log, AlarmKind::Gap, text, gap)
        };
        self.raise(evidence).await;
    }
}
