//! The bounds on the memory of a hub.

use std::time::Duration;

/// Bounds on the memory of a [`Hub`](crate::Hub).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of entries the ring keeps, by [`Stream::weight`](crate::Stream::weight), with the
    /// matches of filters. The last two pages are kept whatever their weight, so that no reader that
    /// is up to date loses anything: the ring never exceeds this, or these two if they weigh more.
    pub ring_bytes: usize,
    /// Bytes of live chunks that each feed keeps, with their tables of messages; at least one chunk.
    /// Should exceed the messages of one page, or readers have to wait for some of it to be rendered
    /// again. For that each feed keeps up to a quarter more; at least one chunk.
    pub chunk_bytes: usize,
    /// Longest time a live chunk is kept once there is a newer one. For a reader that is further
    /// behind it is rendered again.
    pub chunk_time: Duration,
    /// Time a feed is still rendered after its last reader left.
    pub linger: Duration,
}

impl Default for Limits {
    /// 16 MiB of entries; 4 MiB of chunks a feed, for 3 seconds; 60 seconds.
    fn default() -> Self {
        Self {
            ring_bytes: 16 * 1024 * 1024,
            chunk_bytes: 4 * 1024 * 1024,
            chunk_time: Duration::from_secs(3),
            linger: Duration::from_secs(60),
        }
    }
}
