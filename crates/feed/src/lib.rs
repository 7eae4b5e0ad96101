//! One rendering of the stream for any number of sockets.
//!
//! Entries are published in pages. A [`Hub`] keeps the newest pages in a ring bounded in bytes,
//! and for each *feed* in use, that is one rendering under one [`Framing`], it keeps *chunks*: the
//! messages of a page, rendered, framed and perhaps compressed end to end in one shared buffer. A
//! connection is a [`Reader`]: the offset it has come to. To serve it is to write the bytes between
//! its offset and the head, in one vectored write however many messages that is. There is no queue
//! per client, no allocation per client and message, no serialisation and no compression per
//! client.
//!
//! ```text
//!            pages   [ 40..57 ][ 57..58 ][ 58..90 ]            entries, kept by the ring
//!  lite, WebSocket   (not held)[ chunk  ][ chunk  ]            bytes, rendered once, shared
//!  full, SSE                             [ chunk  ]
//!                                 ^ reader at 57    ^ head
//! ```
//!
//! The newest chunks of a feed are *live*: rendered when their pages were published, and kept up to
//! a bound in bytes. A reader that resumes further back, or fell behind, has *late* chunks rendered
//! again from the ring's pages. All late work of a hub goes through one lane, which takes a quarter
//! of one core at most, and what it makes is kept apart from what is live. So however many
//! laggards there are, publishing and the readers that keep up do not notice. In the lane the
//! [owners](Owner) of readers take turns, so one with many laggards does not keep the others waiting.
//!
//! A reader may have a *filter*. Each page is matched against all filters in one call when it is
//! published, and what was found is kept with the page; a filtered reader is woken only if its
//! filter matched, and writes slices of the chunks that others get whole.
//!
//! What an entry is, how it is written and what a filter is are the caller's knowledge, behind
//! [`Stream`]. What goes over a socket is known here: [`frame`] speaks RFC 6455, [`handshake`] opens
//! a WebSocket, [`gzip`] has what a compressed event stream needs besides chunks.
//!
//! # Invariants
//!
//! * Offsets are contiguous: entry `i` of a page has offset `first + i`, and pages follow each
//!   other without a hole. So one number is a whole cursor, and a loss is a subtraction.
//! * A chunk depends on nothing but its page, its rendering and its framing. It may be dropped at
//!   any time and rendered again while the page is in the ring.
//! * A compressed chunk refers to nothing before it. So a reader may begin, or go on after a loss,
//!   at any chunk's beginning; if it joins inside one it gets the rest of that page plain.
//! * Live chunks are contiguous up to the head, and only newer ones push them out.
//! * A reader moves past an entry in one of three ways only: its bytes were written, or its filter
//!   is known not to pass it, or it is counted as lost. It loses only what fell off the ring, and
//!   then what lies before the oldest live chunk too, which it would not reach in time.
//! * Nobody renders but publishers and the lane. Writing never does.
//! * A filtered reader misses no page: it enters its filter among the signals before it looks at
//!   the ring for its start, and a publisher fills the ring before it looks at the signals. It costs
//!   nothing while nothing passes.
//! * Between writes a reader holds no chunk, so a client that stalls keeps no memory but what
//!   remains of one message.
//! * There are no lock-free structures of our own, only mutexes, Tokio's channels, and counters
//!   that nothing depends on. The locks (publishing, feeds, signals, ring, one per feed) are short:
//!   none but `publishing`, which only publishers take, is held while an entry is read or rendered.
//!   `publishing` comes before the others, `signals` before the ring; otherwise none is taken while
//!   another is held.

mod batch;
mod chunk;
mod deflate;
mod feed;
mod feeds;
pub mod frame;
mod framing;
pub mod gzip;
pub mod handshake;
mod hub;
mod lane;
mod late;
mod latest;
mod matches;
mod memory;
mod reader;
mod ring;
mod signals;
mod stream;
mod subscription;

pub use batch::{Batch, MAX_SLICES};
pub use framing::Framing;
pub use hub::{Hub, Limits, Stats};
pub use memory::block;
pub use reader::{MAX_INTERJECTED, Reader, Ready, WRITE_BUDGET, Written};
pub use stream::Stream;
pub use subscription::{Gap, GapReason, Owner, Request, Subscription};
