//! The bytes of batches, begins and checkpoints.
//!
//! Version 1. A *message* is one batch, begin or checkpoint. Messages have no length and no checksum
//! of their own: what carries them (a frame of a file, a message of a broker) has both.
//!
//! # Elements
//!
//! | name | bytes |
//! |---|---|
//! | `u8` | one byte |
//! | `[n]` | n bytes |
//! | `hash` | 32 bytes, a SHA-256 |
//! | `uint` | an unsigned 64-bit number, 7 bits a byte, the lowest first; the high bit says that more follow. At most 10 bytes, and none more than needed |
//! | `delta` | a difference of two 64-bit numbers, modulo 2^64, as `uint` after zigzag: 0, −1, 1, −2, … become 0, 1, 2, 3, … |
//! | `bytes` | `uint` length, then so many bytes |
//! | `text` | `bytes` that are UTF-8 |
//! | `list of X` | `uint` count, then so many X |
//! | `optional X` | `u8` 0, or `u8` 1 and X |
//!
//! # Message
//!
//! `u8` version (1), `u8` kind (1 batch, 2 begin, 3 checkpoint), then the header: `[8]` stream id (ASCII
//! letters and digits), `uint` term, `uint` number, `[8]` hash of the message before (the first 8 bytes
//! of its SHA-256; in a checkpoint the hash of the last message applied). Then the body. Nothing follows
//! the body.
//!
//! **Batch**: `uint` first offset; list of *log row*; list of *acknowledgement* (`uint` log); list of
//! *alarm*; list of *gap*; list of *advance*; list of *record*; list of *sighting*.
//!
//! **Begin**: `uint` first offset; `[16]` nonce; `[16]` boot id; `u8` sync mode (0 memory, 1 interval,
//! 2 batch, 3 replicated); `hash` of the configuration.
//!
//! **Checkpoint**: `uint` next offset; list of *log state*: a *log row* without its number (numbers count
//! from 0), optional *position*, list of *gap*, list of *alarm*; then list of `bytes`, the DER of issuers
//! 0, 1, ….
//!
//! # Parts
//!
//! **Log row**: `uint` number; `u8` flags (bit 0: an id follows; the bits above: 0 for RFC 6962, 1 for
//! static-ct-api); `hash` id if so; `text` URL, name, operator.
//!
//! **Alarm**: `uint` log; `u8` kind (0 equivocation, 1 fork, 2 mismatch, 3 final head, 4 gap); `uint`
//! time, first, end; `text` description; optional `text` evidence.
//!
//! **Gap**: `uint` log, first index, count; `u8` reason (0 skipped, 1 unreadable, 2 too large, 3
//! damaged).
//!
//! **Position** (of a checkpoint): `uint` next, largest head; optional *tree*: the hashes of the compact
//! range of size `next`, one for each one-bit of it; `uint` from; `uint` proved size; `hash` proved root.
//!
//! **Advance**: `uint` log; `u8` flags; then what the flags ask for, in this order. What is called
//! *known* is the log's position after the message before, or of the checkpoint.
//!
//! | flag | set | not set |
//! |---|---|---|
//! | bit 0 | first is the known next index | `uint` first follows |
//! | – | | `uint` next − first follows always |
//! | bit 1 | the largest head is the known one | `uint` largest head follows |
//! | bit 2 | there is a tree, and the following bits hold | no tree; bits 3 to 6 are not set |
//! | bit 3 | of the tree's hashes only those that the known tree does not have follow (see below) | all hashes follow |
//! | bit 4 | `from` is that of the known tree | `uint` from follows |
//! | bit 5 | the proved tree is that of the known one | see bit 6 |
//! | bit 6 | the proved tree is the whole tree | without bit 5: `uint` size, `hash` root follow |
//!
//! Hashes of a compact range stand for the one-bits of its size, the highest first. Two ranges of one
//! log share those above the highest bit in which their sizes differ.
//!
//! **Record**: `u8` flags (bit 0: precertificate; bit 1: a link follows; bit 2: of another log than the
//! record before; bit 3: one of its registrable domains is new to the stream; bit 4: it was missing before, and was read later); `uint` log if bit 2 is set, and for the first record; `delta` index against the one
//! after the log's last record here, for the first one against `first` of its advance (0 without one);
//! `delta` submission time and `delta` seen time, each against that of the record before (0 for the
//! first); list of *issuer reference*; `bytes` certificate; `hash` link if bit 1 is set.
//!
//! **Issuer reference**: `uint` 0, then `bytes` DER: an issuer that is new. Otherwise one more than the
//! issuer's number. New issuers get the next number until there are [`limits::ISSUERS`] of them or the
//! DER of all is more than [`limits::ISSUER_BYTES`]; those beyond get none, and are written out each
//! time.
//!
//! **Sighting**: `u8` flags (bit 0: a fingerprint follows; bit 1: of another log than the sighting
//! before); `uint` log if bit 1 is set, and for the first; `delta` index and `delta` submission time as
//! in a record, counted among sightings; `delta` first offset of the batch − offset; `hash` fingerprint
//! if bit 0 is set.
//!
//! # Context
//!
//! Issuer numbers and known positions are the *context* of a message: those of all messages before it
//! since the last checkpoint, which begins a new context with its positions and its issuers. A reader can
//! therefore begin at any checkpoint. A message that cannot be decoded leaves the context as it was.
//!
//! # Bounds
//!
//! [`limits`] names them; a message beyond one is refused by encoder and decoder alike.

