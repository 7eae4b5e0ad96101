//! One batch in a file: an encapsulated IPC message with custom metadata.
//!
//! The encoder of arrow-ipc omits a message's custom metadata, so the flatbuffer is written again
//! with them. Readers of the format see an ordinary record batch.

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

use super::error::FeatherError;
use crate::NOTE_KEY;
use crate::compression::Compression;

/// The key of the CRC-32 of a batch's body, eight hexadecimal digits.
const CRC: &str = "certstream.crc32";

/// The bytes at the start of every message, and of the end of the stream.
pub(super) const CONTINUATION: [u8; 4] = [0xff; 4];
/// The end of the stream: an empty message.
pub(super) const END: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
/// The length of a message's prefix: the continuation and the length of its metadata.
pub(super) const PREFIX: u64 = 8;

/// Returns the options of a writer with this codec.
pub(super) fn options(compression: Compression) -> Result<IpcWriteOptions, FeatherError> {
    let codec = match compression {
        Compression::None => None,
        Compression::Lz4 => Some(CompressionType::LZ4_FRAME),
        Compression::Zstd => Some(CompressionType::ZSTD),
    };
    Ok(IpcWriteOptions::default().try_with_compression(codec)?)
}

/// An encoder of batches.
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
        Ok(Self { options: options(compression)?, context: IpcWriteContext::default() })
    }

    /// Appends the message to `out`, which is at place `at` of the file, and returns its block.
    pub(super) fn encode(
        &mut self,
        batch: &RecordBatch,
        text: &str,
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
        let crc = format!("{:08x}", crc32fast::hash(&encoded.arrow_data));
        encoded.ipc_message = annotate(&encoded.ipc_message, &[(NOTE_KEY, text), (CRC, &crc)])?;
        let offset = at + out.len() as u64;
        let EncodedData { ipc_message, arrow_data } = encoded;
        let (meta, body) =
            write_message(&mut *out, EncodedData { ipc_message, arrow_data }, &self.options)?;
        let (offset, body) = (offset.cast_signed(), (body as u64).cast_signed());
        Ok(Block::new(offset, i32::try_from(meta).unwrap_or(i32::MAX), body))
    }
}

/// Returns the message with these custom metadata.
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

/// Builds keys with values, for a message or a footer.
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

/// The metadata of a record batch.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) rows: u64,
    pub(super) body: u64,
    /// The caller's text, if there is one.
    pub(super) text: Option<String>,
    pub(super) crc: Option<u32>,
}

impl Head {
    /// Reads the metadata of a record batch; returns none for anything else.
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
            text: value(NOTE_KEY).map(str::to_owned),
            crc: value(CRC).and_then(|digits| u32::from_str_radix(digits, 16).ok()),
        })
    }
}
