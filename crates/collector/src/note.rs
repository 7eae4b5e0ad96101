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
    /// Gaps found since the batch before, and those of which more has become known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
    /// The newest gap, as long as the logs' indexes may still show its size: a collector that is
    /// killed meanwhile goes on looking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<OpenGap>,
}

impl Note {
    /// Whether there is anything worth writing where there are no rows.
    #[must_use]
    pub const fn is_urgent(&self) -> bool {
        !self.gaps.is_empty()
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
    /// The gaps.
    pub gaps: Ledger,
    /// See [`Note::open`].
    pub open: Option<OpenGap>,
}

impl State {
    /// Adds a batch.
    pub fn add(&mut self, rows: u64, note: &Note) {
        self.rows += rows;
        if note.offset.is_some() {
            self.offset = note.offset;
        }
        if note.server.is_some() {
            self.server.clone_from(&note.server);
        }
        for gap in &note.gaps {
            self.gaps.record(gap.clone());
        }
        self.open.clone_from(&note.open);
    }

    /// Adds a file that goes on where this one ends.
    pub fn extend(&mut self, next: &Self) {
        if next.rows == 0 && next.gaps.count() == 0 {
            return;
        }
        self.rows += next.rows;
        self.offset = next.offset.or(self.offset);
        self.server = next.server.clone().or_else(|| self.server.take());
        self.gaps.extend(&next.gaps);
        self.open.clone_from(&next.open);
    }
}
