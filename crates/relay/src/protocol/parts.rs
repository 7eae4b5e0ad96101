//! Contents that come in parts.

use bytes::Bytes;

use super::MAX_PLAIN;

/// The parts of a content read so far.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    pieces: Vec<Bytes>,
    bytes: usize,
    count: u16,
    /// The sequence of the first part; of the last content, until the next part.
    pub(super) first: Option<u64>,
}

/// The outcome of a part.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Assembled {
    /// More parts have to follow.
    Incomplete,
    /// It was the last one.
    Content(Bytes),
    /// It does not continue what was read, or there is too much of it.
    Invalid,
}

impl Assembly {
    /// Discards what was read.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Adds a part.
    pub(super) fn add(
        &mut self,
        sequence: u64,
        number: u16,
        count: u16,
        piece: &Bytes,
    ) -> Assembled {
        if number == 0 {
            *self = Self { count, first: Some(sequence), ..Self::default() };
        }
        let is_next = usize::from(number) == self.pieces.len() && count == self.count;
        self.bytes = self.bytes.saturating_add(piece.len());
        if !is_next || number >= count || self.bytes > MAX_PLAIN {
            self.clear();
            return Assembled::Invalid;
        }
        self.pieces.push(piece.clone());
        if self.pieces.len() < usize::from(count) {
            return Assembled::Incomplete;
        }
        let content = self.pieces.concat().into();
        *self = Self { first: self.first, ..Self::default() };
        Assembled::Content(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_consecutive_parts_make_a_content() {
        let [one, two, three] = ["one", "two", "three"].map(Bytes::from);
        let mut parts = Assembly::default();
        assert_eq!(parts.add(7, 0, 3, &one), Assembled::Incomplete);
        assert_eq!(parts.add(7, 1, 3, &two), Assembled::Incomplete);
        assert_eq!(parts.add(9, 2, 3, &three), Assembled::Content("onetwothree".into()));
        assert_eq!(parts.first, Some(7));
        assert_eq!(parts.add(7, 1, 2, &one), Assembled::Invalid, "the first is missing");
        assert_eq!(parts.add(7, 0, 2, &one), Assembled::Incomplete);
        assert_eq!(parts.add(7, 1, 3, &two), Assembled::Invalid, "of another count");
        assert_eq!(parts.add(7, 0, 2, &one), Assembled::Incomplete);
        assert_eq!(parts.add(7, 0, 2, &two), Assembled::Incomplete, "begins anew");
        assert_eq!(parts.add(7, 1, 2, &three), Assembled::Content("twothree".into()));
        assert_eq!(parts.add(7, 0, 0, &one), Assembled::Invalid);
    }
}
