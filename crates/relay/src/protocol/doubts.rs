//! Messages that do not follow the tip: void ones, marks, or those whose predecessors are still to be read.

use std::collections::HashSet;

use super::step::Anchor;

/// Messages in doubt after one tip. Beyond them a message counts as known at once.
const MOST: usize = 1024;

/// The messages in doubt since the tip was read.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    tip: Anchor,
    messages: HashSet<Anchor>,
    /// The message read last, if it is in doubt.
    last: Option<Anchor>,
}

impl Doubts {
    /// Notes that a message was read that does not follow the tip.
    pub(super) const fn meet(&mut self, message: Anchor) {
        self.last = Some(message);
    }

    /// Reports whether a message was in doubt after a tip.
    pub(super) fn has(&self, tip: Anchor, message: Anchor) -> bool {
        self.tip == tip && (self.messages.len() >= MOST || self.messages.contains(&message))
    }

    /// Reports whether the message at a sequence, which was read last, was in doubt before: then everything
    /// from the tip up to it was read again since, and nothing there follows the tip. Notes that it is in
    /// doubt.
    pub(super) fn is_known(&mut self, tip: Anchor, sequence: u64) -> bool {
        if self.tip != tip {
            self.tip = tip;
            self.messages.clear();
        }
        match self.last.take().filter(|last| last.sequence == sequence) {
            Some(last) => self.messages.len() >= MOST || !self.messages.insert(last),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::MessageId;
    use super::*;

    fn anchor(sequence: u64, id: u64) -> Anchor {
        Anchor { sequence, id: MessageId(id) }
    }

    #[test]
    fn a_message_is_known_when_it_is_met_again_after_the_same_tip() {
        let mut doubts = Doubts::default();
        let mut is_known = |tip, message| {
            doubts.meet(message);
            doubts.is_known(tip, message.sequence)
        };
        let (tip, other) = (anchor(4, 4), anchor(4, 9));
        assert!(!is_known(tip, anchor(5, 5)));
        assert!(!is_known(tip, anchor(6, 6)));
        assert!(is_known(tip, anchor(5, 5)));
        assert!(!is_known(tip, anchor(6, 7)), "it was replaced");
        assert!(is_known(tip, anchor(6, 6)));
        assert!(!is_known(other, anchor(5, 5)));
        for sequence in 0..MOST as u64 {
            is_known(other, anchor(sequence + 10, 1));
        }
        assert!(is_known(other, anchor(8, 8)));
    }
}