mod advance;
mod batch;
mod bytes;
mod checkpoint;
mod context;
mod parts;

use thiserror::Error;

use self::bytes::{Reader, Writer};
use self::context::Context;
use crate::batch::{Batch, BatchHash, Begin, Header, SyncMode};
use crate::state::Checkpoint;
use crate::stream_id::StreamId;

/// The version written, and the newest one read.
pub const VERSION: u8 = 1;

/// Bounds of a message.
pub mod limits {
    /// Records, sightings or other elements of one list of a batch.
    pub const LIST: usize = 4096;
    /// Logs in the table of a stream.
    pub const LOGS: usize = 65_536;
    /// Bytes of a certificate: what a log's 24-bit length allows.
    pub const CERTIFICATE: usize = (1 << 24) - 1;
    /// Certificates in a chain.
    pub const CHAIN: usize = 1024;
    /// Bytes of a text.
    pub const TEXT: usize = 65_536;
    /// Issuers with a number.
    pub const ISSUERS: usize = 4096;
    /// Bytes of DER beyond which no further issuer gets a number.
    pub const ISSUER_BYTES: usize = 16 << 20;
}

/// Reason why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// They end too early.
    #[error("the message ends inside of {0}")]
    Truncated(&'static str),
    /// Bytes follow its end.
    #[error("{0} bytes follow the message")]
    Trailing(usize),
    /// A newer version, or no message at all.
    #[error("version {0} of the encoding is not known")]
    Version(u8),
    /// A number has more bytes than it needs or than 64 bits have.
    #[error("{0} is not a number in its shortest form")]
    Number(&'static str),
    /// A length or count beyond its bound.
    #[error("{what}: {length} is more than {most}")]
    TooLarge {
        /// The element.
        what: &'static str,
        /// Its length or count.
        length: u64,
        /// The bound.
        most: u64,
    },
    /// A value that this version does not define.
    #[error("{what} has the unknown value {value}")]
    Unknown {
        /// The element.
        what: &'static str,
        /// The value.
        value: u8,
    },
    /// A text is not UTF-8, or a stream id has other characters.
    #[error("{0} is not valid text")]
    Text(&'static str),
    /// An issuer number that no message of the context defined.
    #[error("issuer {0} is not known")]
    Issuer(u64),
    /// An advance refers to a position or tree that the context does not have.
    #[error("log {0} has no known position or tree to refer to")]
    NoBasis(u32),
    /// Sizes of a position that contradict each other.
    #[error("the position of log {0} contradicts itself")]
    Position(u32),
}

/// Reason why a message cannot be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// A length or count beyond its bound.
    #[error("{what}: {length} is more than {most}")]
    TooLarge {
        /// The element.
        what: &'static str,
        /// Its length or count.
        length: usize,
        /// The bound.
        most: usize,
    },
    /// Sizes of a position that contradict each other.
    #[error("the position of log {0} contradicts itself")]
    Position(u32),
    /// A gap without an index, or that ends before it starts.
    #[error("a gap of log {0} is empty")]
    Gap(u32),
}

/// A decoded message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A batch.
    Batch(Batch),
    /// The begin of a term.
    Begin(Begin),
    /// A checkpoint.
    Checkpoint(Checkpoint),
}

