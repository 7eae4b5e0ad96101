//! One rendering of the stream for any number of sockets.
//!
//! Entries are published in pages. A [`Hub`] keeps the newest pages in a ring bounded in bytes,
//! and for each *feed* in use, that is one rendering under one [`Framing`], it keeps *chunks*: the
//! messages of a page, rendered and framed end to end in one shared buffer. A connection is a
//! [`Reader`]: the offset it has come to. To serve it is to write the bytes between its offset and
//! the head, in one vectored write however many messages that is. There is no queue per client, no
//! allocation per client and message, and no serialisation per client.
//!
//! ```text
//!            pages   [ 40..57 ][ 57..58 ][ 58..90 ]            entries, kept by the ring
//!  lite, WebSocket   (not held)[ chunk  ][ chunk  ]            bytes, rendered once, shared
//!  full, SSE                             [ chunk  ]
//!                                 ^ reader at 57    ^ head
//! ```
//!
//! What an entry is and how it is written is the caller's knowledge, behind [`Stream`]. What goes
//! over a socket is known here: [`frame`] speaks RFC 6455, [`handshake`] opens a WebSocket.
//!
//! # Invariants
//!
//! * Offsets are contiguous: entry `i` of a page has offset `first + i`, and pages follow each
//!   other without a hole. So one number is a whole cursor, and a loss is a subtraction.
//! * A chunk depends on nothing but its page, its rendering and its framing. It may be dropped at
//!   any time and rendered again while the page is in the ring.
//! * A reader moves past an entry in one of two ways only: its bytes were written, or it is
//!   counted as lost.
//! * Between writes a reader holds no chunk, so a client that stalls keeps no memory but what
//!   remains of one message.
//! * The locks (publishing, feeds, ring, one per feed) are short: none but `publishing`, which only
//!   publishers take, is held while an entry is read or rendered, and none of the others is taken
//!   while another of the others is held. So they have no order but `publishing` before the rest.

mod batch;
mod chunk;
mod feed;
mod feeds;
pub mod frame;
mod framing;
pub mod handshake;
mod hub;
mod latest;
mod reader;
mod ring;
mod stream;

pub use batch::{Batch, MAX_SLICES};
pub use framing::Framing;
pub use hub::{Gap, GapReason, Hub, Limits, Stats, Subscription};
pub use reader::{MAX_INTERJECTED, Reader, Ready, WRITE_BUDGET, Written};
pub use stream::Stream;
