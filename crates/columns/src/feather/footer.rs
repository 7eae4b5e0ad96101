//! The end of a file: the end of the stream, and the footer with the places of the batches.

use arrow_ipc::convert::IpcSchemaEncoder;
use arrow_ipc::{Block, FooterArgs, MetadataVersion, root_as_footer};
use arrow_schema::Schema;
use flatbuffers::FlatBufferBuilder;

use super::error::FeatherError;
use super::message::{END, metadata};

/// The bytes at the start and end of every Arrow file.
pub(super) const MAGIC: [u8; 6] = *b"ARROW1";

/// Appends the end of the stream and the footer.
pub(super) fn write(
    schema: &Schema,
    blocks: &[Block],
    pairs: &[(&'static str, String)],
    out: &mut Vec<u8>,
) -> Result<(), FeatherError> {
    out.extend(END);
    let mut fbb = FlatBufferBuilder::with_capacity(4096 + 24 * blocks.len());
    let dictionaries = Some(fbb.create_vector::<Block>(&[]));
    let batches = Some(fbb.create_vector(blocks));
    let schema = Some(IpcSchemaEncoder::new().schema_to_fb_offset(&mut fbb, schema));
    let pairs: Vec<_> = pairs.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let custom_metadata = Some(metadata(&mut fbb, &pairs));
    let root = arrow_ipc::Footer::create(
        &mut fbb,
        &FooterArgs {
            version: MetadataVersion::V5,
            schema,
            dictionaries,
            recordBatches: batches,
            custom_metadata,
        },
    );
    fbb.finish(root, None);
    let footer = fbb.finished_data();
    let length = i32::try_from(footer.len()).map_err(|_| FeatherError::TooManyBatches)?;
    out.extend_from_slice(footer);
    out.extend(length.to_le_bytes());
    out.extend(MAGIC);
    Ok(())
}

/// Reports whether the last bytes of a file, from the end of the stream on, list exactly these
/// batches.
pub(super) fn lists(tail: &[u8], blocks: &[Block]) -> bool {
    let Some((footer, [a, b, c, d, magic @ ..])) = tail.split_last_chunk::<10>() else {
        return false;
    };
    let length = usize::try_from(i32::from_le_bytes([*a, *b, *c, *d])).ok();
    let Some(footer) = footer.strip_prefix(&END) else { return false };
    if *magic != MAGIC || Some(footer.len()) != length {
        return false;
    }
    let Ok(footer) = root_as_footer(footer) else { return false };
    footer.recordBatches().is_some_and(|listed| listed.iter().eq(blocks))
}
