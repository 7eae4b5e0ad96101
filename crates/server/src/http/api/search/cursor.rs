//! Cursors: the position of a search as text, for this server and this query only.

use base64_simd::URL_SAFE_NO_PAD;
use cert::Digests;
use record::StreamId;

use crate::history::search::Position;

/// The version written, and the only one read.
const VERSION: u8 = 1;
/// Bytes of a stream's id.
const ID: usize = 8;
/// Bytes of a cursor: version, id, query, four offsets, flags.
const BYTES: usize = 1 + ID + 8 + 4 * 8 + 1;

/// Returns the cursor of a position.
pub(super) fn write(position: &Position, stream: StreamId, identity: &str) -> String {
    let mut bytes = Vec::with_capacity(BYTES);
    bytes.push(VERSION);
    bytes.extend_from_slice(stream.as_str().as_bytes());
    bytes.extend_from_slice(&hash(identity));
    let Position { range, left, has_lost } = position;
    for offset in [range.start, range.end, left.start, left.end] {
        bytes.extend_from_slice(&offset.to_be_bytes());
    }
    bytes.push(u8::from(*has_lost));
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// Reads a cursor. The error is the answer to the client.
pub(super) fn read(text: &str, stream: StreamId, identity: &str) -> Result<Position, String> {
    let wrong =
        || "cursor: this is not a cursor of a search; give one as an answer has it\n".to_owned();
    if text.len() > 2 * BYTES {
        return Err(wrong());
    }
    let bytes = URL_SAFE_NO_PAD.decode_to_vec(text).map_err(|_| wrong())?;
    let bytes: [u8; BYTES] = bytes.try_into().map_err(|_| wrong())?;
    let Some((&[VERSION], rest)) = bytes.split_first_chunk() else { return Err(wrong()) };
    let Some((id, rest)) = rest.split_first_chunk::<ID>() else { return Err(wrong()) };
    let Some((query, mut rest)) = rest.split_first_chunk::<8>() else { return Err(wrong()) };
    if id.as_slice() != stream.as_str().as_bytes() {
        let text = "cursor: it is of another server, or of another journal of this one; begin the search \
                    again without it\n";
        return Err(text.to_owned());
    }
    if *query != hash(identity) {
        let text = "cursor: it is of another query; a cursor continues the request that it came from, \
                    with the same parameters\n";
        return Err(text.to_owned());
    }
    let mut offset = || {
        let (offset, after) = rest.split_first_chunk::<8>()?;
        rest = after;
        Some(u64::from_be_bytes(*offset))
    };
    let offsets = (offset(), offset(), offset(), offset());
    let (Some(start), Some(end), Some(first), Some(last)) = offsets else { return Err(wrong()) };
    if !(start <= first && first <= last && last <= end) {
        return Err(wrong());
    }
    let has_lost = rest.first() != Some(&0);
    Ok(Position { range: start..end, left: first..last, has_lost })
}

fn hash(identity: &str) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = Digests::of(identity.as_bytes()).sha256;
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(text: &str) -> StreamId {
        text.parse().expect("an id")
    }

    #[test]
    fn a_cursor_is_read_back_by_its_server_for_its_query_only() {
        let position = Position { range: 5..1 << 60, left: 7..99, has_lost: true };
        let ours = stream("abcdefgh");
        let text = write(&position, ours, "domain=a");
        assert_eq!(read(&text, ours, "domain=a"), Ok(position));
        let problem = read(&text, stream("12345678"), "domain=a").expect_err("another server");
        assert!(problem.contains("of another server"), "{problem}");
        let problem = read(&text, ours, "domain=b").expect_err("another query");
        assert!(problem.contains("of another query"), "{problem}");
    }

    #[test]
    fn anything_else_is_no_cursor() {
        let ours = stream("abcdefgh");
        let (first, last) = (8, 7);
        let backwards = Position { range: 5..9, left: first..last, has_lost: false };
        let long = "A".repeat(10_000);
        for text in
            ["", "abc", "%%%", "' OR 1=1 --", "\u{202e}", &long, &write(&backwards, ours, "")]
        {
            let problem = read(text, ours, "").expect_err("no cursor");
            assert!(problem.contains("not a cursor of a search"), "{text}");
        }
    }
}
