//! The knowledge of a caller that a hub lacks: entries, messages and filters.

use std::fmt::Debug;
use std::hash::Hash;

/// The entries of a stream, their messages, and the filters of its readers: all that a
/// [`Hub`](crate::Hub) does not know itself.
pub trait Stream: Send + Sync + 'static {
    /// An entry's raw data, which the ring keeps.
    type Entry: Send + Sync + 'static;

    /// An entry read for rendering. Made once for all feeds that an entry is published to, and
    /// again when a reader comes late to a page whose chunk is not kept.
    type Message<'e>;

    /// One way to write messages.
    type Rendering: Copy + Eq + Hash + Debug + Send + Sync + 'static;

    /// A registered filter: a reader that has one gets the messages that pass it. Dropping it ends
    /// the registration.
    type Filter: Send + Sync + 'static;

    /// Returns the bytes of memory the entry takes, for the bound on the ring.
    fn weight(&self, entry: &Self::Entry) -> usize;

    /// Returns the time at which the entry was seen, in a unit of the caller's, for readers that
    /// [resume by time](crate::Hub::moment). It may step back from one entry to the next.
    fn seen(&self, entry: &Self::Entry) -> u64;

    /// Reads the entry at `offset`. Must be a pure function of its arguments: a chunk rendered
    /// again has to equal the first.
    fn read<'e>(&self, offset: u64, entry: &'e Self::Entry) -> Self::Message<'e>;

    /// Appends the message as JSON text (so: UTF-8) to `out`, or nothing if this rendering has no
    /// message for the entry. Pure like [`read`](Self::read).
    fn render(&self, rendering: Self::Rendering, message: &Self::Message<'_>, out: &mut Vec<u8>);

    /// Returns the part of a server-sent event's id that follows the offset; empty by default. It names
    /// the stream, so that a client that resumes also says whose offset it has.
    fn event_suffix(&self) -> &str {
        ""
    }

    /// Returns the filter's number. Numbers grow with registration and are never used again; filters that
    /// are equal may share one.
    fn filter_id(filter: &Self::Filter) -> u64;

    /// Applies the filters: appends (filter id, position in `messages`) to `found` for each message
    /// that passes, in any order, once. Returns the first id that was not applied: every registered
    /// filter with a smaller one is covered. Called once a page, while there are filtered readers.
    fn matching(&self, messages: &[Self::Message<'_>], found: &mut Vec<(u64, u32)>) -> u64;

    /// Reports whether a message passes one filter: for pages published before it was registered. Agrees
    /// with [`matching`](Self::matching).
    fn passes(&self, filter: &Self::Filter, message: &Self::Message<'_>) -> bool;
}
