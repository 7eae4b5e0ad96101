//! What is written with every batch of rows, and what a file knows of itself by adding it all up.

use serde::{Deserialize, Serialize};

use crate::gaps::{Gap, Ledger, OpenGap};

/// What a batch carries besides its rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Note {
    /// The offset of the last message of the stream that is accounted for with this batch; none
    /// where the server numbers nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Whose offset that is: the server's address, without what is secret or asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The id of the stream that numbered it, where the server has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<Box<str>>,
    /// Gaps found since the batch before, and those of which more has become known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
    /// Older gaps since the batch before that were too many to be listed.
    #[serde(skip_serializing_if = "is_zero")]
    pub unlisted: u64,
    /// The newest gap, as long as the logs' indexes may still show its size: a collector that is
    /// killed meanwhile goes on looking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<OpenGap>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Note {
    /// Whether it says nothing that a later note with an offset does not say too.
    #[must_use]
    pub const fn is_superseded(&self) -> bool {
        self.gaps.is_empty() && self.unlisted == 0
    }
}

/// What a file holds besides its rows: the sum of the notes of its batches.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// How many rows.
    pub rows: u64,
    /// See [`Note::offset`].
    pub offset: Option<u64>,
    /// See [`Note::server`].
    pub server: Option<String>,
    /// See [`Note::stream`].
    pub stream: Option<Box<str>>,
    /// The gaps.
    pub gaps: Ledger,
    /// See [`Note::open`].
    pub open: Option<OpenGap>,
}

impl State {
    /// Whether it says nothing at all.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        !self.has_contents() && self.offset.is_none()
    }

    /// Whether there is something for readers: rows, or gaps.
    #[must_use]
    pub fn has_contents(&self) -> bool {
        self.rows > 0 || self.gaps.count() > 0
    }

    /// Adds a batch.
    pub fn add(&mut self, rows: u64, note: &Note) {
        self.rows = self.rows.saturating_add(rows);
        if note.offset.is_some() {
            self.offset = note.offset;
            self.stream.clone_from(&note.stream);
        }
        if note.server.is_some() {
            self.server.clone_from(&note.server);
        }
        for gap in &note.gaps {
            self.gaps.record(gap.clone());
        }
        self.gaps.count_unlisted(note.unlisted);
        self.open.clone_from(&note.open);
    }

    /// Adds a file that goes on where this one ends.
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crafted_numbers_of_files_do_not_overflow() {
        let json = format!(
            r#"{{"offset":{max},"unlisted":{max},"gaps":[{{"at":{max},"reason":"x","missing":{max}}}]}}"#,
            max = u64::MAX
        );
        let note: Note = serde_json::from_str(&json).unwrap();
        let mut state = State::default();
        state.add(u64::MAX, &note);
        state.add(u64::MAX, &note);
        let other = state.clone();
        state.extend(&other);
        assert_eq!(
            (state.rows, state.gaps.count(), state.gaps.open()),
            (u64::MAX, u64::MAX, u64::MAX)
        );
        for at in 0..2 * crate::gaps::MAX_LISTED as u64 {
            state.gaps.record(Gap {
                at,
                after: None,
                reason: "x".into(),
                missing: None,
                proof: None,
            });
        }
        assert_eq!(state.gaps.count(), u64::MAX);
    }
}
