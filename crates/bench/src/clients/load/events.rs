//! Server-Sent Events (WHATWG HTML section 9.2) in what a server sends, compressed or not.

use std::io::{self, Write as _};

use flate2::write::GzDecoder;

use super::body::Body;

const DATA: &[u8] = b"data: ";
/// Ends an event.
const BLANK_LINE: &[u8] = b"\n\n";

/// Follows the events of one connection.
#[derive(Default)]
pub(super) struct Events {
    body: Body,
    gunzip: Option<GzDecoder<Vec<u8>>>,
    /// The text of an event that has no blank line at its end yet.
    text: Vec<u8>,
}

impl Events {
    pub(super) fn gzipped() -> Self {
        Self { gunzip: Some(GzDecoder::new(Vec::new())), ..Self::default() }
    }

    /// Shows the data of every event that is complete now, and how long the event is. Comments are
    /// passed over.
    ///
    /// # Errors
    /// If the response ends or cannot be decoded.
    pub(super) fn received(
        &mut self,
        mut bytes: &[u8],
        mut show: impl FnMut(&[u8], u64),
    ) -> io::Result<()> {
        while let Some(part) = self.body.next(&mut bytes)? {
            if let Some(gunzip) = &mut self.gunzip {
                gunzip.write_all(part)?;
                gunzip.flush()?;
                self.text.append(gunzip.get_mut());
            } else {
                self.text.extend_from_slice(part);
            }
        }
        let mut rest = &self.text[..];
        while let Some(end) = rest.windows(BLANK_LINE.len()).position(|here| here == BLANK_LINE) {
            let (event, after) = rest.split_at(end + BLANK_LINE.len());
            let mut lines = event.split(|byte| *byte == b'\n');
            if let Some(data) = lines.find_map(|line| line.strip_prefix(DATA)) {
                show(data, event.len() as u64);
            }
            rest = after;
        }
        let done = self.text.len() - rest.len();
        self.text.drain(..done);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const EVENTS: [&str; 4] = [
        "id: 1\ndata: {\"a\":1}\n\n",
        ": heartbeat\n\n",
        "event: gap\ndata: {}\n\n",
        "id: 2\ndata: {\"b\":2}\n\n",
    ];

    fn chunk(content: &[u8]) -> Vec<u8> {
        let size = format!("{:x}\r\n", content.len());
        [size.as_bytes(), content, b"\r\n"].concat()
    }

    fn data(mut events: Events, stream: &[u8], cut: usize) -> Vec<(String, u64)> {
        let mut found = Vec::new();
        for part in stream.chunks(cut) {
            let show = |data: &[u8], length| {
                found.push((String::from_utf8_lossy(data).into_owned(), length));
            };
            events.received(part, show).expect("events");
        }
        found
    }

    #[test]
    fn events_are_found_wherever_reads_end() {
        let plain: Vec<u8> = EVENTS.iter().flat_map(|event| chunk(event.as_bytes())).collect();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        let mut gzipped = Vec::new();
        for event in EVENTS {
            gzip.write_all(event.as_bytes()).expect("compresses");
            gzip.flush().expect("compresses");
            gzipped.extend(chunk(&std::mem::take(gzip.get_mut())));
        }
        let expected = [("{\"a\":1}", 21), ("{}", 21), ("{\"b\":2}", 21)];
        let expected = expected.map(|(data, length)| (data.to_owned(), length));
        for cut in [1, 2, 3, 7, 20, 1000] {
            assert_eq!(data(Events::default(), &plain, cut), expected, "reads of {cut}");
            assert_eq!(data(Events::gzipped(), &gzipped, cut), expected, "reads of {cut}");
        }
    }

    #[test]
    fn invalid_gzip_is_an_error() {
        let stream = chunk(b"data: plain text\n\n");
        assert!(Events::gzipped().received(&stream, |_, _| {}).is_err());
    }
}
