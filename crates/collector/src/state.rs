//! The state of an output: the sum of the progress that is stored with its batches.

use std::collections::BTreeMap;

use client::Progress;
use client::gaps::{Gap, MAX_LISTED, OpenGap};

/// The gaps of an output, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    listed: BTreeMap<u64, Gap>,
    unlisted: u64,
}

impl Ledger {
    /// Adds a gap, or replaces it with what has become known of it since.
    pub fn record(&mut self, gap: Gap) {
        self.listed.insert(gap.at, gap);
        if self.listed.len() > MAX_LISTED {
            self.listed.pop_first();
            self.count_unlisted(1);
        }
    }

    /// Counts gaps that are not listed.
    pub const fn count_unlisted(&mut self, gaps: u64) {
        self.unlisted = self.unlisted.saturating_add(gaps);
    }

    /// Returns the newest gaps, at most [`MAX_LISTED`].
    pub fn listed(&self) -> impl ExactSizeIterator<Item = &Gap> {
        self.listed.values()
    }

    /// Returns the number of gaps, listed or not.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.unlisted.saturating_add(self.listed.len() as u64)
    }

    /// Returns the number of gaps in which something is missing, as far as is known.
    #[must_use]
    pub fn open(&self) -> u64 {
        let open = self.listed().filter(|gap| gap.missing != Some(0)).count();
        self.unlisted.saturating_add(open as u64)
    }

    /// Adds the gaps of another output.
    pub fn extend(&mut self, other: &Self) {
        self.count_unlisted(other.unlisted);
        for gap in other.listed() {
            self.record(gap.clone());
        }
    }
}

/// The number of rows of an output, and the sum of the progress of its batches.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The number of rows.
    pub rows: u64,
    /// See [`Progress::offset`].
    pub offset: Option<u64>,
    /// See [`Progress::server`].
    pub server: Option<String>,
    /// See [`Progress::stream`].
    pub stream: Option<Box<str>>,
    /// The gaps.
    pub gaps: Ledger,
    /// See [`Progress::open`].
    pub open: Option<OpenGap>,
}

impl State {
    /// Adds up the batches of a file: the number of rows of each, and the progress stored with it.
    pub fn sum<'t>(batches: impl Iterator<Item = (u64, Option<&'t str>)>) -> Self {
        let mut state = Self::default();
        for (rows, text) in batches {
            state.add(rows, &progress(text));
        }
        state
    }

    /// Reports whether there is nothing to resume from, and nothing for readers.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        !self.has_contents() && self.offset.is_none()
    }

    /// Reports whether there is something for readers: rows, or gaps.
    #[must_use]
    pub fn has_contents(&self) -> bool {
        self.rows > 0 || self.gaps.count() > 0
    }

    /// Adds a batch.
    pub fn add(&mut self, rows: u64, progress: &Progress) {
        self.rows = self.rows.saturating_add(rows);
        if progress.offset.is_some() {
            self.offset = progress.offset;
            self.stream.clone_from(&progress.stream);
        }
        if progress.server.is_some() {
            self.server.clone_from(&progress.server);
        }
        for gap in &progress.gaps {
            self.gaps.record(gap.clone());
        }
        self.gaps.count_unlisted(progress.unlisted);
        self.open.clone_from(&progress.open);
    }

    /// Adds the file that follows this one.
    pub fn extend(&mut self, next: &Self) {
        if next.is_blank() {
            return;
        }
        self.rows = self.rows.saturating_add(next.rows);
        if next.offset.is_some() {
            self.offset = next.offset;
            self.stream.clone_from(&next.stream);
        }
        self.server = next.server.clone().or_else(|| self.server.take());
        self.gaps.extend(&next.gaps);
        self.open.clone_from(&next.open);
    }

    /// Returns the state as one progress, for a file that stores only one.
    #[must_use]
    pub fn to_progress(&self) -> Progress {
        let Self { offset, server, stream, gaps, open, .. } = self.clone();
        let unlisted = gaps.count() - gaps.listed().len() as u64;
        let gaps = gaps.listed().cloned().collect();
        Progress { offset, server, stream, gaps, unlisted, open }
    }

    /// Returns the key-value pairs of a Feather file's footer.
    ///
    /// # Errors
    ///
    /// If the gaps cannot be encoded as JSON.
    pub fn footer_pairs(&self) -> Result<Vec<(&'static str, String)>, serde_json::Error> {
        let gaps: Vec<_> = self.gaps.listed().collect();
        let mut pairs = vec![
            ("certstream.rows", self.rows.to_string()),
            ("certstream.gaps", serde_json::to_string(&gaps)?),
            ("certstream.gap_count", self.gaps.count().to_string()),
        ];
        pairs.extend(self.offset.map(|offset| ("certstream.offset", offset.to_string())));
        pairs.extend(self.server.clone().map(|server| ("certstream.server", server)));
        Ok(pairs)
    }
}