/// Kind of a message, by the byte that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A batch.
    Batch = 1,
    /// The begin of a term.
    Begin = 2,
    /// A checkpoint.
    Checkpoint = 3,
}

/// Encodes the messages of a stream, one after another.
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    context: Context,
}

/// Decodes the messages of a stream, one after another.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    context: Context,
}

impl Encoder {
    /// Creates an encoder for the first message of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a batch to `out` and returns its hash, the `prev` of the message after it.
    ///
    /// # Errors
    /// If something in it is beyond the [`limits`] or contradicts itself. Then `out` and the context
    /// are unchanged.
    pub fn batch(&mut self, batch: &Batch, out: &mut Vec<u8>) -> Result<BatchHash, EncodeError> {
        let (start, mark) = (out.len(), self.context.mark());
        let mut writer = Writer::new(out);
        write_header(Kind::Batch, &batch.header, &mut writer);
        if let Err(error) = batch::write(batch, &mut self.context, &mut writer) {
            out.truncate(start);
            self.context.revert(mark);
            return Err(error);
        }
        self.context.advance(&batch.advances);
        Ok(BatchHash::of(out.get(start..).unwrap_or_default()))
    }

    /// Appends the begin of a term to `out` and returns its hash.
    pub fn begin(&mut self, begin: &Begin, out: &mut Vec<u8>) -> BatchHash {
        let start = out.len();
        let mut writer = Writer::new(out);
        write_header(Kind::Begin, &begin.header, &mut writer);
        writer.uint(begin.first_offset);
        writer.raw(&begin.nonce);
        writer.raw(&begin.boot);
        writer.byte(match begin.sync {
            SyncMode::Memory => 0,
            SyncMode::Interval => 1,
            SyncMode::Batch => 2,
            SyncMode::Replicated => 3,
        });
        writer.raw(&begin.configuration);
        BatchHash::of(out.get(start..).unwrap_or_default())
    }

    /// Appends a checkpoint to `out`, and begins the context anew with it.
    ///
    /// # Errors
    /// If something in it is beyond the [`limits`] or contradicts itself. Then `out` and the context
    /// are unchanged.
    pub fn checkpoint(
        &mut self,
        checkpoint: &Checkpoint,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let start = out.len();
        let mut writer = Writer::new(out);
        write_header(Kind::Checkpoint, &checkpoint.state.header(), &mut writer);
        if let Err(error) = checkpoint::write(checkpoint, &mut writer) {
            out.truncate(start);
            return Err(error);
        }
        self.context = Context::of(checkpoint);
        Ok(())
    }

    /// Returns the issuers with a number in the context, by number: what a checkpoint needs for the
    /// same messages to follow it that follow this context.
    #[must_use]
    pub fn issuers(&self) -> &[std::sync::Arc<crate::Issuer>] {
        self.context.issuers()
    }
}

impl Decoder {
    /// Creates a decoder for the first message of a stream, or for a checkpoint.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a decoder for one batch in the middle of a stream, of which only the first index of each
    /// log is known that it advances. Records, sightings and gaps are then decoded without the messages
    /// before; but chains lack the issuers that those defined, and trees and largest heads are wrong.
    #[must_use]
    pub fn detached(firsts: impl IntoIterator<Item = (crate::LogNumber, u64)>) -> Self {
        Self { context: Context::detached(firsts) }
    }

    /// Decodes a message.
    ///
    /// # Errors
    /// If the bytes are no message of this version, or refer to what the context does not have. The
    /// context is then unchanged.
    pub fn message(&mut self, encoded: &[u8]) -> Result<Message, DecodeError> {
        let mark = self.context.mark();
        let decoded = self.read(encoded);
        match &decoded {
            Ok(Message::Batch(batch)) => self.context.advance(&batch.advances),
            Ok(Message::Checkpoint(checkpoint)) => self.context = Context::of(checkpoint),
            Ok(Message::Begin(_)) => {}
            Err(_) => self.context.revert(mark),
        }
        decoded
    }

