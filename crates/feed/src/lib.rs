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
//!            pages   [ 40..57 ][ 57..58 ]  hole  [ 71..90 ]    entries, kept by the ring
//!  lite, WebSocket    (dropped)[ chunk  ]        [ chunk  ]    bytes, rendered once, shared
//!  full, SSE                                     [ chunk  ]
//!                              ^ reader at 57             ^ head
//! ```
//!
//! The newest chunks of a feed are *live*: rendered when their pages were published, and kept up to
//! a bound in bytes. A reader that resumes further back, or fell behind, has *late* chunks rendered
//! again from the ring's pages. All late work of a hub goes through one lane, which takes a quarter
//! of one core at most, and what it makes is kept apart from what is live. So however many
//! laggards there are, publishing and the readers that keep up do not notice. In the lane the
//! [owners](Owner) of readers take turns, so one with many laggards does not keep the others waiting.
//!
//! Pages older than the ring may be in a [`History`]. A reader that needs them has them read in a
//! second lane, into chunks that it shares only with readers at the same place, until it reaches the
//! ring. That lane works only while the first
//! does not, and rests as much while other threads need the cores. So many readers are admitted to
//! it as get twice the rate of the live stream; more are refused ([`Busy`]), but for those that fell
//! behind the ring, which wait.
//!
//! A reader may have a *filter*. Each page is matched against all filters in one call when it is
//! published, and the matches are kept with the page; a filtered reader is woken only if its
//! filter matched, and writes slices of the chunks that others get whole.
//!
//! Entries, messages and filters are the caller's knowledge, behind [`Stream`]. The bytes on a
//! socket are known here: [`frame`] speaks RFC 6455, [`handshake`] opens a WebSocket, [`gzip`] has
//! the parts of a compressed event stream besides chunks.
//!
//! # Invariants
//!
//! * The caller numbers the entries, and offsets only grow. Those of one page are contiguous: entry
//!   `i` has offset `first + i`. Between pages there may be holes. A hole belongs to the page after
//!   it, so every offset leads to one page, and one number is a whole cursor. Losses count entries,
//!   never holes.
//! * A chunk depends on nothing but its page, its rendering and its framing. It may be dropped at
//!   any time and rendered again while the page is in the ring or in the history.
//! * A compressed chunk refers to nothing before it. So a reader may begin, or continue after a
//!   loss, at any chunk's beginning; if it joins inside one it gets the rest of that page plain.
//! * The spans of live chunks are contiguous up to the head, and only newer ones push them out.
//! * A reader moves past an entry in one of three ways only: its bytes were written, or its filter
//!   is known not to pass it, or it is counted as lost. It loses only what is neither in the ring
//!   nor in the history, and if that fell off the ring, what lies before the oldest live chunk too,
//!   which it would not reach in time.
//! * A reader leaves the history when its cursor is at or after the ring's oldest page, under the
//!   ring's lock. Whatever it needs is in one of both, so there is no seam.
//! * Only publishers and the lanes render, and only the lane of replays reads the history, readers of
//!   [`Entries`] excepted, which read it in their own thread. Writing never does.
//! * A filtered reader misses no page: it enters its filter among the signals before it looks at
//!   the ring for its start, and a publisher fills the ring before it looks at the signals. It costs
//!   nothing while nothing passes.
//! * Between writes a reader holds no chunk, so a client that stalls keeps no memory but the rest of
//!   one message. The exception are readers of the history: each holds the chunks of one read and of
//!   the one begun ahead, and their number is [bounded](Archive::readers).
//! * There are no lock-free structures of our own, only mutexes, Tokio's channels, and counters
//!   that nothing depends on. The locks (publishing, feeds, signals, ring, late work, one per feed)
//!   are short: none but `publishing`, which only publishers take, is held while an entry is read or
//!   rendered. `publishing` comes before the others, `signals` before the ring; otherwise none is
//!   taken while another is held.
//!
//! # Layers
//!
//! A file uses only those below it: `hub` · `subscription` · `reader` · `late` · `shared` · `late/job,
//! budget, contention, past, registry` · `signals`, `feed` · `chunk` · `ring` · `protocol`, `history`,
//! `stream`, `limits`, `memory`.

mod chunk;
mod feed;
mod history;
mod hub;
mod late;
mod limits;
mod memory;
mod protocol;
mod reader;
mod ring;
mod shared;
mod signals;
mod stream;
mod subscription;

pub use chunk::batch::{Batch, MAX_SLICES};
pub use history::{Archive, Fetch, Fetched, FirstSeen, History, HistoryPage};
pub use hub::{Begin, Entries, Hub, Lost, Moment, PublishError, Stats, Unreadable};
pub use late::budget::Owner;
pub use limits::Limits;
pub use memory::block;
pub use protocol::framing::Framing;
pub use protocol::{frame, gzip, handshake};
pub use reader::{MAX_INTERJECTED, Reader, Ready, WRITE_BUDGET, Written};
pub use stream::Stream;
pub use subscription::{Busy, Gap, GapReason, Request, Subscription};