/// Reads the progress stored with a batch. If it is missing, or of a later version, the batch still
/// counts.
#[must_use]
pub fn progress(text: Option<&str>) -> Progress {
    text.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use client::gaps::Proof;

    use super::*;

    fn gap(at: u64, missing: Option<u64>) -> Gap {
        Gap { at, after: None, reason: "test".into(), missing, proof: None }
    }

    #[test]
    fn an_update_replaces_the_gap_with_the_same_time() {
        let mut ledger = Ledger::default();
        ledger.record(gap(5, None));
        ledger.record(gap(7, Some(3)));
        assert_eq!((ledger.count(), ledger.open()), (2, 2));
        ledger.record(gap(5, Some(0)));
        assert_eq!((ledger.count(), ledger.open()), (2, 1));
        assert_eq!(ledger.listed().map(|gap| gap.missing).collect::<Vec<_>>(), [Some(0), Some(3)]);
    }

    #[test]
    fn gaps_beyond_the_limit_are_only_counted() {
        let mut ledger = Ledger::default();
        for at in 0..1_500 {
            ledger.record(gap(at, Some(1)));
        }
        assert_eq!((ledger.listed().len(), ledger.count()), (MAX_LISTED, 1_500));
        assert_eq!(ledger.listed().next().map(|gap| gap.at), Some(500));
        let unlisted = Progress { unlisted: 4_000, ..Progress::default() };
        let mut state = State { gaps: ledger, ..State::default() };
        state.add(0, &unlisted);
        assert_eq!(state.gaps.count(), 5_500);
    }

    #[test]
    fn crafted_numbers_of_files_do_not_overflow() {
        let json = format!(
            r#"{{"offset":{max},"unlisted":{max},"gaps":[{{"at":{max},"reason":"x","missing":{max}}}]}}"#,
            max = u64::MAX
        );
        let mut state = State::default();
        state.add(u64::MAX, &progress(Some(&json)));
        state.add(u64::MAX, &progress(Some(&json)));
        let other = state.clone();
        state.extend(&other);
        assert_eq!(
            (state.rows, state.gaps.count(), state.gaps.open()),
            (u64::MAX, u64::MAX, u64::MAX)
        );
        for at in 0..2 * MAX_LISTED as u64 {
            state.gaps.record(gap(at, None));
        }
        assert_eq!(state.gaps.count(), u64::MAX);
    }

    #[test]
    fn a_state_as_one_progress_adds_up_to_the_same_state() {
        let mut state = State::default();
        for at in 0..1_500 {
            let gaps = vec![Gap { proof: Some(Proof::Server), ..gap(at, Some(2)) }];
            let (offset, server) = (Some(at), Some("ws://a:1".to_owned()));
            let stream = Some("s1".into());
            state.add(3, &Progress { offset, server, stream, gaps, ..Progress::default() });
        }
        let json = serde_json::to_string(&state.to_progress()).unwrap();
        assert_eq!(State::sum([(4_500, Some(json.as_str()))].into_iter()), state);
    }
}