    /// Returns the issuers with a number in the context, by number.
    #[must_use]
    pub fn issuers(&self) -> &[std::sync::Arc<crate::Issuer>] {
        self.context.issuers()
    }

    /// Forgets the issuers of the context and keeps the positions, as a checkpoint without issuers
    /// does: where such a checkpoint is damaged, what follows it can still be decoded.
    pub fn forget_issuers(&mut self) {
        self.context.forget_issuers();
    }

    fn read(&mut self, encoded: &[u8]) -> Result<Message, DecodeError> {
        let mut reader = Reader::new(encoded);
        let (kind, header) = read_header(&mut reader)?;
        let message = match kind {
            Kind::Batch => Message::Batch(batch::read(header, &mut self.context, &mut reader)?),
            Kind::Begin => Message::Begin(read_begin(header, &mut reader)?),
            Kind::Checkpoint => Message::Checkpoint(checkpoint::read(header, &mut reader)?),
        };
        reader.finish()?;
        Ok(message)
    }
}

impl From<Decoder> for Encoder {
    /// Continues a stream after the last message decoded.
    fn from(decoder: Decoder) -> Self {
        Self { context: decoder.context }
    }
}

impl From<Encoder> for Decoder {
    /// Decodes what follows the last message encoded.
    fn from(encoder: Encoder) -> Self {
        Self { context: encoder.context }
    }
}

/// Reads kind and header of a message only.
///
/// # Errors
/// If the bytes do not begin with a header of this version.
pub fn header(encoded: &[u8]) -> Result<(Kind, Header), DecodeError> {
    read_header(&mut Reader::new(encoded))
}

/// Reads kind, header and offset of a message only: the first offset of a batch or a begin, the next
/// one of a checkpoint.
///
/// # Errors
/// If the bytes do not begin with a header of this version and an offset.
pub fn header_and_offset(encoded: &[u8]) -> Result<(Kind, Header, u64), DecodeError> {
    let mut reader = Reader::new(encoded);
    let (kind, header) = read_header(&mut reader)?;
    Ok((kind, header, reader.uint("the first offset")?))
}

fn write_header(kind: Kind, header: &Header, writer: &mut Writer<'_>) {
    writer.byte(VERSION);
    writer.byte(kind as u8);
    writer.raw(header.stream.as_str().as_bytes());
    writer.uint(header.term);
    writer.uint(header.number);
    writer.raw(&header.prev.0.to_be_bytes());
}

fn read_header(reader: &mut Reader<'_>) -> Result<(Kind, Header), DecodeError> {
    let version = reader.byte("the version")?;
    if version != VERSION {
        return Err(DecodeError::Version(version));
    }
    let kind = match reader.byte("the kind")? {
        1 => Kind::Batch,
        2 => Kind::Begin,
        3 => Kind::Checkpoint,
        value => return Err(DecodeError::Unknown { what: "the kind", value }),
    };
    let id = reader.array::<8>("the stream id")?;
    let stream = StreamId::try_from(id).map_err(|_| DecodeError::Text("the stream id"))?;
    let (term, number) = (reader.uint("the term")?, reader.uint("the number")?);
    let prev = BatchHash(u64::from_be_bytes(reader.array("the hash before")?));
    Ok((kind, Header { stream, term, number, prev }))
}

fn read_begin(header: Header, reader: &mut Reader<'_>) -> Result<Begin, DecodeError> {
    Ok(Begin {
        header,
        first_offset: reader.uint("the first offset")?,
        nonce: reader.array("the nonce")?,
        boot: reader.array("the boot id")?,
        sync: match reader.byte("the sync mode")? {
            0 => SyncMode::Memory,
            1 => SyncMode::Interval,
            2 => SyncMode::Batch,
            3 => SyncMode::Replicated,
            value => return Err(DecodeError::Unknown { what: "the sync mode", value }),
        },
        configuration: reader.array("the configuration's hash")?,
    })
}
