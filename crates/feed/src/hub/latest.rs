//! The newest messages, for a single request.

use super::Hub;
use crate::stream::Stream;

impl<S: Stream> Hub<S> {
    /// Returns the newest messages of a rendering as JSON text, newest first; at most `count`, fewer
    /// if the ring has no more.
    ///
    /// Renders them for this call alone, one at a time: for single requests, not for readers.
    #[must_use]
    pub fn latest(&self, rendering: S::Rendering, count: usize) -> Vec<Vec<u8>> {
        let shared = &*self.shared;
        let mut texts = Vec::new();
        let mut before = None;
        while texts.len() < count {
            let Some(page) = shared.ring.lock().newest_page(before) else { break };
            before = Some(page.first());
            let newest_first = page.entries().rev().map(|(offset, entry)| {
                let mut text = Vec::new();
                let message = shared.stream.read(offset, entry);
                shared.stream.render(rendering, &message, &mut text);
                text
            });
            let missing = count - texts.len();
            texts.extend(newest_first.filter(|text| !text.is_empty()).take(missing));
        }
        texts
    }
}
