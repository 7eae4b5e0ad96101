//! One batch as it stands in a file: an encapsulated IPC message whose metadata carry a note.
//!
//! The encoder of arrow-ipc leaves a message's custom metadata out, so the flatbuffer is written
//! again with them. What readers of the format see is an ordinary record batch.

use arrow_array::RecordBatch;
use arrow_ipc::writer::{
    DictionaryTracker, EncodedData, IpcDataGenerator, IpcWriteContext, IpcWriteOptions,
    write_message,
};
use arrow_ipc::{
    Block, BodyCompressionArgs, CompressionType, Message, MessageArgs, MessageHeader,
    MetadataVersion, RecordBatchArgs, root_as_message,
};
use flatbuffers::FlatBufferBuilder;

use super::FeatherError;
use crate::note::Note;

/// The key of the note among a batch's metadata.
const NOTE: &str = "certstream.note";
/// The key of the CRC-32 of a batch's body, eight hexadecimal digits.
const CRC: &str = "certstream.crc32";

/// What every message begins with, and the end of the stream too.
pub(super) const CONTINUATION: [u8; 4] = [0xff; 4];
/// What ends the stream: a message without anything.
pub(super) const END: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
/// The length of a message's prefix: the continuation and the length of its metadata.
pub(super) const PREFIX: u64 = 8;

/// How the columns of a batch are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// LZ4 frames: quick.
    Lz4,
    /// Zstandard: small.
    #[default]
    Zstd,
}

impl Compression {
    pub(super) fn options(self) -> Result<IpcWriteOptions, FeatherError> {
        let codec = match self {
            Self::None => None,
            Self::Lz4 => Some(CompressionType::LZ4_FRAME),
            Self::Zstd => Some(CompressionType::ZSTD),
        };
        Ok(IpcWriteOptions::default().try_with_compression(codec)?)
    }
}

/// Turns batches into messages.
pub(super) struct Encoder {
    options: IpcWriteOptions,
    context: IpcWriteContext,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").finish_non_exhaustive()
    }
}

impl Encoder {
    pub(super) fn new(compression: Compression) -> Result<Self, FeatherError> {
        Ok(Self { options: compression.options()?, context: IpcWriteContext::default() })
    }

    /// Appends the message; its place, counted from `at` where `out` begins in the file.
    pub(super) fn encode(
        &mut self,
        batch: &RecordBatch,
        note: &Note,
        at: u64,
        out: &mut Vec<u8>,
    ) -> Result<Block, FeatherError> {
        let mut dictionaries = DictionaryTracker::new(true);
        let (_, mut encoded) = IpcDataGenerator::default().encode(
            batch,
            &mut dictionaries,
            &self.options,
            &mut self.context,
        )?;
        let note = serde_json::to_string(note)?;
        let crc = format!("{:08x}", crc32fast::hash(&encoded.arrow_data));
        encoded.ipc_message = annotate(&encoded.ipc_message, &[(NOTE, &note), (CRC, &crc)])?;
        let offset = at + out.len() as u64;
        let EncodedData { ipc_message, arrow_data } = encoded;
        let (meta, body) =
            write_message(&mut *out, EncodedData { ipc_message, arrow_data }, &self.options)?;
        let (offset, body) = (offset.cast_signed(), (body as u64).cast_signed());
        Ok(Block::new(offset, i32::try_from(meta).unwrap_or(i32::MAX), body))
    }
}

/// The same message with metadata of its own.
fn annotate(message: &[u8], pairs: &[(&str, &str)]) -> Result<Vec<u8>, FeatherError> {
    let message = root_as_message(message)?;
    let batch = message.header_as_record_batch().ok_or(FeatherError::NoBatch)?;
    let mut fbb = FlatBufferBuilder::with_capacity(4096);
    let nodes: Vec<_> = batch.nodes().into_iter().flatten().copied().collect();
    let nodes = Some(fbb.create_vector(&nodes));
    let buffers: Vec<_> = batch.buffers().into_iter().flatten().copied().collect();
    let buffers = Some(fbb.create_vector(&buffers));
    let compression = batch.compression().map(|compression| {
        let (codec, method) = (compression.codec(), compression.method());
        arrow_ipc::BodyCompression::create(&mut fbb, &BodyCompressionArgs { codec, method })
    });
    let header = arrow_ipc::RecordBatch::create(
        &mut fbb,
        &RecordBatchArgs {
            length: batch.length(),
            nodes,
            buffers,
            compression,
            variadicBufferCounts: None,
        },
    );
    let custom_metadata = Some(metadata(&mut fbb, pairs));
    let root = Message::create(
        &mut fbb,
        &MessageArgs {
            version: MetadataVersion::V5,
            header_type: MessageHeader::RecordBatch,
            header: Some(header.as_union_value()),
            bodyLength: message.bodyLength(),
            custom_metadata,
        },
    );
    fbb.finish(root, None);
    Ok(fbb.finished_data().to_vec())
}

type Metadata<'a> = flatbuffers::WIPOffset<
    flatbuffers::Vector<'a, flatbuffers::ForwardsUOffset<arrow_ipc::KeyValue<'a>>>,
>;

/// Keys with values, for a message or a footer.
pub(super) fn metadata<'a>(
    fbb: &mut FlatBufferBuilder<'a>,
    pairs: &[(&str, &str)],
) -> Metadata<'a> {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(key, value)| {
            let (key, value) = (Some(fbb.create_string(key)), Some(fbb.create_string(value)));
            arrow_ipc::KeyValue::create(fbb, &arrow_ipc::KeyValueArgs { key, value })
        })
        .collect();
    fbb.create_vector(&pairs)
}

/// What the metadata of a message say.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) rows: u64,
    pub(super) body: u64,
    pub(super) note: Note,
    pub(super) crc: Option<u32>,
}

impl Head {
    /// Reads the metadata of a record batch; none for anything else.
    pub(super) fn read(metadata: &[u8]) -> Option<Self> {
        let message = root_as_message(metadata).ok()?;
        let batch = message.header_as_record_batch()?;
        let value = |key: &str| {
            let mut pairs = message.custom_metadata().into_iter().flatten();
            pairs.find(|pair| pair.key() == Some(key)).and_then(|pair| pair.value())
        };
        Some(Self {
            rows: u64::try_from(batch.length()).ok()?,
            body: u64::try_from(message.bodyLength()).ok()?,
            // A note of a later version, or none: the rows count all the same.
            note: value(NOTE).and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default(),
            crc: value(CRC).and_then(|digits| u32::from_str_radix(digits, 16).ok()),
        })
    }
}
