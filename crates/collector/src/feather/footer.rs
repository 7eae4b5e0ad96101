//! The end of a file: the end of the stream, and the footer that tells readers where the batches
//! are.

use arrow_ipc::convert::IpcSchemaEncoder;
use arrow_ipc::{Block, FooterArgs, MetadataVersion, root_as_footer};
use arrow_schema::Schema;
use flatbuffers::FlatBufferBuilder;

use super::FeatherError;
use super::message::{END, metadata};
use crate::note::State;

/// What every Arrow file begins and ends with.
pub(super) const MAGIC: [u8; 6] = *b"ARROW1";

/// Appends the end of the stream and the footer.
pub(super) fn write(
    schema: &Schema,
    blocks: &[Block],
    state: &State,
    out: &mut Vec<u8>,
) -> Result<(), FeatherError> {
    out.extend(END);
    let mut fbb = FlatBufferBuilder::with_capacity(4096 + 24 * blocks.len());
    let dictionaries = Some(fbb.create_vector::<Block>(&[]));
    let batches = Some(fbb.create_vector(blocks));
    let schema = Some(IpcSchemaEncoder::new().schema_to_fb_offset(&mut fbb, schema));
    let gaps: Vec<_> = state.gaps.listed().collect();
    let mut pairs = vec![
        ("certstream.rows", state.rows.to_string()),
        ("certstream.gaps", serde_json::to_string(&gaps)?),
        ("certstream.gap_count", state.gaps.count().to_string()),
    ];
    pairs.extend(state.offset.map(|offset| ("certstream.offset", offset.to_string())));
    pairs.extend(state.server.clone().map(|server| ("certstream.server", server)));
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

/// Whether these last bytes of a file, from the end of the stream on, list exactly these batches.
pub(super) fn lists(tail: &[u8], blocks: &[Block]) -> bool {
    let Some((footer, [a, b, c, d, magic @ ..])) = tail.split_last_chunk::<10>() else {
        return false;
    };
    let length = usize::try_from(i32::from_le_bytes([*a, *b, *c, *d])).ok();
    let footer = footer.strip_prefix(&END).filter(|footer| Some(footer.len()) == length);
    let Some(Ok(footer)) = footer.filter(|_| *magic == MAGIC).map(read) else { return false };
    footer.recordBatches().is_some_and(|listed| listed.iter().eq(blocks))
}

/// Reads a footer with room for as many batches as there may be.
fn read(bytes: &[u8]) -> Result<arrow_ipc::Footer<'_>, flatbuffers::InvalidFlatbuffer> {
    root_as_footer(bytes)
}
