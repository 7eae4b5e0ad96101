use std::fmt::Debug;
use std::hash::Hash;

/// What the entries of a stream are and how they are written: all that a [`Hub`](crate::Hub) does
/// not know itself.
pub trait Stream: Send + Sync + 'static {
    /// What the ring keeps: an entry's raw data.
    type Entry: Send + Sync + 'static;

    /// An entry read for rendering. Made once for all feeds that an entry is published to, and
    /// again when a reader comes late to a page whose chunk is not held.
    type Message<'e>;

    /// One way to write messages.
    type Rendering: Copy + Eq + Hash + Debug + Send + Sync + 'static;

    /// Bytes of memory the entry holds, for the bound on the ring.
    fn weight(&self, entry: &Self::Entry) -> usize;

    /// Reads the entry at `offset`. Must be a pure function of its arguments: a chunk rendered
    /// again has to equal the first.
    fn read<'e>(&self, offset: u64, entry: &'e Self::Entry) -> Self::Message<'e>;

    /// Appends the message as JSON text (so: UTF-8) to `out`, or nothing if this rendering has no
    /// message for the entry. Pure like [`read`](Self::read).
    fn render(&self, rendering: Self::Rendering, message: &Self::Message<'_>, out: &mut Vec<u8>);
}
