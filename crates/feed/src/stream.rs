use std::fmt::Debug;
use std::hash::Hash;

/// What the entries of a stream are, how they are written, and who wants them: all that a
/// [`Hub`](crate::Hub) does not know itself.
pub trait Stream: Send + Sync + 'static {
    /// What the ring keeps: an entry's raw data.
    type Entry: Send + Sync + 'static;

    /// An entry read for rendering. Made once for all feeds that an entry is published to, and
    /// again when a reader comes late to a page whose chunk is not held.
    type Message<'e>;

    /// One way to write messages.
    type Rendering: Copy + Eq + Hash + Debug + Send + Sync + 'static;

    /// A registered filter: a reader that has one gets the messages that pass it. Dropping it ends
    /// the registration.
    type Filter: Send + Sync + 'static;

    /// Bytes of memory the entry holds, for the bound on the ring.
    fn weight(&self, entry: &Self::Entry) -> usize;

    /// Reads the entry at `offset`. Must be a pure function of its arguments: a chunk rendered
    /// again has to equal the first.
    fn read<'e>(&self, offset: u64, entry: &'e Self::Entry) -> Self::Message<'e>;

    /// Appends the message as JSON text (so: UTF-8) to `out`, or nothing if this rendering has no
    /// message for the entry. Pure like [`read`](Self::read).
    fn render(&self, rendering: Self::Rendering, message: &Self::Message<'_>, out: &mut Vec<u8>);

    /// The filter's number. Numbers grow with registration and are never used again; filters that
    /// are equal may share one.
    fn filter_id(filter: &Self::Filter) -> u64;

    /// Which filters each message passes: appends (filter id, position in `messages`) to `found`,
    /// in any order, without doubles. Returns the first id that was not looked at: every registered
    /// filter with a smaller one is covered. Called once a page, while there are filtered readers.
    fn matching(&self, messages: &[Self::Message<'_>], found: &mut Vec<(u64, u32)>) -> u64;

    /// Whether a message passes one filter: for pages published before it was registered. Agrees
    /// with [`matching`](Self::matching).
    fn passes(&self, filter: &Self::Filter, message: &Self::Message<'_>) -> bool;
}
