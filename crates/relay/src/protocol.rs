//! The protocol of a stream on JetStream, without IO.
//!
//! Every message of ours names the one [`after`](Message::after) which it was written, so the messages
//! of a stream are a linked list. Between them may lie messages of others, which are skipped, and
//! *marks*, which only give a leader something unique to publish after.
//!
//! * A [`Reader`] folds the messages in their order, and decides which records are shown.
//! * A [`Leader`] decides what to publish next. It learns everything from the reader beside it: a
//!   message counts as committed once that has read it back. An acknowledgement is only a reason to
//!   read.
//!
//! A publish is *fenced*: it names the sequence and the id of the message that must be the last one.
//! The sequence alone does not suffice, because a stream that loses its end gives the same sequences
//! again. A server forgets the id of the last message when it restarts, and messages of others have
//! none; then the leader publishes a mark, reads it back, checks that its own last message is still
//! where it was, and publishes after the mark.
//!
//! One publish is in flight. If its outcome is unknown, the leader reads on, and publishes the same
//! bytes again if they are not there: a refusal may speak of a message that vanishes later.

mod content;
mod doubts;
mod leader;
mod lease;
mod message;
mod offsets;
mod parts;
mod reader;
mod step;
mod totals;
mod trail;

pub(crate) use content::{Outline, compress, decompress};
pub use leader::{Leader, Next, Opening, ProposeError, Publish};
pub use lease::{Eligibility, Lease};
pub use message::{Body, Foreign, Message, MessageId};
pub use offsets::{MAX_LOST, first_offset};
pub use reader::Reader;
pub use step::{Anchor, Applied, Content, Passed, Restart, Show, Step, Unreadable};
pub use totals::Totals;

/// Bytes of an encoded batch, begin or checkpoint at most, before compression.
pub const MAX_PLAIN: usize = 64 << 20;
