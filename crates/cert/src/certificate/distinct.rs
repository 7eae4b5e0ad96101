//! The texts seen so far.

use std::borrow::Cow;
use std::collections::HashSet;

/// A set of texts. Most certificates have a few names and some have thousands, so a few are
/// compared one by one and more are hashed.
#[derive(Default)]
pub(super) struct Distinct<'a> {
    few: [Cow<'a, str>; 16],
    count: usize,
    many: HashSet<Cow<'a, str>>,
}

impl<'a> Distinct<'a> {
    /// Adds a text; false if it was there.
    #[allow(clippy::ptr_arg)] // a text that is borrowed is kept borrowed
    pub(super) fn insert(&mut self, text: &Cow<'a, str>) -> bool {
        let (seen, free) = self.few.split_at_mut(self.count.min(16));
        if seen.contains(text) || !self.many.is_empty() && self.many.contains(text) {
            return false;
        }
        match free.first_mut() {
            Some(slot) => {
                slot.clone_from(text);
                self.count = self.count.saturating_add(1);
                true
            }
            None => self.many.insert(text.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_once_below_and_above_the_threshold() {
        for count in [1, 15, 16, 17, 5000] {
            let mut seen = Distinct::default();
            for round in 0..2 {
                for number in 0..count {
                    let text = Cow::Owned(format!("{number}.example"));
                    assert_eq!(seen.insert(&text), round == 0, "{number} of {count}");
                }
            }
        }
    }
}
