//! Outputs of the stream: messages published to a broker, NATS JetStream or Kafka, by a reader with a
//! durable cursor.
//!
//! An [`Output`] reads the committed stream through a [`Source`] and publishes each message until the
//! broker has acknowledged it; only then its [cursor](Cursor) passes the message. So an outage of the
//! broker loses nothing while the source keeps what was not published: delivery is at least once, and
//! each message has an [identity](Message::id) by which consumers recognise what is repeated.
//!
//! An output never delays the stream. While the broker is not available the output falls behind
//! ([`OnFull::Block`]), or leaves out messages and counts them ([`OnFull::Drop`]).
//!
//! The cursor is kept in a [`Store`]: a file, or one that several nodes share. There, a save is refused
//! once another node has written the cursor, and the output ends.
//!
//! The crate knows brokers, and nothing of logs, certificates or how messages come to be.

mod backoff;
mod broker;
mod cursor;
mod failure;
mod kafka;
mod key;
mod message;
mod nats;
mod output;
mod secret;
mod settings;
mod source;
mod status;

pub use cursor::{Cursor, CursorError, FileStore, Pending, Resume, Store, StoreError};
pub use kafka::{Compression, KafkaKey, KafkaSettings, Mechanism, Sasl};
pub use message::{Log, Message};
pub use nats::{NatsCredentials, NatsSettings};
pub use output::{Output, Overtaken};
pub use secret::{FileError, Secret, VariableError, read_secret, secret_in_variable};
pub use settings::{BrokerSettings, OnFull, OutputSettings, Tls};
pub use source::{Missed, Page, Position, Source};
pub use status::{Figures, Status};
